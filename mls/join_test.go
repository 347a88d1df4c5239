package mls

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"primum/mls/internal/public"
	"primum/mls/internal/suite"
)

func TestKeyPackageRoundTrip(t *testing.T) {
	t.Parallel()
	l := newLab(t, 3, 1)
	who := l.party()
	kp, priv, err := NewKeyPackage(KeyPackageOptions{
		Suite: X25519AES128GCMSHA256Ed25519, Identity: []byte("anna"), Signer: who.cfg.Signer,
		NotBefore: labTime(), NotAfter: labTime().Add(time.Hour), LastResort: true,
		Extensions: []uint16{0xF0A1}, KeyPackageExtensions: []Extension{{Type: 0xF0A2, Data: []byte("rejoin")}},
	})
	if err != nil {
		t.Fatal(err)
	}
	got, err := ParseKeyPackage(kp.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if string(got.Identity()) != "anna" || !got.LastResort() || !got.NotBefore().Equal(labTime()) ||
		!got.NotAfter().Equal(labTime().Add(time.Hour)) || !bytes.Equal(got.Ref(), kp.Ref()) ||
		!bytes.Equal(got.SignatureKey(), kp.SignatureKey()) || got.Suite() != kp.Suite() || len(got.Suites()) != len(Suites()) {
		t.Error("a key package reads differently from what was made")
	}
	if x := got.Extensions(); len(x) != 2 || x[0].Type != 0xF0A2 || string(x[0].Data) != "rejoin" {
		t.Errorf("extensions are %v", x)
	}
	b, err := priv.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	loaded, err := ParseKeyPackagePrivate(b)
	if err != nil || !bytes.Equal(loaded.init, priv.init) || !bytes.Equal(loaded.leaf, priv.leaf) {
		t.Errorf("private keys: %v", err)
	}
	if _, err := loaded.initKey(got); err != nil {
		t.Errorf("private keys: %v", err)
	}
	for i := range b {
		if _, err := ParseKeyPackagePrivate(b[:i]); !errors.Is(err, ErrState) {
			t.Errorf("private keys cut to %d bytes: %v", i, err)
		}
	}
	priv.Erase()
	if _, err := priv.MarshalBinary(); err == nil {
		t.Error("erased keys were written")
	}
	if _, _, err := NewKeyPackage(KeyPackageOptions{Suite: 0x7777, Signer: who.cfg.Signer}); !errors.Is(err, ErrSuite) {
		t.Errorf("unknown suite: %v", err)
	}
}

func TestJoinRefuses(t *testing.T) {
	t.Parallel()
	l := newLab(t, 4, 2)
	by, who, other := l.any(), l.party(), l.party()
	kp, priv := l.keyPackage(who)
	otherKP, otherPriv := l.keyPackage(other)
	staged, err := by.g.Commit(CommitOptions{Add: []*KeyPackage{kp}, TreeApart: true})
	l.must(err)
	w := staged.Welcome
	l.must(by.g.Merge())
	nodes := by.g.Tree()

	unknown := bytes.Clone(w)
	unknown[4], unknown[5] = 0x7f, 0x7f
	for name, c := range map[string]struct {
		cfg     Config
		welcome []byte
		kp      *KeyPackage
		priv    *KeyPackagePrivate
		nodes   []byte
		want    error
	}{
		"for another":      {other.cfg, w, otherKP, otherPriv, nodes, ErrNotForMe}, // RFC 9420 §12.4.3.1 R1
		"unknown suite":    {who.cfg, unknown, kp, priv, nodes, ErrSuite},
		"no tree":          {who.cfg, w, kp, priv, nil, ErrInvalid}, // RFC 9420 §12.4.3.1 M1
		"tree cut":         {who.cfg, w, kp, priv, nodes[:len(nodes)-1], ErrMalformed},
		"no welcome":       {who.cfg, staged.Commit, kp, priv, nodes, ErrMalformed},
		"wrong keys":       {who.cfg, w, kp, otherPriv, nodes, nil},
		"wrong signer":     {other.cfg, w, kp, priv, nodes, nil},
		"cut":              {who.cfg, w[:len(w)-1], kp, priv, nodes, ErrMalformed},
		"group info tamed": {who.cfg, flipped(w, len(w)-1), kp, priv, nodes, ErrAuthentication},
	} {
		g, err := Join(c.cfg, c.welcome, c.kp, c.priv, c.nodes)
		if err == nil || g != nil || c.want != nil && !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	g, err := Join(who.cfg, w, kp, priv, nodes)
	if err != nil {
		t.Fatal(err)
	}
	opens(t, g, seal(t, by.g, "welcome"), "welcome")
}

func TestCreateRefuses(t *testing.T) {
	t.Parallel()
	who := newLab(t, 5, 1).party()
	twice := []Extension{{Type: 0xF001}, {Type: 0xF001}}
	for name, f := range map[string]func() (*Group, error){
		"unknown suite":   func() (*Group, error) { return Create(who.cfg, nil, 0x7777, nil, nil) },
		"no signer":       func() (*Group, error) { return Create(Config{}, nil, 1, nil, nil) },
		"extension twice": func() (*Group, error) { return Create(who.cfg, nil, 1, nil, twice) }, // RFC 9420 §13.4 M5
		"bad required": func() (*Group, error) {
			return Create(who.cfg, nil, 1, nil, []Extension{{Type: 3, Data: []byte{1}}})
		},
	} {
		if g, err := f(); err == nil || g != nil {
			t.Errorf("%s: made a group", name)
		}
	}
	required := RequiredCapabilities([]uint16{0xF0A1}, nil, []uint16{1})
	g, err := Create(who.cfg, []byte("id"), 1, []byte("me"), []Extension{{Type: 0xF0A1, Data: []byte("x")}, required})
	if err != nil || g.Epoch() != 0 || len(g.Members()) != 1 || string(g.GroupID()) != "id" || g.Suite() != 1 {
		t.Errorf("group with a private extension: %v", err)
	}
}

// RFC 9420 §17.1 M3
func TestKnownSuites(t *testing.T) {
	t.Parallel()
	for _, id := range suite.IDs() {
		if _, err := public.KnownSuite(id); err != nil {
			t.Error(err)
		}
	}
	if _, err := public.KnownSuite(0); !errors.Is(err, ErrSuite) {
		t.Errorf("suite 0: %v", err)
	}
}
