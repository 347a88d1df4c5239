package reduce

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
)

var start = time.Date(2026, 11, 22, 14, 0, 0, 0, time.UTC)

func add(t *testing.T, s *Series, after time.Duration, v string) {
	t.Helper()
	if !s.Add(start.Add(after), json.RawMessage(v)) {
		t.Fatalf("value %s at %s was not taken", v, after)
	}
}

func TestStatsOfAWindow(t *testing.T) {
	t.Parallel()
	for stat, want := range map[string]string{Mean: "4", Min: "1", Max: "9", Last: "2", Sum: "12", "": "4"} {
		s := New(Rule{Every: time.Minute, Stat: stat, Place: PlaceExact}, start)
		add(t, s, 0, "1")
		add(t, s, 59*time.Second, "2")
		add(t, s, 30*time.Second, "9")
		got := s.Due(start.Add(time.Minute))
		if len(got) != 1 || string(got[0].Value) != want || !got[0].At.Equal(start.Add(time.Minute)) {
			t.Errorf("%s: %s, want %s", stat, fmt.Sprint(got), want)
		}
	}
}

func TestWindowsAreHalfOpenAndAligned(t *testing.T) {
	t.Parallel()
	s := New(Rule{Every: time.Hour, Stat: Sum}, start.Add(20*time.Minute))
	add(t, s, 20*time.Minute, "1")
	add(t, s, time.Hour, "10") // the next window's first instant
	if got := s.Due(start.Add(time.Hour - 1)); len(got) != 0 {
		t.Errorf("an open window was handed out: %v", got)
	}
	got := s.Due(start.Add(2 * time.Hour))
	if len(got) != 2 || string(got[0].Value) != "1" || string(got[1].Value) != "10" {
		t.Errorf("windows %v", got)
	}
	if s.Add(start.Add(time.Minute), json.RawMessage("5")) {
		t.Error("a value came into a window that was handed out")
	}
}

func TestEmptyWindowsAreHandedOutToo(t *testing.T) {
	t.Parallel()
	s := New(Rule{Every: time.Minute, Stat: Mean}, start)
	got := s.Due(start.Add(3 * time.Minute))
	if len(got) != 3 || got[0].Value != nil {
		t.Errorf("windows %v", got)
	}
	if next, ok := s.NextDue(); !ok || !next.Equal(start.Add(4*time.Minute)) {
		t.Errorf("next due %s", next)
	}
}

func TestAJumpOfTheClockIsBounded(t *testing.T) {
	t.Parallel()
	s := New(Rule{Every: time.Second, Stat: Mean}, start)
	add(t, s, 0, "7")
	got := s.Due(start.AddDate(1, 0, 0))
	if len(got) > maxBehind+1 || string(got[0].Value) != "7" {
		t.Errorf("%d windows, the first %s", len(got), got[0].Value)
	}
	for i := range 2 * maxWaiting {
		s.Add(start.AddDate(2, 0, i), json.RawMessage("1"))
	}
	if len(s.windows) > maxWaiting {
		t.Errorf("%d windows wait", len(s.windows))
	}
}

func TestDelayHoldsBack(t *testing.T) {
	t.Parallel()
	s := New(Rule{Every: time.Minute, Stat: Mean, Delay: time.Hour}, start)
	add(t, s, time.Second, "3")
	if got := s.Due(start.Add(59 * time.Minute)); len(got) != 0 {
		t.Errorf("before the delay: %v", got)
	}
	if got := s.Due(start.Add(61 * time.Minute)); len(got) != 1 || string(got[0].Value) != "3" {
		t.Errorf("after the delay: %v", got)
	}
	c := New(Rule{Delay: time.Minute, Place: PlaceExact}, start)
	add(t, c, 0, `"ON"`)
	if got := c.Due(start.Add(59 * time.Second)); len(got) != 0 {
		t.Errorf("a change before the delay: %v", got)
	}
	if got := c.Due(start.Add(time.Minute)); len(got) != 1 {
		t.Errorf("a change after the delay: %v", got)
	}
}

func TestOnChangeOnlyChangesLeave(t *testing.T) {
	t.Parallel()
	s := New(Rule{Round: 10}, start)
	add(t, s, 0, "12")
	if s.Add(start.Add(time.Second), json.RawMessage("13")) {
		t.Error("a value that rounds to the same was a change")
	}
	add(t, s, 2*time.Second, "18")
	if s.Add(start.Add(time.Second), json.RawMessage("99")) {
		t.Error("a value from the past was taken")
	}
	got := s.Due(start.Add(time.Minute))
	if len(got) != 2 || string(got[0].Value) != "10" || string(got[1].Value) != "20" {
		t.Errorf("changes %v", got)
	}
	if _, ok := s.NextDue(); ok {
		t.Error("something is planned without a change")
	}
}

func TestRoundingShowsNoMoreThanTheStep(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		v, want string
		step    float64
	}{
		{"812.345", "812", 1},
		{"812.345", "812.3", 0.1},
		{"812.345", "800", 100},
		{"-0.04", "0", 0.1},
		{"2.675", "2.68", 0.01},
		{"0.30000000000000004", "0.3", 0},
		{"1e300", "1e+300", 0},
		{"17", "15", 5},
		{"17", "17.5", 2.5},
	} {
		s := New(Rule{Every: time.Second, Stat: Mean, Round: c.step}, start)
		add(t, s, 0, c.v)
		if got := s.Due(start.Add(time.Second)); string(got[0].Value) != c.want {
			t.Errorf("%s in steps of %v: %s, want %s", c.v, c.step, got[0].Value, c.want)
		}
	}
}

func TestTextsHaveNoMean(t *testing.T) {
	t.Parallel()
	s := New(Rule{Every: time.Minute, Stat: Mean}, start)
	add(t, s, 0, `"OFF"`)
	add(t, s, time.Second, ` "ON" `)
	if got := s.Due(start.Add(time.Minute)); string(got[0].Value) != `"ON"` {
		t.Errorf("value %s", got[0].Value)
	}
	for _, bad := range []string{"", "{", "1e999", "NaN", "01"} {
		if s.Add(start.Add(2*time.Minute), json.RawMessage(bad)) {
			t.Errorf("%q was taken", bad)
		}
	}
}

func TestPlacesBecomeCells(t *testing.T) {
	t.Parallel()
	const here = `{"latitude":51.339695,"longitude":12.373075,"altitude":113,"name":"here"}`
	at := func(place int, v string) string {
		s := New(Rule{Every: time.Minute, Stat: Last, Place: place}, start)
		add(t, s, 0, v)
		return string(s.Due(start.Add(time.Minute))[0].Value)
	}
	if got := at(PlaceExact, here); !strings.Contains(got, "51.339695") {
		t.Errorf("exact: %s", got)
	}
	coarse := at(10, here)
	if strings.Contains(coarse, "51.3396") || strings.Contains(coarse, "altitude") || !strings.Contains(coarse, "cell") || !strings.Contains(coarse, "here") {
		t.Errorf("level 10: %s", coarse)
	}
	if near := at(10, `{"lat":51.3400,"lon":12.3735}`); !strings.Contains(near, `"cell":"`+cellOf(coarse)) {
		t.Errorf("a place nearby is in another cell: %s and %s", near, coarse)
	}
	for _, v := range []string{here, `[{"pos":` + here + `}]`, `{"lat":"51.34","lon":"12.37"}`, `{"type":"Point","coordinates":[12.37,51.34]}`, `{"latitude":51.34}`, `{"Latitude":91,"Longitude":12}`} {
		if got := at(PlaceNone, v); strings.Contains(got, "51.3") || strings.Contains(got, "12.3") {
			t.Errorf("none: %s", got)
		}
		if got := at(10, v); strings.Contains(got, "51.34") && !strings.Contains(got, "cell") {
			t.Errorf("level 10 of %s: %s", v, got)
		}
	}
}

func cellOf(s string) string {
	_, rest, _ := strings.Cut(s, `"cell":"`)
	cell, _, _ := strings.Cut(rest, `"`)
	return cell
}

func FuzzSeries(f *testing.F) {
	f.Add("812.5", int64(0), 10, 0.5)
	f.Add(`{"lat":1,"lon":2}`, int64(1<<40), -2, 0.0)
	f.Add(`[[[{"coordinates":[1]}]]]`, int64(-5), 30, 1e-9)
	f.Fuzz(func(t *testing.T, v string, at int64, place int, round float64) {
		if place < PlaceNone || place > 30 || round < 0 {
			return
		}
		for _, every := range []time.Duration{0, time.Minute} {
			s := New(Rule{Every: every, Stat: Mean, Place: place, Round: round}, start)
			s.Add(start.Add(time.Duration(at)), json.RawMessage(v))
			for _, p := range s.Due(start.Add(time.Hour)) {
				if p.Value != nil && !json.Valid(p.Value) {
					t.Fatalf("%q becomes %q, which is no JSON", v, p.Value)
				}
			}
		}
	})
}
