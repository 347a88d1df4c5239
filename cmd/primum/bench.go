package main

import (
	"context"
	"fmt"
	"runtime"
	"sync/atomic"

	"github.com/spf13/cobra"
	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"primum/internal/mlsbench"
	"primum/mls"
)

func benchCommand(a *app) *cobra.Command {
	return a.group("bench", "bench", benchMLSCommand(a))
}

// suiteWords are the cipher suites as --suite takes them.
func suiteWords() []string { return []string{"all", "hybrid", "x25519"} }

func benchMLSCommand(a *app) *cobra.Command {
	var o mlsbench.Options
	var suite string
	c := a.command("mls", "bench-mls", cobra.NoArgs, func(cmd *cobra.Command, _ []string) error {
		var err error
		if o.Suites, err = a.suitesOf(suite); err != nil {
			return err
		}
		for _, n := range o.Sizes {
			if n < 2 || n > maxLeaves {
				return a.said(exitUsage, "bench.sizes", "Most", maxLeaves)
			}
		}
		return a.benchMLS(cmd.Context(), o)
	})
	f := c.Flags()
	f.BoolVar(&o.Quick, "quick", false, a.words.Get("flag.quick"))
	f.IntSliceVar(&o.Sizes, "sizes", []int{2, 10, 100, 1000}, a.words.Get("flag.sizes"))
	f.StringVar(&suite, "suite", "all", a.words.Get("flag.suite"))
	_ = c.RegisterFlagCompletionFunc("suite", fixed(suiteWords()...))
	_ = c.RegisterFlagCompletionFunc("sizes", fixed("2,10", "2,10,100", "2,10,100,1000"))
	return c
}

// maxLeaves bounds the groups that a person measures by accident.
const maxLeaves = 20000

func (a *app) suitesOf(word string) ([]mls.Suite, error) {
	switch word {
	case "all":
		return mls.Suites(), nil
	case "hybrid":
		return []mls.Suite{mls.MLKEM768X25519AES128GCMSHA256Ed25519}, nil
	case "x25519":
		return []mls.Suite{mls.X25519AES128GCMSHA256Ed25519}, nil
	}
	return nil, a.said(exitUsage, "bench.suite", "Suite", word)
}

// benchRow is a row of the table for programs.
type benchRow struct {
	Suite       string `json:"suite"`
	Operation   string `json:"operation"`
	Leaves      int    `json:"leaves"`
	Nanoseconds int64  `json:"nanoseconds"` // median
	Allocations int64  `json:"allocations"`
	Allocated   int64  `json:"allocated"` // bytes
	Size        int64  `json:"size"`      // bytes on the wire or in storage
}

func (a *app) benchMLS(ctx context.Context, o mlsbench.Options) error {
	done := a.benchProgress(&o)
	rows, err := mlsbench.Run(ctx, o)
	done()
	if err != nil {
		return fmt.Errorf("measure mls: %w", err)
	}
	if a.json {
		for _, r := range rows {
			a.line(benchRow{r.Suite, r.Operation, r.Leaves, r.Time.Nanoseconds(), r.Allocs, r.Bytes, r.Wire})
		}
		return nil
	}
	a.say("bench.machine", "System", runtime.GOOS+"/"+runtime.GOARCH, "N", runtime.GOMAXPROCS(0), "Go", runtime.Version())
	mlsbench.Print(a.out, rows)
	a.say("bench.legend")
	return nil
}

// benchProgress shows on a terminal how far the measurement is. What it returns
// takes the bar away.
func (a *app) benchProgress(o *mlsbench.Options) (done func()) {
	if !a.errTTY || a.json {
		return func() {}
	}
	var what atomic.Pointer[string]
	what.Store(new(string))
	p := mpb.New(mpb.WithOutput(a.errOut), mpb.WithWidth(min(a.width(), 100)))
	bar := p.New(0, mpb.BarStyle(), mpb.PrependDecorators(
		decor.Name(a.words.Get("bench.working")+" "), decor.CountersNoUnit("%d/%d "),
	), mpb.AppendDecorators(
		decor.Any(func(decor.Statistics) string { return *what.Load() + " " }), decor.Elapsed(decor.ET_STYLE_MMSS),
	), mpb.BarRemoveOnComplete())
	o.Progress = func(n, total int, now string) {
		bar.SetTotal(int64(total), false)
		bar.SetCurrent(int64(n))
		what.Store(&now)
	}
	return func() {
		bar.Abort(true)
		p.Wait()
	}
}
