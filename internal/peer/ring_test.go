package peer

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"primum/internal/store"
)

// pushService is one of our own: it tells what it was sent, and answers with
// the status that a test wants.
type pushService struct {
	endpoint string
	got      chan pushed
	status   chan int // of the next answers; 201 when empty
}

type pushed struct {
	header http.Header
	body   string
}

func newPushService(t *testing.T) *pushService {
	t.Helper()
	s := &pushService{got: make(chan pushed, 100), status: make(chan int, 100)}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		s.got <- pushed{r.Header.Clone(), string(b)}
		select {
		case status := <-s.status:
			w.WriteHeader(status)
		default:
			w.WriteHeader(http.StatusCreated)
		}
	}))
	t.Cleanup(srv.Close)
	_, port, err := net.SplitHostPort(srv.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	s.endpoint = "http://push.localhost:" + port + "/send/abc"
	return s
}

func (s *pushService) none(t *testing.T) {
	t.Helper()
	select {
	case p := <-s.got:
		t.Fatalf("a push was sent: %v", p)
	default:
	}
}

const rung = "owner@h.localhost:1"

// subscribed is a peer with one client that wants to be rung.
func subscribed(t *testing.T) (*Peer, *pushService, func(time.Duration)) {
	t.Helper()
	p, c := newPeer(t)
	s := newPushService(t)
	if err := p.cfg.Store.Pushes.Put(t.Context(), store.Push{Account: rung, Client: "phone", Endpoint: s.endpoint}); err != nil {
		t.Fatal(err)
	}
	return p, s, c.Advance
}

// due rings who is due now.
func due(t *testing.T, p *Peer) {
	t.Helper()
	if _, err := p.ringDue(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestPushHasNoContentAndIsSigned(t *testing.T) {
	t.Parallel()
	p, s, _ := subscribed(t)
	p.Ring(t.Context(), rung)
	due(t, p)
	got := <-s.got
	if got.body != "" || got.header.Get("Content-Encoding") != "" || got.header.Get("Content-Type") != "" {
		t.Errorf("a push has content: %q, %v", got.body, got.header)
	}
	for name, want := range map[string]string{"Ttl": "86400", "Urgency": "normal", "Topic": "primum"} {
		if got.header.Get(name) != want {
			t.Errorf("%s is %q, want %q", name, got.header.Get(name), want)
		}
	}
	key, err := p.PushKey(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	claims := verifyVAPID(t, got.header.Get("Authorization"), key)
	audience, _, _ := strings.Cut(s.endpoint, "/send")
	if claims["aud"] != audience || claims["sub"] != "http://h.localhost:1" || int64(claims["exp"].(float64)) != begin().Add(12*time.Hour).Unix() {
		t.Errorf("claims: %v", claims)
	}
	for name, values := range got.header {
		if strings.Contains(strings.Join(values, " "), "owner") {
			t.Errorf("%s names the person", name)
		}
	}
	if again, err := p.PushKey(t.Context()); err != nil || again != key {
		t.Errorf("another key: %v", err)
	}
}

// verifyVAPID checks the header as a push service does (RFC 8292 §3, §4).
func verifyVAPID(t *testing.T, header, want string) (claims map[string]any) {
	t.Helper()
	rest, ok := strings.CutPrefix(header, "vapid t=")
	token, key, found := strings.Cut(rest, ", k=")
	parts := strings.Split(token, ".")
	if !ok || !found || key != want || len(parts) != 3 {
		t.Fatalf("authorization %q", header)
	}
	raw := func(s string) []byte {
		b, err := base64.RawURLEncoding.DecodeString(s)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	public, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), raw(key))
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	sig := raw(parts[2])
	if len(sig) != 64 || !ecdsa.Verify(public, sum[:], new(big.Int).SetBytes(sig[:32]), new(big.Int).SetBytes(sig[32:])) {
		t.Fatal("the token's signature does not verify")
	}
	if string(raw(parts[0])) != `{"typ":"JWT","alg":"ES256"}` {
		t.Errorf("header of the token: %s", raw(parts[0]))
	}
	if err := json.Unmarshal(raw(parts[1]), &claims); err != nil {
		t.Fatal(err)
	}
	return claims
}

func TestPushIsSeldom(t *testing.T) {
	t.Parallel()
	p, s, advance := subscribed(t)
	p.Ring(t.Context(), "somebody@h.localhost:1")
	due(t, p)
	s.none(t)
	for range 5 {
		p.Ring(t.Context(), rung)
	}
	due(t, p)
	<-s.got
	advance(ringPause - time.Second)
	p.Ring(t.Context(), rung)
	due(t, p)
	s.none(t)
	advance(time.Second)
	due(t, p) // what came in the pause is told at its end
	<-s.got
	advance(time.Hour)
	due(t, p)
	s.none(t)
}

func TestPushOfDeadSubscriptions(t *testing.T) {
	t.Parallel()
	for _, status := range []int{http.StatusNotFound, http.StatusGone} {
		p, s, advance := subscribed(t)
		s.status <- status
		p.Ring(t.Context(), rung)
		due(t, p)
		<-s.got
		advance(time.Hour)
		p.Ring(t.Context(), rung)
		due(t, p)
		s.none(t)
	}
}

func TestPushIsTriedAgainForAWhile(t *testing.T) {
	t.Parallel()
	p, s, advance := subscribed(t)
	for range ringTries {
		s.status <- http.StatusServiceUnavailable
	}
	p.Ring(t.Context(), rung)
	for range ringTries {
		due(t, p)
		<-s.got
		due(t, p)
		s.none(t)
		advance(ringPause)
	}
	p.Ring(t.Context(), rung)
	due(t, p)
	s.none(t)
}

func TestPushRunsByItself(t *testing.T) {
	t.Parallel()
	p, s, _ := subscribed(t)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { p.RunRings(ctx); close(done) }()
	p.Ring(t.Context(), rung)
	<-s.got
	cancel()
	<-done
}

func TestPushEndpoints(t *testing.T) {
	t.Parallel()
	p, _ := newPeer(t)
	far := New(Config{Authority: "h.example", Key: newKey(t), Store: p.cfg.Store, Clock: p.cfg.Clock, Log: p.cfg.Log})
	defer far.Close()
	for endpoint, ok := range map[string]bool{
		"https://push.example/send/abc": true, "http://push.example/send": false, "ftp://push.example/": false, "https://me@push.example/": false,
		"https:///send": false, "": false, "https://push.example/" + strings.Repeat("x", 1024): false, "https://push.example/#x": false, "http://push.localhost:9/": false,
	} {
		if err := far.CheckEndpoint(endpoint); (err == nil) != ok {
			t.Errorf("%.60q: %v", endpoint, err)
		}
	}
	if p.CheckEndpoint("http://push.localhost:9/") != nil {
		t.Error("a node under .localhost rings nobody on this machine")
	}
}

// TestPushReachesNoInnerAddress: an endpoint is a stranger's word, and this
// node's own network is not for strangers.
func TestPushReachesNoInnerAddress(t *testing.T) {
	t.Parallel()
	inner := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the inner server was reached") }))
	defer inner.Close()
	p, _ := newPeer(t)
	far := New(Config{Authority: "h.example", Key: newKey(t), Store: p.cfg.Store, Clock: p.cfg.Clock, Log: p.cfg.Log})
	defer far.Close()
	_, err := far.push(t.Context(), inner.URL+"/send")
	if !errors.Is(err, ErrPrivateAddress) {
		t.Errorf("error %v, want ErrPrivateAddress", err)
	}
}
