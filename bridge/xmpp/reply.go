package xmpp

import (
	"bytes"
	"context"
	"log/slog"

	"peewit/bridge"
)

// Conditions of RFC 6120 §8.3.3 that only routing knows.
const (
	RemoteServerNotFound bridge.Condition = "remote-server-not-found"
	RemoteServerTimeout  bridge.Condition = "remote-server-timeout"
	RecipientUnavailable bridge.Condition = "recipient-unavailable"
)

// errorTypes is the type that RFC 6120 §8.3.3 gives each condition.
var errorTypes = map[bridge.Condition]string{
	bridge.BadRequest:         "modify", // §8.3.3.1
	bridge.Conflict:           "cancel", // §8.3.3.2
	bridge.FeatureNotPresent:  "cancel", // §8.3.3.3
	bridge.Forbidden:          "auth",   // §8.3.3.4
	bridge.Gone:               "cancel", // §8.3.3.5
	bridge.InternalError:      "cancel", // §8.3.3.6
	bridge.ItemNotFound:       "cancel", // §8.3.3.7
	bridge.MalformedJID:       "modify", // §8.3.3.8
	bridge.NotAcceptable:      "modify", // §8.3.3.9
	bridge.NotAllowed:         "cancel", // §8.3.3.10
	bridge.NotAuthorized:      "auth",   // §8.3.3.11
	bridge.PolicyViolation:    "modify", // §8.3.3.12
	RecipientUnavailable:      "wait",   // §8.3.3.13
	RemoteServerNotFound:      "cancel", // §8.3.3.16
	RemoteServerTimeout:       "wait",   // §8.3.3.17
	bridge.ResourceConstraint: "wait",   // §8.3.3.18
	bridge.ServiceUnavailable: "cancel", // §8.3.3.19
	bridge.UnexpectedRequest:  "wait",   // §8.3.3.22
}

// nsPubsubErrors holds the application-specific conditions of XEP-0060.
const nsPubsubErrors = "http://jabber.org/protocol/pubsub#errors"

// ErrorReply is the error stanza that answers st with err (RFC 6120 §8.3), from
// the address st was sent to. It is nil when st must not be answered. Of err
// only the text of a [bridge.Error] is told.
func ErrorReply(st *Stanza, err error) []byte {
	if !st.Answerable() {
		return nil
	}
	return Wrap(st.Kind, "error", st.ID, st.To, st.From, errorElement(err))
}

// errorElement is the <error/> that tells err.
func errorElement(err error) []byte {
	e := bridge.AsError(err)
	condition := e.Condition
	typ, known := errorTypes[condition]
	if !known {
		condition, typ = "undefined-condition", "cancel" // §8.3.3.21
	}
	var b bytes.Buffer
	b.WriteString("<error")
	attribute(&b, "type", typ)
	b.WriteString("><" + string(condition) + " xmlns='" + NSStanzas + "'/>")
	if e.Text != "" {
		b.WriteString("<text xmlns='" + NSStanzas + "' xml:lang='en'>" + Escape(e.Text) + "</text>")
	}
	if e.Reason != "" { // XEP-0060 §12.23
		b.WriteString("<" + Escape(e.Reason))
		attribute(&b, "xmlns", nsPubsubErrors)
		attribute(&b, "feature", e.Feature)
		b.WriteString("/>")
	}
	b.WriteString("</error>")
	return b.Bytes()
}

// ResultReply is the result that answers the iq st, with payload in it or, when
// that is nil, empty (RFC 6120 §8.2.3).
func ResultReply(st *Stanza, payload []byte) []byte {
	return Wrap("iq", "result", st.ID, st.To, st.From, payload)
}

// logError logs what of a refusal the stranger is not told.
func logError(ctx context.Context, logger *slog.Logger, st *Stanza, err error) {
	e := bridge.AsError(err)
	if e.Err == nil {
		return
	}
	level := slog.LevelDebug
	if e.Condition == bridge.InternalError {
		level = slog.LevelError
	}
	logger.Log(ctx, level, "stanza refused", slog.String("kind", st.Kind), slog.String("from", string(st.From)),
		slog.String("to", string(st.To)), slog.String("condition", string(e.Condition)), slog.Any("error", e.Err))
}
