package feed

import (
	"net/url"
	"regexp"
	"strings"

	"peewit/bridge"
)

// appendLink adds a link that leads somewhere, once.
func appendLink(links []bridge.Link, l bridge.Link) []bridge.Link {
	l.Href = strings.TrimSpace(l.Href)
	if l.Href == "" || len(l.Href) > maxURL || len(links) >= maxLinks {
		return links
	}
	if u, err := url.Parse(l.Href); err == nil && unsafeScheme(u.Scheme) {
		return links
	}
	for _, have := range links {
		if have.Rel == l.Rel && have.Href == l.Href {
			return links
		}
	}
	return append(links, l)
}

// unsafeScheme reports whether following an address would run something.
func unsafeScheme(scheme string) bool {
	switch strings.ToLower(scheme) {
	case "javascript", "vbscript", "data", "file", "blob":
		return true
	}
	return false
}

// appendTerm adds a category that says something, once.
func appendTerm(terms []bridge.Category, term, label string) []bridge.Category {
	term = line(guess(term, nil)).Body
	if term == "" || len(terms) >= maxTerms {
		return terms
	}
	for _, have := range terms {
		if have.Term == term {
			return terms
		}
	}
	return append(terms, bridge.Category{Term: term, Label: line(markup{body: label}).Body})
}

// appendPerson adds a person that has a name or an address, once.
func appendPerson(people []bridge.Person, p bridge.Person) []bridge.Person {
	if p == (bridge.Person{}) || len(people) >= maxPeople {
		return people
	}
	for _, have := range people {
		if have == p {
			return people
		}
	}
	return append(people, p)
}

var (
	mailFirst = regexp.MustCompile(`^([^@\s()<>]+@[^@\s()<>]+)\s*\((.*)\)$`)         // RSS 2.0: a@b (Name)
	nameFirst = regexp.MustCompile(`^(.+?)\s*[(<]\s*([^@\s()<>]+@[^@\s()<>]+)[)>]$`) // Name <a@b>
	mailOnly  = regexp.MustCompile(`^[^@\s()<>]+@[^@\s()<>]+$`)
)

// person reads the ways in which RSS names people.
func person(s string) bridge.Person {
	s = line(guess(s, nil)).Body
	if m := mailFirst.FindStringSubmatch(s); m != nil {
		return bridge.Person{Name: strings.TrimSpace(m[2]), Email: m[1]}
	}
	if m := nameFirst.FindStringSubmatch(s); m != nil {
		return bridge.Person{Name: m[1], Email: m[2]}
	}
	if mailOnly.MatchString(s) {
		return bridge.Person{Email: s}
	}
	return bridge.Person{Name: s}
}

func isWeb(s string) bool {
	return (strings.HasPrefix(s, "http://") || strings.HasPrefix(s, "https://")) && len(s) <= maxURL
}

// clip bounds what would be wrong if it were cut: beyond most it is nothing.
func clip(s string, most int) string {
	if len(s) > most {
		return ""
	}
	return s
}
