package suite

import (
	"bytes"
	"crypto/hpke"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"testing"
)

// Sizes of the hybrid KEM in bytes (draft-ietf-hpke-pq): the keys and the
// ciphertext of ML-KEM-768 beside those of X25519, and the seed of both.
const (
	hybridPublic = 1184 + 32
	hybridOutput = 1088 + 32
	hybridSeed   = 32
)

func hybrid(t testing.TB) *Suite {
	t.Helper()
	s, err := ByID(MLKEM768X25519AES128GCM)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// hpkeVector is the vector of draft-ietf-hpke-pq for KEM 0x647a with
// HKDF-SHA256, as Go's crypto/hpke ships it.
type hpkeVector struct {
	AEAD       uint16 `json:"aead_id"`
	Info       string
	IkmR       string
	SkRm       string
	PkRm       string
	Enc        string
	Encryption struct{ AAD, CT, PT string }
	Export     struct {
		Context string `json:"exporter_context"`
		L       int
		Value   string `json:"exported_value"`
	}
}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestHybridKnownAnswers(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("testdata/hpke-mlkem768x25519.json")
	if err != nil {
		t.Fatal(err)
	}
	var v hpkeVector
	if err := json.Unmarshal(raw, &v); err != nil {
		t.Fatal(err)
	}
	s := hybrid(t)
	priv, pub, err := s.DeriveKeyPair(unhex(t, v.IkmR))
	if err != nil || hex.EncodeToString(priv) != v.SkRm || hex.EncodeToString(pub) != v.PkRm {
		t.Fatalf("DeriveKeyPair: %x, %v", priv, err)
	}
	if again, err := s.PublicOf(priv); err != nil || !bytes.Equal(again, pub) {
		t.Errorf("PublicOf: %v", err)
	}
	aead, err := hpke.NewAEAD(v.AEAD) // the draft has no vector with AES-128
	if err != nil {
		t.Fatal(err)
	}
	key, err := s.kem.NewPrivateKey(priv)
	if err != nil {
		t.Fatal(err)
	}
	r, err := hpke.NewRecipient(unhex(t, v.Enc), key, s.kdf, aead, unhex(t, v.Info))
	if err != nil {
		t.Fatal(err)
	}
	plain, err := r.Open(unhex(t, v.Encryption.AAD), unhex(t, v.Encryption.CT))
	if err != nil || hex.EncodeToString(plain) != v.Encryption.PT {
		t.Errorf("opened %x, %v", plain, err)
	}
	out, err := r.Export(string(unhex(t, v.Export.Context)), v.Export.L)
	if err != nil || hex.EncodeToString(out) != v.Export.Value {
		t.Errorf("exported %x, %v", out, err)
	}
}

// TestHybridIsTheDraftsSuite pins the HPKE code points that
// draft-ietf-mls-pq-ciphersuites-06 names for its first suite.
func TestHybridIsTheDraftsSuite(t *testing.T) {
	t.Parallel()
	s := hybrid(t)
	if s.kem.ID() != 0x647a || s.kdf.ID() != 0x0001 || s.aead.ID() != 0x0001 || s.hashLen != 32 || s.keyLen != 16 {
		t.Errorf("suite %s: KEM %#x, KDF %#x, AEAD %#x", s, s.kem.ID(), s.kdf.ID(), s.aead.ID())
	}
	if s.String() != "MLS_128_MLKEM768X25519_AES128GCM_SHA256_Ed25519" {
		t.Errorf("the suite is called %s", s)
	}
	if s.ID() < 0xF000 {
		t.Errorf("code point %#x is not for private use", s.ID())
	}
}

func TestHybridSizes(t *testing.T) {
	t.Parallel()
	s := hybrid(t)
	priv, pub, err := s.GenerateKeyPair(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	kem, ct, err := s.EncryptWithLabel(pub, "x", nil, make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	if len(priv) != hybridSeed || len(pub) != hybridPublic || len(kem) != hybridOutput || len(ct) != 48 {
		t.Errorf("private key %d, public key %d, KEM output %d, ciphertext %d bytes", len(priv), len(pub), len(kem), len(ct))
	}
	for _, n := range []int{0, 32, hybridPublic - 1, hybridPublic + 1} {
		if s.CheckPublicKey(make([]byte, n)) == nil {
			t.Errorf("public key of %d bytes accepted", n)
		}
	}
	noPoint := bytes.Clone(pub)
	clear(noPoint[hybridPublic-32:])
	if _, _, err := s.EncryptWithLabel(noPoint, "x", nil, nil); err == nil {
		t.Error("encrypted to the all-zero point")
	}
	noLattice := bytes.Clone(pub)
	copy(noLattice, bytes.Repeat([]byte{0xff}, 384)) // coefficients beyond the modulus
	if s.CheckPublicKey(noLattice) == nil {
		t.Error("an ML-KEM key that is not reduced was accepted")
	}
}

// TestHybridNeedsBothHalves changes one half of a KEM output at a time: neither
// X25519 nor ML-KEM may be passed over.
func TestHybridNeedsBothHalves(t *testing.T) {
	t.Parallel()
	s := hybrid(t)
	priv, pub, err := s.GenerateKeyPair(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	kem, ct, err := s.EncryptWithLabel(pub, "x", []byte("context"), []byte("secret"))
	if err != nil {
		t.Fatal(err)
	}
	if plain, err := s.DecryptWithLabel(priv, "x", []byte("context"), kem, ct); err != nil || string(plain) != "secret" {
		t.Fatalf("opened %q, %v", plain, err)
	}
	for _, at := range []int{0, 1087, 1088, hybridOutput - 1} {
		bad := bytes.Clone(kem)
		bad[at] ^= 1
		if _, err := s.DecryptWithLabel(priv, "x", []byte("context"), bad, ct); !errors.Is(err, ErrDecrypt) {
			t.Errorf("KEM output changed at %d: %v", at, err)
		}
	}
	one, err := ByID(X25519AES128GCM)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := one.DecryptWithLabel(priv, "x", []byte("context"), kem, ct); err == nil {
		t.Error("suite 1 opened what the hybrid sealed")
	}
}
