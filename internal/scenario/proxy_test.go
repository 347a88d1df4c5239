package scenario

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/coder/websocket"

	"primum/internal/clock"
	"primum/internal/node"
	"primum/internal/wire"
)

// verdict is what a dishonest node does with a frame.
type verdict int

const (
	pass    verdict = iota
	swallow         // it is gone; who sent it is told that all is well
)

// badNode is a real node behind a proxy of the test, which is all that clients
// and things ever reach: together they are a node that lies.
type badNode struct {
	*node.Node
	inner string // host:port of the real node

	mu      sync.Mutex
	tickets map[string]string // key id of who got a ticket
	// request sees a request before the node does, and may answer it.
	request func(who, path string, body []byte, w http.ResponseWriter) bool
	// answer sees the node's answer before who asked does, and may change it.
	answer func(who string, asked []byte, resp *http.Response, body []byte) []byte
	// up and down see frames, by the key id of the session.
	up, down func(who string, f wire.Frame) verdict
	sessions map[string]*relayed // newest session of each key id
}

// relayed is one live socket through the proxy.
type relayed struct {
	mu sync.Mutex // one writer to the client
	c  *websocket.Conn
}

func (r *relayed) write(ctx context.Context, kind websocket.MessageType, b []byte) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.c.Write(ctx, kind, b)
}

// startBadNode starts a node on another address of the loopback, and the proxy
// on the one that its name leads to.
func startBadNode(t *testing.T, c clock.Clock) *badNode {
	t.Helper()
	return startBadNodeWith(t, node.Config{Clock: c})
}

// startBadNodeWith is startBadNode of a config without names.
func startBadNodeWith(t *testing.T, cfg node.Config) *badNode {
	t.Helper()
	outer, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(outer.Addr().String())
	cfg.Authority, cfg.Listen, cfg.DataDir = "h.localhost:"+port, "127.0.0.2:0", filepath.Join(t.TempDir(), "node")
	n, err := node.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	b := &badNode{Node: n, inner: n.Addr(), tickets: map[string]string{}, sessions: map[string]*relayed{}}
	server := &http.Server{Handler: b}
	go func() { _ = server.Serve(outer) }()
	done := make(chan error, 1)
	go func() { done <- n.Serve(context.Background()) }()
	t.Cleanup(func() {
		_ = server.Close()
		_ = n.Close()
		<-done
	})
	return b
}

// lie changes what the node does.
func (b *badNode) lie(change func(*badNode)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	change(b)
}

func (b *badNode) rules() (request func(string, string, []byte, http.ResponseWriter) bool, up, down func(string, wire.Frame) verdict) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.request, b.up, b.down
}

var keyIDOf = regexp.MustCompile(`keyid="([^"]+)"`)

func signer(r *http.Request) string {
	if m := keyIDOf.FindStringSubmatch(r.Header.Get("Signature-Input")); m != nil {
		return m[1]
	}
	return ""
}

func (b *badNode) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodGet && r.URL.Path == "/v1/live" {
		b.live(w, r)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	who := signer(r)
	request, _, _ := b.rules()
	if request != nil && request(who, r.URL.Path, body, w) {
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: b.inner})
	proxy.ModifyResponse = func(resp *http.Response) error { return b.answered(who, body, resp) }
	proxy.ServeHTTP(w, r) // it keeps the Host header, which is signed
}

// answered remembers whose session a ticket opens, and lets an answer be changed.
func (b *badNode) answered(who string, asked []byte, resp *http.Response) error {
	var change func(string, []byte, *http.Response, []byte) []byte
	b.lie(func(b *badNode) { change = b.answer })
	ticket := resp.Request.URL.Path == "/v1/live"
	if !ticket && change == nil {
		return nil
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	var t wire.Ticket
	if ticket && json.Unmarshal(body, &t) == nil {
		b.lie(func(b *badNode) { b.tickets[t.Ticket] = who })
	}
	if change != nil {
		body = change(who, asked, resp, body)
		resp.Header.Set("Content-Length", strconv.Itoa(len(body)))
		resp.ContentLength = int64(len(body))
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	return nil
}

// live carries a live socket, frame by frame.
func (b *badNode) live(w http.ResponseWriter, r *http.Request) {
	offered := strings.Split(strings.ReplaceAll(r.Header.Get("Sec-WebSocket-Protocol"), " ", ""), ",")
	who := ""
	for _, p := range offered {
		if ticket, ok := strings.CutPrefix(p, wire.TicketPrefix); ok {
			b.lie(func(b *badNode) { who = b.tickets[ticket] })
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	far, _, err := websocket.Dial(ctx, "ws://"+b.inner+"/v1/live", &websocket.DialOptions{Subprotocols: offered, Host: r.Host})
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	defer func() { _ = far.CloseNow() }()
	near, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{wire.Subprotocol}})
	if err != nil {
		return
	}
	defer func() { _ = near.CloseNow() }()
	far.SetReadLimit(4 << 20)
	near.SetReadLimit(4 << 20)
	s := &relayed{c: near}
	b.lie(func(b *badNode) { b.sessions[who] = s })
	go func() {
		defer cancel()
		b.carryDown(ctx, who, far, s)
	}()
	b.carryUp(ctx, who, s, far)
}

func (b *badNode) carryDown(ctx context.Context, who string, far *websocket.Conn, near *relayed) {
	for {
		kind, data, err := far.Read(ctx)
		if err != nil {
			_ = near.c.CloseNow()
			return
		}
		if f, err := wire.ParseFrame(data); kind == websocket.MessageBinary && err == nil {
			if _, _, down := b.rules(); down != nil && down(who, f) == swallow {
				continue
			}
		}
		if near.write(ctx, kind, data) != nil {
			return
		}
	}
}

func (b *badNode) carryUp(ctx context.Context, who string, near *relayed, far *websocket.Conn) {
	for {
		kind, data, err := near.c.Read(ctx)
		if err != nil {
			return
		}
		if f, err := wire.ParseFrame(data); kind == websocket.MessageBinary && err == nil {
			if _, up, _ := b.rules(); up != nil && up(who, f) == swallow {
				ack, _ := json.Marshal(wire.Control{Type: wire.CtlAck, Ref: f.Number, Seq: 1 << 20})
				_ = near.write(ctx, websocket.MessageText, ack)
				continue
			}
		}
		if far.Write(ctx, kind, data) != nil {
			return
		}
	}
}

// play sends a frame to whoever has a session under a key id.
func (b *badNode) play(t *testing.T, who string, f wire.Frame) {
	t.Helper()
	var s *relayed
	b.lie(func(b *badNode) { s = b.sessions[who] })
	if s == nil {
		t.Fatalf("%s has no session", who)
	}
	if err := s.write(t.Context(), websocket.MessageBinary, f.AppendTo(nil)); err != nil {
		t.Fatal(err)
	}
}
