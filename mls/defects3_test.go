package mls

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"testing"

	"primum/mls/internal/message"
	"primum/mls/internal/public"
	"primum/mls/internal/schedule"
)

// TestDefectTrackerAfterReInit: after a ReInit members take no handshake, and
// so the tracker takes none; else a member could lead it away from them.
func TestDefectTrackerAfterReInit(t *testing.T) {
	t.Parallel()
	l := newLab(t, 60, 3)
	for _, p := range l.parties {
		p.g.cfg.AllowReInit = true
	}
	l.public.cfg.AllowReInit = true
	by, evil := l.at(0), l.at(2)
	reInit := message.Proposal{Kind: ProposalReInit, ReInit: message.ReInit{GroupID: []byte("next"), Version: 1, Suite: 1}}
	msg, _ := l.proposeBy(evil, reInit)
	l.deliver(evil, msg)
	l.must(evil.g.st.Keep(evil.cfg.options(), reread(t, msg)))
	l.commit(by, CommitOptions{})
	l.refused("a commit after a ReInit", l.commitBy(evil, forge{}), ErrInvalid, evil)
	stored, err := l.public.MarshalBinary()
	l.must(err)
	l.public, err = LoadPublicGroup(l.public.cfg, stored)
	l.must(err)
	again, err := l.public.MarshalBinary()
	if err != nil || !bytes.Equal(stored, again) {
		t.Errorf("a tracker reads differently from what it wrote (%v)", err)
	}
	l.refused("a commit after a ReInit and a restart", l.commitBy(evil, forge{}), ErrInvalid, evil)
}

// TestDefectStrangerJoins: a client that proposes its own Add is kept, and so
// let in by the next commit, only where somebody decides on it (RFC 9420
// §12.1.8).
func TestDefectStrangerJoins(t *testing.T) {
	t.Parallel()
	l := newLab(t, 61, 2)
	p, stranger := l.at(0), l.party()
	p.g.cfg.AllowExternalSenders = true
	add := l.addOf(stranger, nothing)
	m := &message.Signed{Wire: WirePublicMessage, Content: p.g.content(Proposal, nil)}
	m.Sender, m.Proposal = message.Sender{Kind: message.SenderNewMemberProposal}, &add
	m.Content.Encode()
	var err error
	m.Signature, err = p.g.st.Suite.SignWithLabel(l.rnd, stranger.cfg.Signer.(ed25519.PrivateKey), "FramedContentTBS", m.TBS(nil))
	l.must(err)
	msg := m.PublicMessage(p.g.st.Suite, nil, nil)
	l.unmoved("a stranger's Add", func() {
		if _, err := p.g.Process(msg); !errors.Is(err, ErrNotAllowed) {
			t.Errorf("nobody decides: %v", err)
		}
	})
	p.g.cfg.AuthorizeProposal = func(v *ProposalView) error {
		if !v.External || v.Type != ProposalAdd || string(v.Member.Identity) != stranger.name {
			t.Errorf("decide on %+v", v)
		}
		return nil
	}
	if _, err := p.g.Process(msg); err != nil {
		t.Errorf("it is allowed: %v", err)
	}
}

// TestDefectOwnExtensionsTwice: a committer does not sign what all others
// refuse.
func TestDefectOwnExtensionsTwice(t *testing.T) {
	t.Parallel()
	l := newLab(t, 62, 2)
	twice := []Extension{{Type: 5}, {Type: 5}}
	if _, err := l.at(0).g.Commit(CommitOptions{Extensions: twice}); !errors.Is(err, ErrInvalid) || l.at(0).g.Pending() {
		t.Errorf("an extension twice: %v", err)
	}
}

// TestDefectTooManyKeys: more pre-shared keys than members can number are
// refused by the tracker too.
func TestDefectTooManyKeys(t *testing.T) {
	t.Parallel()
	l := newLab(t, 63, 1)
	st := l.at(0).g.st
	list := make([]public.Sent, 1<<16)
	for i := range list {
		nonce := make([]byte, 32)
		nonce[0], nonce[1] = byte(i), byte(i>>8)
		list[i].Proposal = message.Proposal{Kind: ProposalPSK, PSK: schedule.PSKID{Type: schedule.PSKExternal, Nonce: nonce}}
	}
	o := public.Options{AllowPSK: true}
	if _, err := public.Apply(o, st.Tree, st.Rules(), 0, false, list); !errors.Is(err, ErrInvalid) {
		t.Errorf("65,536 keys: %v", err)
	}
	if _, err := public.Apply(o, st.Tree, st.Rules(), 0, false, list[1:]); err != nil {
		t.Errorf("65,535 keys: %v", err)
	}
}

// TestDefectPlaintextKept: what a member sealed under a wrong signature stays
// in no buffer of the one who refused it.
func TestDefectPlaintextKept(t *testing.T) {
	t.Parallel()
	l := newLab(t, 64, 2)
	by, p := l.at(0), l.at(1)
	plain := bytes.Repeat([]byte("refused "), 8)
	body, sizes, err := by.g.signBody(plain, nil, 0)
	l.must(err)
	body[len(body)-1] ^= 1 // the signature
	step, err := by.g.keys.Next(by.g.me, schedule.Application)
	l.must(err)
	msg, err := by.g.sealPrivate(l.rnd, &step.Key, Application, nil, body, sizes)
	l.must(err)
	if _, err := p.g.Process(msg); !errors.Is(err, ErrAuthentication) {
		t.Errorf("a wrong signature: %v", err)
	}
	if bytes.Contains(p.g.scratch[:cap(p.g.scratch)], plain) {
		t.Error("the plaintext stands in the scratch buffer")
	}
}
