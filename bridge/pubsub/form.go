package pubsub

import (
	"slices"

	"peewit/bridge"
	"peewit/bridge/xmpp"
)

// The FORM_TYPEs in use (XEP-0060 §16.4).
const (
	formNodeConfig     = nsPubsub + "#node_config"
	formPublishOptions = nsPubsub + "#publish-options"
	formMetaData       = nsPubsub + "#meta-data"
)

// field is one field of a data form to be written (XEP-0004 §3.2).
type field struct {
	name, kind, label string
	values            []string
	options           []option
}

// option is a choice of a list field.
type option struct{ value, label string }

// writeForm writes a data form. kind is "form" for one to be filled in, with
// labels and options, and "result" for a report.
func writeForm(w *writer, kind, formType, title string, fields []field) {
	w.raw("<x xmlns='"+nsData+"'").attr("type", kind).raw(">")
	if kind == "form" && title != "" {
		w.raw("<title>").text(title).raw("</title>")
	}
	w.raw("<field var='FORM_TYPE' type='hidden'><value>").text(formType).raw("</value></field>")
	for _, f := range fields {
		w.raw("<field").attr("var", f.name).attr("type", f.kind).optional("label", f.label).raw(">")
		for _, v := range f.values {
			w.raw("<value>").text(v).raw("</value>")
		}
		if kind == "form" {
			for _, o := range f.options {
				w.raw("<option").attr("label", o.label).raw("><value>").text(o.value).raw("</value></option>")
			}
		}
		w.raw("</field>")
	}
	w.raw("</x>")
}

// submission is a form that came in.
type submission struct {
	cancelled bool
	names     []string // in the order of the form, without FORM_TYPE
	values    map[string][]string
}

// one is the single value of a field; a field with no value, or an empty one,
// unsets it (XEP-0004 §3.5).
func (s submission) one(name string) string {
	if v := s.values[name]; len(v) > 0 {
		return v[0]
	}
	return ""
}

// readForm reads the form inside parent. No form at all is an empty submission.
// A FORM_TYPE other than the expected one is refused; strict refuses a missing
// one too.
func readForm(parent *xmpp.Element, formType string, strict bool) (submission, error) {
	s := submission{values: map[string][]string{}}
	x := parent.Child(nsData, "x")
	if x == nil {
		return s, nil
	}
	switch x.Attribute("type") {
	case "cancel":
		s.cancelled = true
		return s, nil
	case "submit":
	default:
		return s, bridge.Refuse(bridge.BadRequest, "a form of type submit is expected")
	}
	var stated bool
	for _, f := range x.Children {
		if f.Name.Space != nsData || f.Name.Local != "field" {
			continue
		}
		name, values := f.Attribute("var"), fieldValues(f)
		if name == "FORM_TYPE" {
			if stated = true; !slices.Equal(values, []string{formType}) {
				return s, bridge.Refuse(bridge.BadRequest, "a form of type %s is expected", formType)
			}
			continue
		}
		if _, twice := s.values[name]; twice || name == "" {
			return s, bridge.Refuse(bridge.BadRequest, "each field of a form has its own var")
		}
		s.names = append(s.names, name)
		s.values[name] = values
	}
	if strict && !stated {
		return s, bridge.Refuse(bridge.BadRequest, "the form lacks its FORM_TYPE, %s", formType) // XEP-0060 §7.1.5
	}
	return s, nil
}

func fieldValues(f *xmpp.Element) []string {
	values := []string{}
	for _, v := range f.Children {
		if v.Name.Space == nsData && v.Name.Local == "value" {
			values = append(values, v.Text)
		}
	}
	return values
}
