package mls

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"primum/mls/internal/message"
	"primum/mls/internal/tree"
)

// fault is what a control breaks on purpose.
type fault string

const (
	faultTornWrite   fault = "the state is written in place"
	faultSendFirst   fault = "messages are sent before the state is stored"
	faultForgetBlock fault = "a reserved block is used before the state is stored"
	faultShowTwice   fault = "messages are shown before the state is stored"
	faultKeepRemoved fault = "a removed member keeps a member's keys"
	faultFork        fault = "the loser of a race merges its commit"
	faultLoseCommit  fault = "a pending commit is sent before it is stored"
)

// actor is a client of a model: what it holds in memory, its disk, and what
// the network holds for it.
type actor struct {
	*party
	disk     *disk
	rec      *record // stored last
	shown    uint64  // serial of the record whose effects were judged
	kp       *KeyPackage
	welcome  []byte
	replaces []byte // signature key of the client whose state was lost
	inbox    []*letter
	late     []*letter // handshakes that the network lost, to be fetched
	block    uint32    // keys reserved at once; 0: it stores before each message
	want     *expect
	was      *expect // with rec
}

// letter is a message under way.
type letter struct {
	id         uint64
	msg        []byte
	kind       Kind
	epoch      uint64
	leaf       uint32
	generation uint32 // of an application message, likewise
	guard      [4]byte
	refs       []uint64 // proposals that a commit takes in
	// Of a commit, what seals its path.
	path        *tree.UpdatePath
	provisional []byte
}

// model is a lab whose members have disks and whose messages wait in an inbox
// per member; the tracker is the node that orders commits.
type model struct {
	*lab
	dir      string
	fault    fault
	target   int                // members
	actors   map[string]*actor  // members, and who was added and has not joined
	waiting  map[string]*actor  // with a published key package
	letters  map[digest]*letter // by message, of the last two epochs
	won      map[digest]bool    // commits that the node took
	ids      uint64
	refs     map[string]uint64 // letters by proposal reference
	facts    map[uint64]*fact  // by epoch
	stolen   map[string]relic  // by signature key, while it is a member
	relics   []relic
	nonces   map[digest]bool
	blocks   map[digest]bool
	keyOf    map[digest]digest // key by message
	released map[digest]digest // message by key
	opened   map[string]map[uint64]bool
	count    tally
}

// digest stands for a message or a key.
type digest [sha256.Size]byte

func digestOf(parts ...[]byte) digest { return sha256.Sum256(bytes.Join(parts, nil)) }

// modelExtension is in the group context, so that commits can change it.
const modelExtension = 0xF0A0

func newModel(t testing.TB, p *plan) *model {
	t.Helper()
	rnd := rand.NewChaCha8(sha256.Sum256(fmt.Append(nil, p.seed)))
	m := &model{
		lab: &lab{t: t, suite: p.suite, types: []uint16{modelExtension}, rnd: rnd, pick: rand.New(rnd), parties: map[string]*party{}},
		dir: t.TempDir(), fault: p.fault, target: 2 + int(p.seed%19), actors: map[string]*actor{}, waiting: map[string]*actor{},
		letters: map[digest]*letter{}, won: map[digest]bool{}, refs: map[string]uint64{}, facts: map[uint64]*fact{}, stolen: map[string]relic{},
		nonces: map[digest]bool{}, blocks: map[digest]bool{}, keyOf: map[digest]digest{}, released: map[digest]digest{},
		opened: map[string]map[uint64]bool{},
	}
	m.count.Smallest = 1
	a := m.newcomer(nil)
	delete(m.waiting, a.name)
	var err error
	a.g, err = Create(a.cfg, []byte("model"), p.suite, []byte(a.name), []Extension{{Type: modelExtension}})
	m.must(err)
	m.track(a.party)
	m.noteNode()
	a.want = newExpect(a.g.Epoch())
	m.must(m.persist(a, nil))
	m.enlist(a)
	return m
}

// newcomer makes a client with a stored key package, which waits to be added.
// It may be one that lost its state and keeps its signature key.
func (m *model) newcomer(lost *actor) *actor {
	m.t.Helper()
	a := &actor{party: m.party(), was: newExpect(0)}
	a.cfg.PastEpochs = []int{0, 0, 1, 2}[m.pick.IntN(4)]
	a.cfg.Window = []int{0, 0, 3, -1}[m.pick.IntN(4)]
	a.cfg.MaxJump = []uint32{0, 0, 6}[m.pick.IntN(3)]
	a.block = []uint32{0, 0, 8}[m.pick.IntN(3)]
	if lost != nil {
		a.cfg.Signer, a.replaces = lost.cfg.Signer, bytes.Clone(lost.g.st.Tree.Leaf(lost.g.Me()).SignatureKey)
	}
	a.disk = &disk{path: fmt.Sprintf("%s/%s", m.dir, a.name), torn: m.fault == faultTornWrite}
	var priv *KeyPackagePrivate
	a.kp, priv = m.keyPackage(a.party)
	key, err := priv.MarshalBinary()
	m.must(err)
	a.rec = &record{serial: 1, key: key}
	m.must(a.disk.write(a.rec.bytes(), nil, m.pick))
	a.shown = 1
	m.waiting[a.name] = a
	return a
}

// enlist makes a client with a group a member of the model.
func (m *model) enlist(a *actor) {
	m.actors[a.name], m.parties[a.name] = a, a.party
	m.opened[a.name] = map[uint64]bool{}
}

// member picks a client that has joined.
func (m *model) member() *actor { return m.actors[m.any().name] }

// sortedNames lists clients in the order of their names.
func sortedNames(of map[string]*actor) []string { return slices.Sorted(maps.Keys(of)) }

// persist stores what a member has in memory, with what is to leave it. A
// crash may strike: then the member restarts with what is on disk. The error
// is errStruck when that is the old state.
func (m *model) persist(a *actor, change func(*record)) error {
	m.t.Helper()
	next := &record{serial: a.rec.serial + 1, state: m.bytesOf(a.party)}
	if change != nil {
		change(next)
	}
	var hit *strike
	if len(m.actors) > 0 && m.pick.IntN(25) == 0 {
		hit = &strike{at: m.pick.IntN(strikes), power: m.pick.IntN(2) == 0}
		m.count.Struck++
		if hit.power {
			m.count.PowerLost++
		}
	}
	err := a.disk.write(next.bytes(), hit, m.pick)
	if errors.Is(err, errStruck) {
		return m.restart(a, next)
	}
	m.must(err)
	a.rec, a.was = next, a.want.clone()
	m.agreeAt(a)
	m.deliver(a)
	return nil
}

// restart starts a member anew from its disk. Next is what it was writing; nil
// when nothing. What is there must be the one or the other, to the byte.
func (m *model) restart(a *actor, next *record) error {
	m.t.Helper()
	m.count.Restarted++
	b, err := a.disk.read()
	m.must(err)
	switch {
	case next != nil && bytes.Equal(b, next.bytes()):
		a.rec, a.was, err = next, a.want.clone(), nil
	case bytes.Equal(b, a.rec.bytes()):
		a.want, err = a.was.clone(), nil
		if next != nil {
			err = errStruck
		}
	default:
		m.t.Fatalf("after a crash the file of %s holds neither the old nor the new state", a.name)
	}
	found, readErr := readRecord(b)
	m.must(readErr)
	if len(found.state) == 0 { // it has not joined yet
		a.g = nil
		return errStruck
	}
	g, loadErr := Load(a.cfg, found.state)
	m.must(loadErr)
	a.g = g
	m.still(a, "a restart")
	m.agreeAt(a)
	m.deliver(a)
	return err
}

// deliver gives what a member stored to the network and its user.
func (m *model) deliver(a *actor) {
	m.t.Helper()
	if fresh := a.rec.serial > a.shown; fresh && a.rec.opened != 0 {
		m.show(a, a.rec.opened)
	}
	a.shown = a.rec.serial
	for _, msg := range a.rec.outbox {
		m.post(a, msg)
	}
}

// show is a letter's content reaching the user.
func (m *model) show(a *actor, id uint64) {
	m.t.Helper()
	if m.opened[a.name][id] {
		m.t.Fatalf("%s opens letter %d twice", a.name, id)
	}
	m.opened[a.name][id] = true
}

// post gives a message that is no commit to the node. It refuses what is of an
// epoch that has ended, and hands out the rest.
func (m *model) post(a *actor, msg []byte) {
	m.t.Helper()
	h, err := Peek(msg)
	m.must(err)
	if h.WireFormat == WirePrivateMessage {
		m.noteRelease(a, msg)
		if h.Epoch != m.public.Epoch() {
			return
		}
		l := m.letterOf(msg, Application, h.Epoch)
		m.handOut(a, l)
		m.shut(l)
		return
	}
	l, again := m.letters[digestOf(msg)]
	_, err = m.public.Process(msg)
	switch {
	case h.Epoch != m.public.Epoch():
		if !errors.Is(err, ErrEpoch) {
			m.t.Fatalf("the node answers a stale proposal with %v", err)
		}
		return
	case again && !errors.Is(err, ErrReplay):
		m.t.Fatalf("the node answers a proposal that it has with %v", err)
	case !again:
		m.must(err)
		l = m.letterOf(msg, Proposal, h.Epoch)
		m.refs[string(reread(m.t, msg).Ref(m.public.st.Suite))] = l.id
	}
	m.handOut(a, l)
}

// letterOf is the letter of a message, the same for the same bytes.
func (m *model) letterOf(msg []byte, kind Kind, epoch uint64) *letter {
	m.t.Helper()
	if l := m.letters[digestOf(msg)]; l != nil {
		return l
	}
	m.ids++
	l := &letter{id: m.ids, msg: msg, kind: kind, epoch: epoch}
	m.letters[digestOf(msg)] = l
	switch kind {
	case Application:
		h := privateHead(m.t, msg)
		var err error
		l.leaf, l.generation, l.guard, err = m.someoneIn(epoch).senderOf(&h)
		m.must(err)
	case Proposal, Commit:
		signed := reread(m.t, msg)
		l.leaf = signed.Sender.Index
		if kind == Commit {
			m.readCommit(l, signed)
		}
	}
	return l
}

// someoneIn is a member's keys of an epoch.
func (m *model) someoneIn(epoch uint64) *core {
	for _, name := range m.names() {
		if g := m.parties[name].g; g.Epoch() == epoch {
			return g.core
		}
	}
	m.t.Fatalf("nobody is in epoch %d", epoch)
	return nil
}

// readCommit notes what a commit refers to, before the node takes it.
func (m *model) readCommit(l *letter, signed *message.Signed) {
	m.t.Helper()
	for _, p := range signed.Commit.Proposals {
		if p.Value == nil {
			id, ok := m.refs[string(p.Ref)]
			if !ok {
				m.t.Fatal("a commit refers to what the node never saw")
			}
			l.refs = append(l.refs, id)
		}
	}
	sc, err := m.public.st.Stage(m.public.cfg.options(), signed)
	m.must(err)
	l.path, l.provisional = sc.Path, sc.Provisional
}

// handOut puts a letter into everybody's inbox: now and then doubled, late, or
// in another place. What is a member's own comes back to it sometimes, its
// commit always.
func (m *model) handOut(from *actor, l *letter) {
	for _, name := range sortedNames(m.actors) {
		a := m.actors[name]
		if a == from && l.kind != Commit && m.pick.IntN(8) > 0 {
			continue
		}
		switch m.pick.IntN(16) {
		case 0:
			m.count.Lost++
			if l.kind != Application { // the node has it
				a.late = append(a.late, l)
			}
			continue
		case 1:
			m.count.Doubled++
			a.inbox = append(a.inbox, l)
		}
		at := len(a.inbox)
		if m.pick.IntN(3) == 0 {
			at -= m.pick.IntN(min(8, at+1))
		}
		a.inbox = slices.Insert(a.inbox, at, l)
	}
}

// submit hands a pending commit to the node, which takes the first of an
// epoch.
func (m *model) submit(a *actor) {
	m.t.Helper()
	staged := a.g.PendingCommit()
	next, got, err := m.public.Stage(staged.Commit)
	if a.g.Epoch() != m.public.Epoch() {
		if !errors.Is(err, ErrEpoch) {
			m.t.Fatalf("the node answers a second commit of an epoch with %v", err)
		}
		m.lose(a, staged.Commit)
		return
	}
	m.must(err)
	l := m.letterOf(staged.Commit, Commit, got.Epoch)
	m.public, m.won[digestOf(staged.Commit)] = next, true
	m.count.Commits++
	maps.DeleteFunc(m.letters, func(_ digest, old *letter) bool { return old.epoch+1 < got.Epoch })
	clear(m.refs)
	m.noteNode()
	m.retire(got)
	if len(got.View.Removes) > 0 || m.pick.IntN(3) == 0 {
		m.shutPath(l)
	}
	m.handOut(a, l)
	m.invite(staged.Welcome)
	if m.pick.IntN(4) > 0 { // else the answer is lost: it finds its commit in its inbox
		_ = m.merge(a)
	}
}

// lose is a commit that came too late, or whose acceptance the member did not
// learn.
func (m *model) lose(a *actor, commit []byte) {
	m.t.Helper()
	if m.won[digestOf(commit)] {
		return // it is in the inbox
	}
	m.count.Raced++
	switch {
	case m.fault == faultFork:
		_ = m.merge(a)
	case m.pick.IntN(2) == 0:
		a.g.Discard()
		_ = m.persist(a, nil)
	}
}

// merge enters the epoch of the own commit.
func (m *model) merge(a *actor) error {
	m.t.Helper()
	m.must(a.g.Merge())
	a.want.enter(a.g.cfg.PastEpochs)
	return m.persist(a, nil)
}

// invite gives a Welcome to whom it is for.
func (m *model) invite(welcome []byte) {
	for _, name := range sortedNames(m.waiting) {
		if a := m.waiting[name]; welcome != nil && WelcomeFor(welcome, a.kp.Ref()) {
			a.welcome = welcome
			m.actors[name] = a
			delete(m.waiting, name)
		}
	}
	n := len(m.public.Members())
	m.count.Smallest, m.count.Largest = min(m.count.Smallest, n), max(m.count.Largest, n)
}

// retire turns stolen states of who was removed into relics.
func (m *model) retire(got *Received) {
	for _, r := range got.View.Removes {
		if stolen, ok := m.stolen[string(r.SignatureKey)]; ok {
			delete(m.stolen, string(r.SignatureKey))
			stolen.out = got.Epoch
			m.bury(stolen)
		}
	}
}

// bury keeps the last relics.
func (m *model) bury(r relic) {
	if m.fault == faultKeepRemoved {
		a := m.member()
		r.g = again(m.t, a.cfg, a.g)
	}
	m.relics = append(m.relics, r)
	m.relics = m.relics[max(0, len(m.relics)-2):]
}
