package mls

import (
	"bytes"
	"errors"
	"testing"

	"primum/mls/internal/message"
	"primum/mls/internal/public"
)

// TestTrackerFollowsEveryCommit: the tracker has the members' tree hash,
// transcript and roster after every commit of a random schedule, also when it
// is written and read back between.
func TestTrackerFollowsEveryCommit(t *testing.T) {
	t.Parallel()
	l := newLab(t, 1, 3)
	l.agree()
	for range 40 {
		by := l.any()
		switch l.pick.IntN(5) {
		case 0:
			if len(l.parties) < 8 {
				l.add(by, 1+l.pick.IntN(3))
			}
		case 1:
			if victim := l.any(); victim != by {
				l.commit(by, CommitOptions{Remove: []uint32{victim.g.Me()}})
			}
		case 2:
			if other := l.any(); other != by {
				msg, err := other.g.ProposeUpdate(nil)
				l.must(err)
				l.deliver(other, msg)
			}
			l.commit(by, CommitOptions{})
		case 3:
			l.commit(by, CommitOptions{AuthenticatedData: []byte("at 12")})
		case 4:
			b, err := l.public.MarshalBinary()
			l.must(err)
			l.public, err = LoadPublicGroup(Config{}, b)
			l.must(err)
		}
		l.agree()
		l.talk(l.any())
	}
}

// TestTrackerIsSmall: 100,000 of them live in a database.
func TestTrackerIsSmall(t *testing.T) {
	t.Parallel()
	for members, most := range map[int]int{2: 1200, 9: 4000} {
		l := newLab(t, 2, members)
		for leaf := range uint32(members) {
			l.commit(l.at(leaf), CommitOptions{})
		}
		b, err := l.public.MarshalBinary()
		l.must(err)
		if len(b) > most+longerKeys(2*members-1) {
			t.Errorf("the tracker of %d members has %d bytes", members, len(b))
		}
		t.Logf("tracker of %d members: %d bytes", members, len(b))
	}
}

// TestTrackerStages: Stage leaves the group as it is, and two stages of one
// state do not see each other.
func TestTrackerStages(t *testing.T) {
	t.Parallel()
	l := newLab(t, 3, 3)
	a := l.commitBy(l.at(0), forge{list: value(message.Proposal{Kind: ProposalRemove, Removed: 2})})
	b := l.commitBy(l.at(1), forge{})
	l.unmoved("staging", func() {
		nextA, got, err := l.public.Stage(a)
		l.must(err)
		if got.Kind != Commit || len(got.View.Removes) != 1 || len(nextA.Members()) != 2 {
			t.Errorf("first stage: %+v", got)
		}
		nextB, _, err := l.public.Stage(b)
		l.must(err)
		if len(nextB.Members()) != 3 || nextB.Epoch() != l.public.Epoch()+1 {
			t.Error("the second stage saw the first")
		}
		if _, _, err := nextA.Stage(b); !errors.Is(err, ErrEpoch) {
			t.Errorf("the loser of a race: %v", err)
		}
	})
}

// TestPublicGroupSigner: who signed the GroupInfo is known until the group is
// another one.
func TestPublicGroupSigner(t *testing.T) {
	t.Parallel()
	l := newLab(t, 4, 3)
	for leaf := range uint32(3) {
		info, err := l.at(leaf).g.GroupInfo()
		l.must(err)
		p, err := NewPublicGroup(Config{}, info)
		l.must(err)
		if got, ok := p.Signer(); !ok || got != leaf {
			t.Errorf("signer is leaf %d, %t; want %d", got, ok, leaf)
		}
		b, err := p.MarshalBinary()
		l.must(err)
		loaded, err := LoadPublicGroup(Config{}, b)
		l.must(err)
		if got, ok := loaded.Signer(); ok {
			t.Errorf("a loaded group tells signer %d", got)
		}
	}
}

// TestTrackerRefusesGroupInfo: what a joiner must check (RFC 9420 §12.4.3.1).
func TestTrackerRefusesGroupInfo(t *testing.T) {
	t.Parallel()
	l := newLab(t, 4, 3)
	info, err := l.at(0).g.GroupInfo()
	l.must(err)
	if _, err := NewPublicGroup(Config{}, info); err != nil {
		t.Fatal(err)
	}
	for i := range info {
		b := bytes.Clone(info)
		b[i] ^= 1
		if _, err := NewPublicGroup(Config{}, b); err == nil {
			t.Errorf("bit of byte %d: accepted", i)
		}
		if _, err := NewPublicGroup(Config{}, info[:i]); err == nil {
			t.Errorf("cut after %d bytes: accepted", i)
		}
	}
	if _, err := NewPublicGroup(Config{}, append(bytes.Clone(info), 0)); !errors.Is(err, ErrMalformed) {
		t.Errorf("a byte too many: %v", err)
	}
	for name, change := range map[string]func(*message.GroupInfo){
		"another signer": func(g *message.GroupInfo) { g.Signer = 1 },
		"no signer":      func(g *message.GroupInfo) { g.Signer = 9 },
		"no tree":        func(g *message.GroupInfo) { g.Extensions = nil },
		"a short tag":    func(g *message.GroupInfo) { g.Tag = g.Tag[:31] },
		"another tree":   func(g *message.GroupInfo) { g.Context.TreeHash[0] ^= 1 },
	} {
		g, err := message.ParseGroupInfo(bytes.Clone(info))
		l.must(err)
		change(g)
		st := &public.State{Context: g.Context, Encoded: g.Context.Bytes(), Tag: g.Tag}
		signed := message.NewGroupInfo(st.Context, st.Tag, g.Signer, g.Extensions)
		l.must(signed.Sign(l.public.st.Suite, l.rnd, l.at(0).cfg.Signer))
		w := message.Header(WireGroupInfo)
		signed.Write(w)
		if _, err := NewPublicGroup(Config{}, w.Out()); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// TestLoadPublicGroupRefuses: damaged bytes are an error.
func TestLoadPublicGroupRefuses(t *testing.T) {
	t.Parallel()
	l := newLab(t, 5, 3)
	msg, _ := l.proposeBy(l.at(0), message.Proposal{Kind: ProposalRemove, Removed: 2})
	l.deliver(l.at(0), msg)
	b, err := l.public.MarshalBinary()
	l.must(err)
	again, err := LoadPublicGroup(Config{}, b)
	l.must(err)
	c, err := again.MarshalBinary()
	if err != nil || !bytes.Equal(b, c) {
		t.Errorf("written again it differs (%v)", err)
	}
	for n := range b {
		if _, err := LoadPublicGroup(Config{}, b[:n]); !errors.Is(err, ErrState) {
			t.Fatalf("cut after %d bytes: %v", n, err)
		}
	}
	b[0] += 2 // 2 is a closed one
	if _, err := LoadPublicGroup(Config{}, b); !errors.Is(err, ErrState) {
		t.Errorf("another format: %v", err)
	}
}

// TestTrackerKnowsTheGroup: what the accessors say.
func TestTrackerKnowsTheGroup(t *testing.T) {
	t.Parallel()
	l := newLab(t, 6, 2)
	g := l.at(0).g
	if string(l.public.GroupID()) != "lab" || l.public.Suite() != g.Suite() || len(l.public.Extensions()) != 0 {
		t.Errorf("group %q, suite %d, extensions %v", l.public.GroupID(), l.public.Suite(), l.public.Extensions())
	}
	// Whoever changes what an accessor gave changes nothing.
	l.unmoved("a caller", func() {
		clear(l.public.GroupID())
		clear(l.public.TreeHash())
		clear(l.public.ConfirmedTranscriptHash())
	})
}

func BenchmarkPublicGroup(b *testing.B) {
	l := newLab(b, 7, 2)
	state, err := l.public.MarshalBinary()
	l.must(err)
	msg := l.commitBy(l.at(0), forge{})
	b.Run("load", func(b *testing.B) {
		b.ReportAllocs()
		for range b.N {
			if _, err := LoadPublicGroup(Config{}, state); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("stage", func(b *testing.B) {
		b.ReportAllocs()
		for range b.N {
			if _, _, err := l.public.Stage(msg); err != nil {
				b.Fatal(err)
			}
		}
	})
}
