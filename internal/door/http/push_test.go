package httpdoor_test

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	httpdoor "primum/internal/door/http"
	"primum/internal/wire"
)

// TestArrivalRings is the whole way: subscribe, something arrives, the client
// is rung without a word of what; after the end of the subscription it is not.
func TestArrivalRings(t *testing.T) {
	t.Parallel()
	rung := make(chan string, 10)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		rung <- string(b)
		w.WriteHeader(http.StatusCreated)
	}))
	t.Cleanup(srv.Close)
	_, port, err := net.SplitHostPort(srv.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	endpoint := "http://push.localhost:" + port + "/send"
	w := newWorld(t, "h.localhost")
	a, b := w.join("owner"), w.join("friend")
	key := into[wire.PushKey](t, w.want(200, w.own(b, "GET", "/v1/push", nil)))
	if key.On || len(key.Key) != 87 {
		t.Errorf("push key: %+v", key)
	}
	subscription := map[string]any{"endpoint": endpoint, "expirationTime": nil, "keys": map[string]string{"p256dh": "x", "auth": "y"}}
	w.want(204, w.own(b, "PUT", "/v1/push", subscription))
	if again := into[wire.PushKey](t, w.want(200, w.own(b, "GET", "/v1/push", nil))); !again.On || again.Key != key.Key {
		t.Errorf("push key after the subscription: %+v", again)
	}
	w.want(202, w.own(a, "POST", "/v1/outbox", sealedTo(a, b, wire.InboxOffer, w.clock.Now())))
	if body := <-rung; body != "" {
		t.Errorf("the push says %q", body)
	}
	w.want(204, w.own(b, "DELETE", "/v1/push", nil))
	if k := into[wire.PushKey](t, w.want(200, w.own(b, "GET", "/v1/push", nil))); k.On {
		t.Error("still subscribed")
	}
	for endpoint, want := range map[string]string{"": wire.ProbMalformed, "http://push.example/": wire.ProbMalformed, "https://" + strings.Repeat("x", 5000): wire.ProbTooLarge} {
		w.refused(want, w.own(b, "PUT", "/v1/push", map[string]any{"endpoint": endpoint}))
	}
	w.refused(wire.ProbUnsigned, w.do(request{method: "PUT", path: "/v1/push", json: subscription}))
}

// TestPushesMadeAnewAreLimited: a subscription that is ended and made again is
// rung at once; without a limit a node could be made to send without pause,
// wherever the caller likes.
func TestPushesMadeAnewAreLimited(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "h.localhost", tight(func(l *httpdoor.Limits) { l.Pushes = httpdoor.Rate{PerSecond: 1.0 / 300, Burst: 2} }))
	a := w.join("owner")
	subscription := map[string]any{"endpoint": "https://push.example/x"}
	for range 2 {
		w.want(204, w.own(a, "PUT", "/v1/push", subscription))
		w.want(204, w.own(a, "DELETE", "/v1/push", nil))
	}
	if p := w.refused(wire.ProbTooMany, w.own(a, "PUT", "/v1/push", subscription)); p.Retry == 0 {
		t.Error("it does not say how long to wait")
	}
	w.want(204, w.own(w.join("other"), "PUT", "/v1/push", subscription))
}

// TestDroppedClientLosesItsSession: the cookie of a client that is no longer on
// the list carries nothing.
func TestDroppedClientLosesItsSession(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "h.localhost")
	a := w.join("owner")
	cookie := cookieOf(t, w.want(204, w.own(a, "POST", "/v1/session", nil)))
	carried := func() response {
		return w.do(request{method: "GET", path: "/via/s.localhost:1/v1/x", header: map[string]string{
			"Cookie": cookie.Name + "=" + cookie.Value, "Sec-Fetch-Site": "same-origin",
		}})
	}
	w.refused(wire.ProbUnreachable, carried())
	w.refused(wire.ProbUnsigned, w.do(request{method: "GET", path: "/via/s.localhost:1/v1/x", header: map[string]string{"Sec-Fetch-Site": "same-origin"}}))
	before := *a
	next, err := a.doc.Next(w.clock.Now())
	if err != nil {
		t.Fatal(err)
	}
	tablet := next.Clients[0]
	tablet.Name, tablet.Key = "tablet", pub(newKey(t))
	next.Clients = append(next.Clients[:0:0], tablet)
	a.sign(t, next)
	w.want(204, w.do(request{method: "PUT", path: "/v1/identity/owner", body: []byte(a.doc.Compact()), kind: wire.JOSE}))
	w.refused(wire.ProbUnsigned, carried())
	w.refused(wire.ProbBadSignature, w.own(&before, "POST", "/v1/session", nil))
}

func TestSessionEndsByTimeAndByWord(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "h.localhost")
	a := w.join("owner")
	open := func() *http.Cookie { return cookieOf(t, w.want(204, w.own(a, "POST", "/v1/session", nil))) }
	carried := func(c *http.Cookie) response {
		return w.do(request{method: "GET", path: "/via/s.localhost:1/v1/x", header: map[string]string{
			"Cookie": c.Name + "=" + c.Value, "Sec-Fetch-Site": "same-origin",
		}})
	}
	first := open()
	second := open()
	w.refused(wire.ProbUnreachable, carried(first)) // under way while the newer one came
	w.clock.Advance(wire.SessionLife / 12)
	w.refused(wire.ProbUnsigned, carried(first))
	w.refused(wire.ProbUnreachable, carried(second))
	w.clock.Advance(wire.SessionLife)
	w.refused(wire.ProbUnsigned, carried(second))
	third := open()
	w.want(204, w.own(a, "DELETE", "/v1/session", nil))
	w.refused(wire.ProbUnsigned, carried(third))
}
