package mls

import (
	"bytes"
	"errors"
	"fmt"
	"testing"
)

// pair is a group of two with the configs to load them again.
type pair struct {
	a, b *party
	lab  *lab
}

func newPair(t testing.TB) *pair {
	t.Helper()
	l := newLab(t, 7, 2)
	names := l.names()
	return &pair{a: l.parties[names[0]], b: l.parties[names[1]], lab: l}
}

func stateOf(t testing.TB, g *Group) []byte {
	t.Helper()
	b, err := g.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func seal(t testing.TB, g *Group, text string) []byte {
	t.Helper()
	msg, err := g.Seal([]byte(text), nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	return msg
}

func opens(t testing.TB, g *Group, msg []byte, want string) {
	t.Helper()
	got, err := g.Process(msg)
	if err != nil {
		t.Fatalf("open %q: %v", want, err)
	}
	if string(got.Data) != want || got.Kind != Application {
		t.Fatalf("opened %q as kind %d, want %q", got.Data, got.Kind, want)
	}
}

func refuses(t testing.TB, what string, g *Group, msg []byte, want error) {
	t.Helper()
	before := stateOf(t, g)
	if _, err := g.Process(msg); !errors.Is(err, want) {
		t.Errorf("%s: error %v, want %v", what, err, want)
	}
	if !bytes.Equal(before, stateOf(t, g)) {
		t.Errorf("%s: the refused message changed the state", what)
	}
}

func TestMessagesOutOfOrder(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	var msgs [][]byte
	for i := range 20 {
		msgs = append(msgs, seal(t, p.a.g, fmt.Sprint(i)))
	}
	for _, i := range []int{5, 2, 19, 0, 1, 18, 3, 4, 6} {
		opens(t, p.b.g, msgs[i], fmt.Sprint(i))
		refuses(t, "replay", p.b.g, msgs[i], ErrReplay)
		p.b.g = again(t, p.b.cfg, p.b.g)
		refuses(t, "replay after restart", p.b.g, msgs[i], ErrReplay)
	}
}

func TestGenerationJumpAndWindow(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	p.b.g.cfg.MaxJump, p.b.g.cfg.Window = 100, 10
	var msgs [][]byte
	for i := range 150 {
		msgs = append(msgs, seal(t, p.a.g, fmt.Sprint(i)))
	}
	refuses(t, "jump of 101", p.b.g, msgs[101], ErrJump) // RFC 9420 §15.3 S2
	opens(t, p.b.g, msgs[100], "100")
	refuses(t, "beyond the window", p.b.g, msgs[89], ErrReplay) // RFC 9420 §15.3 S1
	opens(t, p.b.g, msgs[90], "90")
	opens(t, p.b.g, msgs[99], "99")
	size := len(stateOf(t, p.b.g))
	opens(t, p.b.g, msgs[149], "149")
	if grown := len(stateOf(t, p.b.g)) - size; grown > 2*32 {
		t.Errorf("a jump grew the state by %d bytes in spite of a window of 10", grown)
	}
	opens(t, p.b.g, msgs[139], "139")
	refuses(t, "old window", p.b.g, msgs[98], ErrReplay)
}

// RFC 9420 §6.3.1 M1
func TestSealExactSizes(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	overhead := p.a.g.SealOverhead(3)
	for _, size := range []int{256, 257, 1024, 4096, 12000} {
		for _, n := range []int{0, 1, size - overhead - 1, size - overhead} {
			plain := bytes.Repeat([]byte{'x'}, n)
			msg, err := p.a.g.Seal(plain, []byte("aad"), size)
			if err != nil || len(msg) != size {
				t.Fatalf("%d bytes in %d: got %d bytes, %v", n, size, len(msg), err)
			}
			got, err := p.b.g.Process(msg)
			if err != nil || !bytes.Equal(got.Data, plain) || string(got.AuthenticatedData) != "aad" {
				t.Fatalf("%d bytes in %d: opened %d bytes, %v", n, size, len(got.Data), err)
			}
		}
		before := stateOf(t, p.a.g)
		if _, err := p.a.g.Seal(make([]byte, size-overhead+3), []byte("aad"), size); !errors.Is(err, ErrSize) {
			t.Errorf("a plaintext too long for %d bytes: %v", size, err)
		}
		if !bytes.Equal(before, stateOf(t, p.a.g)) {
			t.Error("a refused Seal used a generation")
		}
	}
	msg, err := p.a.g.Seal(make([]byte, 100), []byte("aad"), 0)
	if err != nil || len(msg) != 100+overhead {
		t.Errorf("unpadded message has %d bytes, want %d, error %v", len(msg), 100+overhead, err)
	}
}

// RFC 9420 §9.1 M1
func TestReserve(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	if err := p.a.g.Reserve(3); err != nil {
		t.Fatal(err)
	}
	stored := stateOf(t, p.a.g)
	for i := range 3 {
		opens(t, p.b.g, seal(t, p.a.g, fmt.Sprint(i)), fmt.Sprint(i))
		if !bytes.Equal(stored, stateOf(t, p.a.g)) {
			t.Fatal("a reserved Seal changed the stored state")
		}
	}
	if _, err := p.a.g.Seal(nil, nil, 0); !errors.Is(err, ErrReserve) {
		t.Errorf("Seal beyond the block: %v", err)
	}
	crashed, err := Load(p.a.cfg, stored)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := crashed.Seal(nil, nil, 0); !errors.Is(err, ErrReserve) {
		t.Errorf("Seal after a crash, without a new block: %v", err)
	}
	if crashed.Generation() != 3 || crashed.Reserved() != 0 {
		t.Errorf("after a crash the next generation is %d", crashed.Generation())
	}
	if err := crashed.Reserve(1); err != nil {
		t.Fatal(err)
	}
	msg := seal(t, crashed, "after")
	if _, generation, err := p.b.g.Sender(msg); err != nil || generation != 3 {
		t.Errorf("message after the crash has generation %d, %v", generation, err)
	}
	opens(t, p.b.g, msg, "after")
	if err := p.a.g.Reserve(MaxReserve + 1); err == nil {
		t.Error("a block beyond MaxReserve was made")
	}
	if err := p.a.g.Reserve(0); err != nil {
		t.Fatal(err)
	}
	seal(t, p.a.g, "reserving is off")
}

// TestReserveEndsWithTheEpoch: keys of an old epoch never seal in a new one.
// RFC 9420 §15.2 M2
func TestReserveEndsWithTheEpoch(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	if err := p.a.g.Reserve(10); err != nil {
		t.Fatal(err)
	}
	p.lab.commit(p.a, CommitOptions{})
	if _, err := p.a.g.Seal(nil, nil, 0); !errors.Is(err, ErrReserve) {
		t.Errorf("Seal in the next epoch: %v", err)
	}
}

// RFC 9420 §6.3.2 M1
func TestSender(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	seal(t, p.a.g, "first")
	msg := seal(t, p.a.g, "second")
	for _, g := range []*Group{p.a.g, p.b.g} {
		before := stateOf(t, g)
		leaf, generation, err := g.Sender(msg)
		if err != nil || leaf != p.a.g.Me() || generation != 1 {
			t.Errorf("sender is leaf %d at %d, %v", leaf, generation, err)
		}
		if !bytes.Equal(before, stateOf(t, g)) {
			t.Error("Sender changed the state")
		}
	}
	refuses(t, "own message", p.a.g, msg, ErrOwnMessage)
}

// TestPersistence restarts both sides between every two steps.
// RFC 9420 §14 M2
// TestLoserOfRaceGoesOn: who lost a race of commits takes in the winner's.
func TestLoserOfRaceGoesOn(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	won, err := p.a.g.Commit(CommitOptions{})
	if err != nil {
		t.Fatal(err)
	}
	lost, err := p.b.g.Commit(CommitOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.b.g.Commit(CommitOptions{}); !errors.Is(err, ErrPending) {
		t.Errorf("a second commit: %v", err)
	}
	refuses(t, "own commit", p.b.g, lost.Commit, ErrOwnMessage)
	if _, err := p.b.g.Process(won.Commit); err != nil {
		t.Fatal(err)
	}
	if err := p.a.g.Merge(); err != nil {
		t.Fatal(err)
	}
	if p.b.g.Pending() || p.b.g.Merge() == nil {
		t.Error("the lost commit is still pending")
	}
	opens(t, p.b.g, seal(t, p.a.g, "go on"), "go on")
	refuses(t, "commit of the old epoch", p.a.g, lost.Commit, ErrEpoch)
}

// RFC 9420 §12.4.2 S1
func TestEviction(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	p.b.g.cfg.PastEpochs = 2
	msg := seal(t, p.b.g, "last words")
	staged, err := p.a.g.Commit(CommitOptions{Remove: []uint32{p.b.g.Me()}})
	if err != nil {
		t.Fatal(err)
	}
	secrets := *p.b.g.secrets
	initSecret, leafKey := bytes.Clone(secrets.Init), bytes.Clone(p.b.g.private.LeafKey())
	got, err := p.b.g.Process(staged.Commit)
	if err != nil || !got.Evicted || !p.b.g.Evicted() {
		t.Fatalf("eviction: %+v, %v", got, err)
	}
	p.b.g = again(t, p.b.cfg, p.b.g)
	state := stateOf(t, p.b.g)
	if bytes.Contains(state, initSecret) || bytes.Contains(state, leafKey) {
		t.Error("the evicted member's state holds secrets")
	}
	if _, err := p.b.g.Process(msg); !errors.Is(err, ErrEvicted) {
		t.Errorf("Process after eviction: %v", err)
	}
	if _, err := p.b.g.Seal(nil, nil, 0); !errors.Is(err, ErrEvicted) {
		t.Errorf("Seal after eviction: %v", err)
	}
	if _, err := p.b.g.Export("x", nil, 32); !errors.Is(err, ErrEvicted) {
		t.Errorf("Export after eviction: %v", err)
	}
	if _, err := p.b.g.Commit(CommitOptions{}); !errors.Is(err, ErrEvicted) {
		t.Errorf("Commit after eviction: %v", err)
	}
}

func TestPastEpochs(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	p.b.cfg.PastEpochs = 2
	p.b.g = again(t, p.b.cfg, p.b.g)
	var late [][]byte
	for i := range 4 {
		late = append(late, seal(t, p.a.g, fmt.Sprint(i)))
		p.lab.commit(p.a, CommitOptions{})
		p.b.g = again(t, p.b.cfg, p.b.g)
	}
	refuses(t, "three epochs late", p.b.g, late[1], ErrEpoch)
	opens(t, p.b.g, late[2], "2")
	refuses(t, "replay from the past", p.b.g, late[2], ErrReplay)
	opens(t, p.b.g, late[3], "3")
}

func TestAuthorize(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	reason := errors.New("not on a Sunday")
	p.b.g.cfg.Authorize = func(v *CommitView) error {
		if v.Committer != p.a.g.Me() || v.Epoch != p.a.g.Epoch() {
			t.Errorf("view of committer %d in epoch %d", v.Committer, v.Epoch)
		}
		return reason
	}
	staged, err := p.a.g.Commit(CommitOptions{})
	if err != nil {
		t.Fatal(err)
	}
	refuses(t, "unauthorized commit", p.b.g, staged.Commit, ErrUnauthorized)
	p.b.g.cfg.AuthorizeProposal = func(*ProposalView) error { return reason }
	p.a.g.Discard()
	proposal, err := p.a.g.ProposeUpdate(nil)
	if err != nil {
		t.Fatal(err)
	}
	refuses(t, "unauthorized proposal", p.b.g, proposal, reason)
	p.b.g.cfg.Authorize, p.b.g.cfg.AuthorizeProposal = nil, nil
	if _, err := p.b.g.Process(proposal); err != nil {
		t.Errorf("authorized after all: %v", err)
	}
}

// RFC 9420 §12.2 S1
func TestLastUpdateOfAMemberCounts(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	var err error
	for range DefaultMaxProposals {
		msg, e := p.a.g.ProposeUpdate(nil)
		if _, err = p.b.g.Process(msg); e != nil || err != nil {
			t.Fatal(e, err)
		}
	}
	if _, err = p.a.g.ProposeUpdate(nil); !errors.Is(err, ErrInvalid) {
		t.Errorf("one proposal too many: %v", err)
	}
	staged, err := p.b.g.Commit(CommitOptions{})
	if err != nil || len(staged.View.Updates) != 1 {
		t.Fatalf("commit over many Updates: %v", err)
	}
	if _, err := p.a.g.Process(staged.Commit); err != nil {
		t.Fatal(err)
	}
	if err := p.b.g.Merge(); err != nil {
		t.Fatal(err)
	}
	opens(t, p.a.g, seal(t, p.b.g, "updated"), "updated")
}

// TestCommitLeavesContradictionsOut: proposals received can't spoil a commit.
// RFC 9420 §12.2 S1, §12.4 S1
func TestCommitLeavesContradictionsOut(t *testing.T) {
	t.Parallel()
	l := newLab(t, 9, 3)
	names := l.names()
	a, b, c := l.parties[names[0]], l.parties[names[1]], l.parties[names[2]]
	newcomer := l.party()
	kp, _ := l.keyPackage(newcomer)
	for _, make := range []func() ([]byte, error){
		func() ([]byte, error) { return b.g.ProposeRemove(a.g.Me(), nil) }, // removes the committer
		func() ([]byte, error) { return b.g.ProposeRemove(c.g.Me(), nil) },
		func() ([]byte, error) { return c.g.ProposeUpdate(nil) },
		func() ([]byte, error) { return b.g.ProposeAdd(kp, nil) },
	} {
		msg, err := make()
		l.must(err)
		l.deliver(l.at(reread(t, msg).Sender.Index), msg)
	}
	staged, err := a.g.Commit(CommitOptions{Add: []*KeyPackage{kp}})
	if err != nil {
		t.Fatal(err)
	}
	if len(staged.View.Adds) != 1 || len(staged.View.Removes) != 1 || len(staged.View.Updates) != 0 {
		t.Errorf("commit adds %d, removes %d, updates %d", len(staged.View.Adds), len(staged.View.Removes), len(staged.View.Updates))
	}
	if _, err := b.g.Process(staged.Commit); err != nil {
		t.Error(err)
	}
}

// TestDeletion searches the stored state for secrets that are gone by RFC 9420
// §9.2.
// findRoot is the encryption secret of an epoch in which nothing was sealed.
// TestConstantState: the state does not grow with epochs or messages.
func TestExtensionsAndExport(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	ext := []Extension{{Type: 0xF0A1, Data: []byte("context")}}
	if _, err := p.a.g.Commit(CommitOptions{Extensions: ext}); !errors.Is(err, ErrInvalid) {
		t.Errorf("an extension that members don't know: %v", err)
	}
	x, err := p.a.g.Export("label", []byte("context"), 48)
	if err != nil {
		t.Fatal(err)
	}
	y, err := p.b.g.Export("label", []byte("context"), 48)
	if err != nil || !bytes.Equal(x, y) || len(x) != 48 {
		t.Errorf("exports differ: %v", err)
	}
	if z, _ := p.b.g.Export("label", []byte("other"), 48); bytes.Equal(x, z) {
		t.Error("exports of two contexts are equal")
	}
	for _, n := range []int{-1, 255*32 + 1} {
		if _, err := p.a.g.Export("label", nil, n); err == nil {
			t.Errorf("exported %d bytes", n)
		}
	}
	p.lab.commit(p.a, CommitOptions{})
	if z, _ := p.a.g.Export("label", []byte("context"), 48); bytes.Equal(x, z) {
		t.Error("exports of two epochs are equal")
	}
}

// TestJoinRefuses: what a joiner must not take.
func flipped(b []byte, i int) []byte {
	out := bytes.Clone(b)
	out[i] ^= 1
	return out
}

// TestCreateRefuses: what a creator must not start.
// TestLoadRefuses: damaged states neither load nor panic.
// TestNothingShowsSecrets formats every exported type that holds one.
func TestPeek(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	msg, err := p.a.g.Seal([]byte("x"), []byte("aad"), 0)
	if err != nil {
		t.Fatal(err)
	}
	h, err := Peek(msg)
	if err != nil || h.WireFormat != WirePrivateMessage || h.ContentType != Application ||
		!bytes.Equal(h.GroupID, p.a.g.GroupID()) || h.Epoch != p.a.g.Epoch() || string(h.AuthenticatedData) != "aad" {
		t.Errorf("private message: %+v, %v", h, err)
	}
	staged, err := p.b.g.Commit(CommitOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if h, err = Peek(staged.Commit); err != nil || h.ContentType != Commit || !h.Member || h.Sender != p.b.g.Me() {
		t.Errorf("commit: %+v, %v", h, err)
	}
	if h, err = Peek(staged.GroupInfo); err != nil || h.WireFormat != WireGroupInfo || h.Epoch != p.b.g.Epoch()+1 {
		t.Errorf("group info: %+v, %v", h, err)
	}
	for _, bad := range [][]byte{nil, {0, 1}, {0, 2, 0, 1}, {0, 1, 0, 9}, msg[:6]} {
		if _, err := Peek(bad); !errors.Is(err, ErrMalformed) {
			t.Errorf("%x: %v", bad, err)
		}
	}
}

// TestEveryFlippedBitIsRefused flips each byte of each kind of message: none is
// taken, none panics, none changes the state.
func TestEveryFlippedBitIsRefused(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	application := seal(t, p.a.g, "x")
	proposal, err := p.a.g.ProposeUpdate([]byte("aad"))
	if err != nil {
		t.Fatal(err)
	}
	staged, err := p.a.g.Commit(CommitOptions{})
	if err != nil {
		t.Fatal(err)
	}
	before := stateOf(t, p.b.g)
	for name, msg := range map[string][]byte{"application": application, "proposal": proposal, "commit": staged.Commit} {
		for i := range msg {
			if _, err := p.b.g.Process(flipped(msg, i)); err == nil {
				t.Fatalf("%s with byte %d flipped was taken", name, i)
			}
			if _, err := p.b.g.Process(msg[:i]); err == nil {
				t.Fatalf("%s cut to %d bytes was taken", name, i)
			}
		}
		if !bytes.Equal(before, stateOf(t, p.b.g)) {
			t.Fatalf("refused forms of %s changed the state", name)
		}
	}
	if _, err := p.b.g.Process(staged.Commit); err != nil {
		t.Error(err)
	}
}

// TestLastRemoval: a committer may end with itself alone, and start again.
func TestLastRemoval(t *testing.T) {
	t.Parallel()
	l := newLab(t, 11, 5)
	by := l.at(0)
	staged, err := by.g.Commit(CommitOptions{Remove: []uint32{1, 2, 3, 4}})
	l.must(err)
	for leaf := uint32(1); leaf < 5; leaf++ {
		if got, err := l.at(leaf).g.Process(staged.Commit); err != nil || !got.Evicted {
			t.Errorf("leaf %d: %+v, %v", leaf, got, err)
		}
	}
	l.must(by.g.Merge())
	by.g = again(t, by.cfg, by.g)
	if n := len(by.g.Members()); n != 1 {
		t.Fatalf("%d members are left", n)
	}
	seal(t, by.g, "nobody hears")
	who := l.party()
	kp, priv := l.keyPackage(who)
	staged, err = by.g.Commit(CommitOptions{Add: []*KeyPackage{kp}})
	l.must(err)
	l.must(by.g.Merge())
	g, err := Join(who.cfg, staged.Welcome, kp, priv, nil)
	l.must(err)
	opens(t, g, seal(t, by.g, "hello"), "hello")
}
