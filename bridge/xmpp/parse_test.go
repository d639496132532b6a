package xmpp

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseReads(t *testing.T) {
	raw := `<message xmlns:x="urn:x" to='a&amp;b' x:n="1&#x20;2"> hi &lt;<![CDATA[<&]]>` + "\r\n" +
		`<x:body>&#9731;</x:body><body xmlns="urn:other" a="line` + "\n" + `end"/></message>`
	e, err := Parse([]byte(raw), NSClient)
	if err != nil {
		t.Fatal(err)
	}
	if want := (xml.Name{Space: NSClient, Local: "message"}); e.Name != want {
		t.Errorf("name is %v, want %v", e.Name, want)
	}
	if got := e.Attribute("to"); got != "a&b" {
		t.Errorf("to is %q", got)
	}
	if got := e.AttributeNS("urn:x", "n"); got != "1 2" {
		t.Errorf("x:n is %q", got)
	}
	if e.Attribute("n") != "" || e.Has("x") {
		t.Error("a qualified attribute or a declaration shows as a plain attribute")
	}
	if got := e.Text; got != " hi <<&\n" {
		t.Errorf("text is %q", got)
	}
	if got := e.Child("urn:x", "body").Text; got != "☃" {
		t.Errorf("x:body is %q", got)
	}
	if got := e.Child("urn:other", "body").Attribute("a"); got != "line end" {
		t.Errorf("a is %q", got)
	}
	if e.Child("", "body") != e.Children[0] {
		t.Error("an empty space does not match the first body")
	}
	if e.Child(NSClient, "body") != nil {
		t.Error("a child of another namespace is found")
	}
	if string(e.Raw()) != raw || string(e.Children[1].Raw()) != `<body xmlns="urn:other" a="line`+"\n"+`end"/>` {
		t.Error("an element does not keep its bytes")
	}
}

func TestParseRefuses(t *testing.T) {
	deep := strings.Repeat("<a>", 65) + strings.Repeat("</a>", 65)
	wide := "<a>" + strings.Repeat("<b/>", 9000) + "</a>"
	many := "<a"
	for i := range 65 {
		many += " a" + strings.Repeat("x", i) + "=''"
	}
	many += "/>"
	tests := []struct {
		name, raw string
		want      error
	}{
		{"nothing", "", ErrMalformed},
		{"text", "hi", ErrMalformed},
		{"two elements", "<a/><b/>", ErrMalformed},
		{"no end", "<a><b></b>", ErrMalformed},
		{"wrong end", "<a></b>", ErrMalformed},
		{"other prefix at the end", "<p:a xmlns:p='u' xmlns:q='u'></q:a>", ErrMalformed},
		{"undeclared prefix", "<p:a/>", ErrMalformed},
		{"undeclared prefix of an attribute", "<a p:b=''/>", ErrMalformed},
		{"two attributes", "<a b='' b=''/>", ErrMalformed},
		{"two attributes by namespace", "<a xmlns:p='u' xmlns:q='u' p:b='' q:b=''/>", ErrMalformed},
		{"two declarations", "<a xmlns='u' xmlns='v'/>", ErrMalformed},
		{"a prefix undeclared again", "<a xmlns:p=''/>", ErrMalformed},
		{"the prefix xmlns declared", "<a xmlns:xmlns='u'/>", ErrMalformed},
		{"an element xmlns:a", "<xmlns:a/>", ErrMalformed},
		{"the prefix xml declared wrongly", "<a xmlns:xml='u'/>", ErrMalformed},
		{"no quotes", "<a b=c/>", ErrMalformed},
		{"no value", "<a b/>", ErrMalformed},
		{"no space between attributes", "<a b=''c=''/>", ErrMalformed},
		{"a < in a value", "<a b='<'/>", ErrMalformed},
		{"a bare &", "<a>&</a>", ErrMalformed},
		{"a ]]> in text", "<a>]]></a>", ErrMalformed},
		{"a name with two colons", "<a:b:c/>", ErrMalformed},
		{"a name that starts with a digit", "<1a/>", ErrMalformed},
		{"a local part that starts with a digit", "<p:1 xmlns:p='u'/>", ErrMalformed},
		{"a control character", "<a>\x01</a>", ErrMalformed},
		{"a referenced control character", "<a>&#1;</a>", ErrMalformed},
		{"a referenced surrogate", "<a>&#xD800;</a>", ErrMalformed},
		{"a referenced U+FFFE", "<a>&#xFFFE;</a>", ErrMalformed},
		{"a number too big", "<a>&#99999999999;</a>", ErrMalformed},
		{"a signed number", "<a>&#+65;</a>", ErrMalformed},
		{"U+FFFF", "<a>\uffff</a>", ErrMalformed},
		{"not UTF-8", "<a>\xff</a>", ErrMalformed},
		{"an encoded surrogate", "<a>\xed\xa0\x80</a>", ErrMalformed},
		{"an open CDATA section", "<a><![CDATA[</a>", ErrMalformed},
		{"an entity", "<a>&nbsp;</a>", ErrRestricted},
		{"a comment", "<a><!-- --></a>", ErrRestricted},
		{"a comment before", "<!-- --><a/>", ErrRestricted},
		{"a processing instruction", "<a><?php?></a>", ErrRestricted},
		{"an XML declaration", "<?xml version='1.0'?><a/>", ErrRestricted},
		{"a DTD", "<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>", ErrRestricted},
		{"65 deep", deep, ErrTooBig},
		{"9000 elements", wide, ErrTooBig},
		{"65 attributes", many, ErrTooBig},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := Parse([]byte(tt.raw), ""); !errors.Is(err, tt.want) {
				t.Errorf("Parse says %v, want %v", err, tt.want)
			}
		})
	}
}

func TestStandalone(t *testing.T) {
	tests := []struct{ name, doc, want string }{
		{"nothing is missing", `<i xmlns="u"><e xmlns="v" a='1'><b/></e></i>`, `<e xmlns="v" a='1'><b/></e>`},
		{"the default namespace", `<i xmlns="u"><e a='1'><b/></e></i>`, `<e xmlns='u' a='1'><b/></e>`},
		{"the stream's namespace", `<i><e/></i>`, `<e xmlns='jabber:client'/>`},
		{"a prefix of its own name", `<i xmlns:p="u"><p:e><p:b/></p:e></i>`, `<p:e xmlns:p='u'><p:b/></p:e>`},
		{"a prefix deep inside", `<i xmlns:p="u&amp;"><e xmlns='v'><b p:c=''/></e></i>`, `<e xmlns:p='u&amp;' xmlns='v'><b p:c=''/></e>`},
		{"a prefix that is not used", `<i xmlns:p="u"><e xmlns='v'/></i>`, `<e xmlns='v'/>`},
		{"a prefix declared again", `<i xmlns:p="u"><p:e xmlns:p='v'/></i>`, `<p:e xmlns:p='v'/>`},
		{"no namespace", `<i xmlns=""><e/></i>`, `<e xmlns=''/>`},
		{"the stream's prefix", `<i><stream:e/></i>`, `<stream:e xmlns:stream='http://etherx.jabber.org/streams'/>`},
		{"xml:lang", `<i><e xmlns='v' xml:lang='en'/></i>`, `<e xmlns='v' xml:lang='en'/>`},
		{"CDATA and references stay", `<i><e xmlns='v'><![CDATA[<]]>&#65;</e></i>`, `<e xmlns='v'><![CDATA[<]]>&#65;</e>`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			doc, err := Parse([]byte(tt.doc), NSClient)
			if err != nil {
				t.Fatal(err)
			}
			got := doc.Children[0].Standalone()
			if string(got) != tt.want {
				t.Errorf("Standalone is\n%s, want\n%s", got, tt.want)
			}
			again, err := Parse(got, "urn:elsewhere")
			if err != nil {
				t.Fatal(err)
			}
			if again.Name != doc.Children[0].Name {
				t.Errorf("elsewhere it is %v, it was %v", again.Name, doc.Children[0].Name)
			}
		})
	}
}

func TestParseStart(t *testing.T) {
	e, err := ParseStart([]byte(`<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' to='example.org' version='1.0'>`))
	if err != nil {
		t.Fatal(err)
	}
	if e.Name != (xml.Name{Space: NSStream, Local: "stream"}) || e.DefaultNS() != NSClient || e.Attribute("to") != "example.org" {
		t.Errorf("the header is read as %v, default %q, to %q", e.Name, e.DefaultNS(), e.Attribute("to"))
	}
	for _, bad := range []string{"<a/>", "<a></a>", "<stream:stream>", "<a", "</a>", ""} {
		if _, err := ParseStart([]byte(bad)); !errors.Is(err, ErrMalformed) {
			t.Errorf("ParseStart(%q) says %v", bad, err)
		}
	}
}

func TestEscape(t *testing.T) {
	tests := map[string]string{
		"plain":            "plain",
		`<a b="c" d='&'>`:  "&lt;a b=&quot;c&quot; d=&apos;&amp;&apos;&gt;",
		"\x00a\x1bb\ufffe": "ab",
		"bad \xff byte":    "bad \ufffd byte",
		"tab\tnew\nret\r":  "tab&#9;new&#10;ret&#13;",
		"☃ \U0001F600":     "☃ \U0001F600",
	}
	for in, want := range tests {
		if got := Escape(in); got != want {
			t.Errorf("Escape(%q) is %q, want %q", in, got, want)
		}
	}
}

// corpus is the stanzas in testdata, one a file.
func corpus(t testing.TB) [][]byte {
	names, err := filepath.Glob("testdata/*.xml")
	if err != nil || len(names) == 0 {
		t.Fatalf("no stanzas in testdata: %v", err)
	}
	var out [][]byte
	for _, n := range names {
		b, err := os.ReadFile(n)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, bytes.TrimSpace(b))
	}
	return out
}

// FuzzParse compares with encoding/xml: what Parse takes, that must take too,
// with the same names, attributes and text.
func FuzzParse(f *testing.F) {
	for _, b := range corpus(f) {
		f.Add(b)
	}
	f.Add([]byte("<a><b xmlns='\t'/></a>"))
	f.Add([]byte("<a xmlns:p='u'><p:b c='&#10;\r\n'/>\r<![CDATA[]]]]></a>"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		e, err := Parse(raw, "")
		if err != nil {
			return
		}
		if diff := cmp.Diff(events(t, raw), flatten(e)); diff != "" {
			t.Errorf("encoding/xml reads %q differently (-it +we):\n%s", raw, diff)
		}
		alone := e.Standalone()
		again, err := Parse(alone, "urn:elsewhere")
		if err != nil {
			t.Fatalf("%q does not stand alone: %v", alone, err)
		}
		if e.Name.Space != "" && !cmp.Equal(flatten(again), flatten(e)) {
			t.Errorf("%q means something else elsewhere", alone)
		}
	})
}

// blank makes all white space in values the same: encoding/xml leaves it as it
// is, XML 1.0 §3.3.3 does not.
var blank = strings.NewReplacer("\t", " ", "\n", " ", "\r", " ")

// flatten is what an element says, tag by tag.
func flatten(e *Element) []string {
	out := []string{"<" + blank.Replace(e.Name.Space) + " " + e.Name.Local}
	for _, a := range e.Attr {
		out = append(out, blank.Replace(a.Name.Space)+" "+a.Name.Local+"="+blank.Replace(a.Value))
	}
	out = append(out, "text="+e.Text)
	for _, c := range e.Children {
		out = append(out, flatten(c)...)
	}
	return out
}

// events is flatten according to encoding/xml.
func events(t *testing.T, raw []byte) []string {
	d := xml.NewDecoder(bytes.NewReader(raw))
	type open struct {
		at   int
		text string
	}
	var out []string
	var stack []open
	for {
		tok, err := d.Token()
		if err == io.EOF {
			return out
		}
		if err != nil {
			t.Fatalf("encoding/xml does not read %q: %v", raw, err)
		}
		switch tok := tok.(type) {
		case xml.StartElement:
			out = append(out, "<"+blank.Replace(tok.Name.Space)+" "+tok.Name.Local)
			for _, a := range tok.Attr {
				if a.Name.Space != "xmlns" && a.Name != (xml.Name{Local: "xmlns"}) {
					out = append(out, blank.Replace(a.Name.Space)+" "+a.Name.Local+"="+blank.Replace(a.Value))
				}
			}
			stack = append(stack, open{at: len(out)})
			out = append(out, "")
		case xml.CharData:
			if len(stack) > 0 {
				stack[len(stack)-1].text += string(tok)
			}
		case xml.EndElement:
			top := stack[len(stack)-1]
			stack = stack[:len(stack)-1]
			out[top.at] = "text=" + top.text
		}
	}
}

func BenchmarkParse(b *testing.B) {
	raw, err := os.ReadFile("testdata/publish.xml")
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ParseStanza(raw, NSClient); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkEncodingXML is what the same would cost with the standard library,
// without a tree.
func BenchmarkEncodingXML(b *testing.B) {
	raw, err := os.ReadFile("testdata/publish.xml")
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	for b.Loop() {
		d := xml.NewDecoder(bytes.NewReader(raw))
		for {
			if _, err := d.Token(); err != nil {
				break
			}
		}
	}
}
