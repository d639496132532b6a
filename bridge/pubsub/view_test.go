package pubsub

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"peewit/bridge"
	"peewit/bridge/service"
	"peewit/bridge/xmpp"
)

// ids is the ids of the items (or retracts) in an answer or event.
func ids(t testing.TB, stanza string) []string {
	t.Helper()
	e, err := xmpp.Parse([]byte(stanza), xmpp.NSClient)
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	var walk func(*xmpp.Element)
	walk = func(e *xmpp.Element) {
		for _, c := range e.Children {
			if c.Name.Local == "item" && (c.Name.Space == nsPubsub || c.Name.Space == nsEvent) {
				found = append(found, c.Attribute("id"))
			}
			walk(c)
		}
	}
	walk(e)
	return found
}

// uids is the first and last of the <set/> in an answer.
func uids(t testing.TB, answer string) (first, last string) {
	t.Helper()
	e, err := xmpp.Parse([]byte(answer), xmpp.NSClient)
	if err != nil {
		t.Fatal(err)
	}
	set := e.Child(nsPubsub, "pubsub").Child(nsRSM, "set")
	if set == nil {
		t.Fatalf("no <set/> in %s", answer)
	}
	if f := set.Child(nsRSM, "first"); f != nil {
		first, last = f.Text, set.Child(nsRSM, "last").Text
	}
	return first, last
}

// TestViewsAgree: the events of a view are the items that it has afterwards.
func TestViewsAgree(t *testing.T) {
	h := newHouse(t)
	if err := h.svc.Nodes.EnsureViews(t.Context()); err != nil {
		t.Fatal(err)
	}
	planet, err := h.svc.Planets.Add(t.Context(), "planet-go", "Go", []string{"http://feed.example/rss"})
	if err != nil {
		t.Fatal(err)
	}
	views := []string{service.ViewPublic, service.ViewAll}
	for _, view := range views {
		h.must(t, carol, ps("set", testDomain, "<subscribe node='"+view+"' jid='carol@micro.example/phone'/>"))
	}
	h.must(t, alice, ps("set", testDomain, "<create node='news'/>"))
	item := func(id string) string { return "<item id='" + id + "'><x xmlns='urn:x'/></item>" }
	h.must(t, alice, ps("set", "", "<publish node='urn:xmpp:microblog:0'>"+item("one")+item("two")+"</publish>"))
	h.must(t, bob, ps("set", "", "<publish node='urn:xmpp:microblog:0'>"+item("one")+"</publish>"))
	h.must(t, alice, ps("set", "", "<publish node='urn:example:mood'>"+item("mood")+"</publish>"))
	h.must(t, alice, ps("set", testDomain, "<publish node='news'>"+item("news")+"</publish>"))
	feed := bridge.Addr{Service: testDomain, Name: bridge.FeedNode(planet.Sources[0])}
	if _, err := h.svc.Posts.Publish(t.Context(), service.Publish{
		Actor: testDomain, Addr: feed, Origin: bridge.Origin{Door: "feed"},
		Items: []service.NewItem{{ID: "entry", Payload: []byte("<x xmlns='urn:x'/>")}},
	}); err != nil {
		t.Fatal(err)
	}
	h.must(t, alice, ps("set", "", "<retract node='urn:xmpp:microblog:0'><item id='two'/></retract>"))

	want := map[string][]string{
		service.ViewPublic: {"alice:one", "bob:one"},
		service.ViewAll:    {"alice:one", "bob:one", feed.Name + ":entry"},
	}
	pushed := map[string][]string{}
	for _, event := range h.router.sessions[carol].take() {
		for _, view := range views {
			if !strings.Contains(event, "<items node='"+view+"'>") {
				continue
			}
			if strings.Contains(event, "<retract id='alice:two'/>") {
				pushed[view] = slices.DeleteFunc(pushed[view], func(id string) bool { return id == "alice:two" })
			}
			pushed[view] = append(pushed[view], ids(t, event)...)
		}
	}
	for _, view := range views {
		if !slices.Equal(pushed[view], want[view]) {
			t.Errorf("%s: pushed %v, want %v", view, pushed[view], want[view])
		}
		answer := h.must(t, bob, ps("get", testDomain, "<items node='"+view+"'/>"))
		if got := ids(t, answer); !slices.Equal(got, want[view]) {
			t.Errorf("%s: read %v, want %v", view, got, want[view])
		}
		_, last := uids(t, answer)
		if got := ids(t, h.must(t, bob, ps("get", testDomain, "<items node='"+view+"'/><set xmlns='"+nsRSM+"'><before>"+last+"</before></set>"))); !slices.Equal(got, want[view][:len(want[view])-1]) {
			t.Errorf("%s: before the last are %v", view, got)
		}
		for _, id := range want[view] {
			if got := ids(t, h.must(t, bob, ps("get", testDomain, "<items node='"+view+"'><item id='"+id+"'/></items>"))); !slices.Equal(got, []string{id}) {
				t.Errorf("%s: asked for %s, got %v", view, id, got)
			}
		}
	}
	hidden := "<items node='public'><item id='alice:mood'/><item id='" + feed.Name + ":entry'/><item id='news:news'/><item id='nonsense'/></items>"
	if got := ids(t, h.must(t, bob, ps("get", testDomain, hidden))); len(got) != 0 {
		t.Errorf("public shows what is not in it: %v", got)
	}
}

// TestPlanetShowsPosts: a reference is an item of the planet's node, with the
// post's payload, live and read.
func TestPlanetShowsPosts(t *testing.T) {
	h := newHouse(t)
	planet, err := h.svc.Planets.Add(t.Context(), "planet-go", "Go", []string{"http://feed.example/rss"})
	if err != nil {
		t.Fatal(err)
	}
	h.must(t, bob, ps("set", testDomain, "<subscribe node='planet-go' jid='bob@micro.example'/>"))
	items, err := h.svc.Posts.Publish(t.Context(), service.Publish{
		Actor: testDomain, Addr: bridge.Addr{Service: testDomain, Name: bridge.FeedNode(planet.Sources[0])},
		Items: []service.NewItem{{ID: "entry", Payload: []byte("<x xmlns='urn:x'>news</x>")}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := h.svc.Posts.Refer(t.Context(), bridge.Addr{Service: testDomain, Name: "planet-go"}, items[0]); err != nil {
		t.Fatal(err)
	}
	in := h.router.sessions[bob].take()
	if len(in) != 1 || !strings.Contains(in[0], "<items node='planet-go'>") || !strings.Contains(in[0], "<x xmlns='urn:x'>news</x>") {
		t.Errorf("pushed: %s", in)
	}
	if got := h.must(t, bob, ps("get", testDomain, "<items node='planet-go'/>")); !strings.Contains(got, "<x xmlns='urn:x'>news</x>") {
		t.Errorf("read: %s", got)
	}
}

// TestPagesMeet: whichever way a client pages, it sees every item once, in the
// order that way has, and retracted anchors do no harm.
func TestPagesMeet(t *testing.T) {
	h := newHouse(t)
	h.must(t, alice, ps("set", testDomain, "<create node='news'/>"))
	var all, items []string
	for i := range 23 {
		all = append(all, fmt.Sprintf("i%02d", i))
		items = append(items, "<item id='"+all[i]+"'><x xmlns='urn:x'/></item>")
	}
	h.must(t, alice, ps("set", testDomain, "<publish node='news'>"+strings.Join(items, "")+"</publish>"))
	newest := slices.Clone(all)
	slices.Reverse(newest)
	const order = "<order xmlns='" + nsOrder + "' by='creation' desc='true'/>"
	for _, way := range []struct {
		name, first, next, beside string
		back                      bool // each page stands before the one read before it
		want                      []string
	}{
		{"forward", "<max>4</max>", "<max>4</max><after>%s</after>", "", false, all},
		{"backward", "<max>4</max><before/>", "<max>4</max><before>%s</before>", "", true, all},
		{"newest first, ordered", "<max>4</max>", "<max>4</max><after>%s</after>", order, false, newest},
		{"newest first, by max_items", "", "<max>4</max><before>%s</before>", "", false, newest},
	} {
		t.Run(way.name, func(t *testing.T) {
			var got []string
			inner, maxItems := way.first, ""
			if inner == "" {
				maxItems = " max_items='4'"
			}
			for range len(all) {
				beside := way.beside
				if inner != "" {
					beside += "<set xmlns='" + nsRSM + "'>" + inner + "</set>"
				}
				answer := h.must(t, bob, ps("get", testDomain, "<items node='news'"+maxItems+"/>"+beside))
				page := ids(t, answer)
				if len(page) == 0 {
					break
				}
				first, last := uids(t, answer)
				if way.back {
					got, last = append(page, got...), first
				} else {
					got = append(got, page...)
				}
				inner, maxItems = fmt.Sprintf(way.next, last), ""
			}
			if !slices.Equal(got, way.want) {
				t.Errorf("got %v, want %v", got, way.want)
			}
		})
	}
	t.Run("back up from a newest-first page", func(t *testing.T) {
		_, last := uids(t, h.must(t, bob, ps("get", testDomain, "<items node='news' max_items='4'/>")))
		first, _ := uids(t, h.must(t, bob, ps("get", testDomain, "<items node='news'/><set xmlns='"+nsRSM+"'><max>4</max><before>"+last+"</before></set>")))
		up := h.must(t, bob, ps("get", testDomain, "<items node='news'/><set xmlns='"+nsRSM+"'><max>4</max><after>"+first+"</after></set>"))
		if got := ids(t, up); !slices.Equal(got, all[19:]) { // ascending: the client turns it round, and its first and last
			t.Errorf("got %v", got)
		}
	})
}

// TestBigPagesAreCut: an answer stays under what servers refuse, and the rest is
// on the next page.
func TestBigPagesAreCut(t *testing.T) {
	h := newHouse(t)
	h.must(t, alice, ps("set", testDomain, "<create node='news'/>"))
	payload := "<x xmlns='urn:x'>" + strings.Repeat("y", 60<<10) + "</x>"
	for i := range 7 {
		h.must(t, alice, ps("set", testDomain, fmt.Sprintf("<publish node='news'><item id='i%d'>%s</item></publish>", i, payload)))
	}
	answer := h.must(t, bob, ps("get", testDomain, "<items node='news'/>"))
	if got := ids(t, answer); len(answer) > maxPageBytes+1<<10 || !slices.Equal(got, []string{"i0", "i1", "i2"}) {
		t.Errorf("%d bytes with %v", len(answer), got)
	}
	_, last := uids(t, answer)
	if got := ids(t, h.must(t, bob, ps("get", testDomain, "<items node='news'/><set xmlns='"+nsRSM+"'><after>"+last+"</after></set>"))); !slices.Equal(got, []string{"i3", "i4", "i5"}) {
		t.Errorf("then %v", got)
	}
}

// TestDiscoTellsNoMoreThanItMay: a closed node says that it is closed.
func TestDiscoTellsNoMoreThanItMay(t *testing.T) {
	h := newHouse(t)
	h.must(t, alice, ps("set", testDomain, "<create node='club'/><configure><x xmlns='jabber:x:data' type='submit'><field var='pubsub#access_model'><value>whitelist</value></field><field var='pubsub#title'><value>Secret</value></field></x></configure>"))
	ask := iq("get", testDomain, "<query xmlns='"+nsInfo+"' node='club'/>")
	if got := h.must(t, alice, ask); !strings.Contains(got, "Secret") {
		t.Errorf("its owner is told %s", got)
	}
	got := h.must(t, bob, ask)
	if strings.Contains(got, "Secret") || strings.Contains(got, "pubsub#owner") || !strings.Contains(got, "<value>whitelist</value>") {
		t.Errorf("others are told %s", got)
	}
	if got := h.must(t, bob, iq("get", testDomain, "<query xmlns='"+nsItems+"'/>")); strings.Contains(got, "club") {
		t.Errorf("it is listed: %s", got)
	}
}

// TestNodeLists: the list of nodes is paged by name.
func TestNodeLists(t *testing.T) {
	h := newHouse(t)
	for _, name := range []string{"d", "a", "c", "b", "~e"} {
		h.must(t, alice, ps("set", testDomain, "<create node='"+name+"'/>"))
	}
	h.must(t, alice, ps("set", testDomain, "<create node='urn:xmpp:microblog:0:comments/1'/>"))
	for _, test := range []struct {
		set, want string
	}{
		{"", "a b c d ~e"},
		{"<max>2</max>", "a b +a/b/5"},
		{"<max>2</max><after>b</after>", "c d +c/d/5"},
		{"<max>2</max><after>bb</after>", "c d +c/d/5"},
		{"<max>2</max><after>d</after>", "~e +=~e/=~e/5"},
		{"<after>=~e</after>", "+//5"},
		{"<max>2</max><before/>", "d ~e +d/=~e/5"},
		{"<max>2</max><before>d</before>", "b c +b/c/5"},
		{"<max>0</max>", "+//5"},
	} {
		set := ""
		if test.set != "" {
			set = "<set xmlns='" + nsRSM + "'>" + test.set + "</set>"
		}
		answer := h.must(t, bob, iq("get", testDomain, "<query xmlns='"+nsItems+"'>"+set+"</query>"))
		e, err := xmpp.Parse([]byte(answer), xmpp.NSClient)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, c := range e.Child(nsItems, "query").Children {
			if c.Name.Local == "item" {
				got = append(got, c.Attribute("node"))
				continue
			}
			text := func(name string) string {
				if f := c.Child(nsRSM, name); f != nil {
					return f.Text
				}
				return ""
			}
			got = append(got, "+"+text("first")+"/"+text("last")+"/"+text("count"))
		}
		if s := strings.Join(got, " "); s != test.want {
			t.Errorf("%q gives %q, want %q", test.set, s, test.want)
		}
	}
}

// TestAdvertised is what the domain and the accounts say they can do.
func TestAdvertised(t *testing.T) {
	h := newHouse(t)
	golden(t, "features-domain.xml", pretty(t, []byte(discoInfo("", &h.router.info[xmpp.OnDomain]))))
	golden(t, "features-account.xml", pretty(t, []byte(discoInfo("", &h.router.info[xmpp.OnAccount]))))
}
