package query

import (
	"strings"
	"time"
)

// fields are the names that may stand before a colon. A word with any other
// name before a colon is a phrase: people write 10:30 and urn:xmpp:mix.
var fields = map[string]func(value string) (n Node, problem string){
	"from":   fieldTerm("from", plainName, "from: needs a name right behind it, as in from:alice"),
	"source": fieldTerm("source", plainSpace, "source: needs a name right behind it, as in source:feed"),
	"planet": fieldTerm("planet", plainSpace, "planet: needs a name right behind it, as in planet:planet-go"),
	"lang":   fieldTerm("lang", plainLang, "lang: needs a language right behind it, as in lang:en"),
	"site":   fieldSite,
	"url":    fieldURL,
	"has":    fieldHas,
	"since":  fieldSince,
	"until":  fieldUntil,
}

func isField(name string) bool { return fields[name] != nil }

func fieldNode(name, value string) (n Node, problem string) { return fields[name](value) }

func fieldTerm(name string, plain func(string) string, problem string) func(string) (Node, string) {
	return func(value string) (Node, string) {
		value = plain(value)
		if value == "" {
			return nil, problem
		}
		return Term(fieldMark(name, value)), ""
	}
}

// fieldMark is the mark of a field with a value in its plain form.
func fieldMark(name, value string) string { return cut(name + ":" + value) }

// plainSpace is a folded value without quotation marks and with single spaces.
func plainSpace(s string) string {
	return strings.Join(strings.Fields(strings.ReplaceAll(Fold(s), `"`, " ")), " ")
}

func plainName(s string) string { return strings.TrimLeft(plainSpace(s), "@ ") }

func plainLang(s string) string { return strings.ReplaceAll(plainSpace(s), "_", "-") }

func fieldSite(value string) (Node, string) {
	host, _ := splitAddress(plainSpace(value))
	if host == "" || strings.Contains(host, " ") {
		return nil, "site: needs a host right behind it, as in site:example.org"
	}
	return Term(fieldMark("site", host)), ""
}

func fieldURL(value string) (Node, string) {
	host, path := splitAddress(plainSpace(value))
	if host == "" || strings.Contains(host+path, " ") {
		return nil, "url: needs an address right behind it, as in url:example.org/docs"
	}
	return Term(fieldMark("url", host+path)), ""
}

func fieldHas(value string) (Node, string) {
	switch value = Fold(value); value {
	case "link", "image", "reply":
		return Term(fieldMark("has", value)), ""
	}
	return nil, "has: knows has:link, has:image and has:reply"
}

func fieldSince(value string) (Node, string) {
	t, ok := moment(value)
	if !ok {
		return nil, "since: needs a date right behind it, as in since:2026-01-31"
	}
	return Since(t), ""
}

func fieldUntil(value string) (Node, string) {
	t, ok := moment(value)
	if !ok {
		return nil, "until: needs a date right behind it, as in until:2026-01-31"
	}
	return Until(t), ""
}

// moment is the time that a date or a date with a time names, in UTC when it
// names no zone.
func moment(s string) (time.Time, bool) {
	for _, layout := range [...]string{time.DateOnly, "2006-01-02T15:04", "2006-01-02T15:04:05", time.RFC3339} {
		if t, err := time.Parse(layout, strings.ToUpper(s)); err == nil && t.Year() > 0 {
			return t.UTC().Truncate(time.Second), true
		}
	}
	return time.Time{}, false
}
