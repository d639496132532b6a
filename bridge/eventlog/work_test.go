package eventlog

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestWorkKeepsTheLastValue(t *testing.T) {
	everywhere(t, func(t *testing.T, l *Log) {
		odd := []string{"", "lane/1", "a.b.*.>", "spa ce\r\n", "\x00\xff", "ключ", strings.Repeat("x", 100_000)}
		for i, key := range odd {
			if got, err := l.Get(t.Context(), key); got != nil || err != nil {
				t.Fatalf("key %d before: %q, %v", i, got, err)
			}
			for _, value := range []string{"old", fmt.Sprint("value ", i)} {
				if err := l.Put(t.Context(), key, []byte(value), 0); err != nil {
					t.Fatalf("put key %d: %v", i, err)
				}
			}
		}
		for i, key := range odd {
			if got, err := l.Get(t.Context(), key); string(got) != fmt.Sprint("value ", i) || err != nil {
				t.Errorf("key %d: %q, %v", i, got, err)
			}
		}
		info, err := l.values.Info(t.Context())
		if err != nil || info.State.Msgs != uint64(len(odd)) {
			t.Errorf("%d values are kept, %v", info.State.Msgs, err)
		}
	})
}

func TestWorkExpires(t *testing.T) {
	everywhere(t, func(t *testing.T, l *Log) {
		if err := l.Put(t.Context(), "nonce", []byte("seen"), time.Second); err != nil {
			t.Fatal(err)
		}
		if got, err := l.Get(t.Context(), "nonce"); string(got) != "seen" || err != nil {
			t.Fatalf("at once: %q, %v", got, err)
		}
		eventually(t, "the end of a nonce's time", func() bool {
			got, err := l.Get(t.Context(), "nonce")
			return got == nil && err == nil
		})
	})
}

func TestPutAll(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l := openLog(t, Options{Dir: dir})
	values := make(map[string][]byte)
	for i := range 2500 {
		values[fmt.Sprint("lane", i)] = fmt.Append(nil, "cursor ", i)
	}
	for range 2 {
		if err := l.PutAll(t.Context(), values); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.PutAll(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	closeLog(t, l)
	l = openLog(t, Options{Dir: dir})
	for _, i := range []int{0, 1, 15, 16, 999, 1000, 2499} {
		if got, err := l.Get(t.Context(), fmt.Sprint("lane", i)); string(got) != fmt.Sprint("cursor ", i) || err != nil {
			t.Errorf("lane %d: %q, %v", i, got, err)
		}
	}
}
