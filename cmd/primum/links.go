package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"primum/circle"
	"primum/client"
	"primum/client/guest"
	"primum/identity"
	"primum/internal/edge"
	"primum/internal/wire"
	"primum/thing"
)

// linkTerms is what a link is to give, kept until somebody has come.
type linkTerms struct {
	Thing string            `json:"thing"` // path
	Give  circle.GiveParams `json:"give"`  // without a grantee
}

// shareByLink makes a link, waits until somebody has opened it, shows the two
// words, asks, and gives.
func (a *app) shareByLink(cmd *cobra.Command, what string, f grantFlags) (err error) {
	if f.yes {
		return usage(errors.New(a.words.Get("bylink.yes")))
	}
	p, err := f.params(a)
	if err != nil {
		return usage(err)
	}
	precision, err := f.precision()
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
	ops, err := f.operations(a, t)
	if err != nil {
		return err
	}
	p.Home, p.Country = t.Circle, o.vault.Country()
	p.Share = []circle.SharedAffordance{sharedAffordance(t, f.title, ops, precision)}
	a.say("bylink.make")
	a.say("yes.what", "Thing", t.Path, "May", a.may(ops))
	a.say("yes.why", "Why", purposeText(p.Purpose))
	if slices.Contains(ops, thing.ObserveProperty) || slices.Contains(ops, thing.SubscribeEvent) {
		a.say("yes.fine", "Fine", a.fine(precision))
	}
	a.say("yes.until", "Until", a.when(p.Until))
	k, err := a.makeLink(cmd.Context(), o, linkTerms{Thing: t.Path, Give: p})
	if err != nil {
		return err
	}
	return a.awaitLink(cmd.Context(), o, k)
}

func (a *app) makeLink(ctx context.Context, o *opened, terms linkTerms) (guest.Kept, error) {
	book, err := o.links()
	if err != nil {
		return guest.Kept{}, err
	}
	raw, err := json.Marshal(terms)
	if err != nil {
		return guest.Kept{}, err
	}
	self, err := o.Directory.Lookup(ctx, o.Address())
	if err != nil {
		return guest.Kept{}, err
	}
	k, err := book.Make(ctx, self, "", raw)
	if err != nil && k.ID != "" {
		_, _ = book.Cancel(ctx, k.ID) // nobody has seen it
	}
	return k, err
}

// awaitLink goes on with a link from wherever it is. Ctrl-C leaves it open.
func (a *app) awaitLink(ctx context.Context, o *opened, k guest.Kept) error {
	book, err := o.links()
	if err != nil {
		return err
	}
	a.showLink(k)
	err = a.progress(ctx, "progress.link", func(ctx context.Context) (err error) {
		if k.State != guest.Arrived {
			k, err = book.Follow(ctx, k.ID, func(k guest.Kept) bool { return k.State != guest.Arrived })
		}
		return err
	})
	if err == nil && k.State == guest.Arrived {
		err = a.confirmLink(ctx, o, book, k)
	} else if err == nil {
		err = a.linkOver(k)
	}
	if ctx.Err() != nil {
		a.hint("bylink.left", "Link", k.ID, "Until", a.when(k.Expires))
		return ctx.Err()
	}
	return err
}

func (a *app) linkOver(k guest.Kept) error {
	id := "bylink.ended"
	switch {
	case k.State == guest.Expired:
		id = "bylink.expired"
	case k.Reason == guest.ReasonForged:
		id = "bylink.forged"
	case k.State == guest.Given:
		id = "bylink.given"
	}
	return a.said(exitFailed, id)
}

// showLink prints the address and its QR code.
func (a *app) showLink(k guest.Kept) {
	if a.json {
		a.line(linkLine(k))
		return
	}
	if k.State == guest.Arrived {
		return
	}
	if a.outTTY {
		_, _ = fmt.Fprint(a.out, "\n"+edge.QR(k.URL))
	}
	a.say("bylink.url", "URL", k.URL)
	a.say("bylink.send", "Until", a.when(k.Expires))
}

// confirmLink shows the words, and gives after a yes. The grant is for the key
// that the words stand for, whatever the node shows.
func (a *app) confirmLink(ctx context.Context, o *opened, book *guest.Book, k guest.Kept) error {
	k, who, err := book.Met(k.ID)
	if err != nil {
		return err
	}
	var terms linkTerms
	if err := json.Unmarshal(k.Terms, &terms); err != nil {
		return fmt.Errorf("read link: %w", err)
	}
	t, err := a.ownTarget(o, terms.Thing)
	if err != nil {
		return err
	}
	if a.json {
		a.line(linkLine(k))
	}
	a.say("bylink.arrived", "Words", k.Words)
	yes, err := a.sameWords(ctx)
	if err != nil {
		return err
	}
	if !yes {
		if _, err := book.Cancel(ctx, k.ID); err != nil {
			a.hint("bylink.away", "Why", err)
		}
		return a.said(exitFailed, "bylink.refused")
	}
	return a.giveByLink(ctx, o, book, k, who, t, terms.Give)
}

func (a *app) giveByLink(ctx context.Context, o *opened, book *guest.Book, k guest.Kept, who *identity.Verified, t client.Target, p circle.GiveParams) error {
	if _, err := o.Directory.Learn(k.Document); err != nil {
		return err
	}
	p.Grantee = k.Document
	id := ""
	for _, g := range o.Owner.Given() {
		if g.Grantee == k.Guest {
			id = g.ID // a crash came between
		}
	}
	if id == "" {
		err := a.progress(ctx, "progress.give", func(ctx context.Context) (err error) {
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
	}
	if _, err := book.Confirmed(k.ID, id); err != nil {
		return err
	}
	if err := o.Directory.MarkCompared(who); err != nil {
		return err
	}
	return a.given(ctx, o, id, who, t)
}

// sameWords asks whether the other one reads the same words. A program answers
// with a line, too: --yes can't compare.
func (a *app) sameWords(ctx context.Context) (bool, error) {
	type said struct {
		line string
		err  error
	}
	answer := make(chan said, 1)
	go func() {
		line, err := a.ask(a.words.Get("bylink.ask"))
		answer <- said{line, err}
	}()
	select {
	case s := <-answer:
		yes := append([]string{"y", "yes"}, strings.Fields(a.words.Get("ask.y"))...)
		return slices.Contains(yes, strings.ToLower(s.line)), s.err
	case <-ctx.Done():
		return false, ctx.Err()
	}
}

func linksCommand(a *app) *cobra.Command {
	c := a.command("links", "links", cobra.NoArgs, func(cmd *cobra.Command, _ []string) error { return a.listLinks(cmd) })
	c.AddCommand(
		a.command("cancel LINK", "links-cancel", cobra.ExactArgs(1), func(cmd *cobra.Command, args []string) error {
			return a.cancelLink(cmd, args[0])
		}),
		a.command("resume LINK", "links-resume", cobra.ExactArgs(1), func(cmd *cobra.Command, args []string) error {
			return a.resumeLink(cmd, args[0])
		}),
	)
	return c
}

// linkLine is a link for programs.
func linkLine(k guest.Kept) map[string]any {
	var terms linkTerms
	_ = json.Unmarshal(k.Terms, &terms) // of another program's making: shown without its thing
	line := map[string]any{"link": k.ID, "state": k.State, "expires": k.Expires, "thing": terms.Thing}
	for name, v := range map[string]string{"url": k.URL, "guest": k.Guest, "grant": k.Grant, "reason": k.Reason} {
		if v != "" {
			line[name] = v
		}
	}
	if k.State == guest.Arrived {
		line["words"] = k.Words
	}
	return line
}

func (a *app) listLinks(cmd *cobra.Command) (err error) {
	o, err := a.synced(cmd.Context(), cmd)
	if err != nil {
		return err
	}
	defer o.close(&err)
	book, err := o.links()
	if err != nil {
		return err
	}
	all := book.List()
	for _, k := range all {
		k = a.lookAt(cmd.Context(), o, book, k)
		if a.json {
			a.line(linkLine(k))
			continue
		}
		line := linkLine(k)
		a.say("links.line", "Link", k.ID, "Thing", line["thing"], "State", a.words.Get("links.state."+string(k.State)),
			"Made", a.when(k.Made), "Until", a.when(k.Expires))
	}
	if len(all) == 0 {
		a.say("links.none")
	}
	return nil
}

// lookAt is a link as it is now: it asks the node once, and the grant.
func (a *app) lookAt(ctx context.Context, o *opened, book *guest.Book, k guest.Kept) guest.Kept {
	for _, g := range o.Owner.Given() {
		if k.State == guest.Given && g.Grantee == k.Guest && g.State.Terminal() {
			k.State, k.Reason = guest.Ended, wire.LinkOver
		}
	}
	if k.State.Waits() {
		if now, err := book.Look(ctx, k.ID); err == nil {
			return now
		}
	}
	return k
}

// findLink is the one link that a person means by the beginning of its id.
func (a *app) findLink(book *guest.Book, id string) (found guest.Kept, err error) {
	n := 0
	for _, k := range book.List() {
		if strings.HasPrefix(k.ID, id) {
			found, n = k, n+1
		}
	}
	if n != 1 {
		return found, a.said(exitFailed, "links.unknown", "Link", id)
	}
	return found, nil
}

func (a *app) cancelLink(cmd *cobra.Command, id string) (err error) {
	o, err := a.open(cmd.Context(), cmd)
	if err != nil {
		return err
	}
	defer o.close(&err)
	book, err := o.links()
	if err != nil {
		return err
	}
	k, err := a.findLink(book, id)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), 10*time.Second)
	defer cancel()
	k, err = book.Cancel(ctx, k.ID)
	switch {
	case err != nil && k.State.Waits():
		return err
	case err != nil:
		a.hint("bylink.away", "Why", err)
	case k.State == guest.Given:
		return a.said(exitFailed, "bylink.given")
	}
	if a.json {
		a.line(linkLine(k))
	}
	a.say("links.cancelled")
	return nil
}

func (a *app) resumeLink(cmd *cobra.Command, id string) (err error) {
	o, err := a.synced(cmd.Context(), cmd)
	if err != nil {
		return err
	}
	defer o.close(&err)
	book, err := o.links()
	if err != nil {
		return err
	}
	k, err := a.findLink(book, id)
	if err != nil {
		return err
	}
	if !k.State.Waits() {
		return a.linkOver(k)
	}
	return a.awaitLink(cmd.Context(), o, k)
}
