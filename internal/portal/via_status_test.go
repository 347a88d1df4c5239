package portal_test

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"primum/internal/portal"
)

// A hostile node's status line is no reason to fail: net/http panics when it is
// to write a status below 100.
func TestViaOddStatus(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	odd := []string{"007", "099", "600", "999"}
	go func() {
		for _, status := range odd {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = c.Read(make([]byte, 4096))
			_, _ = io.WriteString(c, "HTTP/1.1 "+status+" Odd\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno")
			_ = c.Close()
		}
	}()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	p := carrying(t)
	for _, status := range odd {
		r := request("GET", "h.localhost:8401", "/via/s.localhost:"+port+"/v1/x", http.NoBody)
		for i, h := 0, page(); i < len(h); i += 2 {
			r.Header.Set(h[i], h[i+1])
		}
		w := httptest.NewRecorder()
		p.ServeHTTP(w, r)
		if w.Code != http.StatusBadGateway {
			t.Errorf("status %s became %d", status, w.Code)
		}
	}
}

// A refusal for too many requests of what is carried has no page's headers of
// its own; it must not be without any.
func TestViaTooManyHasHeaders(t *testing.T) {
	t.Parallel()
	p := carrying(t, func(c *portal.Config) {
		c.Admit = func(*http.Request) (time.Duration, bool) { return time.Second, false }
	})
	for _, target := range []string{"/via/s.localhost:1/v1/x", "/via-lan/127.0.0.1:1/v1/hello", "/my", "/nothing/../via/x"} {
		w := ask(p, "GET", target, page()...)
		if w.Code == http.StatusTooManyRequests && (w.Header().Get("X-Content-Type-Options") != "nosniff" || !strings.Contains(w.Header().Get("Content-Security-Policy"), "default-src 'none'")) {
			t.Errorf("%s: %v", target, w.Header())
		}
	}
}
