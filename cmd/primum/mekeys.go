package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"primum/client"
	"primum/client/keys"
	"primum/client/vault"
	"primum/identity"
)

func meClientsCommand(a *app) *cobra.Command {
	list := a.command("clients", "me-clients", cobra.NoArgs, func(cmd *cobra.Command, _ []string) error {
		v, done, err := a.openVault(cmd)
		if err != nil {
			return err
		}
		defer func() { _ = done() }()
		d, err := v.Verified()
		if err != nil {
			return err
		}
		for _, c := range d.Clients() {
			if a.json {
				a.line(map[string]any{"client": c.Name, "added": c.Added, "suites": c.Suites, "here": c.Name == v.ClientName()})
				continue
			}
			id := "me.clients.line"
			if c.Name == v.ClientName() {
				id = "me.clients.here"
			}
			a.say(id, "Client", c.Name, "Added", a.when(c.Added), "Suite", a.suite(c.Suites...))
		}
		return nil
	})
	var passphraseFile string
	drop := a.command("drop CLIENT", "me-clients-drop", cobra.ExactArgs(1), func(cmd *cobra.Command, args []string) error {
		return a.changeIdentity(cmd, passphraseFile, keys.DropClient(args[0]), "me.clients.dropped", "Client", args[0])
	})
	drop.Flags().StringVar(&passphraseFile, "passphrase-file", "", a.words.Get("flag.passphrase-file"))
	list.AddCommand(drop)
	return list
}

func meRenewCommand(a *app) *cobra.Command {
	var passphraseFile string
	c := a.command("renew", "me-renew", cobra.NoArgs, func(cmd *cobra.Command, _ []string) error {
		return a.changeIdentity(cmd, passphraseFile, nil, "me.renewed")
	})
	c.Flags().StringVar(&passphraseFile, "passphrase-file", "", a.words.Get("flag.passphrase-file"))
	return c
}

// changeIdentity signs and publishes the next identity document, and tells it
// to every circle.
func (a *app) changeIdentity(cmd *cobra.Command, passphraseFile string, change func(*identity.Document) error, done string, pairs ...any) (err error) {
	o, err := a.synced(cmd.Context(), cmd)
	if err != nil {
		return err
	}
	defer o.close(&err)
	phrase, err := a.passphrase(passphraseFile, "ask.passphrase-of-identity")
	if err != nil {
		return err
	}
	next, err := o.vault.Change(phrase, a.clock.Now(), change)
	if err != nil {
		return err
	}
	if err := o.PublishIdentity(cmd.Context(), next); err != nil {
		return err
	}
	if err := a.progress(cmd.Context(), "progress.tell", o.Settled); err != nil {
		return err
	}
	d, err := identity.First(next)
	if err != nil {
		return err
	}
	if a.json {
		a.line(map[string]any{"version": d.Version(), "expires": d.Expires(), "clients": clientNames(d)})
		return nil
	}
	a.say(done, append(pairs, "Expires", a.when(d.Expires()))...)
	return nil
}

func meExportCommand(a *app) *cobra.Command {
	var passphraseFile string
	c := a.command("export FILE", "me-export", cobra.ExactArgs(1), func(cmd *cobra.Command, args []string) error {
		v, done, err := a.openVault(cmd)
		if err != nil {
			return err
		}
		defer func() { _ = done() }()
		phrase, err := a.passphrase(passphraseFile, "ask.passphrase-of-identity")
		if err != nil {
			return err
		}
		file, err := v.Export(phrase, a.workFactor)
		if err != nil {
			return err
		}
		if err := writeNew(args[0], file); err != nil {
			return err
		}
		a.say("me.exported", "File", args[0])
		if a.json {
			a.line(map[string]string{"file": args[0]})
		}
		return nil
	})
	c.Flags().StringVar(&passphraseFile, "passphrase-file", "", a.words.Get("flag.passphrase-file"))
	return c
}

// writeNew writes a private file that must not exist.
func writeNew(path string, b []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("write file: %w", err)
	}
	_, err = f.Write(b)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

func meImportCommand(a *app) *cobra.Command {
	var name, passphraseFile string
	var replace bool
	c := a.command("import FILE", "me-import", cobra.ExactArgs(1), func(cmd *cobra.Command, args []string) error {
		return a.meImport(cmd, args[0], name, passphraseFile, replace)
	})
	c.Flags().StringVar(&name, "client", "", a.words.Get("flag.client"))
	c.Flags().BoolVar(&replace, "replace", false, a.words.Get("flag.replace"))
	c.Flags().StringVar(&passphraseFile, "passphrase-file", "", a.words.Get("flag.passphrase-file"))
	return c
}

func (a *app) meImport(cmd *cobra.Command, file, name, passphraseFile string, replace bool) error {
	b, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("read file: %w", err)
	}
	phrase, err := a.passphrase(passphraseFile, "ask.passphrase-of-file")
	if err != nil {
		return err
	}
	in, err := vault.ReadFile(b, phrase)
	if err != nil {
		return err
	}
	calls := client.Calls{Transport: a.transport, Clock: a.clock, Rand: a.rand, Log: a.log()}
	compact, err := client.FetchIdentity(cmd.Context(), calls, in.Address())
	if err != nil {
		return err
	}
	known, err := identity.First(in.Document())
	if err != nil {
		return fmt.Errorf("read the file's identity document: %w", err)
	}
	current, err := identity.Follow(compact, known)
	if err != nil {
		return fmt.Errorf("take the node's identity document: %w", err)
	}
	v, err := vault.Import(a.home, in, current, vault.New{
		Client: name, Passphrase: phrase, Now: a.clock.Now(), Rand: a.rand, WorkFactor: a.workFactor, Holder: cmd.CommandPath(),
	}, replace)
	if err != nil {
		return err
	}
	if err := client.PublishFirst(cmd.Context(), calls, v.Document()); err != nil {
		return errors.Join(err, v.Remove())
	}
	o, err := a.work(cmd.Context(), v)
	if err != nil {
		return errors.Join(err, v.Close())
	}
	if err := a.sync(cmd.Context(), o); err == nil {
		_ = a.progress(cmd.Context(), "progress.keys", o.Settled) // the next command goes on
	}
	d, err := v.Verified()
	if err == nil && a.json {
		a.line(map[string]any{"address": v.Address(), "client": v.ClientName(), "clients": clientNames(d)})
	} else if err == nil {
		a.say("me.imported", "Address", v.Address(), "Client", v.ClientName(), "Clients", strings.Join(clientNames(d), ", "))
	}
	return errors.Join(err, o.done())
}
