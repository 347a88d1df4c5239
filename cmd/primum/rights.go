package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sort"
	"strings"

	"github.com/spf13/cobra"

	"primum/client"
	"primum/internal/wire"
)

func rightsCommand(a *app) *cobra.Command {
	return a.group("rights", "rights", rightsAccessCommand(a), rightsExportCommand(a), rightsImportCommand(a), rightsEraseCommand(a),
		rightsPleadCommand(a, "object", wire.RightObjection), rightsPleadCommand(a, "complain", wire.RightComplaint),
		rightsCasesCommand(a), rightsAppealCommand(a))
}

func rightsAccessCommand(a *app) *cobra.Command {
	return a.command("access", "rights-access", cobra.NoArgs, func(cmd *cobra.Command, _ []string) (err error) {
		o, err := a.open(cmd.Context(), cmd)
		if err != nil {
			return err
		}
		defer o.close(&err)
		got, err := o.Home.Access(cmd.Context())
		if err == nil {
			err = o.Exercised(wire.RightAccess, got.Receipt)
		}
		if err != nil {
			return err
		}
		if a.json {
			a.line(got)
			return nil
		}
		a.say("rights.access.head", "Node", o.Home.Authority, "Account", got.Account)
		for _, h := range got.Holds {
			a.say("rights.access.line", "What", pad(a.held(h.What), 30), "N", h.Count, "Size", sizeText(h.Bytes),
				"Why", a.ofKind("rights.why.", h.What, h.Why), "Kept", a.ofKind("rights.kept.", h.What, h.Kept))
		}
		a.rightReceipt(got.Receipt)
		return nil
	})
}

// held is what a kind of rows is called.
func (a *app) held(kind string) string { return a.ofKind("rights.held.", kind, kind) }

// ofKind is the catalogue's sentence about a kind of rows, or what the node says
// of one that this program does not know.
func (a *app) ofKind(start, kind, said string) string {
	if !slices.Contains(heldKinds(), kind) {
		return said
	}
	return a.words.Get(start + kind)
}

func heldKinds() []string {
	return []string{
		"account", "identities", "suspension", "key-packages", "keep", "inbox", "outbox", "homes", "given", "received", "refusals",
		"links", "notices", "labels", "sessions", "pushes", "seen", "cases", "things", "messages", "name", "commitments", "backups", "others",
	}
}

func sizeText(n int64) string {
	switch {
	case n >= 10<<20:
		return fmt.Sprintf("%d MiB", n>>20)
	case n >= 10<<10:
		return fmt.Sprintf("%d KiB", n>>10)
	}
	return fmt.Sprintf("%d B", n)
}

// rightReceipt says where the proof of an exercised right is.
func (a *app) rightReceipt(r *wire.RightReceipt) {
	if r != nil && r.Promise != "" {
		a.say("rights.receipt", "Leaf", r.Leaf)
	}
}

func rightsPleadCommand(a *app, verb, right string) *cobra.Command {
	var about, to, reply string
	var unsigned bool
	c := a.command(verb+" TEXT", "rights-"+verb, cobra.ExactArgs(1), func(cmd *cobra.Command, args []string) (err error) {
		text, err := a.textOf(args[0])
		if err != nil {
			return err
		}
		plea := wire.Plea{About: about, Text: text, Reply: reply}
		var got wire.Case
		if unsigned || to != "" {
			got, err = a.pleadUnsigned(cmd.Context(), right, to, plea)
		} else {
			got, err = a.plead(cmd, right, plea)
		}
		if err != nil {
			return err
		}
		if a.json {
			a.line(got)
			return nil
		}
		a.say("rights.case.opened", "Case", got.ID, "By", a.when(got.AnswerBy), "URL", got.Status)
		a.rightReceipt(got.Receipt)
		return nil
	})
	c.Flags().StringVar(&about, "about", "", a.words.Get("flag.rights-about"))
	c.Flags().StringVar(&to, "to", "", a.words.Get("flag.rights-to"))
	c.Flags().StringVar(&reply, "reply", "", a.words.Get("flag.rights-reply"))
	c.Flags().BoolVar(&unsigned, "unsigned", false, a.words.Get("flag.rights-unsigned"))
	return c
}

// textOf is a text, or standard input for "-".
func (a *app) textOf(arg string) (string, error) {
	if arg != "-" {
		return arg, nil
	}
	b, err := io.ReadAll(io.LimitReader(a.in, wire.MaxPlea+1))
	if err != nil {
		return "", fmt.Errorf("read text: %w", err)
	}
	return strings.TrimSpace(string(b)), nil
}

func (a *app) plead(cmd *cobra.Command, right string, p wire.Plea) (c wire.Case, err error) {
	o, err := a.open(cmd.Context(), cmd)
	if err != nil {
		return c, err
	}
	defer o.close(&err)
	if c, err = o.Home.Plead(cmd.Context(), right, p); err == nil {
		err = o.Exercised(right, c.Receipt)
	}
	return c, err
}

// pleadUnsigned needs no account: it goes to any node, by default the own one.
func (a *app) pleadUnsigned(ctx context.Context, right, to string, p wire.Plea) (c wire.Case, err error) {
	if to == "" {
		address, err := a.address()
		if err != nil {
			return c, err
		}
		_, to, _ = strings.Cut(address, "@")
	}
	return a.strangerAt(to).Plead(ctx, right, p)
}

// strangerAt is a node, asked by nobody.
func (a *app) strangerAt(authority string) client.Node {
	return client.Node{Calls: client.Calls{Transport: a.transport, Clock: a.clock, Rand: a.rand, Log: a.log()}, Authority: authority}
}

func rightsCasesCommand(a *app) *cobra.Command {
	var at string
	c := a.command("cases [CASE]", "rights-cases", cobra.MaximumNArgs(1), func(cmd *cobra.Command, args []string) (err error) {
		if len(args) == 1 {
			return a.showOneCase(cmd, args[0], at)
		}
		o, err := a.open(cmd.Context(), cmd)
		if err != nil {
			return err
		}
		defer o.close(&err)
		all, err := o.Home.Cases(cmd.Context())
		if err != nil {
			return err
		}
		for _, c := range all.Cases {
			a.showCase(c)
		}
		if len(all.Cases) == 0 && !a.json {
			a.say("rights.case.none")
		}
		return nil
	})
	c.Flags().StringVar(&at, "at", "", a.words.Get("flag.rights-at"))
	return c
}

func (a *app) showOneCase(cmd *cobra.Command, id, at string) error {
	n, err := a.caseNode(at)
	if err != nil {
		return err
	}
	c, err := n.Case(cmd.Context(), id)
	if err != nil {
		return err
	}
	a.showCase(c)
	return nil
}

// caseNode is the node of a case: the named one, or the own account's.
func (a *app) caseNode(at string) (client.Node, error) {
	if at == "" {
		address, err := a.address()
		if err != nil {
			return client.Node{}, err
		}
		_, at, _ = strings.Cut(address, "@")
	}
	return a.strangerAt(at), nil
}

func (a *app) showCase(c wire.Case) {
	if a.json {
		a.line(c)
		return
	}
	a.say("rights.case.line", "Case", c.ID, "Kind", a.words.Get("rights.case.kind."+c.Kind), "State", a.words.Get("rights.case.state."+c.State),
		"At", a.when(c.At), "By", a.when(c.AnswerBy), "About", c.About)
	for _, s := range c.Steps {
		a.say("rights.case.step", "At", a.when(s.At), "Who", a.words.Get("rights.case.by."+s.By), "Text", s.Text)
	}
}

func rightsAppealCommand(a *app) *cobra.Command {
	var at string
	c := a.command("appeal CASE TEXT", "rights-appeal", cobra.ExactArgs(2), func(cmd *cobra.Command, args []string) error {
		text, err := a.textOf(args[1])
		if err != nil {
			return err
		}
		n, err := a.caseNode(at)
		if err != nil {
			return err
		}
		c, err := n.Appeal(cmd.Context(), args[0], wire.Appeal{Text: text})
		if err != nil {
			return err
		}
		a.showCase(c)
		return nil
	})
	c.Flags().StringVar(&at, "at", "", a.words.Get("flag.rights-at"))
	return c
}

func rightsEraseCommand(a *app) *cobra.Command {
	var passphraseFile string
	var yes bool
	c := a.command("erase", "rights-erase", cobra.NoArgs, func(cmd *cobra.Command, _ []string) error {
		return a.erase(cmd, passphraseFile, yes)
	})
	c.Flags().StringVar(&passphraseFile, "passphrase-file", "", a.words.Get("flag.passphrase-file"))
	c.Flags().BoolVarP(&yes, "yes", "y", false, a.words.Get("flag.yes"))
	return c
}

// erase withdraws what runs, has the node erase the account, and removes the
// keys from this machine. It goes no further while the node has not locked.
func (a *app) erase(cmd *cobra.Command, passphraseFile string, yes bool) (err error) {
	o, err := a.synced(cmd.Context(), cmd)
	if err != nil {
		return err
	}
	gone := false
	defer func() {
		if !gone {
			o.close(&err)
		}
	}()
	if err := a.confirm(yes, "rights.erase.ask", "Address", o.Address()); err != nil {
		return err
	}
	phrase, err := a.passphrase(passphraseFile, "ask.passphrase-of-identity")
	if err != nil {
		return err
	}
	signer, err := o.vault.IdentitySigner(phrase)
	if err != nil {
		return err
	}
	grants, err := a.toWithdraw(o, "", "")
	if err == nil {
		err = a.withdrawAll(cmd.Context(), o, grants)
	} else {
		err = nil // none runs
	}
	if err != nil {
		a.hint("rights.erase.unconfirmed", "Why", err.Error()) // the node refuses below where it has not locked
	}
	out, err := eraseAt(cmd.Context(), o.Client, signer, a.clock.Now())
	if err != nil {
		return err
	}
	gone = true
	if err := errors.Join(o.Close(), o.vault.Remove()); err != nil {
		return err
	}
	a.showErased(o.Address(), out)
	return nil
}

func (a *app) showErased(address string, out wire.Erased) {
	if a.json {
		a.line(out)
		return
	}
	a.say("rights.erase.done", "Address", address, "By", a.when(out.By))
	for _, kind := range sorted(out.Gone) {
		a.say("rights.erase.gone", "What", pad(a.held(kind), 30), "N", out.Gone[kind])
	}
	a.say("rights.erase.remains")
	for _, r := range out.Remains {
		why := "rights.why."
		if r.What == "given" || r.What == "received" {
			why = "rights.remain."
		}
		a.say("rights.erase.remain", "What", pad(a.held(r.What), 30), "Why", a.ofKind(why, r.What, r.Why),
			"Until", a.ofKind("rights.kept.", r.What, r.Until))
	}
	a.rightReceipt(out.Receipt)
}

func sorted(m map[string]int) (keys []string) {
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}
