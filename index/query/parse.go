package query

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"peewit/bridge"
)

// The bounds of a query.
const (
	MaxBytes = 1024 // length of the text
	MaxDepth = 16   // parentheses within parentheses
	MaxTerms = 64   // words, phrases and fields
)

// Error says in one sentence why a text is no query, and where. It is a
// [bridge.BadRequest] for the doors.
type Error struct {
	Pos  int    // offset in bytes of what is wrong
	Char int    // the same in characters, from 1; 0 when it is the query as a whole
	Text string // one clause, lower case, without a full stop
}

func (e *Error) Error() string {
	if e.Char == 0 {
		return e.Text
	}
	return fmt.Sprintf("at character %d: %s", e.Char, e.Text)
}

// Unwrap is the refusal that a door answers with.
func (e *Error) Unwrap() error { return bridge.Refuse(bridge.BadRequest, "%s", e.Error()) }

// Parse reads a query. The error is an [*Error].
func Parse(text string) (*Query, error) {
	if len(text) > MaxBytes {
		return nil, &Error{Text: fmt.Sprintf("the query is longer than %d bytes", MaxBytes)}
	}
	if i := invalidUTF8(text); i >= 0 {
		return nil, &Error{Pos: i, Char: utf8.RuneCountInString(text[:i]) + 1, Text: "this is not valid UTF-8"}
	}
	p := &parser{text: text}
	p.space()
	if p.pos == len(text) {
		return nil, &Error{Text: "the query is empty"}
	}
	n, err := p.any()
	if err != nil {
		return nil, err
	}
	if p.pos < len(text) { // any ends at a parenthesis only
		return nil, p.fail(p.pos, "this ) closes nothing")
	}
	root := normal(n, false)
	if !positive(root) {
		return nil, &Error{Text: "the query only says what is not wanted; add a word, a #tag or a name that is"}
	}
	return &Query{Root: root}, nil
}

func invalidUTF8(s string) int {
	for i, r := range s {
		if r == utf8.RuneError && !strings.HasPrefix(s[i:], "\uFFFD") {
			return i
		}
	}
	return -1
}

// parser walks over the text by recursive descent:
//
//	any  = all { ("|" | "," | "OR") all }
//	all  = one { ["AND"] one }
//	one  = "-" one | "(" any ")" | phrase | field | word
type parser struct {
	text  string
	pos   int
	depth int
	terms int
}

func (p *parser) fail(pos int, format string, args ...any) error {
	return &Error{Pos: pos, Char: utf8.RuneCountInString(p.text[:pos]) + 1, Text: fmt.Sprintf(format, args...)}
}

func (p *parser) any() (Node, error) {
	var nodes Any
	for {
		n, err := p.all()
		if err != nil {
			return nil, err
		}
		nodes = append(nodes, n)
		if !p.or() {
			return nodes, nil
		}
	}
}

func (p *parser) all() (Node, error) {
	var nodes All
	for {
		p.space()
		start := p.pos
		if p.end() {
			return nil, p.missing()
		}
		if p.operator("AND") {
			if p.space(); len(nodes) == 0 || p.end() {
				return nil, p.fail(start, "AND stands between two words")
			}
			continue
		}
		n, err := p.one()
		if err != nil {
			return nil, err
		}
		nodes = append(nodes, n)
		if p.space(); p.end() {
			return nodes, nil
		}
	}
}

// missing says what is wrong where a word should stand and none does.
func (p *parser) missing() error {
	switch {
	case p.pos == len(p.text) && p.depth > 0:
		return p.fail(p.pos, "a word is missing, and a )")
	case p.pos == len(p.text):
		return p.fail(p.pos, "a word is missing at the end")
	case p.text[p.pos] == ')' && p.depth == 0:
		return p.fail(p.pos, "this ) closes nothing")
	}
	return p.fail(p.pos, "a word is missing before this")
}

// end reports whether a run of nodes ends here.
func (p *parser) end() bool {
	if p.pos == len(p.text) {
		return true
	}
	switch p.text[p.pos] {
	case ')', '|', ',':
		return true
	}
	start := p.pos
	or := p.operator("OR")
	p.pos = start
	return or
}

// or steps over the sign for "either".
func (p *parser) or() bool {
	if p.pos < len(p.text) && (p.text[p.pos] == '|' || p.text[p.pos] == ',') {
		p.pos++
		return true
	}
	return p.operator("OR")
}

// operator steps over a word in capitals that stands alone.
func (p *parser) operator(name string) bool {
	rest, ok := strings.CutPrefix(p.text[p.pos:], name)
	if !ok {
		return false
	}
	if next, _ := utf8.DecodeRuneInString(rest); rest != "" && !breaksWord(next) {
		return false
	}
	p.pos += len(name)
	return true
}

func (p *parser) one() (Node, error) {
	p.depth++
	defer func() { p.depth-- }()
	if p.depth > MaxDepth {
		return nil, p.fail(p.pos, "this is nested more than %d deep", MaxDepth-1)
	}
	start := p.pos
	switch p.text[p.pos] {
	case '-':
		p.pos++
		if next, _ := utf8.DecodeRuneInString(p.text[p.pos:]); p.pos == len(p.text) || next != '"' && next != '(' && breaksWord(next) {
			return nil, p.fail(start, "- needs a word right behind it")
		}
		n, err := p.one()
		return Not{n}, err
	case '(':
		p.pos++
		n, err := p.any()
		if err != nil {
			return nil, err
		}
		if p.pos == len(p.text) {
			return nil, p.fail(start, "this ( is never closed")
		}
		p.pos++ // any stops at nothing else but )
		return n, nil
	}
	if p.terms++; p.terms > MaxTerms {
		return nil, p.fail(start, "a query has at most %d words", MaxTerms)
	}
	if p.text[p.pos] == '"' {
		text, err := p.quoted()
		if err != nil {
			return nil, err
		}
		return p.phrase(start, text)
	}
	return p.word()
}

// quoted steps over a text in quotation marks and returns what is in it.
func (p *parser) quoted() (string, error) {
	text, _, ok := strings.Cut(p.text[p.pos+1:], `"`)
	if !ok {
		return "", p.fail(p.pos, "this quotation mark is never closed")
	}
	p.pos += len(text) + 2
	return text, nil
}

// phrase is the node that asks for a text's words side by side.
func (p *parser) phrase(pos int, text string) (Node, error) {
	switch words := Words(text); len(words) {
	case 0:
		return nil, p.fail(pos, "there is no letter or digit in this")
	case 1:
		return Term(words[0]), nil
	default:
		return Phrase(words), nil
	}
}

// word reads a word, a #tag, a @name, an address or a field with its value.
func (p *parser) word() (Node, error) {
	start := p.pos
	token := p.run()
	name, value, hasColon := strings.Cut(token, ":")
	switch {
	case token[0] == '#', token[0] == '@':
		return p.marked(start, token)
	case strings.Contains(token, "://"):
		return p.mark(start, "url", token)
	case hasColon && isField(strings.ToLower(name)):
		if value == "" && p.pos < len(p.text) && p.text[p.pos] == '"' {
			var err error
			if value, err = p.quoted(); err != nil {
				return nil, err
			}
		}
		return p.mark(start, strings.ToLower(name), value)
	case strings.HasSuffix(token, "*"):
		return p.prefix(start, token)
	}
	n, err := p.phrase(start, token)
	if err == nil && looksLikeHost(token) {
		// Twitter's track: a domain finds the addresses in it.
		if m, problem := fieldURL(token); problem == "" {
			return Any{n, m}, nil
		}
	}
	return n, err
}

// marked is the node of a #tag or a @name.
func (p *parser) marked(pos int, token string) (Node, error) {
	stem, isPrefix := strings.CutSuffix(token, "*")
	folded := Fold(stem)
	marks, example := appendMention(nil, folded), "@name"
	if token[0] == '#' {
		marks, example = appendTag(nil, folded), "#tag"
	}
	m := lastMark(marks)
	switch {
	case m == "":
		return nil, p.fail(pos, "%c needs a name right behind it, as in %s", token[0], example)
	case isPrefix:
		return Prefix(m), nil
	}
	return Term(m), nil
}

// prefix is the node of a word that ends in *.
func (p *parser) prefix(pos int, token string) (Node, error) {
	words := Words(strings.TrimRight(token, "*"))
	if len(words) != 1 || utf8.RuneCountInString(words[0]) < 2 && classOf([]rune(words[0])[0]) != alone {
		return nil, p.fail(pos, "* stands behind one word of two letters or more")
	}
	return Prefix(words[0]), nil
}

// mark is the node of a field and its value.
func (p *parser) mark(pos int, field, value string) (Node, error) {
	if field != "url" && strings.HasSuffix(value, "*") {
		return nil, p.fail(pos, "* stands behind a word, a #tag or a @name, not behind %s:", field)
	}
	n, problem := fieldNode(field, value)
	if problem != "" {
		return nil, p.fail(pos, "%s", problem)
	}
	return n, nil
}

// run steps over characters up to the next that ends a word.
func (p *parser) run() string {
	rest := p.text[p.pos:]
	n := strings.IndexFunc(rest, breaksWord)
	if n < 0 {
		n = len(rest)
	}
	p.pos += n
	return rest[:n]
}

// breaksWord reports whether a character ends a word in a query.
func breaksWord(r rune) bool {
	return unicode.IsSpace(r) || unicode.IsControl(r) || strings.ContainsRune(`()|,"`, r)
}

func (p *parser) space() {
	rest := strings.TrimLeftFunc(p.text[p.pos:], func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) })
	p.pos = len(p.text) - len(rest)
}

// looksLikeHost reports whether a word is a domain, with a path or without:
// labels with dots between, the last of letters.
func looksLikeHost(token string) bool {
	host, _ := splitAddress(Fold(token))
	i := strings.LastIndexByte(host, '.')
	if i <= 0 || i > len(host)-3 || strings.Contains(host, "..") || strings.ContainsAny(token, "@*") {
		return false
	}
	return strings.IndexFunc(host[i+1:], func(r rune) bool { return !unicode.IsLetter(r) }) < 0 &&
		strings.IndexFunc(host, func(r rune) bool { return r != '.' && r != '-' && classOf(r) == between }) < 0
}

func lastMark(marks []string) string {
	if len(marks) == 0 {
		return ""
	}
	return marks[len(marks)-1]
}
