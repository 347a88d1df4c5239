package mls

import (
	"bytes"
	"errors"
	"testing"

	"primum/mls/internal/message"
	"primum/mls/internal/schedule"
	"primum/mls/internal/suite"
	"primum/mls/internal/tree"
)

// pskLab is a group whose members know one external key and have switched
// everything about keys on.
func pskLab(t *testing.T) (l *lab, a, b, c *party) {
	t.Helper()
	l = newLab(t, 21, 3)
	for _, p := range l.parties {
		allowPSKs(p)
		p.g = again(t, p.cfg, p.g)
	}
	l.public.cfg.AllowPSK, l.public.cfg.AllowReInit = true, true
	return l, l.at(0), l.at(1), l.at(2)
}

func allowPSKs(p *party) {
	p.cfg.AllowPSK, p.cfg.AllowReInit, p.cfg.ResumptionEpochs = true, true, 2
	p.cfg.PSK = func(id []byte) ([]byte, error) {
		if string(id) != "known" {
			return nil, errors.New("no such key")
		}
		return []byte("secret"), nil
	}
}

func pskProposal(id schedule.PSKID) message.Proposal {
	id.Nonce = bytes.Repeat([]byte{1}, 32)
	return message.Proposal{Kind: ProposalPSK, PSK: id}
}

// TestPreSharedKeys injects an external key and a resumption secret of an
// earlier epoch; members and a joiner agree, and who lacks a key does not get
// in.
// RFC 9420 §8.4 M1, R1, §12.4.1 M2, §12.3 M1e
func TestPreSharedKeys(t *testing.T) {
	t.Parallel()
	l, a, b, _ := pskLab(t)
	l.commit(a, CommitOptions{})
	l.commit(a, CommitOptions{}) // of the epoch before, all keep the resumption secret
	for _, id := range []schedule.PSKID{
		{Type: schedule.PSKExternal, ID: []byte("known")},
		{Type: schedule.PSKResumption, Usage: schedule.UsageApplication, GroupID: a.g.GroupID(), Epoch: a.g.Epoch() - 1},
		{Type: schedule.PSKExternal, ID: []byte("nobody has it")}, // left out
	} {
		msg, _ := l.proposeBy(b, pskProposal(id))
		l.deliver(b, msg)
		l.must(b.g.st.Keep(b.cfg.options(), reread(t, msg)))
	}
	who := l.party()
	kp, priv := l.keyPackage(who)
	old := a.g.Epoch() - 1
	resumption := bytes.Clone(a.g.ownResumption(a.g.GroupID(), old))
	staged := l.commit(a, CommitOptions{Add: []*KeyPackage{kp}})
	if !staged.View.PSK || len(resumption) == 0 {
		t.Fatal("the keys were left out")
	}
	if _, err := Join(who.cfg, staged.Welcome, kp, priv, nil); !errors.Is(err, ErrNotAllowed) {
		t.Errorf("join with keys switched off: %v", err)
	}
	allowPSKs(who)
	if _, err := Join(who.cfg, staged.Welcome, kp, priv, nil); !errors.Is(err, ErrInvalid) {
		t.Errorf("join without the resumption secret: %v", err)
	}
	who.cfg.ResumptionPSK = func(group []byte, epoch uint64) ([]byte, error) {
		if !bytes.Equal(group, a.g.GroupID()) || epoch != old {
			t.Errorf("asked for epoch %d of %x", epoch, group)
		}
		return resumption, nil
	}
	g, err := Join(who.cfg, staged.Welcome, kp, priv, nil)
	l.must(err)
	if !bytes.Equal(g.EpochAuthenticator(), b.g.EpochAuthenticator()) {
		t.Error("joiner and members disagree")
	}
}

// TestReInitCloses: after a ReInit nobody sends any more.
// RFC 9420 §12.4.2 M2, §12.3 M1g
func TestReInitCloses(t *testing.T) {
	t.Parallel()
	l, a, b, _ := pskLab(t)
	msg, _ := l.proposeBy(b, message.Proposal{Kind: ProposalReInit, ReInit: message.ReInit{GroupID: []byte("new"), Version: tree.Version, Suite: 1}})
	l.deliver(b, msg)
	l.must(b.g.st.Keep(b.cfg.options(), reread(t, msg)))
	if staged := l.commit(a, CommitOptions{}); !staged.View.ReInit {
		t.Fatal("the ReInit was left out")
	}
	for _, p := range []*party{a, b} {
		p.g = again(t, p.cfg, p.g)
		if _, err := p.g.Seal(nil, nil, 0); !errors.Is(err, ErrInvalid) {
			t.Errorf("Seal after ReInit: %v", err)
		}
		if _, err := p.g.Commit(CommitOptions{}); !errors.Is(err, ErrInvalid) {
			t.Errorf("Commit after ReInit: %v", err)
		}
	}
}

func TestJoinPSKRules(t *testing.T) {
	t.Parallel()
	s, err := suite.ByID(suite.X25519AES128GCM)
	if err != nil {
		t.Fatal(err)
	}
	nonce := make([]byte, 32)
	external := schedule.PSKID{Type: schedule.PSKExternal, ID: []byte("x"), Nonce: nonce}
	reInit := schedule.PSKID{Type: schedule.PSKResumption, Usage: schedule.UsageReInit, Nonce: nonce}
	branch := schedule.PSKID{Type: schedule.PSKResumption, Usage: schedule.UsageBranch, Nonce: nonce}
	short := external
	short.Nonce = nonce[1:]
	all := Config{AllowPSK: true, AllowReInit: true, AllowBranch: true}
	for name, c := range map[string]struct {
		cfg  Config
		ids  []schedule.PSKID
		want error
	}{
		"none":                 {Config{}, nil, nil},
		"external":             {all, []schedule.PSKID{external}, nil},
		"external off":         {Config{AllowReInit: true, AllowBranch: true}, []schedule.PSKID{external}, ErrNotAllowed},
		"reinit off":           {Config{AllowPSK: true, AllowBranch: true}, []schedule.PSKID{reInit}, ErrNotAllowed},
		"branch off":           {Config{AllowPSK: true, AllowReInit: true}, []schedule.PSKID{branch}, ErrNotAllowed},
		"twice":                {all, []schedule.PSKID{external, external}, ErrInvalid},
		"reinit and branch":    {all, []schedule.PSKID{reInit, branch}, ErrInvalid}, // RFC 9420 §12.4.3.1 R3
		"nonce of 31 bytes":    {all, []schedule.PSKID{short}, ErrInvalid},
		"branch with external": {all, []schedule.PSKID{external, branch}, nil},
	} {
		if err := checkJoinPSKs(&c.cfg, s, c.ids); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	if !newGroupPSK([]schedule.PSKID{external, branch}) || newGroupPSK([]schedule.PSKID{external}) {
		t.Error("a new group is told from an old one wrongly")
	}
}
