package wire

import "time"

// Public facts of a node, all below NodePath and readable by anybody. Every
// document is kept, byte for byte, for as long as the node lives: its place is
// FactPath(sha256), which is also the ref of its entry in the public log. A
// document's place by name answers with the newest one that stands in the log,
// never with one that does not yet.
const (
	// Places with one document, whose SHA-256 the newest entry of its type names.
	OathPath           = NodePath + "/oath"            // DSSE; entry "oath"; 404 where nothing is sworn
	MeterCataloguePath = NodePath + "/meter-catalogue" // MeterCatalogue; entry "meter-catalogue"
	NamingPolicyPath   = NodePath + "/naming-policy"   // Policy; entry "naming-policy"
	ReleasePath        = NodePath + "/release"         // Release; entry "release"
	KeysPath           = NodePath + "/keys"            // Keys; entry "key"

	// Places with a list (FactList), newest first: each of its facts names the
	// document and the entry.
	PoliciesPath     = NodePath + "/policies"      // of Policy; entries "policy"
	IncidentsPath    = NodePath + "/incidents"     // of Incident; entries "incident"
	LegalDemandsPath = NodePath + "/legal-demands" // of LegalDemand; entries "legal-demand"
	ServicesPath     = NodePath + "/services"      // of Policy; entries "service"
	FactsPath        = NodePath + "/facts"         // of every type

	// MeasurementsPath answers with what the published results of checks say
	// (Measurements). Each result is a document of an entry "check".
	MeasurementsPath = NodePath + "/measurements"

	// SecurityPath is where strangers find whom to tell about a weakness (RFC
	// 9116); OldSecurityPath leads there.
	SecurityPath    = "/.well-known/security.txt"
	OldSecurityPath = "/security.txt"
)

// Limits of facts.
const (
	MaxFact  = 256 << 10 // a document, bytes
	MaxFacts = 1000      // facts in one list
)

// FactPath is where a document is kept for good: by the SHA-256 of its bytes in
// lower-case hexadecimal.
func FactPath(sha256 string) string { return FactsPath + "/" + sha256 }

// Fact is one document and where it stands in the public log.
type Fact struct {
	N      int64     `json:"n"`      // order of arrival
	Type   string    `json:"t"`      // type of the entry: "policy"
	Name   string    `json:"name"`   // which of several: a policy's name; may be empty
	At     time.Time `json:"at"`     // of the entry
	SHA256 string    `json:"sha256"` // of the document, lower-case hexadecimal
	Ref    string    `json:"ref"`    // FactPath of it
	Index  uint64    `json:"index"`  // of the entry in the public log
	Kind   string    `json:"kind"`   // media type of the document
	Now    bool      `json:"now"`    // no newer one took its place
	// Counts are those of a legal demand, About the domain of a check.
	Counts map[string]int `json:"counts,omitempty"`
	About  string         `json:"about,omitempty"`
}

// FactList answers the places with a list, newest first.
type FactList struct {
	Authority string `json:"authority"`
	Facts     []Fact `json:"facts"`
	// More: there are older ones; ask for those ?before= the last one's n.
	More bool `json:"more,omitempty"`
}

// Keys are the keys that a node signs with, at KeysPath. A key that was replaced
// stays readable as an older fact.
type Keys struct {
	V         int       `json:"v"` // 1
	Authority string    `json:"authority"`
	Keys      []NodeKey `json:"keys"`
}

// Release is what software a node says it runs, at ReleasePath.
type Release struct {
	V       int    `json:"v"` // 1
	Version string `json:"version"`
	// Binary is the SHA-256 of the program's file in hexadecimal, empty where
	// the system does not tell which file that is.
	Binary   string `json:"binary,omitempty"`
	Platform string `json:"platform"` // "linux/amd64"
	Revision string `json:"revision,omitempty"`
	// Assets is the SHA-256 of the web assets' manifest as served at
	// /.well-known/primum-assets.json, which lists the hash of each.
	Assets string `json:"assets"`
}

// Policy is rules or a description, in words, at PoliciesPath, NamingPolicyPath
// and ServicesPath.
type Policy struct {
	V    int    `json:"v"`    // 1
	Name string `json:"name"` // "node": what this node does; "naming"; or the operator's own
	// Texts are the same words by language ("en").
	Texts map[string]Text `json:"texts"`
	// Settings are what the program enforces, if any: "retention": "720h0m0s".
	Settings map[string]string `json:"settings,omitempty"`
	// Review is the day by which the operator looks at it again, "2027-11-23".
	Review string `json:"review,omitempty"`
	// Own marks a naming policy in the operator's words; else they are the
	// program's. Version counts naming policies from 1; Replaces is the SHA-256
	// of the one before, hexadecimal.
	Own      bool   `json:"own,omitempty"`
	Version  int    `json:"version,omitempty"`
	Replaces string `json:"replaces,omitempty"`
}

// Text is a title and paragraphs in one language, plain.
type Text struct {
	Title string `json:"title"`
	Body  string `json:"body"`
}

// Incident is something that went wrong, at IncidentsPath. A later fact with the
// same ID takes its place.
type Incident struct {
	V     int             `json:"v"` // 1
	ID    string          `json:"id"`
	Began time.Time       `json:"began"`
	Ended *time.Time      `json:"ended,omitempty"` // nil: it goes on
	Texts map[string]Text `json:"texts"`
}

// LegalDemand is how many demands of authorities came in a period, at
// LegalDemandsPath. It never says about whom.
type LegalDemand struct {
	V        int    `json:"v"`    // 1
	From     string `json:"from"` // first day, "2026-01-01"
	To       string `json:"to"`   // last day
	Received int    `json:"received"`
	Answered int    `json:"answered"`
	Refused  int    `json:"refused"`
	Note     string `json:"note,omitempty"`
}

// MeterCatalogue is all that the node counts of organisations, at
// MeterCataloguePath.
type MeterCatalogue struct {
	V      int      `json:"v"`     // 1
	Per    string   `json:"per"`   // "hour"
	Of     string   `json:"of"`    // "organisation-domain"
	Never  []string `json:"never"` // "persons", "rights"
	Meters []Meter  `json:"meters"`
}

// Meter is one thing that is counted. Quota is per day and organisation domain,
// 0: none. Price is empty: nothing is charged by this software.
type Meter struct {
	ID    string          `json:"id"`   // "delivered"
	Unit  string          `json:"unit"` // "message", "byte"
	Quota uint64          `json:"quota,omitempty"`
	Price string          `json:"price,omitempty"`
	Texts map[string]Text `json:"texts"`
}

// Verdicts of a measurement. There is no "kept": an outside check can't see a
// disk.
const (
	VerdictBroken   = "broken"
	VerdictNoBreach = "no-breach-seen"
	VerdictNotShown = "not-shown"
)

// Measurements are the last results of checks that the operator has published,
// at MeasurementsPath. Anybody's own check counts as much.
type Measurements struct {
	Authority string       `json:"authority"`
	Clauses   []ClauseSeen `json:"clauses"` // by id
}

// ClauseSeen is one clause and what was measured of it, newest first, 30 at
// most.
type ClauseSeen struct {
	Clause       string        `json:"clause"` // "O03"
	Measurements []Measurement `json:"measurements"`
}

// Measurement is one clause in one result. Value is what was measured, if the
// clause has a number: milliseconds, a ratio.
type Measurement struct {
	Clause  string    `json:"clause"` // "O03"
	At      time.Time `json:"at"`
	Checker string    `json:"checker"`          // key or domain of who checked
	Verdict string    `json:"verdict"`          // broken, no-breach-seen, not-shown
	Reason  string    `json:"reason,omitempty"` // of not-shown and broken
	// Unshown are parts of the clause that this check can't show, whatever its
	// verdict.
	Unshown []string `json:"unshown,omitempty"`
	Value   *float64 `json:"value,omitempty"`
	Unit    string   `json:"unit,omitempty"`
	Bound   *float64 `json:"bound,omitempty"` // beyond which the clause is broken
	SHA256  string   `json:"sha256"`          // of the signed result (DSSE)
	Ref     string   `json:"ref"`             // FactPath of it
	Index   uint64   `json:"index"`           // of its entry "check"
}

// Usage answers GET /v1/usage: what was counted of the caller's organisation.
// Domain is empty for a person, of whom nothing is counted.
type Usage struct {
	Domain string     `json:"domain"`
	Sums   []UsageSum `json:"sums"`
}

// UsageSum is the sum of a meter over one hour of UTC.
type UsageSum struct {
	Hour  time.Time `json:"hour"`
	Meter string    `json:"meter"`
	N     uint64    `json:"n"`
}
