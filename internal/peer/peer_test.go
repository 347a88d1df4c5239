package peer

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"primum/identity"
	"primum/internal/clock"
	"primum/internal/jws"
	"primum/internal/sign"
	"primum/internal/store"
	"primum/internal/wire"
)

// fakeNode is another domain's node that does what a test wants.
type fakeNode struct {
	t         *testing.T
	srv       *httptest.Server
	authority string

	mu      sync.Mutex
	answers map[string]http.HandlerFunc // by path
	asked   map[string]int
	bodies  [][]byte
}

func newFake(t *testing.T, host string) *fakeNode {
	t.Helper()
	f := &fakeNode{t: t, answers: map[string]http.HandlerFunc{}, asked: map[string]int{}}
	f.srv = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		f.mu.Lock()
		h := f.answers[r.URL.Path]
		f.asked[r.URL.Path]++
		f.bodies = append(f.bodies, b)
		f.mu.Unlock()
		if h == nil {
			http.NotFound(w, r)
			return
		}
		h(w, r)
	}))
	t.Cleanup(f.srv.Close)
	_, port, err := net.SplitHostPort(f.srv.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	f.authority = host + ":" + port
	return f
}

func (f *fakeNode) on(path string, h http.HandlerFunc) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.answers[path] = h
}

func (f *fakeNode) times(path string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.asked[path]
}

func text(s string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, s) }
}

func (f *fakeNode) account(user string) identity.Address {
	f.t.Helper()
	a, err := identity.ParseAddress(user + "@" + f.authority)
	if err != nil {
		f.t.Fatal(err)
	}
	return a
}

// serve answers for an account with a document, as a real node would.
func (f *fakeNode) serve(a identity.Address, compact string) {
	jrd, err := json.Marshal(wire.JRD{Subject: "acct:" + a.String(), Links: []wire.Link{
		{Rel: "other", Href: "https://elsewhere.example/"},
		{Rel: wire.RelIdentity, Type: wire.JOSE, Href: a.BaseURL() + "/v1/identity/" + a.User},
	}})
	if err != nil {
		f.t.Fatal(err)
	}
	f.on(wire.WebFingerPath, text(string(jrd)))
	f.on("/v1/identity/"+a.User, text(compact))
}

func begin() time.Time { return time.Date(2026, 11, 22, 14, 0, 0, 0, time.UTC) }

func newPeer(t *testing.T) (*Peer, *clock.Manual) {
	t.Helper()
	st, err := store.Open(t.Context(), t.TempDir(), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	c := clock.NewManual(begin())
	p := New(Config{
		Authority: "h.localhost:1", Key: newKey(t), Loopback: true, Store: st, Clock: c, Log: slog.New(slog.DiscardHandler), Version: "test",
	})
	t.Cleanup(func() {
		p.Close()
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
	return p, c
}

func newKey(t *testing.T) ed25519.PrivateKey {
	t.Helper()
	_, k, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

type person struct {
	ident, recov, key ed25519.PrivateKey
	doc               *identity.Verified
}

func newPerson(t *testing.T, a identity.Address) *person {
	t.Helper()
	inbox, err := identity.NewInboxKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	id, err := identity.NewID(nil, begin())
	if err != nil {
		t.Fatal(err)
	}
	p := &person{ident: newKey(t), recov: newKey(t), key: newKey(t)}
	p.sign(t, identity.Document{
		ID: id, Address: a, Kind: identity.Person, Version: 1, Issued: begin(), Expires: begin().Add(identity.MaxValidity),
		IdentityKey: jws.Bytes(p.ident.Public().(ed25519.PublicKey)), RecoveryKey: jws.Bytes(p.recov.Public().(ed25519.PublicKey)),
		Clients: []identity.Client{{Name: "phone", Key: jws.Bytes(p.key.Public().(ed25519.PublicKey)), InboxKey: inbox.Public(), Suites: []uint16{1}, Added: begin()}},
	}, p.ident)
	return p
}

func (p *person) sign(t *testing.T, d identity.Document, key ed25519.PrivateKey) {
	t.Helper()
	compact, err := identity.Sign(d, key)
	if err != nil {
		t.Fatal(err)
	}
	if p.doc, err = identity.First(compact); err != nil {
		t.Fatal(err)
	}
}

func TestIdentityIsFetchedOncePerFiveMinutes(t *testing.T) {
	t.Parallel()
	p, c := newPeer(t)
	s := newFake(t, "s.localhost")
	a := s.account("friend")
	who := newPerson(t, a)
	s.serve(a, who.doc.Compact())
	path := "/v1/identity/friend"
	for range 5 {
		v, err := p.Identity(t.Context(), a)
		if err != nil || v.Hash() != who.doc.Hash() {
			t.Fatalf("identity: %v", err)
		}
	}
	if n := s.times(path); n != 1 {
		t.Errorf("asked %d times within five minutes", n)
	}
	c.Advance(6 * time.Minute)
	if _, err := p.Identity(t.Context(), a); err != nil || s.times(path) != 2 {
		t.Errorf("after six minutes: %v, asked %d times", err, s.times(path))
	}
	// Silent: the last document serves as long as it is valid.
	c.Advance(6 * time.Minute)
	s.srv.Close()
	if v, err := p.Identity(t.Context(), a); err != nil || v.Version() != 1 {
		t.Errorf("while the other domain is silent: %v", err)
	}
	c.Advance(identity.MaxValidity)
	if _, err := p.Identity(t.Context(), a); !errors.Is(err, ErrUnreachable) {
		t.Errorf("silent and expired: %v, want ErrUnreachable", err)
	}
}

func TestManyAskersAreOneQuestion(t *testing.T) {
	t.Parallel()
	p, _ := newPeer(t)
	s := newFake(t, "s.localhost")
	a := s.account("friend")
	s.serve(a, newPerson(t, a).doc.Compact())
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if _, err := p.Identity(context.Background(), a); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := s.times("/v1/identity/friend"); n != 1 {
		t.Errorf("20 at a time asked %d times", n)
	}
}

func TestIdentityKeyIsPinned(t *testing.T) {
	t.Parallel()
	p, c := newPeer(t)
	s := newFake(t, "s.localhost")
	a := s.account("friend")
	who := newPerson(t, a)
	s.serve(a, who.doc.Compact())
	if _, err := p.Identity(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	c.Advance(6 * time.Minute)
	s.serve(a, newPerson(t, a).doc.Compact())
	if v, err := p.Identity(t.Context(), a); err == nil {
		t.Fatalf("another identity key was taken: version %d", v.Version())
	}
	// The recovery key may change the identity key.
	next, err := who.doc.Next(c.Now())
	if err != nil {
		t.Fatal(err)
	}
	fresh := newKey(t)
	next.IdentityKey = jws.Bytes(fresh.Public().(ed25519.PublicKey))
	compact, err := identity.Sign(next, who.recov)
	if err != nil {
		t.Fatal(err)
	}
	s.serve(a, compact)
	c.Advance(time.Minute)
	v, err := p.Identity(t.Context(), a)
	if err != nil || v.Version() != 2 {
		t.Fatalf("recovery: %v", err)
	}
	if v, err := p.Identity(t.Context(), a); err != nil || v.Version() != 2 {
		t.Errorf("the recovered document read again: %v", err)
	}
}

func TestBadAnswersAreRefusedAndRemembered(t *testing.T) {
	t.Parallel()
	jrd := func(href string) string {
		return `{"subject":"x","links":[{"rel":"` + wire.RelIdentity + `","href":"` + href + `"}]}`
	}
	for name, finger := range map[string]http.HandlerFunc{
		"not JSON":      text("<html>"),
		"no link":       text(`{"subject":"x","links":[]}`),
		"another host":  text(jrd("https://elsewhere.example/x")),
		"into this LAN": text(jrd("http://169.254.169.254/latest")),
		"huge":          text(strings.Repeat("x", 2*wire.MaxDocument)),
		"server error":  func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) },
		"redirect away": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://127.0.0.1:1/", http.StatusFound)
		},
		"redirect loops": func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, r.URL.String(), http.StatusFound) },
		"hangs up": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			_, _ = io.WriteString(w, "x")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, c := newPeer(t)
			s := newFake(t, "s.localhost")
			s.on(wire.WebFingerPath, finger)
			a := s.account("friend")
			if _, err := p.Identity(t.Context(), a); !errors.Is(err, ErrUnreachable) {
				t.Fatalf("error %v, want ErrUnreachable", err)
			}
			n := s.times(wire.WebFingerPath)
			if _, err := p.Identity(t.Context(), a); err == nil || s.times(wire.WebFingerPath) != n {
				t.Error("asked again at once")
			}
			c.Advance(freshMiss)
			s.serve(a, newPerson(t, a).doc.Compact())
			if _, err := p.Identity(t.Context(), a); err != nil {
				t.Errorf("after a while: %v", err)
			}
		})
	}
}

func TestDocumentOfAnotherAccountIsRefused(t *testing.T) {
	t.Parallel()
	p, _ := newPeer(t)
	s := newFake(t, "s.localhost")
	a := s.account("friend")
	s.serve(a, newPerson(t, s.account("other")).doc.Compact())
	if _, err := p.Identity(t.Context(), a); err == nil {
		t.Error("another account's document was taken")
	}
}

func TestPrivateNamesAreNotAskedOutsideLoopback(t *testing.T) {
	t.Parallel()
	p, _ := newPeer(t)
	p.cfg.Loopback = false
	s := newFake(t, "s.localhost")
	if _, err := p.Identity(t.Context(), s.account("friend")); !errors.Is(err, ErrUnreachable) || !errors.Is(err, ErrPrivateAddress) {
		t.Errorf("error %v", err)
	}
	if s.times(wire.WebFingerPath) != 0 {
		t.Error("the local server was asked")
	}
}

func TestPaceLimitsEachDomain(t *testing.T) {
	t.Parallel()
	p, c := newPeer(t)
	p.pace = &pace{perSecond: 1, burst: 2}
	s := newFake(t, "s.localhost")
	for range 5 {
		_, _ = p.nodeInfo(t.Context(), s.authority)
	}
	if n := s.times(wire.NodePath); n != 2 {
		t.Errorf("asked %d times, the limit is 2", n)
	}
	c.Advance(time.Second)
	_, _ = p.nodeInfo(t.Context(), s.authority)
	if n := s.times(wire.NodePath); n != 3 {
		t.Errorf("a second later: asked %d times, want 3", n)
	}
}

func info(authority string, keys ...wire.NodeKey) string {
	b, _ := json.Marshal(wire.NodeInfo{Authority: authority, Keys: keys})
	return string(b)
}

func TestNodeKeyIsPinned(t *testing.T) {
	t.Parallel()
	p, c := newPeer(t)
	s := newFake(t, "s.localhost")
	k1, k2 := newKey(t).Public().(ed25519.PublicKey), newKey(t).Public().(ed25519.PublicKey)
	s.on(wire.NodePath, text(info("x.localhost:1", wire.NodeKey{ID: "k1", X: k1})))
	if _, err := p.NodeKey(t.Context(), s.authority, "k1"); err == nil {
		t.Error("a node that says it is another was taken")
	}
	c.Advance(freshMiss)
	s.on(wire.NodePath, text(info(s.authority, wire.NodeKey{ID: "k1", X: k1})))
	if k, err := p.NodeKey(t.Context(), s.authority, "k1"); err != nil || !k.Equal(k1) {
		t.Fatalf("first contact: %v", err)
	}
	s.on(wire.NodePath, text(info(s.authority, wire.NodeKey{ID: "k1", X: k2}, wire.NodeKey{ID: "k2", X: k2})))
	if k, err := p.NodeKey(t.Context(), s.authority, "k1"); err != nil || !k.Equal(k1) {
		t.Errorf("the pinned key changed: %v", err)
	}
	if _, err := p.NodeKey(t.Context(), s.authority, "k2"); !errors.Is(err, ErrKeyChanged) {
		t.Errorf("a new key without the old one: %v, want ErrKeyChanged", err)
	}
	c.Advance(freshMiss)
	s.on(wire.NodePath, text(info(s.authority, wire.NodeKey{ID: "k1", X: k1}, wire.NodeKey{ID: "k2", X: k2})))
	if k, err := p.NodeKey(t.Context(), s.authority, "k2"); err != nil || !k.Equal(k2) {
		t.Errorf("a second key beside the first: %v", err)
	}
}

func TestClaimIsSignedAndChecked(t *testing.T) {
	t.Parallel()
	p, c := newPeer(t)
	s := newFake(t, "s.localhost")
	a := s.account("friend")
	path := "/v1/key-packages/claim/friend"
	s.on(path, func(w http.ResponseWriter, r *http.Request) {
		in, err := sign.ParseInput(r.Header.Get)
		if err != nil {
			t.Error(err)
		}
		req := sign.Request{Method: "POST", TargetURI: a.BaseURL() + path, Body: []byte(`{"suite":1}`)}
		if err := in.Verify(req, p.cfg.Key.Public().(ed25519.PublicKey)); err != nil {
			t.Errorf("the claim is not signed by the node's key: %v", err)
		}
		if in.KeyID != "http://h.localhost:1/.well-known/primum#k1" || in.CheckTime(c.Now()) != nil {
			t.Errorf("keyid %s", in.KeyID)
		}
		_, _ = io.WriteString(w, `{"account":"`+a.String()+`","packages":[{"client":"phone","keyPackage":"AA=="}]}`)
	})
	got, err := p.ClaimKeyPackages(t.Context(), a, 1)
	if err != nil || len(got.Packages) != 1 || got.Packages[0].Client != "phone" {
		t.Errorf("claim: %+v, %v", got, err)
	}
	s.on(path, text(`{"account":"mallory@s.localhost","packages":[]}`))
	if _, err := p.ClaimKeyPackages(t.Context(), a, 1); !errors.Is(err, ErrUnreachable) {
		t.Errorf("packages of another account: %v", err)
	}
}

func TestFirstContactsAreLimited(t *testing.T) {
	t.Parallel()
	p, c := newPeer(t)
	p.meet = &pace{perSecond: 0.1, burst: 2, all: 3}
	s, other := newFake(t, "s.localhost"), newFake(t, "o.localhost")
	meet := func(f *fakeNode, user string) error {
		a := f.account(user)
		f.serve(a, newPerson(t, a).doc.Compact())
		_, err := p.Identity(t.Context(), a)
		return err
	}
	for _, user := range []string{"a", "b"} {
		if err := meet(s, user); err != nil {
			t.Fatal(err)
		}
	}
	if err := meet(s, "c"); !errors.Is(err, ErrUnreachable) {
		t.Errorf("the third stranger of a domain: %v", err)
	}
	if err := meet(other, "a"); err != nil {
		t.Errorf("another domain's first: %v", err)
	}
	if err := meet(other, "b"); !errors.Is(err, ErrUnreachable) {
		t.Errorf("the fourth stranger of all: %v", err)
	}
	if _, err := p.Identity(t.Context(), s.account("a")); err != nil {
		t.Errorf("who is known already: %v", err)
	}
	c.Advance(10 * time.Second)
	if err := meet(s, "c"); err != nil {
		t.Errorf("ten seconds later: %v", err)
	}
}

func TestQuestionsAtATimeAreBounded(t *testing.T) {
	t.Parallel()
	p, _ := newPeer(t)
	p.asking = make(chan struct{}, 1)
	p.asking <- struct{}{}
	s := newFake(t, "s.localhost")
	if _, err := p.nodeInfo(t.Context(), s.authority); !errors.Is(err, ErrUnreachable) || s.times(wire.NodePath) != 0 {
		t.Errorf("error %v, asked %d times", err, s.times(wire.NodePath))
	}
	<-p.asking
	s.on(wire.NodePath, text(info(s.authority, wire.NodeKey{ID: "k1", X: make([]byte, 32)})))
	if _, err := p.nodeInfo(t.Context(), s.authority); err != nil {
		t.Errorf("with room: %v", err)
	}
}
