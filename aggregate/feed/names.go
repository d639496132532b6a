package feed

import (
	"bytes"
	"encoding/xml"
	"net/url"
	"strings"

	"peewit/bridge/atom"
)

// maxPrefixes is how many namespaces can be in scope. Feeds have two dozen;
// thousands would make each of their elements slow to read.
const maxPrefixes = 64

// open is a start tag with its namespaces and base worked out.
func (r *repairer) open(t xml.StartElement) *element {
	e := &element{name: t.Name, base: r.out.base}
	if n := len(r.stack); n > 0 {
		e.spaces, e.base = r.stack[n-1].spaces, r.stack[n-1].base
	}
	if r.collect != nil {
		if parent := r.collect.parent(); parent != nil {
			e.spaces, e.base = parent.spaces, parent.base
		}
	}
	own := false
	for _, a := range t.Attr {
		prefix, isDecl := declares(a.Name)
		if isDecl && len(e.spaces) < maxPrefixes {
			if !own {
				e.spaces, own = cloned(e.spaces), true
			}
			e.spaces[prefix] = strings.TrimSpace(a.Value)
		}
		if a.Name.Space == "xml" && a.Name.Local == "base" {
			if to := resolveURL(e.base, a.Value); to != nil {
				e.base = to
			}
		}
	}
	var known bool
	if e.space, known = e.spaces[t.Name.Space]; !known {
		e.space = t.Name.Space // an undeclared prefix stands for itself
	}
	if r.alias != "" && e.space == r.alias {
		e.space = atom.NS
	}
	return e
}

// declares is the prefix that an attribute declares; "" for the default.
func declares(name xml.Name) (prefix string, ok bool) {
	if name.Space == "" && name.Local == "xmlns" {
		return "", true
	}
	return name.Local, name.Space == "xmlns"
}

func cloned(m map[string]string) map[string]string {
	out := make(map[string]string, len(m)+1)
	for k, v := range m {
		out[k] = v
	}
	return out
}

func writeName(b *bytes.Buffer, n xml.Name) {
	if n.Space != "" {
		b.WriteString(n.Space)
		b.WriteByte(':')
	}
	b.WriteString(n.Local)
}

// resolved is an address made absolute; one that is absolute already, or cannot
// be made so, stays as it is.
func resolved(base *url.URL, ref string) string {
	ref = strings.TrimSpace(ref)
	if base == nil || ref == "" {
		return ref
	}
	u, err := url.Parse(ref)
	if err != nil || u.IsAbs() {
		return ref
	}
	return base.ResolveReference(u).String()
}

func resolveURL(base *url.URL, ref string) *url.URL {
	u, err := url.Parse(strings.TrimSpace(ref))
	switch {
	case err != nil:
		return nil
	case base != nil:
		return base.ResolveReference(u)
	case u.IsAbs():
		return u
	}
	return nil
}
