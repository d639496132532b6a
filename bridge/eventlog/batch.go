package eventlog

import (
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"

	"peewit/bridge"
)

// batch writes messages as one atomic batch: all of them, or none. The client
// library has no call for it: each member carries the batch's id and its place in
// it, and the last one asks for the commit (ADR-50).
func (w *writer) batch(msgs []*nats.Msg) ([]bridge.Ack, error) {
	id := nuid.Next()
	nc := w.log.nc
	var last *nats.Msg
	for i, m := range msgs {
		member := nats.NewMsg(m.Subject)
		member.Data = m.Data
		for k, v := range m.Header {
			member.Header[k] = v
		}
		member.Header["Nats-Batch-Id"] = []string{id}
		member.Header["Nats-Batch-Sequence"] = []string{strconv.Itoa(i + 1)}
		if i == len(msgs)-1 {
			member.Header["Nats-Batch-Commit"] = []string{"1"}
			last = member
		} else if err := nc.PublishMsg(member); err != nil {
			return nil, refusal("append batch", err) // without its last member it is dropped
		}
	}
	type answer struct {
		msg *nats.Msg
		err error
	}
	answers := make(chan answer, 1)
	go func() {
		m, err := nc.RequestMsg(last, w.log.patience)
		answers <- answer{m, err}
	}()
	var ack struct {
		Seq   uint64              `json:"seq"`
		Count int                 `json:"count"`
		Error *jetstream.APIError `json:"error"`
	}
	err := w.answer(func(doubt <-chan time.Time) (bool, error) {
		select {
		case a := <-answers:
			if a.err != nil {
				return true, a.err
			}
			return true, json.Unmarshal(a.msg.Data, &ack)
		case <-doubt:
			return false, nil
		}
	})
	if err == nil && ack.Error != nil {
		err = ack.Error
	}
	if err == nil && ack.Count != len(msgs) {
		err = fmt.Errorf("the log took %d of %d records", ack.Count, len(msgs))
	}
	if apiCode(err) == codeBatchPartial && w.log.server != nil {
		// In process nothing gets lost on the way: a member could not be written.
		return nil, diskFull(err)
	}
	if err != nil {
		return nil, refusal("append batch", err)
	}
	acks := make([]bridge.Ack, len(msgs))
	for i := range acks {
		acks[i].Seq = ack.Seq - uint64(len(msgs)-1-i)
	}
	return acks, nil
}
