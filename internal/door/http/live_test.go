package httpdoor_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/prometheus/client_golang/prometheus"

	"primum/identity"
	"primum/internal/clock"
	"primum/internal/consent"
	httpdoor "primum/internal/door/http"
	"primum/internal/meter"
	"primum/internal/peer"
	"primum/internal/relay"
	"primum/internal/sign"
	"primum/internal/store"
	"primum/internal/wire"
	"primum/mls"
)

// room is a door with the rooms behind it, put together by hand so that a test
// reaches the relay.
type room struct {
	t     testing.TB
	door  *httpdoor.Door
	store *store.Store
	relay *relay.Relay
	meter *meter.Book
	clock *clock.Manual
	auth  string
	http  *http.Client
}

func newRoom(t testing.TB, limits httpdoor.Limits, quotas ...map[string]uint64) *room {
	t.Helper()
	r := &room{t: t, clock: clock.NewManual(begin())}
	var err error
	if r.store, err = store.Open(t.Context(), t.TempDir(), store.Options{}); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(l.Addr().String())
	r.auth = "h.localhost:" + port
	r.meter, err = meter.New(meter.Config{Store: r.store.Usages, Clock: r.clock, Quotas: append(quotas, nil)[0]})
	if err != nil {
		t.Fatal(err)
	}
	r.assemble(limits)
	srv := &http.Server{Handler: r.door, ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = srv.Serve(l) }()
	tr := &http.Transport{DialContext: peer.Dialer{Loopback: true}.DialContext}
	r.http = &http.Client{Transport: tr}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		tr.CloseIdleConnections()
		_ = srv.Shutdown(ctx)
		r.door.Stop(ctx)
		if err := r.store.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

func (r *room) assemble(limits httpdoor.Limits) {
	r.t.Helper()
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		r.t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	r.relay = relay.New(relay.Options{Store: r.store.Circles, Clock: r.clock, Limits: relay.Limits{PerSecond: -1}})
	p := peer.New(peer.Config{Authority: r.auth, Key: key, Loopback: true, Store: r.store, Clock: r.clock, Log: log})
	book := consent.New(consent.Options{
		Store: r.store, Relay: r.relay, Clock: r.clock, Authority: r.auth, Key: key, KeyID: identity.NodeKeyID(r.auth, "k1"),
		Changed: func(a ...string) { r.door.GrantsChanged(a...) },
	})
	r.door, err = httpdoor.New(httpdoor.Config{
		Authority: r.auth, Base: "http://" + r.auth, Version: "test", Key: key, Limits: limits, Clock: r.clock, Log: log,
		Registry: prometheus.NewRegistry(), Store: r.store, Relay: r.relay, Book: book, Peer: p, Meter: r.meter,
		Ready: func(context.Context) error { return nil },
	})
	if err != nil {
		r.t.Fatal(err)
	}
}

// member is an account of the room with one client, and its key package.
type member struct {
	addr    identity.Address
	kind    identity.Kind
	key     ed25519.PrivateKey
	kp      *mls.KeyPackage
	private *mls.KeyPackagePrivate
	group   *mls.Group
}

func (r *room) member(user string) *member {
	r.t.Helper()
	return r.memberOf(user, identity.Person)
}

func (r *room) memberOf(user string, kind identity.Kind) *member {
	r.t.Helper()
	addr, err := identity.ParseAddress(user + "@" + r.auth)
	if err != nil {
		r.t.Fatal(err)
	}
	m := &member{addr: addr, kind: kind, key: generate(r.t)}
	r.enter(m)
	m.kp, m.private, err = mls.NewKeyPackage(mls.KeyPackageOptions{
		Suite: mls.Suites()[0], Identity: []byte(addr.String()), Signer: m.key,
		NotBefore: begin().Add(-time.Hour), NotAfter: begin().Add(90 * 24 * time.Hour),
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return m
}

// enter opens the member's account straight in the store.
func (r *room) enter(m *member) {
	r.t.Helper()
	ident, inbox := generate(r.t), []byte(strings.Repeat("i", 32))
	id, err := identity.NewID(nil, begin())
	if err != nil {
		r.t.Fatal(err)
	}
	compact, err := identity.Sign(identity.Document{
		ID: id, Address: m.addr, Kind: m.kind, IdentityKey: pub(ident), RecoveryKey: pub(generate(r.t)), Version: 1,
		Clients: []identity.Client{{Name: "phone", Key: pub(m.key), InboxKey: inbox, Suites: []uint16{1}, Added: begin()}},
		Issued:  begin(), Expires: begin().Add(identity.MaxValidity),
	}, ident)
	if err != nil {
		r.t.Fatal(err)
	}
	v, err := identity.First(compact)
	if err != nil {
		r.t.Fatal(err)
	}
	if err := r.store.Accounts.Create(r.t.Context(), store.Account{Address: m.addr.String(), Created: begin()}, peer.Stored(v, begin()), nil); err != nil {
		r.t.Fatal(err)
	}
}

func generate(t testing.TB) ed25519.PrivateKey {
	t.Helper()
	_, k, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// circle is a circle whose anchor the test plays.
type circle struct {
	id     wire.CircleID
	leaf   ed25519.PrivateKey
	anchor *mls.Group
}

// open opens a grant circle for a member, who has no leaf yet.
func (r *room) open(m *member) *circle {
	r.t.Helper()
	c := &circle{leaf: generate(r.t)}
	_, _ = rand.Read(c.id[:])
	var err error
	c.anchor, err = mls.Create(mls.Config{Signer: c.leaf, Now: r.clock.Now}, c.id[:], mls.Suites()[0], []byte("anchor"), nil)
	if err != nil {
		r.t.Fatal(err)
	}
	info, err := c.anchor.GroupInfo()
	if err != nil {
		r.t.Fatal(err)
	}
	_, err = r.relay.Open(r.t.Context(), relay.Opening{Circle: c.id, GroupInfo: info, AnchorKey: pub(c.leaf), Account: m.addr.String()})
	if err != nil {
		r.t.Fatal(err)
	}
	return c
}

// add commits the member's leaf and lets it join.
func (r *room) add(c *circle, m *member) relay.Done {
	r.t.Helper()
	st, err := c.anchor.Commit(mls.CommitOptions{Add: []*mls.KeyPackage{m.kp}})
	if err != nil {
		r.t.Fatal(err)
	}
	done, err := r.relay.Append(r.t.Context(), relay.Append{Circle: c.id, Caller: c.caller(), Message: st.Commit, Welcome: st.Welcome})
	if err != nil {
		r.t.Fatal(err)
	}
	if err := c.anchor.Merge(); err != nil {
		r.t.Fatal(err)
	}
	if m.group, err = mls.Join(mls.Config{Signer: m.key, Now: r.clock.Now}, st.Welcome, m.kp, m.private, nil); err != nil {
		r.t.Fatal(err)
	}
	return done
}

func (c *circle) caller() relay.Caller { return relay.Caller{Key: pub(c.leaf)} }

// say appends a sealed value of the anchor.
func (r *room) say(c *circle, text string) {
	r.t.Helper()
	msg, err := c.anchor.Seal([]byte(text), nil, 256)
	if err != nil {
		r.t.Fatal(err)
	}
	if _, err := r.relay.Append(r.t.Context(), relay.Append{Circle: c.id, Caller: c.caller(), Message: msg}); err != nil {
		r.t.Fatal(err)
	}
}

// socket is a live socket of a test.
type socket struct {
	t         testing.TB
	c         *websocket.Conn
	challenge []byte
	ref       uint64
}

func (r *room) ticket(m *member) string {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.t.Context(), http.MethodPost, "http://"+r.auth+"/v1/live", http.NoBody)
	if err != nil {
		r.t.Fatal(err)
	}
	signAs(r.t, req, identity.ClientKeyID(m.addr, "phone"), m.key, r.clock.Now())
	resp, err := r.http.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	var t wire.Ticket
	if err := json.NewDecoder(resp.Body).Decode(&t); err != nil || resp.StatusCode != 200 {
		r.t.Fatalf("ticket: status %d, %v", resp.StatusCode, err)
	}
	return t.Ticket
}

func (r *room) dial(ticket string) (*websocket.Conn, *http.Response, error) {
	return websocket.Dial(r.t.Context(), "http://"+r.auth+"/v1/live", &websocket.DialOptions{
		HTTPClient: r.http, Subprotocols: []string{wire.Subprotocol, wire.TicketPrefix + ticket},
	})
}

func (r *room) connect(m *member) *socket {
	r.t.Helper()
	c, resp, err := r.dial(r.ticket(m))
	if err != nil {
		r.t.Fatal(err)
	}
	if resp.Header.Get("Sec-WebSocket-Protocol") != wire.Subprotocol {
		r.t.Errorf("subprotocol %q", resp.Header.Get("Sec-WebSocket-Protocol"))
	}
	c.SetReadLimit(1 << 20)
	s := &socket{t: r.t, c: c}
	r.t.Cleanup(func() { _ = c.CloseNow() })
	hello := s.control()
	if hello.Type != wire.CtlHello || len(hello.Challenge) != 32 {
		r.t.Fatalf("first frame %+v", hello)
	}
	s.challenge = hello.Challenge
	return s
}

// read returns the next frame: control or binary.
func (s *socket) read() (wire.Control, wire.Frame) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), 20*time.Second)
	defer cancel()
	kind, b, err := s.c.Read(ctx)
	if err != nil {
		s.t.Fatalf("read: %v", err)
	}
	var c wire.Control
	if kind == websocket.MessageBinary {
		f, err := wire.ParseFrame(b)
		if err != nil {
			s.t.Fatal(err)
		}
		return c, f
	}
	if err := json.Unmarshal(b, &c); err != nil {
		s.t.Fatal(err)
	}
	return c, wire.Frame{}
}

func (s *socket) control() wire.Control {
	s.t.Helper()
	c, _ := s.read()
	return c
}

func (s *socket) frame() wire.Frame {
	s.t.Helper()
	c, f := s.read()
	if c.Type != "" {
		s.t.Fatalf("control frame %+v, want a message", c)
	}
	return f
}

func (s *socket) send(c wire.Control) uint64 {
	s.t.Helper()
	s.ref++
	c.Ref = s.ref
	b, err := json.Marshal(c)
	if err != nil {
		s.t.Fatal(err)
	}
	if err := s.c.Write(s.t.Context(), websocket.MessageText, b); err != nil {
		s.t.Fatal(err)
	}
	return s.ref
}

func (s *socket) subscribe(id wire.CircleID, after uint64) wire.Control {
	s.t.Helper()
	ref := s.send(wire.Control{Type: wire.CtlSub, Circle: id.String(), After: after})
	c := s.control()
	if c.Ref != ref {
		s.t.Fatalf("answer to %d, want %d: %+v", c.Ref, ref, c)
	}
	return c
}

// closed reads until the node ends the socket, and returns the reason.
func (s *socket) closed() (websocket.StatusCode, string) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), 20*time.Second)
	defer cancel()
	for {
		if _, _, err := s.c.Read(ctx); err != nil {
			var ce websocket.CloseError
			if !asClose(err, &ce) {
				s.t.Fatalf("the socket broke without a word: %v", err)
			}
			return ce.Code, ce.Reason
		}
	}
}

// eventually asks again until the node has noticed.
func (r *room) eventually(ok func() bool) {
	r.t.Helper()
	for range 1000 {
		if ok() {
			return
		}
	}
	r.t.Error("the node never noticed")
}

func (r *room) postJSON(a *account, path string, v any, want int) {
	r.t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		r.t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(r.t.Context(), http.MethodPost, "http://"+r.auth+path, strings.NewReader(string(b)))
	if err != nil {
		r.t.Fatal(err)
	}
	h, err := sign.Headers(sign.Request{Method: "POST", TargetURI: req.URL.String(), Body: b}, a.keyID(), a.key, r.clock.Now(), sign.NewNonce())
	if err != nil {
		r.t.Fatal(err)
	}
	for k, v := range h {
		req.Header.Set(k, v)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := r.http.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != want {
		r.t.Fatalf("%s: status %d, want %d", path, resp.StatusCode, want)
	}
}
