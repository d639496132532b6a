package microblog

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"peewit/bridge"
	"peewit/bridge/atom"
)

// maxHeadline is how long a title made from an entry's content may get, in
// characters.
const maxHeadline = 140

// Plain is all a post says, as plain text: for search, for chat, for other
// networks. A microblog post has its text in the title and often repeats it in
// the content; a blog post has a title of its own. Said twice, it stands once.
func Plain(p bridge.Post) string {
	title, body := atom.Plain(p.Title), plainBody(p)
	switch {
	case body == "" || repeats(title, body):
		return title
	case title == "" || repeats(body, title):
		return body
	}
	return title + "\n\n" + body
}

// Headline is a post in one line: its title, or the first line of what it says.
func Headline(p bridge.Post) string {
	line := atom.Plain(p.Title)
	if line == "" {
		line = plainBody(p)
	}
	line, _, _ = strings.Cut(line, "\n")
	line = strings.TrimSpace(line)
	if utf8.RuneCountInString(line) > maxHeadline {
		line = strings.TrimSpace(string([]rune(line)[:maxHeadline-1])) + "…"
	}
	return line
}

// plainBody is the content as text: as the author typed it if there is that,
// else with its markup taken out; the summary if there is no content.
func plainBody(p bridge.Post) string {
	best := p.Summary
	for _, kind := range []string{"html", "xhtml", "text"} {
		for _, c := range p.Content {
			if c.Type == kind && c.Body != "" {
				best = c
			}
		}
	}
	return atom.Plain(best)
}

// repeats reports whether text begins with start, white space aside. A start
// that ends in an ellipsis was cut, perhaps within a word.
func repeats(text, start string) bool {
	whole := strings.TrimRight(start, ".… ")
	cut := strings.HasSuffix(start, "…") || strings.HasSuffix(start, "...")
	if !cut {
		whole = start
	}
	t, s := strings.Fields(text), strings.Fields(whole)
	if len(s) > len(t) || len(s) == 0 {
		return false
	}
	last := len(s) - 1
	for i := range last {
		if t[i] != s[i] {
			return false
		}
	}
	return t[last] == s[last] || cut && strings.HasPrefix(t[last], s[last])
}

// Permalink is the web page of the post, or "".
func Permalink(p bridge.Post) string {
	first := ""
	for _, l := range p.Links {
		if l.Rel != "alternate" || !strings.HasPrefix(l.Href, "http://") && !strings.HasPrefix(l.Href, "https://") {
			continue
		}
		if l.Type == "" || l.Type == "text/html" || l.Type == "application/xhtml+xml" {
			return l.Href
		}
		if first == "" {
			first = l.Href
		}
	}
	return first
}

// Limits of what one post can name.
const (
	maxTags   = 32
	maxTagLen = 64 // characters, as Laconica's
)

// Tags are the #tags of a text, in lower case and in the order they come, each
// once. A tag begins where a word can and is made of letters, digits, '_', '-'
// and '.'; it has a letter and does not end in punctuation.
func Tags(text string) []string {
	var tags []string
	seen := make(map[string]bool)
	for _, name := range marked(text, '#') {
		tag := strings.ToLower(name)
		if !seen[tag] && len(tags) < maxTags && strings.IndexFunc(tag, unicode.IsLetter) >= 0 {
			seen[tag] = true
			tags = append(tags, tag)
		}
	}
	return tags
}

// Mentions are the names behind @ in a text, in lower case and in the order they
// come, each once: nicknames, or addresses like alice@example.org.
func Mentions(text string) []string {
	var names []string
	seen := make(map[string]bool)
	for _, name := range marked(text, '@') {
		name = strings.ToLower(name)
		if !seen[name] && len(names) < maxTags {
			seen[name] = true
			names = append(names, name)
		}
	}
	return names
}

// marked are the words behind a mark that stands at the beginning of a word.
func marked(text string, mark rune) []string {
	var words []string
	before := ' '
	for i, r := range text {
		if r == mark && startsWord(before) {
			if w := wordAt(text[i+1:], mark); w != "" {
				words = append(words, w)
			}
		}
		before = r
	}
	return words
}

// startsWord reports whether a tag may begin after r: not inside a word, a URL
// or an address.
func startsWord(r rune) bool {
	return unicode.IsSpace(r) || unicode.IsPunct(r) && r != '/' && r != '&' && r != '@' && r != '#' && r != '.' && r != '_' && r != '-'
}

func wordAt(s string, mark rune) string {
	end := strings.IndexFunc(s, func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.IsMark(r) &&
			r != '_' && r != '-' && r != '.' && (mark != '@' || r != '@')
	})
	if end < 0 {
		end = len(s)
	}
	word := strings.TrimRight(s[:end], "_-.@")
	if utf8.RuneCountInString(word) > maxTagLen {
		return ""
	}
	return strings.TrimLeft(word, "_-.@")
}
