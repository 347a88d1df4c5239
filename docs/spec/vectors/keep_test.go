package vectors

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"testing"

	"primum/client/keys"
	"primum/identity"
	"primum/internal/jws"
)

// keepVector is keep.json: what a keep is made of, and the keep.
type keepVector struct {
	About       string          `json:"about"`
	Phrase      string          `json:"phrase"`
	PRF         jws.Bytes       `json:"prf"`
	IdentityKey jws.Bytes       `json:"identityKey"`
	RecoveryKey jws.Bytes       `json:"recoveryKey"`
	Random      jws.Bytes       `json:"random"` // salt and nonce of the phrase's way, then of the passkey's
	Keep        json.RawMessage `json:"keep"`
}

func TestKeep(t *testing.T) {
	list := identity.Words()
	phrase, at := "", sha256.Sum256([]byte("primum vector phrase"))
	for i := range keys.PhraseWords {
		phrase += list[int(at[2*i])<<3|int(at[2*i+1])>>5] + " "
	}
	phrase, err := keys.ParsePhrase(phrase)
	if err != nil {
		t.Fatal(err)
	}
	v := keepVector{
		About:  "salts and nonces are read from random in the order in which they are needed",
		Phrase: phrase, PRF: seedOf("prf"), IdentityKey: seedOf("owner identity"), RecoveryKey: seedOf("owner recovery"),
		Random: append(seedOf("salt 1"), append(seedOf("nonce 1")[:12], append(seedOf("salt 2"), seedOf("nonce 2")[:12]...)...)...),
	}
	v.Keep = makeKeep(t, v)
	compare(t, "keep.json", v)
	k, err := keys.ParseKeep(v.Keep)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []keys.Secret{{Phrase: v.Phrase}, {PRF: v.PRF}} {
		if i, err := k.Open(s); err != nil || !bytes.Equal(i.Key, v.IdentityKey) {
			t.Errorf("open: %v", err)
		}
	}
}

func makeKeep(t *testing.T, v keepVector) []byte {
	t.Helper()
	a, err := identity.ParseAddress("owner@h.example")
	if err != nil {
		t.Fatal(err)
	}
	random := bytes.NewReader(v.Random)
	i := keys.Identity{Key: v.IdentityKey, Recovery: v.RecoveryKey}
	k, err := keys.NewKeep(a).SetPhrase(i, v.Phrase, random)
	if err == nil {
		k, err = k.AddPasskey(i, v.PRF, random)
	}
	if err != nil {
		t.Fatal(err)
	}
	b, err := k.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	return b
}
