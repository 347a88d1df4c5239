package vault

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"primum/client"
)

// OpenClient opens the keys of an address under home and starts a client with
// them. Closing the client gives the keys back.
func OpenClient(ctx context.Context, home, address string, t client.Transport) (*client.Client, error) {
	v, err := Open(home, address, fmt.Sprintf("%s (process %d)", filepath.Base(os.Args[0]), os.Getpid()))
	if err != nil {
		return nil, err
	}
	o, err := v.Options(t)
	if err != nil {
		return nil, errors.Join(err, v.Close())
	}
	o.Closed = v.Close
	c, err := client.Open(ctx, o)
	if err != nil {
		return nil, errors.Join(err, v.Close())
	}
	return c, nil
}

// Options are those of client.Open for this identity: its keys, its state
// directory, and the transport. The caller may set the rest.
func (v *Vault) Options(t client.Transport) (client.Options, error) {
	key, err := v.InboxKey()
	if err != nil {
		return client.Options{}, fmt.Errorf("read inbox key: %w", err)
	}
	dir, err := v.StateDir()
	if err != nil {
		return client.Options{}, fmt.Errorf("open state: %w", err)
	}
	return client.Options{
		Calls: client.Calls{Transport: t},
		Dir:   dir,
		Keys: client.Keys{
			Address: v.keys.Address, Client: v.keys.Client, Signer: v.ClientKey(),
			Inbox: key, Document: v.Document(), Save: v.SetDocument,
		},
	}, nil
}
