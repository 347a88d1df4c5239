package main

import (
	"context"
	"crypto"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"primum/client"
	"primum/client/portable"
	"primum/grant"
	"primum/internal/wire"
)

// exportFlags are the choices of an export.
type exportFlags struct {
	to, since, every, passphraseFile string
	noHistory                        bool
}

func rightsExportCommand(a *app) *cobra.Command {
	var f exportFlags
	c := a.command("export FILE", "rights-export", cobra.ExactArgs(1), func(cmd *cobra.Command, args []string) error {
		return a.exportAll(cmd, args[0], f)
	})
	c.Flags().StringVar(&f.to, "to", "", a.words.Get("flag.rights-moveto"))
	c.Flags().StringVar(&f.since, "since", "", a.words.Get("flag.rights-since"))
	c.Flags().StringVar(&f.every, "every", "", a.words.Get("flag.rights-every"))
	c.Flags().BoolVar(&f.noHistory, "no-history", false, a.words.Get("flag.rights-nohistory"))
	c.Flags().StringVar(&f.passphraseFile, "passphrase-file", "", a.words.Get("flag.passphrase-file"))
	return c
}

// exportPatience bounds the wait for one affordance's values.
const exportPatience = 2 * time.Minute

func (f exportFlags) options(now time.Time) (o portable.Options, err error) {
	o = portable.Options{Now: now, NoHistory: f.noHistory, Patience: exportPatience}
	if f.since != "" {
		d, err := grant.ParseFor(f.since)
		if err != nil {
			return o, err
		}
		o.Since = now.Add(-d.D())
	}
	if f.every != "" {
		d, err := grant.ParseFor(f.every)
		if err != nil {
			return o, err
		}
		o.Every = d.D()
	}
	return o, nil
}

func (a *app) exportAll(cmd *cobra.Command, file string, f exportFlags) (err error) {
	options, err := f.options(a.clock.Now())
	if err != nil {
		return usage(err)
	}
	o, err := a.synced(cmd.Context(), cmd)
	if err != nil {
		return err
	}
	defer o.close(&err)
	options.Identity = o.vault.Document()
	var out portable.File
	err = a.progress(cmd.Context(), "progress.export", func(ctx context.Context) error {
		out, err = portable.Export(ctx, o.Client, options)
		return err
	})
	if err != nil {
		return err
	}
	if f.to != "" {
		if err := a.addReleases(cmd.Context(), o, &out, f); err != nil {
			return err
		}
	}
	b, err := json.MarshalIndent(out, "", " ")
	if err != nil {
		return fmt.Errorf("write export: %w", err)
	}
	if err := writeNew(file, append(b, '\n')); err != nil {
		return err
	}
	a.showExport(file, len(b), out)
	return nil
}

// addReleases signs the things over to the account that the person moves to.
func (a *app) addReleases(ctx context.Context, o *opened, out *portable.File, f exportFlags) error {
	to, err := o.Directory.Lookup(ctx, f.to)
	if err != nil {
		return err
	}
	phrase, err := a.passphrase(f.passphraseFile, "ask.passphrase-of-identity")
	if err != nil {
		return err
	}
	signer, err := o.vault.IdentitySigner(phrase)
	if err != nil {
		return err
	}
	return portable.AddReleases(out, to, signer, a.clock.Now())
}

func (a *app) showExport(file string, size int, f portable.File) {
	values, rows := 0, 0
	for _, s := range f.History {
		values += len(s.Points)
	}
	for _, page := range f.Node {
		for _, kind := range page.Holds {
			rows += len(kind)
		}
	}
	if a.json {
		a.line(map[string]any{
			"file": file, "bytes": size, "node": rows, "given": len(f.Given), "received": len(f.Received), "things": len(f.Things),
			"values": values, "releases": len(f.Releases),
		})
		return
	}
	a.say("rights.export.done", "File", file, "Size", sizeText(int64(size)))
	a.say("rights.export.holds", "Node", rows, "Given", len(f.Given), "Received", len(f.Received), "Things", len(f.Things), "Values", values)
	if f.NodeWhy != "" {
		a.say("rights.export.nonode", "Why", f.NodeWhy)
	}
	for _, s := range f.History {
		if s.Why != "" {
			a.say("rights.export.missing", "Thing", s.Thing+"/"+s.Name, "Why", s.Why)
		}
	}
	for _, r := range f.Releases {
		a.say("rights.export.released", "End", wire.Fingerprint(r.End), "To", r.To)
	}
}

func rightsImportCommand(a *app) *cobra.Command {
	var yes bool
	c := a.command("import FILE", "rights-import", cobra.ExactArgs(1), func(cmd *cobra.Command, args []string) error {
		return a.importAll(cmd, args[0], yes)
	})
	c.Flags().BoolVarP(&yes, "yes", "y", false, a.words.Get("flag.yes"))
	return c
}

// readExport reads an export from a file.
func readExport(file string) (f portable.File, err error) {
	info, err := os.Stat(file)
	if err == nil && info.Size() > portable.MaxSize {
		return f, portable.ErrFile
	}
	b, err := os.ReadFile(file)
	if err != nil {
		return f, fmt.Errorf("read file: %w", err)
	}
	return portable.Parse(b)
}

func (a *app) importAll(cmd *cobra.Command, file string, yes bool) (err error) {
	f, err := readExport(file)
	if err != nil {
		return err
	}
	o, err := a.synced(cmd.Context(), cmd)
	if err != nil {
		return err
	}
	defer o.close(&err)
	known := portable.Learn(o.Client, f)
	node, err := portable.Node(cmd.Context(), o.Home, f)
	if err == nil {
		err = o.Exercised(wire.RightImport, node.Receipt)
	}
	if err != nil {
		return err
	}
	plan, err := portable.Prepare(cmd.Context(), o.Client, f, a.clock.Now())
	if err != nil {
		return err
	}
	if !a.json {
		a.say("rights.import.from", "From", f.Account, "Made", a.when(f.Made), "People", known, "Pages", node.Taken["notices"])
		a.showPlan(plan, file)
	}
	given := []string{}
	if len(plan.Give) > 0 {
		if err := a.confirm(yes, "rights.import.ask", "N", len(plan.Give)); err != nil {
			return err
		}
		if given, err = a.giveAgain(cmd.Context(), o, plan); err != nil {
			return err
		}
	}
	if a.json {
		a.line(map[string]any{"from": f.Account, "people": known, "node": node, "given": given, "wait": len(plan.Wait), "left": len(plan.Left)})
	}
	return nil
}

func (a *app) showPlan(plan portable.Plan, file string) {
	for _, end := range plan.Wait {
		a.say("rights.import.claim", "End", wire.Fingerprint(end), "File", file)
	}
	for _, l := range plan.Left {
		a.say("rights.import.left", "Grant", l.Grant.ID, "Grantee", l.Grant.Grantee, "Why", a.words.Get("rights.import.why."+l.Why))
	}
	for _, g := range plan.Give {
		for _, s := range g.Grant.Share {
			a.say("rights.import.give", "Thing", s.Thing+"/"+s.Name+" ("+a.may(s.Ops)+")", "Grantee", g.Grant.Grantee, "Fine", a.fine(s.Precision), "Until", a.when(g.Grant.Until))
		}
	}
}

// giveAgain gives the grants of a plan, one after the other: a thing's end has
// few circles ready, and sends more.
func (a *app) giveAgain(ctx context.Context, o *opened, plan portable.Plan) (ids []string, err error) {
	for _, g := range plan.Give {
		var id string
		err := a.progress(ctx, "progress.give", func(ctx context.Context) error {
			ctx, cancel := context.WithTimeout(ctx, givePatience)
			defer cancel()
			id, err = o.Give(ctx, g.Params)
			return err
		})
		if errors.Is(err, context.DeadlineExceeded) {
			return ids, a.said(exitUnreachable, "share.nostock")
		}
		if err != nil {
			return ids, err
		}
		ids = append(ids, id)
		// The command stays until the thing's end has opened it: what is said to
		// it waits here otherwise.
		wait, cancel := context.WithTimeout(ctx, openPatience)
		err = a.progress(wait, "progress.open", func(ctx context.Context) error { return o.Opened(ctx, id) })
		cancel()
		if err != nil && !errors.Is(err, context.DeadlineExceeded) {
			return ids, err
		}
		if !a.json {
			a.say("rights.import.given", "Grant", id, "Grantee", g.Grant.Grantee)
		}
	}
	return ids, nil
}

// releaseFrom finds, in an export, the release of a thing's end for an account.
func releaseFrom(file, account string) (func(ed25519.PublicKey) string, error) {
	if file == "" {
		return nil, nil
	}
	f, err := readExport(file)
	if err != nil {
		return nil, err
	}
	return func(end ed25519.PublicKey) string { return f.ReleaseOf(end, account) }, nil
}

// eraseAt has the node erase the account, by the identity key.
func eraseAt(ctx context.Context, c *client.Client, signer crypto.Signer, now time.Time) (wire.Erased, error) {
	at := now.UTC().Truncate(time.Second)
	signature, err := signer.Sign(nil, wire.CloseAccountBytes(c.Address(), at), crypto.Hash(0))
	if err != nil {
		return wire.Erased{}, fmt.Errorf("sign erasure: %w", err)
	}
	return c.Home.Erase(ctx, wire.CloseAccount{At: at, Signature: signature})
}
