package xmpp

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

const header = "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>"

// pieces is all that a framer cuts from r, and what ended it.
func pieces(r io.Reader, limit int) (out []string, err error) {
	f := NewFramer(r, limit)
	for {
		b, err := f.Next()
		if err != nil {
			return out, err
		}
		out = append(out, string(b))
	}
}

// allPieces is pieces without those that are too big.
func allPieces(r io.Reader, limit int) (out []string, err error) {
	f := NewFramer(r, limit)
	for {
		b, err := f.Next()
		switch {
		case err == nil:
			out = append(out, string(b))
		case !errors.Is(err, ErrTooBig):
			return out, err
		}
	}
}

func TestFramerCuts(t *testing.T) {
	tests := []struct {
		name, in string
		want     []string
	}{
		{"nothing", "", nil},
		{"a header", header, []string{header}},
		{"a declaration before the header", "<?xml version='1.0'?>\n" + header, []string{header}},
		{"elements", header + "<a/><b>x</b> \n<c><c/></c>", []string{header, "<a/>", "<b>x</b>", "<c><c/></c>"}},
		{"the end", header + "<a/></stream:stream>", []string{header, "<a/>", "</stream:stream>"}},
		{"a > in a value", header + `<a b='>/>' c=">'"><d e="'/>"/></a>`, []string{header, `<a b='>/>' c=">'"><d e="'/>"/></a>`}},
		{"a > in text", header + `<a>></a>`, []string{header, `<a>></a>`}},
		{"an end in CDATA", header + `<a><![CDATA[</a>]] ]>]]></a><b/>`, []string{header, `<a><![CDATA[</a>]] ]>]]></a>`, "<b/>"}},
		{"spaces in tags", header + "<a ></a ><b />", []string{header, "<a ></a >", "<b />"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := pieces(strings.NewReader(tt.in), 1000)
			if err != io.EOF {
				t.Errorf("ended with %v", err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			slow, _ := pieces(iotest.OneByteReader(strings.NewReader(tt.in)), 1000)
			if diff := cmp.Diff(tt.want, slow); diff != "" {
				t.Errorf("byte by byte (-want +got):\n%s", diff)
			}
		})
	}
}

func TestFramerRefuses(t *testing.T) {
	tests := []struct {
		name, in string
		want     error
	}{
		{"text between", header + "hello", ErrMalformed},
		{"an element first", "<a/>", ErrMalformed},
		{"an end tag first", "</a>", ErrMalformed},
		{"a < in a tag", header + "<a <b>", ErrMalformed},
		{"a comment", header + "<!-- x -->", ErrRestricted},
		{"a comment inside", header + "<a><!-- </a> --></a>", ErrRestricted},
		{"a DTD", "<!DOCTYPE a>" + header, ErrRestricted},
		{"a processing instruction", "<?php ?>" + header, ErrRestricted},
		{"a declaration later", header + "<?xml version='1.0'?>", ErrRestricted},
		{"a processing instruction inside", header + "<a><?b?></a>", ErrRestricted},
		{"CDATA between", header + "<![CDATA[x]]>", ErrRestricted},
		{"a long element", header + "<a>" + strings.Repeat("x", 300) + "</a>", ErrTooBig},
		{"an element without end", header + "<a>" + strings.Repeat("x", 300), ErrTooBig},
		{"a tag without end", header + "<a b='" + strings.Repeat("x", 300), ErrTooBig},
		{"CDATA without end", header + "<a><![CDATA[" + strings.Repeat("]", 300), ErrTooBig},
		{"a stop in the middle", header + "<a>", io.ErrUnexpectedEOF},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, r := range []io.Reader{strings.NewReader(tt.in), iotest.OneByteReader(strings.NewReader(tt.in))} {
				got, err := pieces(r, 200)
				if !errors.Is(err, tt.want) {
					t.Errorf("ended with %v, want %v, after %q", err, tt.want, got)
				}
			}
		})
	}
}

func TestFramerLimitIsExact(t *testing.T) {
	in := header + "<a>" + strings.Repeat("x", 193) + "</a>"
	if got, err := pieces(strings.NewReader(in), 200); len(got) != 2 || err != io.EOF {
		t.Errorf("an element of 200 bytes: %d pieces, %v", len(got), err)
	}
	if got, err := pieces(strings.NewReader(in), 199); len(got) != 1 || !errors.Is(err, ErrTooBig) {
		t.Errorf("an element one byte too big: %d pieces, %v", len(got), err)
	}
}

func TestFramerGoesOnBehindWhatIsTooBig(t *testing.T) {
	long := strings.Repeat("x", 300)
	for _, big := range []string{
		"<a>" + long + "</a>", "<a><b/>" + strings.Repeat("<c></c>", 60) + "</a>", "<a b='" + long + "'/>", "<a b='/>" + long + "'></a>",
		"<a><![CDATA[" + long + "</a>]]></a>", "<a><![CDATA[" + strings.Repeat("]", 300) + "]]></a>", "<a>" + strings.Repeat("y", 194) + "</a>",
	} {
		in := header + "<first/>" + big + " <last/>" + big + "</stream:stream>"
		for _, r := range []io.Reader{strings.NewReader(in), iotest.OneByteReader(strings.NewReader(in)), iotest.HalfReader(strings.NewReader(in))} {
			f := NewFramer(r, 200)
			var got []string
			for {
				piece, err := f.Next()
				if err == io.EOF {
					break
				}
				if errors.Is(err, ErrTooBig) {
					piece = []byte("too big")
				} else if err != nil {
					t.Fatalf("%.30s…: %v", big, err)
				}
				got = append(got, string(piece))
			}
			want := []string{header, "<first/>", "too big", "<last/>", "too big", "</stream:stream>"}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%.30s… (-want +got):\n%s", big, diff)
			}
		}
	}
}

func TestFramerRestart(t *testing.T) {
	f := NewFramer(strings.NewReader(header+"<auth/>"+"<?xml version='1.0'?>"+header+"<iq/>"), 1000)
	for _, want := range []string{header, "<auth/>"} {
		if got, err := f.Next(); string(got) != want || err != nil {
			t.Fatalf("Next is %q, %v", got, err)
		}
	}
	if f.Buffered() == 0 {
		t.Error("nothing is buffered, but more was read")
	}
	f.Restart()
	for _, want := range []string{header, "<iq/>"} {
		if got, err := f.Next(); string(got) != want || err != nil {
			t.Fatalf("after the restart Next is %q, %v", got, err)
		}
	}
	if f.Buffered() != 0 {
		t.Error("something is still buffered")
	}
}

func TestFramerForgetsItsBuffer(t *testing.T) {
	pr, pw := io.Pipe()
	f := NewFramer(pr, 1<<20)
	big := "<a>" + strings.Repeat("x", 100_000) + "</a>"
	go func() {
		for _, s := range []string{header, big, "<b/>"} {
			io.WriteString(pw, s)
		}
	}()
	for range 3 {
		if _, err := f.Next(); err != nil {
			t.Fatal(err)
		}
	}
	if cap(f.buf) > idleBuffer {
		t.Errorf("an idle framer holds %d bytes", cap(f.buf))
	}
	pw.Close()
}

// FuzzFramer checks that what comes out is what went in, however it is read,
// and that nothing exceeds the limit.
func FuzzFramer(f *testing.F) {
	for _, b := range corpus(f) {
		f.Add([]byte(header + string(b) + " </stream:stream>"))
	}
	f.Add([]byte(header + "<a><![CDATA[]]]]></a>"))
	f.Fuzz(func(t *testing.T, in []byte) {
		const limit = 500
		got, err := allPieces(bytes.NewReader(in), limit)
		slow, slowErr := allPieces(iotest.OneByteReader(bytes.NewReader(in)), limit)
		if !cmp.Equal(got, slow) || (err == io.EOF) != (slowErr == io.EOF) {
			t.Errorf("read byte by byte %q gives %q and %v, else %q and %v", in, slow, slowErr, got, err)
		}
		at := 0
		for _, p := range got {
			if len(p) > limit {
				t.Errorf("a piece of %d bytes", len(p))
			}
			i := bytes.Index(in[at:], []byte(p))
			if i < 0 {
				t.Fatalf("%q is not in %q", p, in[at:])
			}
			at += i + len(p)
		}
	})
}

// endless repeats its bytes.
type endless struct {
	b  []byte
	at int
}

func (e *endless) Read(p []byte) (int, error) {
	n := 0
	for n < len(p) {
		c := copy(p[n:], e.b[e.at:])
		n += c
		e.at = (e.at + c) % len(e.b)
	}
	return n, nil
}

func BenchmarkFramer(b *testing.B) {
	raw := corpus(b)[len(corpus(b))-1]
	f := NewFramer(io.MultiReader(strings.NewReader(header), &endless{b: raw}), 1<<20)
	if _, err := f.Next(); err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := f.Next(); err != nil {
			b.Fatal(err)
		}
	}
}
