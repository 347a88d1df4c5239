package grant

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"primum/identity"
)

func TestAllows(t *testing.T) {
	t.Parallel()
	s, e := give(t, params(t))
	terms, _, err := VerifyGrant(e, s.Terms, s.Opening)
	if err != nil {
		t.Fatal(err)
	}
	thing := terms.Details[0].Identifier
	if d, err := Allows(terms, thing, OpObserve, "flow"); err != nil || d.Title != "water" {
		t.Errorf("observe: %v, %v", d, err)
	}
	for _, c := range [][3]string{
		{thing, OpWrite, "flow"}, {thing, OpObserve, "pressure"}, {"urn:primum:thing:" + circleB, OpObserve, "flow"}, {"", "", ""},
	} {
		_, err := Allows(terms, c[0], c[1], c[2])
		var denied *Denied
		if !errors.As(err, &denied) || denied.Kind != KindGrantRequired {
			t.Errorf("%v: %v", c, err)
		}
	}
	if err := AllowsPurpose(terms, "dpv:OptimiseUserInterface"); err != nil {
		t.Errorf("narrower purpose: %v", err)
	}
	for _, class := range []string{"dpv:ServiceManagement", "dpv:Marketing", "dpv:Nonsense", ""} {
		var denied *Denied
		if err := AllowsPurpose(terms, class); !errors.As(err, &denied) || denied.Kind != KindPurpose {
			t.Errorf("%s: %v", class, err)
		}
	}
}

func TestPrecisionWithin(t *testing.T) {
	t.Parallel()
	level := func(n int) *int { return &n }
	minute := Duration(time.Minute)
	granted := Precision{Every: minute, Stat: Mean, Round: 0.1, Place: level(10), Delay: minute}
	fits := []Precision{granted, {Every: 5 * minute, Stat: Mean, Round: 1, Place: level(8), Delay: 2 * minute}, {Every: minute, Stat: Mean, Round: 0.1, Delay: minute}}
	for _, p := range fits {
		if err := p.Within(granted); err != nil {
			t.Errorf("%+v: %v", p, err)
		}
	}
	finer := []func(*Precision){
		func(p *Precision) { p.Every = Duration(time.Second) },
		func(p *Precision) { p.Every = 90 * Duration(time.Second) },
		func(p *Precision) { p.Stat = Max },
		func(p *Precision) { p.Round = 0 },
		func(p *Precision) { p.Place = level(11) },
		func(p *Precision) { p.Delay = 0 },
		func(p *Precision) { *p = Precision{Change: true, Round: 1, Delay: minute} },
	}
	for i, change := range finer {
		p := granted
		change(&p)
		var denied *Denied
		if err := p.Within(granted); !errors.As(err, &denied) || denied.Kind != KindPrecision {
			t.Errorf("case %d, %+v: %v", i, p, err)
		}
	}
	if err := (Precision{Every: minute, Stat: Last}).Within(Precision{Change: true}); err != nil {
		t.Errorf("a rhythm within every change: %v", err)
	}
}

func TestWindow(t *testing.T) {
	t.Parallel()
	at := noon().Add(90 * time.Second)
	start, end := Window(at, Duration(time.Minute))
	if !start.Equal(noon().Add(time.Minute)) || !end.Equal(noon().Add(2*time.Minute)) {
		t.Errorf("%v … %v", start, end)
	}
	if start, _ := Window(noon(), Duration(time.Minute)); !start.Equal(noon()) {
		t.Errorf("a window is half-open: %v", start)
	}
	if start, end := Window(time.Unix(-1, 0), Duration(time.Minute)); start.Unix() != -60 || end.Unix() != 0 {
		t.Errorf("before 1970: %v … %v", start, end)
	}
}

func ExampleLines() {
	every := Duration(time.Minute)
	t := Terms{
		Valid: Interval{noon(), time.Date(2026, 11, 30, 0, 0, 0, 0, time.UTC)},
		Grantee: Grantee{
			Account: identity.Address{User: "friend", Authority: "s.example"}, Kind: identity.Person,
		},
		Details: []Detail{
			{Title: "water", Actions: []string{OpObserve}, Datatypes: []string{"flow"}, Precision: Precision{Every: every, Stat: Mean, Round: 0.1}},
			{Title: "lamp", Actions: []string{OpRead, OpWrite}, Datatypes: []string{"state"}, Precision: Precision{Change: true}},
		},
		Process:      Process{Purpose: Purpose{Class: "dpv:OptimisationForConsumer", Label: "energy advice"}, Storage: Storage{30 * Day}},
		OnWithdrawal: OnWithdrawal{EffectWithin, 30 * Day},
	}
	for _, line := range Lines(t, time.UTC) {
		fmt.Println(line)
	}
	// Output:
	// friend@s.example will see: water/flow, one mean per minute, rounded to 0.1
	// friend@s.example will see: lamp/state, every change (the operator sees when something happens)
	// friend@s.example may set: lamp/state
	// from Sun 22 Nov 2026 12:00 UTC until Sun 29 Nov 2026 24:00 UTC
	// for: energy advice (dpv:OptimisationForConsumer)
	// they keep values for at most 30 days, and after Stop delete within 30 days; what they saw before can't be recalled
	// Stop works at any time, without a reason, in about a second
}
