package eventlog

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"peewit/bridge"
)

// Append puts records into the log and returns when they are there, acks in the
// order of the drafts. Several drafts become neighbours, all or none of them;
// they may be at most 1,000. A draft whose key is logged already is left out, its
// ack names the first. Errors are [*bridge.Error], see the package comment; the
// refusal of one draft refuses all.
func (l *Log) Append(ctx context.Context, drafts ...bridge.Draft) ([]bridge.Ack, error) {
	wait, err := l.Submit(drafts...)
	if err != nil {
		return nil, err
	}
	return wait(ctx)
}

// Submit is Append in two steps: when it returns, the drafts have their place in
// the log, before those of every later call, unless wait refuses them. wait must
// be called, once. Only where wait finds a draft of several logged already are
// the others sent again and stand where they come to stand then.
func (l *Log) Submit(drafts ...bridge.Draft) (wait func(context.Context) ([]bridge.Ack, error), err error) {
	if len(drafts) == 0 {
		return func(context.Context) ([]bridge.Ack, error) { return nil, nil }, nil
	}
	if len(drafts) > maxBatch {
		return nil, bridge.Refuse(bridge.PolicyViolation, "this changes more than %d things at once", maxBatch)
	}
	if err := l.Writable(); err != nil {
		return nil, err
	}
	a := attempt{log: l, acks: make([]bridge.Ack, len(drafts)), drafts: drafts, msgs: make([]*nats.Msg, len(drafts))}
	a.first = make(map[string]int, len(drafts))
	for i := range drafts {
		var err error
		if a.msgs[i], err = encode(&drafts[i]); err != nil {
			return nil, err
		}
		key := drafts[i].Record.Key
		if _, repeated := a.first[key]; repeated && key != "" {
			continue
		}
		a.first[key] = i
		a.open = append(a.open, i)
	}
	if err := a.send(); err != nil {
		return nil, err
	}
	return a.wait, nil
}

// attempt is one call of Submit under way.
type attempt struct {
	log    *Log
	drafts []bridge.Draft
	msgs   []*nats.Msg
	acks   []bridge.Ack
	first  map[string]int // by key: the first draft that has it
	open   []int          // indexes of the drafts still to be appended
	sent   *request       // of the open ones
}

// send puts the open drafts into the writer's queue.
func (a *attempt) send() error {
	msgs := make([]*nats.Msg, len(a.open))
	for n, i := range a.open {
		msgs[n] = a.msgs[i]
	}
	a.sent = newRequest(msgs...)
	return a.log.recordWriter.enqueue([]*request{a.sent})
}

// wait is the second step of Submit.
func (a *attempt) wait(ctx context.Context) ([]bridge.Ack, error) {
	if err := a.run(ctx); err != nil {
		if bridge.Is(err, bridge.ServiceUnavailable) {
			if full := a.log.Writable(); full != nil {
				return nil, full
			}
		}
		return nil, err
	}
	for i, d := range a.drafts {
		if a.acks[i].Seq == 0 {
			a.acks[i] = bridge.Ack{Seq: a.acks[a.first[d.Record.Key]].Seq, Duplicate: true}
		}
	}
	return a.acks, nil
}

// run waits until the open drafts are appended, leaving out what turns out to be
// logged already. Each turn leaves out at least one, so it ends.
func (a *attempt) run(ctx context.Context) error {
	for {
		err := a.log.recordWriter.await(ctx, []*request{a.sent})
		if err == nil {
			for n, i := range a.open {
				a.acks[i] = a.sent.acks[n]
			}
			return nil
		}
		// A repeat that is guarded as well answers as a conflict.
		if apiCode(err) != codeBatchRepeat && !bridge.Is(err, bridge.Conflict) {
			return err
		}
		before := len(a.open)
		if lookup := a.leaveOutLogged(ctx); lookup != nil {
			return lookup
		}
		switch len(a.open) {
		case before:
			return refusal("append", err)
		case 0:
			return nil
		}
		if err := a.send(); err != nil {
			return err
		}
	}
}

// leaveOutLogged looks up the keys of the open drafts.
func (a *attempt) leaveOutLogged(ctx context.Context) error {
	rest := a.open[:0:0]
	for _, i := range a.open {
		key := a.drafts[i].Record.Key
		if key != "" {
			seq, ok, err := a.log.Find(ctx, key)
			if err != nil {
				return err
			}
			if ok {
				a.acks[i] = bridge.Ack{Seq: seq, Duplicate: true}
				continue
			}
		}
		rest = append(rest, i)
	}
	a.open = rest
	return nil
}

// encode makes the message of a draft. Record.Encode sets the version, so it
// works on a copy.
func encode(d *bridge.Draft) (*nats.Msg, error) {
	record := d.Record
	data, err := record.Encode()
	if err != nil {
		return nil, &bridge.Error{Condition: bridge.InternalError, Text: "it could not be stored; try again later", Err: err}
	}
	if len(data) > maxRecord {
		return nil, tooBig(fmt.Errorf("a %s record of %d bytes", record.Kind(), len(data)))
	}
	m := nats.NewMsg(record.Subject())
	m.Data = data
	if record.Key != "" {
		m.Header[jetstream.MsgIDHeader] = []string{record.Key}
	}
	if d.Guard {
		m.Header[jetstream.ExpectedLastSubjSeqHeader] = []string{strconv.FormatUint(d.Expected, 10)}
	}
	setTTL(m, d.TTL)
	return m, nil
}

// setTTL lets the stream forget the message; JetStream counts whole seconds.
func setTTL(m *nats.Msg, ttl time.Duration) {
	if ttl > 0 {
		seconds := (ttl + time.Second - 1) / time.Second
		m.Header[jetstream.MsgTTLHeader] = []string{strconv.FormatInt(int64(seconds), 10)}
	}
}

// Find is the sequence of the record with this key, if it was appended within
// [Window]. After that only the archive knows.
//
// JetStream has no question for this. It looks for a repeated key before it looks
// at a rollup header, and LOG allows no rollup: so a message with both is answered
// either "duplicate" with the sequence or "no rollup", and never stored.
func (l *Log) Find(ctx context.Context, key string) (seq uint64, ok bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, l.patience)
	defer cancel()
	m := nats.NewMsg("p.00.find")
	m.Header[jetstream.MsgIDHeader] = []string{key}
	m.Header[jetstream.MsgRollup] = []string{jetstream.MsgRollupSubject}
	for {
		reply, err := l.nc.RequestMsgWithContext(ctx, m)
		if err != nil {
			return 0, false, refusal("look up key", err)
		}
		var ack struct {
			Seq       uint64              `json:"seq"`
			Duplicate bool                `json:"duplicate"`
			Error     *jetstream.APIError `json:"error"`
		}
		if err := json.Unmarshal(reply.Data, &ack); err != nil {
			return 0, false, refusal("look up key", err)
		}
		switch {
		case ack.Error == nil && ack.Duplicate:
			return ack.Seq, true, nil
		case ack.Error != nil && ack.Error.ErrorCode == codeRollupRefused:
			return 0, false, nil
		case ack.Error == nil || ack.Error.ErrorCode != codeRepeatRunning:
			return 0, false, refusal("look up key", fmt.Errorf("unexpected answer %s", reply.Data))
		}
		// In a cluster the first append of the key is being decided.
		pause := time.NewTimer(10 * time.Millisecond)
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
			return 0, false, refusal("look up key", ctx.Err())
		}
	}
}
