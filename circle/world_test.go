package circle

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"primum/circle/internal/anchor"
	"primum/circle/internal/core"
	"primum/circle/internal/member"
	"primum/circle/internal/owner"
	"primum/grant"
	"primum/identity"
	"primum/internal/clock"
	"primum/internal/jws"
)

// ownerActor stands for the package's type where a variable has its name.
type ownerActor = owner.Owner

func openOwner(dir string, o member.Options) (*ownerActor, error) { return owner.Open(dir, o) }

// subject is any actor, as a driver sees it.
type subject interface {
	Effects() []core.Effect
	Done(id string, r core.Result) error
	Failed(id string, r *core.Refusal) error
	Events() []core.Event
	Ack(id uint64) error
	Subscriptions() []core.Subscription
	Receive(c core.ID, frames []core.Frame) (int, error)
	Synced(c core.ID, head, epoch uint64) error
	Offline(circles ...core.ID)
	Ended(c core.ID, reason string, at time.Time) error
	NodeTime(t time.Time) error
	Tick() error
	NextTick() time.Time
	Close() error
}

// account is a person or service with its keys.
type account struct {
	address  identity.Address
	key      ed25519.PrivateKey
	recovery ed25519.PrivateKey
	clients  map[string]ed25519.PrivateKey
	old      map[string]bool // clients that list suite 1 alone
	doc      *identity.Verified
}

// suitesOf is what a client lists.
func (a *account) suitesOf(client string) []uint16 {
	if a.old[client] {
		return []uint16{1}
	}
	return core.SuiteIDs(nil)
}

// world is a node with a hostile streak, people, and what runs their actors.
type world struct {
	t       testing.TB
	dir     string
	clock   *clock.Manual
	node    *fakeNode
	people  map[string]*account
	actors  map[string]subject
	names   []string // of actors, in order
	events  map[string][]core.Event
	online  map[string]map[core.ID]bool
	offline map[string]bool
	keep    map[string]bool // events are not acknowledged
}

const nodeH = "h.localhost:8401"

var worldStart = time.Date(2026, 11, 22, 14, 0, 0, 0, time.UTC)

func newWorld(t testing.TB) *world {
	w := &world{
		t: t, dir: tempDir(t), clock: clock.NewManual(worldStart), people: map[string]*account{}, actors: map[string]subject{},
		events: map[string][]core.Event{}, online: map[string]map[core.ID]bool{}, offline: map[string]bool{}, keep: map[string]bool{},
	}
	w.node = &fakeNode{w: w, circles: map[core.ID]*fakeCircle{}, envelopes: map[string]grant.Envelope{}, inbox: map[string][]inboxItem{}, stock: map[stockName]*fakeStock{}}
	t.Cleanup(func() {
		for _, a := range w.actors {
			_ = a.Close()
		}
	})
	return w
}

// tempDir is a directory in memory where there is one: the tests write a lot,
// and what a power cut leaves is not what they ask.
func tempDir(t testing.TB) string {
	t.Helper()
	if _, ok := t.(*testing.B); ok {
		return t.TempDir() // what is measured is the disk too
	}
	dir, err := os.MkdirTemp("/dev/shm", "primum-circle-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func must[T any](t testing.TB) func(v T, err error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

type ed25519Key = ed25519.PrivateKey

func publicOf2(k ed25519Key) ed25519.PublicKey { return k.Public().(ed25519.PublicKey) }

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func newKey(t testing.TB) ed25519.PrivateKey {
	t.Helper()
	_, k, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// person makes an account with clients; a name that ends in "-old" is of one
// that lists suite 1 alone.
func (w *world) person(address string, clients ...string) *account {
	w.t.Helper()
	a := &account{
		address: must[identity.Address](w.t)(identity.ParseAddress(address)), key: newKey(w.t), recovery: newKey(w.t),
		clients: map[string]ed25519.PrivateKey{}, old: map[string]bool{},
	}
	w.people[address] = a
	for _, c := range clients {
		a.clients[c], a.old[c] = newKey(w.t), strings.HasSuffix(c, "-old")
	}
	w.publish(a, clients...)
	return a
}

// publish signs the next identity document of an account with these clients.
func (w *world) publish(a *account, clients ...string) {
	w.t.Helper()
	now := w.clock.Now()
	id := must[string](w.t)(identity.NewID(rand.Reader, now))
	d := identity.Document{
		ID: id, Address: a.address, Kind: identity.Person, IdentityKey: jws.Bytes(a.key.Public().(ed25519.PublicKey)),
		RecoveryKey: jws.Bytes(a.recovery.Public().(ed25519.PublicKey)), Version: 1, Issued: now, Expires: now.Add(identity.MaxValidity),
	}
	if a.doc != nil {
		d.Version, d.Previous = a.doc.Version()+1, a.doc.Hash()
	}
	for _, name := range clients {
		if a.clients[name] == nil {
			a.clients[name] = newKey(w.t)
		}
		inbox, err := identity.NewInboxKey(rand.Reader)
		if err != nil {
			w.t.Fatal(err)
		}
		d.Clients = append(d.Clients, identity.Client{
			Name: name, Key: jws.Bytes(a.clients[name].Public().(ed25519.PublicKey)), InboxKey: inbox.Public(),
			Suites: a.suitesOf(name), Added: now,
		})
	}
	compact := must[string](w.t)(identity.Sign(d, a.key))
	if a.doc == nil {
		a.doc = must[*identity.Verified](w.t)(identity.First(compact))
		return
	}
	a.doc = must[*identity.Verified](w.t)(identity.Verify(compact, a.doc))
}

func (w *world) path(name string) string { return filepath.Join(w.dir, name) }

func (w *world) add(name string, a subject) {
	if _, ok := w.actors[name]; !ok {
		w.names = append(w.names, name)
	}
	w.actors[name] = a
	w.online[name] = map[core.ID]bool{}
}

func (w *world) anchor(name string, h anchor.History) *anchor.Anchor {
	w.t.Helper()
	a := must[*anchor.Anchor](w.t)(anchor.Open(w.path(name), anchor.Options{Clock: w.clock, History: h}))
	w.add(name, a)
	return a
}

// client opens the owner actor of one client; its name is "address#client".
func (w *world) client(address, client string) *ownerActor {
	w.t.Helper()
	p := w.people[address]
	name := address + "#" + client
	o := must[*ownerActor](w.t)(openOwner(w.path(name), member.Options{Clock: w.clock, Signer: p.clients[client], Identity: p.doc.Compact()}))
	w.add(name, o)
	if err := o.KeyPackageStock(nil); err != nil {
		w.t.Fatal(err)
	}
	w.run()
	return o
}

// claim makes an edge the owner's.
func (w *world) claim(a *anchor.Anchor, o *ownerActor) core.ID {
	w.t.Helper()
	req := must[core.ClaimRequest](w.t)(o.BeginClaim(nodeH))
	offer := must[core.ClaimOffer](w.t)(a.BeginClaim(req))
	cs := must[string](w.t)(o.SignClaim(req, offer, a.ThingKey()))
	welcome := must[core.HomeWelcome](w.t)(a.FinishClaim(cs))
	id := must[core.ID](w.t)(o.JoinHome(offer, welcome))
	w.run()
	return id
}

func every(d time.Duration) core.Precision {
	return core.Precision{Every: grant.Duration(d), Stat: grant.Mean}
}

// params is a usual yes: meter/power for a week.
func (w *world) params(home core.ID, grantee *account, p core.Precision, ops ...string) owner.GiveParams {
	if len(ops) == 0 {
		ops = []string{grant.OpRead, grant.OpObserve}
	}
	return owner.GiveParams{
		Home: home, Grantee: grantee.doc.Compact(), Until: w.clock.Now().Add(7 * 24 * time.Hour),
		Share:   []owner.SharedAffordance{{Source: core.Source{Thing: "meter", Name: "power"}, Title: "meter", Ops: ops, Precision: p}},
		Purpose: grant.Purpose{Class: "dpv:OptimisationForConsumer"},
	}
}

func usualThings() []core.Thing {
	return []core.Thing{
		{ID: "meter", Title: "Meter", Description: json.RawMessage(`{"title":"Meter","properties":{"power":{"type":"number"},"energy":{"type":"number"}}}`)},
		{ID: "lamp", Title: "Lamp", Description: json.RawMessage(`{"title":"Lamp","properties":{"state":{"type":"string"}}}`)},
	}
}

// feed gives the meter one value.
func (w *world) feed(a *anchor.Anchor, v float64) {
	w.t.Helper()
	s := core.Sample{Thing: "meter", Name: "power", At: w.clock.Now(), Value: json.RawMessage(fmt.Sprint(v)), Unit: "W"}
	if err := a.Feed(s); err != nil {
		w.t.Fatal(err)
	}
}

// run drives all actors until nothing is left to do.
func (w *world) run() {
	w.t.Helper()
	for range 4000 {
		busy := false
		for _, name := range w.names {
			if !w.offline[name] && w.turn(name) {
				busy = true
			}
		}
		if !busy {
			return
		}
	}
	w.t.Fatal("the actors do not come to rest")
}

// turn does one round of a driver for one actor.
func (w *world) turn(name string) (busy bool) {
	a := w.actors[name]
	w.check(a.Tick())
	if w.sync(name, a) {
		busy = true
	}
	for _, e := range a.Effects() {
		busy = true
		res, ref := w.node.perform(name, e)
		if ref != nil {
			w.check(a.Failed(e.ID, ref))
		} else {
			w.check(a.Done(e.ID, res))
		}
	}
	if w.letters(name) {
		busy = true
	}
	for _, e := range a.Events() {
		if w.keep[name] {
			break
		}
		w.events[name] = append(w.events[name], e)
		w.check(a.Ack(e.ID))
		busy = true
	}
	return busy
}

func (w *world) check(err error) {
	w.t.Helper()
	if err != nil && !errors.Is(err, core.ErrFull) {
		w.t.Fatal(err)
	}
}

// sync connects and reads what is new.
func (w *world) sync(name string, a subject) (busy bool) {
	for _, s := range a.Subscriptions() {
		c := w.node.circles[s.Circle]
		if c == nil || !w.node.mayRead(name, c) {
			continue
		}
		if c.fenced != "" && !s.Home {
			w.check(a.Ended(s.Circle, c.fenced, w.clock.Now()))
			busy = true
			continue
		}
		frames := w.node.read(name, c, s.After)
		if !w.online[name][s.Circle] || (s.Joining && len(frames) > 0) {
			w.online[name][s.Circle] = true
			w.check(a.Synced(s.Circle, w.node.headFor(name, c), c.epoch))
			busy = true
		}
		if len(frames) > 0 {
			n, err := a.Receive(s.Circle, frames)
			w.check(err)
			if n > 0 {
				busy = true
			}
		}
	}
	return busy
}

// letters hands over what is in the inbox.
func (w *world) letters(name string) (busy bool) {
	o, ok := w.actors[name].(interface {
		Inbox(from, identity, kind string, document []byte) error
	})
	if !ok {
		return false
	}
	items := w.node.inbox[name]
	w.node.inbox[name] = nil
	for _, it := range items {
		busy = true
		w.check(o.Inbox(it.from, w.people[it.from].doc.Compact(), it.kind, it.document))
	}
	return busy
}

// cut breaks the connection of an actor.
func (w *world) cut(name string) {
	w.online[name] = map[core.ID]bool{}
	w.actors[name].Offline()
}

// pass moves the clock in steps and runs.
func (w *world) pass(d time.Duration, step time.Duration) {
	w.t.Helper()
	for end := w.clock.Now().Add(d); w.clock.Now().Before(end); {
		w.clock.Advance(step)
		w.run()
	}
}

// got lists the events of a kind.
func (w *world) got(name string, kind core.EventKind) (out []core.Event) {
	for _, e := range w.events[name] {
		if e.Kind == kind {
			out = append(out, e)
		}
	}
	return out
}

func (w *world) lastOf(name string, kind core.EventKind) core.Event {
	w.t.Helper()
	all := w.got(name, kind)
	if len(all) == 0 {
		w.t.Fatalf("%s has no event %q; it has %s", name, kind, w.kinds(name))
	}
	return all[len(all)-1]
}

func (w *world) kinds(name string) string {
	var b bytes.Buffer
	for _, e := range w.events[name] {
		fmt.Fprintf(&b, "%s(%s %s) ", e.Kind, e.Reason, e.Text)
	}
	return b.String()
}
