package wotdoor_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"primum/internal/directory"
	wotdoor "primum/internal/door/wot"
	"primum/internal/wire"
)

// TestAStreamEndsWithItsToken checks that who follows by a token that was removed
// hears of nothing more.
func TestAStreamEndsWithItsToken(t *testing.T) {
	t.Parallel()
	dir, err := directory.Open(t.Context(), t.TempDir(), directory.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var removed atomic.Bool
	mux := http.NewServeMux()
	srv := httptest.NewServer(mux)
	door := wotdoor.New(wotdoor.Config{Authority: "h.example", Base: srv.URL, Directory: dir, Publisher: func(*http.Request) (string, error) {
		if removed.Load() {
			return "", &wire.Problem{Status: http.StatusUnauthorized}
		}
		return "shop", nil
	}})
	for pattern, h := range door.Routes() {
		mux.Handle(pattern, h)
	}
	t.Cleanup(func() {
		door.Stop()
		srv.Close()
		_ = dir.Close()
	})
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, srv.URL+wotdoor.EventsPath, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer good")
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatal(resp, err)
	}
	defer func() { _ = resp.Body.Close() }()
	removed.Store(true)
	_, _, err = dir.Put(t.Context(), directory.Viewer{Publisher: true}, "urn:x", []byte(lamp("urn:x", "Hidden")), directory.Change{Visibility: directory.Private})
	if err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(resp.Body); err != nil || strings.Contains(string(b), "urn:x") {
		t.Errorf("%s, %v", b, err)
	}
}
