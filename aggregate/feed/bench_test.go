package feed

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/mmcdole/gofeed"
)

// BenchmarkParse is what a feed of 50 articles costs; the baseline is gofeed
// alone, which neither repairs nor sanitises.
func BenchmarkParse(b *testing.B) {
	var doc strings.Builder
	doc.WriteString(`<rss version="2.0" xmlns:content="http://purl.org/rss/1.0/modules/content/"><channel><title>T</title>`)
	paragraph := `<p>Some <b>text</b> with a <a href="/link">link</a>, and more of it, as it is in articles: long sentences that say little.</p>`
	for i := range 50 {
		fmt.Fprintf(&doc, "<item><title>Title %d</title><link>http://x.example/%d</link><pubDate>Sun, 22 Nov 2026 10:00:00 GMT</pubDate>"+
			"<content:encoded><![CDATA[%s]]></content:encoded></item>", i, i, strings.Repeat(paragraph, 20))
	}
	doc.WriteString("</channel></rss>")
	body := []byte(doc.String())
	b.Run("ours", func(b *testing.B) {
		b.SetBytes(int64(len(body)))
		parser := NewParser()
		for b.Loop() {
			if _, err := parser.Parse(body, "", "http://x.example/"); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("gofeed", func(b *testing.B) {
		b.SetBytes(int64(len(body)))
		for b.Loop() {
			if _, err := gofeed.NewParser().Parse(bytes.NewReader(body)); err != nil {
				b.Fatal(err)
			}
		}
	})
}
