// Package alert tells when a value crosses a limit that a person set for
// themself. It is pure: whoever has the values asks it, in the engine of the
// pages or in the command line; a node never learns of it. L15.
package alert

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"strconv"
	"strings"
	"time"
)

// A rule rings once per crossing: at the first value past its limit. Then it is
// quiet until the value has come back by Margin of the limit, or has been back
// at all for Settle; so a value that trembles about its limit rings once. For a
// limit of 0, of which a part is nothing, only Settle counts. A rule of Equals
// is ready again as soon as the value is another one.
const (
	Margin = 0.02
	Settle = 5 * time.Minute
)

// ErrRule: a rule must have exactly one finite limit, or a value to equal.
var ErrRule = errors.New("an alert needs exactly one of above, below and equals")

// maxEquals bounds the text of Equals, in bytes.
const maxEquals = 256

// Rule is one limit. Exactly one member is set.
type Rule struct {
	Above  *float64 // rings when the number is greater
	Below  *float64 // rings when the number is less
	Equals string   // rings when the value is this: ON, open, 3, true
}

// Check tells whether a rule can be kept; ErrRule.
func (r Rule) Check() error {
	n := 0
	for _, limit := range []*float64{r.Above, r.Below} {
		if limit == nil {
			continue
		}
		if n++; math.IsNaN(*limit) || math.IsInf(*limit, 0) {
			return ErrRule
		}
	}
	if r.Equals != "" {
		n++
	}
	if n != 1 || len(r.Equals) > maxEquals {
		return ErrRule
	}
	return nil
}

// State is what a rule remembers between values; its JSON is its stored form.
// The zero State has seen nothing.
type State struct {
	Since time.Time `json:"since,omitzero"` // it rang then and is not ready again
	Back  time.Time `json:"back,omitzero"`  // the value is back since then
	Last  time.Time `json:"last,omitzero"`  // of the newest value that changed anything
}

// Rang tells whether the rule rang and is not ready again.
func (s State) Rang() bool { return !s.Since.IsZero() }

// Next takes in one value. Values that are not newer than the last that changed
// the state are passed over, so that values may come twice; so is null, which
// means that nothing was measured, and what is no number, for a limit. changed
// says that the state is to be kept before anybody is told.
func (r Rule) Next(s State, at time.Time, value json.RawMessage) (next State, ring, changed bool) {
	past, back, ok := r.judge(value)
	if !ok || !s.Last.IsZero() && !at.After(s.Last) {
		return s, false, false
	}
	switch {
	case !s.Rang() && past:
		return State{Since: at, Last: at}, true, true
	case !s.Rang():
		return s, false, false
	case past && !s.Back.IsZero(): // it came back for a moment only
		return State{Since: s.Since, Last: at}, false, true
	case past:
		return s, false, false
	case back, !s.Back.IsZero() && at.Sub(s.Back) >= Settle:
		return State{Last: at}, false, true
	case s.Back.IsZero():
		return State{Since: s.Since, Back: at, Last: at}, false, true
	}
	return s, false, false
}

// judge tells whether a value is past the limit, or back by the margin.
func (r Rule) judge(value json.RawMessage) (past, back, ok bool) {
	value = bytes.TrimSpace(value)
	if len(value) == 0 || bytes.Equal(value, []byte("null")) {
		return false, false, false
	}
	if r.Equals != "" {
		past = r.equals(value)
		return past, !past, true
	}
	var v float64
	if json.Unmarshal(value, &v) != nil {
		return false, false, false
	}
	limit, sign := r.Above, 1.0
	if limit == nil {
		limit, sign = r.Below, -1.0
	}
	if limit == nil {
		return false, false, false
	}
	margin := Margin * math.Abs(*limit)
	over := sign * (v - *limit)
	return over > 0, margin > 0 && over <= -margin, true
}

// equals compares as a person reads: case does not matter, numbers are numbers,
// and on and off stand for true and false.
func (r Rule) equals(value json.RawMessage) bool {
	want := strings.TrimSpace(r.Equals)
	switch value[0] {
	case '"':
		var s string
		return json.Unmarshal(value, &s) == nil && strings.EqualFold(strings.TrimSpace(s), want)
	case 't', 'f':
		on := value[0] == 't'
		return strings.EqualFold(want, strconv.FormatBool(on)) || strings.EqualFold(want, map[bool]string{true: "on", false: "off"}[on])
	}
	a, err := strconv.ParseFloat(want, 64)
	var b float64
	return err == nil && json.Unmarshal(value, &b) == nil && a == b
}
