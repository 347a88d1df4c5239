package scenario

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"primum/circle"
	"primum/client"
	"primum/client/nethttp"
	"primum/grant"
	"primum/identity"
	"primum/internal/clock"
	"primum/internal/wire"
	"primum/thing"
)

// hand is one client of an account whose keys the test holds. It is what
// another process needs to be that client.
type hand struct {
	Address  string
	Name     string
	Seed     []byte // of the client key
	Inbox    []byte // private
	Document string
	Dir      string
}

func (h hand) key() ed25519.PrivateKey { return ed25519.NewKeyFromSeed(h.Seed) }

// options are those of client.Open for this client.
func (h hand) options(calls client.Calls) (client.Options, error) {
	inbox, err := identity.ParseInboxKey(h.Inbox)
	return client.Options{
		Calls: calls, Dir: h.Dir,
		Keys: client.Keys{Address: h.Address, Client: h.Name, Signer: h.key(), Inbox: inbox, Document: h.Document},
	}, err
}

// node is the account's own node, asked as this client.
func (h hand) node(calls client.Calls) client.Node {
	user, authority, _ := strings.Cut(h.Address, "@")
	return client.Node{
		Calls: calls, Authority: authority,
		By: client.Key{ID: identity.ClientKeyID(identity.Address{User: user, Authority: authority}, h.Name), Signer: h.key()},
	}
}

// party is an account whose identity key the test holds, with any clients.
type party struct {
	address identity.Address
	key     ed25519.PrivateKey // identity key
	doc     *identity.Verified
	hands   map[string]hand
	dir     string // of all clients
}

// newParty signs up at a node, with a client of each name.
func newParty(t testing.TB, authority, user string, now time.Time, clients ...string) *party {
	t.Helper()
	address, err := identity.ParseAddress(user + "@" + authority)
	if err != nil {
		t.Fatal(err)
	}
	p := &party{address: address, key: newKey(t), hands: map[string]hand{}, dir: t.TempDir()}
	now = now.UTC().Truncate(time.Second)
	d := identity.Document{
		Address: address, Kind: identity.Person, Name: user, IdentityKey: pub(p.key), RecoveryKey: pub(newKey(t)),
		Version: 1, Issued: now, Expires: now.Add(30 * 24 * time.Hour),
	}
	for _, name := range clients {
		d.Clients = append(d.Clients, p.newHand(t, name, now))
	}
	if d.ID, err = identity.NewID(rand.Reader, now); err != nil {
		t.Fatal(err)
	}
	compact, err := identity.Sign(d, p.key)
	if err != nil {
		t.Fatal(err)
	}
	p.adopt(t, compact)
	n := client.Node{Calls: client.Calls{Transport: nethttp.New(nethttp.Options{})}, Authority: authority}
	if err := n.NewAccount(t.Context(), wire.NewAccount{Identity: compact}); err != nil {
		t.Fatal(err)
	}
	return p
}

func (p *party) newHand(t testing.TB, name string, now time.Time) identity.Client {
	t.Helper()
	inbox, err := identity.NewInboxKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	h := hand{
		Address: p.address.String(), Name: name, Seed: newKey(t).Seed(), Inbox: inbox.Bytes(),
		Dir: filepath.Join(p.dir, name),
	}
	p.hands[name] = h
	return identity.Client{Name: name, Key: pub(h.key()), InboxKey: inbox.Public(), Suites: suites(), Added: now}
}

// change signs the next identity document.
func (p *party) change(t testing.TB, now time.Time, change func(*identity.Document)) string {
	t.Helper()
	d, err := p.doc.Next(now.UTC().Truncate(time.Second))
	if err != nil {
		t.Fatal(err)
	}
	change(&d)
	compact, err := identity.Sign(d, p.key)
	if err != nil {
		t.Fatal(err)
	}
	p.adopt(t, compact)
	return compact
}

func (p *party) adopt(t testing.TB, compact string) {
	t.Helper()
	var err error
	if p.doc, err = identity.First(compact); err != nil {
		t.Fatal(err)
	}
	for name, h := range p.hands {
		h.Document = compact
		p.hands[name] = h
	}
}

// open opens one of the clients in this process until the test ends.
func (p *party) open(t testing.TB, name string, calls client.Calls, change ...func(*client.Options)) *client.Client {
	t.Helper()
	o, err := p.hands[name].options(calls)
	if err != nil {
		t.Fatal(err)
	}
	o.LAN = nethttp.New(nethttp.Options{LAN: true})
	for _, f := range change {
		f(&o)
	}
	c, err := client.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if away, err := c.Sync(ctx); err != nil || len(away) > 0 {
		t.Fatalf("sync %s: %v, away %v", c.Address(), err, away)
	}
	if err := c.Settled(ctx); err != nil { // its key packages are at the node
		t.Fatal(err)
	}
	return c
}

// realCalls are calls to real nodes at the machine's time.
func realCalls() client.Calls {
	return client.Calls{Transport: nethttp.New(nethttp.Options{}), Clock: clock.Real()}
}

// meter is the thing that a bare anchor describes: a number, a text, a lamp.
const meter = "meter"

func meterThing(t testing.TB) circle.Thing {
	t.Helper()
	d := thing.New("Meter")
	d.AddProperty("count", thing.Schema{Title: "Count", Type: "number", ReadOnly: true})
	d.AddProperty("note", thing.Schema{Title: "Note", Type: "string", ReadOnly: true})
	d.AddProperty("lamp", thing.Schema{Title: "Lamp", Type: "number"})
	b, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	return circle.Thing{ID: meter, Title: "Meter", Description: b}
}

// bareAnchor is a thing's end without an edge around it.
type bareAnchor struct {
	*circle.Anchor
	dir string
}

// runAnchor opens an anchor in dir and drives it until the test ends.
func runAnchor(t testing.TB, dir string, calls client.Calls, take func(circle.Event) error) *bareAnchor {
	t.Helper()
	return runAnchorTold(t, dir, calls, take, nil)
}

// runAnchorTold is runAnchor with somebody who hears how its link is.
func runAnchorTold(t testing.TB, dir string, calls client.Calls, take func(circle.Event) error, link func(string, error)) *bareAnchor {
	t.Helper()
	a, err := circle.OpenAnchor(dir, circle.AnchorOptions{Clock: calls.Clock, Log: calls.Log})
	if err != nil {
		t.Fatal(err)
	}
	if err := a.SetThings([]circle.Thing{meterThing(t)}); err != nil {
		t.Fatal(err)
	}
	if take == nil {
		take = func(circle.Event) error { return nil }
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = client.RunAnchor(ctx, a, client.AnchorOptions{Calls: calls, Take: take, Link: link})
	}()
	t.Cleanup(func() {
		cancel()
		<-done
		_ = a.Close()
	})
	return &bareAnchor{Anchor: a, dir: dir}
}

// claimBy makes the anchor a client's own, by hand: no LAN door.
func (a *bareAnchor) claimBy(t testing.TB, c *client.Client) circle.ID {
	t.Helper()
	request, err := c.Owner.BeginClaim(c.Home.Authority)
	if err != nil {
		t.Fatal(err)
	}
	offer, err := a.BeginClaim(request)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := c.Owner.SignClaim(request, offer, a.ThingKey())
	if err != nil {
		t.Fatal(err)
	}
	welcome, err := a.FinishClaim(signed)
	if err != nil {
		t.Fatal(err)
	}
	home, err := c.Owner.JoinHome(offer, welcome)
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "the thing is described", func() bool {
		things := c.Owner.Things(home)
		return len(things) > 0 && len(things[0].Description) > 0
	})
	return home
}

// feed gives the anchor a value, now.
func (a *bareAnchor) feed(t testing.TB, name string, value any, at time.Time) {
	t.Helper()
	b, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Feed(circle.Sample{Thing: meter, Name: name, At: at, Value: b}); err != nil {
		t.Fatal(err)
	}
}

// onChange shares affordances of a thing on change.
func onChange(thing string, ops string, names ...string) (all []circle.SharedAffordance) {
	for _, name := range names {
		all = append(all, circle.SharedAffordance{
			Source: circle.Source{Thing: thing, Name: name}, Title: thing, Ops: strings.Fields(ops),
			Precision: circle.Precision{Change: true},
		})
	}
	return all
}

// giveTo shares with a party and waits until the circle is open.
func giveTo(t testing.TB, owner *client.Client, home circle.ID, grantee *party, until time.Time, share []circle.SharedAffordance, change ...func(*circle.GiveParams)) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	purpose, err := grant.FindPurpose("energy advice")
	if err != nil {
		t.Fatal(err)
	}
	p := circle.GiveParams{Home: home, Grantee: grantee.doc.Compact(), Purpose: purpose, Until: until, Share: share}
	for _, f := range change {
		f(&p)
	}
	id, err := owner.Give(ctx, p)
	if err != nil {
		t.Fatalf("give: %v", err)
	}
	if err := owner.Opened(ctx, id); err != nil {
		t.Fatalf("open: %v", err)
	}
	return id
}

// givenCircle is the circle of a grant that the owner gave, once all the named
// clients are in it.
func givenCircle(t testing.TB, owner *client.Client, id string, clients int) wire.CircleID {
	t.Helper()
	var c wire.CircleID
	eventually(t, "the clients are in the circle", func() bool {
		for _, g := range owner.Owner.Given() {
			if g.ID == id && len(g.Clients) == clients {
				c = wire.CircleID(g.Circle)
				return true
			}
		}
		return false
	})
	return c
}
