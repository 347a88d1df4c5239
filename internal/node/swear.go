package node

import (
	"context"
	"errors"
	"time"

	"primum/identity"
	"primum/internal/peer"
	"primum/internal/store"
	"primum/ledger"
	"primum/oath"
)

// Swear signs an oath with the key of the node of dataDir, running or not, and
// publishes it as AddFact does. Its domain and what it replaces are filled in
// here. It returns the envelope. Errors: fs.ErrNotExist, oath.ErrDocument.
func Swear(ctx context.Context, dataDir string, d oath.Document, now time.Time) (envelope []byte, sha256 string, err error) {
	me, err := loadSelf(dataDir)
	if err != nil {
		return nil, "", err
	}
	if d.Replaces, err = lastOath(ctx, dataDir); err != nil {
		return nil, "", err
	}
	key, err := loadKey(dataDir, nil)
	if err != nil {
		return nil, "", err
	}
	d.Domain = me.Authority
	envelope, err = oath.SignDocument(d, identity.NodeKeyID(me.Authority, peer.KeyName), key)
	if err != nil {
		return nil, "", err
	}
	fact := store.Fact{Type: string(ledger.TypeOath), Kind: oath.MediaType, Body: envelope}
	sha256, _, err = AddFact(ctx, dataDir, fact, now)
	return envelope, sha256, err
}

func lastOath(ctx context.Context, dataDir string) (sha256 string, err error) {
	err = withStore(ctx, dataDir, func(st *store.Store) error {
		f, err := st.Facts.Newest(ctx, string(ledger.TypeOath), "")
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		sha256 = f.SHA256
		return err
	})
	return sha256, err
}
