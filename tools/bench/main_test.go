package main

import (
	"strings"
	"testing"
)

func TestRowsAreJudgedByTheirMedian(t *testing.T) {
	rows, err := parseRows(`
# a comment
relay | ./r | BenchmarkR | 1x | relay-msg/s | ratio | >= 0.4 | mosquitto
small | ./n | BenchmarkN | 1x | idle-MB | idle-MB | <= 40 |
. beside | ./n | BenchmarkN | 1x | other-ms | | - |
gone | ./g | BenchmarkG | 1x | a-ms | a-ms | <= 1 |
no peer | ./p | BenchmarkP | 1x | p-ms | p-ratio | >= 3 | a peer`)
	if err != nil {
		t.Fatal(err)
	}
	m := measured{}
	m.read("BenchmarkR", "BenchmarkR-2 \t 1 \t 31000 relay-msg/s\t 0.3 ratio\nBenchmarkR-2 1 52000 relay-msg/s 0.5 ratio\nBenchmarkR-2 1 49000 relay-msg/s 0.41 ratio\n")
	m.read("BenchmarkN", "goos: linux\nBenchmarkN 1 41 idle-MB 7 other-ms\nBenchmarkNoise-2 1 1 idle-MB\nBenchmarkN 1 42 idle-MB 9 other-ms\n")
	m.read("BenchmarkP", "--- SKIP: BenchmarkP\n    p_test.go:7: no peer here\n--- SKIP: BenchmarkPeer\n")
	var out strings.Builder
	err = printTable(&out, rows, m)
	if err == nil || !strings.Contains(err.Error(), "2 bars") {
		t.Errorf("error is %v, want two bars", err)
	}
	for _, want := range []string{"≥ 0.4 49,000 msg/s 0.41 × mosquitto holds", "≤ 40 MB 41.5 MB 1.04 of the bar MISSED", "beside 8 ms", "gone ≤ 1 ms not measured unknown", "no peer ≥ 3 not measured skipped"} {
		if !strings.Contains(strings.Join(strings.Fields(out.String()), " "), want) {
			t.Errorf("the table does not say %q:\n%s", want, out.String())
		}
	}
}

func TestTheBarsAreReadable(t *testing.T) {
	rows, err := parseRows(barsText)
	if err != nil || len(rows) == 0 {
		t.Fatalf("%d rows, %v", len(rows), err)
	}
	for _, r := range rows {
		m := measured{}
		m.read(r.benchmark, r.benchmark+"-2 1 1 "+r.shown+" 1 "+r.judged)
		if _, _, _, _, err := r.cells(m); err != nil {
			t.Error(err)
		}
	}
	if _, err := parseRows("a | b"); err == nil {
		t.Error("a row of two fields is taken")
	}
}
