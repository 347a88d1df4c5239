package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"primum/circle"
	"primum/client"
	"primum/grant"
	"primum/identity"
	"primum/thing"
)

// grantFlags are the choices of a yes.
type grantFlags struct {
	every, stat, forHow, until, may, delay, purpose, service string
	title                                                    string
	round                                                    float64
	place, maxClients                                        int
	change, pseudonymous, yes                                bool
	askAgain                                                 string
}

func (f *grantFlags) register(a *app, c *cobra.Command) {
	fl := c.Flags()
	fl.StringVar(&f.every, "every", "", a.words.Get("flag.every"))
	fl.StringVar(&f.forHow, "for", "", a.words.Get("flag.for"))
	fl.StringVar(&f.until, "until", "", a.words.Get("flag.until"))
	fl.StringVar(&f.may, "may", "read", a.words.Get("flag.may"))
	fl.StringVar(&f.purpose, "purpose", "sharing with a friend", a.words.Get("flag.purpose"))
	fl.StringVar(&f.stat, "stat", "mean", a.words.Get("flag.stat"))
	fl.Float64Var(&f.round, "round", 0, a.words.Get("flag.round"))
	fl.IntVar(&f.place, "place", -1, a.words.Get("flag.place"))
	fl.StringVar(&f.delay, "delay", "", a.words.Get("flag.delay"))
	fl.BoolVar(&f.change, "change", false, a.words.Get("flag.change"))
	fl.StringVar(&f.title, "title", "", a.words.Get("flag.title"))
	fl.StringVar(&f.service, "service", "", a.words.Get("flag.service"))
	fl.BoolVar(&f.pseudonymous, "pseudonymous", false, a.words.Get("flag.pseudonymous"))
	fl.IntVar(&f.maxClients, "max-clients", 0, a.words.Get("flag.max-clients"))
	fl.StringVar(&f.askAgain, "ask-again-after", "", a.words.Get("flag.ask-again-after"))
	fl.BoolVarP(&f.yes, "yes", "y", false, a.words.Get("flag.yes"))
	c.MarkFlagsMutuallyExclusive("for", "until")
	c.MarkFlagsMutuallyExclusive("every", "change")
	_ = c.RegisterFlagCompletionFunc("purpose", fixed(grant.CommonPurposes()...))
	_ = c.RegisterFlagCompletionFunc("may", fixed("read", "read,write", "write"))
	_ = c.RegisterFlagCompletionFunc("stat", fixed("mean", "min", "max", "last", "sum"))
}

func shareCommand(a *app) *cobra.Command {
	var f grantFlags
	var link bool
	c := a.command("share THING WHO|--link", "share", cobra.RangeArgs(1, 2), func(cmd *cobra.Command, args []string) error {
		switch {
		case link && len(args) == 1:
			return a.shareByLink(cmd, args[0], f)
		case link:
			return usage(errors.New(a.words.Get("bylink.who")))
		case len(args) == 1:
			return usage(errors.New(a.words.Get("share.who")))
		}
		return a.share(cmd, args[0], args[1], f)
	})
	f.register(a, c)
	c.Flags().BoolVar(&link, "link", false, a.words.Get("flag.link"))
	c.ValidArgsFunction = a.completeShare
	return c
}

func (a *app) share(cmd *cobra.Command, what, who string, f grantFlags) (err error) {
	if _, err := identity.ParseAddress(who); err != nil {
		return usage(err)
	}
	p, err := f.params(a)
	if err != nil {
		return usage(err)
	}
	o, err := a.synced(cmd.Context(), cmd)
	if err != nil {
		return err
	}
	defer o.close(&err)
	t, err := a.ownTarget(o, what)
	if err != nil {
		return err
	}
	grantee, err := o.Directory.Lookup(cmd.Context(), who)
	if err != nil {
		return err
	}
	return a.give(cmd.Context(), o, p, f, t, grantee)
}

// ownTarget finds a thing of one's own; only those can be given.
func (a *app) ownTarget(o *opened, what string) (client.Target, error) {
	for _, t := range o.Targets() {
		if t.Own && (strings.EqualFold(t.Path, what) || strings.EqualFold(t.Title+"/"+t.Name, what)) {
			return t, nil
		}
	}
	return client.Target{}, a.said(exitFailed, "share.unknown", "Thing", what)
}

// params is a yes without who and what.
func (f grantFlags) params(a *app) (p circle.GiveParams, err error) {
	now := a.clock.Now()
	switch {
	case f.until != "":
		p.Until, err = grant.ParseUntil(f.until, now.In(a.zone))
	case f.forHow != "":
		var d grant.Duration
		d, err = grant.ParseFor(f.forHow)
		p.Until = now.Add(d.D())
	default:
		err = errors.New(a.words.Get("share.until"))
	}
	if err != nil {
		return p, err
	}
	if f.askAgain != "" {
		d, err := grant.ParseFor(f.askAgain)
		if err != nil {
			return p, err
		}
		p.AskAgainAfter = d
	}
	p.Purpose, err = f.purposeOf()
	p.Pseudonymous, p.MaxClients, p.Service = f.pseudonymous, f.maxClients, f.service
	return p, err
}

// give shows what a yes means, asks, gives, and waits for the thing's end.
func (a *app) give(ctx context.Context, o *opened, p circle.GiveParams, f grantFlags, t client.Target, grantee *identity.Verified) error {
	precision, err := f.precision()
	if err != nil {
		return usage(err)
	}
	ops, err := f.operations(a, t)
	if err != nil {
		return err
	}
	p.Home, p.Grantee, p.Country = t.Circle, grantee.Compact(), o.vault.Country()
	p.Share = []circle.SharedAffordance{sharedAffordance(t, f.title, ops, precision)}
	if !a.json {
		a.showYes(o, p, t, grantee, precision, ops)
	}
	if err := a.confirm(f.yes, "share.ask"); err != nil {
		return err
	}
	var id string
	err = a.progress(ctx, "progress.give", func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, givePatience)
		defer cancel()
		id, err = o.Give(ctx, p)
		return err
	})
	if errors.Is(err, context.DeadlineExceeded) {
		return a.said(exitUnreachable, "share.nostock")
	}
	if err != nil {
		return err
	}
	return a.given(ctx, o, id, grantee, t)
}

const (
	givePatience = 30 * time.Second
	openPatience = 5 * time.Second
)

// given says whether the thing's end has opened the circle yet.
func (a *app) given(ctx context.Context, o *opened, id string, grantee *identity.Verified, t client.Target) error {
	wait, cancel := context.WithTimeout(ctx, openPatience)
	defer cancel()
	opened := a.progress(wait, "progress.open", func(ctx context.Context) error { return o.Opened(ctx, id) })
	if opened != nil && !errors.Is(opened, context.DeadlineExceeded) {
		return opened
	}
	if a.json {
		a.line(map[string]any{"grant": id, "grantee": grantee.Address(), "thing": t.Path, "open": opened == nil})
		return nil
	}
	if opened == nil {
		a.say("share.open", "Grantee", grantee.Address(), "Thing", t.Path, "Grant", id)
		return nil
	}
	a.say("share.waiting", "Grantee", grantee.Address(), "Thing", t.Path, "Grant", id)
	return nil
}

// showYes says who, what, why, how fine and until when.
func (a *app) showYes(o *opened, p circle.GiveParams, t client.Target, grantee *identity.Verified, precision grant.Precision, ops []string) {
	name := grantee.Address().Display()
	if grantee.Name() != "" {
		name = fmt.Sprintf("%s (%s)", grantee.Name(), name)
	}
	a.say("yes.who", "Who", name, "Compared", a.compared(o, grantee))
	a.say("yes.what", "Thing", t.Path, "May", a.may(ops))
	a.say("yes.why", "Why", purposeText(p.Purpose))
	if slices.Contains(ops, thing.ObserveProperty) || slices.Contains(ops, thing.SubscribeEvent) {
		a.say("yes.fine", "Fine", a.fine(precision))
	}
	a.say("yes.until", "Until", a.when(p.Until))
	if precision.Change {
		a.say("yes.change")
	}
	a.say("yes.withdraw", "Thing", t.Path)
}

func (a *app) compared(o *opened, v *identity.Verified) string {
	if o.Directory.Compared(v.Address().String()) {
		return a.words.Get("yes.compared")
	}
	return a.words.Get("yes.not-compared", "Address", v.Address())
}
