package portal_test

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
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
