package mls

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"primum/mls/internal/message"
	"primum/mls/internal/tree"
)

// step does one thing. Reading is the most frequent.
func (m *model) step() {
	m.t.Helper()
	a := m.member()
	switch m.pick.IntN(24) {
	case 0, 1, 2:
		m.race()
	case 3, 4:
		m.propose(a)
	case 5, 6, 7, 8:
		m.say(a)
	case 9:
		m.crash(a)
	case 10, 11:
		m.garble(a)
	case 12:
		m.cheat(a)
	case 13, 14:
		m.join()
	case 15:
		m.restartNode()
	case 16:
		m.wipe(a)
	default:
		m.read(a, 1+m.pick.IntN(8))
	}
}

// race lets one to three members commit at once, who have read all or, now and
// then, not.
func (m *model) race() {
	m.t.Helper()
	var racers []*actor
	for range 1 + m.pick.IntN(3) {
		a := m.member()
		if m.pick.IntN(8) > 0 {
			m.read(a, 1<<20)
		}
		if m.actors[a.name] == a && !slices.Contains(racers, a) {
			racers = append(racers, a)
		}
	}
	for _, a := range racers {
		if m.actors[a.name] != a { // it has read of its removal since
			continue
		}
		if a.g.Pending() || m.prepare(a) {
			m.push(a)
		}
	}
}

// push sends a pending commit, unless it crashes first.
func (m *model) push(a *actor) {
	m.t.Helper()
	if m.pick.IntN(8) == 0 {
		m.must(m.restart(a, nil))
		if !a.g.Pending() {
			m.t.Fatalf("%s lost its pending commit", a.name)
		}
		return
	}
	m.submit(a)
}

// prepare makes a commit and stores it.
func (m *model) prepare(a *actor) bool {
	m.t.Helper()
	_, err := a.g.Commit(m.options(a))
	m.must(err)
	if _, err := a.g.Commit(CommitOptions{}); !errors.Is(err, ErrPending) {
		m.t.Fatalf("%s makes a second commit: %v", a.name, err)
	}
	if m.fault == faultLoseCommit {
		if m.submit(a); !a.g.Pending() {
			return false
		}
	}
	return m.persist(a, nil) == nil
}

// options say what a commit does; the group's size follows the target.
func (m *model) options(a *actor) (o CommitOptions) {
	m.t.Helper()
	if m.pick.IntN(12) == 0 {
		m.target = 2 + m.pick.IntN(19)
	}
	members := a.g.Members()
	switch {
	case len(members) < m.target && m.pick.IntN(2) == 0:
		for range min(1+m.pick.IntN(3), 20-len(members)) {
			m.wish(a, &o)
		}
	case len(members) > max(2, m.target) && m.pick.IntN(2) == 0, len(members) > 2 && m.pick.IntN(12) == 0:
		if victim := members[m.pick.IntN(len(members))].Leaf; victim != a.g.Me() {
			o.Remove = append(o.Remove, victim)
		}
	}
	if m.pick.IntN(8) == 0 {
		o.Extensions = []Extension{{Type: modelExtension, Data: fmt.Append(nil, m.pick.Uint32())}}
	}
	if m.pick.IntN(2) == 0 {
		o.AuthenticatedData = []byte("at")
	}
	return o
}

// wish adds a waiting client to a commit, or a new one; who comes back has its
// old leaf removed by the same commit.
func (m *model) wish(a *actor, o *CommitOptions) {
	m.t.Helper()
	q := m.candidate()
	if slices.ContainsFunc(o.Add, func(kp *KeyPackage) bool { return bytes.Equal(kp.Ref(), q.kp.Ref()) }) {
		return
	}
	for _, member := range a.g.Members() {
		if q.replaces != nil && bytes.Equal(member.SignatureKey, q.replaces) {
			if member.Leaf == a.g.Me() {
				return
			}
			o.Remove = append(o.Remove, member.Leaf)
		}
	}
	o.Add = append(o.Add, q.kp)
}

// candidate is a client that waits to be added.
func (m *model) candidate() *actor {
	if names := sortedNames(m.waiting); len(names) > 0 {
		return m.waiting[names[m.pick.IntN(len(names))]]
	}
	return m.newcomer(nil)
}

// join lets one invited client in.
func (m *model) join() {
	m.t.Helper()
	for _, name := range sortedNames(m.actors) {
		if a := m.actors[name]; a.g == nil {
			m.joinAs(a)
			return
		}
	}
}

func (m *model) joinAs(a *actor) {
	m.t.Helper()
	priv, err := ParseKeyPackagePrivate(a.rec.key)
	m.must(err)
	a.g, err = Join(a.cfg, a.welcome, a.kp, priv, nil)
	m.must(err)
	priv.Erase()
	a.want = newExpect(a.g.Epoch())
	if m.persist(a, nil) != nil {
		return // it joins again, from the stored key package
	}
	m.enlist(a)
	m.agreeAt(a)
	m.count.Joined++
}

// propose sends a proposal by reference.
func (m *model) propose(a *actor) {
	m.t.Helper()
	if m.read(a, 40); m.actors[a.name] != a || a.g.Epoch() != m.public.Epoch() || a.g.Pending() {
		return
	}
	aad := fmt.Append(nil, m.ids) // no two are the same
	var msg []byte
	var err error
	members := a.g.Members()
	switch k := m.pick.IntN(6); {
	case k == 0 && len(members) > 2:
		msg, err = a.g.ProposeRemove(members[m.pick.IntN(len(members))].Leaf, aad)
	case k == 1 && len(members) < min(m.target, 20):
		msg, err = a.g.ProposeAdd(m.candidate().kp, aad)
	default:
		msg, err = a.g.ProposeUpdate(aad)
	}
	if err != nil && len(a.g.st.Proposals) > 10 { // its share of this epoch may be used up
		m.still(a, "a proposal that failed")
		return
	}
	m.must(err)
	m.count.Proposals++
	_ = m.persist(a, func(r *record) { r.outbox = [][]byte{msg} })
	if l := m.letters[digestOf(msg)]; l != nil && a.g.Epoch() == l.epoch {
		a.want.got[l.id] = true
		a.was.got[l.id] = true
	}
}

// say seals a message, stores the state and sends it; or takes it from a block
// that was reserved and stored before.
func (m *model) say(a *actor) {
	m.t.Helper()
	if a.block > 0 && a.g.Reserved() == 0 && !m.reserve(a) {
		return
	}
	key, err := nextKey(a.g)
	m.must(err)
	msg, err := a.g.Seal([]byte("text"), []byte(a.name), 512)
	m.must(err)
	m.noteSealing(a, &key, msg)
	m.count.Sealed++
	switch {
	case a.block > 0:
		if m.fault != faultForgetBlock {
			m.still(a, "a reserved key")
		}
		m.post(a, msg)
	case m.fault == faultSendFirst:
		m.post(a, msg)
		_ = m.persist(a, nil)
	default:
		_ = m.persist(a, func(r *record) { r.outbox = [][]byte{msg} })
	}
}

// reserve takes a block of keys and stores the state behind it.
func (m *model) reserve(a *actor) bool {
	m.t.Helper()
	if a.g.reserving {
		_, err := a.g.Seal([]byte("text"), nil, 0)
		m.refuse(a, "a message beyond the block", err, ErrReserve)
	}
	m.must(a.g.Reserve(a.block))
	m.count.Reserved++
	if m.fault == faultForgetBlock {
		return true
	}
	return m.persist(a, nil) == nil && a.g.Reserved() > 0
}

// read takes in up to n letters of a member. What is of a later epoch, or
// refers to what is late, waits; when nothing else is left, what the network
// lost is fetched.
func (m *model) read(a *actor, n int) {
	m.t.Helper()
	for waited := 0; n > 0 && m.actors[a.name] == a; {
		if waited >= len(a.inbox) {
			if len(a.late) == 0 {
				return
			}
			a.inbox, a.late, waited = append(a.inbox, a.late...), nil, 0
			continue
		}
		l := a.inbox[0]
		a.inbox = a.inbox[1:]
		switch m.take(a, l) {
		case taken:
			waited = 0
		case struck:
			a.inbox = append([]*letter{l}, a.inbox...)
		case early:
			a.inbox = append(a.inbox, l)
			waited++
		}
		n--
	}
}

// fate is what became of a letter.
type fate int

const (
	taken  fate = iota // taken in or refused for good
	struck             // a crash took it back
	early              // it has to wait
)

// take gives one letter to a member and judges the outcome.
func (m *model) take(a *actor, l *letter) fate {
	m.t.Helper()
	epoch := a.g.Epoch()
	want := a.want.judge(a, l)
	thief := relic{name: a.name, out: l.epoch}
	if l.kind == Commit && want == nil { // it may be this member's last
		thief.g = again(m.t, a.cfg, a.g)
	}
	got, err := a.g.Process(l.msg)
	switch {
	case want != nil:
		m.refuse(a, fmt.Sprintf("letter %d of kind %d, epoch %d", l.id, l.kind, l.epoch), err, want)
		if l.kind == Commit && errors.Is(want, ErrOwnMessage) {
			return m.stored(m.mergeOwn(a, l))
		}
		if l.epoch > epoch || l.kind == Commit && errors.Is(want, ErrInvalid) {
			return early
		}
	case err != nil:
		m.t.Fatalf("%s in epoch %d refuses letter %d of kind %d, epoch %d: %v", a.name, epoch, l.id, l.kind, l.epoch, err)
	case got.Kind != l.kind || got.Sender != l.leaf || got.Epoch != l.epoch || l.kind == Application && string(got.Data) != "text":
		m.t.Fatalf("%s reads letter %d as %+v", a.name, l.id, got)
	case got.Evicted:
		m.evict(a, thief, l)
	case l.kind == Application:
		m.count.Opened++
		if l.epoch != epoch {
			m.count.Late++
		}
		if m.fault == faultShowTwice {
			m.show(a, l.id)
			return m.stored(m.persist(a, nil))
		}
		return m.stored(m.persist(a, func(r *record) { r.opened = l.id }))
	default:
		return m.stored(m.persist(a, nil))
	}
	return taken
}

func (m *model) stored(err error) fate {
	if err != nil {
		return struck
	}
	return taken
}

// mergeOwn is a member that learns from its inbox that its commit won.
func (m *model) mergeOwn(a *actor, l *letter) error {
	m.t.Helper()
	p := a.g.PendingCommit()
	if p == nil || !bytes.Equal(p.Commit, l.msg) {
		m.t.Fatalf("%s does not hold its own commit, which the node took", a.name)
	}
	return m.merge(a)
}

// evict ends a member.
func (m *model) evict(a *actor, thief relic, l *letter) {
	m.t.Helper()
	m.count.Removed++
	delete(m.actors, a.name)
	delete(m.parties, a.name)
	_, err := a.g.Seal([]byte("x"), nil, 0)
	if !errors.Is(err, ErrEvicted) {
		m.t.Fatalf("%s seals after its removal: %v", a.name, err)
	}
	_, err = a.g.Process(l.msg)
	if !errors.Is(err, ErrEvicted) {
		m.t.Fatalf("%s reads after its removal: %v", a.name, err)
	}
	m.bury(thief)
	m.shutPath(l)
	for _, later := range append(a.inbox, a.late...) {
		if later.epoch > l.epoch && later.kind == Application {
			m.shut(later)
		}
	}
}

// crash restarts a member in the middle of something that it has not stored.
func (m *model) crash(a *actor) {
	m.t.Helper()
	switch m.pick.IntN(4) {
	case 0:
		if len(a.inbox) > 0 {
			_, _ = a.g.Process(a.inbox[0].msg)
		}
	case 1:
		if a.block == 0 {
			key, err := nextKey(a.g)
			m.must(err)
			msg, err := a.g.Seal([]byte("never sent"), nil, 0)
			m.must(err)
			m.noteSealing(a, &key, msg)
		}
	case 2:
		if !a.g.Pending() {
			_, err := a.g.Commit(CommitOptions{})
			m.must(err)
		}
	}
	m.must(m.restart(a, nil))
	if a.g.Pending() && m.pick.IntN(2) == 0 {
		m.submit(a)
	}
}

// wipe loses a member's state for good, to a thief too. It comes back with a
// new key package under its old signature key. Another member stays that is up
// to date, or nobody could let it in.
func (m *model) wipe(a *actor) {
	m.t.Helper()
	stays := slices.ContainsFunc(m.names(), func(name string) bool {
		return name != a.name && m.parties[name].g.Epoch() == m.public.Epoch()
	})
	if !stays || m.pick.IntN(3) > 0 {
		return
	}
	m.count.Wiped++
	delete(m.actors, a.name)
	delete(m.parties, a.name)
	b, err := a.disk.read()
	m.must(err)
	r, err := readRecord(b)
	m.must(err)
	g, err := Load(a.cfg, r.state)
	m.must(err)
	key := string(g.st.Tree.Leaf(g.Me()).SignatureKey)
	for _, member := range m.public.Members() {
		if string(member.SignatureKey) == key && member.Leaf == g.Me() {
			m.stolen[key] = relic{name: a.name, g: g}
			m.newcomer(a)
			return
		}
	}
}

// restartNode restarts the tracker from what it stored.
func (m *model) restartNode() {
	m.t.Helper()
	b, err := m.public.MarshalBinary()
	m.must(err)
	m.public, err = LoadPublicGroup(Config{}, b)
	m.must(err)
	again, err := m.public.MarshalBinary()
	m.must(err)
	if !bytes.Equal(b, again) {
		m.t.Fatal("a restart changed the state of the tracker")
	}
}

// garble shows a member and the tracker a letter that was changed, cut or
// lengthened.
func (m *model) garble(a *actor) {
	m.t.Helper()
	if len(a.inbox) == 0 {
		return
	}
	m.count.Garbled++
	msg := bytes.Clone(a.inbox[m.pick.IntN(len(a.inbox))].msg)
	switch m.pick.IntN(8) {
	case 0:
		msg = msg[:m.pick.IntN(len(msg))]
	case 1:
		msg = append(msg, byte(m.pick.IntN(256)))
	default:
		msg[m.pick.IntN(len(msg))] ^= 1 << m.pick.IntN(8)
	}
	if _, err := a.g.Process(msg); err == nil {
		m.t.Fatalf("%s takes in a changed message", a.name)
	}
	m.still(a, "a changed message")
	before, err := m.public.MarshalBinary()
	m.must(err)
	_, _, _ = m.public.Stage(msg) // it can't check the tags, so it may stage it
	after, err := m.public.MarshalBinary()
	m.must(err)
	if !bytes.Equal(before, after) {
		m.t.Fatal("staging moved the tracker")
	}
}

// cheat lets a member with real keys send commits against the rules to all who
// are up to date.
func (m *model) cheat(a *actor) {
	m.t.Helper()
	forgeries := map[string]forge{
		"a commit with another confirmation tag": {tag: func(b []byte) { b[m.pick.IntN(len(b))] ^= 1 }},
		"a commit that changes its leaf's name":  {leaf: func(n *tree.LeafNode) { n.Credential = tree.BasicCredential([]byte("x")) }},
		"a commit with another parent key":       {body: swapPathKeys, path: nil},
		"a commit that removes nobody":           {list: value(message.Proposal{Kind: ProposalRemove, Removed: 1 << 20})},
	}
	names := []string{"a commit with another confirmation tag", "a commit that changes its leaf's name", "a commit with another parent key", "a commit that removes nobody"}
	what := names[m.pick.IntN(len(names))]
	msg := m.commitBy(a.party, forgeries[what])
	m.still(a, "making a forgery")
	for _, name := range sortedNames(m.actors) {
		b := m.actors[name]
		if b == a || b.g == nil || b.g.Epoch() != a.g.Epoch() {
			continue
		}
		if _, err := b.g.Process(msg); err == nil {
			m.t.Fatalf("%s takes in %s", name, what)
		}
		m.still(b, what)
		m.count.Evil++
	}
}

// swapPathKeys gives the lowest node of a path another ciphertext.
func swapPathKeys(s *message.Signed) {
	for i := range s.Commit.Path.Nodes {
		for j := range s.Commit.Path.Nodes[i].Secrets {
			s.Commit.Path.Nodes[i].Secrets[j].Ciphertext[0] ^= 1
		}
	}
}

// settle lets everybody join and read all there is, and checks that they meet
// and, after one more commit, can talk.
func (m *model) settle() {
	m.t.Helper()
	for i := 0; !m.met(); i++ {
		if i == 100 {
			m.t.Fatalf("the members don't meet in epoch %d", m.public.Epoch())
		}
		m.join()
		for _, name := range m.names() {
			if a := m.actors[name]; a != nil {
				m.read(a, 1<<20)
			}
		}
	}
	m.agree()
	for _, name := range m.names() {
		a := m.actors[name]
		a.block, a.inbox, a.late = 0, nil, nil
		a.g.Discard()
		m.must(a.g.Reserve(0))
	}
	m.commit(m.member().party, CommitOptions{}) // fresh ratchets
	m.agree()
	for _, name := range m.names() {
		m.talk(m.parties[name])
	}
}

// met tells that all who were added are in the node's epoch and have read all
// there is: a proposal that one has and another has not would part them.
func (m *model) met() bool {
	for _, a := range m.actors {
		if a.g == nil || a.g.Epoch() != m.public.Epoch() || len(a.inbox)+len(a.late) > 0 {
			return false
		}
	}
	return true
}
