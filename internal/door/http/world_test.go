package httpdoor_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"primum/identity"
	"primum/internal/clock"
	httpdoor "primum/internal/door/http"
	"primum/internal/node"
	"primum/internal/peer"
	"primum/internal/sign"
	"primum/internal/wire"
)

// world is one node that serves, and its log.
type world struct {
	t     *testing.T
	node  *node.Node
	clock *clock.Manual
	log   *buffer
	http  *http.Client
}

// buffer is a log that tests read. Safe for concurrent use.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func begin() time.Time { return time.Date(2026, 11, 22, 14, 0, 0, 0, time.UTC) }

func newWorld(t *testing.T, host string, change ...func(*node.Config)) *world {
	t.Helper()
	c := clock.NewManual(begin())
	return startWorld(t, c, host, change...)
}

func startWorld(t *testing.T, c *clock.Manual, host string, change ...func(*node.Config)) *world {
	t.Helper()
	w := &world{t: t, clock: c, log: &buffer{}}
	cfg := node.Config{
		Authority: host, Listen: "127.0.0.1:0", DataDir: t.TempDir(), Clock: c, Version: "test",
		Log: slog.New(slog.NewTextHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	for _, f := range change {
		f(&cfg)
	}
	n, err := node.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	w.node = n
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- n.Serve(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-served; err != nil {
			t.Errorf("serve: %v", err)
		}
		if err := n.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	tr := &http.Transport{DialContext: peer.Dialer{Loopback: true}.DialContext}
	t.Cleanup(tr.CloseIdleConnections)
	w.http = &http.Client{Transport: tr}
	return w
}

// account is an account with one client.
type account struct {
	addr         identity.Address
	ident, recov ed25519.PrivateKey
	key          ed25519.PrivateKey
	inbox        *identity.InboxKey
	client       string
	doc          *identity.Verified
}

func newKey(t *testing.T) ed25519.PrivateKey {
	t.Helper()
	_, k, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// prepare makes an account's keys and first document without asking a node.
func (w *world) prepare(user string) *account {
	w.t.Helper()
	return w.prepareAs(user, identity.Person)
}

func (w *world) prepareAs(user string, kind identity.Kind) *account {
	w.t.Helper()
	addr, err := identity.ParseAddress(user + "@" + w.node.Authority())
	if err != nil {
		w.t.Fatal(err)
	}
	inbox, err := identity.NewInboxKey(nil)
	if err != nil {
		w.t.Fatal(err)
	}
	a := &account{addr: addr, ident: newKey(w.t), recov: newKey(w.t), key: newKey(w.t), inbox: inbox, client: "phone"}
	now := w.clock.Now()
	id, err := identity.NewID(nil, now)
	if err != nil {
		w.t.Fatal(err)
	}
	a.sign(w.t, identity.Document{
		ID: id, Address: addr, Kind: kind, IdentityKey: pub(a.ident), RecoveryKey: pub(a.recov), Version: 1,
		Clients: []identity.Client{{Name: a.client, Key: pub(a.key), InboxKey: inbox.Public(), Suites: []uint16{1}, Added: now}},
		Issued:  now, Expires: now.Add(identity.MaxValidity),
	})
	return a
}

func pub(k ed25519.PrivateKey) []byte { return k.Public().(ed25519.PublicKey) }

func (a *account) sign(t *testing.T, d identity.Document) {
	t.Helper()
	compact, err := identity.Sign(d, a.ident)
	if err != nil {
		t.Fatal(err)
	}
	if a.doc, err = identity.First(compact); err != nil {
		t.Fatal(err)
	}
}

// join opens the account at the node.
func (w *world) join(user string) *account {
	w.t.Helper()
	a := w.prepare(user)
	w.want(http.StatusNoContent, w.do(request{method: "POST", path: "/v1/accounts", json: wire.NewAccount{Identity: a.doc.Compact()}}))
	return a
}

// keyID is that of the account's client.
func (a *account) keyID() string { return identity.ClientKeyID(a.addr, a.client) }

// request is one request of a test.
type request struct {
	method, path string
	json         any
	body         []byte
	kind         string
	keyID        string
	key          ed25519.PrivateKey
	header       map[string]string
	nonce        string
	at           time.Time
	target       string // signed instead of the real one
	signedBody   []byte // signed instead of the real one
}

func (a *account) signs(r request) request {
	r.keyID, r.key = a.keyID(), a.key
	return r
}

type response struct {
	status int
	header http.Header
	body   []byte
}

func (w *world) do(r request) response {
	w.t.Helper()
	if r.json != nil {
		b, err := json.Marshal(r.json)
		if err != nil {
			w.t.Fatal(err)
		}
		r.body, r.kind = b, "application/json"
	}
	target := w.node.BaseURL() + r.path
	req, err := http.NewRequestWithContext(context.Background(), r.method, target, bytes.NewReader(r.body))
	if err != nil {
		w.t.Fatal(err)
	}
	if r.kind != "" {
		req.Header.Set("Content-Type", r.kind)
	}
	if r.key != nil {
		w.sign(req, r, target)
	}
	for k, v := range r.header {
		req.Header.Set(k, v)
	}
	resp, err := w.http.Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return response{status: resp.StatusCode, header: resp.Header, body: b}
}

func (w *world) sign(req *http.Request, r request, target string) {
	w.t.Helper()
	nonce, at, body := r.nonce, r.at, r.body
	if nonce == "" {
		nonce = sign.NewNonce()
	}
	if at.IsZero() {
		at = w.clock.Now()
	}
	if r.target != "" {
		target = r.target
	}
	if r.signedBody != nil {
		body = r.signedBody
	}
	h, err := sign.Headers(sign.Request{Method: r.method, TargetURI: target, Body: body}, r.keyID, r.key, at, nonce)
	if err != nil {
		w.t.Fatal(err)
	}
	for k, v := range h {
		req.Header.Set(k, v)
	}
}

func (w *world) want(status int, r response) response {
	w.t.Helper()
	if r.status != status {
		w.t.Fatalf("status %d, want %d: %s", r.status, status, r.body)
	}
	return r
}

// refused checks a problem and its form, and returns it.
func (w *world) refused(name string, r response) wire.Problem {
	w.t.Helper()
	var p wire.Problem
	if kind := r.header.Get("Content-Type"); kind != "application/problem+json" {
		w.t.Fatalf("content type %q with status %d, want a problem: %s", kind, r.status, r.body)
	}
	if err := json.Unmarshal(r.body, &p); err != nil {
		w.t.Fatalf("problem is not JSON: %v", err)
	}
	if !p.Named(name) || p.Status != r.status || p.Title == "" {
		w.t.Fatalf("problem %+v with status %d, want %s", p, r.status, name)
	}
	if p.Retry > 0 && r.header.Get("Retry-After") == "" {
		w.t.Errorf("problem says retryAfter, the header does not")
	}
	return p
}

func into[T any](t *testing.T, r response) (v T) {
	t.Helper()
	if err := json.Unmarshal(r.body, &v); err != nil {
		t.Fatalf("read answer: %v: %s", err, r.body)
	}
	return v
}

// tight sets limits that tests can reach.
func tight(change func(*httpdoor.Limits)) func(*node.Config) {
	return func(c *node.Config) {
		l := httpdoor.DefaultLimits(true)
		change(&l)
		c.Limits = &l
	}
}

// sealedTo is a sealed document to an account; its content is for nobody.
func sealedTo(from, to *account, kind string, now time.Time) wire.Sealed {
	return wire.Sealed{
		Kind: kind, From: from.addr.String(), To: to.addr.String(), Expires: now.Add(time.Hour),
		Copies: []wire.SealCopy{{Client: to.client, Enc: []byte(strings.Repeat("e", 32)), Box: []byte("sealed")}},
	}
}
