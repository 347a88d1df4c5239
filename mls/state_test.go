package mls

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"primum/mls/internal/schedule"
)

// RFC 9420 §6.3.1 M3
func TestPersistence(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	restart := func() {
		p.a.g, p.b.g = again(t, p.a.cfg, p.a.g), again(t, p.b.cfg, p.b.g)
	}
	update, err := p.b.g.ProposeUpdate([]byte("why"))
	if err != nil {
		t.Fatal(err)
	}
	restart()
	got, err := p.a.g.Process(update)
	if err != nil || got.Proposal == nil || got.Proposal.Type != ProposalUpdate || string(got.AuthenticatedData) != "why" {
		t.Fatalf("proposal: %+v, %v", got, err)
	}
	restart()
	staged, err := p.a.g.Commit(CommitOptions{AuthenticatedData: []byte("at 12:00")})
	if err != nil {
		t.Fatal(err)
	}
	restart()
	if kept := p.a.g.PendingCommit(); kept == nil || !bytes.Equal(kept.Commit, staged.Commit) ||
		!bytes.Equal(kept.GroupInfo, staged.GroupInfo) || len(kept.View.Updates) != 1 {
		t.Fatal("the pending commit did not survive")
	}
	got, err = p.b.g.Process(staged.Commit)
	if err != nil || string(got.View.AuthenticatedData) != "at 12:00" || !got.View.HasPath { // RFC 9420 §12.4 M3, §12.4.1 M1
		t.Fatalf("commit: %+v, %v", got, err)
	}
	restart()
	if err := p.a.g.Merge(); err != nil {
		t.Fatal(err)
	}
	restart()
	if !bytes.Equal(p.a.g.EpochAuthenticator(), p.b.g.EpochAuthenticator()) {
		t.Error("the members are in different epochs")
	}
	opens(t, p.b.g, seal(t, p.a.g, "hello"), "hello")
}

// RFC 9420 §7.5 M3, §9.2 M1, M2, M2a
func TestDeletion(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	p.lab.commit(p.a, CommitOptions{})
	p.a.g = again(t, p.a.cfg, p.a.g)
	s := p.a.g.st.Suite
	gone := map[string][]byte{}
	note := func(name string, b []byte) { gone[name] = bytes.Clone(b) }
	check := func(when string, g *Group) {
		t.Helper()
		state := stateOf(t, g)
		for name, secret := range gone {
			if len(secret) == 0 || bytes.Contains(state, secret) {
				t.Errorf("%s: %s is still in the state", when, name)
			}
		}
	}
	g := p.b.g
	note("encryption secret", findRoot(t, g))
	for i := range 3 {
		msg := seal(t, p.a.g, fmt.Sprint(i))
		step, err := g.keys.Find(p.a.g.Me(), schedule.Application, uint32(i), g.cfg.limits())
		if err != nil {
			t.Fatal(err)
		}
		note(fmt.Sprint("message key ", i), step.Key.Key(s))
		opens(t, g, msg, fmt.Sprint(i))
		check(fmt.Sprint("after message ", i), g)
	}
	note("init secret", g.secrets.Init)
	note("membership key", g.secrets.Membership)
	note("exporter secret", g.secrets.Exporter)
	note("sender data secret", g.secrets.SenderData)
	note("private keys", g.private.LeafKey())
	if _, err := g.Commit(CommitOptions{}); err != nil {
		t.Fatal(err)
	}
	kept := g.PendingCommit().Commit
	if err := g.Merge(); err != nil {
		t.Fatal(err)
	}
	check("committer after Merge", g)
	if _, err := p.a.g.Process(kept); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"private keys"} {
		delete(gone, name) // they were b's own
	}
	check("receiver after the commit", p.a.g)
}

func findRoot(t *testing.T, g *Group) []byte {
	t.Helper()
	b := stateOf(t, g)
	root := g.keys.Root()
	if root == nil || !bytes.Contains(b, root) {
		t.Fatal("the encryption secret is not there at the start of an epoch")
	}
	return root
}

func TestLoadRefuses(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	seal(t, p.a.g, "x")
	if _, err := p.a.g.Commit(CommitOptions{}); err != nil {
		t.Fatal(err)
	}
	state := stateOf(t, p.a.g)
	for i := range state {
		if g, err := Load(p.a.cfg, state[:i]); !errors.Is(err, ErrState) || g != nil {
			t.Fatalf("state cut to %d of %d bytes: %v", i, len(state), err)
		}
	}
	if _, err := Load(p.b.cfg, state); !errors.Is(err, ErrState) {
		t.Errorf("another member's signer: %v", err)
	}
	if _, err := Load(p.a.cfg, flipped(state, 0)); !errors.Is(err, ErrState) {
		t.Errorf("another version: %v", err)
	}
	for i := range state { // no panic, whatever a flipped bit makes of it
		if g, err := Load(p.a.cfg, flipped(state, i)); err == nil {
			_, _ = g.Process(state)
		}
	}
}

func TestNothingShowsSecrets(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	kp, priv := p.lab.keyPackage(p.lab.party())
	staged, err := p.a.g.Commit(CommitOptions{Add: []*KeyPackage{kp}})
	if err != nil {
		t.Fatal(err)
	}
	secrets := map[string][]byte{
		"init secret": p.a.g.secrets.Init, "exporter": p.a.g.secrets.Exporter, "leaf key": p.a.g.private.LeafKey(),
		"next init secret": p.a.g.pending.next.secrets.Init, "package init key": priv.init, "package leaf key": priv.leaf,
		"signature key": p.a.cfg.Signer.(interface{ Seed() []byte }).Seed(),
	}
	var log bytes.Buffer
	logger := slog.New(slog.NewJSONHandler(&log, nil))
	o := KeyPackageOptions{Signer: p.a.cfg.Signer}
	for _, v := range []any{
		p.a.g, *p.a.g, priv, *priv, p.a.cfg, &p.a.cfg, o, &o, kp, *kp, staged, *staged, p.a.g.Members(),
		p.a.g.secrets, *p.a.g.secrets, p.a.g.keys, *p.a.g.keys, p.a.g.private,
	} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%x", "%s", "%q", "%d"} {
			noSecret(t, fmt.Sprintf("%s of %T", verb, v), fmt.Sprintf(verb, v), secrets)
		}
		log.Reset()
		logger.Info("value", "v", v)
		noSecret(t, fmt.Sprintf("slog of %T", v), log.String(), secrets)
	}
}

func noSecret(t *testing.T, what, text string, secrets map[string][]byte) {
	t.Helper()
	for name, secret := range secrets {
		decimal := strings.Trim(fmt.Sprint(secret[:8]), "[]")
		for _, form := range []string{string(secret), fmt.Sprintf("%x", secret), base64.StdEncoding.EncodeToString(secret[:30]), decimal, strings.ReplaceAll(decimal, " ", ", "), fmt.Sprintf("%#v", secret[:8])} {
			if strings.Contains(text, strings.TrimSuffix(strings.TrimPrefix(form, "[]byte{"), "}")) {
				t.Errorf("%s shows the %s", what, name)
			}
		}
	}
}
