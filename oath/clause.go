package oath

import "time"

// Clause is a clause file, parsed: what is sworn, for people, and the check,
// for people and the runner. Source: docs/spec/clauses.md.
type Clause struct {
	ID      string // O01 … O99
	Title   string
	Text    string // "We swear"
	Remedy  string // "If we break it"
	About   string // "What a check does"
	With    Args   // parameters, by name
	Needs   []Need
	AtMost  time.Duration // of one check of this clause
	Steps   []Step
	Shows   string   // the fact that is the clause's one number; may be empty
	Bound   string   // of that number: a value or "$parameter"; may be empty
	Unshown []string // parts that no check shows, with the reason each
	SHA256  string   // of the file, hex
}

// Need is a precondition of a check; where it is missing the clause is not
// shown, and nothing is asked.
type Need string

// The needs that a clause file may name.
const (
	NeedPrimum Need = "a Primum node"   // the domain answers as a node
	NeedPeople Need = "test persons"    // the check may open accounts of its own there
	NeedLedger Need = "a public ledger" // the node names one
	NeedOath   Need = "a signed oath"
	NeedTLS    Need = "TLS" // a name that is spoken to over TLS: none under .localhost
)

// Step is one probe with what is expected of it.
type Step struct {
	Line    int
	Probe   string
	Args    map[string]string // as written; "$name" stands for a parameter
	Expects []Expect
}

// Expect compares a fact that a probe observed.
type Expect struct {
	Line    int
	Fact    string
	Compare Compare
	Want    string // as written: a value, "$parameter", or the name of a fact
	Else    Verdict
	Reason  string
}

// Compare is a comparison of the language.
type Compare string

// The comparisons.
const (
	Is      Compare = "is"
	IsNot   Compare = "is not"
	AtLeast Compare = "at least"
	AtMost  Compare = "at most"
	Names   Compare = "names"      // a text holds another
	NamesNo Compare = "names no"   // a text does not
	Known   Compare = "is known"   // the probe reported the fact; takes no value
	Unknown Compare = "is unknown" // it did not; takes no value
)

// Read is the clause as plain values, with the names of the specification's
// vectors.
func (c Clause) Read() map[string]any {
	with := map[string]string{}
	for name, v := range c.With {
		with[name] = v.String()
	}
	var steps []map[string]any
	for _, s := range c.Steps {
		var expects []map[string]string
		for _, e := range s.Expects {
			expects = append(expects, map[string]string{
				"fact": e.Fact, "compare": string(e.Compare), "want": e.Want, "else": string(e.Else), "reason": e.Reason,
			})
		}
		steps = append(steps, map[string]any{"do": s.Probe, "args": s.Args, "expect": expects})
	}
	return map[string]any{
		"id": c.ID, "title": c.Title, "swear": c.Text, "remedy": c.Remedy, "check": c.About, "with": with, "needs": c.Needs,
		"atMost": c.AtMost.String(), "shows": c.Shows, "upTo": c.Bound, "unshown": c.Unshown, "steps": steps, "sha256": c.SHA256,
	}
}
