package grant

import (
	"fmt"
	"math"
	"slices"
)

// maxChoices bounds the values of an Input, and maxChoice the bytes of one.
const (
	maxChoices = 32
	maxChoice  = 64
)

// Input is what may be put into an affordance that can be written or invoked,
// so that who may do that can be shown a switch and not an empty line. It
// restricts nothing: the thing's own description does, at the thing's end. The
// members are those of a W3C WoT data schema.
type Input struct {
	Type    string   `json:"type"` // boolean, number, integer or string
	Unit    string   `json:"unit,omitempty"`
	Enum    []string `json:"enum,omitempty"` // of a string, 32 at most
	Minimum *float64 `json:"minimum,omitempty"`
	Maximum *float64 `json:"maximum,omitempty"`
}

// inputTypes are the types of an Input.
func inputTypes() []string { return []string{"boolean", "number", "integer", "string"} }

func (in *Input) rules(r *rules, at string) {
	r.need(slices.Contains(inputTypes(), in.Type), at+"/type", "not boolean, number, integer or string")
	r.text(in.Unit, at+"/unit", 32)
	r.need(len(in.Enum) <= maxChoices, at+"/enum", "more than %d values", maxChoices)
	r.need(len(in.Enum) == 0 || in.Type == "string", at+"/enum", "only of a string")
	for i, v := range in.Enum {
		r.needText(v, fmt.Sprintf("%s/enum/%d", at, i), maxChoice)
	}
	r.need(in.Minimum == nil || in.isBound(*in.Minimum), at+"/minimum", "only of a number")
	r.need(in.Maximum == nil || in.isBound(*in.Maximum), at+"/maximum", "only of a number")
	r.need(in.Minimum == nil || in.Maximum == nil || *in.Minimum <= *in.Maximum, at+"/maximum", "below the minimum")
}

func (in *Input) isBound(v float64) bool {
	return (in.Type == "number" || in.Type == "integer") && !math.IsInf(v, 0) && !math.IsNaN(v)
}

// Fits tells whether the input keeps to the rules of terms.
func (in Input) Fits() bool {
	r := &rules{}
	in.rules(r, "")
	return r.err == nil
}

// ruleInput checks an input's place: one affordance that takes something.
func (d Detail) ruleInput(r *rules, at string) {
	if d.Input == nil {
		return
	}
	r.need(slices.Contains(d.Actions, OpWrite) || slices.Contains(d.Actions, OpInvoke), at+"/input", "only where something may be put in")
	r.need(len(d.Datatypes) == 1, at+"/input", "only of one affordance")
	d.Input.rules(r, at+"/input")
}
