package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"primum/client"
	"primum/client/link"
	"primum/client/monitor"
	"primum/identity"
	"primum/internal/durable"
	"primum/ledger"
)

func ledgerCommand(a *app) *cobra.Command {
	return a.group("ledger", "ledger", ledgerVerifyCommand(a), ledgerWatchCommand(a), ledgerProveCommand(a), ledgerPromisesCommand(a))
}

// ledgerFlags are how a ledger is to be verified.
type ledgerFlags struct {
	full      bool
	witnesses int
	mirror    string
}

func (f *ledgerFlags) add(a *app, c *cobra.Command) {
	c.Flags().BoolVar(&f.full, "full", false, a.words.Get("flag.full"))
	c.Flags().IntVar(&f.witnesses, "witnesses", 0, a.words.Get("flag.witnesses"))
	c.Flags().StringVar(&f.mirror, "mirror", "", a.words.Get("flag.mirror"))
}

func ledgerVerifyCommand(a *app) *cobra.Command {
	var f ledgerFlags
	c := a.command("verify DOMAIN", "ledger-verify", cobra.ExactArgs(1), func(cmd *cobra.Command, args []string) error {
		authority, err := identity.ParseAuthority(args[0])
		if err != nil {
			return usage(fmt.Errorf("%s: %w", args[0], err))
		}
		return a.verifyLedger(cmd.Context(), authority, f, false)
	})
	f.add(a, c)
	return c
}

func ledgerWatchCommand(a *app) *cobra.Command {
	var f ledgerFlags
	var every time.Duration
	c := a.command("watch DOMAIN", "ledger-watch", cobra.ExactArgs(1), func(cmd *cobra.Command, args []string) error {
		authority, err := identity.ParseAuthority(args[0])
		if err != nil {
			return usage(fmt.Errorf("%s: %w", args[0], err))
		}
		if every < time.Second {
			return a.said(exitUsage, "ledger.every")
		}
		return a.watchLedger(cmd.Context(), authority, f, every)
	})
	f.add(a, c)
	c.Flags().DurationVar(&every, "every", 10*time.Minute, a.words.Get("flag.every-look"))
	return c
}

// watchLedger verifies again and again. A finding ends it; a node that is away
// does not.
func (a *app) watchLedger(ctx context.Context, authority string, f ledgerFlags, every time.Duration) error {
	for {
		err := a.verifyLedger(ctx, authority, f, true)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil && codeOf(err) != exitUnreachable:
			return err
		case err != nil:
			a.hint("ledger.away", "Domain", authority, "What", err.Error())
		}
		t := a.clock.NewTimer(every)
		select {
		case <-t.C():
		case <-ctx.Done():
			t.Stop()
			return ctx.Err()
		}
	}
}

func (a *app) monitor() monitor.Monitor {
	return monitor.Monitor{
		Calls: link.Calls{Transport: a.transport, Clock: a.clock, Rand: a.rand, Log: a.log()},
		Dir:   filepath.Join(a.home, "ledgers"),
	}
}

// verifyLedger verifies once and says what it saw, in one line if short.
func (a *app) verifyLedger(ctx context.Context, authority string, f ledgerFlags, short bool) error {
	var n ledger.NodeLedger
	var r ledger.Report
	m := a.monitor()
	err := a.progress(ctx, "ledger.reading", func(ctx context.Context) (err error) {
		n, r, err = m.Verify(ctx, authority, ledger.Options{Full: f.full, MinWitnesses: f.witnesses})
		return err
	})
	switch {
	case errors.Is(err, ledger.ErrNoLedger):
		return a.said(exitFailed, "ledger.none", "Domain", authority)
	case len(r.Findings) > 0:
		return a.accuse(authority, r)
	case errors.Is(err, ledger.ErrUnreachable):
		return fmt.Errorf("%w: %w", client.ErrUnreachable, err)
	case err != nil:
		return err
	}
	wrote := 0
	if f.mirror != "" {
		if wrote, err = m.Mirror(ctx, n, r, f.mirror); err != nil {
			return a.copyFailed(err)
		}
	}
	a.showLedger(authority, r, short)
	if f.mirror != "" {
		a.say("ledger.mirrored", "N", wrote, "Dir", f.mirror)
	}
	return nil
}

func (a *app) copyFailed(err error) error {
	if errors.Is(err, ledger.ErrUnreachable) {
		return fmt.Errorf("%w: %w", client.ErrUnreachable, err)
	}
	return err
}

// showLedger says what is good.
func (a *app) showLedger(authority string, r ledger.Report, short bool) {
	if a.json {
		a.line(ledgerLine(authority, r))
		return
	}
	if short {
		a.say("ledger.short", "At", a.when(a.clock.Now()), "Domain", authority,
			"Public", r.Public.Checkpoint.Size, "Commitments", r.Commitments.Checkpoint.Size)
		return
	}
	a.showLog("ledger.public", r.Public)
	a.showLog("ledger.commitments", r.Commitments)
	a.showFacts(r.Kept)
	if r.Public.Known && r.Commitments.Known {
		a.say("ledger.trust", "Domain", authority)
	} else {
		a.say("ledger.trust.first", "Domain", authority)
	}
	a.say("ledger.green", "Domain", authority)
}

func (a *app) showLog(id string, l ledger.LogReport) {
	a.say(id, "N", l.Checkpoint.Size)
	if l.Known {
		a.say("ledger.continues", "N", l.Since)
	} else {
		a.say("ledger.first")
	}
	if l.Read > 0 {
		a.say("ledger.read", "N", l.Read)
	}
	for _, w := range l.Witnesses {
		if w.Good {
			a.say("ledger.witness", "Name", ledger.Authority(w.Name), "At", a.when(w.At))
			continue
		}
		a.say("ledger.witness.nothing", "Name", ledger.Authority(w.Name), "What", w.Err)
	}
	if len(l.Witnesses) == 0 {
		a.say("ledger.witness.none")
	}
}

// showFacts lists the newest fact of each kind.
func (a *app) showFacts(k ledger.Kept) {
	shown := false
	for _, t := range ledger.Types() {
		if e, ok := k.Facts[string(t)]; ok && t != ledger.TypeCommitments {
			a.say("ledger.fact", "Type", string(e.T), "At", a.when(e.At), "Ref", e.Ref)
			shown = true
		}
		for _, e := range k.About(t) {
			a.say("ledger.fact", "Type", string(e.T), "At", a.when(e.At), "Ref", e.Ref)
			shown = true
		}
	}
	if !shown {
		a.say("ledger.fact.none")
	}
}

// accuse says what was found, and keeps what proves it.
func (a *app) accuse(authority string, r ledger.Report) error {
	if a.json {
		a.line(ledgerLine(authority, r))
	}
	for i, f := range r.Findings {
		a.say("ledger.found", "Log", f.Log, "What", a.words.Get("ledger.found."+ledger.KindName(f)), "Detail", f.Detail)
		file, err := a.keepEvidence(authority, f, i)
		if err != nil {
			return err
		}
		if file != "" {
			a.say("ledger.evidence", "File", file)
		}
	}
	return a.said(exitFailed, "ledger.red", "Domain", authority)
}

// keepEvidence writes what proves a finding to a file beside what is kept.
func (a *app) keepEvidence(authority string, f *ledger.Finding, i int) (string, error) {
	if len(f.Evidence) == 0 {
		return "", nil
	}
	text := f.Error() + "\n"
	for _, e := range f.Evidence {
		text += "\n----\n" + e
	}
	dir := filepath.Join(a.home, "ledgers")
	if err := durable.MakeDir(dir); err != nil {
		return "", err
	}
	file := filepath.Join(dir, fmt.Sprintf("%s.%s.%d.evidence", fileName(authority), a.clock.Now().UTC().Format("20060102T150405Z"), i+1))
	return file, os.WriteFile(file, []byte(text), 0o600)
}
