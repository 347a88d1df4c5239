package node

import (
	"bufio"
	"context"
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"primum/identity"
	"primum/internal/peer"
	"primum/internal/sign"
	"primum/internal/wire"
)

// childDir names the data directory of a node that this test binary shall be,
// in a process of its own.
const childDir = "PRIMUM_TEST_NODE_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		beNode(dir)
		return
	}
	if authority := os.Getenv(childLoad); authority != "" {
		beLoad(authority)
		return
	}
	if os.Getenv(childBare) != "" {
		beBare()
		return
	}
	os.Exit(m.Run())
}

// beNode serves until its standard input ends; SIGUSR1 collects garbage.
func beNode(dir string) {
	n, err := Open(context.Background(), Config{Authority: "h.localhost", Listen: "127.0.0.1:0", DataDir: dir})
	if err != nil {
		panic(err)
	}
	collect := make(chan os.Signal, 1)
	signal.Notify(collect, syscall.SIGUSR1)
	go func() {
		for range collect {
			runtime.GC()
			debug.FreeOSMemory()
			fmt.Println("collected")
		}
	}()
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	fmt.Println(n.Authority())
	if err := n.Serve(ctx); err != nil {
		panic(err)
	}
	if err := n.Close(); err != nil {
		panic(err)
	}
}

// child is a node in a process of its own.
type child struct {
	t         testing.TB
	cmd       *exec.Cmd
	out       *bufio.Reader
	authority string
	began     time.Time
}

func startChild(t testing.TB, dir string) *child {
	t.Helper()
	c := &child{t: t, cmd: exec.CommandContext(t.Context(), os.Args[0])}
	c.cmd.Env = append(os.Environ(), childDir+"="+dir)
	c.start()
	c.authority = c.line()
	return c
}

// start starts the process, which lives until its standard input is closed.
func (c *child) start() (in io.Closer) {
	c.t.Helper()
	c.cmd.Stderr = os.Stderr
	input, err := c.cmd.StdinPipe()
	if err != nil {
		c.t.Fatal(err)
	}
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		c.t.Fatal(err)
	}
	c.began = time.Now()
	if err := c.cmd.Start(); err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() {
		_ = input.Close()
		if err := c.cmd.Wait(); err != nil && c.t.Context().Err() == nil {
			c.t.Errorf("child process: %v", err)
		}
	})
	c.out = bufio.NewReader(out)
	return input
}

func (c *child) line() string {
	c.t.Helper()
	s, err := c.out.ReadString('\n')
	if err != nil {
		c.t.Fatal(err)
	}
	return strings.TrimSpace(s)
}

// resident is the process's resident memory in bytes, after a collection.
func (c *child) resident() int64 {
	c.t.Helper()
	if err := c.cmd.Process.Signal(syscall.SIGUSR1); err != nil {
		c.t.Fatal(err)
	}
	if s := c.line(); s != "collected" {
		c.t.Fatalf("the node says %q", s)
	}
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", c.cmd.Process.Pid))
	if err != nil {
		c.t.Skip("no /proc here: resident memory is not measured")
	}
	_, rest, _ := strings.Cut(string(b), "VmRSS:")
	kb, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
	if err != nil {
		c.t.Fatal(err)
	}
	return kb << 10
}

func (c *child) client() *http.Client {
	tr := &http.Transport{DialContext: peer.Dialer{Loopback: true}.DialContext}
	c.t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr}
}

// firstAnswer is the time from the start of the process to an answer.
func (c *child) firstAnswer(hc *http.Client) time.Duration {
	c.t.Helper()
	resp, err := hc.Get("http://" + c.authority + "/healthz")
	if err != nil {
		c.t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		c.t.Fatalf("the node answers %s", resp.Status)
	}
	return time.Since(c.began)
}

// TestIdleNodeIsSmall measures a node in a process of its own: resident memory
// when idle, and its growth over 1,000 live sockets that still deliver.
func TestIdleNodeIsSmall(t *testing.T) {
	if raced {
		t.Skip("memory is not measured under the race detector")
	}
	c := startChild(t, filepath.Join(t.TempDir(), "node"))
	hc := c.client()
	t.Logf("first answer after %v", c.firstAnswer(hc).Round(time.Millisecond))
	idle := c.resident()
	t.Logf("idle: %.1f MB resident", float64(idle)/1e6)
	if idle > 42e6 { // the bar is 40 on a quiet machine (make bench); most of it are pages of the program's file
		t.Errorf("idle node: %.1f MB resident, want at most 42", float64(idle)/1e6)
	}
	const n = 1000
	a := c.join(hc)
	c.socket(hc, a)
	before := c.resident()
	var conns []net.Conn
	for range n {
		conns = append(conns, c.socket(hc, a))
	}
	per := (c.resident() - before) / n
	t.Logf("growth per live socket: %.1f KB over %d", float64(per)/1e3, n)
	if per > 20<<10 {
		t.Errorf("growth per live socket: %d bytes, want at most %d", per, 20<<10)
	}
	for i, conn := range conns {
		if i%100 == 0 {
			c.answers(conn)
		}
		_ = conn.Close()
	}
}

// answers asks for the inbox in a frame masked with zeros, and reads the ok.
func (c *child) answers(conn net.Conn) {
	c.t.Helper()
	text := `{"t":"inbox","ref":7}`
	frame := append([]byte{0x81, 0x80 | byte(len(text)), 0, 0, 0, 0}, text...)
	if _, err := conn.Write(frame); err != nil {
		c.t.Fatal(err)
	}
	b := make([]byte, 512)
	n, err := conn.Read(b)
	if err != nil || !strings.Contains(string(b[:n]), `"t":"ok","ref":7`) {
		c.t.Errorf("an idle socket answers %q, %v", b[:n], err)
	}
}

type guest struct {
	id  string
	key ed25519.PrivateKey
}

func (c *child) join(hc *http.Client) guest {
	c.t.Helper()
	key := func() ed25519.PrivateKey {
		_, k, err := ed25519.GenerateKey(nil)
		if err != nil {
			c.t.Fatal(err)
		}
		return k
	}
	public := func(k ed25519.PrivateKey) []byte { return k.Public().(ed25519.PublicKey) }
	addr, err := identity.ParseAddress("owner@" + c.authority)
	if err != nil {
		c.t.Fatal(err)
	}
	now := time.Now().UTC().Truncate(time.Second)
	id, err := identity.NewID(nil, now)
	if err != nil {
		c.t.Fatal(err)
	}
	ident, client := key(), key()
	doc, err := identity.Sign(identity.Document{
		ID: id, Address: addr, Kind: identity.Person, IdentityKey: public(ident), RecoveryKey: public(key()), Version: 1,
		Clients: []identity.Client{{Name: "phone", Key: public(client), InboxKey: []byte(strings.Repeat("i", 32)), Suites: []uint16{1}, Added: now}},
		Issued:  now, Expires: now.Add(identity.MaxValidity),
	}, ident)
	if err != nil {
		c.t.Fatal(err)
	}
	b, _ := json.Marshal(wire.NewAccount{Identity: doc})
	resp, err := hc.Post("http://"+c.authority+"/v1/accounts", "application/json", strings.NewReader(string(b)))
	if err != nil || resp.StatusCode != http.StatusNoContent {
		c.t.Fatalf("account: %v, %v", resp, err)
	}
	_ = resp.Body.Close()
	return guest{id: identity.ClientKeyID(addr, "phone"), key: client}
}

// socket opens a live socket by hand, so that the measuring process stays
// small, and reads the hello.
func (c *child) socket(hc *http.Client, g guest) net.Conn {
	c.t.Helper()
	target := "http://" + c.authority + "/v1/live"
	req, err := http.NewRequest(http.MethodPost, target, http.NoBody)
	if err != nil {
		c.t.Fatal(err)
	}
	h, err := sign.Headers(sign.Request{Method: "POST", TargetURI: target}, g.id, g.key, time.Now(), sign.NewNonce())
	if err != nil {
		c.t.Fatal(err)
	}
	for k, v := range h {
		req.Header.Set(k, v)
	}
	resp, err := hc.Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	var tk wire.Ticket
	err = json.NewDecoder(resp.Body).Decode(&tk)
	_ = resp.Body.Close()
	if err != nil || tk.Ticket == "" {
		c.t.Fatalf("ticket: %d, %v", resp.StatusCode, err)
	}
	conn, err := peer.Dialer{Loopback: true}.DialContext(c.t.Context(), "tcp", c.authority)
	if err != nil {
		c.t.Fatal(err)
	}
	_, err = fmt.Fprintf(conn, "GET /v1/live HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Protocol: %s, %s%s\r\n\r\n",
		c.authority, wire.Subprotocol, wire.TicketPrefix, tk.Ticket)
	if err != nil {
		c.t.Fatal(err)
	}
	c.hello(conn)
	return conn
}

func (c *child) hello(conn net.Conn) {
	c.t.Helper()
	var got []byte
	b := make([]byte, 2048)
	for !strings.Contains(string(got), `"t":"hello"`) {
		n, err := conn.Read(b)
		if err != nil {
			c.t.Fatalf("hello: %v after %q", err, got)
		}
		got = append(got, b[:n]...)
	}
}
