package main

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"primum/grant"
	"primum/identity"
	"primum/internal/wire"
	"primum/thing"
)

type requestFlags struct {
	every, stat, forHow, until, may, purpose, service, notice, unit string
}

func requestCommand(a *app) *cobra.Command {
	var f requestFlags
	c := a.command("request THING|QUANTITY WHOM", "request", cobra.ExactArgs(2), func(cmd *cobra.Command, args []string) error {
		return a.request(cmd, args[0], args[1], f)
	})
	fl := c.Flags()
	fl.StringVar(&f.every, "every", "1h", a.words.Get("flag.every"))
	fl.StringVar(&f.stat, "stat", "mean", a.words.Get("flag.stat"))
	fl.StringVar(&f.forHow, "for", "", a.words.Get("flag.for"))
	fl.StringVar(&f.until, "until", "", a.words.Get("flag.until"))
	fl.StringVar(&f.may, "may", "read", a.words.Get("flag.may"))
	fl.StringVar(&f.purpose, "purpose", "", a.words.Get("flag.purpose"))
	fl.StringVar(&f.service, "service", "", a.words.Get("flag.service"))
	fl.StringVar(&f.notice, "notice", "", a.words.Get("flag.notice"))
	fl.StringVar(&f.unit, "unit", "", a.words.Get("flag.unit"))
	c.MarkFlagsMutuallyExclusive("for", "until")
	_ = c.MarkFlagRequired("purpose")
	_ = c.RegisterFlagCompletionFunc("purpose", fixed(grant.CommonPurposes()...))
	return c
}

func (a *app) request(cmd *cobra.Command, what, whom string, f requestFlags) (err error) {
	if _, err := identity.ParseAddress(whom); err != nil {
		return usage(err)
	}
	q, err := f.build(a, what)
	if err != nil {
		return usage(err)
	}
	o, err := a.synced(cmd.Context(), cmd)
	if err != nil {
		return err
	}
	defer o.close(&err)
	if d, err := o.vault.Verified(); err == nil {
		q.Name = d.Name()
		if q.Service == "" {
			q.Service = d.Name()
		}
	}
	if q.Service == "" {
		q.Service = o.Address()
	}
	var id string
	err = a.progress(cmd.Context(), "progress.request", func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, syncPatience)
		defer cancel()
		id, err = o.Ask(ctx, whom, q)
		return err
	})
	if err != nil {
		return a.askedTooSoon(err)
	}
	if a.json {
		a.line(map[string]string{"request": id, "to": whom})
	}
	a.say("request.sent", "Whom", whom, "Request", id)
	return nil
}

// askedTooSoon says in words when asking is allowed again.
func (a *app) askedTooSoon(err error) error {
	var p *wire.Problem
	if errors.As(err, &p) && p.Named(wire.ProbAskLater) && p.Retry > 0 {
		return a.said(exitRefused, "request.later", "When", a.when(a.clock.Now().Add(time.Duration(p.Retry)*time.Second)))
	}
	return err
}

func (f requestFlags) build(a *app, what string) (q grant.Request, err error) {
	now := a.clock.Now()
	if q.Purpose, err = grant.FindPurpose(f.purpose); err != nil {
		return q, err
	}
	switch {
	case f.until != "":
		var t time.Time
		t, err = grant.ParseUntil(f.until, now.In(a.zone))
		q.Until = &t
	case f.forHow != "":
		q.For, err = grant.ParseFor(f.forHow)
	default:
		err = errors.New(a.words.Get("share.until"))
	}
	if err != nil {
		return q, err
	}
	w, err := f.want(a, what)
	if err != nil {
		return q, err
	}
	q.Wants, q.Service = []grant.Want{w}, f.service
	q.Retention, q.DeletesWithin = 30*grant.Day, 30*grant.Day
	text := f.notice
	if text == "" {
		text = a.words.Get("request.notice", "What", what, "Fine", a.fine(w.Precision), "Purpose", f.purpose)
	}
	q.Notice = grant.NewNotice("en", text)
	return q, nil
}

// want is a name that the owner told ("water/flow") or a quantity ("power").
func (f requestFlags) want(a *app, what string) (w grant.Want, err error) {
	if strings.Contains(what, "/") {
		w.Name = what
	} else {
		w.Quantity, w.Unit = what, f.unit
	}
	reads := false
	for _, word := range strings.Split(f.may, ",") {
		switch strings.TrimSpace(word) {
		case "read":
			w.Actions = append(w.Actions, thing.ReadProperty, thing.ObserveProperty)
			reads = true
		case "write":
			w.Actions = append(w.Actions, thing.WriteProperty)
		default:
			return w, errors.New(a.words.Get("share.may", "Word", word))
		}
	}
	if reads {
		if w.Precision.Every, err = grant.ParseEvery(f.every); err != nil {
			return w, err
		}
		w.Precision.Stat = grant.Stat(f.stat)
	}
	return w, nil
}

func requestsCommand(a *app) *cobra.Command {
	return a.command("requests", "requests", cobra.NoArgs, func(cmd *cobra.Command, _ []string) (err error) {
		o, err := a.synced(cmd.Context(), cmd)
		if err != nil {
			return err
		}
		defer o.close(&err)
		all := o.Owner.Requests()
		for _, r := range all {
			a.showRequest(o, r)
		}
		if len(all) == 0 {
			a.say("requests.none")
		}
		return nil
	})
}
