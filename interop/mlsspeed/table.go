package main

import (
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"

	"primum/internal/mlsbench"
)

// pair is one operation at one size on both sides.
type pair struct {
	operation    string
	leaves       int
	ours, theirs mlsbench.Sample // medians
	// speed is ours over theirs: their time over ours, the median of the
	// turns. Above 1 ours is faster.
	speed float64
	// cpu is the same of processor time, which a busy machine moves less.
	cpu   float64
	turns int
}

func newPair(c mlsbench.Cell) pair {
	p := pair{operation: c.Operation, leaves: c.Leaves, turns: len(c.Samples[0])}
	p.ours, p.theirs = mlsbench.Median(c.Samples[0]), mlsbench.Median(c.Samples[1])
	p.speed = ratio(c, func(s mlsbench.Sample) time.Duration { return s.Time })
	p.cpu = ratio(c, func(s mlsbench.Sample) time.Duration { return s.CPU })
	return p
}

// ratio is the median over the turns of theirs over ours.
func ratio(c mlsbench.Cell, f func(mlsbench.Sample) time.Duration) float64 {
	ratios := make([]float64, len(c.Samples[0]))
	for i := range ratios {
		ratios[i] = float64(f(c.Samples[1][i])) / float64(max(f(c.Samples[0][i]), 1))
	}
	slices.Sort(ratios)
	return ratios[len(ratios)/2]
}

// printPairs writes the table.
func printPairs(out io.Writer, pairs []pair) {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	_, _ = fmt.Fprintln(w, "operation\tleaves\tours\tmls-go\tspeed\tcpu\tallocations\tmls-go\tsize\tmls-go\tturns\t")
	for _, p := range pairs {
		_, _ = fmt.Fprintf(w, "%s\t%d\t%s\t%s\t%.2f ×\t%.2f ×\t%d\t%d\t%s\t%s\t%d\t\n", p.operation, p.leaves,
			mlsbench.Duration(p.ours.Time), mlsbench.Duration(p.theirs.Time), p.speed, p.cpu,
			p.ours.Allocs, p.theirs.Allocs, mlsbench.Size(p.ours.Wire), mlsbench.Size(p.theirs.Wire), p.turns)
	}
	_ = w.Flush()
}
