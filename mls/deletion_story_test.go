//go:build unix

package mls

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// peer makes a client of this process that knows the external key.
func (st *story) peer() *party {
	st.t.Helper()
	p := st.party()
	p.cfg.AllowPSK = true
	p.cfg.PSK = func([]byte) ([]byte, error) { return externalPSK(), nil }
	return p
}

// found makes a group of peers.
func (st *story) found(n int) {
	st.t.Helper()
	p := st.peer()
	var err error
	p.g, err = Create(p.cfg, []byte("story"), st.suite, []byte(p.name), nil)
	st.must(err)
	st.parties[p.name] = p
	st.track(p)
	st.public.cfg.AllowPSK = true
	for range n - 1 {
		q := st.peer()
		kp, priv := st.keyPackage(q)
		staged := st.lab.commit(p, CommitOptions{Add: []*KeyPackage{kp}})
		q.g, err = Join(q.cfg, staged.Welcome, kp, priv, nil)
		st.must(err)
		st.parties[q.name] = q
	}
}

// joinerStory is a member that is added, talks, updates, commits, loses a
// commit, reserves, restarts, takes in a pre-shared key, refuses a forgery,
// removes another, and is removed.
func joinerStory(st *story) {
	st.found(3)
	alice := st.parties["client-1"]
	st.joinGroup(alice)
	st.talkWith(alice)
	st.update(alice)
	st.commitAndDiscard()
	st.commitAndMerge(order{Op: "commit"})
	st.reserveAndRestart()
	st.preShared(alice)
	st.refuse(alice)
	st.addAndRemove()
	st.removed(alice)
	st.report()
}

func (st *story) joinGroup(alice *party) {
	st.t.Helper()
	a := st.do(order{Op: "key package", N: uint32(st.suite)})
	kp, err := ParseKeyPackage(a.Out)
	st.must(err)
	for i, seed := range st.drawn(a) {
		kind, pub := "init key", kp.inner.InitKey
		if i == 1 {
			kind, pub = "leaf key", kp.inner.Leaf.EncryptionKey
		}
		key, err := keyPair(st.s, kind, alice.g.Epoch(), seed)
		st.must(err)
		if !bytes.Equal(key.pub, pub) {
			st.t.Fatalf("the %s of the subject is not made of draw %d", kind, i)
		}
		st.add(key, &secret{kind: "seed of a key pair", b: seed})
	}
	st.happen(event{what: evDerived})
	st.check("key package made", "init key@file", "leaf key@file")
	st.tap.given, st.init = nil, bytes.Clone(alice.g.secrets.Init)
	staged, err := alice.g.Commit(CommitOptions{Add: []*KeyPackage{kp}})
	st.must(err)
	st.derive(staged.Commit, st.tap.given, nil)
	st.deliver(alice, staged.Commit)
	st.must(alice.g.Merge())
	st.do(order{Op: "join", Msg: staged.Welcome})
	st.entered()
	st.happen(event{what: evJoined})
	st.check("joined", "leaf key", "init secret", "encryption secret", "exporter secret", "membership key", "sender data secret")
}

// talkWith opens a peer's messages in order, out of order and beyond the
// window, and seals.
func (st *story) talkWith(p *party) {
	st.t.Helper()
	epoch, leaf := p.g.Epoch(), p.g.Me()
	var msgs [][]byte
	for i := range 12 {
		msg, err := p.g.Seal(fmt.Append(nil, "text ", i), nil, 0)
		st.must(err)
		msgs = append(msgs, msg)
	}
	take := func(g uint32) {
		st.t.Helper()
		st.do(order{Op: "process", Msg: msgs[g]})
		st.used(msgs[g], epoch, leaf, g)
		st.check(fmt.Sprintf("opened message %d", g), "leaf key", "init secret", "ratchet secret")
	}
	take(0)
	take(4)
	st.check("skipped messages 1 to 3", "message key", "message nonce", "handshake ratchet secret", "tree secret")
	take(2)
	if a := st.tell(order{Op: "process", Msg: msgs[2]}); a.Err == "" {
		st.t.Fatal("the subject opens a message twice")
	}
	st.check("refused a replay", "message key")
	bad := bytes.Clone(msgs[3])
	bad[len(bad)-1] ^= 1
	if a := st.tell(order{Op: "process", Msg: bad}); a.Err == "" {
		st.t.Fatal("the subject opens a changed message")
	}
	st.do(order{Op: "process", Msg: msgs[10]})
	for _, g := range []uint32{1, 3, 5} { // the window keeps 6 to 9
		st.happen(event{what: evDropped, epoch: epoch, leaf: leaf, generation: g})
	}
	st.used(msgs[10], epoch, leaf, 10)
	st.check("skipped beyond the window", "message key", "message nonce")
	a := st.do(order{Op: "seal"})
	st.used(a.Out, epoch, st.me, 0)
	st.draws = a.Draws
	st.check("sealed", "leaf key", "init secret", "ratchet secret")
}

// update proposes a new leaf that a peer's commit takes in.
func (st *story) update(by *party) {
	st.t.Helper()
	old := st.live[slices.IndexFunc(st.live, func(s *secret) bool { return s.kind == "leaf key" })] // made first
	var fresh *secret
	a := st.do(order{Op: "update"})
	for _, seed := range st.drawn(a) {
		key, err := keyPair(st.s, "leaf key", by.g.Epoch(), seed)
		st.must(err)
		st.add(key, &secret{kind: "seed of a key pair", b: seed})
		fresh = key
	}
	st.happen(event{what: evDerived})
	st.check("proposed an update", "leaf key")
	st.deliver(nil, a.Out)
	st.peerCommits(by, CommitOptions{}, nil)
	st.entered()
	if !slices.Contains(st.live, fresh) || slices.Contains(st.live, old) {
		st.t.Fatal("the leaf key of the update is not the one that lives")
	}
	st.check("took in the commit of its update", "leaf key", "init secret", "encryption secret")
}

func (st *story) commitAndDiscard() {
	st.t.Helper()
	a := st.do(order{Op: "commit"})
	st.derive(a.Out, st.drawn(a), nil)
	st.happen(event{what: evDerived})
	st.check("made a commit", "leaf key", "node key", "init secret", "encryption secret")
	st.do(order{Op: "restart"})
	st.check("restarted with a pending commit", "leaf key", "node key", "init secret")
	st.do(order{Op: "discard"})
	st.happen(event{what: evDiscarded, epoch: st.public.Epoch() + 1})
	st.check("discarded it", "leaf key", "init secret")
}

// commitAndMerge makes a commit that everybody takes in.
func (st *story) commitAndMerge(o order) *answer {
	st.t.Helper()
	a := st.do(o)
	st.derive(a.Out, st.drawn(a), nil)
	st.happen(event{what: evDerived})
	st.check("made a commit", "leaf key", "init secret", "encryption secret")
	st.deliver(nil, a.Out)
	st.do(order{Op: "merge"})
	st.entered()
	st.check("merged it", "leaf key", "init secret", "encryption secret", "exporter secret")
	return a
}

func (st *story) reserveAndRestart() {
	st.t.Helper()
	epoch := st.public.Epoch()
	st.do(order{Op: "reserve", N: 5})
	st.happen(event{what: evReserved, epoch: epoch, leaf: st.me, generation: 4})
	st.retireRatchet(epoch, 4)
	st.check("reserved five keys", "message key@memory", "message nonce@memory")
	for g := range uint32(2) {
		a := st.do(order{Op: "seal"})
		st.used(a.Out, epoch, st.me, g)
		st.check(fmt.Sprintf("sealed under reserved key %d", g), "message key@memory")
	}
	st.do(order{Op: "restart"})
	for g := range uint32(5) {
		st.happen(event{what: evDropped, epoch: epoch, leaf: st.me, generation: g})
	}
	st.check("restarted with a block", "leaf key", "init secret")
	if a := st.tell(order{Op: "seal"}); a.Err == "" {
		st.t.Fatal("the subject seals without a block")
	}
	a := st.do(order{Op: "reserve"})
	st.draws = a.Draws
	st.check("reserves no more", "leaf key")
}

// retireRatchet ends the ratchet secrets that a block has used up, and what is
// above them in the tree.
func (st *story) retireRatchet(epoch uint64, last uint32) {
	st.live = slices.DeleteFunc(st.live, func(s *secret) bool {
		dead := s.epoch == epoch && (s.kind == "ratchet secret" && s.leaf == st.me && s.generation <= last ||
			s.kind == "encryption secret" || s.kind == "tree secret" && above(s.node, st.me))
		if dead {
			st.gone = append(st.gone, s)
		}
		return dead
	})
}

// preShared takes a commit in that injects an external key.
func (st *story) preShared(by *party) {
	st.t.Helper()
	msg, psk := st.proposePSK(by)
	st.do(order{Op: "process", Msg: msg})
	st.add(&secret{kind: "external psk", b: externalPSK()})
	st.peerCommits(by, CommitOptions{}, psk)
	st.entered()
	st.check("took in a pre-shared key", "leaf key", "init secret", "encryption secret")
}

// refuse is offered a commit that fails at its last check.
func (st *story) refuse(by *party) {
	st.t.Helper()
	if a := st.tell(order{Op: "process", Msg: st.forged(by)}); !strings.Contains(a.Err, "confirmation tag") {
		st.t.Fatalf("the subject answers a forged commit with %q", a.Err)
	}
	st.check("refused a forged commit", "leaf key", "init secret", "encryption secret")
}

// addAndRemove commits one client in and another out.
func (st *story) addAndRemove() {
	st.t.Helper()
	q := st.peer()
	kp, priv := st.keyPackage(q)
	a := st.commitAndMerge(order{Op: "commit", Adds: [][]byte{kp.Bytes()}, Leaf: st.leafOf("client-3")})
	var err error
	q.g, err = Join(q.cfg, a.Welcome, kp, priv, nil)
	st.must(err)
	st.parties[q.name] = q
}

func (st *story) removed(by *party) {
	st.t.Helper()
	a := st.peerCommits(by, CommitOptions{Remove: []uint32{st.me}}, nil)
	if !a.Evicted {
		st.t.Fatal("the subject was not removed")
	}
	st.happen(event{what: evEvicted})
	st.check("was removed")
}

// creatorStory is a member that makes a group, adds others, and keeps the
// messages of one past epoch openable.
func creatorStory(st *story) {
	a := st.do(order{Op: "create", N: uint32(st.suite)})
	seeds := st.drawn(a)
	key, err := keyPair(st.s, "leaf key", 0, seeds[0])
	st.must(err)
	st.add(key, &secret{kind: "seed of a key pair", b: seeds[0]})
	for _, s := range fromEpoch(st.s, 0, seeds[1], 1) {
		st.add(s)
		if s.kind == "init secret" {
			st.init = bytes.Clone(s.b)
		}
	}
	st.happen(event{what: evDerived})
	st.check("created a group", "leaf key", "init secret", "encryption secret")
	alice := st.firstPeers()
	epoch := alice.g.Epoch()
	late := make([][]byte, 3)
	for i := range late {
		late[i], err = alice.g.Seal([]byte("late"), nil, 0)
		st.must(err)
	}
	st.do(order{Op: "process", Msg: late[0]})
	st.used(late[0], epoch, alice.g.Me(), 0)
	st.check("opened a message", "leaf key", "init secret", "ratchet secret")
	st.peerCommits(alice, CommitOptions{}, nil)
	st.entered()
	st.check("entered the next epoch", "leaf key", "init secret", "ratchet secret", "sender data secret")
	st.do(order{Op: "process", Msg: late[2]})
	st.used(late[2], epoch, alice.g.Me(), 2)
	st.check("opened a message of the past epoch", "message key", "ratchet secret")
	st.do(order{Op: "restart"})
	st.commitAndMerge(order{Op: "commit"})
	st.report()
}

// firstPeers lets the subject add two clients to its new group. Their keys are
// known when they have joined.
func (st *story) firstPeers() *party {
	st.t.Helper()
	o := order{Op: "commit"}
	var fresh []*party
	var kps []*KeyPackage
	var privs []*KeyPackagePrivate
	for range 2 {
		p := st.peer()
		kp, priv := st.keyPackage(p)
		fresh, kps, privs = append(fresh, p), append(kps, kp), append(privs, priv)
		o.Adds = append(o.Adds, kp.Bytes())
	}
	a := st.do(o)
	var err error
	for i, p := range fresh {
		p.g, err = Join(p.cfg, a.Welcome, kps[i], privs[i], nil)
		st.must(err)
		st.parties[p.name] = p
	}
	st.track(fresh[0])
	st.deriveIn(fresh[0].g, a.Out, st.drawn(a), nil)
	st.happen(event{what: evDerived})
	st.check("made a commit", "leaf key", "init secret", "encryption secret")
	st.do(order{Op: "merge"})
	st.entered()
	st.check("merged it", "leaf key", "init secret", "encryption secret")
	return fresh[0]
}

// report says what was searched, and demands that every kind of secret that
// lives longer than a call was seen alive.
func (st *story) report() {
	st.t.Helper()
	st.dumpCore()
	kinds := map[string]int{}
	for _, s := range st.gone {
		kinds[s.kind]++
	}
	st.t.Logf("%d steps, %d MB of memory and files searched for %d secrets of %d kinds; seen alive: %d kinds",
		st.steps, st.bytes>>20, len(st.gone), len(kinds), len(st.shown))
	for _, kind := range []string{"leaf key", "init secret", "encryption secret", "ratchet secret", "exporter secret", "membership key"} {
		if !st.shown[kind] {
			st.t.Errorf("no %s was ever found while it lived", kind)
		}
	}
}

// dumpCore reports, and asserts nothing about, what a core dump of the subject
// still holds: copies on stacks, in registers and in memory that the runtime
// has freed and not used again are out of a Go program's reach. It runs where
// PRIMUM_CORE is set and gcore is on the machine.
func (st *story) dumpCore() {
	st.t.Helper()
	gcore, err := exec.LookPath("gcore")
	if os.Getenv("PRIMUM_CORE") == "" || err != nil {
		return
	}
	prefix := filepath.Join(filepath.Dir(st.dump), "core")
	if out, err := exec.Command(gcore, "-o", prefix, fmt.Sprint(st.cmd.Process.Pid)).CombinedOutput(); err != nil {
		st.t.Logf("gcore: %v\n%s", err, out)
		return
	}
	name := fmt.Sprintf("%s.%d", prefix, st.cmd.Process.Pid)
	core, err := os.ReadFile(name)
	st.must(err)
	st.must(os.Remove(name))
	dead := make([][]byte, len(st.gone))
	for i, s := range st.gone {
		dead[i] = s.b
	}
	kinds := map[string]int{}
	for _, h := range newScanner(dead).search(region{"core", core}) {
		kinds[st.gone[h.secret].kind]++
	}
	st.t.Logf("core dump at the end: %d MB; of %d secrets that are gone it holds %v", len(core)>>20, len(dead), kinds)
}
