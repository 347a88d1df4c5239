package client

import (
	"encoding/json"
	"path/filepath"
	"testing"
	"time"

	"primum/circle"
	"primum/grant"
)

// TestNoticedInPassing: what is not as the terms say is noticed once, told once,
// counted, and known after a restart; what is as it should be is not.
func TestNoticedInPassing(t *testing.T) {
	t.Parallel()
	end := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	g := circle.GrantInfo{ID: "g", ValidUntil: end, Shared: []circle.SharedName{
		{Thing: "t1", Name: "flow", Precision: circle.Precision{Every: grant.Duration(time.Minute), Stat: grant.Mean, Round: 0.5}},
	}}
	other := circle.GrantInfo{ID: "h", Shared: []circle.SharedName{{Thing: "t2", Name: "flow", Precision: circle.Precision{Change: true}}}}
	grants := []circle.GrantInfo{g, other}
	var told []string
	p := &passing{
		file: filepath.Join(t.TempDir(), NoticedFile), now: func() time.Time { return end },
		given: func() []circle.GrantInfo { return grants }, tell: func(n Noticed) { told = append(told, n.Clause+" "+n.Reason+" "+n.Grant) },
	}
	value := func(id, name string, at time.Time, v string) {
		t.Helper()
		e := circle.Event{Kind: circle.EventValue, Grant: id, Op: "observeproperty", Name: name, ValueAt: at, Value: json.RawMessage(v)}
		if err := p.value(e); err != nil {
			t.Fatal(err)
		}
	}
	early := end.Add(-time.Hour)
	value("g", "flow", early, "3.5")
	value("g", "flow", early, "-1234567.5")
	value("g", "flow", early, `"text"`)
	value("h", "flow", early.Add(time.Millisecond), "3.14159")
	value("unknown", "flow", early, "1")
	if err := p.joined(); err != nil || len(told) != 0 {
		t.Fatalf("%v; noticed in what is as it should be: %q", err, told)
	}
	value("g", "flow", early, "3.14")
	value("g", "flow", early.Add(time.Second), "3")
	value("g", "lamp", early, "1")
	value("g", "flow", end.Add(time.Hour), "3")
	grants[1].Shared[0].Thing = "t1"
	if err := p.joined(); err != nil {
		t.Fatal(err)
	}
	want := []string{"O05 finer-than-given g", "O05 not-given g", "O03 after-the-end g", "O08 identifier-reused h"}
	if len(told) != len(want) {
		t.Fatalf("told %q, want %q", told, want)
	}
	for i := range want {
		if told[i] != want[i] {
			t.Errorf("told %q, want %q", told[i], want[i])
		}
	}
	if p.all[0].Times != 2 {
		t.Errorf("counted %d times, want 2", p.all[0].Times)
	}
	again := &passing{file: p.file}
	if err := again.open(); err != nil || len(again.all) != len(want) {
		t.Errorf("after a restart: %v, %d findings", err, len(again.all))
	}
}
