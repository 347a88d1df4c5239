package httpdoor_test

import (
	"strings"
	"testing"
	"time"

	"primum/identity"
	"primum/internal/clock"
	"primum/internal/wire"
)

// TestTwoNodesFindEachOtherByName: a client of S signs at H, and H delivers to
// S, though neither is configured with the other.
func TestTwoNodesFindEachOtherByName(t *testing.T) {
	t.Parallel()
	c := clock.NewManual(begin())
	h, s := startWorld(t, c, "h.localhost"), startWorld(t, c, "s.localhost")
	owner, friend := h.join("owner"), s.join("friend")

	// H takes a request of S's account by asking S for its identity document.
	if grants := h.do(friend.signs(request{method: "GET", path: "/v1/grants"})); grants.status == 401 || grants.status == 403 {
		t.Fatalf("H does not know S's client: %s", grants.body)
	}
	forged := friend.signs(request{method: "GET", path: "/v1/grants"})
	forged.key = newKey(t)
	h.refused(wire.ProbBadSignature, h.do(forged))
	h.refused(wire.ProbForbidden, h.do(friend.signs(request{method: "GET", path: "/v1/inbox"})))

	doc := sealedTo(owner, friend, wire.InboxOffer, c.Now())
	h.want(202, h.do(owner.signs(request{method: "POST", path: "/v1/outbox", json: doc})))
	in := into[wire.Inbox](t, s.want(200, s.do(friend.signs(request{method: "GET", path: "/v1/inbox"}))))
	if len(in.Items) != 1 {
		t.Fatalf("S holds %d items, want 1", len(in.Items))
	}
	lost := doc
	lost.To = "nobody@" + s.node.Authority()
	h.refused(wire.ProbNotFound, h.do(owner.signs(request{method: "POST", path: "/v1/outbox", json: lost})))
}

func TestInboxTakesOnlyTheSendersNode(t *testing.T) {
	t.Parallel()
	c := clock.NewManual(begin())
	h, s := startWorld(t, c, "h.localhost"), startWorld(t, c, "s.localhost")
	owner, friend := h.join("owner"), s.join("friend")
	doc := sealedTo(owner, friend, wire.InboxRequest, c.Now())
	w := request{method: "POST", path: "/v1/inbox/friend", json: doc}
	s.refused(wire.ProbUnsigned, s.do(w))
	s.refused(wire.ProbForbidden, s.do(friend.signs(w)))
	wrong := w
	wrong.keyID, wrong.key = identity.NodeKeyID(h.node.Authority(), "k1"), newKey(t)
	s.refused(wire.ProbBadSignature, s.do(wrong))
	unknown := w
	unknown.keyID, unknown.key = identity.NodeKeyID(h.node.Authority(), "k9"), newKey(t)
	s.refused(wire.ProbUnreachable, s.do(unknown))
	gone := w
	gone.keyID, gone.key = identity.NodeKeyID("gone.localhost:1", "k1"), newKey(t)
	s.refused(wire.ProbUnreachable, s.do(gone))
	if in := into[wire.Inbox](t, s.do(friend.signs(request{method: "GET", path: "/v1/inbox"}))); in.Head != 0 {
		t.Errorf("refused deliveries reached the inbox")
	}
}

// TestDomainDoesNotFillAnInbox: a node names as many senders as it likes; its
// documents leave room for all others.
func TestDomainDoesNotFillAnInbox(t *testing.T) {
	t.Parallel()
	c := clock.NewManual(begin())
	h, s := startWorld(t, c, "h.localhost"), startWorld(t, c, "s.localhost")
	friend := s.join("friend")
	n := 0
	send := func(w *world, from *account, kind string) response {
		t.Helper()
		doc := sealedTo(from, friend, kind, c.Now())
		n++
		doc.Expires = doc.Expires.Add(time.Duration(n) * time.Second) // another document
		return w.do(from.signs(request{method: "POST", path: "/v1/outbox", json: doc}))
	}
	head := func() uint64 {
		t.Helper()
		return into[wire.Inbox](t, s.want(200, s.do(friend.signs(request{method: "GET", path: "/v1/inbox?after=150"})))).Head
	}
	one, two := h.join("one"), h.join("two")
	for range 100 {
		h.want(202, send(h, one, wire.InboxOffer))
		h.want(202, send(h, two, wire.InboxNotice))
	}
	if got := head(); got != 200 {
		t.Fatalf("the inbox took %d documents, want 200", got)
	}
	for _, from := range []*account{one, two, h.join("three")} {
		send(h, from, wire.InboxNotice)
	}
	if got := head(); got != 200 {
		t.Fatalf("a domain put %d documents into an inbox", got)
	}
	s.want(202, send(s, s.join("neighbour"), wire.InboxOffer))
	s.want(202, send(s, friend, wire.InboxNotice))
	if got := head(); got != 202 {
		t.Fatalf("the inbox has %d documents, want those of others too: 202", got)
	}
}

func TestNewPhoneIsKnownElsewhereWithinSeconds(t *testing.T) {
	t.Parallel()
	c := clock.NewManual(begin())
	h, s := startWorld(t, c, "h.localhost"), startWorld(t, c, "s.localhost")
	friend := s.join("friend")
	refused := func(r response) bool { return strings.Contains(string(r.body), wire.ProbBadSignature) }
	if r := h.do(friend.signs(request{method: "GET", path: "/v1/grants"})); refused(r) {
		t.Fatalf("first phone: %s", r.body)
	}
	c.Advance(time.Minute)
	next, err := friend.doc.Next(c.Now())
	if err != nil {
		t.Fatal(err)
	}
	tablet := newKey(t)
	next.Clients = append(next.Clients, identity.Client{
		Name: "tablet", Key: pub(tablet), InboxKey: friend.inbox.Public(), Suites: []uint16{1}, Added: c.Now(),
	})
	friend.sign(t, next)
	s.want(204, s.do(request{method: "PUT", path: "/v1/identity/friend", body: []byte(friend.doc.Compact()), kind: wire.JOSE}))
	r := request{method: "GET", path: "/v1/grants", keyID: identity.ClientKeyID(friend.addr, "tablet"), key: tablet}
	if r := h.do(r); refused(r) {
		t.Fatalf("second phone: %s", r.body)
	}
}

// TestNothingPersonalInTheLog: a canary in headers, paths, bodies and names
// appears in no log line, whether the request is taken or refused.
func TestNothingPersonalInTheLog(t *testing.T) {
	t.Parallel()
	const canary = "zqcanary7hj2k9xw4tq"
	c := clock.NewManual(begin())
	h, s := startWorld(t, c, "h.localhost"), startWorld(t, c, "s.localhost")
	a, b := h.join(canary), s.join("friend")
	doc := sealedTo(a, b, wire.InboxOffer, c.Now())
	doc.Copies[0].Box = []byte(canary)
	h.want(202, h.do(a.signs(request{method: "POST", path: "/v1/outbox", json: doc})))
	doc.To = canary + "@" + canary + ".localhost:1"
	h.want(202, h.do(a.signs(request{method: "POST", path: "/v1/outbox", json: doc})))
	for _, r := range []request{
		{method: "GET", path: "/" + canary, header: map[string]string{"X-" + canary: canary, "User-Agent": canary}},
		{method: "GET", path: "/v1/identity/" + canary},
		{method: "POST", path: "/v1/accounts", body: []byte(`{"` + canary + `":1}`), kind: "application/json"},
		{method: "POST", path: "/v1/live", keyID: canary, key: newKey(t)},
		{method: "GET", path: wire.WebFingerPath + "?resource=acct:" + canary + "@" + h.node.Authority()},
		{method: "GET", path: "/v1/live", header: map[string]string{"Sec-WebSocket-Protocol": wire.TicketPrefix + canary}},
		{method: "PUT", path: "/v1/identity/" + canary, body: []byte(canary), kind: wire.JOSE},
	} {
		h.do(r)
	}
	for name, w := range map[string]*world{"h": h, "s": s} {
		log := w.log.String()
		if !strings.Contains(log, "operation=") {
			t.Errorf("%s: the log has no request; the check would prove nothing", name)
		}
		for _, word := range []string{canary, "127.0.0.1:", "friend"} {
			for _, line := range strings.Split(log, "\n") {
				if strings.Contains(strings.ToLower(line), word) && !strings.Contains(line, "node started") {
					t.Errorf("%s logs %q: %s", name, word, line)
				}
			}
		}
	}
	if m := h.do(request{method: "GET", path: "/metrics"}); strings.Contains(string(m.body), canary) {
		t.Error("the canary is in the metrics")
	}
}
