// Command mlsspeed measures package mls beside mls-go v1.6.0 in one process:
// the workload of internal/mlsbench, an operation of the one right after the
// same operation of the other, so that a busy machine slows both. It prints
// the medians and the ratio of speeds, the median of the turns' ratios.
//
//	go run ./mlsspeed [-quick] [-sizes 2,10,100,1000]
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"strings"

	"primum/internal/mlsbench"
	"primum/mls"
)

func main() {
	quick := flag.Bool("quick", false, "fewer turns; the figures vary more")
	sizes := flag.String("sizes", "2,10,100,1000", "numbers of leaves")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Stdout, *quick, *sizes); err != nil {
		fmt.Fprintln(os.Stderr, "mlsspeed:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out io.Writer, quick bool, sizes string) error {
	o := mlsbench.Options{Quick: quick}
	for f := range strings.SplitSeq(sizes, ",") {
		n, err := strconv.Atoi(f)
		if err != nil {
			return fmt.Errorf("read sizes: %w", err)
		}
		o.Sizes = append(o.Sizes, n)
	}
	pairs, err := compare(ctx, o)
	if err != nil {
		return err
	}
	printPairs(out, pairs)
	return nil
}

// compare measures both sides with the suite that both have.
func compare(ctx context.Context, o mlsbench.Options) ([]pair, error) {
	o.Suites = []mls.Suite{mls.X25519AES128GCMSHA256Ed25519}
	cells, err := mlsbench.Measure(ctx, o, mlsbench.Ours{}, peer{})
	if err != nil {
		return nil, err
	}
	pairs := make([]pair, len(cells))
	for i, c := range cells {
		pairs[i] = newPair(c)
	}
	return pairs, nil
}
