package engine

import (
	"encoding/json"
	"testing"
	"time"
)

func point(minute int, value string) Point {
	return Point{At: time.Date(2026, 11, 22, 12, minute, 0, 0, time.UTC), Value: json.RawMessage(value)}
}

// TestAlertsRingOnceOverReloads: what a rule remembers is on disk before it
// rings; values that come again after a reload ring nobody.
func TestAlertsRingOnceOverReloads(t *testing.T) {
	t.Parallel()
	dir, limit := t.TempDir(), 30.0
	ref, other := Ref{Home: "h", Thing: "water", Name: "flow"}, Ref{Home: "h", Thing: "water", Name: "volume"}
	open := func() *alerts {
		a, err := openAlerts(dir)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	a := open()
	if err := a.set(keptAlert{Alert: Alert{ID: "1", Ref: ref, Above: &limit}}, false); err != nil {
		t.Fatal(err)
	}
	rings := 0
	for _, p := range []Point{point(1, "29"), point(2, "31"), point(2, "31"), point(3, "32"), point(4, "20"), point(5, "31"), point(3, "99")} {
		for range 2 { // each value comes again after a reload
			a = open()
			for _, r := range []Ref{ref, other} {
				rang, err := a.value(r, p)
				if err != nil || len(rang) > 0 && (r != ref || rang[0].Since != p.At) {
					t.Fatalf("%v: %+v, %v", p.At, rang, err)
				}
				rings += len(rang)
			}
		}
	}
	if rings != 2 {
		t.Errorf("rang %d times, want 2", rings)
	}
	if all := open().of(nil); len(all) != 1 || all[0].Since.IsZero() {
		t.Errorf("alerts: %+v", all)
	}
	if err := a.remove("1"); err != nil || len(open().of(&ref)) != 0 {
		t.Errorf("removed: %v", err)
	}
	if err := a.set(keptAlert{Alert: Alert{ID: "2"}}, true); err == nil {
		t.Error("changed an alert that is not there")
	}
}

// TestAlertsAreBounded.
func TestAlertsAreBounded(t *testing.T) {
	t.Parallel()
	a, err := openAlerts(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for i := range maxAlerts + 1 {
		err = a.set(keptAlert{Alert: Alert{ID: string(rune('a' + i)), Equals: "ON"}}, false)
	}
	if errorOf(err).Code != "alerts-full" {
		t.Errorf("one more: %v", err)
	}
}
