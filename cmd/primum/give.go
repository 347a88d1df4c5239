package main

import (
	"context"
	"errors"
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

// showRequest says who asks, what, why, how fine, until when.
func (a *app) showRequest(o *opened, r circle.RequestInfo) {
	q := r.Request
	if a.json {
		a.line(map[string]any{"request": r.ID, "from": r.From, "received": r.Received, "document": q})
		return
	}
	name := r.From
	if q.Name != "" {
		name = q.Name + " (" + r.From + ")"
	}
	a.say("requests.head", "Request", r.ID, "Who", name, "Received", a.when(r.Received))
	if v, err := identity.First(r.Identity); err == nil {
		a.say("requests.compared", "Compared", a.compared(o, v))
	}
	for _, w := range q.Wants {
		a.say("requests.want", "What", wantText(w), "May", a.may(w.Actions), "Fine", a.fine(w.Precision))
	}
	a.say("requests.why", "Why", purposeText(q.Purpose), "Notice", q.Notice.Text)
	a.say("requests.until", "Until", a.when(untilOf(q, a.clock.Now())))
	if c := q.Conditionality; c != nil {
		a.say("requests.condition", "Price", c.Price, "Benefit", c.Benefit)
	}
	a.say("requests.how", "Request", r.ID)
}

func wantText(w grant.Want) string {
	if w.Name != "" {
		return w.Name
	}
	return strings.TrimSpace(w.Quantity + " " + w.Unit)
}

func untilOf(q grant.Request, now time.Time) time.Time {
	if q.Until != nil {
		return *q.Until
	}
	return now.Add(q.For.D())
}

func giveCommand(a *app) *cobra.Command {
	var f grantFlags
	var with string
	c := a.command("give REQUEST", "give", cobra.ExactArgs(1), func(cmd *cobra.Command, args []string) error {
		return a.giveRequest(cmd, args[0], with, f)
	})
	c.Flags().StringVar(&with, "with", "", a.words.Get("flag.with"))
	f.register(a, c)
	c.ValidArgsFunction = a.completeRequests
	_ = c.RegisterFlagCompletionFunc("with", a.completeThings)
	return c
}

func (a *app) giveRequest(cmd *cobra.Command, id, with string, f grantFlags) (err error) {
	o, err := a.synced(cmd.Context(), cmd)
	if err != nil {
		return err
	}
	defer o.close(&err)
	r, err := a.findRequest(o, id)
	if err != nil {
		return err
	}
	t, err := a.answering(o, r.Request, with)
	if err != nil {
		return err
	}
	grantee, err := o.Directory.Lookup(cmd.Context(), r.From)
	if err != nil {
		return err
	}
	f.fill(cmd, r.Request, a.clock.Now())
	p, err := f.params(a)
	if err != nil {
		return usage(err)
	}
	p.Request, p.Purpose, p.Service = r.ID, r.Request.Purpose, r.Request.Service
	p.Retention, p.DeletesWithin, p.Conditionality, p.Notice = r.Request.Retention, r.Request.DeletesWithin, r.Request.Conditionality, r.Request.Notice
	return a.give(cmd.Context(), o, p, f, t, grantee)
}

// fill takes from the request what the owner did not choose otherwise.
func (f *grantFlags) fill(cmd *cobra.Command, q grant.Request, now time.Time) {
	if f.until == "" && f.forHow == "" {
		f.until = untilOf(q, now).UTC().Format(time.RFC3339)
	}
	if len(q.Wants) == 0 {
		return
	}
	w := q.Wants[0]
	if f.every == "" && !f.change && w.Precision.Every > 0 {
		f.every = w.Precision.Every.String()
	}
	if !cmd.Flags().Changed("stat") && w.Precision.Stat != "" {
		f.stat = string(w.Precision.Stat)
	}
	if f.round == 0 {
		f.round = w.Precision.Round
	}
	f.change = f.change || w.Precision.Change && f.every == ""
	if !cmd.Flags().Changed("may") {
		f.may = mayOf(w.Actions)
	}
}

func mayOf(actions []string) string {
	var words []string
	if slices.Contains(actions, thing.ReadProperty) || slices.Contains(actions, thing.ObserveProperty) || slices.Contains(actions, thing.SubscribeEvent) {
		words = append(words, "read")
	}
	if slices.Contains(actions, thing.WriteProperty) || slices.Contains(actions, thing.InvokeAction) {
		words = append(words, "write")
	}
	return strings.Join(words, ",")
}

// findRequest takes an id, the beginning of one, or the account that asks.
func (a *app) findRequest(o *opened, id string) (circle.RequestInfo, error) {
	var found []circle.RequestInfo
	for _, r := range o.Owner.Requests() {
		if strings.HasPrefix(r.ID, id) || r.From == id {
			found = append(found, r)
		}
	}
	switch len(found) {
	case 0:
		return circle.RequestInfo{}, a.said(exitFailed, "requests.unknown", "Request", id)
	case 1:
		return found[0], nil
	}
	return circle.RequestInfo{}, a.said(exitUsage, "requests.several", "Request", id)
}

// answering is the own thing that answers a request: the one named with
// --with, the one it names, or the only one that fits.
func (a *app) answering(o *opened, q grant.Request, with string) (client.Target, error) {
	if with != "" {
		return a.ownTarget(o, with)
	}
	if len(q.Wants) != 1 {
		return client.Target{}, a.said(exitUsage, "give.with")
	}
	if q.Wants[0].Name != "" {
		return a.ownTarget(o, q.Wants[0].Name)
	}
	fits := o.Fitting(q.Wants[0])
	if len(fits) != 1 {
		var paths []string
		for _, t := range fits {
			paths = append(paths, t.Path)
		}
		return client.Target{}, a.said(exitUsage, "give.which", "What", wantText(q.Wants[0]), "Things", strings.Join(paths, ", "))
	}
	return fits[0], nil
}

func refuseCommand(a *app) *cobra.Command {
	var askAgain string
	var yes bool
	c := a.command("refuse REQUEST", "refuse", cobra.ExactArgs(1), func(cmd *cobra.Command, args []string) (err error) {
		d, err := grant.ParseFor(askAgain)
		if err != nil {
			return usage(err)
		}
		o, err := a.synced(cmd.Context(), cmd)
		if err != nil {
			return err
		}
		defer o.close(&err)
		r, err := a.findRequest(o, args[0])
		if err != nil {
			return err
		}
		if !a.json {
			a.showRequest(o, r)
		}
		if err := a.confirm(yes, "refuse.ask"); err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(cmd.Context(), syncPatience)
		defer cancel()
		if err := o.Refuse(ctx, r.ID, d.D()); err != nil {
			if errors.Is(err, context.DeadlineExceeded) {
				return a.said(exitUnreachable, "open.slow", "Node", o.Home.Authority)
			}
			return err
		}
		until := a.clock.Now().Add(d.D())
		if a.json {
			a.line(map[string]any{"request": r.ID, "refused": true, "askAgainAfter": until})
		}
		a.say("refuse.done", "Who", r.From, "Until", a.when(until))
		return nil
	})
	c.Flags().StringVar(&askAgain, "ask-again-after", "90d", a.words.Get("flag.ask-again-after"))
	c.Flags().BoolVarP(&yes, "yes", "y", false, a.words.Get("flag.yes"))
	c.ValidArgsFunction = a.completeRequests
	return c
}
