package httpdoor_test

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"primum/identity"
	httpdoor "primum/internal/door/http"
	"primum/internal/sign"
	"primum/internal/wire"
)

func TestSignedRequestRefusals(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "h.localhost")
	a, b := w.join("owner"), w.join("friend")
	get := request{method: "GET", path: "/v1/key-packages"}
	w.want(200, w.do(a.signs(get)))

	w.refused(wire.ProbUnsigned, w.do(get))
	wrongKey := a.signs(get)
	wrongKey.key = b.key
	w.refused(wire.ProbBadSignature, w.do(wrongKey))
	elsewhere := a.signs(get)
	elsewhere.target = "http://s.localhost:1/v1/key-packages"
	w.refused(wire.ProbBadSignature, w.do(elsewhere))
	otherPath := a.signs(get)
	otherPath.target = w.node.BaseURL() + "/v1/inbox"
	w.refused(wire.ProbBadSignature, w.do(otherPath))
	unknown := a.signs(get)
	unknown.keyID = identity.ClientKeyID(a.addr, "laptop")
	w.refused(wire.ProbBadSignature, w.do(unknown))
	nobody := a.signs(get)
	nobody.keyID = strings.Replace(a.keyID(), "owner", "nobody", 1)
	w.refused(wire.ProbBadSignature, w.do(nobody))
	garbled := a.signs(get)
	garbled.header = map[string]string{sign.HeaderInput: `sig1=("@method");created=1`}
	w.refused(wire.ProbUnsigned, w.do(garbled))
	noKeyID := a.signs(get)
	noKeyID.keyID = "somebody"
	w.refused(wire.ProbUnsigned, w.do(noKeyID))
	node := a.signs(get)
	node.keyID = identity.NodeKeyID("s.localhost", "k1")
	w.refused(wire.ProbForbidden, w.do(node))
	anchor := a.signs(get)
	anchor.keyID = identity.CircleKeyID(strings.Repeat("0", 32))
	w.refused(wire.ProbForbidden, w.do(anchor))

	once := a.signs(get)
	once.nonce = "the-same-nonce"
	w.want(200, w.do(once))
	w.refused(wire.ProbReplay, w.do(once))

	body := a.signs(request{method: "POST", path: "/v1/refusals", json: wire.NewRefusal{From: b.addr.String(), Until: w.clock.Now().Add(time.Hour)}})
	body.signedBody = []byte(`{}`)
	w.refused(wire.ProbBadSignature, w.do(body))
}

func TestClockSkewTellsTheTime(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "h.localhost")
	a := w.join("owner")
	for _, off := range []time.Duration{-6 * time.Minute, 6 * time.Minute} {
		r := a.signs(request{method: "GET", path: "/v1/key-packages"})
		r.at = w.clock.Now().Add(off)
		p := w.refused(wire.ProbClockSkew, w.do(r))
		if p.Now == nil || !p.Now.Equal(w.clock.Now()) {
			t.Errorf("the problem says %v, want the node's time", p.Now)
		}
	}
	ok := a.signs(request{method: "GET", path: "/v1/key-packages"})
	ok.at = w.clock.Now().Add(-4 * time.Minute)
	w.want(200, w.do(ok))
}

func TestLimitsSayWhenToComeAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "h.localhost", tight(func(l *httpdoor.Limits) {
		l.Address = httpdoor.Rate{PerSecond: 1, Burst: 12}
		l.Account = httpdoor.Rate{PerSecond: 0.5, Burst: 3}
		l.Sign = httpdoor.Rate{PerSecond: 0.1, Burst: 2}
	}))
	a := w.join("owner")
	w.join("friend")
	third := w.prepare("third")
	w.refused(wire.ProbTooMany, w.do(request{method: "POST", path: "/v1/accounts", json: wire.NewAccount{Identity: third.doc.Compact()}}))
	get := a.signs(request{method: "GET", path: "/v1/key-packages"})
	for range 3 {
		w.want(200, w.do(get))
	}
	p := w.refused(wire.ProbTooMany, w.do(get))
	if p.Retry != 2 {
		t.Errorf("retry after %d s, want 2", p.Retry)
	}
	w.clock.Advance(2 * time.Second)
	w.want(200, w.do(get))
	for range 20 {
		if r := w.do(request{method: "GET", path: "/healthz"}); r.status == http.StatusTooManyRequests {
			if n, err := strconv.Atoi(r.header.Get("Retry-After")); err != nil || n < 1 {
				t.Errorf("Retry-After %q", r.header.Get("Retry-After"))
			}
			return
		}
	}
	t.Error("the limit of the address was never reached")
}

func TestTooLargeRequests(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "h.localhost")
	a := w.join("owner")
	big := a.signs(request{method: "POST", path: "/v1/outbox", body: make([]byte, wire.MaxBody+1), kind: "application/json"})
	w.refused(wire.ProbTooLarge, w.do(big))
	long := a.signs(request{method: "GET", path: "/v1/key-packages"})
	long.header = map[string]string{"X-Long": strings.Repeat("x", 64<<10)}
	if r := w.do(long); r.status != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("64 KiB of headers: status %d", r.status)
	}
	wrongType := a.signs(request{method: "POST", path: "/v1/outbox", body: []byte(`{}`), kind: "text/plain"})
	w.refused(wire.ProbMalformed, w.do(wrongType))
}

func TestInboxAtOneNode(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "h.localhost")
	a, b := w.join("owner"), w.join("friend")
	s := sealedTo(a, b, wire.InboxOffer, w.clock.Now())
	send := a.signs(request{method: "POST", path: "/v1/outbox", json: s})
	w.want(202, w.do(send))
	w.want(202, w.do(send)) // the same document again is one item
	read := func(who *account, q string) wire.Inbox {
		return into[wire.Inbox](t, w.want(200, w.do(who.signs(request{method: "GET", path: "/v1/inbox" + q}))))
	}
	in := read(b, "")
	if len(in.Items) != 1 || in.Head != 1 || in.Items[0].Seq != 1 || in.Items[0].ID == "" {
		t.Fatalf("inbox: %+v", in)
	}
	var got wire.Sealed
	if err := json.Unmarshal(in.Items[0].Sealed, &got); err != nil || got.From != a.addr.String() || len(got.Copies) != 1 {
		t.Errorf("item: %+v, %v", got, err)
	}
	if in := read(b, "?after=1"); len(in.Items) != 0 || in.Head != 1 {
		t.Errorf("after the cursor: %+v", in)
	}
	if in := read(a, ""); len(in.Items) != 0 {
		t.Errorf("the sender's inbox: %+v", in)
	}
	w.refused(wire.ProbMalformed, w.do(b.signs(request{method: "GET", path: "/v1/inbox?after=-1"})))
	w.clock.Advance(2 * time.Hour)
	if in := read(b, ""); len(in.Items) != 0 {
		t.Errorf("an expired item is shown: %+v", in)
	}
}

func TestOutboxRefusals(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "h.localhost")
	a, b := w.join("owner"), w.join("friend")
	now := w.clock.Now()
	change := func(f func(*wire.Sealed)) wire.Sealed {
		s := sealedTo(a, b, wire.InboxOffer, now)
		f(&s)
		return s
	}
	for name, c := range map[string]struct {
		s       wire.Sealed
		want    string
		pointer string
	}{
		"another's name":  {change(func(s *wire.Sealed) { s.From = b.addr.String() }), wire.ProbForbidden, "/from"},
		"no sender":       {change(func(s *wire.Sealed) { s.From = "" }), wire.ProbMalformed, "/from"},
		"no recipient":    {change(func(s *wire.Sealed) { s.To = "x" }), wire.ProbMalformed, "/to"},
		"unknown":         {change(func(s *wire.Sealed) { s.To = "nobody@" + w.node.Authority() }), wire.ProbNotFound, ""},
		"kind":            {change(func(s *wire.Sealed) { s.Kind = "spam" }), wire.ProbMalformed, "/kind"},
		"expired":         {change(func(s *wire.Sealed) { s.Expires = now }), wire.ProbExpired, "/expires"},
		"lives too long":  {change(func(s *wire.Sealed) { s.Expires = now.Add(40 * 24 * time.Hour) }), wire.ProbMalformed, "/expires"},
		"no copies":       {change(func(s *wire.Sealed) { s.Copies = nil }), wire.ProbMalformed, "/copies"},
		"copy to nobody":  {change(func(s *wire.Sealed) { s.Copies[0].Client = "" }), wire.ProbMalformed, "/copies/0"},
		"empty box":       {change(func(s *wire.Sealed) { s.Copies[0].Box = nil }), wire.ProbMalformed, "/copies/0"},
		"long encapsulat": {change(func(s *wire.Sealed) { s.Copies[0].Enc = make([]byte, 65) }), wire.ProbMalformed, "/copies/0"},
	} {
		p := into[wire.Problem](t, w.do(a.signs(request{method: "POST", path: "/v1/outbox", json: c.s})))
		if !p.Named(c.want) || p.Pointer != c.pointer {
			t.Errorf("%s: %s at %q, want %s at %q", name, p.Type, p.Pointer, c.want, c.pointer)
		}
	}
	in := into[wire.Inbox](t, w.do(b.signs(request{method: "GET", path: "/v1/inbox"})))
	if in.Head != 0 {
		t.Errorf("refused documents reached the inbox: %+v", in)
	}
}
