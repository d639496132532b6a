package deliver

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"syscall"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"peewit/bridge"
)

func openQueue(dir string) (*pebble.DB, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("open outbox: %w", err)
	}
	cache := pebble.NewCache(4 << 20)
	defer cache.Unref()
	db, err := pebble.Open(dir, &pebble.Options{
		DisableWAL:   true, // the log is the WAL: a lost tail is derived again
		Cache:        cache,
		MemTableSize: 2 << 20,
		Logger:       quiet{},
	})
	if err != nil {
		return nil, fmt.Errorf("open outbox %s: %w", dir, err)
	}
	return db, nil
}

// damaged tells a queue that cannot be read any more from a directory that
// cannot be used now: forbidden, in use, or on a full disk.
func damaged(err error) bool {
	var errno syscall.Errno
	return !errors.As(err, &errno) || errors.Is(err, fs.ErrNotExist)
}

// quiet keeps Pebble's accounts of its compactions out of our log; its errors
// come back from its calls.
type quiet struct{}

func (quiet) Infof(string, ...any)           {}
func (quiet) Errorf(string, ...any)          {}
func (quiet) Fatalf(format string, a ...any) { panic(fmt.Sprintf("outbox: "+format, a...)) }

var positionKey = []byte("p")

func (o *Outbox) position() (bridge.Position, error) {
	var pos bridge.Position
	value, closer, err := o.db.Get(positionKey)
	if errors.Is(err, pebble.ErrNotFound) {
		return pos, nil
	}
	if err != nil {
		return pos, fmt.Errorf("read outbox position: %w", err)
	}
	defer closer.Close()
	if err := json.Unmarshal(value, &pos); err != nil {
		return pos, fmt.Errorf("read outbox position: %w", err)
	}
	return pos, nil
}

func putPosition(b *pebble.Batch, pos bridge.Position) error {
	value, err := json.Marshal(pos)
	if err != nil {
		return err
	}
	return b.Set(positionKey, value, nil)
}

// orderPrefix is the common part of the keys of one order. None of the parts
// holds a NUL: kinds are ours, lanes are hosts, orders nicknames.
func orderPrefix(key laneKey, order string) []byte {
	return []byte("q" + key.kind + "\x00" + key.name + "\x00" + order + "\x00")
}

func lanePrefix(key laneKey) []byte { return []byte("q" + key.kind + "\x00" + key.name + "\x00") }

func deliveryKey(d Delivery) []byte {
	k := binary.BigEndian.AppendUint64(orderPrefix(laneKey{d.Kind, d.Lane}, d.Order), d.Seq)
	return append(k, d.Target...)
}

func putDelivery(b *pebble.Batch, d Delivery) error {
	return b.Set(deliveryKey(d), binary.BigEndian.AppendUint64(nil, uint64(d.Time.UnixNano())), nil)
}

func parseDelivery(key, value []byte) (Delivery, error) {
	parts := bytes.SplitN(key[1:], []byte{0}, 4)
	if len(parts) != 4 || len(parts[3]) < 8 || len(value) != 8 {
		return Delivery{}, fmt.Errorf("outbox: malformed key %q", key)
	}
	return Delivery{
		Kind: string(parts[0]), Lane: string(parts[1]), Order: string(parts[2]),
		Seq:    binary.BigEndian.Uint64(parts[3]),
		Target: string(parts[3][8:]),
		Time:   time.Unix(0, int64(binary.BigEndian.Uint64(value))),
	}, nil
}

// waiting is how many deliveries each lane has.
func (o *Outbox) waiting() (map[laneKey]int, error) {
	counts := map[laneKey]int{}
	it, err := o.db.NewIter(&pebble.IterOptions{LowerBound: []byte("q"), UpperBound: []byte("r")})
	if err != nil {
		return nil, fmt.Errorf("read outbox: %w", err)
	}
	defer it.Close()
	for it.First(); it.Valid(); it.Next() {
		d, err := parseDelivery(it.Key(), it.Value())
		if err != nil {
			return nil, err
		}
		counts[laneKey{d.Kind, d.Lane}]++
	}
	return counts, it.Error()
}

// heads are the first deliveries of the orders of a lane that are not busy: the
// oldest of them, up to most, so that no order starves behind others.
func (o *Outbox) heads(key laneKey, most int, busy map[string]bool) ([]Delivery, error) {
	prefix := lanePrefix(key)
	it, err := o.db.NewIter(&pebble.IterOptions{LowerBound: prefix, UpperBound: after(prefix)})
	if err != nil {
		return nil, fmt.Errorf("read outbox: %w", err)
	}
	defer it.Close()
	var heads []Delivery
	for it.First(); it.Valid(); {
		d, err := parseDelivery(it.Key(), it.Value())
		if err != nil {
			return nil, err
		}
		if !busy[d.Order] {
			heads = append(heads, d)
		}
		it.SeekGE(after(orderPrefix(key, d.Order)))
	}
	slices.SortFunc(heads, func(a, b Delivery) int { return cmp.Compare(a.Seq, b.Seq) })
	return heads[:min(most, len(heads))], it.Error()
}

// after is the first key behind all that begin with prefix, which ends in NUL.
func after(prefix []byte) []byte {
	end := bytes.Clone(prefix)
	end[len(end)-1]++
	return end
}

func sorted(all []Status) []Status {
	slices.SortFunc(all, func(a, b Status) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Lane, b.Lane))
	})
	return all
}
