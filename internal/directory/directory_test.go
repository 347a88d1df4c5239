package directory_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"primum/internal/clock"
	"primum/internal/directory"
	"primum/internal/jsonpath"
	"primum/thing/td"
)

// room is a directory for tests: bob was granted something by alice, and by
// carol until it is taken back.
type room struct {
	*directory.Directory
	t      testing.TB
	clock  *clock.Manual
	grants map[string][]string
}

var (
	stranger  = directory.Viewer{}
	publisher = directory.Viewer{Publisher: true}
)

func open(t testing.TB) *room {
	t.Helper()
	r := &room{t: t, clock: clock.NewManual(time.Date(2026, 11, 23, 6, 0, 0, 0, time.UTC)), grants: map[string][]string{
		"bob@h.example": {"alice@h.example", "carol@h.example"},
	}}
	var err error
	r.Directory, err = directory.Open(t.Context(), t.TempDir(), directory.Options{
		MaxOwn:   100,
		Clock:    r.clock,
		Granting: func(_ context.Context, account string) ([]string, error) { return r.grants[account], nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	return r
}

func (r *room) as(account string) directory.Viewer {
	r.t.Helper()
	v, err := r.As(r.t.Context(), account, false)
	if err != nil {
		r.t.Fatal(err)
	}
	return v
}

// lamp is a description with more members.
func lamp(id, title, more string) []byte {
	if id != "" {
		id = `"id":"` + id + `",`
	}
	return []byte(`{"@context":"` + td.Context11 + `",` + id + `"title":"` + title +
		`","securityDefinitions":{"none":{"scheme":"nosec"}},"security":"none"` + more + `}`)
}

func (r *room) put(v directory.Viewer, id, title, more string, visible directory.Visibility) directory.Entry {
	r.t.Helper()
	e, _, err := r.Put(r.t.Context(), v, id, lamp(id, title, more), directory.Change{Visibility: visible})
	if err != nil {
		r.t.Fatal(err)
	}
	return e
}

func (r *room) titles(v directory.Viewer) string {
	r.t.Helper()
	list, more, err := r.Page(r.t.Context(), v, 0, 0)
	if err != nil || more {
		r.t.Fatal(err, more)
	}
	var titles []string
	for _, e := range list {
		titles = append(titles, e.Title())
	}
	return strings.Join(titles, " ")
}

func (r *room) search(v directory.Viewer, query string) string {
	r.t.Helper()
	b, err := r.Search(r.t.Context(), v, query)
	if err != nil {
		r.t.Fatal(query, err)
	}
	return string(b)
}

func TestCreateReadUpdateDelete(t *testing.T) {
	t.Parallel()
	r, ctx := open(t), t.Context()
	e, err := r.Create(ctx, publisher, lamp("", "Lamp", `,"x:unknown":1.50`), directory.Change{})
	if err != nil || !strings.HasPrefix(e.ID, "urn:uuid:") || e.Visibility != directory.Public {
		t.Fatal(e, err)
	}
	got, err := r.Get(ctx, stranger, e.ID)
	want := `{"@context":["` + td.Context11 + `","` + td.ContextDirectory + `"],"id":"` + e.ID + `","title":"Lamp",` +
		`"securityDefinitions":{"none":{"scheme":"nosec"}},"security":"none","x:unknown":1.50,` +
		`"registration":{"created":"2026-11-23T06:00:00Z","modified":"2026-11-23T06:00:00Z","retrieved":"2026-11-23T06:00:01Z"}}`
	if text := string(got.Bytes(r.clock.Now().Add(time.Second))); err != nil || text != want {
		t.Fatalf("%v\n%s\n%s", err, text, want)
	}
	r.clock.Advance(time.Hour)
	again, created, err := r.Put(ctx, publisher, e.ID, got.Bytes(r.clock.Now()), directory.Change{Match: e.Tag()})
	if err != nil || created || again.Tag() == e.Tag() || !again.Created.Equal(e.Created) || again.Modified.Equal(e.Modified) {
		t.Fatal(again, created, err)
	}
	if _, _, err := r.Put(ctx, publisher, e.ID, got.Bytes(r.clock.Now()), directory.Change{Match: e.Tag()}); !errors.Is(err, directory.ErrChanged) {
		t.Error("an old tag is taken:", err)
	}
	patched, err := r.Patch(ctx, publisher, e.ID, []byte(`{"title":"Lamp 2","x:unknown":null,"properties":{"on":{"forms":[{"href":"https://a.example"}]}}}`), directory.Change{})
	if err != nil || patched.Title() != "Lamp 2" || strings.Contains(string(patched.TD), "x:unknown") || !strings.Contains(string(patched.TD), `"on"`) {
		t.Fatal(string(patched.TD), err)
	}
	var in *td.Invalid
	if _, err := r.Patch(ctx, publisher, e.ID, []byte(`{"title":null}`), directory.Change{}); !errors.As(err, &in) || in.Faults[0].Pointer != "/title" {
		t.Error(err)
	}
	if err := r.Delete(ctx, publisher, e.ID, directory.Change{}); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Get(ctx, publisher, e.ID); !errors.Is(err, directory.ErrNotFound) {
		t.Error(err)
	}
	if err := r.Delete(ctx, publisher, e.ID, directory.Change{}); !errors.Is(err, directory.ErrNotFound) {
		t.Error(err)
	}
}

func TestRefused(t *testing.T) {
	t.Parallel()
	r, ctx := open(t), t.Context()
	r.put(publisher, "urn:a", "A", "", "")
	for name, err := range map[string]error{
		"post with id": func() error {
			_, err := r.Create(ctx, publisher, lamp("urn:b", "B", ""), directory.Change{})
			return err
		}(),
		"put without id": func() error {
			_, _, err := r.Put(ctx, publisher, "urn:b", lamp("", "B", ""), directory.Change{})
			return err
		}(),
		"put of another": func() error {
			_, _, err := r.Put(ctx, publisher, "urn:b", lamp("urn:c", "B", ""), directory.Change{})
			return err
		}(),
		"patch of the id": func() error {
			_, err := r.Patch(ctx, publisher, "urn:a", []byte(`{"id":"urn:b"}`), directory.Change{})
			return err
		}(),
	} {
		var in *td.Invalid
		if !errors.As(err, &in) || in.Faults[0].Pointer != "/id" {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := r.Create(ctx, stranger, lamp("", "B", ""), directory.Change{}); !errors.Is(err, directory.ErrStranger) {
		t.Error(err)
	}
	if err := r.Delete(ctx, r.as("bob@h.example"), "urn:a", directory.Change{}); !errors.Is(err, directory.ErrForbidden) {
		t.Error(err)
	}
	for _, reg := range []string{`{"ttl":0}`, `{"ttl":"x"}`, `{"ttl":1e99}`, `{"expires":"2020-01-01T00:00:00Z"}`, `{"expires":"soon"}`, `[]`} {
		_, err := r.Create(ctx, publisher, lamp("", "B", `,"registration":`+reg), directory.Change{})
		var in *td.Invalid
		if !errors.As(err, &in) || !strings.HasPrefix(in.Faults[0].Pointer, "/registration") {
			t.Errorf("%s: %v", reg, err)
		}
	}
}

// TestWhoSeesWhat: filtered before counting, paging, tags and search.
func TestWhoSeesWhat(t *testing.T) {
	t.Parallel()
	r, ctx := open(t), t.Context()
	alice, bob, dan := r.as("alice@h.example"), r.as("bob@h.example"), r.as("dan@h.example")
	tag := func(v directory.Viewer) string {
		s, err := r.Tag(ctx, v)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	r.put(publisher, "urn:1", "open", "", "")
	r.put(publisher, "urn:2", "internal", "", directory.Private)
	before := []string{tag(stranger), tag(dan), tag(publisher)}
	r.put(alice, "urn:3", "mine", `,"@type":"Secret"`, "")
	r.put(alice, "urn:4", "shared", `,"@type":"Secret"`, directory.Grantees)
	if after := []string{tag(stranger), tag(dan), tag(publisher)}; !slices.Equal(before, after) {
		t.Error("a tag tells of what is hidden:", before, after)
	}
	for _, c := range []struct {
		v      directory.Viewer
		titles string
		secret int
	}{
		{stranger, "open", 0},
		{publisher, "open internal", 0},
		{dan, "open", 0},
		{alice, "open mine shared", 2},
		{bob, "open shared", 1},
	} {
		n, err := r.Count(ctx, c.v)
		if got := r.titles(c.v); got != c.titles || err != nil || n != len(strings.Fields(c.titles)) {
			t.Errorf("%v sees %q (%d, %v), want %q", c.v, got, n, err, c.titles)
		}
		for _, query := range []string{`$[?@['@type']=='Secret'].id`, `$[?@['@type']>'Sec'].id`, `$..[?@=='Secret']`} {
			if got := strings.Count(r.search(c.v, query), `"`); got != 2*c.secret {
				t.Errorf("%v: %s finds %s", c.v, query, r.search(c.v, query))
			}
		}
	}
	was := tag(bob)
	r.put(alice, "urn:4", "shared anew", "", "")
	if tag(bob) == was || tag(stranger) != before[0] {
		t.Error("the tag of who sees a change stays, or of who does not changes")
	}
	r.grants = nil
	if got := r.titles(r.as("bob@h.example")); got != "open" {
		t.Errorf("after the grant ended bob sees %q", got)
	}
}

// TestOneIDTwoOwners: nobody learns of another's entry, or takes its place.
func TestOneIDTwoOwners(t *testing.T) {
	t.Parallel()
	r, ctx := open(t), t.Context()
	alice, bob := r.as("alice@h.example"), r.as("bob@h.example")
	r.put(alice, "urn:x", "alice's", "", "")
	r.put(bob, "urn:x", "bob's", "", directory.Grantees)
	r.put(publisher, "urn:x", "the operator's", "", "")
	for v, title := range map[string]string{"": "the operator's", "alice@h.example": "alice's", "bob@h.example": "bob's"} {
		e, err := r.Get(ctx, r.as(v), "urn:x")
		if err != nil || e.Title() != title || r.titles(r.as(v)) != title {
			t.Errorf("%q sees %q and %q (%v), want %q", v, e.Title(), r.titles(r.as(v)), err, title)
		}
	}
	if got := r.search(alice, `$[?@.title=="the operator's"]`); got != "[]" {
		t.Error("a search finds what stands behind:", got)
	}
	if _, _, err := r.Put(ctx, alice, "urn:x", lamp("urn:x", "A", ""), directory.Change{Visibility: directory.Public}); !errors.Is(err, directory.ErrTaken) {
		t.Error(err)
	}
}

func TestExpiry(t *testing.T) {
	t.Parallel()
	r, ctx := open(t), t.Context()
	e := r.put(publisher, "urn:1", "short", `,"registration":{"ttl":60,"expires":"2030-01-01T00:00:00Z"}`, "")
	r.put(publisher, "urn:2", "long", `,"registration":{"expires":"2026-11-23T07:00:00+01:00"}`[:0]+`,"registration":{"expires":"2026-11-23T08:00:00+01:00"}`, "")
	if e.TTL != time.Minute || !e.Expires.Equal(e.Modified.Add(time.Minute)) {
		t.Error(e.TTL, e.Expires)
	}
	r.clock.Advance(59 * time.Second)
	if got := r.titles(stranger); got != "short long" {
		t.Error(got)
	}
	// A patch counts the time to live anew.
	if _, err := r.Patch(ctx, publisher, "urn:1", []byte(`{"title":"renewed"}`), directory.Change{}); err != nil {
		t.Fatal(err)
	}
	r.clock.Advance(59 * time.Second)
	if got := r.titles(stranger); got != "renewed long" {
		t.Error(got)
	}
	events, err := r.Subscribe(ctx, stranger, directory.ThingDeleted, false, "")
	if err != nil {
		t.Fatal(err)
	}
	r.clock.Advance(time.Second)
	if got := r.titles(stranger); got != "long" {
		t.Error(got)
	}
	got, err := events.Next(ctx)
	if err != nil || len(got) != 1 || string(got[0].Data) != `{"id":"urn:1"}` {
		t.Error(got, err)
	}
	r.clock.Advance(time.Hour)
	if _, err := r.Get(ctx, stranger, "urn:2"); !errors.Is(err, directory.ErrNotFound) {
		t.Error(err)
	}
	if _, _, ok, err := r.Describe(ctx, "", []string{"urn:2"}); ok || err != nil {
		t.Error(ok, err)
	}
}

func TestPaging(t *testing.T) {
	t.Parallel()
	r, ctx := open(t), t.Context()
	ids := []string{"urn:a", "urn:B", "urn:é", "urn:b", "urn:10", "urn:9", "urn:z"}
	for _, id := range ids {
		r.put(publisher, id, "T", "", "")
		r.put(r.as("alice@h.example"), id+"x", "hidden", "", "")
	}
	slices.Sort(ids)
	var got []string
	for more := true; more; {
		var page []directory.Entry
		var err error
		if page, more, err = r.Page(ctx, stranger, len(got), 3); err != nil || len(page) > 3 || len(page) == 0 {
			t.Fatal(page, err)
		}
		for _, e := range page {
			got = append(got, e.ID)
		}
	}
	if !slices.Equal(got, ids) {
		t.Error(got)
	}
}

func TestEvents(t *testing.T) {
	t.Parallel()
	r, ctx := open(t), t.Context()
	alice := r.as("alice@h.example")
	all, err := r.Subscribe(ctx, stranger, "", true, "")
	if err != nil {
		t.Fatal(err)
	}
	r.put(publisher, "urn:1", "One", "", "")
	r.put(alice, "urn:2", "hidden", "", "")
	r.put(publisher, "urn:1", "Uno", "", "")
	r.put(alice, "urn:2", "shown", "", directory.Public)
	r.put(alice, "urn:2", "hidden again", "", directory.Private)
	if err := r.Delete(ctx, publisher, "urn:1", directory.Change{}); err != nil {
		t.Fatal(err)
	}
	got := take(t, all, 5)
	var kinds []string
	for _, e := range got {
		kinds = append(kinds, e.Type)
	}
	c, u, x := directory.ThingCreated, directory.ThingUpdated, directory.ThingDeleted
	if !slices.Equal(kinds, []string{c, u, c, x, x}) {
		t.Fatal(kinds)
	}
	if got := string(got[1].Data); got != `{"id":"urn:1","registration":{"modified":"2026-11-23T06:00:00Z"},"title":"Uno"}` {
		t.Error(got)
	}
	if strings.Contains(fmt.Sprint(got), "hidden") {
		t.Error("an event tells what was hidden")
	}
	again, err := r.Subscribe(ctx, stranger, x, false, got[1].ID)
	if err != nil {
		t.Fatal(err)
	}
	if rest := take(t, again, 2); rest[0].ID != got[3].ID || rest[1].ID != got[4].ID {
		t.Error(rest)
	}
	mine, err := r.Subscribe(ctx, alice, "", true, got[0].ID)
	if err != nil {
		t.Fatal(err)
	}
	if own := take(t, mine, 5); own[0].Type != c || own[2].Type != u || !strings.Contains(string(own[2].Data), `"title":"shown"`) {
		t.Error(own)
	}
}

func take(t *testing.T, s *directory.Subscription, n int) (list []directory.Event) {
	t.Helper()
	for len(list) < n {
		some, err := s.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, some...)
	}
	return list
}

// TestEventWakes: who waits is told of a change that comes.
func TestEventWakes(t *testing.T) {
	t.Parallel()
	r := open(t)
	s, err := r.Subscribe(t.Context(), stranger, "", false, "unknown")
	if err != nil {
		t.Fatal(err)
	}
	got := make(chan []directory.Event)
	go func() {
		list, _ := s.Next(t.Context())
		got <- list
	}()
	r.put(r.as("alice@h.example"), "urn:0", "hidden", "", "")
	r.put(publisher, "urn:1", "One", "", "")
	if list := <-got; len(list) != 1 || list[0].Type != directory.ThingCreated {
		t.Error(list)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Next(ctx); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// TestSearchSame: what the index answers is what a look at every entry answers.
func TestSearchSame(t *testing.T) {
	t.Parallel()
	r := open(t)
	long := strings.Repeat("long ", 100)
	for i := range 60 {
		more := fmt.Sprintf(`,"@type":["T%d","All"],"properties":{"p%d":{"forms":[{"href":"https://a.example"}]},"on":{"forms":[{"href":"https://a.example"}]}}`, i%3, i%5)
		if i%7 == 0 {
			more = `,"@type":"Lone","actions":{"go":{"forms":[{"href":"https://a.example"}]}},"events":{"gone":{"forms":[{"href":"https://a.example"}]}}`
		}
		title := fmt.Sprint("Title ", i%4)
		switch i % 8 {
		case 3:
			title = long
		case 7:
			title = `a\u0000b`
		}
		r.put([]directory.Viewer{publisher, r.as("alice@h.example")}[i%2], fmt.Sprintf("urn:%02d", i), title, more, "")
	}
	for _, filter := range []string{
		`@.id=='urn:10'`, `@.id=='urn:11'`, `@.title=='Title 2'`, `'Title 1'==@.title`, `@.title=='` + long + `'`, `@['@type']=='Lone'`, `@['@type']=='T1'`,
		`@['@type'][?@=='T1']`, `@['@type'][?@=='Lone']`, `@.properties.p2`, `@.properties['p3'] && @.title=='Title 0'`, `@.actions.go`, `@.events.gone && !@.properties`,
		`@.properties.p1 || @.actions.go`, `@.properties.p1 && (@.title=='Title 1' || @.id > 'urn:30')`, `@.title=='nowhere'`, `@.title=='a\u0000b'`, `@.title=='a'`, `@.title==1`, `@.title`,
	} {
		for _, v := range []directory.Viewer{stranger, r.as("alice@h.example")} {
			// The same filter where no index can see it.
			indexed, scanned := r.search(v, `$[?`+filter+`]`), r.search(v, `$[?!(!(`+filter+`))]`)
			if indexed != scanned {
				t.Errorf("%s: %d bytes with the index, %d without", filter, len(indexed), len(scanned))
			}
			if a, b := r.search(v, `$[?`+filter+`].id`), r.search(v, `$[?!(!(`+filter+`))].id`); a != b {
				t.Errorf("%s: %s with the index, %s without", filter, a, b)
			}
			if !json.Valid([]byte(indexed)) {
				t.Errorf("%s: not JSON", filter)
			}
		}
	}
}

func TestSearchRefused(t *testing.T) {
	t.Parallel()
	r, ctx := open(t), t.Context()
	for i := range 17 {
		r.put(publisher, fmt.Sprint("urn:", i), "T", `,"x":"`+strings.Repeat("a", 510000)+`"`, "")
	}
	var place *jsonpath.Error
	if _, err := r.Search(ctx, stranger, "*/id"); !errors.As(err, &place) {
		t.Error(err)
	}
	if _, err := r.Search(ctx, stranger, "$[-1].id"); !errors.Is(err, directory.ErrBroad) {
		t.Error(err)
	}
	// One thing, whose largest member is asked for forty times.
	if _, err := r.Search(ctx, stranger, "$[?@.id=='urn:0']['x'"+strings.Repeat(",'x'", 39)+"]"); !errors.Is(err, directory.ErrBroad) {
		t.Error(err)
	}
	if got := r.search(stranger, "$[?@.id=='urn:3'].id"); got != `["urn:3"]` {
		t.Error(got)
	}
}

func TestAccountsAreBounded(t *testing.T) {
	t.Parallel()
	r, ctx := open(t), t.Context()
	v := r.as("alice@h.example")
	var all sync.WaitGroup
	for i := range 100 {
		all.Go(func() { r.put(v, fmt.Sprint("urn:", i), "T", "", "") })
	}
	all.Wait()
	if _, err := r.Create(ctx, v, lamp("", "T", ""), directory.Change{}); !errors.Is(err, directory.ErrFull) {
		t.Error(err)
	}
	r.put(v, "urn:5", "changed", "", "")
	if err := r.Forget(ctx, "alice@h.example"); err != nil {
		t.Fatal(err)
	}
	if list, err := r.Of(ctx, "alice@h.example"); err != nil || len(list) != 0 {
		t.Error(len(list), err)
	}
}
