package alert_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"primum/client/alert"
)

func noon() time.Time { return time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC) }

func limit(v float64) *float64 { return &v }

// rings counts rings of values a minute apart; the state goes through its
// stored form at every step, as over reloads.
func rings(t *testing.T, r alert.Rule, values ...string) (n int) {
	t.Helper()
	var s alert.State
	for i, v := range values {
		for range 2 { // every value comes twice
			next, ring, changed := r.Next(s, noon().Add(time.Duration(i)*time.Minute), json.RawMessage(v))
			if ring {
				n++
			}
			if !changed {
				continue
			}
			b, err := json.Marshal(next)
			if err != nil {
				t.Fatal(err)
			}
			s = alert.State{}
			if err := json.Unmarshal(b, &s); err != nil {
				t.Fatal(err)
			}
		}
	}
	return n
}

func TestRingsOncePerCrossing(t *testing.T) {
	t.Parallel()
	above, below, zero := alert.Rule{Above: limit(30)}, alert.Rule{Below: limit(5)}, alert.Rule{Above: limit(0)}
	for _, c := range []struct {
		name   string
		rule   alert.Rule
		values string
		want   int
	}{
		{"never", above, "1 29.9 30", 0},
		{"once, and stays", above, "29 31 32 40 31", 1},
		{"already past", above, "31 32", 1},
		{"trembles", above, "31 29.9 30.1 29.8 30.2 29.9 31", 1},
		{"comes back by the margin", above, "31 29.4 31", 2},
		{"comes back for five minutes", above, "31 29.9 29.9 29.9 29.9 29.9 29.9 31", 2},
		{"comes back for four", above, "31 29.9 29.9 29.9 29.9 31 29.9", 1},
		{"below", below, "6 5 4.9 5.05 4.9 5.2 4", 2},
		{"a limit of nothing", zero, "1 -1 1 -1 1", 1},
		{"a limit of nothing, settled", zero, "1 -1 -1 -1 -1 -1 -1 1", 2},
		{"nothing measured", above, "31 null 31 null", 1},
		{"no number", above, `"ON" true {} 29 []`, 0},
		{"equals", alert.Rule{Equals: "on"}, `"OFF" "ON" "ON" "OFF" "on"`, 2},
		{"equals a boolean", alert.Rule{Equals: "ON"}, `false true false true 1`, 2},
		{"equals a word of truth", alert.Rule{Equals: "false"}, `true false`, 1},
		{"equals a number", alert.Rule{Equals: "3"}, `2 3.0 2 3`, 2},
	} {
		if n := rings(t, c.rule, strings.Fields(c.values)...); n != c.want {
			t.Errorf("%s: rings %d times, want %d", c.name, n, c.want)
		}
	}
}

func TestOldValuesDoNotRing(t *testing.T) {
	t.Parallel()
	r := alert.Rule{Above: limit(30)}
	s, ring, _ := r.Next(alert.State{}, noon(), json.RawMessage("31"))
	if !ring || !s.Rang() || !s.Since.Equal(noon()) {
		t.Fatal("did not ring")
	}
	s, _, _ = r.Next(s, noon().Add(time.Minute), json.RawMessage("1"))
	if s.Rang() {
		t.Fatal("not ready again")
	}
	if _, ring, changed := r.Next(s, noon().Add(30*time.Second), json.RawMessage("99")); ring || changed {
		t.Error("a value that came late rings")
	}
}

func TestRules(t *testing.T) {
	t.Parallel()
	for _, r := range []alert.Rule{
		{},
		{Above: limit(1), Below: limit(2)},
		{Above: limit(1), Equals: "x"},
		{Above: limit(math.NaN())},
		{Below: limit(math.Inf(1))},
		{Equals: strings.Repeat("x", 300)},
	} {
		if err := r.Check(); !errors.Is(err, alert.ErrRule) {
			t.Errorf("%+v is taken", r)
		}
	}
	for _, r := range []alert.Rule{{Above: limit(0)}, {Below: limit(-5)}, {Equals: "ON"}} {
		if err := r.Check(); err != nil {
			t.Errorf("%+v: %v", r, err)
		}
	}
}

func FuzzNext(f *testing.F) {
	f.Add(30.0, "31", int64(60))
	f.Add(0.0, `"ON"`, int64(-60))
	f.Fuzz(func(t *testing.T, l float64, value string, seconds int64) {
		for _, r := range []alert.Rule{{Above: &l}, {Below: &l}, {Equals: fmt.Sprint(l)}} {
			s, _, _ := r.Next(alert.State{}, noon(), json.RawMessage(value))
			next, ring, changed := r.Next(s, noon().Add(time.Duration(seconds%1e6)*time.Second), json.RawMessage(value))
			if ring || changed && next == s {
				t.Errorf("the same value rings again, or changes nothing: %+v %+v", s, next)
			}
		}
	})
}
