package guest_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"primum/client/guest"
	"primum/identity"
	"primum/internal/wire"
)

const node = "h.localhost:8401"

func noon() time.Time { return time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC) }

// dice is an endless source of fixed bytes.
type dice struct {
	seed string
	n    uint64
}

func (d *dice) Read(b []byte) (int, error) {
	for i := 0; i < len(b); {
		sum := sha256.Sum256(binary.BigEndian.AppendUint64([]byte(d.seed), d.n))
		d.n++
		i += copy(b[i:], sum[:])
	}
	return len(b), nil
}

func (d *dice) bytes(n int) []byte {
	b := make([]byte, n)
	_, _ = d.Read(b)
	return b
}

func (d *dice) key() ed25519.PrivateKey { return ed25519.NewKeyFromSeed(d.bytes(32)) }

func public(k ed25519.PrivateKey) []byte { return k.Public().(ed25519.PublicKey) }

func address(t testing.TB, s string) identity.Address {
	t.Helper()
	a, err := identity.ParseAddress(s)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func must[T any](t testing.TB) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// owner makes the owner's side of a new link.
func owner(t testing.TB, d *dice) guest.Owner {
	t.Helper()
	return guest.Owner{
		Link:    must[guest.Link](t)(guest.New(d, node)),
		Self:    guest.Party{Account: address(t, "ada@"+node), Key: public(d.key()), Nonce: d.bytes(32)},
		Expires: noon().Add(time.Hour),
	}
}

// offered is what an honest node shows of an offer.
func offered(t testing.TB, o guest.Owner) wire.LinkStatus {
	t.Helper()
	n := must[wire.NewLink](t)(o.Offer())
	return wire.LinkStatus{
		Step: wire.LinkOpen, Owner: o.Self.Account.String(), Guest: o.ID.GuestName() + "@" + node, Expires: n.Expires,
		Commitment: n.Commitment, MAC: n.MAC,
	}
}

// visit is somebody who has a link and sees a status; change may spoil the
// document before it is signed.
func visit(t testing.TB, d *dice, l guest.Link, s wire.LinkStatus, change func(*identity.Document)) (guest.Visitor, wire.LinkAnswer) {
	t.Helper()
	v := must[guest.Visitor](t)(guest.Look(l, s))
	key := d.key()
	v.Self.Key, v.Self.Nonce = public(key), d.bytes(32)
	doc := identity.Document{
		ID: must[string](t)(identity.NewID(d, noon())), Address: v.Self.Account, Kind: identity.Person,
		IdentityKey: v.Self.Key, RecoveryKey: public(d.key()), Version: 1, Issued: noon(), Expires: noon().Add(24 * time.Hour),
		Clients: []identity.Client{{Name: "browser", Key: public(d.key()), InboxKey: d.bytes(32), Suites: []uint16{1}, Added: noon()}},
		Link:    must[[]byte](t)(v.Mark()),
	}
	if change != nil {
		change(&doc)
	}
	return v, must[wire.LinkAnswer](t)(v.Answer(must[string](t)(identity.Sign(doc, key))))
}

func answered(s wire.LinkStatus, a wire.LinkAnswer) wire.LinkStatus {
	s.Step, s.Answer = wire.LinkAnswered, &wire.LinkShown{Identity: a.Identity, Nonce: a.Nonce}
	return s
}

func TestBothSeeTheSameWords(t *testing.T) {
	t.Parallel()
	d := &dice{seed: t.Name()}
	seen := map[string]bool{}
	for range 50 {
		o := owner(t, d)
		s := offered(t, o)
		v, a := visit(t, d, o.Link, s, nil)
		s = answered(s, a)
		met, reveal, err := o.Meet(s)
		if err != nil {
			t.Fatal(err)
		}
		s.Reveal = &reveal
		words, key, err := v.Compare(s)
		if err != nil || words != met.Words || !bytes.Equal(key, o.Self.Key) || len(strings.Fields(words)) != 2 {
			t.Fatalf("guest sees %q (%v), owner %q", words, err, met.Words)
		}
		if seen[words] {
			t.Errorf("the words %q came twice in 50 links", words)
		}
		seen[words] = true
	}
}

// TestMiddleWithoutSecret: a node that swaps anything is refused by a MAC,
// before anybody has compared words.
func TestMiddleWithoutSecret(t *testing.T) {
	t.Parallel()
	d := &dice{seed: t.Name()}
	o := owner(t, d)
	s := offered(t, o)
	evil := guest.Owner{Link: o.Link, Self: guest.Party{Account: o.Self.Account, Key: public(d.key()), Nonce: d.bytes(32)}, Expires: o.Expires}
	evil.Secret = guest.Secret(d.bytes(16))
	if _, err := guest.Look(o.Link, offered(t, evil)); !errors.Is(err, guest.ErrForged) {
		t.Errorf("the guest takes another offer: %v", err)
	}
	for name, spoil := range map[string]func(*wire.LinkStatus){
		"owner":      func(s *wire.LinkStatus) { s.Owner = "eve@" + node },
		"elsewhere":  func(s *wire.LinkStatus) { s.Owner = "ada@evil.localhost" },
		"guest":      func(s *wire.LinkStatus) { s.Guest = "guest-aaaaaaaa@" + node },
		"commitment": func(s *wire.LinkStatus) { s.Commitment = d.bytes(32) },
		"none":       func(s *wire.LinkStatus) { s.Commitment = nil },
		"expires":    func(s *wire.LinkStatus) { s.Expires = s.Expires.Add(time.Hour) },
		"mac":        func(s *wire.LinkStatus) { s.MAC = nil },
	} {
		spoilt := s
		spoil(&spoilt)
		if _, err := guest.Look(o.Link, spoilt); !errors.Is(err, guest.ErrForged) {
			t.Errorf("the guest takes another %s: %v", name, err)
		}
	}
	v, a := visit(t, d, o.Link, s, nil)
	_, swapped := visit(t, d, evil.Link, offered(t, evil), nil)
	if _, _, err := o.Meet(answered(s, swapped)); !errors.Is(err, guest.ErrForged) {
		t.Errorf("the owner meets the node: %v", err)
	}
	mixed := a
	mixed.Nonce = d.bytes(32)
	if _, _, err := o.Meet(answered(s, mixed)); !errors.Is(err, guest.ErrForged) {
		t.Errorf("the owner takes another nonce: %v", err)
	}
	met, reveal, err := o.Meet(answered(s, a))
	if err != nil {
		t.Fatal(err)
	}
	_, forged, err := evil.Meet(answered(offered(t, evil), swapped))
	if err != nil {
		t.Fatal(err)
	}
	for name, r := range map[string]wire.LinkReveal{
		"another's":   forged,
		"another key": {Nonce: reveal.Nonce, IdentityKey: evil.Self.Key, MAC: reveal.MAC},
		"nonce":       {Nonce: d.bytes(32), IdentityKey: reveal.IdentityKey, MAC: reveal.MAC},
		"empty":       {},
	} {
		shown := answered(s, a)
		shown.Reveal = &r
		if _, _, err := v.Compare(shown); !errors.Is(err, guest.ErrForged) {
			t.Errorf("the guest takes %s: %v", name, err)
		}
	}
	changed := answered(s, a)
	changed.Commitment, changed.Reveal = d.bytes(32), &reveal
	if _, _, err := v.Compare(changed); !errors.Is(err, guest.ErrChanged) {
		t.Errorf("the commitment changes: %v", err)
	}
	if met.Words == "" {
		t.Error("no words")
	}
}

// TestMiddleWithSecret: a node that has stolen the link passes every MAC, and
// is seen by the words. It may choose its own keys and nonces as it likes, but
// only before it knows what the words are made of: one guess in 2^22.
func TestMiddleWithSecret(t *testing.T) {
	t.Parallel()
	d := &dice{seed: t.Name()}
	for range 400 {
		o := owner(t, d)
		s := offered(t, o)
		// Towards the guest it plays the owner, as itself or under the owner's own key.
		fake := guest.Owner{Link: o.Link, Self: o.Self, Expires: o.Expires}
		fake.Self.Nonce = d.bytes(32)
		toGuest := offered(t, fake)
		v, a := visit(t, d, o.Link, toGuest, nil)
		// Towards the owner it plays the guest.
		_, evil := visit(t, d, o.Link, s, nil)
		met, reveal, err := o.Meet(answered(s, evil))
		if err != nil {
			t.Fatal(err)
		}
		// Now it knows all of the owner's side; its commitment binds it.
		toGuest = answered(toGuest, a)
		toGuest.Reveal = &reveal
		if _, _, err := v.Compare(toGuest); !errors.Is(err, guest.ErrForged) {
			t.Fatalf("it opens its commitment otherwise: %v", err)
		}
		_, mine, err := fake.Meet(toGuest)
		if err != nil {
			t.Fatal(err)
		}
		toGuest.Reveal = &mine
		words, _, err := v.Compare(toGuest)
		if err != nil {
			t.Fatal(err)
		}
		if words == met.Words {
			t.Fatalf("both see %q with a node in the middle", words)
		}
	}
}

// TestThiefFirst: who opens a stolen link first is somebody else in words.
func TestThiefFirst(t *testing.T) {
	t.Parallel()
	d := &dice{seed: t.Name()}
	o := owner(t, d)
	s := offered(t, o)
	v, _ := visit(t, d, o.Link, s, nil)
	_, thief := visit(t, d, o.Link, s, nil)
	s = answered(s, thief)
	met, reveal, err := o.Meet(s)
	if err != nil {
		t.Fatal(err)
	}
	s.Reveal = &reveal
	if words, _, err := v.Compare(s); err == nil || words == met.Words {
		t.Errorf("the rightful guest takes what was revealed to the thief: %q", words)
	}
}

func TestGuestDocuments(t *testing.T) {
	t.Parallel()
	d := &dice{seed: t.Name()}
	o := owner(t, d)
	s := offered(t, o)
	for name, change := range map[string]func(*identity.Document){
		"an organisation": func(x *identity.Document) { x.Kind = identity.Organisation },
		"two clients": func(x *identity.Document) {
			x.Clients = append(x.Clients, identity.Client{Name: "b", Key: public(d.key()), InboxKey: d.bytes(32), Suites: []uint16{1}, Added: noon()})
		},
		"no client":       func(x *identity.Document) { x.Clients = nil },
		"no MAC":          func(x *identity.Document) { x.Link = nil },
		"another MAC":     func(x *identity.Document) { x.Link = d.bytes(32) },
		"another account": func(x *identity.Document) { x.Address = o.Self.Account },
	} {
		_, a := visit(t, d, o.Link, s, change)
		if _, _, err := o.Meet(answered(s, a)); !errors.Is(err, guest.ErrForged) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, _, err := o.Meet(s); !errors.Is(err, guest.ErrForged) {
		t.Errorf("nobody came: %v", err)
	}
}

func TestLinkURL(t *testing.T) {
	t.Parallel()
	l := must[guest.Link](t)(guest.New(&dice{seed: t.Name()}, node))
	if again, err := guest.Parse(" " + l.URL() + "\n"); err != nil || again != l {
		t.Fatalf("%q reads as %v %v", l.URL(), again, err)
	}
	parts, err := guest.Parts(node, l.ID.String(), l.SecretText())
	if err != nil || parts != l {
		t.Errorf("parts: %v", err)
	}
	for _, bad := range []string{
		"", "https://h.example", strings.TrimSuffix(l.URL(), l.SecretText()), strings.ToUpper(l.URL()), l.URL()[:len(l.URL())-1],
		strings.Replace(l.URL(), "link.", "", 1), strings.Replace(l.URL(), "#", "?x=1#", 1), strings.Replace(l.URL(), "http:", "https:", 1),
		strings.Replace(l.URL(), "/l/", "/x/", 1), l.URL() + "a", strings.Repeat("x", 4000), l.URL()[:len(l.URL())-1] + "\u202e",
	} {
		if _, err := guest.Parse(bad); !errors.Is(err, guest.ErrLink) {
			t.Errorf("%q: %v", bad, err)
		}
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d"} {
		for _, v := range []any{l, l.Secret, &l} {
			if strings.Contains(fmt.Sprintf(verb, v), l.SecretText()) || !strings.Contains(fmt.Sprintf(verb, v), "link secret") {
				t.Errorf("%s shows %q", verb, fmt.Sprintf(verb, v))
			}
		}
	}
	if _, err := guest.New(io.LimitReader(strings.NewReader("short"), 5), node); err == nil {
		t.Error("made a link without randomness")
	}
	if a := address(t, l.ID.GuestName()+"@"+node); !guest.IsGuest(a) || guest.IsGuest(address(t, "ada@"+node)) {
		t.Error("guests are not told from others")
	}
}

func FuzzParse(f *testing.F) {
	l := must[guest.Link](f)(guest.New(&dice{seed: "fuzz"}, node))
	f.Add(l.URL())
	f.Add("https://link.h.example/l/#")
	f.Fuzz(func(t *testing.T, s string) {
		l, err := guest.Parse(s)
		if err == nil && l.URL() != strings.TrimSpace(s) {
			t.Errorf("took %q", s)
		}
	})
}

// FuzzStatus gives both sides whatever a node may say.
func FuzzStatus(f *testing.F) {
	d := &dice{seed: "fuzz status"}
	o := owner(f, d)
	s := offered(f, o)
	v, a := visit(f, d, o.Link, s, nil)
	s = answered(s, a)
	f.Add(s.Owner, s.Guest, s.Commitment, s.MAC, a.Identity, a.Nonce, []byte("n"), []byte("k"), []byte("m"))
	good := a.Identity
	f.Fuzz(func(t *testing.T, by, to string, c, m []byte, doc string, nonce, n, k, rm []byte) {
		s := wire.LinkStatus{
			Owner: by, Guest: to, Expires: o.Expires, Commitment: c, MAC: m,
			Answer: &wire.LinkShown{Identity: doc, Nonce: nonce}, Reveal: &wire.LinkReveal{Nonce: n, IdentityKey: k, MAC: rm},
		}
		if _, _, err := o.Meet(s); err == nil && (doc != good || !bytes.Equal(nonce, a.Nonce)) {
			t.Error("the owner met somebody without the secret")
		}
		if _, _, err := v.Compare(s); err == nil {
			t.Error("the guest took what the owner did not reveal")
		}
		_, _ = guest.Look(o.Link, s)
	})
}
