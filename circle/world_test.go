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
	"testing"
	"time"

	"primum/grant"
	"primum/identity"
	"primum/internal/clock"
	"primum/internal/jws"
	"primum/mls"
)

// subject is any actor, as a driver sees it.
type subject interface {
	Effects() []Effect
	Done(id string, r Result) error
	Failed(id string, r *Refusal) error
	Events() []Event
	Ack(id uint64) error
	Subscriptions() []Subscription
	Receive(c ID, frames []Frame) (int, error)
	Synced(c ID, head, epoch uint64) error
	Offline(circles ...ID)
	Ended(c ID, reason string, at time.Time) error
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
	doc      *identity.Verified
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
	events  map[string][]Event
	online  map[string]map[ID]bool
	offline map[string]bool
	keep    map[string]bool // events are not acknowledged
}

const nodeH = "h.localhost:8401"

var worldStart = time.Date(2026, 11, 22, 14, 0, 0, 0, time.UTC)

func newWorld(t testing.TB) *world {
	w := &world{
		t: t, dir: tempDir(t), clock: clock.NewManual(worldStart), people: map[string]*account{}, actors: map[string]subject{},
		events: map[string][]Event{}, online: map[string]map[ID]bool{}, offline: map[string]bool{}, keep: map[string]bool{},
	}
	w.node = &fakeNode{w: w, circles: map[ID]*fakeCircle{}, envelopes: map[string]grant.Envelope{}, inbox: map[string][]inboxItem{}, stock: map[string]*fakeStock{}}
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

// person makes an account with clients.
func (w *world) person(address string, clients ...string) *account {
	w.t.Helper()
	a := &account{
		address: must[identity.Address](w.t)(identity.ParseAddress(address)), key: newKey(w.t), recovery: newKey(w.t),
		clients: map[string]ed25519.PrivateKey{},
	}
	w.people[address] = a
	for _, c := range clients {
		a.clients[c] = newKey(w.t)
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
			Suites: []uint16{1}, Added: now,
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
	w.online[name] = map[ID]bool{}
}

func (w *world) anchor(name string, h History) *Anchor {
	w.t.Helper()
	a := must[*Anchor](w.t)(OpenAnchor(w.path(name), AnchorOptions{Clock: w.clock, History: h}))
	w.add(name, a)
	return a
}

// client opens the owner actor of one client; its name is "address#client".
func (w *world) client(address, client string) *Owner {
	w.t.Helper()
	p := w.people[address]
	name := address + "#" + client
	o := must[*Owner](w.t)(OpenOwner(w.path(name), MemberOptions{Clock: w.clock, Signer: p.clients[client], Identity: p.doc.Compact()}))
	w.add(name, o)
	if err := o.KeyPackageStock(0, false); err != nil {
		w.t.Fatal(err)
	}
	w.run()
	return o
}

// claim makes an edge the owner's.
func (w *world) claim(a *Anchor, o *Owner) ID {
	w.t.Helper()
	req := must[ClaimRequest](w.t)(o.BeginClaim(nodeH))
	offer := must[ClaimOffer](w.t)(a.BeginClaim(req))
	cs := must[string](w.t)(o.SignClaim(req, offer, a.ThingKey()))
	welcome := must[HomeWelcome](w.t)(a.FinishClaim(cs))
	id := must[ID](w.t)(o.JoinHome(offer, welcome))
	w.run()
	return id
}

func every(d time.Duration) Precision {
	return Precision{Every: grant.Duration(d), Stat: grant.Mean}
}

// params is a usual yes: meter/power for a week.
func (w *world) params(home ID, grantee *account, p Precision, ops ...string) GiveParams {
	if len(ops) == 0 {
		ops = []string{grant.OpRead, grant.OpObserve}
	}
	return GiveParams{
		Home: home, Grantee: grantee.doc.Compact(), Until: w.clock.Now().Add(7 * 24 * time.Hour),
		Share:   []SharedAffordance{{Source: Source{"meter", "power"}, Title: "meter", Ops: ops, Precision: p}},
		Purpose: grant.Purpose{Class: "dpv:OptimisationForConsumer"},
	}
}

func usualThings() []Thing {
	return []Thing{
		{ID: "meter", Title: "Meter", Description: json.RawMessage(`{"title":"Meter","properties":{"power":{"type":"number"},"energy":{"type":"number"}}}`)},
		{ID: "lamp", Title: "Lamp", Description: json.RawMessage(`{"title":"Lamp","properties":{"state":{"type":"string"}}}`)},
	}
}

// feed gives the meter one value.
func (w *world) feed(a *Anchor, v float64) {
	w.t.Helper()
	s := Sample{Thing: "meter", Name: "power", At: w.clock.Now(), Value: json.RawMessage(fmt.Sprint(v)), Unit: "W"}
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
	if err != nil && !errors.Is(err, ErrFull) {
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
	o, ok := w.actors[name].(*Owner)
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
	w.online[name] = map[ID]bool{}
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
func (w *world) got(name string, kind EventKind) (out []Event) {
	for _, e := range w.events[name] {
		if e.Kind == kind {
			out = append(out, e)
		}
	}
	return out
}

func (w *world) lastOf(name string, kind EventKind) Event {
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

// fakeNode keeps order and fences; hooks make it lie.
type fakeNode struct {
	w         *world
	circles   map[ID]*fakeCircle
	envelopes map[string]grant.Envelope
	inbox     map[string][]inboxItem // by actor
	stock     map[string]*fakeStock  // by actor
	down      bool
	// filter changes what one reader sees of a circle.
	filter func(reader string, c *fakeCircle, frames []Frame) []Frame
	// refuse answers an effect in the node's place.
	refuse func(actor string, e Effect) (*Result, *Refusal)
	// loseAck performs and then says nothing.
	loseAck func(actor string, e Effect) bool
	appends int
}

type inboxItem struct {
	from, kind string
	document   []byte
}

type fakeStock struct {
	oneTime    [][]byte
	lastResort []byte
}

// fakeCircle is one append-only sequence with the keyless tracker.
type fakeCircle struct {
	id      ID
	log     []Frame
	tracker *mls.PublicGroup
	epoch   uint64
	fenced  string
	base    uint64 // numbers go on from here after a restore
}

func (n *fakeNode) mayRead(_ string, _ *fakeCircle) bool { return !n.down }

func (n *fakeNode) headFor(reader string, c *fakeCircle) uint64 {
	frames := c.log
	if n.filter != nil {
		frames = n.filter(reader, c, frames)
	}
	if len(frames) == 0 {
		return c.base
	}
	return max(frames[len(frames)-1].Seq, c.base)
}

func (n *fakeNode) read(reader string, c *fakeCircle, after uint64) []Frame {
	frames := c.log
	if n.filter != nil {
		frames = n.filter(reader, c, frames)
	}
	for i, f := range frames {
		if f.Seq > after {
			return frames[i:]
		}
	}
	return nil
}

func (n *fakeNode) push(c *fakeCircle, msg []byte) uint64 {
	seq := uint64(1)
	if n := len(c.log); n > 0 {
		seq = c.log[n-1].Seq + 1
	}
	if c.base > seq {
		seq = c.base + 1
	}
	c.log = append(c.log, Frame{Seq: seq, Message: msg})
	return seq
}

func (n *fakeNode) perform(actor string, e Effect) (Result, *Refusal) {
	if n.down {
		return Result{}, &Refusal{Kind: KindOffline}
	}
	if n.refuse != nil {
		if res, ref := n.refuse(actor, e); res != nil || ref != nil {
			if res == nil {
				return Result{}, ref
			}
			return *res, ref
		}
	}
	res, ref := n.serve(actor, e)
	if n.loseAck != nil && n.loseAck(actor, e) {
		return Result{}, &Refusal{Kind: KindOffline}
	}
	return res, ref
}

func (n *fakeNode) serve(actor string, e Effect) (Result, *Refusal) {
	switch e.Kind {
	case EffectOpenHome, EffectOpenCircle:
		return n.open(e)
	case EffectAppend:
		return n.append(e)
	case EffectCommit:
		return n.commit(e)
	case EffectFetchIdentity:
		if p := n.w.people[e.Account]; p != nil {
			return Result{Identity: p.doc.Compact()}, nil
		}
		return Result{}, &Refusal{Kind: KindNotFound}
	case EffectPublishKeyPackages:
		s := n.stock[actor]
		if s == nil {
			s = &fakeStock{}
			n.stock[actor] = s
		}
		s.oneTime = append(s.oneTime, e.OneTime...)
		if e.LastResort != nil {
			s.lastResort = e.LastResort
		}
		return Result{}, nil
	case EffectClaimKeyPackages:
		return n.claimPackages(e), nil
	case EffectSendInbox:
		return n.deliver(actor, e), nil
	case EffectFileEnvelope:
		var env grant.Envelope
		if err := unverified(e.Envelope, &env); err != nil {
			return Result{}, &Refusal{Kind: "malformed", Detail: err.Error()}
		}
		n.envelopes[env.Circle] = env
		if e.Closing != "" {
			n.fence(env.Replaces, "superseded")
		}
		return Result{At: n.w.clock.Now(), State: "Given"}, nil
	case EffectFileClosing:
		n.fence(e.Grant, "withdrawn")
		return Result{At: n.w.clock.Now(), State: "Withdrawn"}, nil
	}
	return Result{}, nil
}

func (n *fakeNode) fence(grantID, reason string) {
	for c, env := range n.envelopes {
		if env.Grant == grantID {
			if id, err := ParseID(c); err == nil && n.circles[id] != nil {
				n.circles[id].fenced = reason
			}
		}
	}
}

func (n *fakeNode) deliver(actor string, e Effect) Result {
	from := actor
	if i := bytes.IndexByte([]byte(actor), '#'); i >= 0 {
		from = actor[:i]
	}
	for name := range n.w.actors {
		if len(name) > len(e.Account) && name[:len(e.Account)+1] == e.Account+"#" && name != actor {
			n.inbox[name] = append(n.inbox[name], inboxItem{from: from, kind: e.InboxKind, document: e.Document})
		}
	}
	return Result{}
}

func (n *fakeNode) claimPackages(e Effect) (res Result) {
	for _, client := range e.Clients {
		s := n.stock[e.Account+"#"+client]
		switch {
		case s == nil:
		case len(s.oneTime) > 0:
			res.Packages = append(res.Packages, ClaimedPackage{Client: client, KeyPackage: s.oneTime[0]})
			s.oneTime = s.oneTime[1:]
		case s.lastResort != nil:
			res.Packages = append(res.Packages, ClaimedPackage{Client: client, KeyPackage: s.lastResort, LastResort: true})
		}
	}
	return res
}

func (n *fakeNode) open(e Effect) (Result, *Refusal) {
	if n.circles[e.Circle] != nil {
		return Result{}, nil
	}
	if e.Kind == EffectOpenCircle {
		if _, ok := n.envelopes[e.Circle.String()]; !ok {
			return Result{}, &Refusal{Kind: KindNotFound, Detail: "no envelope"}
		}
	}
	tracker, err := mls.NewPublicGroup(mls.Config{Now: n.w.clock.Now}, e.GroupInfo)
	if err != nil {
		return Result{}, &Refusal{Kind: "malformed", Detail: err.Error()}
	}
	n.circles[e.Circle] = &fakeCircle{id: e.Circle, tracker: tracker, epoch: tracker.Epoch()}
	return Result{}, nil
}

func (n *fakeNode) append(e Effect) (Result, *Refusal) {
	c := n.circles[e.Circle]
	if c == nil {
		return Result{}, &Refusal{Kind: KindNotFound}
	}
	head, err := mls.Peek(e.Message)
	if err != nil {
		return Result{}, &Refusal{Kind: "malformed", Detail: err.Error()}
	}
	if c.fenced != "" {
		return Result{}, &Refusal{Kind: KindFenced}
	}
	switch head.WireFormat {
	case mls.WireKeyPackage:
	case mls.WirePrivateMessage:
		if head.Epoch != c.epoch {
			return Result{}, &Refusal{Kind: KindStaleEpoch, Epoch: c.epoch}
		}
	default:
		if head.Epoch != c.epoch {
			return Result{}, &Refusal{Kind: KindStaleEpoch, Epoch: c.epoch}
		}
		if _, err := c.tracker.Process(e.Message); err != nil {
			return Result{}, &Refusal{Kind: "malformed", Detail: err.Error()}
		}
	}
	n.appends++
	return Result{Seq: n.push(c, e.Message)}, nil
}

func (n *fakeNode) commit(e Effect) (Result, *Refusal) {
	c := n.circles[e.Circle]
	if c == nil {
		return Result{}, &Refusal{Kind: KindNotFound}
	}
	if e.Epoch != c.epoch {
		return Result{}, &Refusal{Kind: KindStaleEpoch, Epoch: c.epoch}
	}
	if c.fenced != "" {
		return Result{}, nil // the last removal: taken, delivered to nobody
	}
	if _, err := c.tracker.Process(e.Commit); err != nil {
		return Result{}, &Refusal{Kind: "malformed", Detail: err.Error()}
	}
	c.epoch = c.tracker.Epoch()
	seq := n.push(c, e.Commit)
	if e.Welcome != nil {
		n.push(c, e.Welcome)
	}
	return Result{Seq: seq}, nil
}

// peek reads a frame's head.
func peek(t testing.TB, msg []byte) peeked {
	t.Helper()
	head, err := mls.Peek(msg)
	if err != nil {
		t.Fatal(err)
	}
	if head.WireFormat == mls.WirePrivateMessage {
		return peeked{wire: "private", epoch: head.Epoch}
	}
	return peeked{epoch: head.Epoch}
}
