package grant

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Words says a duration as a person would: "minute", "2 seconds", "7 days".
// One of a unit has no number: "one mean per minute".
func Words(d Duration) string {
	units := []struct {
		size Duration
		name string
	}{{Week, "week"}, {Day, "day"}, {Duration(time.Hour), "hour"}, {Duration(time.Minute), "minute"}, {Duration(time.Second), "second"}}
	for _, u := range units {
		if d >= u.size && d%u.size == 0 {
			if d == u.size {
				return u.name
			}
			if u.size != Week || d > 2*Week {
				return fmt.Sprintf("%d %ss", d/u.size, u.name)
			}
		}
	}
	return d.D().String()
}

// Span is Words with its number: "one minute", "7 days".
func Span(d Duration) string {
	w := Words(d)
	if w != "" && w[0] >= 'a' && w[0] <= 'z' {
		return "one " + w
	}
	return w
}

// Words says how fine: "one mean per minute, rounded to 0.1".
func (p Precision) Words() string {
	var parts []string
	switch {
	case p.Change:
		parts = append(parts, "every change (the operator sees when something happens)")
	case p.Stat == Last:
		parts = append(parts, "the last value per "+Words(p.Every))
	case p.Stat == Sum, p.Stat == Mean:
		parts = append(parts, fmt.Sprintf("one %s per %s", p.Stat, Words(p.Every)))
	case p.Stat == Min, p.Stat == Max:
		parts = append(parts, fmt.Sprintf("the %simum per %s", p.Stat, Words(p.Every)))
	}
	if p.Round > 0 {
		parts = append(parts, "rounded to "+strconv.FormatFloat(p.Round, 'f', -1, 64))
	}
	if p.Place != nil {
		parts = append(parts, fmt.Sprintf("places to S2 level %d", *p.Place))
	}
	if p.Delay > 0 {
		parts = append(parts, Span(p.Delay)+" late")
	}
	return strings.Join(parts, ", ")
}

// Lines renders terms for the person who decides, or who reads later: short,
// calm sentences, times in zone.
func Lines(t Terms, zone *time.Location) []string {
	who := t.Grantee.Account.Display()
	if t.Grantee.Name != "" {
		who = fmt.Sprintf("%s (%s)", t.Grantee.Name, who)
	}
	var lines []string
	for _, d := range t.Details {
		lines = append(lines, detailLines(who, d)...)
	}
	lines = append(lines, fmt.Sprintf("from %s until %s", day(t.Valid.From, zone), day(t.Valid.Until, zone)))
	lines = append(lines, "for: "+purposeWords(t.Process.Purpose))
	lines = append(lines, conditionLines(t.Conditionality)...)
	lines = append(lines, fmt.Sprintf("they keep values for at most %s, and after Stop delete within %s; what they saw before can't be recalled",
		Span(t.Process.Storage.Retention), Span(t.OnWithdrawal.GranteeDeletesWithin)))
	if t.Owner == OwnerPseudonymous {
		lines = append(lines, "they do not learn your name from this grant")
	}
	return append(lines, "Stop works at any time, without a reason, in about a second")
}

func detailLines(who string, d Detail) []string {
	var lines []string
	for _, a := range d.Datatypes {
		name := a
		if d.Title != "" {
			name = d.Title + "/" + a
		}
		if d.Reads() {
			lines = append(lines, fmt.Sprintf("%s will see: %s, %s", who, name, d.Precision.Words()))
		}
		for _, op := range d.Actions {
			if op == OpWrite || op == OpInvoke {
				lines = append(lines, fmt.Sprintf("%s may %s: %s", who, map[string]string{OpWrite: "set", OpInvoke: "start"}[op], name))
			}
		}
	}
	return lines
}

func purposeWords(p Purpose) string {
	if p.Label == "" {
		return plain(p.Class)
	}
	return fmt.Sprintf("%s (%s)", p.Label, p.Class)
}

func conditionLines(c *Conditionality) []string {
	if c == nil {
		return nil
	}
	var lines []string
	if c.Price != "" {
		lines = append(lines, "a price hangs on this: "+c.Price)
	}
	if c.Benefit != "" {
		lines = append(lines, "a benefit hangs on this: "+c.Benefit)
	}
	if !c.CoreFunctionWithoutGrant {
		lines = append(lines, "without this yes their service does not work for you")
	}
	return lines
}

// day is a date and time for people: "Sun 29 Nov 2026 14:00". A midnight is
// said as the end of the day before it; UTC is named.
func day(t time.Time, zone *time.Location) string {
	t = t.In(zone)
	said := t.Format("Mon 2 Jan 2006 15:04")
	if t.Hour() == 0 && t.Minute() == 0 && t.Second() == 0 {
		said = t.AddDate(0, 0, -1).Format("Mon 2 Jan 2006") + " 24:00"
	}
	if zone == time.UTC {
		said += " UTC"
	}
	return said
}
