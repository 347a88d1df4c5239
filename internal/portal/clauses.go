package portal

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"primum/internal/wire"
)

// clauseRow is one clause: what is sworn, how its last measurements went, and
// how anybody repeats them.
type clauseRow struct {
	ID, Title, Text, Remedy string
	Sworn                   bool
	NotSworn                string // the reason
	Last                    *measuredRow
	Measurements            []measuredRow // oldest first
	Broken                  *measuredRow  // the last one that found a breach, if another came later
	BrokenTimes             int
	Spark                   *spark
	Command                 string
}

// measuredRow is one measurement.
type measuredRow struct {
	Verdict, Reason, Checker string
	When, WhenISO            string
	Ref                      string
	Value                    string
	Index                    int64
	Unshown                  []string
	Class                    string // of its mark
}

// spark is the picture of a clause's last measurements: one mark each, as high
// as its number where it has one, and the line that must not be crossed.
type spark struct {
	Marks []mark
	Bound string // y of the line, empty: there is none
}

type mark struct{ X, Y, Height, Class string }

// Measures of the picture, in its own units.
const (
	sparkMost   = 30
	sparkStep   = 8.0
	sparkHeight = 32.0
	sparkMark   = 6.0
)

// clauses are those that are sworn, not sworn, or measured, by id.
func (p *Portal) clauses(d *factsPage, seen map[string][]wire.Measurement) (out []clauseRow) {
	rows := map[string]*clauseRow{}
	at := func(id string) *clauseRow {
		if rows[id] == nil {
			rows[id] = &clauseRow{ID: id, Command: "primum oath check " + p.cfg.Authority + " --clause " + id}
		}
		return rows[id]
	}
	if d.Oath != nil {
		for _, c := range d.Oath.Clauses {
			row := at(clean(c.ID))
			row.Title, row.Text, row.Remedy, row.Sworn = clean(c.Title), cleanLines(c.Text), cleanLines(c.Remedy), true
		}
		for _, c := range d.Oath.NotSworn {
			at(clean(c.ID)).NotSworn = clean(c.Reason)
		}
	}
	for id, all := range seen {
		at(clean(id)).measured(all, d.Lang)
	}
	for _, row := range rows {
		p.entitle(row, d.Lang)
		out = append(out, *row)
	}
	slices.SortFunc(out, func(a, b clauseRow) int { return strings.Compare(a.ID, b.ID) })
	return out
}

// entitle names a clause in the visitor's language, where the operator swears it
// under its usual name.
func (p *Portal) entitle(row *clauseRow, lang string) {
	if id := "facts.clause." + row.ID; clauseID(row.ID) && (row.Title == "" || row.Title == p.words("en")(id)) {
		row.Title = p.words(lang)(id)
	}
}

// clauseID tells whether a clause has a name in the catalogue: O01 to O15.
func clauseID(id string) bool {
	n, err := strconv.Atoi(strings.TrimPrefix(id, "O"))
	return err == nil && len(id) == 3 && id[0] == 'O' && n >= 1 && n <= 15
}

// measured takes measurements, newest first.
func (c *clauseRow) measured(all []wire.Measurement, lang string) {
	all = slices.Clone(all[:min(len(all), sparkMost)])
	for i, m := range slices.Backward(all) {
		if m.Verdict != wire.VerdictBroken && m.Verdict != wire.VerdictNoBreach {
			m.Verdict, all[i].Verdict = wire.VerdictNotShown, wire.VerdictNotShown
		}
		c.Measurements = append(c.Measurements, measuredRow{
			Verdict: m.Verdict, Reason: clean(m.Reason), Unshown: cleanAll(m.Unshown), Checker: clean(m.Checker), When: moment(m.At), WhenISO: m.At.UTC().Format(time.RFC3339),
			Ref: m.Ref, Index: int64(m.Index), Value: measuredValue(m, lang), Class: "mark-" + m.Verdict,
		})
	}
	if n := len(c.Measurements); n > 0 {
		c.Last = &c.Measurements[n-1]
		for i, m := range c.Measurements[:n-1] {
			if m.Verdict == wire.VerdictBroken {
				c.Broken, c.BrokenTimes = &c.Measurements[i], c.BrokenTimes+1
			}
		}
		c.Spark = sparkOf(all)
	}
}

// moment is a time, as day is a day.
func moment(t time.Time) string {
	return t.UTC().Format("\u20662006-\u206001-\u206002 15:04 UTC\u2069")
}

// hasNumber tells whether a measurement has a number that says more than its
// verdict: one whose bound is zero is a count of breaches.
func hasNumber(m wire.Measurement) bool {
	return m.Value != nil && (m.Bound == nil || *m.Bound > 0)
}

// measuredValue is the number of a measurement with its unit and its bound.
func measuredValue(m wire.Measurement, lang string) string {
	if !hasNumber(m) {
		return ""
	}
	s := amount(*m.Value, m.Unit, lang)
	if m.Bound != nil {
		s += " ≤ " + amount(*m.Bound, m.Unit, lang)
		if *m.Value > *m.Bound {
			s = strings.Replace(s, "≤", ">", 1)
		}
	}
	return "\u2066" + s + "\u2069"
}

func amount(v float64, unit, lang string) string {
	s := strconv.FormatFloat(math.Round(v*100)/100, 'f', -1, 64)
	if lang == "de" {
		s = strings.ReplaceAll(s, ".", ",")
	}
	return strings.TrimSpace(s + " " + clean(unit))
}

// sparkOf draws measurements, newest first, from left to right.
func sparkOf(all []wire.Measurement) *spark {
	s := &spark{}
	top := 0.0
	for _, m := range all {
		if !hasNumber(m) {
			continue
		}
		if top = max(top, *m.Value); m.Bound != nil {
			top = max(top, *m.Bound)
		}
	}
	for i, m := range slices.Backward(all) {
		x := float64(sparkMost-1-i)*sparkStep + (sparkStep-sparkMark)/2 // the newest on the right
		s.Marks = append(s.Marks, markOf(m, x, top))
	}
	if b := all[0].Bound; b != nil && *b > 0 && top > 0 {
		s.Bound = coordinate(sparkHeight - *b/top*(sparkHeight-2))
	}
	return s
}

func markOf(m wire.Measurement, x, top float64) mark {
	height := sparkHeight / 2
	if m.Verdict == wire.VerdictBroken {
		height = sparkHeight
	}
	if hasNumber(m) && top > 0 && m.Verdict != wire.VerdictNotShown {
		height = max(2, *m.Value/top*(sparkHeight-2))
	}
	if m.Verdict == wire.VerdictNotShown {
		height = 3
	}
	return mark{X: coordinate(x), Y: coordinate(sparkHeight - height), Height: coordinate(height), Class: "mark-" + m.Verdict}
}

func newestFirst(all []measuredRow) []measuredRow {
	out := slices.Clone(all)
	slices.Reverse(out)
	return out
}
