package suite_test

import (
	"bytes"
	"crypto/ed25519"
	"testing"

	"primum/mls/internal/suite"
	"primum/mls/internal/vectors"
)

type basics struct {
	CipherSuite uint16 `json:"cipher_suite"`
	RefHash     struct {
		Label string
		Value vectors.Hex
		Out   vectors.Hex
	} `json:"ref_hash"`
	Expand struct {
		Secret  vectors.Hex
		Label   string
		Context vectors.Hex
		Length  int
		Out     vectors.Hex
	} `json:"expand_with_label"`
	Derive struct {
		Secret vectors.Hex
		Label  string
		Out    vectors.Hex
	} `json:"derive_secret"`
	Tree struct {
		Secret     vectors.Hex
		Label      string
		Generation uint32
		Length     int
		Out        vectors.Hex
	} `json:"derive_tree_secret"`
	Sign struct {
		Priv, Pub vectors.Hex
		Content   vectors.Hex
		Label     string
		Signature vectors.Hex
	} `json:"sign_with_label"`
	Encrypt struct {
		Priv, Pub  vectors.Hex
		Label      string
		Context    vectors.Hex
		Plaintext  vectors.Hex
		KEMOutput  vectors.Hex `json:"kem_output"`
		Ciphertext vectors.Hex
	} `json:"encrypt_with_label"`
}

// TestCryptoBasics runs crypto-basics.json of the working group.
func TestCryptoBasics(t *testing.T) {
	t.Parallel()
	vectors.Each(t, "crypto-basics", func(t *testing.T, _ int, row basics) bool {
		s, err := suite.ByID(row.CipherSuite)
		if err != nil {
			return false
		}
		checkHashes(t, s, row)
		checkSignature(t, s, row)
		checkEncryption(t, s, row)
		return true
	})
}

func checkHashes(t *testing.T, s *suite.Suite, row basics) {
	t.Helper()
	for name, pair := range map[string][2][]byte{
		"RefHash":          {s.RefHash(row.RefHash.Label, row.RefHash.Value), row.RefHash.Out},
		"ExpandWithLabel":  {s.ExpandWithLabel(row.Expand.Secret, row.Expand.Label, row.Expand.Context, row.Expand.Length), row.Expand.Out},
		"DeriveSecret":     {s.DeriveSecret(row.Derive.Secret, row.Derive.Label), row.Derive.Out},
		"DeriveTreeSecret": {s.DeriveTreeSecret(row.Tree.Secret, row.Tree.Label, row.Tree.Generation, row.Tree.Length), row.Tree.Out},
	} {
		if !bytes.Equal(pair[0], pair[1]) {
			t.Errorf("%s = %x, want %x", name, pair[0], pair[1])
		}
	}
}

func checkSignature(t *testing.T, s *suite.Suite, row basics) {
	t.Helper()
	v := row.Sign
	key := ed25519.NewKeyFromSeed(v.Priv)
	if err := s.VerifyWithLabel(v.Pub, v.Label, v.Content, v.Signature); err != nil {
		t.Error(err)
	}
	sig, err := s.SignWithLabel(nil, key, v.Label, v.Content)
	if err != nil || !bytes.Equal(sig, v.Signature) {
		t.Errorf("signature %x, want %x, error %v", sig, v.Signature, err)
	}
	v.Content[0] ^= 1
	if s.VerifyWithLabel(v.Pub, v.Label, v.Content, v.Signature) == nil {
		t.Error("a signature over another content verified")
	}
}

func checkEncryption(t *testing.T, s *suite.Suite, row basics) {
	t.Helper()
	v := row.Encrypt
	plain, err := s.DecryptWithLabel(v.Priv, v.Label, v.Context, v.KEMOutput, v.Ciphertext)
	if err != nil || !bytes.Equal(plain, v.Plaintext) {
		t.Errorf("opened %x, want %x, error %v", plain, v.Plaintext, err)
	}
	enc, ct, err := s.EncryptWithLabel(v.Pub, v.Label, v.Context, v.Plaintext)
	if err != nil {
		t.Fatal(err)
	}
	if plain, err = s.DecryptWithLabel(v.Priv, v.Label, v.Context, enc, ct); err != nil || !bytes.Equal(plain, v.Plaintext) {
		t.Errorf("opened %x, want %x, error %v", plain, v.Plaintext, err)
	}
	if _, err := s.DecryptWithLabel(v.Priv, "other", v.Context, enc, ct); err == nil {
		t.Error("a ciphertext opened under another label")
	}
}
