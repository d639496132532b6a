package eventlog

import (
	"errors"
	"fmt"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"peewit/bridge"
)

// Error codes of JetStream that its client library does not name.
const (
	codeAccountFull   jetstream.ErrorCode = 10002
	codeServerFull    jetstream.ErrorCode = 10023
	codeStorageFull   jetstream.ErrorCode = 10047
	codeStoreFailed   jetstream.ErrorCode = 10077
	codeRollupRefused jetstream.ErrorCode = 10111
	codeRepeatRunning jetstream.ErrorCode = 10158 // the first append of this key is not decided yet (clusters)
	codeBatchPartial  jetstream.ErrorCode = 10176 // a member could not be staged
	codeBatchRepeat   jetstream.ErrorCode = 10201 // a member's key is logged already
	codeBatchesFull   jetstream.ErrorCode = 10210
)

// apiCode is the code of a refusal that the server itself gave, 0 for any other
// error. Only such a refusal says for certain that nothing was written.
func apiCode(err error) jetstream.ErrorCode {
	var api *jetstream.APIError
	if errors.As(err, &api) {
		return api.ErrorCode
	}
	return 0
}

// refusal is the error for an operation that the log did not carry out.
func refusal(operation string, err error) error {
	var done *bridge.Error
	if errors.As(err, &done) {
		return err
	}
	err = fmt.Errorf("%s: %w", operation, err)
	switch apiCode(err) {
	case jetstream.JSErrCodeStreamWrongLastSequence, jetstream.JSErrCodeStreamWrongLastSequenceConstant, codeRepeatRunning:
		return &bridge.Error{Condition: bridge.Conflict, Text: "it was changed meanwhile; try again", Err: err}
	case codeAccountFull, codeServerFull, codeStorageFull:
		return diskFull(err)
	case codeStoreFailed:
		if strings.Contains(err.Error(), "maximum") || strings.Contains(err.Error(), "no space") {
			return diskFull(err)
		}
	case jetstream.JSErrCodeStreamMessageExceedsMaximum:
		return tooBig(err)
	case codeBatchPartial, codeBatchesFull, 0:
		if errors.Is(err, nats.ErrMaxPayload) {
			return tooBig(err)
		}
		return unavailable(err)
	}
	return &bridge.Error{Condition: bridge.InternalError, Text: "it could not be stored; try again later", Err: err}
}

func unavailable(err error) *bridge.Error {
	return &bridge.Error{Condition: bridge.ServiceUnavailable, Text: "the log does not answer; try again later", Err: err}
}

func diskFull(err error) *bridge.Error {
	return &bridge.Error{Condition: bridge.ResourceConstraint, Text: "there is no room here to store anything now; try again later", Err: err}
}

func tooBig(err error) *bridge.Error {
	return &bridge.Error{Condition: bridge.NotAcceptable, Reason: "payload-too-big", Text: "it is too big to be stored here", Err: err}
}
