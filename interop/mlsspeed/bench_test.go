package main

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"primum/internal/mlsbench"
)

// BenchmarkMLSBesideMLSGo measures both sides and reports what tools/bench has
// bars for: the speed of ours over theirs in the slowest cell and at 1,000
// leaves, and the allocations of an application message, sealed and opened.
// The whole table goes to standard error.
func BenchmarkMLSBesideMLSGo(b *testing.B) {
	for b.Loop() {
		pairs, err := compare(b.Context(), mlsbench.Options{}, mlsbench.Ours{}, peer{})
		if err != nil {
			b.Fatal(err)
		}
		printPairs(os.Stderr, pairs)
		report(b, pairs)
	}
	b.ReportMetric(0, "ns/op")
}

// BenchmarkMLSWarmBesideMLSGo is the same in groups of 250 members who have all
// committed once.
func BenchmarkMLSWarmBesideMLSGo(b *testing.B) {
	for b.Loop() {
		pairs, err := compare(b.Context(), mlsbench.Options{Sizes: []int{250}}, warmSides()...)
		if err != nil {
			b.Fatal(err)
		}
		printPairs(os.Stderr, pairs)
		for _, p := range pairs {
			b.ReportMetric(float64(p.ours.Time)/1e6, p.operation+"-ms")
			b.ReportMetric(p.speed, p.operation+"-ratio")
		}
	}
	b.ReportMetric(0, "ns/op")
}

func report(b *testing.B, pairs []pair) {
	worst := pairs[0]
	var ours, theirs int64
	for _, p := range pairs {
		if judged(p.operation) && p.speed < worst.speed {
			worst = p
		}
		if p.leaves == 1000 {
			b.ReportMetric(float64(p.ours.Time)/1e6, p.operation+"-1000-ms")
			b.ReportMetric(p.speed, p.operation+"-1000-ratio")
		}
		if p.leaves == 2 && (p.operation == mlsbench.Seal || p.operation == mlsbench.Open) {
			ours, theirs = ours+p.ours.Allocs, theirs+p.theirs.Allocs
		}
	}
	b.ReportMetric(worst.speed, "worst-ratio")
	b.ReportMetric(float64(ours), "message-allocations")
	b.ReportMetric(float64(theirs), "peer-allocations")
	b.Logf("slowest cell beside mls-go: %s at %d leaves, %.2f ×", worst.operation, worst.leaves, worst.speed)
}

// judged tells whether a cell has a bar; the state's encoding is shown only.
func judged(operation string) bool {
	return operation != mlsbench.Save && operation != mlsbench.Load
}

// TestBothSidesDoTheWorkload runs small groups of both and reads the table.
func TestBothSidesDoTheWorkload(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	if err := run(t.Context(), &out, true, false, "2,5"); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if want := 1 + 2*len(mlsbench.Operations()); len(lines) != want {
		t.Errorf("%d lines, want %d:\n%s", len(lines), want, out.String())
	}
	for _, op := range mlsbench.Operations() {
		if n := strings.Count(out.String(), fmt.Sprintf(" %s ", op)); n != 2 {
			t.Errorf("%s stands in %d lines", op, n)
		}
	}
	if err := run(t.Context(), &out, true, true, "4,9"); err != nil {
		t.Errorf("warm trees: %v", err)
	}
	if err := run(t.Context(), &out, true, false, "two"); err == nil {
		t.Error("sizes that are no numbers are taken")
	}
}
