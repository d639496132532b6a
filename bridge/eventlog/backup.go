package eventlog

import (
	"archive/tar"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// A backup is a tar file, so that it can be looked into:
//
//	peewit-log.json   what it is: format, epoch, time
//	LOG.json          configuration and state of the stream
//	LOG/00000001 …    JetStream's own snapshot of it, in pieces
//	WORK.json, WORK/… the same
//	end               empty; without it the file is cut short
//
// LOG comes first: cursors in WORK may then be ahead of the log, which their
// readers correct ([Log.Began]), but never behind what was delivered.
const (
	backupFormat = 1
	headName     = "peewit-log.json"
	endName      = "end"
)

const (
	pieceSize     = 128 << 10
	windowSize    = 4 << 20
	restoreAnswer = 10 * time.Minute // a stream indexes itself before its last answer
)

// backupHead is the first entry of a backup.
type backupHead struct {
	Format int       `json:"format"`
	Epoch  string    `json:"epoch"`
	Made   time.Time `json:"made"`
}

// snapshot is JetStream's answer to a snapshot request, and the request to restore
// it.
type snapshot struct {
	Config *jetstream.StreamConfig `json:"config,omitempty"`
	State  json.RawMessage         `json:"state,omitempty"`
	Error  *jetstream.APIError     `json:"error,omitempty"`
}

// Backup writes LOG and WORK as they are now to w, records keep their sequences.
// Appends go on meanwhile. JetStream gives up when w takes nothing for 5 s.
func (l *Log) Backup(ctx context.Context, w io.Writer) error {
	nc, err := l.dial(nats.NoReconnect())
	if err != nil {
		return fmt.Errorf("back up the log: %w", err)
	}
	defer nc.Close()
	t := tar.NewWriter(w)
	if err := addJSON(t, headName, backupHead{Format: backupFormat, Epoch: l.epoch, Made: time.Now().UTC()}); err != nil {
		return fmt.Errorf("back up the log: %w", err)
	}
	for _, name := range []string{logName, workName} {
		if err := l.backupStream(ctx, nc, name, t); err != nil {
			return fmt.Errorf("back up stream %s: %w", name, err)
		}
	}
	if err := add(t, endName, nil); err != nil {
		return fmt.Errorf("back up the log: %w", err)
	}
	return t.Close()
}

func (l *Log) backupStream(ctx context.Context, nc *nats.Conn, name string, t *tar.Writer) error {
	sub, err := nc.SubscribeSync(nc.NewInbox())
	if err != nil {
		return err
	}
	defer sub.Unsubscribe()
	var head snapshot
	if err := call(ctx, nc, l.patience, "$JS.API.STREAM.SNAPSHOT."+name, map[string]any{
		"deliver_subject": sub.Subject, "no_consumers": true, "chunk_size": pieceSize, "window_size": windowSize,
	}, &head); err != nil {
		return err
	}
	if head.Error != nil {
		return head.Error
	}
	if err := addJSON(t, name+".json", head); err != nil {
		return err
	}
	for n := 1; ; n++ {
		m, err := next(ctx, sub)
		if err != nil {
			return err
		}
		if len(m.Data) == 0 {
			if status := m.Header.Get("Status"); status != "" && status != "204" {
				return fmt.Errorf("the server stopped: %s %s", status, m.Header.Get("Description"))
			}
			return nil
		}
		if err := add(t, fmt.Sprintf("%s/%08d", name, n), m.Data); err != nil {
			return err
		}
		if m.Reply != "" {
			if err := nc.Publish(m.Reply, nil); err != nil {
				return err
			}
		}
	}
}

// next is the next message of a subscription; the server must not be silent for
// long.
func next(ctx context.Context, sub *nats.Subscription) (*nats.Msg, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	return sub.NextMsgWithContext(ctx)
}

// call asks a question of JetStream's API.
func call(ctx context.Context, nc *nats.Conn, patience time.Duration, subject string, question, answer any) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	data, err := json.Marshal(question)
	if err != nil {
		return err
	}
	m, err := nc.RequestWithContext(ctx, subject, data)
	if err != nil {
		return err
	}
	return json.Unmarshal(m.Data, answer)
}

func addJSON(t *tar.Writer, name string, v any) error {
	data, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	return add(t, name, append(data, '\n'))
}

func add(t *tar.Writer, name string, data []byte) error {
	if err := t.WriteHeader(&tar.Header{Name: name, Mode: 0o600, Size: int64(len(data)), Typeflag: tar.TypeReg}); err != nil {
		return err
	}
	_, err := t.Write(data)
	return err
}

// Restore puts a backup into a log that has no streams, as a new epoch: read
// models of any other log notice it and are built again. The embedded server's
// directory appears whole or not at all; at a server elsewhere a restore that
// fails in the middle leaves streams that the operator removes.
func Restore(ctx context.Context, o Options, r io.Reader) error {
	if o.URL != "" {
		return restore(ctx, o, r)
	}
	lock, err := lockDir(o.Dir)
	if err != nil {
		return fmt.Errorf("restore log: %w", err)
	}
	defer lock.Close()
	final := filepath.Join(o.Dir, "log")
	if err := vacant(final); err != nil {
		return fmt.Errorf("restore log: %w", err)
	}
	inner := o
	inner.Dir = filepath.Join(o.Dir, "restoring")
	if err := os.RemoveAll(inner.Dir); err != nil { // of an attempt that was killed
		return fmt.Errorf("restore log: %w", err)
	}
	defer os.RemoveAll(inner.Dir)
	if err := restore(ctx, inner, r); err != nil {
		return err
	}
	if err := os.RemoveAll(final); err != nil { // holds no stream
		return fmt.Errorf("restore log: %w", err)
	}
	if err := os.Rename(filepath.Join(inner.Dir, "log"), final); err != nil {
		return fmt.Errorf("restore log: %w", err)
	}
	return syncDir(o.Dir)
}

// vacant reports an error unless the embedded server's directory has no streams.
func vacant(dir string) error {
	streams, err := filepath.Glob(filepath.Join(dir, "jetstream", "*", "streams", "*"))
	if err != nil {
		return err
	}
	for _, s := range streams {
		if name := filepath.Base(s); name == logName || name == workName {
			return fmt.Errorf("there is a log in %s already; move it away first", dir)
		}
	}
	return nil
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// restore reads a backup into the server of o.
func restore(ctx context.Context, o Options, r io.Reader) (err error) {
	l, err := connect(ctx, o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	for _, name := range []string{logName, workName} {
		if _, err := l.js.Stream(ctx, name); err == nil {
			return fmt.Errorf("restore log: stream %s exists already", name)
		} else if !errors.Is(err, jetstream.ErrStreamNotFound) {
			return fmt.Errorf("restore log: %w", err)
		}
	}
	b := restorer{log: l, tar: tar.NewReader(r)}
	if err := b.run(ctx); err != nil {
		return fmt.Errorf("restore log: %w", err)
	}
	return nil
}

// restorer is a restore under way.
type restorer struct {
	log *Log
	tar *tar.Reader
	hdr *tar.Header // the entry at hand
}

func (b *restorer) run(ctx context.Context) error {
	var head backupHead
	if err := b.readJSON(headName, &head); err != nil {
		return err
	}
	if head.Format != backupFormat {
		return fmt.Errorf("backup has format %d, this program reads %d", head.Format, backupFormat)
	}
	if err := b.advance(); err != nil {
		return err
	}
	for _, want := range []jetstream.StreamConfig{logConfig(b.log.replicas()), workConfig(b.log.replicas())} {
		if err := b.stream(ctx, want); err != nil {
			return fmt.Errorf("stream %s: %w", want.Name, err)
		}
	}
	if b.hdr.Name != endName {
		return fmt.Errorf("backup holds %q, which does not belong there", b.hdr.Name)
	}
	return nil
}

// advance goes to the next entry.
func (b *restorer) advance() (err error) {
	b.hdr, err = b.tar.Next()
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("backup is cut short")
	}
	if errors.Is(err, tar.ErrHeader) {
		return errors.New("not a backup of a log")
	}
	return err
}

func (b *restorer) readJSON(name string, v any) error {
	if b.hdr == nil {
		if err := b.advance(); err != nil {
			return err
		}
	}
	if b.hdr.Name != name {
		return fmt.Errorf("not a backup of a log: %q instead of %s", b.hdr.Name, name)
	}
	return json.NewDecoder(io.LimitReader(b.tar, 1<<20)).Decode(v)
}

// stream restores one stream under our configuration, LOG with a new epoch.
func (b *restorer) stream(ctx context.Context, config jetstream.StreamConfig) error {
	var head snapshot
	if err := b.readJSON(config.Name+".json", &head); err != nil {
		return err
	}
	var state struct {
		Last uint64 `json:"last_seq"`
	}
	if err := json.Unmarshal(head.State, &state); err != nil {
		return err
	}
	if config.Metadata != nil {
		config.Metadata[metaBegan] = strconv.FormatUint(state.Last, 10)
	}
	var begin struct {
		Subject string              `json:"deliver_subject"`
		Error   *jetstream.APIError `json:"error"`
	}
	if err := call(ctx, b.log.nc, b.log.patience, "$JS.API.STREAM.RESTORE."+config.Name,
		snapshot{Config: &config, State: head.State}, &begin); err != nil {
		return err
	}
	if begin.Error != nil {
		return begin.Error
	}
	if err := b.pieces(ctx, config.Name, begin.Subject); err != nil {
		// The server would wait for more; ended too early it gives up at once, and
		// says no more than that.
		_ = b.send(ctx, begin.Subject, nil)
		return err
	}
	return b.send(ctx, begin.Subject, nil)
}

// pieces hands over the entries that belong to a stream.
func (b *restorer) pieces(ctx context.Context, name, subject string) error {
	var piece []byte
	for {
		if err := b.advance(); err != nil {
			return err
		}
		if !strings.HasPrefix(b.hdr.Name, name+"/") {
			return nil
		}
		if b.hdr.Size > maxRecord {
			return fmt.Errorf("piece %s has %d bytes", b.hdr.Name, b.hdr.Size)
		}
		piece = append(piece[:0], make([]byte, b.hdr.Size)...)
		if _, err := io.ReadFull(b.tar, piece); err != nil {
			return fmt.Errorf("backup is cut short: %w", err)
		}
		if err := b.send(ctx, subject, piece); err != nil {
			return err
		}
	}
}

// send hands over a piece of a snapshot, or its end, and waits for the answer.
func (b *restorer) send(ctx context.Context, subject string, piece []byte) error {
	ctx, cancel := context.WithTimeout(ctx, restoreAnswer)
	defer cancel()
	m, err := b.log.nc.RequestWithContext(ctx, subject, piece)
	if err != nil {
		return err
	}
	if len(m.Data) == 0 {
		return nil
	}
	var answer struct {
		Error *jetstream.APIError `json:"error"`
	}
	if err := json.Unmarshal(m.Data, &answer); err != nil {
		return err
	}
	if answer.Error != nil {
		return answer.Error
	}
	return nil
}
