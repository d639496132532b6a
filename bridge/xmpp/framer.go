package xmpp

import (
	"bytes"
	"fmt"
	"io"
)

// How big a Framer's buffer is while nothing is in it, and while much comes.
const (
	idleBuffer = 1 << 10
	busyBuffer = 16 << 10
)

// Framer cuts a byte stream into the stream header, the elements at the top
// level of the stream and the stream's end tag. It builds no tree and looks at
// each byte once; what it hands out is complete, not yet known to be
// well-formed. An idle one holds little memory. Time limits are its reader's.
type Framer struct {
	r     io.Reader
	limit int

	buf   []byte // what was read last
	start int    // where in it the piece begins that is being looked for
	pos   int    // how far it has been looked at
	full  bool   // the last read filled the buffer: there is probably more
	over  bool   // the piece is too big: it is read to its end and not kept
	state func(*Framer) (next, error)

	opened bool // the stream header has been handed out
	depth  int  // of elements, below the stream
	quote  byte // of the value being read, or 0
}

// next says what a state needs to go on.
type next int

const (
	again next = iota // call the current state
	more              // read on
	whole             // a piece ends at pos
)

// NewFramer reads pieces of at most limit bytes from r.
func NewFramer(r io.Reader, limit int) *Framer {
	return &Framer{r: r, limit: limit, state: between}
}

// SetLimit changes how big a piece may be, as after authentication.
func (f *Framer) SetLimit(limit int) { f.limit = limit }

// Restart makes the framer expect a stream header again, as after SASL.
func (f *Framer) Restart() {
	f.opened, f.over, f.depth, f.quote, f.state = false, false, 0, 0, between
}

// Buffered is how many bytes were read and not handed out. After a STARTTLS
// request they must be none: they came in the clear.
func (f *Framer) Buffered() int { return len(f.buf) - f.start }

// Next is the next piece: the stream's start tag (always the first piece), one
// whole element, or the stream's end tag (it starts with "</"). White space and
// an XML declaration in between are skipped. The bytes are the caller's to keep.
// Its errors are [ErrMalformed], [ErrRestricted], [ErrTooBig] and the reader's;
// io.EOF comes only between pieces. After ErrTooBig it goes on behind the piece
// that was; it recovers from no other.
func (f *Framer) Next() ([]byte, error) {
	for {
		need := more
		if f.pos < len(f.buf) {
			var err error
			if need, err = f.state(f); err != nil {
				return nil, err
			}
		}
		if f.over {
			f.start = max(f.start, f.pos-1) // a '>' is understood by what stands before it
		}
		if f.pos-f.start > f.limit {
			if f.over = need != whole; !f.over {
				f.drop()
			}
			return nil, fmt.Errorf("%w: %d bytes", ErrTooBig, f.limit)
		}
		switch {
		case need == whole && f.over:
			f.over = false
			f.drop()
		case need == whole:
			piece := bytes.Clone(f.buf[f.start:f.pos])
			f.drop()
			return piece, nil
		case need == more:
			if err := f.read(); err != nil {
				return nil, err
			}
		}
	}
}

// drop forgets what has been looked at, and the whole buffer with it when
// nothing is left and probably nothing follows soon.
func (f *Framer) drop() {
	f.start = f.pos
	if f.start < len(f.buf) {
		return
	}
	f.start, f.pos, f.buf = 0, 0, f.buf[:0]
	if cap(f.buf) > idleBuffer && !f.full {
		f.buf = nil
	}
}

// read adds to the buffer.
func (f *Framer) read() error {
	if len(f.buf) == cap(f.buf) {
		f.makeRoom()
	}
	n, err := f.r.Read(f.buf[len(f.buf):cap(f.buf)])
	f.buf = f.buf[:len(f.buf)+n]
	f.full = len(f.buf) == cap(f.buf)
	if n > 0 || err == nil {
		return nil
	}
	if err == io.EOF && f.Buffered() > 0 {
		return io.ErrUnexpectedEOF
	}
	return err
}

// makeRoom moves what is left to the front, in a bigger buffer if it would
// still fill half of this one.
func (f *Framer) makeRoom() {
	rest, size := f.buf[f.start:], cap(f.buf)
	switch {
	case size == 0:
		size = idleBuffer
	case size < busyBuffer:
		size = busyBuffer
	case len(rest) > size/2:
		size *= 2
	}
	to := f.buf[:0]
	if size != cap(f.buf) {
		to = make([]byte, 0, size)
	}
	f.buf = append(to, rest...)
	f.pos -= f.start
	f.start = 0
}

// between looks for the next piece at the top level.
func between(f *Framer) (next, error) {
	for f.pos < len(f.buf) && isSpace(f.buf[f.pos]) {
		f.pos++
	}
	f.drop()
	if f.pos == len(f.buf) {
		return more, nil
	}
	if f.buf[f.pos] != '<' {
		return more, fmt.Errorf("%w: text between elements", ErrMalformed)
	}
	f.state = tag
	return again, nil
}

// tag looks at what follows a '<'.
func tag(f *Framer) (next, error) {
	rest := f.buf[f.pos:]
	if len(rest) < 2 {
		return more, nil
	}
	switch rest[1] {
	case '/':
		if !f.opened {
			return more, fmt.Errorf("%w: an end tag instead of a stream header", ErrMalformed)
		}
		f.state = endTag
	case '?':
		if f.opened || f.depth > 0 {
			return more, fmt.Errorf("%w: a processing instruction", ErrRestricted)
		}
		f.state = declaration
	case '!':
		return cdataStart(f, rest)
	default:
		f.state = startTag
	}
	f.pos++
	return again, nil
}

// declaration skips <?xml … ?>, which may stand before the stream header.
func declaration(f *Framer) (next, error) {
	i := bytes.IndexByte(f.buf[f.pos:], '>')
	if i < 0 {
		f.pos = len(f.buf)
		return more, nil
	}
	f.pos += i + 1
	piece := f.buf[f.start:f.pos]
	if !bytes.HasPrefix(piece, []byte("<?xml ")) || !bytes.HasSuffix(piece, []byte("?>")) {
		return more, fmt.Errorf("%w: a processing instruction", ErrRestricted)
	}
	f.drop()
	f.state = between
	return again, nil
}

// startTag reads up to the '>' that ends the tag and stands in no value.
func startTag(f *Framer) (next, error) {
	for f.pos < len(f.buf) {
		rest := f.buf[f.pos:]
		if f.quote != 0 {
			i := bytes.IndexByte(rest, f.quote)
			if i < 0 {
				break
			}
			f.pos += i + 1
			f.quote = 0
			continue
		}
		i := 0
		for i < len(rest) && rest[i] != '>' && rest[i] != '"' && rest[i] != '\'' && rest[i] != '<' {
			i++
		}
		if i == len(rest) {
			break
		}
		f.pos += i + 1
		switch rest[i] {
		case '<':
			return more, fmt.Errorf("%w: a '<' in a tag", ErrMalformed)
		case '>':
			return opened(f, f.buf[f.pos-2] == '/')
		}
		f.quote = rest[i]
	}
	f.pos = len(f.buf)
	return more, nil
}

// opened deals with the end of a start tag.
func opened(f *Framer, empty bool) (next, error) {
	switch {
	case !f.opened && empty:
		return more, fmt.Errorf("%w: an element instead of a stream header", ErrMalformed)
	case !f.opened:
		f.opened, f.state = true, between
		return whole, nil
	case empty && f.depth == 0:
		f.state = between
		return whole, nil
	case !empty:
		f.depth++
	}
	f.state = content
	return again, nil
}

// endTag reads up to its '>'.
func endTag(f *Framer) (next, error) {
	i := bytes.IndexByte(f.buf[f.pos:], '>')
	if i < 0 {
		f.pos = len(f.buf)
		return more, nil
	}
	f.pos += i + 1
	if f.depth > 0 {
		f.depth--
	}
	if f.depth == 0 {
		f.state = between
		return whole, nil
	}
	f.state = content
	return again, nil
}

// content reads text up to the next '<'.
func content(f *Framer) (next, error) {
	i := bytes.IndexByte(f.buf[f.pos:], '<')
	if i < 0 {
		f.pos = len(f.buf)
		return more, nil
	}
	f.pos += i
	f.state = tag
	return again, nil
}

// cdataStart recognises <![CDATA[, the only thing that may start with "<!".
func cdataStart(f *Framer, rest []byte) (next, error) {
	const start = "<![CDATA["
	seen := min(len(rest), len(start))
	if f.depth == 0 || string(rest[:seen]) != start[:seen] {
		return more, fmt.Errorf("%w: a comment or declaration", ErrRestricted)
	}
	if seen < len(start) {
		return more, nil
	}
	f.pos += len(start)
	f.state = cdata
	return again, nil
}

// cdata reads up to ]]>.
func cdata(f *Framer) (next, error) {
	i := bytes.Index(f.buf[f.pos:], []byte("]]>"))
	if i < 0 {
		// The last two bytes may be the beginning of the end.
		f.pos = max(f.pos, len(f.buf)-2)
		return more, nil
	}
	f.pos += i + len("]]>")
	f.state = content
	return again, nil
}
