package c2s

import (
	"errors"
	"fmt"

	"peewit/bridge/xmpp"
)

// streamError ends a stream: a condition of RFC 6120 §4.9.3 and a sentence for
// whoever reads it at the other end.
type streamError struct {
	condition, text string
}

func (e *streamError) Error() string { return e.condition + ": " + e.text }

func refuse(condition, format string, args ...any) *streamError {
	return &streamError{condition, fmt.Sprintf(format, args...)}
}

// xml is the error as an element; declare says that the prefix stream is not
// declared around it.
func (e *streamError) xml(declare bool) []byte {
	space := ""
	if declare {
		space = " xmlns:stream='" + xmpp.NSStream + "'"
	}
	b := fmt.Appendf(nil, "<stream:error%s><%s xmlns='%s'/>", space, e.condition, nsStreamErrors)
	if e.text != "" {
		b = fmt.Appendf(b, "<text xmlns='%s' xml:lang='en'>%s</text>", nsStreamErrors, xmpp.Escape(e.text))
	}
	return append(b, "</stream:error>"...)
}

// asStreamError is the stream error for what a framer or parser found wrong, or
// nil when err is not the client's fault: the connection broke.
func asStreamError(err error) *streamError {
	var e *streamError
	switch {
	case errors.As(err, &e):
		return e
	case errors.Is(err, xmpp.ErrTooBig):
		return refuse("policy-violation", "%s", err) // RFC 6120 §4.9.3.14
	case errors.Is(err, xmpp.ErrRestricted):
		return refuse("restricted-xml", "%s", err) // RFC 6120 §4.9.3.18
	case errors.Is(err, xmpp.ErrMalformed):
		return refuse("not-well-formed", "%s", err) // RFC 6120 §4.9.3.13
	case errors.Is(err, xmpp.ErrNotStanza):
		return refuse("unsupported-stanza-type", "%s", err) // RFC 6120 §4.9.3.24
	}
	return nil
}
