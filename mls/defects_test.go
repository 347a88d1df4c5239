package mls

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"runtime"
	"strings"
	"testing"

	"primum/mls/internal/message"
	"primum/mls/internal/public"
	"primum/mls/internal/schedule"
	"primum/mls/internal/tree"
)

// The defects that were measured in another library, each as a test of this
// one (design/circle.md).

// refused checks that everybody refuses a message with the given error and
// that nobody's state moves.
func (l *lab) refused(what string, msg []byte, want error, by *party) {
	l.t.Helper()
	l.unmoved(what, func() {
		if _, err := l.public.Process(msg); !errors.Is(err, want) {
			l.t.Errorf("%s: the tracker says %v", what, err)
		}
		l.refusedByMembers(what, msg, want, by)
	})
}

func (l *lab) refusedByMembers(what string, msg []byte, want error, by *party) {
	l.t.Helper()
	for _, name := range l.names() {
		if p := l.parties[name]; p != by {
			if _, err := p.g.Process(msg); !errors.Is(err, want) {
				l.t.Errorf("%s: %s says %v", what, name, err)
			}
		}
	}
}

// secretsOf collects the secrets of a member's state by name.
func secretsOf(p *party) map[string][]byte {
	s := p.g.secrets
	out := map[string][]byte{
		"sender data": s.SenderData, "exporter": s.Exporter, "external": s.External,
		"membership": s.Membership, "resumption": s.Resumption, "init": s.Init,
		"leaf key": p.g.private.LeafKey(),
	}
	for name, b := range out {
		if len(b) == 0 {
			delete(out, name)
		}
	}
	return out
}

// spellings are the ways in which bytes get into a text.
func spellings(b []byte) []string {
	return []string{
		string(b), hex.EncodeToString(b), strings.ToUpper(hex.EncodeToString(b)),
		base64.StdEncoding.EncodeToString(b), base64.RawURLEncoding.EncodeToString(b),
		strings.Trim(fmt.Sprint(b), "[]"), fmt.Sprintf("%q", b),
	}
}

func mentions(text string, secrets map[string][]byte) (string, bool) {
	for name, b := range secrets {
		for _, s := range spellings(b) {
			if strings.Contains(text, s) {
				return name, true
			}
		}
	}
	return "", false
}

// TestDefectD1SecretsInLogs: a bad confirmation tag brings no secret into the
// error or any log. It replaces the default loggers and so runs alone.
func TestDefectD1SecretsInLogs(t *testing.T) {
	var logged bytes.Buffer
	defer func(l *slog.Logger) { slog.SetDefault(l) }(slog.Default())
	slog.SetDefault(slog.New(slog.NewTextHandler(&logged, &slog.HandlerOptions{Level: slog.LevelDebug - 8})))
	defer log.SetOutput(log.Writer())
	log.SetOutput(&logged)

	l := newLab(t, 10, 3)
	by := l.at(0)
	learned := map[string][]byte{}
	msg := l.commitBy(by, forge{
		tag:   func(tag []byte) { tag[0] ^= 1 },
		learn: func(name string, b []byte) { learned[name] = bytes.Clone(b) },
	})
	for _, name := range l.names() {
		p := l.parties[name]
		if p == by {
			continue
		}
		_, err := p.g.Process(msg)
		if !errors.Is(err, ErrAuthentication) {
			t.Fatalf("%s: %v", name, err)
		}
		for _, secrets := range []map[string][]byte{learned, secretsOf(p)} {
			if which, found := mentions(err.Error()+logged.String(), secrets); found {
				t.Errorf("%s: %s is in the error or log", name, which)
			}
		}
	}
	if logged.Len() != 0 {
		t.Errorf("the package logs: %s", logged.String())
	}
}

// TestDefectD2MutateBeforeVerify: no refused message moves a byte of anybody's
// state, and the good commit of the same epoch is still taken.
func TestDefectD2MutateBeforeVerify(t *testing.T) {
	t.Parallel()
	l := newLab(t, 11, 4)
	by := l.at(0)
	flip := func(b []byte) { b[len(b)-1] ^= 1 }
	l.unmoved("a bad tag", func() {
		l.refusedByMembers("a bad tag", l.commitBy(by, forge{tag: flip}), ErrAuthentication, by)
	})
	l.unmoved("a bad path secret", func() {
		msg := l.commitBy(by, forge{path: func(p *tree.UpdatePath) {
			for _, n := range p.Nodes {
				for i := range n.Secrets {
					n.Secrets[i].Ciphertext = bytes.Clone(n.Secrets[i].Ciphertext)
					flip(n.Secrets[i].Ciphertext)
				}
			}
		}})
		l.refusedByMembers("a bad path secret", msg, ErrAuthentication, by)
	})
	l.refused("a bad parent key", l.commitBy(by, forge{path: func(p *tree.UpdatePath) {
		_, p.Nodes[0].EncryptionKey, _ = by.g.st.Suite.GenerateKeyPair(l.rnd)
	}}), ErrInvalid, by)
	l.refused("a bad signature", l.commitBy(by, forge{done: func(m *message.Signed) { flip(m.Signature) }}), ErrAuthentication, by)
	l.refused("another epoch", l.commitBy(by, forge{body: func(m *message.Signed) { m.Epoch++ }}), ErrEpoch, by)
	l.refused("another group", l.commitBy(by, forge{body: func(m *message.Signed) { m.GroupID = []byte("other") }}), ErrWrongGroup, by)
	good := l.commitBy(by, forge{})
	for n := range good {
		if n%7 == 0 {
			l.unmoved("a cut commit", func() {
				if _, err := l.at(1).g.Process(good[:n]); err == nil {
					t.Errorf("cut after %d bytes: accepted", n)
				}
			})
		}
	}
	for _, name := range l.names() {
		if p := l.parties[name]; p != by {
			_, err := p.g.Process(good)
			l.must(err)
		}
	}
	if _, err := l.public.Process(good); err != nil {
		t.Error(err)
	}
	if l.at(1).g.Epoch() != l.at(2).g.Epoch() || !bytes.Equal(l.at(1).g.EpochAuthenticator(), l.at(3).g.EpochAuthenticator()) {
		t.Error("members disagree after the good commit")
	}
}

// TestDefectD3EncryptionSecretKept: of an epoch's secrets no state holds one
// that the RFC says is gone (RFC 9420 §9.2).
// RFC 9420 §9.2 M2a
func TestDefectD3EncryptionSecretKept(t *testing.T) {
	t.Parallel()
	l := newLab(t, 12, 3)
	by := l.at(0)
	learned := map[string][]byte{}
	msg := l.commitBy(by, forge{learn: func(name string, b []byte) { learned[name] = bytes.Clone(b) }})
	delete(learned, "next init secret") // the next epoch needs it
	encryption := learned["encryption secret"]
	delete(learned, "encryption secret")
	delete(l.parties, by.name)
	for _, p := range l.parties {
		_, err := p.g.Process(msg)
		l.must(err)
		state := l.bytesOf(p)
		for name, b := range learned {
			if bytes.Contains(state, b) {
				t.Errorf("%s keeps the %s", p.name, name)
			}
		}
	}
	// The root of the secret tree goes once the first message key was taken.
	a, b := l.at(1), l.at(2)
	sealed, err := a.g.Seal([]byte("x"), nil, 0)
	l.must(err)
	if bytes.Contains(l.bytesOf(a), encryption) {
		t.Error("the sender keeps the encryption secret")
	}
	before := l.bytesOf(b)
	_, err = b.g.Process(sealed)
	l.must(err)
	after := l.bytesOf(b)
	if bytes.Contains(after, encryption) {
		t.Error("the receiver keeps the encryption secret")
	}
	thief := *b
	thief.g, err = Load(b.cfg, after)
	l.must(err)
	if _, err := thief.g.Process(sealed); !errors.Is(err, ErrReplay) {
		t.Errorf("a stolen state opens a message that was opened: %v", err)
	}
	if bytes.Equal(before, after) {
		t.Error("opening a message left the stored state as it was")
	}
}

// TestDefectD4RemoveOwnSender: a commit that removes its own sender.
// RFC 9420 §12.2 R3
func TestDefectD4RemoveOwnSender(t *testing.T) {
	t.Parallel()
	l := newLab(t, 13, 3)
	by := l.at(0)
	if _, err := by.g.Commit(CommitOptions{Remove: []uint32{by.g.Me()}}); !errors.Is(err, ErrInvalid) {
		t.Errorf("making it: %v", err)
	}
	remove := message.Proposal{Kind: ProposalRemove, Removed: by.g.Me()}
	l.refused("removal of oneself", l.commitBy(by, forge{list: value(remove)}), ErrInvalid, by)

	// By reference, proposed by another: the proposal is fine, the commit not.
	other := l.at(1)
	msg, ref := l.proposeBy(other, remove)
	for _, p := range l.parties {
		if p != other {
			_, err := p.g.Process(msg)
			l.must(err)
		}
	}
	_, err := l.public.Process(msg)
	l.must(err)
	bad := l.commitBy(by, forge{list: []message.ProposalOrRef{{Ref: ref}}, sent: []public.Sent{{Proposal: remove, Sender: other.g.Me()}}})
	l.unmoved("removal of oneself by reference", func() {
		if _, err := l.public.Process(bad); !errors.Is(err, ErrInvalid) {
			t.Errorf("the tracker says %v", err)
		}
		if _, err := l.at(2).g.Process(bad); !errors.Is(err, ErrInvalid) {
			t.Errorf("a member says %v", err)
		}
	})
}

// TestDefectD5ExternalCommits: an external commit is refused by everybody who
// has not switched it on.
func TestDefectD5ExternalCommits(t *testing.T) {
	t.Parallel()
	l := newLab(t, 14, 3)
	by := l.at(0)
	kem, _, err := by.g.st.Suite.ExternalInit(by.g.st.Tree.Leaf(1).EncryptionKey)
	l.must(err)
	init := value(message.Proposal{Kind: ProposalExternalInit, KEMOutput: kem})
	as := message.Sender{Kind: message.SenderNewMemberCommit}
	l.refused("an external commit", l.commitBy(by, forge{list: init, as: &as}), ErrNotAllowed, by)
	l.refused("ExternalInit in a member's commit", l.commitBy(by, forge{list: init}), ErrInvalid, by)
	for _, kind := range []uint8{message.SenderExternal, message.SenderNewMemberProposal} {
		as := message.Sender{Kind: kind}
		l.refused("a commit from outside", l.commitBy(by, forge{as: &as}), ErrNotAllowed, by)
	}
}

// TestDefectD6LoserOfRace: who loses a commit race takes the winner's commit
// in and commits again.
func TestDefectD6LoserOfRace(t *testing.T) {
	t.Parallel()
	l := newLab(t, 15, 4)
	winner, loser := l.at(1), l.at(2)
	_, err := loser.g.Commit(CommitOptions{AuthenticatedData: []byte("lost")})
	l.must(err)
	l.restart(loser) // with the pending commit
	if !loser.g.Pending() {
		t.Error("the pending commit did not survive a restart")
	}
	l.commit(winner, CommitOptions{AuthenticatedData: []byte("won")})
	l.agree()
	if loser.g.Pending() {
		t.Error("the lost commit is still pending")
	}
	if err := loser.g.Merge(); !errors.Is(err, ErrPending) {
		t.Errorf("merging a lost commit: %v", err)
	}
	l.commit(loser, CommitOptions{})
	l.agree()
	l.talk(loser)
	l.talk(winner)
}

// allocated counts the bytes that f makes. Tests that use it run alone.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// TestDefectD7TinyTree: a ratchet tree of four bytes allocates next to
// nothing, and an unknown suite is an error, not a panic.
func TestDefectD7TinyTree(t *testing.T) {
	l := newLab(t, 16, 2)
	joiner := l.party()
	kp, priv := l.keyPackage(joiner)
	staged, err := l.at(0).g.Commit(CommitOptions{Add: []*KeyPackage{kp}, TreeApart: true})
	l.must(err)
	for _, nodes := range [][]byte{
		{0xbf, 0xff, 0xff, 0xff}, {0x80, 0x01, 0, 0}, {3, 0, 0, 0}, {3, 1, 1, 0}, {0x7f, 0xff, 0, 1}, {0, 0, 0, 0}, {},
	} {
		used := allocated(func() {
			if _, err := Join(joiner.cfg, staged.Welcome, kp, priv, nodes); err == nil {
				t.Errorf("tree %x: accepted", nodes)
			}
		})
		if used > 1<<20 {
			t.Errorf("tree %x made %d bytes of memory", nodes, used)
		}
	}
	if _, err := Join(joiner.cfg, staged.Welcome, kp, priv, nil); !errors.Is(err, ErrInvalid) {
		t.Errorf("no tree: %v", err)
	}
	for _, suite := range []byte{0, 2, 7, 0xff} {
		welcome := bytes.Clone(staged.Welcome)
		welcome[5] = suite // after version and wire format
		if _, err := Join(joiner.cfg, welcome, kp, priv, l.at(0).g.Tree()); !errors.Is(err, ErrSuite) {
			t.Errorf("welcome of suite %d: %v", suite, err)
		}
		b := kp.Bytes()
		b[7] = suite // after the message header and version
		if _, err := ParseKeyPackage(b); err == nil {
			t.Errorf("key package of suite %d: accepted", suite)
		}
		info := bytes.Clone(staged.GroupInfo)
		info[7] = suite
		if _, err := NewPublicGroup(Config{}, info); !errors.Is(err, ErrSuite) {
			t.Errorf("group info of suite %d: %v", suite, err)
		}
	}
	if _, err := Create(joiner.cfg, []byte("x"), 2, []byte("y"), nil); !errors.Is(err, ErrSuite) {
		t.Errorf("create with suite 2: %v", err)
	}
}

// TestDefectD8GenerationJump: a member claims a generation far ahead. The
// refusal costs no derivation, and the next good message opens. It counts
// allocations and so runs alone.
func TestDefectD8GenerationJump(t *testing.T) {
	l := newLab(t, 17, 2)
	a, b := l.at(0), l.at(1)
	for _, generation := range []uint32{1001, 1 << 20, 1<<32 - 1} {
		body, sizes, err := a.g.signBody([]byte("x"), nil, 0)
		l.must(err)
		msg, err := a.g.sealPrivate(l.rnd, &schedule.Key{Generation: generation}, Application, nil, body, sizes)
		l.must(err)
		l.unmoved("a jump", func() {
			allocs := testing.AllocsPerRun(1, func() {
				if _, err := b.g.Process(msg); !errors.Is(err, ErrJump) {
					t.Errorf("generation %d: %v", generation, err)
				}
			})
			if allocs > 200 {
				t.Errorf("generation %d: %v allocations", generation, allocs)
			}
		})
	}
	l.talk(a)
}

// TestDefectReplayAfterRestore: what was opened before a restart stays opened,
// in order or not.
func TestDefectReplayAfterRestore(t *testing.T) {
	t.Parallel()
	l := newLab(t, 18, 2)
	a, b := l.at(0), l.at(1)
	var sent [][]byte
	for range 6 {
		msg, err := a.g.Seal([]byte("x"), nil, 0)
		l.must(err)
		sent = append(sent, msg)
	}
	for _, i := range []int{3, 0, 5} {
		_, err := b.g.Process(sent[i])
		l.must(err)
	}
	l.restart(b)
	for _, i := range []int{3, 0, 5} {
		if _, err := b.g.Process(sent[i]); !errors.Is(err, ErrReplay) {
			t.Errorf("message %d again: %v", i, err)
		}
	}
	for _, i := range []int{4, 1, 2} {
		if _, err := b.g.Process(sent[i]); err != nil {
			t.Errorf("message %d for the first time: %v", i, err)
		}
		l.restart(b)
		if _, err := b.g.Process(sent[i]); !errors.Is(err, ErrReplay) {
			t.Errorf("message %d again: %v", i, err)
		}
	}
	proposal, err := a.g.ProposeUpdate(nil)
	l.must(err)
	_, err = b.g.Process(proposal)
	l.must(err)
	l.restart(b)
	if _, err := b.g.Process(proposal); !errors.Is(err, ErrReplay) {
		t.Errorf("a proposal again: %v", err)
	}
}

// TestDefectPathClaimsIdentity: a committer's or proposer's new leaf can't
// name another client or signature key.
// RFC 9420 §5.3.1 M2, §12.2 M4
func TestDefectPathClaimsIdentity(t *testing.T) {
	t.Parallel()
	l := newLab(t, 19, 3)
	by := l.at(0)
	victim := by.g.st.Tree.Leaf(1)
	for name, claim := range map[string]func(*tree.LeafNode){
		"a new name":      func(d *tree.LeafNode) { d.Credential = tree.BasicCredential([]byte("mallory")) },
		"another's name":  func(d *tree.LeafNode) { d.Credential = victim.Credential },
		"a signature key": func(d *tree.LeafNode) { d.SignatureKey = otherKey().Public().(ed25519.PublicKey) },
	} {
		l.refused(name+" in a path", l.commitBy(by, forge{leaf: claim}), ErrInvalid, by)
		msg, _ := l.proposeBy(by, message.Proposal{Kind: ProposalUpdate, Leaf: l.updateLeaf(by, claim)})
		l.refused(name+" in an Update", msg, ErrInvalid, by)
	}
	honest, _ := l.proposeBy(by, message.Proposal{Kind: ProposalUpdate, Leaf: l.updateLeaf(by, func(*tree.LeafNode) {})})
	if _, err := l.public.Process(honest); err != nil {
		t.Errorf("an honest Update: %v", err)
	}
}

// updateLeaf signs a leaf for an Update of a member.
func (l *lab) updateLeaf(p *party, change func(*tree.LeafNode)) *tree.LeafNode {
	l.t.Helper()
	st := p.g.st
	draft := st.Tree.Leaf(p.g.Me()).Draft()
	_, pub, err := st.Suite.GenerateKeyPair(l.rnd)
	l.must(err)
	draft.EncryptionKey, draft.Source = pub, tree.SourceUpdate
	change(draft)
	l.must(draft.Sign(st.Suite, l.rnd, signerOf(p, draft), st.Context.GroupID, p.g.Me()))
	return draft
}

// TestDefectGrowthPerEpoch: the stored state does not grow with epochs or
// messages.
func TestDefectGrowthPerEpoch(t *testing.T) {
	t.Parallel()
	l := newLab(t, 20, 4)
	size := func() (n int) {
		for _, p := range l.parties {
			n += len(l.bytesOf(p))
		}
		b, err := l.public.MarshalBinary()
		l.must(err)
		return n + len(b)
	}
	round := func() {
		for leaf := range uint32(4) {
			l.commit(l.at(leaf), CommitOptions{AuthenticatedData: []byte("tick")})
		}
	}
	for range 3 {
		round()
	}
	before := size()
	for range 30 {
		round()
		l.talk(l.at(2))
		l.talk(l.at(1))
	}
	round()
	if after := size(); after > before+16 {
		t.Errorf("the states of four members and the tracker grew from %d to %d bytes over 120 epochs", before, after)
	}
}

// TestDefectKeyPackageKeysInMemory: the private half of a key package is
// written and read back before the Welcome comes.
func TestDefectKeyPackageKeysInMemory(t *testing.T) {
	t.Parallel()
	l := newLab(t, 21, 2)
	joiner := l.party()
	kp, priv := l.keyPackage(joiner)
	public := bytes.Clone(kp.Bytes())
	secret, err := priv.MarshalBinary()
	l.must(err)
	staged := l.commit(l.at(0), CommitOptions{Add: []*KeyPackage{kp}})
	kp, err = ParseKeyPackage(public)
	l.must(err)
	priv, err = ParseKeyPackagePrivate(secret)
	l.must(err)
	joiner.g, err = Join(joiner.cfg, staged.Welcome, kp, priv, nil)
	l.must(err)
	l.parties[joiner.name] = joiner
	l.agree()
	outsider := l.party()
	other, otherPriv := l.keyPackage(outsider)
	if _, err := Join(outsider.cfg, staged.Welcome, other, otherPriv, nil); !errors.Is(err, ErrNotForMe) {
		t.Errorf("a Welcome for others: %v", err)
	}
	if _, err := Join(joiner.cfg, staged.Welcome, kp, otherPriv, nil); err == nil {
		t.Error("joined with another key package's private keys")
	}
}

// TestDefectAuthenticatedDataInCommits: a commit carries authenticated data to
// members and the tracker, and nobody can change them on the way.
func TestDefectAuthenticatedDataInCommits(t *testing.T) {
	t.Parallel()
	l := newLab(t, 22, 3)
	by := l.at(0)
	var asked []byte
	l.at(1).g.cfg.Authorize = func(v *CommitView) error {
		asked = bytes.Clone(v.AuthenticatedData)
		return nil
	}
	staged, err := by.g.Commit(CommitOptions{AuthenticatedData: []byte("2026-11-22")})
	l.must(err)
	m := reread(t, staged.Commit)
	m.AAD = []byte("2027-11-22")
	m.Content.Encode()
	forged := m.PublicMessage(by.g.st.Suite, by.g.secrets.Membership, by.g.st.Encoded)
	l.refused("changed authenticated data", forged, ErrAuthentication, by)
	head, err := Peek(staged.Commit)
	if err != nil || string(head.AuthenticatedData) != "2026-11-22" {
		t.Errorf("Peek: %q, %v", head.AuthenticatedData, err)
	}
	for _, process := range []func([]byte) (*Received, error){l.public.Process, l.at(1).g.Process, l.at(2).g.Process} {
		got, err := process(staged.Commit)
		l.must(err)
		if string(got.AuthenticatedData) != "2026-11-22" || string(got.View.AuthenticatedData) != "2026-11-22" {
			t.Errorf("received %q", got.AuthenticatedData)
		}
	}
	if string(asked) != "2026-11-22" {
		t.Errorf("Authorize saw %q", asked)
	}
}

// TestDefectNoKeylessTracking: a tracker that knows a signed GroupInfo alone
// ends each epoch with the members' tree hash; TestTrackerFollowsEveryCommit
// has the long schedule.
func TestDefectNoKeylessTracking(t *testing.T) {
	t.Parallel()
	l := newLab(t, 23, 2)
	b, err := l.public.MarshalBinary()
	l.must(err)
	for _, p := range l.parties {
		if which, found := mentions(string(b), secretsOf(p)); found {
			t.Errorf("the tracker holds the %s of %s", which, p.name)
		}
	}
	l.add(l.at(0), 3)
	l.commit(l.at(1), CommitOptions{Remove: []uint32{2}})
	l.agree()
}
