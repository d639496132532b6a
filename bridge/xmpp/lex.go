package xmpp

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// name reads a qualified name.
func (p *parser) name() (prefix, local string, err error) {
	start, colon := p.pos, -1
	fresh := true // at the start of the prefix or of the local part
	for p.pos < len(p.s) {
		r, size := rune(p.s[p.pos]), 1
		if r >= utf8.RuneSelf {
			r, size = utf8.DecodeRuneInString(p.s[p.pos:])
		}
		if r == ':' {
			if fresh || colon >= 0 {
				return "", "", p.malformed("a name with a misplaced colon")
			}
			colon, fresh = p.pos, true
		} else if isNameStart(r) || !fresh && isNameMore(r) {
			fresh = false
		} else {
			break
		}
		p.pos += size
	}
	if fresh {
		return "", "", p.malformed("no name")
	}
	if colon < 0 {
		return "", p.s[start:p.pos], nil
	}
	if prefix = p.s[start:colon]; prefix == "xmlns" && p.s[start-1] == '<' {
		return "", "", p.malformed("an element with the prefix xmlns")
	}
	return prefix, p.s[colon+1 : p.pos], nil
}

// value reads what follows an attribute's name.
func (p *parser) value() (string, error) {
	p.space()
	if p.pos == len(p.s) || p.s[p.pos] != '=' {
		return "", p.malformed("an attribute without a value")
	}
	p.pos++
	p.space()
	if p.pos == len(p.s) || p.s[p.pos] != '"' && p.s[p.pos] != '\'' {
		return "", p.malformed("a value without quotes")
	}
	quote := p.s[p.pos]
	p.pos++
	i := strings.IndexByte(p.s[p.pos:], quote)
	if i < 0 {
		return "", p.malformed("a value does not end")
	}
	value := p.s[p.pos : p.pos+i]
	if strings.IndexByte(value, '<') >= 0 {
		return "", p.malformed("a '<' in a value")
	}
	text, err := p.unescape(value, true)
	p.pos += i + 1
	return text, err
}

// unescape is the text that s stands for (XML 1.0 §2.11, §3.3.3, §4.6).
func (p *parser) unescape(s string, inValue bool) (string, error) {
	if !inValue && strings.Contains(s, "]]>") {
		return "", p.malformed("a ]]> outside of CDATA")
	}
	special := "&\r"
	if inValue {
		special = "&\r\n\t"
	}
	if !strings.ContainsAny(s, special) {
		return s, nil
	}
	if inValue {
		s = blanks.Replace(s)
	} else {
		s = newlines(s)
	}
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(s, "&")
		b.WriteString(before)
		if !found {
			return b.String(), nil
		}
		name, rest, found := strings.Cut(rest, ";")
		if !found {
			return "", p.malformed("an & without a ;")
		}
		text, err := p.reference(name)
		if err != nil {
			return "", err
		}
		b.WriteString(text)
		s = rest
	}
}

// reference is what &name; stands for.
func (p *parser) reference(name string) (string, error) {
	switch name {
	case "lt":
		return "<", nil
	case "gt":
		return ">", nil
	case "amp":
		return "&", nil
	case "apos":
		return "'", nil
	case "quot":
		return `"`, nil
	}
	digits, isNumber := strings.CutPrefix(name, "#")
	if !isNumber {
		return "", fmt.Errorf("%w: an entity reference", ErrRestricted)
	}
	base := 10
	if hex, isHex := strings.CutPrefix(digits, "x"); isHex {
		digits, base = hex, 16
	}
	n, err := strconv.ParseUint(digits, base, 32)
	if err != nil || n > utf8.MaxRune || !isChar(rune(n)) {
		return "", p.malformed("a reference to no character")
	}
	return string(rune(n)), nil
}
