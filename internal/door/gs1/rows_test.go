package gs1door_test

import (
	"bufio"
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"primum/internal/linkset"
)

// row is one line of GS1's data for demonstrations of resolvers.
type row struct {
	path, what, linkType, lang, kind, title, target string
}

// rows reads ../shared/data/resolver-rows.md.
func rows(t *testing.T) (all []row) {
	t.Helper()
	f, err := os.Open(filepath.Join("..", "..", "..", "..", "shared", "data", "resolver-rows.md"))
	if err != nil {
		t.Skip("../shared/data is absent: GS1's rows are not tried")
	}
	defer func() { _ = f.Close() }()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		c := strings.Split(lines.Text(), "|")
		if len(c) < 10 || c[1] == "Key type" || strings.HasPrefix(c[1], "-") {
			continue
		}
		for i := range c {
			c[i] = strings.TrimSpace(c[i])
		}
		all = append(all, row{
			path: c[1] + "/" + c[2] + strings.TrimSuffix(c[4], "/"), what: c[3], linkType: c[5], lang: c[6], kind: c[7], title: c[8], target: c[9],
		})
	}
	if len(all) != 30 {
		t.Fatalf("%d rows, not 30", len(all))
	}
	return all
}

// TestEveryRowAnswersAsItsColumnsSay is must-show 2.
func TestEveryRowAnswersAsItsColumnsSay(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	all := rows(t)
	for _, r := range all {
		w.put(t, linkset.Item{Anchor: r.path, Description: r.what, Local: map[string]string{r.lang: r.what}, Entries: []linkset.Entry{
			{LinkType: r.linkType, Href: r.target, Title: r.title, Type: r.kind, Langs: []string{r.lang}},
		}})
	}
	for _, r := range all {
		header := http.Header{"Accept": {r.kind}, "Accept-Language": {r.lang}}
		query := ""
		if r.linkType != "" {
			query = "?linkType=" + url.QueryEscape(r.linkType)
		}
		got := w.ask(t, http.MethodGet, "/"+r.path+query, header)
		to, _, _ := strings.Cut(got.Header().Get("Location"), "?")
		if got.Code != http.StatusTemporaryRedirect || to != r.target {
			t.Errorf("%s %s %s: %d to %q, not %s %s", r.path, r.linkType, r.lang, got.Code, to, r.target, got.Body)
		}
		w.shows(t, r)
	}
}

// shows checks a row in the linkset of its path.
func (w *world) shows(t *testing.T, r row) {
	t.Helper()
	got := w.ask(t, http.MethodGet, "/"+r.path, http.Header{"Accept": {linkset.MediaType}, "Accept-Language": {r.lang}})
	var d struct {
		Linkset []map[string]json.RawMessage `json:"linkset"`
	}
	if err := json.Unmarshal(got.Body.Bytes(), &d); err != nil || got.Code != http.StatusOK || len(d.Linkset) == 0 {
		t.Errorf("%s: linkset: %d %s", r.path, got.Code, got.Body)
		return
	}
	var what string
	if err := json.Unmarshal(d.Linkset[0]["itemDescription"], &what); err != nil || what != r.what {
		t.Errorf("%s in %s is %q, not %q", r.path, r.lang, what, r.what)
	}
	name := linkset.TypeURL(r.linkType)
	if r.linkType == "" {
		name = linkset.TypeURL(linkset.DefaultLink)
	}
	var targets []struct{ Href, Title, Type string }
	if err := json.Unmarshal(d.Linkset[0][name], &targets); err != nil {
		t.Errorf("%s: no %s in %s", r.path, name, got.Body)
	}
	for _, e := range targets {
		if e.Href == r.target && (r.title == "" || e.Title == r.title) && (r.linkType == "" || e.Type == r.kind) {
			return
		}
	}
	t.Errorf("%s: %s is not in %s", r.path, r.target, got.Body)
}
