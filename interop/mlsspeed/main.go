// Command mlsspeed measures package mls beside mls-go v1.6.0 in one process:
// the workload of internal/mlsbench, an operation of the one right after the
// same operation of the other, so that a busy machine slows both. It prints
// the medians and the ratio of speeds, the median of the turns' ratios.
//
//	go run ./mlsspeed [-quick] [-warm] [-sizes 2,10,100,1000]
//
// With -warm every member has committed once, so that no parent of the tree is
// blank and a path is sealed to a few nodes: the cheap case of MLS, where the
// cost of all else shows. Building such a group of 1,000 takes half a minute.
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
	warm := flag.Bool("warm", false, "groups whose members have all committed")
	sizes := flag.String("sizes", "2,10,100,1000", "numbers of leaves")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Stdout, *quick, *warm, *sizes); err != nil {
		fmt.Fprintln(os.Stderr, "mlsspeed:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out io.Writer, quick, warm bool, sizes string) error {
	o := mlsbench.Options{Quick: quick}
	for f := range strings.SplitSeq(sizes, ",") {
		n, err := strconv.Atoi(f)
		if err != nil {
			return fmt.Errorf("read sizes: %w", err)
		}
		o.Sizes = append(o.Sizes, n)
	}
	sides := []mlsbench.Side{mlsbench.Ours{}, peer{}}
	if warm {
		sides = warmSides()
	}
	pairs, err := compare(ctx, o, sides...)
	if err != nil {
		return err
	}
	printPairs(out, pairs)
	return nil
}

// compare measures two sides, ours first, with the suite that both have.
func compare(ctx context.Context, o mlsbench.Options, sides ...mlsbench.Side) ([]pair, error) {
	o.Suites = []mls.Suite{mls.X25519AES128GCMSHA256Ed25519}
	cells, err := mlsbench.Measure(ctx, o, sides...)
	if err != nil {
		return nil, err
	}
	pairs := make([]pair, len(cells))
	for i, c := range cells {
		pairs[i] = newPair(c)
	}
	return pairs, nil
}
