package namesdoor

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"primum/internal/clock"
	"primum/internal/linkset"
	"primum/internal/resolve"
	"primum/internal/wire"
)

const lamp = "01/09521234543213"

// book is what a resolver of a test knows.
type book struct{ hushed [][]byte }

func (b *book) Lookup(_ context.Context, anchor string) (linkset.Item, error) {
	switch anchor {
	case lamp:
		return linkset.Item{Anchor: lamp, Description: "Lamp", Entries: []linkset.Entry{
			{LinkType: "gs1:pip", Href: "https://shop.example/lamp", Title: "Page", Langs: []string{"en"}, Type: "text/html", Default: true},
		}}, nil
	case "mac/0024befffe804ff1":
		return linkset.Item{Anchor: anchor, Description: "Radio", Entries: []linkset.Entry{{LinkType: "about", Href: "https://shop.example/radio", Default: true}}}, nil
	case "dns/example/broken":
		return linkset.Item{}, errors.New("disk of broken.example failed")
	}
	return linkset.Item{}, linkset.ErrNotFound
}

func (b *book) Delegated(_ context.Context, scope string) (linkset.Delegation, bool, error) {
	if strings.HasPrefix(scope, "01/0950") {
		return linkset.Delegation{Subject: "01/0950*", HandledBy: "https://s.example"}, true, nil
	}
	return linkset.Delegation{}, false, nil
}

func (b *book) Hushed(context.Context, []byte) (bool, error) { return false, nil }

func (b *book) OptOut(_ context.Context, hush []byte, _ bool, _ time.Time) error {
	b.hushed = append(b.hushed, hush)
	return nil
}

func newDoor(log *bytes.Buffer) (http.Handler, *book) {
	b := &book{}
	pages := func(_ context.Context, label string) (string, bool, error) {
		return "A page", label == "known-label", nil
	}
	d := New(Config{
		Authority: "h.example", Base: "https://h.example", KeyName: "k1", Key: ed25519.NewKeyFromSeed(make([]byte, 32)).Public().(ed25519.PublicKey),
		Resolver: resolve.New(resolve.Options{Authority: "h.example", Base: "https://h.example", Links: b, Hushes: b, Pages: pages}),
		Pages:    pages, OptOuts: b, Tally: &resolve.Tally{}, Clock: clock.Real(), Log: slog.New(slog.NewTextHandler(log, nil)),
		Publisher: func(r *http.Request) (string, error) {
			if r.Header.Get("Authorization") == "" {
				return "", &wire.Problem{Type: wire.ProblemPrefix + wire.ProbToken, Status: http.StatusUnauthorized}
			}
			return "test", nil
		},
		Note: func(context.Context, string, string, string) error { return nil },
	})
	mux := http.NewServeMux()
	for pattern, h := range d.Routes() {
		mux.Handle(pattern, h)
	}
	return mux, b
}

func ask(h http.Handler, method, path, accept string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, nil)
	if accept != "" {
		r.Header.Set("Accept", accept)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestAnswersFollowTheAcceptHeader(t *testing.T) {
	t.Parallel()
	h, _ := newDoor(&bytes.Buffer{})
	for _, c := range []struct {
		id, accept string
		status     int
		kind, to   string
	}{
		{lamp, "", 200, jsonType, ""},
		{lamp, "*/*", 200, jsonType, ""},
		{lamp, "application/json, text/html", 200, jsonType, ""},
		{lamp, linksetType, 200, linksetType, ""},
		{lamp, "text/html,application/xhtml+xml", 307, "", "https://h.example/" + lamp},
		{"(01)09521234543213", "text/html", 307, "", "https://h.example/" + lamp},
		{"00:24:be:80:4f:f1", "text/html", 307, "", "https://shop.example/radio"},
		{"h.example", "text/html", 307, "", "https://h.example/"},
		{"01/09501101530003", "text/html", 307, jsonType, "https://s.example/resolve?id=https%3A%2F%2Fid.gs1.org%2F01%2F09501101530003"},
		{"other.example", "text/html", 404, "application/problem+json", ""},
	} {
		w := ask(h, http.MethodGet, "/resolve?id="+url.QueryEscape(c.id), c.accept)
		if w.Code != c.status || w.Header().Get("Content-Type") != c.kind || w.Header().Get("Location") != c.to {
			t.Errorf("%s as %q: %d %v", c.id, c.accept, w.Code, w.Header())
		}
	}
	var doc struct{ Linkset []map[string]json.RawMessage }
	if err := json.Unmarshal(ask(h, http.MethodGet, "/resolve?id="+lamp, linksetType).Body.Bytes(), &doc); err != nil || len(doc.Linkset) != 1 {
		t.Fatal(doc, err)
	}
	if got := string(doc.Linkset[0]["https://ref.gs1.org/voc/pip"]); !strings.Contains(got, `"href":"https://shop.example/lamp"`) || !strings.Contains(got, `"hreflang":["en"]`) {
		t.Errorf("linkset: %s", got)
	}
	if w := ask(h, http.MethodOptions, "/resolve", ""); w.Code != http.StatusNoContent || w.Header().Get("Access-Control-Allow-Origin") != "*" {
		t.Errorf("preflight: %d %v", w.Code, w.Header())
	}
}

func TestBadNamesAreRefusedWithTheirPlace(t *testing.T) {
	t.Parallel()
	h, _ := newDoor(&bytes.Buffer{})
	for text, want := range map[string]string{
		"":                                    "?id=",
		lamp[:len(lamp)-1] + "4":              "check digit",
		"urn:epc:id:sgtin:1":                  "",
		"раураl.example":                      "",
		"https://user@h.example/":             "",
		strings.Repeat("a", 100<<10):          "8192",
		"https://h.example/%2e%2e/01/%zz":     "",
		"https://h.example/" + "\x00" + "/":   "",
		"did:web:h.example%2Fx":               "",
		lamp + "/S3CRET/7":                    "name at byte 18",
		strings.Repeat("../", 2000) + "01/1/": "",
	} {
		w := ask(h, http.MethodGet, "/resolve?id="+url.QueryEscape(text), "")
		var p wire.Problem
		if err := json.Unmarshal(w.Body.Bytes(), &p); w.Code != http.StatusBadRequest || err != nil || !strings.Contains(p.Detail, want) || w.Body.Len() > 1000 || strings.Contains(p.Detail, "S3CRET") {
			t.Errorf("%.40q: %d %s", text, w.Code, w.Body)
		}
	}
}

func TestFailuresTellNothing(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	h, _ := newDoor(&log)
	w := ask(h, http.MethodGet, "/resolve?id=broken.example", "")
	if w.Code != http.StatusInternalServerError || strings.Contains(w.Body.String(), "disk") || log.Len() == 0 {
		t.Errorf("%d %s, logged %s", w.Code, w.Body, log.String())
	}
}

func TestOptOutsAreThePublishers(t *testing.T) {
	t.Parallel()
	h, b := newDoor(&bytes.Buffer{})
	do := func(method, id, token string) int {
		r := httptest.NewRequest(method, wire.OptOutPath+"?id="+url.QueryEscape(id), nil)
		if token != "" {
			r.Header.Set("Authorization", token)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w.Code
	}
	for _, c := range []struct {
		method, id, token string
		want              int
	}{
		{http.MethodPut, lamp + "/21/A", "", 401},
		{http.MethodPut, lamp + "/21/A", "Bearer t", 204},
		{http.MethodDelete, lamp + "/21/A", "Bearer t", 204},
		{http.MethodPut, lamp, "Bearer t", 400}, // a class
		{http.MethodPut, "", "Bearer t", 400},
	} {
		if got := do(c.method, c.id, c.token); got != c.want {
			t.Errorf("%s %s: %d", c.method, c.id, got)
		}
	}
	if len(b.hushed) != 2 || len(b.hushed[0]) != 16 || !bytes.Equal(b.hushed[0], b.hushed[1]) {
		t.Errorf("kept: %x", b.hushed)
	}
}

func TestDocumentsOfDIDWeb(t *testing.T) {
	t.Parallel()
	h, _ := newDoor(&bytes.Buffer{})
	for path, want := range map[string]string{"/.well-known/did.json": "did:web:h.example", "/thing/known-label/did.json": "did:web:h.example:thing:known-label"} {
		w := ask(h, http.MethodGet, path, "")
		var doc resolve.Document
		if err := json.Unmarshal(w.Body.Bytes(), &doc); err != nil || doc.ID != want || w.Header().Get("Content-Type") != resolve.DIDType || w.Header().Get("Access-Control-Allow-Origin") != "*" {
			t.Errorf("%s: %d %v %s", path, w.Code, w.Header(), w.Body)
		}
	}
	if w := ask(h, http.MethodGet, "/thing/other-label/did.json", ""); w.Code != http.StatusNotFound || w.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("none: %d %v", w.Code, w.Header())
	}
}

// Source of the filters: RFC 6690 §4.1 and its examples.
func TestCoreLinksAreFiltered(t *testing.T) {
	t.Parallel()
	h, _ := newDoor(&bytes.Buffer{})
	paths := func(query string) (out []string) {
		w := ask(h, http.MethodGet, "/.well-known/core"+query, "")
		if w.Code != http.StatusOK || w.Header().Get("Content-Type") != coreType {
			t.Errorf("%s: %d %v", query, w.Code, w.Header())
		}
		for link := range strings.SplitSeq(w.Body.String(), ",") {
			path, _, _ := strings.Cut(strings.TrimPrefix(link, "<"), ">")
			out = append(out, path)
		}
		return out
	}
	for query, want := range map[string][]string{
		"?rt=wot.directory":        {"/.well-known/wot"},
		"?rt=wot.*":                {"/.well-known/wot"},
		"?href=/resolve":           {"/resolve"},
		"?ct=432":                  {"/.well-known/wot"},
		"?rt=none":                 {""},
		"?if=sensor":               {""},
		"?rt=wot.directory&ct=999": {""},
	} {
		if got := paths(query); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %v", query, got)
		}
	}
	if all := paths(""); len(all) != 4 || !slices.Contains(all, "/resolve") {
		t.Errorf("all: %v", all)
	}
	if got := (Link{Path: "/a", RT: `x"y\`, Title: "a\nb"}).String(); got != `</a>;rt="x\"y\\";title="a b"` {
		t.Errorf("quoted: %s", got)
	}
}

// FuzzResolve asks for what strangers may write.
func FuzzResolve(f *testing.F) {
	h, _ := newDoor(&bytes.Buffer{})
	for _, text := range []string{lamp, "(01)09521234543213(21)a", "h.example", "did:web:h.example:thing:x", "https://h.example/thing/x", "::1", "urn:uuid:", "%zz"} {
		f.Add(text, "text/html")
	}
	f.Fuzz(func(t *testing.T, text, accept string) {
		w := ask(h, http.MethodGet, "/resolve?id="+url.QueryEscape(text), accept)
		if !slices.Contains([]int{200, 307, 400, 404}, w.Code) && !strings.Contains(text, "broken") {
			t.Errorf("%q: %d %s", text, w.Code, w.Body)
		}
		to := w.Header().Get("Location")
		if to != "" && !strings.HasPrefix(to, "https://h.example/") && !strings.HasPrefix(to, "https://s.example/resolve?id=") && !strings.HasPrefix(to, "https://shop.example/") {
			t.Errorf("%q leads to %s", text, to)
		}
	})
}
