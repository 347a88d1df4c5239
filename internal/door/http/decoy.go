package httpdoor

import (
	"crypto"
	"crypto/hkdf"
	"crypto/sha256"
	"fmt"

	"primum/client/keys"
	"primum/identity"
)

// Sizes of what a keep holds (docs/spec/keep.md): a box is one or two seeds of
// 32 bytes and a tag of 16.
const (
	decoySalt, decoyNonce, decoySeal = 32, 12, 32
	decoyPhrase, decoyPasskey        = 80, 48
)

// decoy is a keep that nothing opens, the same at every call: what it says is
// derived from the node's key and the account's name.
func (d *Door) decoy(account identity.Address) ([]byte, error) {
	secret, err := d.cfg.Key.Sign(nil, []byte("primum decoy 1\x00"+account.String()), crypto.Hash(0))
	if err != nil {
		return nil, fmt.Errorf("make decoy: %w", err)
	}
	noise, err := hkdf.Key(sha256.New, secret, nil, "keep", 512)
	if err != nil {
		return nil, fmt.Errorf("make decoy: %w", err)
	}
	take := func(n int) []byte {
		out := noise[:n:n]
		noise = noise[n:]
		return out
	}
	way := func(kind string, box int) keys.Way {
		return keys.Way{Kind: kind, Salt: take(decoySalt), Nonce: take(decoyNonce), Box: take(box)}
	}
	k := keys.NewKeep(account)
	k.Serial = 1
	k.Ways = []keys.Way{way(keys.KindPhrase, decoyPhrase)}
	if take(1)[0]%2 == 0 {
		k.Serial, k.Ways = 2, append(k.Ways, way(keys.KindPasskey, decoyPasskey))
	}
	k.Seal = take(decoySeal)
	return k.Bytes()
}
