package main

import (
	"slices"
	"strings"
	"testing"
	"time"

	"primum/grant"
)

func appIn(t *testing.T, lang string) *app {
	t.Helper()
	m := newMachine(t)
	m.env = map[string]string{"LC_ALL": lang}
	a, err := newApp(m.surroundings(&syncBuffer{}, &syncBuffer{}))
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func precisions() []grant.Precision {
	level, minute := 12, grant.Duration(time.Minute)
	return []grant.Precision{
		{Change: true},
		{Change: true, Delay: grant.Day},
		{Every: minute, Stat: grant.Mean},
		{Every: 2 * minute, Stat: grant.Last},
		{Every: 90 * minute, Stat: grant.Sum},
		{Every: grant.Day, Stat: grant.Min, Round: 0.5},
		{Every: 2 * grant.Week, Stat: grant.Max, Place: &level, Delay: 3 * grant.Duration(time.Hour)},
		{Every: 3 * grant.Week, Stat: grant.Last},
		{Every: grant.Duration(1500 * time.Millisecond), Stat: grant.Mean},
	}
}

// In English the catalogue says what package grant says.
func TestFineIsAsGrantSays(t *testing.T) {
	t.Parallel()
	a := appIn(t, "C")
	for _, p := range precisions() {
		if got, want := a.fine(p), p.Words(); got != want {
			t.Errorf("%q, grant says %q", got, want)
		}
	}
}

func TestTermsAreAsGrantSays(t *testing.T) {
	t.Parallel()
	a := appIn(t, "C")
	for _, p := range precisions() {
		terms := grant.Terms{
			Details: []grant.Detail{
				{Title: "lamp", Actions: []string{grant.OpRead, grant.OpWrite, grant.OpInvoke}, Datatypes: []string{"state", "level"}, Precision: p},
			},
			Owner:          grant.OwnerPseudonymous,
			Valid:          grant.Interval{From: time.Date(2026, 11, 22, 14, 5, 0, 0, time.UTC), Until: time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)},
			Conditionality: &grant.Conditionality{Price: "3 EUR", Benefit: "a discount"},
		}
		terms.Grantee.Name = "Advice"
		terms.Process.Purpose = grant.Purpose{Class: "https://w3id.org/dpv#EnergyAdvice", Label: "energy advice"}
		terms.Process.Storage.Retention, terms.OnWithdrawal.GranteeDeletesWithin = grant.Day, 30*grant.Day
		if got, want := a.terms(terms), grant.Lines(terms, time.UTC); !slices.Equal(got, want) {
			t.Errorf("catalogue:\n%s\ngrant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
}

// Other languages say it with their own plurals.
func TestFineInOtherLanguages(t *testing.T) {
	t.Parallel()
	for lang, want := range map[string][]string{
		"de_DE.UTF-8": {"ein Mittelwert je Minute", "der letzte Wert je 2 Minuten", "eine Minute"},
		"ar_EG.UTF-8": {"متوسط واحد كل دقيقة", "آخر قيمة كل دقيقتين", "دقيقة واحدة"},
	} {
		a, minute := appIn(t, lang), grant.Duration(time.Minute)
		got := []string{
			a.fine(grant.Precision{Every: minute, Stat: grant.Mean}), a.fine(grant.Precision{Every: 2 * minute, Stat: grant.Last}), a.span(minute),
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", lang, got, want)
		}
	}
}
