package oath

import (
	"errors"
	"time"
)

// Verdict is the outcome of one clause. There is no "kept": an outside check
// can't see a disk.
type Verdict string

// The verdicts.
const (
	Broken   Verdict = "broken"
	NoBreach Verdict = "no breach seen"
	NotShown Verdict = "not shown"
)

// Result is what a check found about one clause.
type Result struct {
	Clause  string    `json:"clause"`
	Title   string    `json:"title"`
	Check   string    `json:"check"` // sha256 of the clause file, hex
	Sworn   string    `json:"sworn"` // "yes", "no", "otherwise" or "unknown"
	Verdict Verdict   `json:"verdict"`
	Reason  string    `json:"reason,omitempty"`  // of broken and not shown
	Unshown []string  `json:"unshown,omitempty"` // parts not shown, whatever the verdict
	Steps   []Seen    `json:"steps"`
	Shown   *Shown    `json:"shown,omitempty"`
	At      time.Time `json:"at"`
	Took    Millis    `json:"took_ms"`
	Bytes   int64     `json:"bytes"`    // both directions
	Asked   int64     `json:"requests"` // requests and connections
}

// Seen is one step of a check as it went.
type Seen struct {
	Probe    string            `json:"probe"`
	Facts    map[string]string `json:"facts,omitempty"`
	Verdict  Verdict           `json:"verdict"`
	Reason   string            `json:"reason,omitempty"`
	Evidence []Evidence        `json:"evidence,omitempty"`
}

// Shown is the one number of a clause that has one.
type Shown struct {
	Fact  string   `json:"fact"`
	Value float64  `json:"value"`
	Unit  string   `json:"unit,omitempty"`  // "ms" or none
	Bound *float64 `json:"bound,omitempty"` // beyond which the clause is broken
}

// Millis is a duration that is written as whole milliseconds.
type Millis int64

// Report is a whole check of one domain.
type Report struct {
	Domain  string    `json:"domain"`
	At      time.Time `json:"at"`
	From    string    `json:"from"` // the checker, as it names itself
	Version string    `json:"version"`
	Oath    string    `json:"oath,omitempty"` // sha256 of the signed document, hex
	Results []Result  `json:"results"`
	// Left says what the check could not take away of what it had made.
	Left string `json:"left,omitempty"`
}

// Evidence is something that a probe saw and that others can judge again.
type Evidence struct {
	What   string    `json:"what"` // one sentence
	At     time.Time `json:"at"`
	Asked  string    `json:"asked,omitempty"`  // the request, as text
	Answer string    `json:"answer,omitempty"` // the answer, as text, cut at MaxEvidence
	Bytes  []byte    `json:"bytes,omitempty"`  // a document or message, cut at MaxEvidence
	SHA256 string    `json:"sha256,omitempty"` // of the whole, hex
	// Replay tells how anybody sees the same again, or how the bytes above prove
	// it by themselves. A step without a Replay can't break a clause.
	Replay string `json:"replay,omitempty"`
}

// MaxEvidence is how many bytes of one answer are kept.
const MaxEvidence = 4 << 10

// NotShownError is the error of a probe that can't observe what it should, with
// the reason in a sentence. Every other error of a probe counts as one, too.
type NotShownError struct{ Reason string }

func (e *NotShownError) Error() string { return e.Reason }

// Unshown makes a NotShownError.
func Unshown(reason string) error { return &NotShownError{Reason: reason} }

// ErrBudget: a clause has used up its time, bytes or requests.
var ErrBudget = errors.New("the check's budget is used up")
