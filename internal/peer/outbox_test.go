package peer

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"testing"
	"time"

	"primum/internal/jws"
	"primum/internal/wire"
)

func sealed(t *testing.T, s *fakeNode, expires time.Time) (wire.Sealed, []byte, string) {
	t.Helper()
	doc := wire.Sealed{Kind: wire.InboxOffer, From: "owner@h.localhost:1", To: "friend@" + s.authority, Expires: expires}
	b, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	return doc, b, jws.Hash(string(b))
}

// status answers with a status, and as a problem if name is not empty.
func status(code int, name string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		if name == "" {
			w.WriteHeader(code)
			return
		}
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(code)
		_ = json.NewEncoder(w).Encode(wire.Problem{Type: wire.ProblemPrefix + name, Title: name, Status: code})
	}
}

func TestPostDeliversAtOnce(t *testing.T) {
	t.Parallel()
	p, c := newPeer(t)
	s := newFake(t, "s.localhost")
	s.on("/v1/inbox/friend", status(202, ""))
	doc, body, id := sealed(t, s, c.Now().Add(time.Hour))
	if err := p.Post(t.Context(), id, s.account("friend"), doc, body); err != nil {
		t.Fatal(err)
	}
	s.mu.Lock()
	got := string(s.bodies[0])
	s.mu.Unlock()
	if got != string(body) {
		t.Error("the document was changed on its way")
	}
	if next, err := p.cfg.Store.Outbox.NextDue(t.Context()); err != nil || !next.IsZero() {
		t.Errorf("something still waits: %v, %v", next, err)
	}
}

func TestPostReturnsAFinalRefusal(t *testing.T) {
	t.Parallel()
	p, c := newPeer(t)
	s := newFake(t, "s.localhost")
	s.on("/v1/inbox/friend", status(429, wire.ProbAskLater))
	doc, body, id := sealed(t, s, c.Now().Add(time.Hour))
	var pr *wire.Problem
	if err := p.Post(t.Context(), id, s.account("friend"), doc, body); !errors.As(err, &pr) || !pr.Named(wire.ProbAskLater) {
		t.Fatalf("error %v, want ask-again-later", err)
	}
	if next, err := p.cfg.Store.Outbox.NextDue(t.Context()); err != nil || !next.IsZero() {
		t.Errorf("a refused document still waits: %v, %v", next, err)
	}
}

// TestOutboxSurvivesAnAbsence: the other node is down, then up; Run delivers
// without anybody's help, with growing pauses.
func TestOutboxSurvivesAnAbsence(t *testing.T) {
	t.Parallel()
	p, c := newPeer(t)
	s := newFake(t, "s.localhost")
	s.on("/v1/inbox/friend", status(503, ""))
	doc, body, id := sealed(t, s, c.Now().Add(30*24*time.Hour))
	if err := p.Post(t.Context(), id, s.account("friend"), doc, body); err != nil {
		t.Fatal(err)
	}
	var last time.Duration
	for i := range 8 {
		next, err := p.cfg.Store.Outbox.NextDue(t.Context())
		if err != nil || next.IsZero() {
			t.Fatalf("attempt %d: nothing waits: %v", i, err)
		}
		wait := next.Sub(c.Now())
		if i > 1 && wait <= last {
			t.Errorf("attempt %d: pause %v after %v does not grow", i, wait, last)
		}
		last = wait
		c.Set(next)
		if _, err := p.deliverDue(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	delivered := make(chan struct{})
	s.on("/v1/inbox/friend", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(202)
		close(delivered)
	})
	next, err := p.cfg.Store.Outbox.NextDue(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		p.Run(ctx)
	}()
	if err := c.BlockUntil(ctx, 1); err != nil {
		t.Fatal(err)
	}
	c.Set(next)
	<-delivered
	cancel()
	<-done
}

func TestOutboxGivesUpAfterSevenDays(t *testing.T) {
	t.Parallel()
	p, c := newPeer(t)
	s := newFake(t, "s.localhost")
	s.on("/v1/inbox/friend", status(500, ""))
	doc, body, id := sealed(t, s, c.Now().Add(30*24*time.Hour))
	if err := p.Post(t.Context(), id, s.account("friend"), doc, body); err != nil {
		t.Fatal(err)
	}
	c.Advance(7*24*time.Hour + time.Second)
	n := s.times("/v1/inbox/friend")
	if _, err := p.deliverDue(t.Context()); err != nil {
		t.Fatal(err)
	}
	if next, err := p.cfg.Store.Outbox.NextDue(t.Context()); err != nil || !next.IsZero() || s.times("/v1/inbox/friend") != n {
		t.Errorf("after seven days something still waits (%v, %v) or was tried", next, err)
	}
}

func TestBackOffIsBounded(t *testing.T) {
	t.Parallel()
	for n := range 100 {
		if d := backOff(n); d < firstRetry || d > longestWait+longestWait/4 {
			t.Errorf("backOff(%d) = %v", n, d)
		}
	}
}
