package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"primum/grant"
)

// What package grant says in English, in the language of the catalogue.

// counted is a number of the largest unit that fits, from sentences start+unit.
func (a *app) counted(start string, d grant.Duration) string {
	units := []struct {
		size grant.Duration
		name string
	}{{grant.Week, "week"}, {grant.Day, "day"}, {grant.Duration(time.Hour), "hour"}, {grant.Duration(time.Minute), "minute"}, {grant.Duration(time.Second), "second"}}
	for _, u := range units {
		if d < u.size || d%u.size != 0 || u.size == grant.Week && d == 2*grant.Week { // 14 days
			continue
		}
		return a.words.Get(start+u.name, "N", int64(d/u.size))
	}
	return d.D().String()
}

// span is "one minute", "7 days"; each is "minute", "7 days", as in "per minute".
func (a *app) span(d grant.Duration) string { return a.counted("span.", d) }
func (a *app) each(d grant.Duration) string { return a.counted("each.", d) }

// fine says how fine: "one mean per minute, rounded to 0.1".
func (a *app) fine(p grant.Precision) string {
	var parts []string
	switch {
	case p.Change:
		parts = append(parts, a.words.Get("fine.change"))
	case p.Stat != "":
		parts = append(parts, a.words.Get("fine."+string(p.Stat), "Span", a.each(p.Every)))
	}
	if p.Round > 0 {
		parts = append(parts, a.words.Get("fine.round", "Step", strconv.FormatFloat(p.Round, 'f', -1, 64)))
	}
	if p.Place != nil {
		parts = append(parts, a.words.Get("fine.place", "Level", *p.Place))
	}
	if p.Delay > 0 {
		parts = append(parts, a.words.Get("fine.delay", "Span", a.span(p.Delay)))
	}
	return strings.Join(parts, a.words.Get("fine.and"))
}

// terms renders what was agreed for whoever reads it later, as grant.Lines does.
func (a *app) terms(t grant.Terms) []string {
	who := t.Grantee.Account.Display()
	if t.Grantee.Name != "" {
		who = fmt.Sprintf("%s (%s)", t.Grantee.Name, who)
	}
	var lines []string
	say := func(id string, pairs ...any) { lines = append(lines, a.words.Get(id, pairs...)) }
	for _, d := range t.Details {
		a.detail(who, d, say)
	}
	say("terms.valid", "From", a.day(t.Valid.From), "Until", a.day(t.Valid.Until))
	why := purposeText(t.Process.Purpose)
	if p := t.Process.Purpose; p.Label != "" {
		why = fmt.Sprintf("%s (%s)", p.Label, p.Class)
	}
	say("terms.for", "Why", why)
	a.conditions(t.Conditionality, say)
	say("terms.keep", "Keep", a.span(t.Process.Storage.Retention), "Delete", a.span(t.OnWithdrawal.GranteeDeletesWithin))
	if t.Owner == grant.OwnerPseudonymous {
		say("terms.unnamed")
	}
	say("terms.stop")
	return lines
}

func (a *app) detail(who string, d grant.Detail, say func(string, ...any)) {
	for _, name := range d.Datatypes {
		if d.Title != "" {
			name = d.Title + "/" + name
		}
		if d.Reads() {
			say("terms.see", "Who", who, "What", name, "Fine", a.fine(d.Precision))
		}
		for _, op := range d.Actions {
			switch op {
			case grant.OpWrite:
				say("terms.set", "Who", who, "What", name)
			case grant.OpInvoke:
				say("terms.start", "Who", who, "What", name)
			}
		}
	}
}

func (a *app) conditions(c *grant.Conditionality, say func(string, ...any)) {
	if c == nil {
		return
	}
	if c.Price != "" {
		say("terms.price", "Price", c.Price)
	}
	if c.Benefit != "" {
		say("terms.benefit", "Benefit", c.Benefit)
	}
	if !c.CoreFunctionWithoutGrant {
		say("terms.needed")
	}
}

// day is a date and time. A midnight is said as the end of the day before it;
// UTC is named.
func (a *app) day(t time.Time) string {
	t = t.In(a.zone)
	layout := a.words.Get("when.layout")
	said := t.Format(layout + " 15:04")
	if t.Hour() == 0 && t.Minute() == 0 && t.Second() == 0 {
		said = t.AddDate(0, 0, -1).Format(layout) + " 24:00"
	}
	if a.zone == time.UTC {
		said += " UTC"
	}
	return said
}
