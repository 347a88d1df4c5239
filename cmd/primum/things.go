package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"primum/circle"
	"primum/client"
	"primum/thing"
)

func claimCommand(a *app) *cobra.Command {
	var code, from string
	c := a.command("claim URL", "claim", cobra.ExactArgs(1), func(cmd *cobra.Command, args []string) (err error) {
		o, err := a.synced(cmd.Context(), cmd)
		if err != nil {
			return err
		}
		defer o.close(&err)
		if code == "" {
			if !a.inTTY {
				return a.said(exitUsage, "claim.code")
			}
			if code, err = a.ask(a.words.Get("claim.ask")); err != nil {
				return err
			}
		}
		release, err := releaseFrom(from, o.Address())
		if err != nil {
			return err
		}
		home, err := o.TakeOver(cmd.Context(), args[0], code, release)
		if errors.Is(err, client.ErrWrongThing) {
			return a.said(exitRefused, "claim.wrong")
		}
		if err != nil {
			return err
		}
		err = a.progress(cmd.Context(), "progress.things", func(ctx context.Context) error { return o.ThingsOf(ctx, home) })
		if err != nil {
			a.hint("claim.later", "Why", err.Error())
		}
		n := len(o.Owner.Things(home))
		if a.json {
			a.line(map[string]any{"home": home, "things": n})
		}
		a.say("claim.done", "N", n)
		return nil
	})
	c.Flags().StringVar(&code, "code", "", a.words.Get("flag.code"))
	c.Flags().StringVar(&from, "moved", "", a.words.Get("flag.moved"))
	return c
}

func thingsCommand(a *app) *cobra.Command {
	return a.command("things", "things", cobra.NoArgs, func(cmd *cobra.Command, _ []string) (err error) {
		o, err := a.synced(cmd.Context(), cmd)
		if err != nil {
			return err
		}
		defer o.close(&err)
		targets := o.Targets()
		for _, t := range targets {
			if t.Grant == nil || t.Grant.Joined {
				a.showTarget(o, t)
			}
		}
		if len(targets) == 0 {
			a.say("things.none")
		}
		a.showRefused(o)
		a.showSilent(o)
		return nil
	})
}

// showRefused tells of devices that do not speak as their descriptions say:
// what they said wrongly went nowhere.
func (a *app) showRefused(o *opened) {
	for _, h := range o.Owner.Homes() {
		for _, t := range o.Owner.Things(h.Circle) {
			if d, err := thing.Parse(t.Description); err == nil {
				a.refused(t.ID, d)
			}
		}
	}
}

// refused shows what the edge notes in a description: how many values were not
// as described, and the newest reason.
func (a *app) refused(id string, d *thing.Description) {
	var n int
	var why string
	if json.Unmarshal(d.Extra["primum:refused"], &n) != nil || n == 0 {
		return
	}
	_ = json.Unmarshal(d.Extra["primum:problem"], &why) // a count without a reason is still worth showing
	if a.json {
		a.line(map[string]any{"thing": id, "refused": n, "problem": why})
		return
	}
	a.say("things.refused", "Thing", id, "N", n, "Why", why)
}

func (a *app) showTarget(o *opened, t client.Target) {
	last, _ := o.Latest(t)
	if a.json {
		line := map[string]any{"thing": t.Path, "title": t.Title, "operations": t.Ops, "own": t.Own}
		if t.Grant != nil {
			line["grant"], line["owner"], line["state"] = t.Grant.ID, t.Owner, t.Grant.State
		}
		if last.Value != nil {
			line["value"], line["unit"], line["at"] = last.Value, last.Unit, last.At
		}
		a.line(line)
		return
	}
	id := "things.own"
	if !t.Own {
		id = "things.given"
	}
	a.say(id, "Thing", pad(t.Path, 28), "May", pad(a.may(t.Ops), 12), "Owner", a.owner(t.Owner), "Last", a.valueText(last))
}

// showSilent tells of clients that have not been heard for so long that the
// grants pause.
func (a *app) showSilent(o *opened) {
	for _, h := range o.Owner.Homes() {
		for _, c := range h.Silent {
			a.hint("things.silent", "Client", c, "Home", h.Circle.String())
		}
	}
}

func (a *app) owner(account string) string {
	if account == "" {
		return a.words.Get("owner.unnamed")
	}
	return account
}

// may says operations in one word each.
func (a *app) may(ops []string) string {
	var words []string
	for _, w := range []struct {
		id  string
		ops []string
	}{
		{"may.read", []string{thing.ReadProperty, thing.ObserveProperty, thing.SubscribeEvent}},
		{"may.write", []string{thing.WriteProperty, thing.InvokeAction}},
	} {
		for _, op := range w.ops {
			if contains(ops, op) {
				words = append(words, a.words.Get(w.id))
				break
			}
		}
	}
	return strings.Join(words, ",")
}

func contains(all []string, one string) bool {
	for _, s := range all {
		if s == one {
			return true
		}
	}
	return false
}

func (a *app) valueText(v client.Value) string {
	switch {
	case v.State != "":
		return v.State
	case v.Value == nil:
		return "–"
	}
	return strings.TrimSpace(fmt.Sprintf("%s %s", strings.Trim(string(v.Value), `"`), v.Unit))
}

// pad fills up to a width in runes.
func pad(s string, n int) string {
	if missing := n - len([]rune(s)); missing > 0 {
		return s + strings.Repeat(" ", missing)
	}
	return s
}

func thingCommand(a *app) *cobra.Command {
	c := a.command("thing NAME", "thing", cobra.ExactArgs(1), func(cmd *cobra.Command, args []string) (err error) {
		o, err := a.synced(cmd.Context(), cmd)
		if err != nil {
			return err
		}
		defer o.close(&err)
		home, t, err := findThing(o, args[0])
		if err != nil {
			return err
		}
		if a.json {
			_, _ = fmt.Fprintf(a.out, "%s\n", t.Description)
			return nil
		}
		return a.showThing(o, home, t)
	})
	c.ValidArgsFunction = a.completeThings
	return c
}

func findThing(o *opened, name string) (circle.ID, circle.Thing, error) {
	id, _, _ := strings.Cut(name, "/")
	for _, h := range o.Owner.Homes() {
		for _, t := range o.Owner.Things(h.Circle) {
			if strings.EqualFold(t.ID, id) || strings.EqualFold(t.Title, id) {
				return h.Circle, t, nil
			}
		}
	}
	return circle.ID{}, circle.Thing{}, fmt.Errorf("%w: %s", client.ErrNoSuch, name)
}

func (a *app) showThing(o *opened, home circle.ID, t circle.Thing) error {
	d, err := thing.Parse(t.Description)
	if err != nil {
		return fmt.Errorf("read description of %s: %w", t.ID, err)
	}
	a.say("thing.head", "Title", t.Title, "ID", t.ID)
	for _, name := range d.Affordances() {
		last, _ := o.Latest(client.Target{Own: true, Circle: home, Thing: t.ID, Name: name})
		a.say("thing.affordance", "Name", pad(t.ID+"/"+name, 28), "May", pad(a.may(d.Operations(name)), 12), "Last", a.valueText(last))
	}
	a.refused(t.ID, d)
	for _, g := range o.Owner.Given() {
		for _, s := range g.Shared {
			if s.Source.Thing == t.ID && g.Home == home {
				a.say("thing.grant", "Name", s.Source.Name, "Grantee", g.Grantee, "State", a.stateOf(g), "Until", a.when(g.ValidUntil))
			}
		}
	}
	return nil
}
