package index

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"peewit/bridge"
	"peewit/bridge/atom"
	"peewit/bridge/microblog"
	"peewit/index/query"

	"github.com/blevesearch/bleve/v2"
	"github.com/blevesearch/bleve/v2/analysis"
	"github.com/blevesearch/bleve/v2/document"
	blevequery "github.com/blevesearch/bleve/v2/search/query"
	bleveindex "github.com/blevesearch/bleve_index_api"
)

// The fields of a document. Only fieldShown is stored.
const (
	fieldWord  = "w" // words of the text, with positions for phrases
	fieldMark  = "m" // marks: "#tag", "from:alice"
	fieldTime  = "t" // when the post was published, see timeTokens
	fieldKey   = "k" // keys of ours, see below
	fieldShown = "s" // the planets that show the post, []showing in JSON
)

// The keys by which documents are found again.
func keyOfNode(id string) string            { return "n" + id }
func keyOfService(jid bridge.JID) string    { return "j" + bridge.Hash(string(jid)) }
func keyOfItem(nodeID, item string) string  { return "i" + bridge.Hash(nodeID, item) }
func keyOfPlanet(nodeID string) string      { return "p" + nodeID }
func keyOfShown(nodeID, item string) string { return "r" + bridge.Hash(nodeID, item) }

// keyClosed is on posts that not everybody may read.
const keyClosed = "closed"

// showing is a reference to a post: the planet's name and node, and the post's
// item id there.
type showing struct {
	Planet string `json:"planet"`
	NodeID string `json:"node_id"`
	Item   string `json:"item"`
}

// docID is the id of a post's document: ids sort by age.
func docID(first uint64) string { return fmt.Sprintf("%016x", first) }

func seqOf(docID string) (uint64, error) { return strconv.ParseUint(docID, 16, 64) }

// newDocument is what is indexed of an item; nil when it is no post.
func newDocument(it *bridge.Item, shown []showing, open bool) (*document.Document, error) {
	post, err := atom.Parse(it.Payload)
	if err != nil {
		return nil, nil // not every payload is an entry
	}
	planets := make([]string, len(shown))
	for i, s := range shown {
		planets[i] = s.Planet
	}
	seen := query.Describe(it, &post, microblog.Plain(post), planets...)

	keys := []string{keyOfNode(it.NodeID), keyOfService(it.Addr.Service), keyOfItem(it.NodeID, it.ID)}
	for _, s := range shown {
		keys = append(keys, keyOfPlanet(s.NodeID), keyOfShown(s.NodeID, s.Item))
	}
	if !open {
		keys = append(keys, keyClosed)
	}
	doc := document.NewDocument(docID(it.First))
	addWords(doc, seen)
	addTokens(doc, fieldKey, keys)
	if len(shown) > 0 {
		data, err := json.Marshal(shown)
		if err != nil {
			return nil, fmt.Errorf("index item %s: %w", it.ID, err)
		}
		doc.AddField(document.NewTextFieldCustom(fieldShown, nil, data, bleveindex.StoreField, nil))
	}
	return doc, nil
}

// addWords adds the fields that queries ask for.
func addWords(doc *document.Document, seen *query.Document) {
	doc.AddField(document.NewTextFieldCustom(fieldWord, nil, nil,
		bleveindex.IndexField|bleveindex.IncludeTermVectors, tokens{seen.Words, true}))
	addTokens(doc, fieldMark, seen.Marks)
	addTokens(doc, fieldTime, timeTokens(seen.Time))
}

func addTokens(doc *document.Document, field string, list []string) {
	doc.AddField(document.NewTextFieldCustom(field, nil, nil,
		bleveindex.IndexField|bleveindex.SkipFreqNorm, tokens{list, false}))
}

// tokens is an analyzer of one field's value that has been analyzed already:
// what a word is, query.Tokens decides.
type tokens struct {
	list    []string
	ordered bool // their positions matter
}

// Analyze returns the tokens.
func (t tokens) Analyze([]byte) analysis.TokenStream {
	array := make([]analysis.Token, len(t.list))
	stream := make(analysis.TokenStream, len(t.list))
	for i, s := range t.list {
		array[i] = analysis.Token{Term: []byte(s), Position: 1, End: len(s)}
		if t.ordered {
			array[i].Position = i + 1
		}
		stream[i] = &array[i]
	}
	return stream
}

// shownBy reads from the index which planets show a post.
func (s *store) shownBy(id string) ([]showing, error) {
	doc, err := s.Document(id)
	if err != nil || doc == nil {
		return nil, err
	}
	var shown []showing
	doc.VisitFields(func(f bleveindex.Field) {
		if f.Name() == fieldShown {
			err = errors.Join(err, json.Unmarshal(f.Value(), &shown))
		}
	})
	return shown, err
}

func termQuery(field, term string) blevequery.Query {
	q := bleve.NewTermQuery(term)
	q.SetField(field)
	return q
}
