package main

import (
	"context"
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

// importFlags are those of `me import`; words is set where the argument is an
// account instead of a file.
type importFlags struct {
	client, passphraseFile string
	replace, words         bool
}

func meImportCommand(a *app) *cobra.Command {
	var f importFlags
	c := a.command("import FILE", "me-import", cobra.ExactArgs(1), func(cmd *cobra.Command, args []string) error {
		return a.meImport(cmd, args[0], f)
	})
	c.Flags().StringVar(&f.client, "client", "", a.words.Get("flag.client"))
	c.Flags().BoolVar(&f.replace, "replace", false, a.words.Get("flag.replace"))
	c.Flags().BoolVar(&f.words, "phrase", false, a.words.Get("flag.phrase"))
	c.Flags().StringVar(&f.passphraseFile, "passphrase-file", "", a.words.Get("flag.passphrase-file"))
	return c
}

func (a *app) meImport(cmd *cobra.Command, what string, f importFlags) error {
	calls := client.Calls{Transport: a.transport, Clock: a.clock, Rand: a.rand, Log: a.log()}
	open := a.importFile
	if f.words {
		open = a.importKeep
	}
	in, current, phrase, err := open(cmd.Context(), calls, what, f)
	if err != nil {
		return err
	}
	v, err := vault.Import(a.home, in, current, vault.New{
		Client: f.client, Passphrase: phrase, Now: a.clock.Now(), Rand: a.rand, WorkFactor: a.workFactor, Holder: cmd.CommandPath(),
	}, f.replace)
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

// importFile opens an export or recovery file and takes the document of now,
// which must follow the file's.
func (a *app) importFile(ctx context.Context, calls client.Calls, file string, f importFlags) (in vault.Imported, current *identity.Verified, phrase string, err error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return in, nil, "", fmt.Errorf("read file: %w", err)
	}
	if phrase, err = a.passphrase(f.passphraseFile, "ask.passphrase-of-file"); err != nil {
		return in, nil, "", err
	}
	if in, err = vault.ReadFile(b, phrase); err != nil {
		return in, nil, "", err
	}
	compact, err := client.FetchIdentity(ctx, calls, in.Address())
	if err != nil {
		return in, nil, "", err
	}
	known, err := identity.First(in.Document())
	if err != nil {
		return in, nil, "", fmt.Errorf("read the file's identity document: %w", err)
	}
	if current, err = identity.Follow(compact, known); err != nil {
		return in, nil, "", fmt.Errorf("take the node's identity document: %w", err)
	}
	return in, current, phrase, nil
}

// importKeep opens the keep of an account that was made in the portal, with its
// twelve words; the passphrase is a new one for this machine.
func (a *app) importKeep(ctx context.Context, calls client.Calls, account string, f importFlags) (in vault.Imported, current *identity.Verified, phrase string, err error) {
	address, err := identity.ParseAddress(account)
	if err != nil {
		return in, nil, "", usage(err)
	}
	words, err := a.ask(a.words.Get("ask.recovery-words"))
	if err != nil {
		return in, nil, "", err
	}
	raw, err := client.Node{Calls: calls, Authority: address.Authority}.Keep(ctx, address.User)
	if err != nil {
		return in, nil, "", fmt.Errorf("fetch keep: %w", err)
	}
	k, err := keys.ParseKeep(raw)
	if err != nil {
		return in, nil, "", err
	}
	i, err := k.Open(keys.Secret{Phrase: words})
	if err != nil {
		return in, nil, "", err
	}
	compact, err := client.FetchIdentity(ctx, calls, address.String())
	if err != nil {
		return in, nil, "", err
	}
	if current, err = identity.First(compact); err != nil {
		return in, nil, "", fmt.Errorf("take the node's identity document: %w", err)
	}
	phrase, made, err := a.newPassphrase(f.passphraseFile)
	if made {
		a.say("me.init.phrase", "Phrase", phrase)
	}
	return vault.FromKeep(address, i), current, phrase, err
}
