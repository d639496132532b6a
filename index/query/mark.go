package query

import (
	"strings"
	"unicode/utf8"
)

// findMarks finds the hashtags, mentions and web addresses in folded text.
func findMarks(s string) []string {
	var marks []string
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '#':
			if startsMark(s, i) {
				marks = appendTag(marks, s[i:])
			}
		case '@':
			if startsMark(s, i) {
				marks = appendMention(marks, s[i:])
			}
		case ':':
			if start := addressStart(s, i); start >= 0 {
				end := i + 3 + addressLength(s[i+3:])
				marks = append(marks, urlMarks(s[start:end])...)
				i = end - 1 // a # in it is no hashtag
			}
		}
	}
	return marks
}

// addressStart is where the web address begins whose colon is at i, or -1.
func addressStart(s string, i int) int {
	if strings.HasPrefix(s[i:], "://") {
		for _, scheme := range [...]string{"https", "http"} {
			if strings.HasSuffix(s[:i], scheme) {
				return i - len(scheme)
			}
		}
	}
	return -1
}

// startsMark reports whether the # or @ at i begins something: it does not in
// the middle of a word, as in an address or a path.
func startsMark(s string, i int) bool {
	if i == 0 {
		return true
	}
	r, _ := utf8.DecodeLastRuneInString(s[:i])
	return classOf(r) != inside && r != '/' && r != '_' && r != '&'
}

// appendTag adds the marks of the hashtag that s begins with: up to the first
// character that is no letter, digit or underscore, and in Laconica's longer
// form, where dots and hyphens belong to the tag.
func appendTag(marks []string, s string) []string {
	short := 1 + span(s[1:], "_")
	long := short
	if long < len(s) && (s[long] == '-' || s[long] == '.') {
		long = 1 + span(s[1:], "_-.")
	}
	return appendPair(marks, "#"+plainTag(s[1:short]), "#"+plainTag(s[1:long]))
}

// plainTag is a tag as it is compared: without underscores, hyphens, dots and
// spaces, as in Laconica.
func plainTag(folded string) string {
	return cut(strings.Map(func(r rune) rune {
		if classOf(r) == between {
			return -1
		}
		return r
	}, folded))
}

// appendMention adds the marks of the mention that s begins with: the name, and
// the name with its host.
func appendMention(marks []string, s string) []string {
	n := 1 + span(s[1:], "_-.")
	short := strings.TrimRight(s[:1+span(s[1:], "_")], "_")
	name := strings.TrimRight(s[:n], "_-.")
	marks = appendPair(marks, short, name)
	if n < len(s) && s[n] == '@' && n == len(name) && n > 1 {
		host := s[n+1:]
		if host = strings.TrimRight(host[:span(host, "-.")], "-."); host != "" {
			marks = append(marks, cut(s[:n+1+len(host)]))
		}
	}
	return marks
}

// appendPair adds the short and the long form of a mark, if there is more to
// them than the sign they begin with.
func appendPair(marks []string, short, long string) []string {
	if len(short) > 1 {
		marks = append(marks, cut(short))
	}
	if len(long) > 1 && long != short {
		marks = append(marks, cut(long))
	}
	return marks
}

// span is the length of the run of word characters and those in extra that s
// begins with.
func span(s, extra string) int {
	for i, r := range s {
		if classOf(r) == between && !strings.ContainsRune(extra, r) {
			return i
		}
	}
	return len(s)
}

// addressLength is how much of s, which follows "://", belongs to the address:
// up to a space or quote, without punctuation that ends a sentence.
func addressLength(s string) int {
	n := strings.IndexFunc(s, func(r rune) bool {
		return r <= ' ' || strings.ContainsRune("\"<>«»“”‘’{}|\\^`\u00a0\u3000", r)
	})
	if n < 0 {
		n = len(s)
	}
	trimmed := strings.TrimRight(s[:n], ".,;:!?'*_")
	if strings.HasSuffix(trimmed, ")") && !strings.Contains(trimmed, "(") {
		trimmed = strings.TrimRight(trimmed, ")")
	}
	return len(trimmed)
}

// maxSegments bounds how deep into a path an address can be asked for.
const maxSegments = 8

// urlMarks are the marks of a folded web address: its host and each domain
// above it but the top one, and the path from the host down, segment by
// segment.
func urlMarks(address string) []string {
	host, path := splitAddress(address)
	if host == "" {
		return nil
	}
	marks := domainMarks("url:", host)
	full := "url:" + host + path
	segments := 0
	for i := len("url:" + host); i < len(full) && segments < maxSegments; segments++ {
		next := strings.IndexAny(full[i+1:], "/?")
		if next < 0 {
			break
		}
		i += 1 + next
		if full[i-1] != '/' {
			marks = append(marks, cut(full[:i]))
		}
	}
	if path != "" {
		marks = append(marks, cut(full))
	}
	return marks
}

// siteMarks are the marks of a post's home, given as a host or an address.
func siteMarks(address string) []string {
	host, _ := splitAddress(Fold(address))
	if host == "" {
		return nil
	}
	return domainMarks("site:", host)
}

// domainMarks are the host and the domains above it, the top one left out.
func domainMarks(prefix, host string) []string {
	marks := []string{cut(prefix + host)}
	for {
		_, parent, ok := strings.Cut(host, ".")
		if !ok || !strings.Contains(parent, ".") {
			return marks
		}
		host = parent
		marks = append(marks, cut(prefix+host))
	}
}

// splitAddress is the host of a folded address and its path with the query,
// without scheme, user, port, "www.", fragment and a slash at the end.
func splitAddress(address string) (host, path string) {
	if _, rest, ok := strings.Cut(address, "://"); ok {
		address = rest
	}
	address, _, _ = strings.Cut(address, "#")
	host = address
	if i := strings.IndexAny(address, "/?"); i >= 0 {
		host, path = address[:i], strings.TrimRight(address[i:], "/")
	}
	if i := strings.LastIndexByte(host, '@'); i >= 0 {
		host = host[i+1:]
	}
	host, _, _ = strings.Cut(host, ":")
	host = strings.Trim(strings.TrimPrefix(host, "www."), ".")
	return host, path
}

// isMark reports whether a token is a mark and not a word: words are letters,
// digits and symbols only.
func isMark(token string) bool {
	return token[0] == '#' || token[0] == '@' || strings.IndexByte(token, ':') > 0
}
