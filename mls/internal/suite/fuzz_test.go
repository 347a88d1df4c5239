package suite_test

import (
	"bytes"
	"crypto/ed25519"
	"testing"

	"primum/mls/internal/cost"
	"primum/mls/internal/suite"
)

// FuzzKeys gives any bytes to each place of a suite that takes keys,
// signatures or ciphertexts from others: no panic, nothing opens or verifies
// but what was made, and public keys have one encoding.
func FuzzKeys(f *testing.F) {
	bound := cost.Bound{
		Always: cost.Work{Memory: 1 << 20, Signatures: 8, Keys: 16, Hashed: 8 << 10},
		PerKiB: cost.Work{Memory: 256 << 10, Hashed: 64 << 10},
	}
	worlds := make([]keys, 0, len(suite.IDs()))
	for i, id := range suite.IDs() {
		k := newKeys(f, id)
		worlds = append(worlds, k)
		n := byte(i)
		f.Add(n, byte(0), k.pub)
		f.Add(n, byte(1), k.priv)
		f.Add(n, byte(2), k.kem)
		f.Add(n, byte(3), k.ct)
		f.Add(n, byte(4), k.sig)
		f.Add(n, byte(5), []byte(k.verify))
		f.Add(n, byte(6), k.kem)
	}
	f.Fuzz(func(t *testing.T, which, where byte, in []byte) {
		k := worlds[int(which)%len(worlds)]
		bound.Check(t, len(in), func() { k.use(t, where, in) })
	})
}

// keys are of one suite, with a message sealed and signed by them.
type keys struct {
	s                  *suite.Suite
	priv, pub, kem, ct []byte
	sign               ed25519.PrivateKey
	verify             ed25519.PublicKey
	sig                []byte
}

const label = "fuzz"

func newKeys(t testing.TB, id uint16) (k keys) {
	t.Helper()
	s, err := suite.ByID(id)
	if err != nil {
		t.Fatal(err)
	}
	k.s = s
	if k.priv, k.pub, err = s.DeriveKeyPair(bytes.Repeat([]byte{7}, s.HashLen())); err != nil {
		t.Fatal(err)
	}
	if k.kem, k.ct, err = s.EncryptWithLabel(k.pub, label, []byte("context"), []byte("plain")); err != nil {
		t.Fatal(err)
	}
	k.sign = ed25519.NewKeyFromSeed(bytes.Repeat([]byte{8}, ed25519.SeedSize))
	k.verify = k.sign.Public().(ed25519.PublicKey)
	if k.sig, err = s.SignWithLabel(nil, k.sign, label, []byte("content")); err != nil {
		t.Fatal(err)
	}
	return k
}

func (k *keys) use(t *testing.T, where byte, in []byte) {
	t.Helper()
	switch where % 7 {
	case 0:
		k.usePublic(t, in)
	case 1:
		k.usePrivate(t, in)
	case 2:
		k.open(t, in, k.ct, bytes.Equal(in, k.kem))
	case 3:
		k.open(t, k.kem, in, bytes.Equal(in, k.ct))
	case 4:
		if err := k.s.VerifyWithLabel(k.verify, label, []byte("content"), in); (err == nil) != bytes.Equal(in, k.sig) {
			t.Fatalf("signature %x: %v", in, err)
		}
	case 5:
		err := k.s.VerifyWithLabel(in, label, []byte("content"), k.sig)
		if (err == nil) != bytes.Equal(in, k.verify) {
			t.Fatalf("signature key %x: %v", in, err)
		}
		_ = k.s.CheckSignatureKey(in)
	case 6:
		if _, err := k.s.OpenExternalInit(k.priv, in); err == nil && len(in) != len(k.kem) {
			t.Fatalf("a KEM output of %d bytes was opened", len(in))
		}
	}
}

func (k *keys) open(t *testing.T, kem, ct []byte, good bool) {
	t.Helper()
	plain, err := k.s.DecryptWithLabel(k.priv, label, []byte("context"), kem, ct)
	if (err == nil) != good || good && string(plain) != "plain" {
		t.Fatalf("%x, %x opens as %x: %v", kem, ct, plain, err)
	}
}

// usePublic: a key that passes the check is of the one length, and anybody can
// seal to it.
func (k *keys) usePublic(t *testing.T, pub []byte) {
	t.Helper()
	err := k.s.CheckPublicKey(pub)
	if err == nil && len(pub) != len(k.pub) {
		t.Fatalf("a public key of %d bytes passes", len(pub))
	}
	if _, _, sealing := k.s.EncryptWithLabel(pub, label, nil, nil); err == nil && sealing != nil {
		t.Fatalf("nobody can seal to a key that passes: %v", sealing)
	}
	_, _, _ = k.s.ExternalInit(pub)
}

// usePrivate: a key that loads opens what is sealed to its public half.
func (k *keys) usePrivate(t *testing.T, priv []byte) {
	t.Helper()
	pub, err := k.s.PublicOf(priv)
	if err != nil {
		if _, err := k.s.DecryptWithLabel(priv, label, nil, k.kem, k.ct); err == nil {
			t.Fatal("a key that does not load opens a ciphertext")
		}
		return
	}
	kem, ct, err := k.s.EncryptWithLabel(pub, label, nil, []byte("x"))
	if err != nil {
		t.Fatalf("the public half of a private key is refused: %v", err)
	}
	if plain, err := k.s.DecryptWithLabel(priv, label, nil, kem, ct); err != nil || string(plain) != "x" {
		t.Fatalf("a private key does not open what is sealed to it: %v", err)
	}
}
