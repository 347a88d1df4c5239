package grant

import (
	"errors"
	"strings"
	"testing"

	"primum/internal/jws"
)

func number(v float64) *float64 { return &v }

// What may be put in stands in the terms for the grantee to see; wrong ones
// are refused with their place.
func TestInput(t *testing.T) {
	t.Parallel()
	ok := map[string]Input{
		"switch": {Type: "string", Enum: []string{"ON", "OFF"}},
		"dimmer": {Type: "integer", Unit: "%", Minimum: number(0), Maximum: number(100)},
		"yes/no": {Type: "boolean"},
	}
	for name, in := range ok {
		p := params(t)
		p.Shares = []Share{{Thing: "lamp", Title: "lamp", Actions: []string{OpWrite}, Affordances: []string{"state"}, Input: &in}}
		s, _ := give(t, p)
		terms, _, err := VerifyOffer(s.Terms, s.Opening, public(testKey(friendID)))
		if err != nil || terms.Details[0].Input == nil || terms.Details[0].Input.Type != in.Type {
			t.Errorf("%s: %+v, %v", name, terms.Details, err)
		}
	}
	bad := map[string]struct {
		in      Input
		actions []string
		names   []string
	}{
		"/input/type":    {Input{Type: "object"}, []string{OpWrite}, []string{"state"}},
		"/input/enum":    {Input{Type: "number", Enum: []string{"1"}}, []string{OpWrite}, []string{"state"}},
		"/input/enum/0":  {Input{Type: "string", Enum: []string{strings.Repeat("x", maxChoice+1)}}, []string{OpWrite}, []string{"state"}},
		"/input/minimum": {Input{Type: "string", Minimum: number(1)}, []string{OpWrite}, []string{"state"}},
		"/input/maximum": {Input{Type: "number", Minimum: number(2), Maximum: number(1)}, []string{OpWrite}, []string{"state"}},
		"/input/unit":    {Input{Type: "number", Unit: strings.Repeat("x", 33)}, []string{OpWrite}, []string{"state"}},
		"/input":         {Input{Type: "boolean"}, []string{OpWrite}, []string{"state", "other"}},
	}
	for place, c := range bad {
		p := params(t)
		p.Shares = []Share{{Thing: "lamp", Title: "lamp", Actions: c.actions, Affordances: c.names, Input: &c.in}}
		_, err := New(p)
		var at *jws.PlaceError
		if !errors.As(err, &at) || at.Pointer != "/authorization_details/0"+place {
			t.Errorf("%s: %v", place, err)
		}
		if place != "/input" && c.in.Fits() {
			t.Errorf("%s: it fits", place)
		}
	}
	p := params(t)
	p.Shares[0].Input = &Input{Type: "boolean"}
	if _, err := New(p); err == nil {
		t.Error("an input where nothing may be put in was taken")
	}
}
