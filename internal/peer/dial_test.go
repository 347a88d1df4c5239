package peer

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestDialerRefusesThisMachineOutsideLoopbackMode(t *testing.T) {
	t.Parallel()
	reached := false
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached = true }))
	t.Cleanup(srv.Close)
	_, port, err := net.SplitHostPort(srv.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	for _, host := range []string{"127.0.0.1", "h.localhost", "localhost", "H.LOCALHOST.", "::1", "0.0.0.0", "::ffff:127.0.0.1"} {
		conn, err := Dialer{}.DialContext(t.Context(), "tcp", net.JoinHostPort(host, port))
		if !errors.Is(err, ErrPrivateAddress) {
			t.Errorf("dial %s: %v, want ErrPrivateAddress", host, err)
		}
		if err == nil {
			_ = conn.Close()
		}
	}
	if reached {
		t.Error("the server was reached")
	}
}

func TestDialerTakesLocalNamesInLoopbackMode(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	_, port, _ := net.SplitHostPort(l.Addr().String())
	conn, err := Dialer{Loopback: true}.DialContext(context.Background(), "tcp", "some.name.localhost:"+port)
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.Close(); err != nil {
		t.Error(err)
	}
}

func TestRedirectsStayAtTheHost(t *testing.T) {
	t.Parallel()
	via := func(u string) []*http.Request { return []*http.Request{httptest.NewRequest("GET", u, nil)} }
	to := func(u string) *http.Request { return httptest.NewRequest("GET", u, nil) }
	if err := sameHost(to("https://a.example/y"), via("https://a.example/x")); err != nil {
		t.Errorf("same host: %v", err)
	}
	for _, u := range []string{"https://b.example/x", "http://a.example/x", "https://a.example:8443/x", "https://169.254.169.254/"} {
		if err := sameHost(to(u), via("https://a.example/x")); err == nil || !strings.Contains(err.Error(), "another host") {
			t.Errorf("redirect to %s was allowed", u)
		}
	}
}
