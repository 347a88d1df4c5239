package suite_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"testing"

	"primum/mls/internal/codec"
	"primum/mls/internal/suite"
)

func one(t testing.TB) *suite.Suite {
	t.Helper()
	s, err := suite.ByID(suite.X25519AES128GCM)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestUnknownSuites(t *testing.T) {
	t.Parallel()
	for id := range uint16(0xffff) {
		s, err := suite.ByID(id)
		if (s == nil) != errors.Is(err, suite.ErrUnknown) {
			t.Fatalf("suite 0x%04x: %v, %v", id, s, err)
		}
	}
	for _, id := range suite.IDs() {
		if s, err := suite.ByID(id); err != nil || s.ID() != id {
			t.Errorf("listed suite 0x%04x: %v", id, err)
		}
	}
}

// TestExpandMatchesHKDF compares both paths of our HKDF with the standard
// library's.
func TestExpandMatchesHKDF(t *testing.T) {
	t.Parallel()
	s := one(t)
	secret := bytes.Repeat([]byte{7}, 32)
	for n := range 200 {
		for _, contextLen := range []int{0, 4, 63, 64, 150, 300} {
			context := bytes.Repeat([]byte{byte(n)}, contextLen)
			var w codec.Writer
			w.U16(uint16(n))
			w.Bytes([]byte("MLS 1.0 label"))
			w.Bytes(context)
			want, err := hkdf.Expand(sha256.New, secret, string(w.Out()), n)
			if err != nil {
				t.Fatal(err)
			}
			if got := s.ExpandWithLabel(secret, "label", context, n); !bytes.Equal(got, want) {
				t.Fatalf("%d bytes, context of %d: %x, want %x", n, contextLen, got, want)
			}
		}
	}
	prk, err := hkdf.Extract(sha256.New, secret, []byte("salt"))
	if err != nil || !bytes.Equal(prk, s.Extract([]byte("salt"), secret)) {
		t.Errorf("Extract differs from crypto/hkdf: %v", err)
	}
}

func TestExpandDoesNotAllocate(t *testing.T) {
	s := one(t)
	secret, dst := make([]byte, 32), make([]byte, 32)
	if n := testing.AllocsPerRun(100, func() { s.TreeSecretInto(dst, secret, "secret", 5) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestKeyEncodingsAreChecked(t *testing.T) {
	t.Parallel()
	s := one(t)
	for _, n := range []int{0, 1, 31, 33} {
		if s.CheckPublicKey(make([]byte, n)) == nil {
			t.Errorf("HPKE key of %d bytes accepted", n)
		}
		if s.CheckSignatureKey(make([]byte, n)) == nil {
			t.Errorf("signature key of %d bytes accepted", n)
		}
		if err := s.VerifyWithLabel(make([]byte, n), "x", nil, make([]byte, 64)); !errors.Is(err, suite.ErrSignature) {
			t.Errorf("verify under a key of %d bytes: %v", n, err)
		}
		if _, err := s.DecryptWithLabel(make([]byte, n), "x", nil, nil, nil); err == nil {
			t.Errorf("private key of %d bytes accepted", n)
		}
		if n != 16 {
			if _, err := s.AEAD(make([]byte, n)); err == nil {
				t.Errorf("AEAD key of %d bytes accepted", n)
			}
		}
	}
	if _, _, err := s.EncryptWithLabel(make([]byte, 32), "x", nil, []byte("secret")); err == nil {
		t.Error("encrypted to the all-zero point")
	}
}

// RFC 9420 §5.1.2 M1
func TestSignerOfOtherAlgorithm(t *testing.T) {
	t.Parallel()
	s := one(t)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.SignatureKey(key); err == nil {
		t.Error("an ECDSA signer was accepted")
	}
	if _, err := s.SignatureKey(nil); err == nil {
		t.Error("no signer was accepted")
	}
	if pub, err := s.SignatureKey(ed25519.NewKeyFromSeed(make([]byte, 32))); err != nil || len(pub) != 32 {
		t.Errorf("Ed25519 signer: %v", err)
	}
}

func TestExternalInit(t *testing.T) {
	t.Parallel()
	s := one(t)
	priv, pub, err := s.GenerateKeyPair(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := s.PublicOf(priv); err != nil || !bytes.Equal(again, pub) {
		t.Errorf("PublicOf: %x, %v", again, err)
	}
	enc, secret, err := s.ExternalInit(pub)
	if err != nil {
		t.Fatal(err)
	}
	got, err := s.OpenExternalInit(priv, enc)
	if err != nil || !bytes.Equal(got, secret) {
		t.Errorf("opened %x, want %x, error %v", got, secret, err)
	}
	if _, err := s.OpenExternalInit(priv, enc[1:]); !errors.Is(err, suite.ErrDecrypt) {
		t.Errorf("short KEM output: %v", err)
	}
}
