package scenario

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"primum/client"
	"primum/client/guest"
	"primum/client/nethttp"
	"primum/identity"
	"primum/internal/clock"
	"primum/internal/engine"
	"primum/internal/wire"
)

// thief has stolen a link, and plays its owner towards the guest.
type thief struct {
	client.Transport
	link guest.Link
	side guest.Owner

	mu     sync.Mutex
	status wire.LinkStatus // what it shows the guest
}

// newThief stands between a guest and the node. It has the link, knows the
// owner's identity key, and has committed to a nonce of its own.
func newThief(t *testing.T, url, owner string) *thief {
	t.Helper()
	l, err := guest.Parse(url)
	if err != nil {
		t.Fatal(err)
	}
	calls := realCalls()
	compact, err := client.FetchIdentity(t.Context(), calls, owner)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := identity.First(compact)
	if err != nil {
		t.Fatal(err)
	}
	s, err := (client.Node{Calls: calls, Authority: l.Authority}).Link(t.Context(), l.ID.String(), "", 0)
	if err != nil {
		t.Fatal(err)
	}
	nonce := make([]byte, 32)
	_, _ = rand.Read(nonce)
	m := &thief{
		Transport: calls.Transport, link: l,
		side: guest.Owner{Link: l, Expires: s.Expires, Self: guest.Party{Account: doc.Address(), Key: doc.IdentityKey(), Nonce: nonce}},
	}
	offer, err := m.side.Offer()
	if err != nil {
		t.Fatal(err)
	}
	m.status = s
	m.status.Commitment, m.status.MAC = offer.Commitment, offer.MAC
	return m
}

// Do answers for the node where the link is concerned.
func (m *thief) Do(ctx context.Context, r client.Request) (client.Response, error) {
	if !strings.Contains(r.URL, "/v1/links/"+m.link.ID.String()) {
		return m.Transport.Do(ctx, r)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if r.Method == "POST" {
		var a wire.LinkAnswer
		if err := json.Unmarshal(r.Body, &a); err != nil {
			return client.Response{}, err
		}
		m.status.Answer = &wire.LinkShown{Identity: a.Identity, Nonce: a.Nonce}
		_, reveal, err := m.side.Meet(m.status)
		m.status.Step, m.status.Reveal = wire.LinkRevealed, &reveal
		return client.Response{Status: 204}, err
	}
	b, err := json.Marshal(m.status)
	return client.Response{Status: 200, Header: map[string]string{"content-type": "application/json"}, Body: b}, err
}

// TestLinkThiefInTheMiddle: a node that has the link, too, stands between both
// and passes every MAC. It is seen by the words, every time.
func TestLinkThiefInTheMiddle(t *testing.T) {
	t.Parallel()
	n := startNode(t, "h.localhost", t.TempDir(), clock.Real())
	ada, ref := linkOwner(t, n.Authority())
	for range 8 {
		k := ada.makeLink(ref)
		m := newThief(t, k.URL, "ada@"+n.Authority())
		bea := newBrowser(t, t.TempDir(), m)
		bea.visit(k.URL)
		evil := newBrowser(t, t.TempDir(), nil)
		evil.visit(k.URL)
		heard, read := bea.guestState("words").Words, ada.linkState(k.ID, "arrived").Words
		if heard == read || heard == "" || read != evil.guestState("words").Words {
			t.Fatalf("owner reads %q, guest %q", read, heard)
		}
		ask[engine.Empty](ada, "link.cancel", engine.LinkIDParams{ID: k.ID})
		evil.guestState("refused")
		eventually(t, "the thief's guest is gone", func() bool { return ask[engine.Status](evil, "status", nil).Phase == engine.PhaseGone })
	}
	if grants := ask[[]engine.GrantInfo](ada, "grants", nil); len(grants) != 0 {
		t.Errorf("something was given: %+v", grants)
	}
}

// forger is a node without the link: it changes what it shows.
type forger struct {
	client.Transport
	change func(*wire.LinkStatus)
}

// Do changes every status of a link.
func (f *forger) Do(ctx context.Context, r client.Request) (client.Response, error) {
	resp, err := f.Transport.Do(ctx, r)
	var s wire.LinkStatus
	if err != nil || r.Method != "GET" || !strings.Contains(r.URL, "/v1/links/") || json.Unmarshal(resp.Body, &s) != nil {
		return resp, err
	}
	f.change(&s)
	resp.Body, err = json.Marshal(s)
	return resp, err
}

// TestLinkForgingNode: a node without the secret is refused before anybody
// compares words, on both sides.
func TestLinkForgingNode(t *testing.T) {
	t.Parallel()
	n := startNode(t, "h.localhost", t.TempDir(), clock.Real())
	evil := newParty(t, n.Authority(), "evil", realCalls().WithDefaults().Clock.Now(), prime)
	transport := nethttp.New(nethttp.Options{})
	swapped := make(chan string, 1)
	ada, ref := linkOwnerBy(t, n.Authority(), &forger{transport, func(s *wire.LinkStatus) {
		if s.Answer != nil { // another guest than the one who came
			s.Answer.Identity = evil.doc.Compact()
			select {
			case swapped <- s.Guest:
			default:
			}
		}
	}})
	k := ada.makeLink(ref)
	bea := newBrowser(t, t.TempDir(), nil)
	bea.visit(k.URL)
	<-swapped
	if ended := ada.linkState(k.ID, "ended"); ended.Reason != guest.ReasonForged {
		t.Errorf("the owner's link: %+v", ended)
	}
	bea.guestState("refused")

	k = ada.makeLink(ref)
	cea := newBrowser(t, t.TempDir(), &forger{transport, func(s *wire.LinkStatus) { s.Commitment[0] ^= 1 }})
	_, err := tryAsk[engine.LinkGuest](cea, "link.open", openParams(t, k.URL))
	refusedAs(t, err, "link-forged")

	k = ada.makeLink(ref)
	dea := newBrowser(t, t.TempDir(), &forger{transport, func(s *wire.LinkStatus) {
		if s.Reveal != nil {
			s.Reveal.IdentityKey = evil.doc.IdentityKey()
		}
	}})
	dea.visit(k.URL)
	dea.guestState("refused")
}

// TestLinkBadInput: what isn't a link, and what is over, is a sentence.
func TestLinkBadInput(t *testing.T) {
	t.Parallel()
	n := startNode(t, "h.localhost", t.TempDir(), clock.Real())
	ada, ref := linkOwner(t, n.Authority())
	bea := newBrowser(t, t.TempDir(), nil)
	good := openParams(t, ada.makeLink(ref).URL)
	for name, p := range map[string]engine.LinkOpenParams{
		"no secret":     {Node: good.Node, ID: good.ID},
		"half a secret": {Node: good.Node, ID: good.ID, Secret: good.Secret[:20]},
		"another id":    {Node: good.Node, ID: "../../etc", Secret: good.Secret},
		"no node":       {ID: good.ID, Secret: good.Secret},
	} {
		_, err := tryAsk[engine.LinkGuest](bea, "link.open", p)
		refusedAs(t, err, "link-bad")
		if t.Failed() {
			t.Fatal(name)
		}
	}
	unknown, err := guest.New(nil, n.Authority())
	if err != nil {
		t.Fatal(err)
	}
	if g := bea.visit(unknown.URL()); g.State != "expired" {
		t.Errorf("a link that nobody made: %+v", g)
	}
	other := good
	other.Secret = openParams(t, unknown.URL()).Secret
	_, err = tryAsk[engine.LinkGuest](bea, "link.open", other)
	refusedAs(t, err, "link-forged")
	_, err = tryAsk[engine.LinkGuest](ada, "link.open", good)
	refusedAs(t, err, "account-here")
	_, err = tryAsk[engine.LinkGuest](bea, "link.state", nil)
	refusedAs(t, err, "no-link")
	for _, method := range []string{"link.confirm", "link.cancel"} {
		_, err = tryAsk[engine.LinkInfo](ada, method, engine.LinkIDParams{ID: "x"})
		refusedAs(t, err, "no-link")
	}
	_, err = tryAsk[engine.LinkInfo](ada, "link.confirm", engine.LinkIDParams{ID: good.ID})
	refusedAs(t, err, "link-nobody")
}

// TestLinkSecretNowhereAtNode (P1): the secret of a link and the words made of
// it stand nowhere at the node, while and after it is used. The same search
// finds the secret once it was published in clear.
func TestLinkSecretNowhereAtNode(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	n := serveProgram(t, filepath.Join(dir, "data"))
	ada, ref := linkOwner(t, n.Authority)
	k := ada.makeLink(ref)
	bea := newBrowser(t, t.TempDir(), nil)
	bea.visit(k.URL)
	words := bea.guestState("words").Words
	ada.linkState(k.ID, "arrived")
	ask[engine.LinkInfo](ada, "link.confirm", engine.LinkIDParams{ID: k.ID})
	bea.firstValue()
	l, err := guest.Parse(k.URL)
	if err != nil {
		t.Fatal(err)
	}
	forms := map[string][]byte{"words": []byte(words), "raw secret": l.Secret[:]}
	for name, secret := range map[string]string{"secret": l.SecretText(), "bytes": string(l.Secret[:])} {
		for form, b := range canaryForms(secret) {
			forms[name+" in "+form] = b
		}
	}
	look := filepath.Join(dir, "look-1")
	n.takeEverything(t, look)
	for _, hit := range searchTree(t, look, forms) {
		t.Errorf("found %s", strings.TrimPrefix(hit, look))
	}
	_ = os.RemoveAll(look) // a dump is large
	friend := newParty(t, n.Authority, "friend", clock.Real().Now(), prime)
	newParty(t, n.Authority, "owner", clock.Real().Now(), prime) // publishInClear writes to it
	publishInClear(t, friend, l.SecretText())
	look = filepath.Join(dir, "look-2")
	n.takeEverything(t, look)
	for _, where := range []string{"core", "data", "backup"} {
		if hits := searchTree(t, filepath.Join(look, where), forms); len(hits) == 0 {
			t.Errorf("positive control: the secret was published in clear and not found in %s", where)
		}
	}
}
