package httpdoor_test

import (
	"bytes"
	"crypto/ed25519"
	"net/http"
	"strings"
	"testing"
	"time"

	"primum/client/guest"
	"primum/identity"
	httpdoor "primum/internal/door/http"
	"primum/internal/wire"
)

// linked is a link made by an account, and what it takes to answer it.
type linked struct {
	owner guest.Owner
	path  string
}

func (w *world) link(a *account, life time.Duration) linked {
	w.t.Helper()
	l, err := guest.New(nil, w.node.Authority())
	if err != nil {
		w.t.Fatal(err)
	}
	o := guest.Owner{
		Link: l, Expires: w.clock.Now().Add(life),
		Self: guest.Party{Account: a.addr, Key: pub(a.ident), Nonce: bytes.Repeat([]byte{7}, 32)},
	}
	offer, err := o.Offer()
	if err != nil {
		w.t.Fatal(err)
	}
	k := linked{o, "/v1/links/" + l.ID.String()}
	w.want(204, w.do(a.signs(request{method: "PUT", path: k.path, json: offer})))
	return k
}

func (w *world) status(k linked) wire.LinkStatus {
	w.t.Helper()
	return into[wire.LinkStatus](w.t, w.want(200, w.do(request{method: "GET", path: k.path})))
}

// guest makes the keys of somebody who has the link.
func (w *world) guest(k linked, change func(*identity.Document)) (*account, guest.Visitor, wire.LinkAnswer) {
	w.t.Helper()
	v, err := guest.Look(k.owner.Link, w.status(k))
	if err != nil {
		w.t.Fatal(err)
	}
	a := w.prepare(v.Self.Account.User)
	v.Self.Key, v.Self.Nonce = pub(a.ident), pub(newKey(w.t))
	d := a.doc.Document()
	if d.Link, err = v.Mark(); err != nil {
		w.t.Fatal(err)
	}
	if change != nil {
		change(&d)
	}
	a.sign(w.t, d)
	answer, err := v.Answer(a.doc.Compact())
	if err != nil {
		w.t.Fatal(err)
	}
	return a, v, answer
}

func (w *world) answer(k linked, a wire.LinkAnswer) response {
	w.t.Helper()
	return w.do(request{method: "POST", path: k.path + "/answer", json: a})
}

func TestLinkGoesItsWay(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "h.localhost")
	owner := w.join("owner")
	k := w.link(owner, time.Hour)
	g, v, answer := w.guest(k, nil)
	met := w.met(owner, k, answer)
	words, key, err := v.Compare(w.status(k))
	if err != nil || words != met.Words || !bytes.Equal(key, pub(owner.ident)) {
		t.Fatalf("guest sees %q (%v), owner %q", words, err, met.Words)
	}
	w.want(200, w.do(g.signs(request{method: "GET", path: "/v1/inbox"})))
	// Unconfirmed, it ends with the link, and never comes again.
	w.clock.Advance(2 * time.Hour)
	w.ended(k, g, wire.LinkExpired)
	w.refused(wire.ProbExpired, w.answer(k, answer))
	offer, err := k.owner.Offer()
	if err != nil {
		t.Fatal(err)
	}
	offer.Expires = w.clock.Now().Add(time.Hour)
	w.refused(wire.ProbConflict, w.do(owner.signs(request{method: "PUT", path: k.path, json: offer})))
}

// met answers a link as a guest and reveals as its owner, each twice.
func (w *world) met(owner *account, k linked, answer wire.LinkAnswer) guest.Met {
	w.t.Helper()
	w.want(204, w.answer(k, answer))
	w.want(204, w.answer(k, answer))
	met, reveal, err := k.owner.Meet(w.status(k))
	if err != nil {
		w.t.Fatal(err)
	}
	r := owner.signs(request{method: "POST", path: k.path + "/reveal", json: reveal})
	w.want(204, w.do(r))
	w.want(204, w.do(r))
	reveal.MAC = bytes.Repeat([]byte{1}, 32)
	w.refused(wire.ProbConflict, w.do(owner.signs(request{method: "POST", path: k.path + "/reveal", json: reveal})))
	return met
}

// ended waits until nothing of a guest is left but its name.
func (w *world) ended(k linked, g *account, reason string) {
	w.t.Helper()
	gone := func() bool {
		return w.do(request{method: "GET", path: "/v1/identity/" + g.addr.User}).status == http.StatusNotFound
	}
	for end := time.Now().Add(20 * time.Second); !gone(); {
		if time.Now().After(end) {
			w.t.Fatal("the guest's identity is still there")
		}
	}
	w.refused(wire.ProbBadSignature, w.do(g.signs(request{method: "GET", path: "/v1/inbox"})))
	s := w.status(k)
	if s.Step != wire.LinkEnded || s.Reason != reason || s.Owner != "" || s.Answer != nil || s.Reveal != nil || len(s.MAC) > 0 {
		w.t.Errorf("left of the link: %+v", s)
	}
}

func TestLinkIsForOne(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "h.localhost")
	k := w.link(w.join("owner"), time.Hour)
	thief, _, first := w.guest(k, nil)
	_, _, second := w.guest(k, nil)
	stranger := first
	stranger.Pass = bytes.Repeat([]byte{9}, 32)
	w.refused(wire.ProbForbidden, w.answer(k, stranger))
	w.want(204, w.answer(k, first))
	w.refused(wire.ProbLinkUsed, w.answer(k, second))
	w.want(200, w.do(thief.signs(request{method: "GET", path: "/v1/key-packages"})))
}

func TestLinkAnswersTogether(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "h.localhost")
	k := w.link(w.join("owner"), time.Hour)
	status := make(chan int)
	for range 8 {
		_, _, answer := w.guest(k, nil)
		go func() { status <- w.answer(k, answer).status }()
	}
	won := 0
	for range 8 {
		switch s := <-status; s {
		case http.StatusNoContent:
			won++
		case http.StatusConflict:
		default:
			t.Errorf("status %d", s)
		}
	}
	if won != 1 {
		t.Errorf("%d guests opened one link", won)
	}
}

func TestLinkRefusals(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "h.localhost")
	owner, other := w.join("owner"), w.join("other")
	k := w.link(owner, time.Hour)
	for name, change := range map[string]func(*identity.Document){
		"an organisation": func(d *identity.Document) { d.Kind = identity.Organisation },
		"no MAC":          func(d *identity.Document) { d.Link = nil },
		"no client":       func(d *identity.Document) { d.Clients = nil },
		"another name":    func(d *identity.Document) { d.Address.User = "guest-aaaaaaaa" },
	} {
		_, _, a := w.guest(k, change)
		if p := into[wire.Problem](t, w.answer(k, a)); !p.Named(wire.ProbMalformed) || p.Pointer != "/identity" {
			t.Errorf("%s: %+v", name, p)
		}
	}
	put := func(a *account, id string, n wire.NewLink) response {
		return w.do(a.signs(request{method: "PUT", path: "/v1/links/" + id, json: n}))
	}
	offer, err := k.owner.Offer()
	if err != nil {
		t.Fatal(err)
	}
	id := k.owner.ID.String()
	w.want(204, put(owner, id, offer)) // the same again
	w.refused(wire.ProbConflict, put(other, id, offer))
	w.refused(wire.ProbNotFound, put(owner, "x", offer))
	long := offer
	long.Expires = w.clock.Now().Add(8 * 24 * time.Hour)
	w.refused(wire.ProbMalformed, put(owner, strings.Repeat("a", 26), long))
	long.Expires = w.clock.Now()
	w.refused(wire.ProbExpired, put(owner, strings.Repeat("a", 26), long))
	short := offer
	short.MAC = short.MAC[:31]
	w.refused(wire.ProbMalformed, put(owner, strings.Repeat("a", 26), short))
	reveal := wire.LinkReveal{Nonce: make([]byte, 32), IdentityKey: make([]byte, 32), MAC: make([]byte, 32)}
	w.refused(wire.ProbConflict, w.do(owner.signs(request{method: "POST", path: k.path + "/reveal", json: reveal})))
	w.refused(wire.ProbNotFound, w.do(other.signs(request{method: "POST", path: k.path + "/reveal", json: reveal})))
	w.refused(wire.ProbNotFound, w.do(other.signs(request{method: "DELETE", path: k.path})))
	w.refused(wire.ProbNotFound, w.do(request{method: "GET", path: "/v1/links/" + strings.Repeat("a", 26)}))
	w.refused(wire.ProbMalformed, w.do(request{method: "GET", path: k.path + "?wait=x"}))
	for range wire.MaxLinks - 1 {
		w.link(owner, time.Hour)
	}
	w.refused(wire.ProbTooMany, put(owner, strings.Repeat("a", 26), offer))
}

func TestLinkIsCancelled(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "h.localhost")
	owner := w.join("owner")
	k := w.link(owner, time.Hour)
	g, _, answer := w.guest(k, nil)
	w.want(204, w.answer(k, answer))
	w.want(204, w.do(owner.signs(request{method: "DELETE", path: k.path})))
	w.want(204, w.do(owner.signs(request{method: "DELETE", path: k.path})))
	w.ended(k, g, wire.LinkCancelled)
	w.refused(wire.ProbExpired, w.answer(k, answer))
}

// TestGuestMayNothingElse goes through the whole interface: what is not for
// guests is refused before it is looked at.
func TestGuestMayNothingElse(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "h.localhost")
	owner, other := w.join("owner"), w.join("other")
	k := w.link(owner, time.Hour)
	g, _, answer := w.guest(k, nil)
	w.want(204, w.answer(k, answer))
	sealed := sealedTo(g, owner, wire.InboxRequest, w.clock.Now())
	for _, r := range []request{
		{method: "POST", path: "/v1/outbox", json: sealed},
		{method: "POST", path: "/v1/envelopes", json: wire.NewEnvelope{Envelope: "a.b.c"}},
		{method: "POST", path: "/v1/refusals", json: wire.NewRefusal{From: owner.addr.String(), Until: w.clock.Now().Add(time.Hour)}},
		{method: "PUT", path: "/v1/links/" + strings.Repeat("a", 26), json: wire.NewLink{}},
		{method: "POST", path: k.path + "/reveal", json: wire.LinkReveal{}},
		{method: "DELETE", path: k.path},
	} {
		w.refused(wire.ProbForbidden, w.do(g.signs(r)))
	}
	for _, kind := range []string{wire.InboxRequest, wire.InboxOffer, wire.InboxNotice} {
		w.refused(wire.ProbForbidden, w.do(other.signs(request{method: "POST", path: "/v1/outbox", json: sealedTo(other, g, kind, w.clock.Now())})))
	}
	w.refused(wire.ProbForbidden, w.do(owner.signs(request{method: "POST", path: "/v1/outbox", json: sealedTo(owner, g, wire.InboxRequest, w.clock.Now())})))
	w.want(202, w.do(owner.signs(request{method: "POST", path: "/v1/outbox", json: sealedTo(owner, g, wire.InboxOffer, w.clock.Now())})))
	// It may renew its document, and stays a guest with one client.
	w.clock.Advance(time.Minute)
	next := w.next(g, nil)
	w.want(204, w.do(request{method: "PUT", path: "/v1/identity/" + g.addr.User, body: []byte(next), kind: wire.JOSE}))
	two := w.next(g, func(d *identity.Document) {
		c := d.Clients[0]
		c.Name, c.Key = "second", pub(newKey(t))
		d.Clients = append(d.Clients, c)
	})
	w.refused(wire.ProbForbidden, w.do(request{method: "PUT", path: "/v1/identity/" + g.addr.User, body: []byte(two), kind: wire.JOSE}))
	w.want(200, w.do(g.signs(request{method: "GET", path: "/v1/grants"})))
	own := w.prepare("guest-bbbbbbbb")
	w.refused(wire.ProbForbidden, w.do(request{method: "POST", path: "/v1/accounts", json: wire.NewAccount{Identity: own.doc.Compact()}}))
}

// next signs the document that follows an account's.
func (w *world) next(a *account, change func(*identity.Document)) string {
	w.t.Helper()
	d, err := a.doc.Next(w.clock.Now())
	if err != nil {
		w.t.Fatal(err)
	}
	if change != nil {
		change(&d)
	}
	compact, err := identity.Sign(d, ed25519.PrivateKey(a.ident))
	if err != nil {
		w.t.Fatal(err)
	}
	v, err := identity.Verify(compact, a.doc)
	if err != nil {
		w.t.Fatal(err)
	}
	if change == nil {
		a.doc = v
	}
	return compact
}

func TestLinkWaits(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "h.localhost")
	owner := w.join("owner")
	k := w.link(owner, time.Hour)
	_, _, answer := w.guest(k, nil)
	waited := make(chan response, 1)
	go func() {
		waited <- w.do(request{method: "GET", path: k.path + "?after=" + wire.LinkOpen + "&wait=15"})
	}()
	w.want(204, w.answer(k, answer))
	if s := into[wire.LinkStatus](t, w.want(200, <-waited)); s.Step != wire.LinkAnswered {
		t.Errorf("woken at step %s", s.Step)
	}
	go func() {
		waited <- w.do(request{method: "GET", path: k.path + "?after=" + wire.LinkAnswered + "&wait=15"})
	}()
	w.want(204, w.do(owner.signs(request{method: "DELETE", path: k.path})))
	if s := into[wire.LinkStatus](t, w.want(200, <-waited)); s.Step != wire.LinkEnded {
		t.Errorf("woken at step %s", s.Step)
	}
}

func TestLinkLimits(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "h.localhost", tight(func(l *httpdoor.Limits) { l.Links = httpdoor.Rate{PerSecond: 1.0 / 600, Burst: 2} }))
	owner := w.join("owner")
	k := w.link(owner, time.Hour)
	w.link(owner, time.Hour)
	offer, err := k.owner.Offer()
	if err != nil {
		t.Fatal(err)
	}
	p := w.refused(wire.ProbTooMany, w.do(owner.signs(request{method: "PUT", path: "/v1/links/" + strings.Repeat("a", 26), json: offer})))
	if p.Retry == 0 {
		t.Error("it does not say how long to wait")
	}
	w.link(w.join("other"), time.Hour)
}
