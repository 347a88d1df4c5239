package grant

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestDuration(t *testing.T) {
	t.Parallel()
	cases := []struct {
		in, out string
		want    time.Duration
	}{
		{"PT1M", "PT1M", time.Minute},
		{"PT60S", "PT1M", time.Minute},
		{"P7D", "P7D", 7 * 24 * time.Hour},
		{"P2W", "P14D", 14 * 24 * time.Hour},
		{"P1DT12H", "P1DT12H", 36 * time.Hour},
		{"PT36H", "P1DT12H", 36 * time.Hour},
		{"PT0.5S", "PT0.5S", time.Second / 2},
		{"PT1.000000001S", "PT1.000000001S", time.Second + 1},
		{"PT0S", "PT0S", 0},
		{"P0D", "PT0S", 0},
		{"P1W2DT3H4M5S", "P9DT3H4M5S", 9*24*time.Hour + 3*time.Hour + 4*time.Minute + 5*time.Second},
	}
	for _, c := range cases {
		d, err := ParseDuration(c.in)
		if err != nil || d.D() != c.want || d.String() != c.out {
			t.Errorf("%s: %v, %v", c.in, d, err)
		}
	}
	for _, bad := range []string{
		"", "P", "PT", "P1", "1D", "PT1D", "P1H", "P1M", "P1Y", "P-1D", "-P1D", "P1.5D", "PT1.S", "PT.5S", "PT1.0000000001S",
		"PT1S1M", "PT1M1M", "P1DT", "P1D T1H", "p1d", "PT1H ", "P9999999999D", "PT9999999999999999999S", "P106751DT24H", "PT+1S", "P1D2D", strings.Repeat("P1D", 40),
	} {
		if d, err := ParseDuration(bad); err == nil {
			t.Errorf("%q: took it as %v", bad, d)
		}
	}
	if _, err := json.Marshal(Duration(-1)); err == nil {
		t.Error("wrote a negative duration")
	}
}

func TestInterval(t *testing.T) {
	t.Parallel()
	var i Interval
	const text = "2026-11-22T14:00:00Z/2026-11-29T14:00:00Z"
	if err := i.UnmarshalText([]byte(text)); err != nil || i.String() != text {
		t.Fatalf("%v, %v", i, err)
	}
	if !i.Contains(i.From) || i.Contains(i.Until) || i.Contains(i.From.Add(-1)) {
		t.Error("an interval is half-open")
	}
	for _, bad := range []string{
		"", "/", "2026-11-22T14:00:00Z", text + "/", "2026-11-22/2026-11-29", "2026-11-22T14:00:00+01:00/2026-11-29T14:00:00Z",
		"2026-11-22T14:00:00.5Z/2026-11-29T14:00:00Z", "2026-11-22T14:00:00Z/P7D", strings.Repeat("2", 100),
	} {
		if err := i.UnmarshalText([]byte(bad)); err == nil {
			t.Errorf("took %q", bad)
		}
	}
}

func TestParseUntil(t *testing.T) {
	t.Parallel()
	zone := time.FixedZone("CET", 3600)
	now := time.Date(2026, 11, 22, 14, 0, 0, 0, zone) // a Sunday
	cases := map[string]string{
		"sunday":                    "2026-11-23T00:00:00+01:00",
		"Sun":                       "2026-11-23T00:00:00+01:00",
		" monday ":                  "2026-11-24T00:00:00+01:00",
		"saturday":                  "2026-11-29T00:00:00+01:00",
		"today":                     "2026-11-23T00:00:00+01:00",
		"Tomorrow":                  "2026-11-24T00:00:00+01:00",
		"2026-12-01":                "2026-12-02T00:00:00+01:00",
		"2026-11-22":                "2026-11-23T00:00:00+01:00",
		"2026-12-01T18:00:00Z":      "2026-12-01T18:00:00Z",
		"2026-11-22T14:00:01+01:00": "2026-11-22T14:00:01+01:00",
	}
	for in, want := range cases {
		if got, err := ParseUntil(in, now); err != nil || got.Format(time.RFC3339) != want {
			t.Errorf("%q: %v, %v, want %s", in, got, err, want)
		}
	}
	for _, bad := range []string{"", "someday", "2026-11-21", "2026-13-01", "2026-11-22T13:00:00+01:00", "22.11.2026", "s"} {
		if got, err := ParseUntil(bad, now); err == nil {
			t.Errorf("%q: took it as %v", bad, got)
		}
	}
}

// Days have 23 or 25 hours where the clocks change.
func TestParseUntilAcrossClockChange(t *testing.T) {
	t.Parallel()
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Skip("no time zone data on this machine")
	}
	now := time.Date(2026, 10, 24, 23, 0, 0, 0, berlin)
	got, err := ParseUntil("sunday", now)
	if err != nil || got.Sub(now) != 26*time.Hour {
		t.Errorf("until %v (%v away), %v", got, got.Sub(now), err)
	}
}

func TestParseForAndEvery(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]time.Duration{
		"7d": 7 * 24 * time.Hour, "2w": 14 * 24 * time.Hour, "36h": 36 * time.Hour, "P7D": 7 * 24 * time.Hour, " 7D ": 7 * 24 * time.Hour,
		"1h30m": 90 * time.Minute, "1d12h": 36 * time.Hour, "90m": 90 * time.Minute, "pt1h": time.Hour, "10s": 10 * time.Second,
	} {
		if got, err := ParseFor(in); err != nil || got.D() != want {
			t.Errorf("for %q: %v, %v", in, got, err)
		}
	}
	for in, want := range map[string]time.Duration{"1m": time.Minute, "PT1M": time.Minute, "1h": time.Hour, "2s": 2 * time.Second, "1d": 24 * time.Hour} {
		if got, err := ParseEvery(in); err != nil || got.D() != want {
			t.Errorf("every %q: %v, %v", in, got, err)
		}
	}
	for _, bad := range []string{"", "7", "0", "0d", "-1d", "d", "1x", "1m1h", "1h1d", "1.5d", "P1M", "1 d", "1mo", "99999999999d", "∞"} {
		if got, err := ParseFor(bad); err == nil {
			t.Errorf("for %q: took it as %v", bad, got)
		}
	}
	for _, bad := range []string{"0s", "0.5s", "1.5s", "32d", "1"} {
		if got, err := ParseEvery(bad); err == nil {
			t.Errorf("every %q: took it as %v", bad, got)
		}
	}
}

func TestWords(t *testing.T) {
	t.Parallel()
	for d, want := range map[Duration][2]string{
		Duration(time.Minute):             {"minute", "one minute"},
		Duration(2 * time.Second):         {"2 seconds", "2 seconds"},
		7 * Day:                           {"week", "one week"},
		14 * Day:                          {"14 days", "14 days"},
		30 * Day:                          {"30 days", "30 days"},
		21 * Day:                          {"3 weeks", "3 weeks"},
		36 * Duration(time.Hour):          {"36 hours", "36 hours"},
		Duration(1500 * time.Millisecond): {"1.5s", "1.5s"},
	} {
		if Words(d) != want[0] || Span(d) != want[1] {
			t.Errorf("%v: %q, %q", d, Words(d), Span(d))
		}
	}
}

func TestPurposes(t *testing.T) {
	t.Parallel()
	for words, want := range map[string]string{
		"energy advice": "dpv:OptimisationForConsumer", " Energy  Advice ": "dpv:OptimisationForConsumer",
		"OptimisationForConsumer": "dpv:OptimisationForConsumer", "dpv:optimisationforconsumer": "dpv:OptimisationForConsumer",
		"research": "dpv:ScientificResearch",
	} {
		if p, err := FindPurpose(words); err != nil || p.Class != want || p.Label == "" {
			t.Errorf("%q: %+v, %v", words, p, err)
		}
	}
	for _, bad := range []string{"", "world domination", "dpv:", "Purpose"} {
		if p, err := FindPurpose(bad); err == nil || !strings.Contains(err.Error(), "energy advice") {
			t.Errorf("%q: %+v, %v", bad, p, err)
		}
	}
	for _, c := range commonPurposes() {
		if !IsPurpose(dpv + c[1]) {
			t.Errorf("%s is no purpose of DPV", c[1])
		}
	}
	for class, top := range map[string]string{
		"dpv:OptimiseUserInterface": "dpv:ServiceManagement", "dpv:ServiceManagement": "dpv:ServiceManagement",
		"dpv:CommercialResearch": "dpv:CommercialPurpose", "dpv:Nonsense": "", "OptimisationForConsumer": "",
	} {
		if got := TopPurpose(class); got != top {
			t.Errorf("top of %s is %q", class, got)
		}
	}
	if !IsA("dpv:CommercialResearch", "dpv:ResearchAndDevelopment") || IsA("dpv:ServiceManagement", "dpv:OptimisationForConsumer") || IsA("", "") {
		t.Error("IsA is wrong")
	}
}

// The embedded table is the one of the vocabulary.
func TestPurposesAreThoseOfDPV(t *testing.T) {
	t.Parallel()
	b, err := os.ReadFile(filepath.Join("..", "..", "shared", "data", "dpv-2.3-purposes.json"))
	if err != nil {
		t.Skip("no ../shared beside this clone: the purpose table is not compared with its source")
	}
	var source map[string][]string
	if err := json.Unmarshal(b, &source); err != nil {
		t.Fatal(err)
	}
	n := 0
	for class, ps := range source {
		if class == "dpv:Purpose" || class == "dpv:Sector" {
			continue
		}
		n++
		var want []string
		for _, p := range ps {
			if p != "dpv:Purpose" {
				want = append(want, strings.TrimPrefix(p, dpv))
			}
		}
		if got, ok := parents(strings.TrimPrefix(class, dpv)); !ok || !slices.Equal(got, want) {
			t.Errorf("%s has parents %v, want %v", class, got, want)
		}
	}
	if lines := strings.Count(purposes, "\n"); lines != n {
		t.Errorf("%d classes, %d in the source", lines, n)
	}
}

// The whole table of states: what is not listed is refused.
func TestStateTable(t *testing.T) {
	t.Parallel()
	type move struct {
		from  State
		event Event
		by    Actor
	}
	allowed := map[move]State{
		{None, Ask, ByGrantee}:       Requested,
		{None, Give, ByOwner}:        Given,
		{Requested, Give, ByOwner}:   Given,
		{Requested, Refuse, ByOwner}: Refused,
		{Requested, Defer, ByOwner}:  Deferred,
		{Requested, Defer, ByClock}:  Deferred,
		{Requested, Expire, ByClock}: Expired,
		{Deferred, Expire, ByClock}:  Expired,
		{Deferred, Give, ByOwner}:    Given,
		{Deferred, Refuse, ByOwner}:  Refused,
		{Given, Supersede, ByOwner}:  Superseded,
		{Given, Withdraw, ByOwner}:   Withdrawn,
		{Given, Revoke, ByGrantee}:   Revoked,
		{Given, Revoke, ByNode}:      Revoked,
		{Given, Expire, ByClock}:     Expired,
		{Given, Pause, ByLease}:      Paused,
		{Paused, Resume, ByLease}:    Given,
		{Paused, Resume, ByOwner}:    Given,
		{Paused, Supersede, ByOwner}: Superseded,
		{Paused, Withdraw, ByOwner}:  Withdrawn,
		{Paused, Revoke, ByGrantee}:  Revoked,
		{Paused, Revoke, ByNode}:     Revoked,
		{Paused, Expire, ByClock}:    Expired,
	}
	states := []State{None, Requested, Given, Refused, Deferred, Expired, Superseded, Withdrawn, Revoked, Paused, "Nonsense"}
	events := []Event{Ask, Give, Refuse, Defer, Expire, Supersede, Withdraw, Revoke, Pause, Resume, "nonsense"}
	actors := []Actor{ByOwner, ByGrantee, ByNode, ByClock, ByLease, "nobody"}
	for _, s := range states {
		for _, e := range events {
			for _, a := range actors {
				want, ok := allowed[move{s, e, a}]
				got, err := Next(s, e, a)
				var refused *TransitionError
				if ok && (err != nil || got != want) || !ok && (!errors.As(err, &refused) || got != s || refused.Error() == "") {
					t.Errorf("%q by %s %s: %q, %v", s, a, e, got, err)
				}
			}
		}
		if s.Terminal() && s.Valid() || s.Valid() != (s == Given) || s.Known() != (s != None && s != "Nonsense") {
			t.Errorf("%q: terminal %v, valid %v, known %v", s, s.Terminal(), s.Valid(), s.Known())
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"PT1M", "P1DT12H", "7d", "1h30m", "sunday", "2026-12-01", "2026-11-22T14:00:00Z/2026-11-29T14:00:00Z", "PT0.5S"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if d, err := ParseDuration(s); err == nil {
			if again, err := ParseDuration(d.String()); err != nil || again != d || d < 0 {
				t.Errorf("%q: %v, then %v, %v", s, d, again, err)
			}
		}
		if d, err := ParseFor(s); err == nil && d <= 0 {
			t.Errorf("for %q: %v", s, d)
		}
		if d, err := ParseEvery(s); err == nil && (d <= 0 || !wholeSeconds(d)) {
			t.Errorf("every %q: %v", s, d)
		}
		if at, err := ParseUntil(s, noon()); err == nil && !at.After(noon()) {
			t.Errorf("until %q: %v", s, at)
		}
		var i Interval
		if err := i.UnmarshalText([]byte(s)); err == nil && i.String() != s {
			t.Errorf("interval %q: %v", s, i)
		}
	})
}
