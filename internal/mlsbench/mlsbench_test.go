package mlsbench

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestRunFillsEveryCell runs the workload on small groups.
func TestRunFillsEveryCell(t *testing.T) {
	t.Parallel()
	var told []string
	o := Options{Sizes: []int{2, 5}, Quick: true, Progress: func(done, total int, what string) {
		if done > total {
			t.Errorf("%d of %d", done, total)
		}
		told = append(told, what)
	}}
	rows, err := Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	suites := len(o.withDefaults().Suites)
	if want := suites * 2 * len(Operations()); len(rows) != want {
		t.Fatalf("%d rows, want %d", len(rows), want)
	}
	for _, r := range rows {
		if r.Time <= 0 || r.Allocs < 0 || r.Bytes < 0 || r.Wire <= 0 || r.Suite == "" {
			t.Errorf("row %+v lacks something", r)
		}
	}
	if len(told) != suites*2+1 || told[len(told)-1] != "done" {
		t.Errorf("progress told %q", told)
	}
	var out bytes.Buffer
	Print(&out, rows)
	for _, op := range Operations() {
		if !strings.Contains(out.String(), op) {
			t.Errorf("the table lacks %s:\n%s", op, out.String())
		}
	}
}

func TestRunStopsWhenAsked(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Run(ctx, Options{Sizes: []int{2}}); !errors.Is(err, context.Canceled) {
		t.Errorf("error is %v", err)
	}
	if _, err := Run(t.Context(), Options{Sizes: []int{1}}); err == nil {
		t.Error("a group of one is measured")
	}
}

// TestSidesTakeTurns measures two sides: each has as many samples.
func TestSidesTakeTurns(t *testing.T) {
	t.Parallel()
	cells, err := Measure(t.Context(), Options{Sizes: []int{2}, Quick: true}, Ours{}, Ours{})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range cells {
		if n := len(c.Samples[0]); n < 3 || n != len(c.Samples[1]) {
			t.Errorf("%s: %d and %d samples", c.Operation, n, len(c.Samples[1]))
		}
	}
}

func TestFigures(t *testing.T) {
	t.Parallel()
	got := []string{
		Duration(12), Duration(1234 * time.Nanosecond), Duration(45678 * time.Microsecond), Duration(2 * time.Second),
		Size(999), Size(1234), Size(999_499), Size(2_345_678),
	}
	want := []string{"12 ns", "1.23 µs", "45.7 ms", "2 s", "999 B", "1.23 KB", "999 KB", "2.35 MB"}
	if !slices.Equal(got, want) {
		t.Errorf("figures are %q, want %q", got, want)
	}
	m := Median([]Sample{{Time: 3, Allocs: 1}, {Time: 1, Allocs: 9}, {Time: 2, Allocs: 5}})
	if m.Time != 2 || m.Allocs != 5 {
		t.Errorf("median is %+v", m)
	}
}
