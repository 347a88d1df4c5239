package mls

import (
	"bytes"
	"errors"
	"maps"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"
)

// modelSteps is the length of a model run; PRIMUM_MODEL_STEPS changes it.
const modelSteps = 400

// TestModel drives a group through a random schedule of commits that win,
// lose, come twice, late or not at all, of proposals, messages, restarts and
// crashes, with what the RFC promises as its oracle: whoever is in an epoch
// has its one tree, transcript and exporter; a refused message moves no byte;
// no message opens twice; who was removed opens nothing more. The seed is
// printed; PRIMUM_MODEL_SEED repeats it.
func TestModel(t *testing.T) {
	t.Parallel()
	steps := envInt("PRIMUM_MODEL_STEPS", modelSteps)
	first := uint64(envInt("PRIMUM_MODEL_SEED", int(time.Now().UnixNano()&0xffffff)+1))
	for seed := first; seed < first+3; seed++ {
		t.Logf("seed %d, %d steps (PRIMUM_MODEL_SEED=%d repeats it)", seed, steps, seed)
		m := newModel(t, seed)
		for range steps {
			m.step()
		}
		m.settle()
		t.Logf("seed %d: %d epochs, %d members at the end; %+v", seed, m.public.Epoch(), len(m.parties), m.count)
		if c := m.count; steps >= modelSteps && (c.Opened == 0 || c.Lost == 0 || c.Refused == 0 || c.Crashes == 0 || c.Joined == 0 || c.Removed == 0) {
			t.Errorf("seed %d: the schedule leaves something out", seed)
		}
	}
}

func envInt(name string, otherwise int) int {
	if n, err := strconv.Atoi(os.Getenv(name)); err == nil && n > 0 {
		return n
	}
	return otherwise
}

// model is a lab whose messages wait in an inbox per member; the tracker is
// the node that orders commits.
type model struct {
	*lab
	letters  int
	inbox    map[string][]letter
	seen     map[string]map[int]bool // letters taken in, as stored
	disk     map[string][]byte       // the state each member last stored
	facts    map[uint64]fact         // by epoch
	invited  map[string]newcomer
	pending  map[string][]newcomer // of a commit that was made and not sent
	proposed map[string]uint64     // epoch of a member's last proposal
	removed  []relic
	count    struct{ Opened, Lost, Refused, Crashes, Joined, Removed int }
}

// letter is a message under way.
type letter struct {
	id    int
	msg   []byte
	epoch uint64
	kind  Kind
}

// newcomer is a party with its key package and, once invited, its Welcome.
type newcomer struct {
	p       *party
	kp      *KeyPackage
	priv    []byte
	welcome []byte
}

// relic is a removed member with the last state it had as one.
type relic struct {
	p     *party
	state []byte
}

// fact is what all who are in an epoch must agree on.
type fact struct{ tree, transcript, exporter, authenticator []byte }

func newModel(t testing.TB, seed uint64) *model {
	t.Helper()
	m := &model{
		lab: newLab(t, seed, 2), inbox: map[string][]letter{}, seen: map[string]map[int]bool{},
		disk: map[string][]byte{}, facts: map[uint64]fact{}, invited: map[string]newcomer{},
		pending: map[string][]newcomer{}, proposed: map[string]uint64{},
	}
	for _, name := range m.names() {
		m.seen[name] = map[int]bool{}
		m.store(m.parties[name])
	}
	return m
}

func (m *model) step() {
	m.t.Helper()
	p := m.any()
	switch m.pick.IntN(14) {
	case 0, 1:
		m.race()
	case 2:
		m.propose(p)
	case 3, 4:
		m.say(p)
	case 5:
		m.crash(p)
	case 6:
		m.duplicate(p)
	case 7:
		m.reorder(p)
	case 8:
		m.garble(p)
	case 9:
		m.loseMessage(p)
	case 10:
		m.join()
	default:
		m.read(p, 1+m.pick.IntN(6))
	}
}

// store writes a member's state to its disk and checks it against the facts.
func (m *model) store(p *party) {
	m.t.Helper()
	m.disk[p.name] = m.bytesOf(p)
	exporter, err := p.g.Export("model", []byte("x"), 32)
	m.must(err)
	have := fact{p.g.TreeHash(), p.g.ConfirmedTranscriptHash(), exporter, p.g.EpochAuthenticator()}
	want, known := m.facts[p.g.Epoch()]
	if !known {
		m.facts[p.g.Epoch()] = have
		return
	}
	if !bytes.Equal(have.tree, want.tree) || !bytes.Equal(have.transcript, want.transcript) ||
		!bytes.Equal(have.exporter, want.exporter) || !bytes.Equal(have.authenticator, want.authenticator) {
		m.t.Fatalf("%s is in another epoch %d than the others", p.name, p.g.Epoch())
	}
}

// send puts a message into the inbox of everybody else.
func (m *model) send(from *party, msg []byte, epoch uint64, kind Kind) {
	m.letters++
	l := letter{m.letters, msg, epoch, kind}
	for _, name := range append(m.names(), slices.Sorted(maps.Keys(m.invited))...) {
		if name != from.name {
			m.inbox[name] = append(m.inbox[name], l)
		}
	}
}

// race lets one to three members that are up to date commit at once. The node
// takes the first; the others lose.
func (m *model) race() {
	m.t.Helper()
	var racers []*party
	for range 1 + m.pick.IntN(3) {
		p := m.any()
		if m.read(p, 1<<20); m.parties[p.name] == p && !slices.Contains(racers, p) {
			racers = append(racers, p)
		}
	}
	for _, p := range racers {
		if !p.g.Pending() {
			m.prepare(p)
		}
		m.store(p) // with the pending commit, before it is sent
		if m.pick.IntN(6) == 0 {
			m.reload(p) // crashed before sending: the commit is still there
			if !p.g.Pending() {
				m.t.Fatalf("%s lost its pending commit", p.name)
			}
			continue
		}
		m.submit(p)
	}
}

// prepare makes a commit.
func (m *model) prepare(p *party) {
	m.t.Helper()
	var o CommitOptions
	var fresh []newcomer
	members := p.g.Members()
	if len(members) < 8 && m.pick.IntN(3) == 0 {
		q := m.party()
		kp, priv := m.keyPackage(q)
		secret, err := priv.MarshalBinary()
		m.must(err)
		o.Add, fresh = append(o.Add, kp), append(fresh, newcomer{p: q, kp: kp, priv: secret})
	}
	if len(members) > 2 && m.pick.IntN(4) == 0 {
		if victim := members[m.pick.IntN(len(members))]; victim.Leaf != p.g.Me() {
			o.Remove = append(o.Remove, victim.Leaf)
		}
	}
	if m.pick.IntN(2) == 0 {
		o.AuthenticatedData = []byte("at")
	}
	_, err := p.g.Commit(o)
	m.must(err)
	m.pending[p.name] = fresh
}

// submit hands a pending commit to the node, which takes or refuses it.
func (m *model) submit(p *party) {
	m.t.Helper()
	staged := p.g.PendingCommit()
	next, got, err := m.public.Stage(staged.Commit)
	if p.g.Epoch() != m.public.Epoch() {
		if !errors.Is(err, ErrEpoch) {
			m.t.Fatalf("the node takes a second commit of one epoch: %v", err)
		}
		m.count.Lost++
		delete(m.pending, p.name)
		if m.pick.IntN(2) == 0 {
			p.g.Discard()
			m.store(p)
		}
		return
	}
	m.must(err)
	m.public = next
	m.send(p, staged.Commit, got.Epoch, Commit)
	for _, n := range m.pending[p.name] {
		n.welcome = staged.Welcome
		m.invited[n.p.name] = n
	}
	delete(m.pending, p.name)
	m.must(p.g.Merge())
	m.store(p)
}

// join lets one invited party in.
func (m *model) join() {
	m.t.Helper()
	names := slices.Sorted(maps.Keys(m.invited))
	if len(names) == 0 {
		return
	}
	n := m.invited[names[0]]
	delete(m.invited, names[0])
	priv, err := ParseKeyPackagePrivate(n.priv)
	m.must(err)
	n.p.g, err = Join(n.p.cfg, n.welcome, n.kp, priv, nil)
	m.must(err)
	m.parties[n.p.name] = n.p
	m.seen[n.p.name] = map[int]bool{}
	m.store(n.p)
	m.count.Joined++
}

// propose sends an Update, at most one per member and epoch.
func (m *model) propose(p *party) {
	m.t.Helper()
	epoch := p.g.Epoch()
	if last, ok := m.proposed[p.name]; ok && last == epoch || epoch != m.public.Epoch() || p.g.Pending() {
		return
	}
	m.proposed[p.name] = epoch
	msg, err := p.g.ProposeUpdate(nil)
	m.must(err)
	m.store(p)
	_, err = m.public.Process(msg)
	m.must(err)
	m.send(p, msg, epoch, Proposal)
}

// say sends a message; the node refuses one of a stale epoch, so that nobody
// sends one. No removed member opens it.
func (m *model) say(p *party) {
	m.t.Helper()
	if p.g.Epoch() != m.public.Epoch() {
		return
	}
	msg, err := p.g.Seal([]byte("text"), nil, 256)
	m.must(err)
	m.store(p)
	m.send(p, msg, p.g.Epoch(), Application)
	for _, r := range m.removed {
		g, err := Load(r.p.cfg, r.state)
		m.must(err)
		if _, err := g.Process(msg); err == nil {
			m.t.Fatalf("%s opens a message sent after its removal", r.p.name)
		}
	}
}

// read takes in up to n letters of a member, in the order of its inbox but for
// those of epochs that it has not reached.
func (m *model) read(p *party, n int) {
	m.t.Helper()
	for ; n > 0 && m.parties[p.name] == p; n-- {
		box := m.inbox[p.name]
		i := slices.IndexFunc(box, func(l letter) bool { return l.epoch <= p.g.Epoch() })
		if i < 0 {
			return
		}
		l := box[i]
		m.inbox[p.name] = slices.Delete(slices.Clone(box), i, i+1)
		m.take(p, l)
	}
}

// take gives one letter to a member and judges the outcome.
func (m *model) take(p *party, l letter) {
	m.t.Helper()
	before, epoch := m.disk[p.name], p.g.Epoch()
	got, err := p.g.Process(l.msg)
	switch {
	case l.epoch != epoch:
		m.mustRefuse(p, err, ErrEpoch)
	case m.seen[p.name][l.id]:
		m.mustRefuse(p, err, ErrReplay)
	case err != nil:
		m.t.Fatalf("%s in epoch %d refuses letter %d of kind %d: %v", p.name, epoch, l.id, l.kind, err)
	case got.Kind != l.kind || l.kind == Application && string(got.Data) != "text":
		m.t.Fatalf("%s reads letter %d as %+v", p.name, l.id, got)
	case got.Evicted:
		m.count.Removed++
		m.evict(p, before)
	default:
		m.count.Opened++
		m.seen[p.name][l.id] = true
		if l.kind == Commit {
			m.seen[p.name] = map[int]bool{} // replays are of a stale epoch now
			delete(m.pending, p.name)
		}
		m.store(p)
	}
}

func (m *model) mustRefuse(p *party, err, want error) {
	m.t.Helper()
	if !errors.Is(err, want) {
		m.t.Fatalf("%s says %v instead of %v", p.name, err, want)
	}
	if !bytes.Equal(m.bytesOf(p), m.disk[p.name]) {
		m.t.Fatalf("a refused message moved the state of %s", p.name)
	}
	m.count.Refused++
}

func (m *model) evict(p *party, before []byte) {
	m.t.Helper()
	delete(m.parties, p.name)
	delete(m.inbox, p.name)
	delete(m.disk, p.name)
	delete(m.seen, p.name)
	delete(m.pending, p.name)
	m.removed = append(m.removed, relic{p, before})
	m.removed = m.removed[max(0, len(m.removed)-3):]
	if _, err := p.g.Seal([]byte("x"), nil, 0); !errors.Is(err, ErrEvicted) {
		m.t.Fatalf("%s seals after its removal: %v", p.name, err)
	}
}

// reload restarts a member from its disk.
func (m *model) reload(p *party) {
	m.t.Helper()
	var err error
	p.g, err = Load(p.cfg, m.disk[p.name])
	m.must(err)
}

// crash restarts a member from what it stored last, in the middle of reading,
// sealing or committing: the letter stays in the inbox, the message was never
// sent.
func (m *model) crash(p *party) {
	m.t.Helper()
	m.count.Crashes++
	switch m.pick.IntN(4) {
	case 0:
		if box := m.inbox[p.name]; len(box) > 0 {
			_, _ = p.g.Process(box[0].msg)
		}
	case 1:
		_, err := p.g.Seal([]byte("never sent"), nil, 0)
		m.must(err)
	case 2:
		if !p.g.Pending() {
			_, err := p.g.Commit(CommitOptions{})
			m.must(err)
		}
	}
	m.reload(p)
}

// duplicate lets a letter come once more, anywhere later.
func (m *model) duplicate(p *party) {
	box := m.inbox[p.name]
	if len(box) == 0 {
		return
	}
	i := m.pick.IntN(len(box))
	at := i + 1 + m.pick.IntN(len(box)-i)
	m.inbox[p.name] = slices.Insert(slices.Clone(box), at, box[i])
}

// reorder swaps neighbours where one is a message: handshakes keep the order
// of the node.
func (m *model) reorder(p *party) {
	box := slices.Clone(m.inbox[p.name])
	if len(box) < 2 {
		return
	}
	i := m.pick.IntN(len(box) - 1)
	if box[i].kind == Application || box[i+1].kind == Application {
		box[i], box[i+1] = box[i+1], box[i]
		m.inbox[p.name] = box
	}
}

// loseMessage drops an application message for one member.
func (m *model) loseMessage(p *party) {
	box := m.inbox[p.name]
	if i := slices.IndexFunc(box, func(l letter) bool { return l.kind == Application }); i >= 0 {
		m.inbox[p.name] = slices.Delete(slices.Clone(box), i, i+1)
	}
}

// garble shows a member a letter with one changed byte, and one from epochs it
// has not reached.
func (m *model) garble(p *party) {
	m.t.Helper()
	box := m.inbox[p.name]
	if len(box) == 0 {
		return
	}
	msg := bytes.Clone(box[m.pick.IntN(len(box))].msg)
	msg[m.pick.IntN(len(msg))] ^= 1 << m.pick.IntN(8)
	if _, err := p.g.Process(msg); err == nil {
		m.t.Fatalf("%s takes in a changed message", p.name)
	}
	if last := box[len(box)-1]; last.epoch > p.g.Epoch() {
		_, err := p.g.Process(last.msg)
		m.mustRefuse(p, err, ErrEpoch)
	}
	if !bytes.Equal(m.bytesOf(p), m.disk[p.name]) {
		m.t.Fatalf("a changed message moved the state of %s", p.name)
	}
}

// settle lets everybody join and read all there is, and checks that they meet.
func (m *model) settle() {
	m.t.Helper()
	for len(m.invited) > 0 {
		m.join()
	}
	for _, name := range m.names() {
		p := m.parties[name]
		if m.read(p, 1<<20); m.parties[name] == p && p.g.Epoch() != m.public.Epoch() {
			m.t.Fatalf("%s ends in epoch %d, the node is in %d", name, p.g.Epoch(), m.public.Epoch())
		}
	}
	m.agree()
	for _, name := range m.names() {
		m.talk(m.parties[name])
	}
}
