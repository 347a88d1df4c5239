package express

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"primum/internal/clock"
)

const knownAnswer = "HTTP/1.1 307 Temporary Redirect\r\nContent-Length: 0\r\nLocation: https://shop.example/\r\nX-By: express\r\n"

// world is an http.Server behind the listener: it answers what express leaves.
type world struct {
	address string
	refuse  atomic.Bool
	asked   atomic.Int64 // of net/http
	opened  atomic.Int64 // connections that net/http knows
}

func newWorld(t *testing.T) *world {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &world{address: l.Addr().String()}
	known := func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			w.opened.Add(1)
		}
	}
	s := &http.Server{ReadHeaderTimeout: time.Minute, ConnState: known, Handler: http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		w.asked.Add(1)
		b, _ := io.ReadAll(r.Body)
		out.Header().Set("X-By", "net/http")
		_, _ = fmt.Fprintf(out, "%s %s %s", r.Method, r.URL.Path, b)
	})}
	ended := make(chan error, 1)
	go func() {
		ended <- s.Serve(Listen(l, Config{
			Answer: func(q Question) []byte {
				if string(q.Path) == "/01/broken" {
					panic("broken")
				}
				if string(q.Path) != "/01/04012345999990" || bytes.Contains(q.Accept, []byte("linkset")) {
					return nil
				}
				return []byte(knownAnswer)
			},
			Admit: func(_, forwarded string) bool { return !w.refuse.Load() && forwarded != "192.0.2.1" },
			Clock: clock.Real(), Header: time.Minute, Idle: time.Minute,
		}))
	}()
	t.Cleanup(func() {
		_ = s.Close()
		if err := <-ended; err != http.ErrServerClosed {
			t.Error(err)
		}
	})
	return w
}

// client is a bare connection.
type client struct {
	t *testing.T
	net.Conn
	in *bufio.Reader
}

func (w *world) connect(t *testing.T) *client {
	t.Helper()
	c, err := new(net.Dialer).DialContext(t.Context(), "tcp", w.address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return &client{t, c, bufio.NewReader(c)}
}

func (c *client) send(text string) {
	c.t.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		c.t.Fatal(err)
	}
}

// want reads an answer and checks who gave it, and what.
func (c *client) want(by, body string) {
	c.t.Helper()
	resp, err := http.ReadResponse(c.in, nil)
	if err != nil {
		c.t.Fatal(err)
	}
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	if _, err := http.ParseTime(resp.Header.Get("Date")); err != nil || resp.Header.Get("X-By") != by || string(b) != body {
		c.t.Errorf("%d %v %q, not %q of %s", resp.StatusCode, resp.Header, b, body, by)
	}
}

const (
	plain = "GET /01/04012345999990 HTTP/1.1\r\nHost: h.example\r\nUser-Agent: x\r\nAccept: */*\r\n\r\n"
	other = "GET /other HTTP/1.1\r\nHost: h.example\r\n\r\n"
)

func TestKnownRequestsAreAnsweredAndOthersHandedOver(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.connect(t)
	for range 3 {
		c.send(plain)
		c.want("express", "")
	}
	// net/http counts the time of a request from when it gets the connection.
	if w.asked.Load() != 0 || w.opened.Load() != 0 {
		t.Error("net/http saw a request that express answered")
	}
	c.send(other)
	c.want("net/http", "GET /other ")
	c.send(plain) // once handed over, for good
	c.want("net/http", "GET /01/04012345999990 ")
}

func TestNobodyElseAnswersWhatIsNotWhole(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for name, text := range map[string]string{
		"two at once":       plain + plain,
		"one and a half":    plain + plain[:20],
		"a body":            "POST /01/04012345999990 HTTP/1.1\r\nHost: h.example\r\nContent-Length: 2\r\n\r\nhi",
		"a GET with a body": "GET /01/04012345999990 HTTP/1.1\r\nHost: h.example\r\nContent-Length: 2\r\n\r\nhi",
		"a linkset":         "GET /01/04012345999990 HTTP/1.1\r\nHost: h.example\r\nAccept: application/linkset+json\r\n\r\n",
	} {
		c := w.connect(t)
		c.send(text)
		switch name {
		case "two at once":
			c.want("net/http", "GET /01/04012345999990 ")
		case "one and a half":
			c.want("net/http", "GET /01/04012345999990 ")
			c.send(plain[20:])
		case "a body":
			c.want("net/http", "POST /01/04012345999990 hi")
			continue
		case "a GET with a body":
			c.want("net/http", "GET /01/04012345999990 hi")
			continue
		}
		c.want("net/http", "GET /01/04012345999990 ")
	}
}

func TestWhoComesTooOftenIsHandedOver(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.connect(t)
	c.send(plain)
	c.want("express", "")
	w.refuse.Store(true)
	c.send(plain)
	c.want("net/http", "GET /01/04012345999990 ")
	w.refuse.Store(false)
	c = w.connect(t)
	c.send(strings.Replace(plain, "Accept: */*", "X-Forwarded-For: 192.0.2.1", 1))
	c.want("net/http", "GET /01/04012345999990 ")
}

// TestAFailureEndsOneConnection: the node goes on.
func TestAFailureEndsOneConnection(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.connect(t)
	c.send(strings.Replace(plain, "/01/04012345999990", "/01/broken", 1))
	if b, err := io.ReadAll(c.in); err != nil || len(b) != 0 {
		t.Errorf("%q, %v", b, err)
	}
	c = w.connect(t)
	c.send(plain)
	c.want("express", "")
}

// TestHalvesBecomeOne sends a request in two parts, which may arrive as one:
// whoever answers, it is one answer.
func TestHalvesBecomeOne(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for cut := 1; cut < len(plain); cut += 7 {
		c := w.connect(t)
		c.send(plain[:cut])
		c.send(plain[cut:])
		resp, err := http.ReadResponse(c.in, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, resp.Body); err != nil || c.in.Buffered() != 0 {
			t.Errorf("cut at %d: %v, %d bytes too many", cut, err, c.in.Buffered())
		}
	}
}

// TestLargeRequestsArriveWhole sends more than the listener looks at.
func TestLargeRequestsArriveWhole(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.connect(t)
	body := strings.Repeat("0123456789", 10000)
	c.send(plain)
	c.want("express", "")
	c.send(fmt.Sprintf("POST /x HTTP/1.1\r\nHost: h.example\r\nContent-Length: %d\r\n\r\n%s", len(body), body))
	c.want("net/http", "POST /x "+body)
}

// FuzzParse compares with net/http: what is known by heart, net/http reads the
// same way, to the last byte, and without a body.
func FuzzParse(f *testing.F) {
	for _, s := range []string{
		plain, other, plain + plain, "", "GET / HTTP/1.1\r\n\r\n", "GET /x HTTP/1.0\r\nHost: a\r\n\r\n", "GET /x HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
		"GET /x HTTP/1.1\r\nHost: a\r\n continued\r\n\r\n", "GET /x HTTP/1.1\r\nHost : a\r\n\r\n", "GET /x HTTP/1.1\nHost: a\n\n", "GET  /x HTTP/1.1\r\nHost: a\r\n\r\n",
		"GET /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", "GET /%2e HTTP/1.1\r\nHost: a\r\n\r\n", "GET /x HTTP/1.1\r\nhost: a\r\nAccept-Language: de\r\nCONNECTION: Keep-Alive\r\n\r\n",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		q, forwarded, ok := parse(b)
		if !ok {
			return
		}
		in := bytes.NewReader(b)
		buffered := bufio.NewReader(in)
		r, err := http.ReadRequest(buffered)
		if err != nil {
			t.Fatalf("net/http refuses %q: %v", b, err)
		}
		if r.Method != http.MethodGet || r.URL.EscapedPath() != string(q.Path) || r.URL.RawQuery != "" || r.ContentLength != 0 || len(r.TransferEncoding) != 0 || r.Close {
			t.Fatalf("net/http reads %q as %+v", b, r)
		}
		if r.Header.Get("Accept") != string(q.Accept) || r.Header.Get("Accept-Language") != string(q.Language) {
			t.Fatalf("net/http reads the header of %q as %v", b, r.Header)
		}
		if all := r.Header.Values("X-Forwarded-For"); len(all) > 0 && all[len(all)-1] != string(forwarded) {
			t.Fatalf("forwarded for %q, not %q", forwarded, all)
		}
		if left := buffered.Buffered() + in.Len(); left != 0 {
			t.Fatalf("net/http leaves %d bytes of %q", left, b)
		}
	})
}

// TestClosingEndsWhatWaits closes the listener while a connection waits for its
// next request.
func TestClosingEndsWhatWaits(t *testing.T) {
	t.Parallel()
	inner, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := Listen(inner, Config{
		Answer: func(Question) []byte { return []byte(knownAnswer) }, Admit: func(string, string) bool { return true },
		Clock: clock.Real(), Header: time.Minute, Idle: time.Minute,
	})
	w := &world{address: inner.Addr().String()}
	c, silent := w.connect(t), w.connect(t)
	c.send(plain)
	c.want("express", "")
	for range 2 {
		_ = l.Close() // the second one says that it was closed
	}
	if _, err := l.Accept(); err != net.ErrClosed {
		t.Errorf("a closed listener accepts: %v", err)
	}
	for _, c := range []*client{c, silent} {
		if n, err := c.Conn.Read(make([]byte, 1)); n != 0 || err == nil {
			t.Errorf("a connection goes on after the end: %d, %v", n, err)
		}
	}
}
