package fetch

import (
	"bufio"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
)

// readBody reads and decodes a body, at most [MaxBody] bytes of it. A body that
// breaks off is returned as far as it came, with cut set: servers announce
// lengths that are not theirs, and half a feed is better than none. A body that
// did not come in time is an error.
func readBody(resp *http.Response) (body []byte, cut bool, err error) {
	r, err := decoded(resp.Body, resp.Header.Get("Content-Encoding"))
	if err == nil {
		body, err = io.ReadAll(io.LimitReader(r, MaxBody+1))
	}
	if len(body) > MaxBody {
		return nil, false, ErrTooLarge
	}
	if err == nil {
		return body, false, nil
	}
	var late net.Error
	if errors.As(err, &late) && late.Timeout() || errors.Is(err, context.Canceled) || len(body) == 0 {
		return nil, false, err
	}
	return body, true, nil
}

// decoded undoes a content coding (RFC 9110 §8.4.1). Servers that name one they
// did not use are common, so the first bytes decide.
func decoded(r io.Reader, coding string) (io.Reader, error) {
	b := bufio.NewReader(r)
	start, err := b.Peek(2)
	if len(start) < 2 {
		if err == io.EOF {
			err = nil
		}
		return b, err
	}
	switch strings.ToLower(strings.TrimSpace(coding)) {
	case "gzip", "x-gzip":
		if start[0] == 0x1f && start[1] == 0x8b { // RFC 1952 §2.3.1
			return gzip.NewReader(b)
		}
	case "deflate":
		if start[0]&0x0f == 8 && (uint16(start[0])<<8|uint16(start[1]))%31 == 0 { // RFC 1950 §2.2
			return zlib.NewReader(b)
		}
		if start[0] != '<' && start[0] != '{' {
			return flate.NewReader(b), nil
		}
	}
	return b, nil
}
