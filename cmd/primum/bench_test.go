package main

import (
	"strings"
	"testing"

	"primum/internal/mlsbench"
)

// TestBenchMLS measures small groups and reads both kinds of output.
func TestBenchMLS(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	rows := jsonLines(t, m.ok("bench", "mls", "--quick", "--sizes", "2,3", "--json"))
	if want := 2 * 2 * len(mlsbench.Operations()); len(rows) != want {
		t.Errorf("%d rows, want %d", len(rows), want)
	}
	for _, r := range rows {
		for _, figure := range []string{"nanoseconds", "leaves", "size", "allocated", "allocations"} {
			if v, ok := r[figure].(float64); !ok || v <= 0 {
				t.Errorf("%s of %v", figure, r)
			}
		}
		if r["suite"] == "" || r["operation"] == "" {
			t.Errorf("row %v has no name", r)
		}
	}
	table := m.ok("bench", "mls", "--quick", "--sizes", "2", "--suite", "x25519")
	for _, word := range append(mlsbench.Operations(), "medians on this machine", "KB is 1,000 bytes") {
		if !strings.Contains(table, word) {
			t.Errorf("the table does not say %q:\n%s", word, table)
		}
	}
	m.want(exitUsage, "no suite", "bench", "mls", "--suite", "rot13")
	m.want(exitUsage, "from 2 to", "bench", "mls", "--sizes", "1")
	m.want(exitUsage, "unknown command", "bench", "nonsense")
	if out := m.ok("__complete", "bench", "mls", "--suite", ""); !strings.Contains(out, "hybrid") {
		t.Errorf("suites are not completed: %s", out)
	}
	if out := m.ok("__complete", "bench", ""); !strings.Contains(out, "mls") {
		t.Errorf("what to measure is not completed: %s", out)
	}
}

// TestBenchProgress: a terminal sees a bar while it is measured, and neither a
// pipe nor a program does.
func TestBenchProgress(t *testing.T) {
	t.Parallel()
	for name, x := range map[string]struct{ tty, json, bar bool }{
		"terminal": {true, false, true}, "pipe": {false, false, false}, "program": {true, true, false},
	} {
		var out, errOut syncBuffer
		s := newMachine(t).surroundings(&out, &errOut)
		s.errTTY = x.tty
		a, err := newApp(s)
		if err != nil {
			t.Fatal(err)
		}
		a.json = x.json
		var o mlsbench.Options
		done := a.benchProgress(&o)
		if (o.Progress != nil) != x.bar {
			t.Errorf("%s: progress is told: %t", name, o.Progress != nil)
		}
		if o.Progress != nil {
			o.Progress(1, 4, "10 leaves")
			o.Progress(4, 4, "done")
		}
		done()
	}
}
