package gs1door_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	gs1door "primum/internal/door/gs1"
	"primum/internal/linkset"
)

const oneLink = `{"linkset":[{"anchor":"https://id.example.org/01/04012345999990","itemDescription":"Screwdriver","gs1:pip":[{"href":"https://shop.example/1","title":"One"}]}]}`

func TestOnlyPublishersSeeAndChangeTheList(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, path := range []string{gs1door.LinksPath, gs1door.DelegationsPath} {
		for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodHead} {
			got := w.ask(t, method, path, http.Header{"Authorization": {"Bearer bad"}})
			if got.Code != http.StatusUnauthorized || got.Header().Get("WWW-Authenticate") == "" {
				t.Errorf("%s %s of a stranger: %d", method, path, got.Code)
			}
		}
		if got := w.publish(t, http.MethodPatch, path, "", ""); got.Code != http.StatusMethodNotAllowed {
			t.Errorf("PATCH %s: %d", path, got.Code)
		}
	}
}

func TestPublishersChangeLinks(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	at := gs1door.LinksPath + "?anchor=" + url.QueryEscape("(01)04012345999990")
	checkSum(t, w.publish(t, http.MethodPost, gs1door.LinksPath, linkset.MediaType, oneLink), linkset.Sum{Items: 1, Links: 1, Added: 1})
	checkSum(t, w.publish(t, http.MethodPut, gs1door.LinksPath, "application/json; charset=utf-8", strings.Replace(oneLink, "/1", "/2", 1)), linkset.Sum{Items: 1, Links: 1, Added: 1, Removed: 1})
	var page gs1door.Listed
	if err := json.Unmarshal(w.publish(t, http.MethodGet, at, "", "").Body.Bytes(), &page); err != nil || len(page.Items) != 1 || len(page.Items[0].Entries) != 1 {
		t.Fatalf("listed: %+v, %v", page, err)
	}
	entry := page.Items[0].Entries[0]
	if entry.Href != "https://shop.example/2" || entry.By != "shop" {
		t.Errorf("listed: %+v", entry)
	}
	checkSum(t, w.publish(t, http.MethodDelete, at+"&id="+entry.ID, "", ""), linkset.Sum{Items: 1, Removed: 1})
	if got := w.publish(t, http.MethodDelete, at, "", ""); got.Code != http.StatusNotFound {
		t.Errorf("removed twice: %d", got.Code)
	}
	want := []string{"shop links-changed 01/04012345999990", "shop links-changed 01/04012345999990", "shop links-removed 01/04012345999990", "shop links-removed 01/04012345999990"}
	if !slices.Equal(w.acts, want) {
		t.Errorf("the log has %q", w.acts)
	}
}

func checkSum(t *testing.T, got *httptest.ResponseRecorder, want linkset.Sum) {
	t.Helper()
	var sum linkset.Sum
	if err := json.Unmarshal(got.Body.Bytes(), &sum); err != nil || got.Code != http.StatusOK || sum != want {
		t.Errorf("%d %s, not %+v", got.Code, got.Body, want)
	}
}

// TestWhatIsRefusedChangesNothing sends one bad context after a good one.
func TestWhatIsRefusedChangesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for body, place := range map[string]string{
		`{"linkset":[{"anchor":"01/04012345999990","gs1:pip":[{"href":"https://a.example/","title":""}]},{"anchor":"01/04012345999991"}]}`: "/linkset/1",
		`{"linkset":[{"anchor":"01/04012345999990","gs1:pip":[{"href":"javascript:alert(1)","title":""}]}]}`:                               "href",
		`{"linkset":[{"anchor":"01/04012345999990","gs1:pip":{"href":"https://a.example/"}}]}`:                                             "/linkset/0",
		`{"linkset":[{"anchor":"01/04012345999990","https://a.example/#b":[]}]}`:                                                           "/linkset/0",
		`{"linkset":7}`: "/linkset", `[]`: "/linkset", ``: "/linkset",
	} {
		got := w.publish(t, http.MethodPost, gs1door.LinksPath, linkset.MediaType, body)
		if got.Code != http.StatusBadRequest {
			t.Errorf("%s: %d", body, got.Code)
		}
		checkJSON(t, got.Body.Bytes(), map[string]any{"pointer": place})
	}
	for kind, body := range map[string]string{"text/csv": "anchor,linkType,href\n01/04012345999990,gs1:pip,https://a.example/\n01/0,gs1:pip,https://a.example/\n", "image/png": "x", "": "x"} {
		if got := w.publish(t, http.MethodPost, gs1door.LinksPath, kind, body); got.Code != http.StatusBadRequest {
			t.Errorf("%s: %d", kind, got.Code)
		}
	}
	if got := w.publish(t, http.MethodPost, gs1door.LinksPath, "text/csv", strings.Repeat("x", gs1door.MaxBody+1)); got.Code != http.StatusRequestEntityTooLarge {
		t.Errorf("a body without end: %d", got.Code)
	}
	if items, _, err := w.book.Counts(t.Context()); items != 0 || err != nil {
		t.Errorf("%d items were kept, %v", items, err)
	}
}

func TestListsHavePages(t *testing.T) {
	t.Parallel()
	w := fill(t)
	var first, second gs1door.Listed
	if err := json.Unmarshal(w.publish(t, http.MethodGet, gs1door.LinksPath+"?limit=1", "", "").Body.Bytes(), &first); err != nil || len(first.Items) != 1 {
		t.Fatalf("%+v, %v", first, err)
	}
	after := gs1door.LinksPath + "?limit=2&after=" + url.QueryEscape(first.Next)
	if err := json.Unmarshal(w.publish(t, http.MethodGet, after, "", "").Body.Bytes(), &second); err != nil || len(second.Items) != 1 || second.Next != "" {
		t.Fatalf("%+v, %v", second, err)
	}
	if first.Items[0].Anchor != screwdriver || second.Items[0].Anchor != screwdriver+"/10/L1/21/7" {
		t.Errorf("%s, %s", first.Items[0].Anchor, second.Items[0].Anchor)
	}
}

func TestPublishersDelegate(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, c := range []struct {
		body   string
		status int
	}{
		{`{"subject":"01/0401234*","handledBy":"https://s.example.net/"}`, 204},
		{`{"subject":"*.sensors.example.org","handledBy":"https://s.example.net"}`, 204},
		{`{"subject":"01/04012339999999..04012345000009","handledBy":"https://s.example.net"}`, 409},
		{`{"subject":"02/0401234*","handledBy":"https://s.example.net"}`, 400},
		{`{"subject":"01/04012345999991","handledBy":"https://s.example.net"}`, 400},
		{`{"subject":"01/0401235*","handledBy":"ftp://s.example.net"}`, 400},
		{`{"subject":"01/0401235*","handledBy":"https://s.example.net/?x=y"}`, 400},
		{`nothing`, 400},
	} {
		if got := w.publish(t, http.MethodPost, gs1door.DelegationsPath, "application/json", c.body); got.Code != c.status {
			t.Errorf("%s: %d %s, not %d", c.body, got.Code, got.Body, c.status)
		}
	}
	var out struct{ Delegations []linkset.Delegation }
	if err := json.Unmarshal(w.publish(t, http.MethodGet, gs1door.DelegationsPath, "", "").Body.Bytes(), &out); err != nil || len(out.Delegations) != 2 {
		t.Fatalf("%+v, %v", out, err)
	}
	if d := out.Delegations[1]; d.Subject != "dns/org/example/sensors" || d.HandledBy != "https://s.example.net" || d.By != "shop" {
		t.Errorf("%+v", d)
	}
	for _, status := range []int{204, 404} {
		if got := w.publish(t, http.MethodDelete, gs1door.DelegationsPath+"?subject="+url.QueryEscape("01/0401234*"), "", ""); got.Code != status {
			t.Errorf("ended: %d, not %d", got.Code, status)
		}
	}
}

// TestWhatIsNotLoggedIsNotDone: publishers change nothing while the log of
// their acts can't be written.
func TestWhatIsNotLoggedIsNotDone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const kept, more = `{"subject":"01/0401238*","handledBy":"https://s.example.net"}`, `{"subject":"01/0401239*","handledBy":"https://s.example.net"}`
	if got := w.publish(t, http.MethodPost, gs1door.DelegationsPath, "application/json", kept); got.Code != http.StatusNoContent {
		t.Fatalf("%d %s", got.Code, got.Body)
	}
	if got := w.publish(t, http.MethodPost, gs1door.LinksPath, "application/json", oneLink); got.Code != http.StatusOK {
		t.Fatalf("%d %s", got.Code, got.Body)
	}
	w.mu.Lock()
	w.full = errors.New("the disk is full")
	w.mu.Unlock()
	for _, c := range [][3]string{
		{http.MethodPost, gs1door.DelegationsPath, more},
		{http.MethodDelete, gs1door.DelegationsPath + "?subject=" + url.QueryEscape("01/0401238*"), ""},
		{http.MethodDelete, gs1door.LinksPath + "?anchor=" + url.QueryEscape(screwdriver), ""},
	} {
		if got := w.publish(t, c[0], c[1], "application/json", c[2]); got.Code != http.StatusServiceUnavailable {
			t.Errorf("%s %s: %d %s", c[0], c[1], got.Code, got.Body)
		}
	}
	if all := w.book.Delegations(); len(all) != 1 || all[0].Subject != "01/0401238*" {
		t.Errorf("%+v", all)
	}
	if got := w.ask(t, http.MethodGet, "/"+screwdriver+"?linkType=gs1:pip", nil); got.Code != http.StatusTemporaryRedirect {
		t.Errorf("the link that was not taken away: %d %s", got.Code, got.Body)
	}
}

// TestReadyAnswersAreThoseThatWereMade asks twice: the second answer is the
// first, until links change.
func TestReadyAnswersAreThoseThatWereMade(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	leads := func(path, to string, header http.Header) {
		t.Helper()
		for range 2 {
			got := httptest.NewRecorder()
			r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)
			for name, values := range header {
				r.Header[name] = values
			}
			if !w.door.Ready(got, r) {
				w.door.ServeHTTP(got, r)
			}
			if got.Header().Get("Location") != to {
				t.Errorf("%s leads to %q, not %q", path, got.Header().Get("Location"), to)
			}
		}
	}
	browser := http.Header{"Accept": {"text/html,*/*;q=0.8"}, "Accept-Language": {"de,en;q=0.5"}}
	w.put(t, linkset.Item{Anchor: screwdriver, Entries: []linkset.Entry{{LinkType: "gs1:pip", Href: shop + "en", Langs: []string{"en"}}}})
	leads("/"+screwdriver, shop+"en", nil)
	leads("/"+screwdriver, shop+"en", browser)
	leads("/"+screwdriver+"/10/A", shop+"en", browser)
	for _, kind := range []string{linkset.MediaType, "text/html, application/lLINKSET+json", "application/LinkSet+JSON"} {
		leads("/"+screwdriver, map[bool]string{true: shop + "en"}[strings.Contains(kind, "lL")], http.Header{"Accept": {kind}})
		if w.door.ReadyBytes([]byte("/"+screwdriver), []byte(kind), nil) != nil {
			t.Errorf("%s: an answer that waits", kind)
		}
	}
	w.put(t, linkset.Item{Anchor: screwdriver, Entries: []linkset.Entry{{LinkType: "gs1:pip", Href: shop + "de", Langs: []string{"de"}}}})
	leads("/"+screwdriver, shop+"en", nil)
	leads("/"+screwdriver, shop+"de", browser)
	leads("/"+screwdriver+"/10/A", shop+"de", browser)
	if err := w.book.Delegate(t.Context(), linkset.Delegation{Subject: screwdriver + "/10/A", HandledBy: "https://s.example.net"}); err != nil {
		t.Fatal(err)
	}
	leads("/"+screwdriver+"/10/A", "https://s.example.net/"+screwdriver+"/10/A", nil)
	leads("/"+screwdriver, shop+"en", nil)
	for _, path := range []string{"/" + screwdriver + "/21/7", "/" + screwdriver + "?linkType=gs1:pip"} {
		w.ask(t, http.MethodGet, path, nil)
		if w.door.Ready(httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)) {
			t.Errorf("%s has an answer that waits", path)
		}
	}
}

// FuzzDigitalLinks sends any path and query: never 200 for an error, no panic,
// and nothing of a header that was not made here.
func FuzzDigitalLinks(f *testing.F) {
	for _, s := range []string{
		"/01/04012345999990", "/01/04012345999990/21/7?linkType=all", "/01/04012345999990?linkType=gs1:pip&context=x", "/01/%30", "/01/04012345999990//", "/8004/40%2F%2F",
		"/01/04012345999990?a=%0d%0aX:y", "/00/040123451111111110", "/253/4012345000115ebon", "/01/04012345999990/21/%2e%2e", "/01/04012345999990?;&&=", "/AQE",
	} {
		f.Add(s, "de", "text/html")
	}
	book, err := linkset.Open(f.Context(), f.TempDir(), linkset.Options{})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = book.Close() })
	_, err = book.Put(f.Context(), "test", linkset.Item{Anchor: screwdriver, Entries: []linkset.Entry{{LinkType: "gs1:pip", Href: shop}, {LinkType: "gs1:pip", Href: shop + "2"}}})
	if err != nil {
		f.Fatal(err)
	}
	door := gs1door.New(gs1door.Config{Authority: "id.example.org", Base: base, Links: book})
	f.Fuzz(func(t *testing.T, target, language, accept string) {
		u, err := url.ParseRequestURI(target)
		if err != nil || !gs1door.Begins(u.Path) {
			return
		}
		r := &http.Request{Method: http.MethodGet, URL: u, Header: http.Header{"Accept-Language": {language}, "Accept": {accept}}}
		got := httptest.NewRecorder()
		door.ServeHTTP(got, r.WithContext(t.Context()))
		switch got.Code {
		case http.StatusOK, http.StatusMultipleChoices:
			if !json.Valid(got.Body.Bytes()) {
				t.Errorf("%s: %s", target, got.Body)
			}
		case http.StatusTemporaryRedirect:
			if to, err := url.Parse(got.Header().Get("Location")); err != nil || to.Host != "shop.example" || strings.ContainsAny(got.Header().Get("Location"), "\r\n") {
				t.Errorf("%s leads to %q", target, got.Header().Get("Location"))
			}
		case http.StatusBadRequest, http.StatusNotFound:
		default:
			t.Errorf("%s: %d", target, got.Code)
		}
	})
}
