package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"primum/client"
	"primum/client/guest"
	"primum/client/nethttp"
	"primum/client/vault"
)

// syncPatience bounds how long a command waits for nodes to tell what they
// hold.
const syncPatience = 30 * time.Second

// opened is an identity at work: its keys and its client.
type opened struct {
	*client.Client
	vault *vault.Vault
	links func() (*guest.Book, error) // one book per process
	done  func() error
}

// address is the identity a command acts as: --as, $PRIMUM_AS, or the only one
// on this machine.
func (a *app) address() (string, error) {
	if a.as != "" {
		return a.as, nil
	}
	if as := a.env("PRIMUM_AS"); as != "" {
		return as, nil
	}
	all, err := vault.List(a.home)
	if home, ok := a.localHome(""); ok && err == nil && len(all) == 0 {
		all, err = vault.List(home)
	}
	switch {
	case err != nil:
		return "", err
	case len(all) == 0:
		return "", a.said(exitUsage, "open.none")
	case len(all) > 1:
		return "", a.said(exitUsage, "open.several", "Addresses", strings.Join(all, ", "))
	}
	return all[0], nil
}

// openVault opens the keys without any network. done gives them back.
func (a *app) openVault(cmd *cobra.Command) (v *vault.Vault, done func() error, err error) {
	if a.shared != nil {
		return a.shared.vault, func() error { return nil }, nil
	}
	address, err := a.address()
	if err != nil {
		return nil, nil, err
	}
	if home, ok := a.localHome(address); ok && !vault.Has(a.home, address) {
		a.home = home // of a running `primum local`
	}
	v, err = a.waitForVault(cmd, address)
	if errors.Is(err, vault.ErrNotFound) {
		return nil, nil, a.said(exitUsage, "open.unknown", "Address", address)
	}
	if err != nil {
		return nil, nil, err
	}
	return v, v.Close, nil
}

// lockPatience is how long a command waits for another of the same identity
// that is about to end.
const lockPatience = 3 * time.Second

// waitForVault opens the keys. While another process holds them, it does the
// command itself where it can (`watch`, `receive`); else it is soon done.
func (a *app) waitForVault(cmd *cobra.Command, address string) (*vault.Vault, error) {
	patience := time.NewTimer(lockPatience)
	defer patience.Stop()
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	for {
		v, err := vault.Open(a.home, address, fmt.Sprintf("%s (process %d)", cmd.CommandPath(), os.Getpid()))
		var locked *vault.LockedError
		if !errors.As(err, &locked) {
			return v, err
		}
		if end, ok := a.forward(cmd.Context(), cmd, address); ok {
			return nil, end
		}
		select {
		case <-again.C:
		case <-patience.C:
			return nil, err
		case <-cmd.Context().Done():
			return nil, err
		}
	}
}

// open opens an identity and lets it work; nothing has been read yet.
func (a *app) open(ctx context.Context, cmd *cobra.Command) (*opened, error) {
	if a.shared != nil {
		return a.shared.again(), nil
	}
	v, _, err := a.openVault(cmd)
	if err != nil {
		return nil, err
	}
	o, err := a.work(ctx, v)
	if err != nil {
		return nil, errors.Join(err, v.Close())
	}
	a.remindOfRenewal(v)
	return o, nil
}

// again is the same identity, for one more command.
func (o *opened) again() *opened {
	return &opened{Client: o.Client, vault: o.vault, links: o.links, done: func() error { return nil }}
}

// work starts a client with the keys of an open vault, which it then owns.
func (a *app) work(ctx context.Context, v *vault.Vault) (*opened, error) {
	options, err := v.Options(a.transport)
	if err != nil {
		return nil, err
	}
	options.Calls.Clock, options.Calls.Rand, options.Calls.Log = a.clock, a.rand, a.log()
	options.Link = a.linkSaid()
	options.LAN = nethttp.New(nethttp.Options{LAN: true, Timeout: 10 * time.Second})
	c, err := client.Open(ctx, options)
	if err != nil {
		return nil, err
	}
	links := sync.OnceValues(func() (*guest.Book, error) {
		return guest.OpenBook(filepath.Join(c.Dir(), "links.json"), c.Home, nil)
	})
	return &opened{Client: c, vault: v, links: links, done: func() error { return errors.Join(c.Close(), v.Close()) }}, nil
}

// linkSaid says, for commands that stay on, when a node is lost and when it is
// back; once each.
func (a *app) linkSaid() func(string, error) {
	var mu sync.Mutex
	away := make(map[string]bool)
	return func(node string, err error) {
		mu.Lock()
		was := away[node]
		away[node] = err != nil
		mu.Unlock()
		switch {
		case !a.stays.Load() || was == (err != nil):
		case err != nil:
			a.hint("link.lost", "Node", node)
		default:
			a.hint("link.back", "Node", node)
		}
	}
}

// close gives the identity back; it keeps the error that came first.
func (o *opened) close(err *error) {
	if e := o.done(); *err == nil {
		*err = e
	}
}

// synced opens an identity and reads what its nodes hold for it.
func (a *app) synced(ctx context.Context, cmd *cobra.Command) (*opened, error) {
	o, err := a.open(ctx, cmd)
	if err != nil {
		return nil, err
	}
	if err := a.sync(ctx, o); err != nil {
		return nil, errors.Join(err, o.done())
	}
	return o, nil
}

func (a *app) sync(ctx context.Context, o *opened) error {
	return a.progress(ctx, "progress.sync", func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, syncPatience)
		defer cancel()
		away, err := o.Sync(ctx)
		if errors.Is(err, context.DeadlineExceeded) {
			return a.said(exitUnreachable, "open.slow", "Node", o.Home.Authority)
		}
		for _, node := range away {
			a.hint("open.away", "Node", node)
		}
		return err
	})
}

// remindOfRenewal says from day 20 on that the identity document runs out.
func (a *app) remindOfRenewal(v *vault.Vault) {
	d, err := v.Verified()
	if err != nil || !d.RemindAt(a.clock.Now()) {
		return
	}
	if d.ExpiredAt(a.clock.Now()) {
		a.hint("open.expired", "When", a.when(d.Expires()))
		return
	}
	a.hint("open.renew", "When", a.when(d.Expires()))
}

// ownHosts are host names of $PRIMUM_OWN that may have private addresses.
func ownHosts(env func(string) string) []string {
	return strings.FieldsFunc(env("PRIMUM_OWN"), func(r rune) bool { return r == ',' || r == ' ' })
}
