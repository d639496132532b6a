package web

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strings"
	"time"

	"peewit/bridge"
	"peewit/bridge/archive"
	"peewit/bridge/microblog"
	"peewit/bridge/syndicate"
)

// The bounds of a feed document.
const (
	feedSize  = 50
	feedBytes = 4 << 20 // of payloads
)

// formats are the feed formats by their endings.
var formats = map[string]struct {
	mediaType string
	write     func(head bridge.Feed, links []bridge.Link, items []bridge.Item) []byte
}{
	"atom": {syndicate.TypeAtom, syndicate.Atom},
	"rss":  {syndicate.TypeRSS, syndicate.RSS},
	"json": {syndicate.TypeJSON, syndicate.JSON},
}

// cutEnding splits the last segment of a path into a name and the ending of a
// document beside its page, or "".
func cutEnding(segment string) (name, ending string) {
	if i := strings.LastIndexByte(segment, '.'); i >= 0 && i+1 < len(segment) {
		return segment[:i], segment[i+1:]
	}
	return segment, ""
}

// feed serves the newest posts of a node in the format of an ending. The head
// has the page as its link, and the date of a feed without posts.
func (s *site) feed(w http.ResponseWriter, r *http.Request, addr bridge.Addr, ending string, head bridge.Feed) {
	format, ok := formats[ending]
	if !ok {
		s.missing(w, r)
		return
	}
	found, err := s.svc.Posts.Items(r.Context(), stranger, addr, archive.Query{Max: feedSize, MaxBytes: feedBytes})
	if err != nil {
		s.fail(w, r, err)
		return
	}
	for _, item := range found.Items {
		if item.Modified.After(head.Updated) {
			head.Updated = item.Modified
		}
	}
	head.ID, head.Self = microblog.URI(addr, ""), head.Link+"."+ending
	send(w, r, format.mediaType, head.Updated, format.write(head, nil, found.Items))
}

// send answers with a document, or with "not modified" to a reader who has it:
// feed readers ask again and again. A zero time is none.
func send(w http.ResponseWriter, r *http.Request, mediaType string, modified time.Time, document []byte) {
	if time.Since(modified) < 2*time.Second {
		// The date counts in seconds: more may come within this one
		// (RFC 9110 §8.8.2.2).
		modified = time.Time{}
	}
	sum := sha256.Sum256(document)
	w.Header().Set("Content-Type", mediaType)
	w.Header().Set("ETag", `"`+hex.EncodeToString(sum[:16])+`"`)
	http.ServeContent(w, r, "", modified, bytes.NewReader(document))
}
