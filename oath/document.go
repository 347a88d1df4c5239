package oath

import "time"

// Document is what an operator swears: which clauses, in which words, and what
// it does not swear. It is served at Path inside a DSSE envelope signed by the
// node's key. Source: L15, docs/spec/oath.md.
type Document struct {
	V         int        `json:"v"` // 1
	Domain    string     `json:"domain"`
	At        time.Time  `json:"at"`
	Until     time.Time  `json:"until"` // the oath is reviewed before; at most 24 months
	Contact   string     `json:"contact,omitempty"`
	Clauses   []Sworn    `json:"clauses"`
	NotSworn  []NotSworn `json:"not_sworn"`
	Supported *time.Time `json:"supported_until,omitempty"` // end of security updates
	Replaces  string     `json:"replaces,omitempty"`        // sha256 of the document before
}

// Sworn is one clause as the operator swears it.
type Sworn struct {
	ID         string            `json:"id"`
	Title      string            `json:"title"`
	Text       string            `json:"text"`
	Parameters map[string]string `json:"parameters,omitempty"`
	Remedy     string            `json:"remedy"`
	Check      string            `json:"check"` // sha256 of the clause file, hex
}

// NotSworn is a clause that the operator leaves out, with the reason.
type NotSworn struct {
	ID     string `json:"id"`
	Reason string `json:"reason"`
}
