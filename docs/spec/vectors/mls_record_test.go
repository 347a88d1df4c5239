package vectors

import (
	"bytes"
	"crypto/ed25519"
	"runtime"
	"testing"

	"primum/mls"
)

// recorder plays the group that is recorded.
type recorder struct {
	t      *testing.T
	rec    *recording
	suite  mls.Suite
	groups map[string]*mls.Group
	order  []string
}

// record makes the recording of a suite: each kind of message of the profile.
func record(t *testing.T, suite mls.Suite) *recording {
	t.Helper()
	r := &recorder{t: t, suite: suite, groups: map[string]*mls.Group{}, rec: &recording{
		About: "the life of a group: every message, and what all members agree on after it; what they refuse; stored states",
		Go:    runtime.Version(), Suite: uint16(suite), SuiteName: suite.String(), At: mlsTime(), GroupID: []byte("primum vector group"),
		Exporter: exportedBy{Label: "primum vector", Context: []byte("context"), Length: 40},
	}}
	r.found("anna")
	r.add("anna", false, "ben", "cleo", "ella") // ella only listens, so that a replay sees all through her
	r.talk("anna", "hello", "to all", 256)
	r.talk("ben", "hello anna", "", 1024)
	r.talk("cleo", "", "", 0)
	r.outOfOrder("anna")
	r.refusals()
	r.update("ben", "anna")
	r.commit("cleo", "an empty commit renews the path of its author", mls.CommitOptions{AuthenticatedData: []byte("at 14:00")}, mlsStep{})
	rules := mls.Extension{Type: 0xf000, Data: []byte("rules of the group")}
	r.commit("anna", "extensions of the group context, of a private type and required_capabilities",
		mls.CommitOptions{Extensions: []mls.Extension{rules, mls.RequiredCapabilities([]uint16{0xf000}, nil, nil)}}, mlsStep{})
	r.add("anna", true, "dora")
	r.talk("dora", "hello all", "", 256)
	r.commit("anna", "ben is removed", mls.CommitOptions{Remove: []uint32{r.groups["ben"].Me()}}, mlsStep{Leaves: []string{"ben"}})
	r.reserved("anna")
	r.store()
	return r.rec
}

func (r *recorder) config(name string) mls.Config {
	return mls.Config{Signer: ed25519.NewKeyFromSeed(mlsSeed(r.suite, name)), Now: mlsTime, Rand: &stream{seed: "mls " + name}}
}

func (r *recorder) found(name string) {
	g := must[*mls.Group](r.t)(mls.Create(r.config(name), r.rec.GroupID, r.suite, []byte(name), []mls.Extension{{Type: 0xf000, Data: []byte("first rules")}}))
	r.rec.Clients = append(r.rec.Clients, mlsClient{Name: name, SignatureSeed: mlsSeed(r.suite, name)})
	r.rec.GroupInfo = must[[]byte](r.t)(g.GroupInfo())
	r.enter(name, g)
}

func (r *recorder) enter(name string, g *mls.Group) {
	r.groups[name] = g
	r.order = append(r.order, name)
}

// add commits clients in, with the tree in the Welcome or beside it.
func (r *recorder) add(by string, apart bool, fresh ...string) {
	o, step := mls.CommitOptions{TreeApart: apart}, mlsStep{Joins: fresh}
	privs := map[string]*mls.KeyPackagePrivate{}
	kps := map[string]*mls.KeyPackage{}
	for _, name := range fresh {
		kp, priv := makePackage(r.t, r.suite, name)
		stored := must[[]byte](r.t)(priv.MarshalBinary())
		r.rec.Clients = append(r.rec.Clients, mlsClient{
			Name: name, SignatureSeed: mlsSeed(r.suite, name), KeyPackage: kp.Bytes(), StoredKeys: stored,
			InitKey: stored[2:34], LeafKey: stored[35:67],
		})
		o.Add, privs[name], kps[name] = append(o.Add, kp), priv, kp
	}
	about := "clients are added, the tree is in the Welcome"
	if apart {
		about = "a client is added, the tree is beside the Welcome"
	}
	made := r.commit(by, about, o, step)
	for _, name := range fresh {
		r.enter(name, must[*mls.Group](r.t)(mls.Join(r.config(name), made.Welcome, kps[name], privs[name], made.Tree)))
	}
}

// commit makes a commit, gives it to all, and records it.
func (r *recorder) commit(by, about string, o mls.CommitOptions, step mlsStep) mlsStep {
	r.t.Helper()
	g := r.groups[by]
	staged := must[*mls.Staged](r.t)(g.Commit(o))
	step.About, step.Kind, step.From, step.Message, step.Welcome = about, "commit", by, staged.Commit, staged.Welcome
	step.Received = mlsReceived{Leaf: g.Me(), AuthenticatedData: o.AuthenticatedData}
	r.deliver(by, staged.Commit)
	if err := g.Merge(); err != nil {
		r.t.Fatal(err)
	}
	if o.TreeApart {
		step.Tree = g.Tree()
	}
	return r.note(by, step)
}

func (r *recorder) note(by string, step mlsStep) mlsStep {
	step.After = agreed(r.t, r.groups[by], r.rec.Exporter)
	r.rec.Steps = append(r.rec.Steps, step)
	return step
}

func (r *recorder) deliver(by string, msg []byte) {
	r.t.Helper()
	for _, name := range r.order {
		if g := r.groups[name]; name != by && !g.Evicted() {
			if _, err := g.Process(msg); err != nil {
				r.t.Fatalf("%s: %v", name, err)
			}
		}
	}
}

// sealed makes a message and its step without delivering it.
func (r *recorder) sealed(by, about, text, aad string, size int) mlsStep {
	r.t.Helper()
	g := r.groups[by]
	generation := g.Generation() - g.Reserved()
	msg := must[[]byte](r.t)(g.Seal([]byte(text), []byte(aad), size))
	if size > 0 && len(msg) != size {
		r.t.Fatalf("a message of %d bytes instead of %d", len(msg), size)
	}
	return mlsStep{
		About: about, Kind: "application", From: by, Message: msg,
		Received: mlsReceived{Leaf: g.Me(), Generation: generation, Data: []byte(text), AuthenticatedData: []byte(aad)},
	}
}

func (r *recorder) talk(by, text, aad string, size int) {
	about := "an application message padded to an exact size"
	if size == 0 {
		about = "an application message without padding"
	}
	step := r.sealed(by, about, text, aad, size)
	r.deliver(by, step.Message)
	r.note(by, step)
}

// outOfOrder delivers the second message before the first.
func (r *recorder) outOfOrder(by string) {
	first := r.sealed(by, "the message before it comes late", "first", "", 256)
	second := r.sealed(by, "a message comes before another one", "second", "", 256)
	for _, step := range []mlsStep{second, first} {
		r.deliver(by, step.Message)
		r.note(by, step)
	}
}

// update lets a member propose new keys, which another's commit takes in.
func (r *recorder) update(who, by string) {
	msg := must[[]byte](r.t)(r.groups[who].ProposeUpdate([]byte("why not")))
	r.deliver(who, msg)
	r.note(who, mlsStep{
		About: "an Update proposal", Kind: "proposal", From: who, Message: msg,
		Received: mlsReceived{Leaf: r.groups[who].Me(), AuthenticatedData: []byte("why not")},
	})
	r.commit(by, "a commit takes the Update in by reference", mls.CommitOptions{}, mlsStep{})
}

// reserved seals from a block of keys after a restart in the block, which the
// receivers see as skipped generations.
func (r *recorder) reserved(by string) {
	g := r.groups[by]
	if err := g.Reserve(5); err != nil {
		r.t.Fatal(err)
	}
	r.groups[by] = must[*mls.Group](r.t)(mls.Load(r.config(by), must[[]byte](r.t)(g.MarshalBinary())))
	if err := r.groups[by].Reserve(1); err != nil {
		r.t.Fatal(err)
	}
	r.talk(by, "five generations were skipped", "", 256)
	if err := r.groups[by].Reserve(0); err != nil {
		r.t.Fatal(err)
	}
}

// refusals are messages that cleo refuses at this point.
func (r *recorder) refusals() {
	cleo := r.groups["cleo"]
	state := must[[]byte](r.t)(cleo.MarshalBinary())
	at := len(r.rec.Steps)
	refuse := func(about, kind string, msg []byte) {
		r.t.Helper()
		r.rec.Refusals = append(r.rec.Refusals, mlsRefusal{About: about, Member: "cleo", After: at, Message: msg, Error: kind})
	}
	flip := func(msg []byte, i int) []byte {
		out := bytes.Clone(msg)
		out[(i+len(out))%len(out)] ^= 1
		return out
	}
	anna := must[*mls.Group](r.t)(mls.Load(r.config("anna"), must[[]byte](r.t)(r.groups["anna"].MarshalBinary())))
	fresh := must[[]byte](r.t)(anna.Seal([]byte("x"), []byte("aad"), 256))
	commit := must[*mls.Staged](r.t)(anna.Commit(mls.CommitOptions{AuthenticatedData: []byte("aad")})).Commit
	idEnd := 5 + len(r.rec.GroupID) // of the epoch's first byte in a message

	refuse("a message again: its key is gone", "ErrReplay", r.rec.Steps[1].Message)
	refuse("an own message", "ErrOwnMessage", r.rec.Steps[3].Message)
	refuse("the commit of the epoch before", "ErrEpoch", r.rec.Steps[0].Message)
	refuse("a message of a later epoch", "ErrEpoch", flip(commit, idEnd+7))
	refuse("another group id", "ErrWrongGroup", flip(fresh, 6))
	refuse("application message, last byte flipped", "ErrAuthentication", flip(fresh, -1))
	refuse("application message, authenticated data flipped", "ErrAuthentication", flip(fresh, idEnd+10))
	refuse("commit, membership tag flipped", "ErrAuthentication", flip(commit, -1))
	refuse("commit, confirmation tag flipped", "ErrAuthentication", flip(commit, -40))
	refuse("commit, signature flipped", "ErrAuthentication", flip(commit, -100))
	refuse("a message cut short", "ErrMalformed", fresh[:len(fresh)-1])
	refuse("a byte after the end", "ErrMalformed", append(bytes.Clone(commit), 0))
	refuse("protocol version 2", "ErrMalformed", flip(flip(flip(fresh, 1), 1), 1))
	refuse("wire format 0", "ErrMalformed", append([]byte{0, 1, 0, 0}, fresh[4:]...))
	refuse("a length that is not minimal", "ErrMalformed", append(append(bytes.Clone(fresh[:4]), 0x40, byte(len(r.rec.GroupID))), fresh[5:]...))
	refuse("a length with the prefix 0b11", "ErrMalformed", append(append(bytes.Clone(fresh[:4]), 0xc0), fresh[5:]...))
	refuse("no bytes", "ErrMalformed", nil)
	if err := anna.Reserve(1500); err != nil {
		r.t.Fatal(err)
	}
	anna.Discard()
	anna = must[*mls.Group](r.t)(mls.Load(r.config("anna"), must[[]byte](r.t)(anna.MarshalBinary())))
	if err := anna.Reserve(1); err != nil {
		r.t.Fatal(err)
	}
	refuse("a jump of more than 1000 generations", "ErrJump", must[[]byte](r.t)(anna.Seal(nil, nil, 256)))
	if !bytes.Equal(state, must[[]byte](r.t)(cleo.MarshalBinary())) {
		r.t.Error("making refusals changed a member")
	}
}

// store records the states at the end.
func (r *recorder) store() {
	for _, name := range r.order {
		g := r.groups[name]
		if g.Evicted() {
			continue
		}
		random := bytes.Repeat([]byte(name[:1]), 64)
		s := mlsState{Name: name, Stored: must[[]byte](r.t)(g.MarshalBinary()), Random: random, Plain: []byte("next"), Size: 256}
		cfg := r.config(name)
		cfg.Rand = bytes.NewReader(random)
		again := must[*mls.Group](r.t)(mls.Load(cfg, s.Stored))
		s.Version, s.Message = s.Stored[0], must[[]byte](r.t)(again.Seal(s.Plain, nil, s.Size))
		r.rec.States = append(r.rec.States, s)
	}
	tracker := must[*mls.PublicGroup](r.t)(mls.NewPublicGroup(mls.Config{}, r.rec.GroupInfo))
	for _, step := range r.rec.Steps {
		if step.Kind != "application" {
			must[*mls.Received](r.t)(tracker.Process(step.Message))
		}
	}
	stored := must[[]byte](r.t)(tracker.MarshalBinary())
	r.rec.States = append(r.rec.States, mlsState{Version: stored[0], Stored: stored})
}
