package syndicate

import (
	"bytes"
	"encoding/json"
	"strconv"

	"peewit/bridge"
	"peewit/bridge/atom"
	"peewit/bridge/microblog"
)

// jsonFeed is a JSON Feed 1.1 (jsonfeed.org/version/1.1).
type jsonFeed struct {
	Version  string       `json:"version"`
	Title    string       `json:"title"`
	HomePage string       `json:"home_page_url,omitempty"`
	FeedURL  string       `json:"feed_url,omitempty"`
	NextURL  string       `json:"next_url,omitempty"`
	Authors  []jsonAuthor `json:"authors,omitempty"`
	Hubs     []jsonHub    `json:"hubs,omitempty"`
	Items    []jsonItem   `json:"items"`
}

type jsonAuthor struct {
	Name string `json:"name,omitempty"`
	URL  string `json:"url,omitempty"`
}

type jsonHub struct {
	Type string `json:"type"`
	URL  string `json:"url"`
}

type jsonItem struct {
	ID          string           `json:"id"`
	URL         string           `json:"url,omitempty"`
	ExternalURL string           `json:"external_url,omitempty"`
	Title       string           `json:"title,omitempty"`
	ContentHTML string           `json:"content_html,omitempty"`
	ContentText string           `json:"content_text,omitempty"`
	Summary     string           `json:"summary,omitempty"`
	Published   string           `json:"date_published"`
	Modified    string           `json:"date_modified"`
	Authors     []jsonAuthor     `json:"authors,omitempty"`
	Tags        []string         `json:"tags,omitempty"`
	Language    string           `json:"language,omitempty"`
	Attachments []jsonAttachment `json:"attachments,omitempty"`
}

type jsonAttachment struct {
	URL      string `json:"url"`
	MimeType string `json:"mime_type"`
	Title    string `json:"title,omitempty"`
	Size     int64  `json:"size_in_bytes,omitempty"`
}

// JSON writes a JSON Feed. Of links, the next page and hubs have a place in it.
func JSON(head bridge.Feed, links []bridge.Link, items []bridge.Item) []byte {
	f := jsonFeed{
		Version: "https://jsonfeed.org/version/1.1", Title: head.Title,
		HomePage: head.Link, FeedURL: head.Self, Items: []jsonItem{},
	}
	if head.Author != (bridge.Person{}) {
		f.Authors = jsonAuthors([]bridge.Person{head.Author})
	}
	for _, l := range links {
		switch l.Rel {
		case "next":
			f.NextURL = l.Href
		case "hub":
			f.Hubs = append(f.Hubs, jsonHub{Type: "WebSub", URL: l.Href})
		}
	}
	for _, p := range posts(items) {
		f.Items = append(f.Items, jsonItemOf(p))
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", " ")
	if err := e.Encode(f); err != nil {
		return nil // strings and numbers always encode
	}
	return b.Bytes()
}

func jsonItemOf(p bridge.Post) jsonItem {
	item := jsonItem{
		ID: p.ID, URL: microblog.Permalink(p), Title: atom.Plain(p.Title), Summary: atom.Plain(p.Summary),
		Published: atom.FormatTime(p.Published), Modified: atom.FormatTime(p.Updated),
		Authors: jsonAuthors(p.Authors), Language: p.Lang,
	}
	if len(p.Content) > 0 && p.Content[0].Type != "text" {
		item.ContentHTML = p.Content[0].Body
	} else if len(p.Content) > 0 {
		item.ContentText = p.Content[0].Body
	} else {
		item.ContentText = microblog.Plain(p) // one of the two must be there
	}
	for _, c := range p.Categories {
		item.Tags = append(item.Tags, c.Term)
	}
	for _, l := range p.Links {
		switch l.Rel {
		case "related":
			item.ExternalURL = l.Href
		case "enclosure":
			size, _ := strconv.ParseInt(l.Length, 10, 64)
			item.Attachments = append(item.Attachments, jsonAttachment{
				URL: l.Href, MimeType: or(l.Type, "application/octet-stream"), Title: l.Title, Size: size})
		}
	}
	return item
}

func jsonAuthors(people []bridge.Person) []jsonAuthor {
	var out []jsonAuthor
	for _, p := range people {
		out = append(out, jsonAuthor{Name: p.Name, URL: p.URI})
	}
	return out
}
