package main

import (
	"errors"
	"slices"
	"strings"

	"primum/circle"
	"primum/client"
	"primum/grant"
	"primum/thing"
)

func (f grantFlags) purposeOf() (grant.Purpose, error) { return grant.FindPurpose(f.purpose) }

func purposeText(p grant.Purpose) string {
	if p.Label != "" {
		return p.Label
	}
	return p.Class
}

// precision is how fine, from the flags.
func (f grantFlags) precision() (p grant.Precision, err error) {
	if f.change {
		p.Change = true
	} else {
		every := f.every
		if every == "" {
			every = "1m"
		}
		if p.Every, err = grant.ParseEvery(every); err != nil {
			return p, err
		}
		p.Stat = grant.Stat(f.stat)
	}
	if f.place >= 0 {
		p.Place = &f.place
	}
	if f.delay != "" {
		p.Delay, err = grant.ParseFor(f.delay)
	}
	if f.round < 0 {
		return p, errors.New("--round is the step to round to, above 0")
	}
	p.Round = f.round
	return p, err
}

// operations are the WoT operations that --may means for an affordance.
func (f grantFlags) operations(a *app, t client.Target) (ops []string, err error) {
	for _, word := range strings.Split(f.may, ",") {
		var of []string
		switch strings.TrimSpace(word) {
		case "read":
			of = []string{thing.ReadProperty, thing.ObserveProperty, thing.SubscribeEvent}
		case "write":
			of = []string{thing.WriteProperty, thing.InvokeAction}
		default:
			return nil, a.said(exitUsage, "share.may", "Word", word)
		}
		found := false
		for _, op := range of {
			if slices.Contains(t.Ops, op) && !slices.Contains(ops, op) {
				ops, found = append(ops, op), true
			}
		}
		if !found {
			return nil, a.said(exitFailed, "share.cannot", "Thing", t.Path, "Word", strings.TrimSpace(word))
		}
	}
	return ops, nil
}

func sharedAffordance(t client.Target, title string, ops []string, p grant.Precision) circle.SharedAffordance {
	if title == "" {
		title = t.Thing
	}
	s := circle.SharedAffordance{Source: circle.Source{Thing: t.Thing, Name: t.Name}, Title: title, Ops: ops}
	if slices.ContainsFunc(ops, func(op string) bool { return op != thing.WriteProperty && op != thing.InvokeAction }) {
		s.Precision = p
	}
	return s
}
