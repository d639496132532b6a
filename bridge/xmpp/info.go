package xmpp

import (
	"bytes"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"slices"
	"strings"
)

// Info is what an address or node says about itself (XEP-0030 §3).
type Info struct {
	Identities []Identity
	Features   []string
	Forms      []Form // XEP-0128
}

// Identity is a disco identity.
type Identity struct{ Category, Type, Lang, Name string }

// Form is a data form of type result in a disco answer. Type is the value of
// its FORM_TYPE field.
type Form struct {
	Type   string
	Fields []Field
}

// Field is one field of a Form. Kind is its XEP-0004 type, "" for none.
type Field struct {
	Var, Kind, Label string
	Values           []string
}

const (
	nsInfo = "http://jabber.org/protocol/disco#info"
	nsData = "jabber:x:data"
)

// add puts other's content behind i's own.
func (i *Info) add(other Info) {
	i.Identities = append(i.Identities, other.Identities...)
	i.Features = append(i.Features, other.Features...)
	i.Forms = append(i.Forms, other.Forms...)
}

// tidy sorts what has no order and drops what is there twice, so that equal
// infos look and hash equal.
func (i *Info) tidy() {
	slices.SortFunc(i.Identities, func(a, b Identity) int { return strings.Compare(a.sortKey(), b.sortKey()) })
	i.Identities = slices.Compact(i.Identities)
	slices.Sort(i.Features)
	i.Features = slices.Compact(i.Features)
	slices.SortFunc(i.Forms, func(a, b Form) int { return strings.Compare(a.Type, b.Type) })
}

func (i Identity) sortKey() string {
	return i.Category + "\x00" + i.Type + "\x00" + i.Lang + "\x00" + i.Name
}

// append writes the children of a disco#info query.
func (i *Info) append(b *bytes.Buffer) {
	for _, id := range i.Identities {
		b.WriteString("<identity")
		attribute(b, "category", id.Category)
		attribute(b, "type", id.Type)
		attribute(b, "xml:lang", id.Lang)
		attribute(b, "name", id.Name)
		b.WriteString("/>")
	}
	for _, f := range i.Features {
		b.WriteString("<feature")
		attribute(b, "var", f)
		b.WriteString("/>")
	}
	for _, f := range i.Forms {
		f.append(b)
	}
}

func (f *Form) append(b *bytes.Buffer) {
	b.WriteString("<x xmlns='" + nsData + "' type='result'>")
	fields := append([]Field{{Var: "FORM_TYPE", Kind: "hidden", Values: []string{f.Type}}}, f.Fields...)
	for _, field := range fields {
		b.WriteString("<field")
		attribute(b, "type", field.Kind)
		attribute(b, "var", field.Var)
		attribute(b, "label", field.Label)
		b.WriteByte('>')
		for _, v := range field.Values {
			b.WriteString("<value>" + Escape(v) + "</value>")
		}
		b.WriteString("</field>")
	}
	b.WriteString("</x>")
}

// readInfo reads the answer to a disco#info question. wellFormed is false when
// its hash must not be believed, because two different answers could have it
// (XEP-0115 §5.4, items 3.3 to 3.6).
func readInfo(query *Element) (info Info, wellFormed bool) {
	wellFormed = true
	for _, c := range query.Children {
		switch c.Name.Local {
		case "identity":
			info.Identities = append(info.Identities, Identity{c.Attribute("category"), c.Attribute("type"),
				c.AttributeNS(nsXML, "lang"), c.Attribute("name")})
		case "feature":
			info.Features = append(info.Features, c.Attribute("var"))
		case "x":
			if c.Name.Space == nsData {
				form, counts, ok := readForm(c)
				wellFormed = wellFormed && ok
				if counts {
					info.Forms = append(info.Forms, form)
				}
			}
		}
	}
	identities, features, forms := len(info.Identities), len(info.Features), len(info.Forms)
	info.tidy()
	same := func(a, b Form) bool { return a.Type == b.Type }
	return info, wellFormed && len(info.Identities) == identities && len(info.Features) == features &&
		len(slices.CompactFunc(slices.Clone(info.Forms), same)) == forms
}

// readForm reads one form. It counts in a hash when its FORM_TYPE is hidden; it
// is ill-formed when that has several values.
func readForm(x *Element) (form Form, counts, wellFormed bool) {
	wellFormed = true
	for _, c := range x.Children {
		if c.Name.Local != "field" {
			continue
		}
		f := Field{Var: c.Attribute("var"), Kind: c.Attribute("type")}
		for _, v := range c.Children {
			if v.Name.Local == "value" {
				f.Values = append(f.Values, v.Text)
			}
		}
		if f.Var != "FORM_TYPE" {
			form.Fields = append(form.Fields, f)
			continue
		}
		for _, v := range f.Values {
			if v != f.Values[0] {
				wellFormed = false
			}
		}
		if len(f.Values) > 0 && f.Kind == "hidden" {
			counts = true
			form.Type = f.Values[0]
		}
	}
	return form, counts, wellFormed
}

// hashInput is the string S of XEP-0115 §5.1, which is hashed. The info is tidy.
func (i *Info) hashInput() string {
	var b strings.Builder
	add := func(s string) {
		b.WriteString(s)
		b.WriteByte('<')
	}
	for _, id := range i.Identities {
		add(id.Category + "/" + id.Type + "/" + id.Lang + "/" + id.Name)
	}
	for _, f := range i.Features {
		add(f)
	}
	for _, f := range i.Forms {
		add(f.Type)
		for _, field := range f.sorted() {
			add(field.Var)
			for _, v := range field.Values {
				add(v)
			}
		}
	}
	return b.String()
}

// sorted is the form's fields by name, each with its values sorted.
func (f *Form) sorted() []Field {
	out := slices.Clone(f.Fields)
	for i := range out {
		out[i].Values = slices.Clone(out[i].Values)
		slices.Sort(out[i].Values)
	}
	slices.SortStableFunc(out, func(a, b Field) int { return strings.Compare(a.Var, b.Var) })
	return out
}

// sha1 is the info's hash of XEP-0115.
func (i *Info) sha1() string {
	sum := sha1.Sum([]byte(i.hashInput()))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// sha256 is the info's hash of XEP-0390 §4.1.
func (i *Info) sha256() string {
	var parts [3][]string
	for _, f := range i.Features {
		parts[0] = append(parts[0], f+"\x1f")
	}
	for _, id := range i.Identities {
		parts[1] = append(parts[1], id.Category+"\x1f"+id.Type+"\x1f"+id.Lang+"\x1f"+id.Name+"\x1f\x1e")
	}
	for _, f := range i.Forms {
		fields := []string{"FORM_TYPE\x1f" + f.Type + "\x1f\x1e"}
		for _, field := range f.sorted() {
			s := field.Var + "\x1f"
			for _, v := range field.Values {
				s += v + "\x1f"
			}
			fields = append(fields, s+"\x1e")
		}
		slices.Sort(fields)
		parts[2] = append(parts[2], strings.Join(fields, "")+"\x1d")
	}
	h := sha256.New()
	for _, p := range parts {
		slices.Sort(p)
		h.Write([]byte(strings.Join(p, "") + "\x1c"))
	}
	return base64.StdEncoding.EncodeToString(h.Sum(nil))
}
