package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"primum/client"
	"primum/client/vault"
	"primum/identity"
	"primum/internal/wire"
)

func meCommand(a *app) *cobra.Command {
	return a.group("me", "me",
		meInitCommand(a), meShowCommand(a), meCompareCommand(a), meClientsCommand(a),
		meRenewCommand(a), meExportCommand(a), meImportCommand(a))
}

type initFlags struct {
	organisation, name, client, country, invite, recovery, passphraseFile string
}

func meInitCommand(a *app) *cobra.Command {
	var f initFlags
	c := a.command("init ADDRESS", "me-init", cobra.ExactArgs(1), func(cmd *cobra.Command, args []string) error {
		return a.meInit(cmd, args[0], f)
	})
	c.Flags().StringVar(&f.organisation, "organisation", "", a.words.Get("flag.organisation"))
	c.Flags().StringVar(&f.name, "name", "", a.words.Get("flag.name"))
	c.Flags().StringVar(&f.client, "client", "", a.words.Get("flag.client"))
	c.Flags().StringVar(&f.country, "country", "", a.words.Get("flag.country"))
	c.Flags().StringVar(&f.invite, "invite", "", a.words.Get("flag.invite"))
	c.Flags().StringVar(&f.recovery, "recovery", "", a.words.Get("flag.recovery"))
	c.Flags().StringVar(&f.passphraseFile, "passphrase-file", "", a.words.Get("flag.passphrase-file"))
	return c
}

func (a *app) meInit(cmd *cobra.Command, account string, f initFlags) (err error) {
	address, err := identity.ParseAddress(account)
	if err != nil {
		return usage(err)
	}
	if f.recovery == "" {
		f.recovery = "recovery-" + strings.ReplaceAll(address.String(), ":", "_") + ".age"
	}
	if _, err := os.Stat(f.recovery); err == nil {
		return a.said(exitFailed, "me.init.recovery-exists", "File", f.recovery)
	}
	phrase, made, err := a.newPassphrase(f.passphraseFile)
	if err != nil {
		return err
	}
	n := vault.New{
		Address: address, Name: f.name, Client: f.client, Country: f.country, Passphrase: phrase,
		Now: a.clock.Now(), Rand: a.rand, WorkFactor: a.workFactor, Holder: cmd.CommandPath(),
	}
	if f.organisation != "" {
		n.Kind, n.Name = identity.Organisation, f.organisation
	}
	v, recovery, err := vault.Create(a.home, n)
	if err != nil {
		return err
	}
	if err := a.register(cmd.Context(), v, f.invite); err != nil {
		return errors.Join(err, v.Remove())
	}
	if err := os.WriteFile(f.recovery, recovery, 0o600); err != nil {
		return errors.Join(fmt.Errorf("write recovery file: %w", err), v.Close())
	}
	return a.showNew(v, f.recovery, phrase, made)
}

// register opens the account and publishes its first key packages.
func (a *app) register(ctx context.Context, v *vault.Vault, invite string) error {
	address, err := identity.ParseAddress(v.Address())
	if err != nil {
		return err
	}
	node := client.Node{
		Calls:     client.Calls{Transport: a.transport, Clock: a.clock, Rand: a.rand, Log: a.log()},
		Authority: address.Authority,
		By:        client.Key{ID: identity.ClientKeyID(address, v.ClientName()), Signer: v.ClientKey()},
	}
	if err := node.NewAccount(ctx, wire.NewAccount{Identity: v.Document(), Invite: invite}); err != nil {
		return fmt.Errorf("open account at %s: %w", address.Authority, err)
	}
	o, err := a.work(ctx, v)
	if err != nil {
		return err
	}
	// The account stands; key packages that could not be published now are
	// published by the next command.
	err = a.sync(ctx, o)
	if err == nil {
		err = a.progress(ctx, "progress.keys", o.Settled)
	}
	if err != nil {
		a.hint("me.init.later", "Why", err.Error())
	}
	return o.Client.Close()
}

func (a *app) showNew(v *vault.Vault, recovery, phrase string, made bool) error {
	d, err := v.Verified()
	if err != nil {
		return errors.Join(err, v.Close())
	}
	code := identity.ShortCode(d.IdentityKey())
	if a.json {
		out := map[string]string{"address": v.Address(), "code": code, "recovery": recovery, "client": v.ClientName()}
		if made {
			out["passphrase"] = phrase
		}
		a.line(out)
		return v.Close()
	}
	a.say("me.init.done", "Address", v.Address(), "Code", code, "Recovery", recovery, "Dir", v.Dir())
	if made {
		a.say("me.init.phrase", "Phrase", phrase)
	}
	return v.Close()
}

func meShowCommand(a *app) *cobra.Command {
	return a.command("show", "me-show", cobra.NoArgs, func(cmd *cobra.Command, _ []string) error {
		v, done, err := a.openVault(cmd)
		if err != nil {
			return err
		}
		defer func() { _ = done() }()
		d, err := v.Verified()
		if err != nil {
			return err
		}
		if a.json {
			a.line(map[string]any{
				"address": v.Address(), "name": d.Name(), "kind": d.Kind(), "code": identity.ShortCode(d.IdentityKey()),
				"version": d.Version(), "expires": d.Expires(), "client": v.ClientName(), "clients": clientNames(d),
			})
			return nil
		}
		a.say("me.show", "Address", v.Address(), "Name", d.Name(), "Kind", d.Kind(),
			"Code", identity.ShortCode(d.IdentityKey()), "Expires", a.when(d.Expires()),
			"Client", v.ClientName(), "Clients", strings.Join(clientNames(d), ", "), "Dir", v.Dir())
		a.remindOfRenewal(v)
		return nil
	})
}

func clientNames(d *identity.Verified) (names []string) {
	for _, c := range d.Clients() {
		names = append(names, c.Name)
	}
	return names
}

func meCompareCommand(a *app) *cobra.Command {
	var yes bool
	c := a.command("compare ADDRESS", "me-compare", cobra.ExactArgs(1), func(cmd *cobra.Command, args []string) (err error) {
		o, err := a.open(cmd.Context(), cmd)
		if err != nil {
			return err
		}
		defer o.close(&err)
		theirs, err := o.Directory.Lookup(cmd.Context(), args[0])
		if err != nil {
			return err
		}
		mine, err := o.vault.Verified()
		if err != nil {
			return err
		}
		code := identity.ShortCode(mine.IdentityKey(), theirs.IdentityKey())
		a.say("me.compare.code", "Address", theirs.Address(), "Code", code)
		if a.json {
			a.line(map[string]string{"address": theirs.Address().String(), "code": code})
		}
		if err := a.confirm(yes, "me.compare.ask"); err != nil {
			return err
		}
		if err := o.Directory.MarkCompared(theirs); err != nil {
			return err
		}
		a.say("me.compare.done", "Address", theirs.Address())
		return nil
	})
	c.Flags().BoolVar(&yes, "yes", false, a.words.Get("flag.yes"))
	c.ValidArgsFunction = a.completePeople
	return c
}
