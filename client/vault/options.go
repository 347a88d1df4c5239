package vault

import (
	"fmt"

	"primum/client"
)

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
