package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"primum/circle"
	"primum/client"
	"primum/grant"
	"primum/mls"
)

func grantsCommand(a *app) *cobra.Command {
	var all bool
	c := a.command("grants [GRANT]", "grants", cobra.MaximumNArgs(1), func(cmd *cobra.Command, args []string) (err error) {
		o, err := a.synced(cmd.Context(), cmd)
		if err != nil {
			return err
		}
		defer o.close(&err)
		given, received := o.Owner.Given(), o.Owner.Grants()
		if len(args) == 1 {
			return a.showTerms(append(given, received...), args[0])
		}
		n := a.showGrants("grants.given", given, all, func(g circle.GrantInfo) string { return g.Grantee })
		n += a.showGrants("grants.received", received, all, func(g circle.GrantInfo) string { return a.owner(g.Owner) })
		if n == 0 {
			a.say("grants.none")
		}
		return a.showNews(o)
	})
	c.Flags().BoolVar(&all, "all", false, a.words.Get("flag.all-grants"))
	return c
}

func (a *app) showGrants(id string, grants []circle.GrantInfo, all bool, who func(circle.GrantInfo) string) (shown int) {
	for _, g := range grants {
		w := g.Withdrawal
		if g.State.Terminal() && !all && (w == nil || w.Confirmed()) {
			continue
		}
		shown++
		if a.json {
			a.line(grantLine(id, g))
			continue
		}
		a.say(id, "Grant", g.ID, "Who", who(g), "Things", sharedText(g), "Fine", a.fineText(g), "State", a.stateOf(g), "Until", a.when(g.ValidUntil))
		switch {
		case w == nil:
		case w.Confirmed():
			a.say("grants.confirmed", "LockOne", a.when(w.LockOne), "LockTwo", a.when(w.LockTwo))
		default:
			a.say("grants.unconfirmed")
		}
	}
	return shown
}

// showTerms shows what was agreed in one grant, as its terms say it.
func (a *app) showTerms(grants []circle.GrantInfo, id string) error {
	for _, g := range grants {
		if !strings.HasPrefix(g.ID, id) || g.Terms == "" {
			continue
		}
		terms, err := client.Terms(g.Terms)
		if err != nil {
			return err
		}
		if a.json {
			a.line(terms)
			return nil
		}
		for _, line := range a.terms(terms) {
			_, _ = fmt.Fprintln(a.out, line)
		}
		return nil
	}
	return a.said(exitFailed, "grants.unknown", "Grant", id)
}

func grantLine(id string, g circle.GrantInfo) map[string]any {
	line := map[string]any{
		"grant": g.ID, "direction": id[len("grants."):], "state": g.State, "owner": g.Owner, "grantee": g.Grantee,
		"things": sharedText(g), "from": g.ValidFrom, "until": g.ValidUntil, "open": g.Joined,
		"suite": g.Suite.String(),
	}
	if len(g.Unfit) > 0 {
		line["unfit"] = g.Unfit
	}
	if w := g.Withdrawal; w != nil {
		line["lockOne"], line["confirmed"] = w.LockOne, w.Confirmed()
		if w.Confirmed() {
			line["lockTwo"] = w.LockTwo
		}
	}
	return line
}

func (a *app) fineText(g circle.GrantInfo) string {
	for _, s := range g.Shared {
		if w := a.fine(s.Precision); w != "" {
			return w
		}
	}
	return "–"
}

func (a *app) stateOf(g circle.GrantInfo) string {
	state := a.state(g.State)
	if g.State == grant.Given && !g.Joined {
		state = a.words.Get("state.waiting")
	}
	if suite := a.suite(uint16(g.Suite)); suite != "" && !g.State.Terminal() {
		return a.words.Get("state.with", "State", state, "Suite", suite)
	}
	return state
}

// suite is one word where the strongest suite is not among those listed: a later
// quantum computer could find out the keys.
func (a *app) suite(listed ...uint16) string {
	if slices.Contains(listed, uint16(mls.Suites()[0])) {
		return ""
	}
	return a.words.Get("suite.classic")
}

func (a *app) state(s grant.State) string { return a.words.Get("state." + string(s)) }

// showNews tells once what has happened since the last time.
func (a *app) showNews(o *opened) error {
	news, err := o.News()
	for _, e := range news {
		if a.json {
			a.line(map[string]any{"news": e})
			continue
		}
		if id := "news." + string(e.Kind); a.words.Has(id) {
			a.say(id, "Account", e.Account, "Ref", e.Ref, "Grant", e.Grant, "Reason", e.Reason, "Text", e.Text,
				"At", a.when(e.At), "Until", a.when(e.Until))
		}
	}
	return err
}
