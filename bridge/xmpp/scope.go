package xmpp

// The namespaces used all over the package.
const (
	NSClient    = "jabber:client"
	NSComponent = "jabber:component:accept"
	NSStream    = "http://etherx.jabber.org/streams"
	NSStanzas   = "urn:ietf:params:xml:ns:xmpp-stanzas"
	nsXML       = "http://www.w3.org/XML/1998/namespace"
	nsXMLNS     = "http://www.w3.org/2000/xmlns/"
)

// scope is one namespace declaration and those around it: the innermost comes
// first.
type scope struct {
	prefix, space string
	up            *scope
	size          int

	// border marks the edge of an element that is read a second time: what is
	// looked up beyond it is noted here.
	border map[string]string
}

// maxScope is how many declarations may be in force at one place. It bounds
// the work of looking one up.
const maxScope = 128

// stream is the scope at the top level of a stream: its default namespace and
// the one prefix that RFC 6120 §4.8.5 lets everyone use there.
func stream(defaultNS string) *scope {
	s := &scope{prefix: "stream", space: NSStream, size: 1}
	if defaultNS != "" {
		s = &scope{space: defaultNS, up: s, size: 2}
	}
	return s
}

func (s *scope) declare(prefix, space string) *scope {
	next := &scope{prefix: prefix, space: space, up: s}
	if s != nil {
		next.size = s.size + 1
	}
	return next
}

// lookup finds what a prefix means; "" is the default namespace, which is none
// when nobody declared it.
func (s *scope) lookup(prefix string) (space string, ok bool) {
	var border map[string]string
	for ; s != nil; s = s.up {
		if s.border != nil {
			border = s.border
			continue
		}
		if s.prefix == prefix {
			if border != nil {
				border[prefix] = s.space
			}
			return s.space, true
		}
	}
	switch prefix {
	case "":
		return "", true
	case "xml":
		return nsXML, true
	}
	return "", false
}
