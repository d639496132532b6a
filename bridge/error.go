package bridge

import (
	"errors"
	"fmt"
)

// Condition is what went wrong in words that every protocol has: the stanza
// error conditions of RFC 6120 §8.3.3. A door translates it to its own: an
// error stanza, an HTTP status, a line of chat.
type Condition string

// The conditions in use.
const (
	BadRequest         Condition = "bad-request"
	Conflict           Condition = "conflict"
	FeatureNotPresent  Condition = "feature-not-implemented"
	Forbidden          Condition = "forbidden"
	Gone               Condition = "gone"
	InternalError      Condition = "internal-server-error"
	ItemNotFound       Condition = "item-not-found"
	MalformedJID       Condition = "jid-malformed"
	NotAcceptable      Condition = "not-acceptable"
	NotAllowed         Condition = "not-allowed"
	NotAuthorized      Condition = "not-authorized"
	PolicyViolation    Condition = "policy-violation"
	ResourceConstraint Condition = "resource-constraint"
	ServiceUnavailable Condition = "service-unavailable"
	UnexpectedRequest  Condition = "unexpected-request"
)

// Error is a refusal that may be told to the stranger who asked. What only the
// operator should read goes into the wrapped error.
type Error struct {
	Condition Condition
	// Reason is the application-specific condition of XEP-0060 §12 ("closed-node",
	// "payload-too-big" …) or "".
	Reason string
	// Feature is the feature named beside the reason "unsupported" (XEP-0060 §12.22).
	Feature string
	Text    string // for the stranger: one sentence, lower case, no full stop
	Err     error  // the cause, for the log; may be nil
}

func (e *Error) Error() string {
	s := string(e.Condition)
	if e.Reason != "" {
		s += " (" + e.Reason + ")"
	}
	if e.Text != "" {
		s += ": " + e.Text
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

func (e *Error) Unwrap() error { return e.Err }

// Refuse makes an Error whose text is for the stranger.
func Refuse(c Condition, format string, args ...any) *Error {
	return &Error{Condition: c, Text: fmt.Sprintf(format, args...)}
}

// RefuseFor is Refuse with the application-specific reason of XEP-0060.
func RefuseFor(c Condition, reason, format string, args ...any) *Error {
	return &Error{Condition: c, Reason: reason, Text: fmt.Sprintf(format, args...)}
}

// AsError returns the refusal inside err, or an internal-server-error that
// tells the stranger nothing and keeps err for the log.
func AsError(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return &Error{Condition: InternalError, Text: "something went wrong here; try again later", Err: err}
}

// Is reports whether err is a refusal with this condition.
func Is(err error, c Condition) bool {
	var e *Error
	return errors.As(err, &e) && e.Condition == c
}
