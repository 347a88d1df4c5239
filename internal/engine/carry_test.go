package engine

import (
	"context"
	"crypto/ed25519"
	"net/http"
	"strings"
	"testing"
	"time"

	"primum/client"
	"primum/internal/clock"
)

// origin plays the page's own node: it carries for holders of a session.
type origin struct {
	client.Transport
	begun    int  // sessions
	forgets  bool // the session is gone before the next request
	has      bool
	asked    []string
	refusing bool
}

func (o *origin) Do(_ context.Context, r client.Request) (client.Response, error) {
	o.asked = append(o.asked, r.Method+" "+r.URL)
	if strings.HasSuffix(r.URL, "/v1/session") {
		if o.refusing || r.Header["Signature"] == "" {
			return client.Response{Status: http.StatusForbidden}, nil
		}
		o.begun++
		o.has = true
		return client.Response{Status: http.StatusNoContent}, nil
	}
	if strings.HasPrefix(r.URL, "https://s.example/") {
		if o.forgets {
			o.has, o.forgets = false, false
		}
		if !o.has {
			return client.Response{
				Status: http.StatusUnauthorized, Header: map[string]string{"content-type": "application/problem+json"},
				Body: []byte(`{"type":"urn:primum:problem:not-signed","title":"no session","status":401}`),
			}, nil
		}
	}
	return client.Response{Status: http.StatusOK}, nil
}

func TestPageSession(t *testing.T) {
	t.Parallel()
	_, signer, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	c := clock.NewManual(time.Date(2026, 11, 22, 14, 0, 0, 0, time.UTC))
	o := &origin{}
	e := &Engine{o: Options{Transport: o, Origin: "https://h.example", Clock: c}}
	page, _ := e.sessionTransports(client.Keys{Address: "ada@h.example", Client: "browser", Signer: signer})
	ask := func(url string) int {
		t.Helper()
		r, err := page.Do(t.Context(), client.Request{Method: "GET", URL: url})
		if err != nil {
			t.Fatal(err)
		}
		return r.Status
	}
	if ask("https://h.example/v1/inbox") != 200 || o.begun != 0 {
		t.Errorf("the own node needs no session: %v", o.asked)
	}
	if ask("https://s.example/v1/a") != 200 || ask("https://s.example/v1/b") != 200 || o.begun != 1 {
		t.Errorf("one session for all: %d, %v", o.begun, o.asked)
	}
	c.Advance(2 * time.Second)
	o.forgets = true
	if ask("https://s.example/v1/c") != 200 || o.begun != 2 {
		t.Errorf("a lost session is begun anew: %d", o.begun)
	}
	c.Advance(sessionLife)
	if ask("https://s.example/v1/d") != 200 || o.begun != 3 {
		t.Errorf("an old session is renewed: %d", o.begun)
	}
	c.Advance(sessionLife)
	o.refusing = true
	if _, err := page.Do(t.Context(), client.Request{Method: "GET", URL: "https://s.example/v1/e"}); err == nil {
		t.Error("no session, and no error")
	}
	// A person's own program carries without one.
	e.o.Origin = "http://127.0.0.1:8420"
	if own, _ := e.sessionTransports(client.Keys{Address: "ada@h.example", Client: "browser", Signer: signer}); own != client.Transport(o) {
		t.Error("the own program's pages use sessions")
	}
}
