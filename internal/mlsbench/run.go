package mlsbench

import (
	"context"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"primum/mls"
)

// Options says what to measure. The zero value measures all.
type Options struct {
	// Sizes are the numbers of leaves, each at least 2; nil: 2, 10, 100, 1000.
	Sizes []int
	// Suites are the cipher suites; nil: all that package mls has.
	Suites []mls.Suite
	// Quick takes a tenth of the time, and the figures vary more.
	Quick bool
	// Progress, where set, is told before each group what comes, and at the
	// end; it is called on the goroutine of Run.
	Progress func(done, total int, what string)
}

func (o Options) withDefaults() Options {
	if o.Sizes == nil {
		o.Sizes = []int{2, 10, 100, 1000}
	}
	if o.Suites == nil {
		o.Suites = mls.Suites()
	}
	return o
}

// minTurns is at least how often an operation is measured.
func (o Options) minTurns() int {
	if o.Quick {
		return 3
	}
	return 9
}

func (o Options) maxTurns() int { return 20 * o.minTurns() }

// budget is how long turns beyond the least are taken for one group.
func (o Options) budget() time.Duration {
	if o.Quick {
		return 200 * time.Millisecond
	}
	return 2 * time.Second
}

// Row is one operation in a group of one size, medians of all turns.
type Row struct {
	Suite, Operation string
	Leaves           int // before the operation
	Time             time.Duration
	Allocs, Bytes    int64 // of the allocator, in one operation
	// Wire is the size in bytes of what the operation made or read: of add,
	// remove, update and process the commit, of join the Welcome, of seal and
	// open the message, of save and load the member's state.
	Wire int64
}

// Run measures package mls, in memory: nothing is written to disk. It takes
// about 15 s a suite on two cores, Quick 3 s.
func Run(ctx context.Context, o Options) ([]Row, error) {
	cells, err := Measure(ctx, o, Ours{})
	if err != nil {
		return nil, err
	}
	rows := make([]Row, 0, len(cells))
	for _, c := range cells {
		m := Median(c.Samples[0])
		rows = append(rows, Row{
			Suite: c.Suite.String(), Operation: c.Operation, Leaves: c.Leaves,
			Time: m.Time, Allocs: m.Allocs, Bytes: m.Bytes, Wire: m.Wire,
		})
	}
	return rows, nil
}

// Print writes the rows as a table, a heading for every suite.
func Print(w io.Writer, rows []Row) {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	suite := ""
	for _, r := range rows {
		if r.Suite != suite {
			suite = r.Suite
			_ = tw.Flush()
			_, _ = fmt.Fprintf(w, "\n%s\n", suite)
			_, _ = fmt.Fprintln(tw, "operation\tleaves\ttime\tallocations\tallocated\tsize\t")
		}
		_, _ = fmt.Fprintf(tw, "%s\t%d\t%s\t%d\t%s\t%s\t\n", r.Operation, r.Leaves, Duration(r.Time), r.Allocs, Size(r.Bytes), Size(r.Wire))
	}
	_ = tw.Flush()
}

// Duration writes a time to three digits.
func Duration(d time.Duration) string {
	for _, u := range []struct {
		unit time.Duration
		name string
	}{{time.Second, "s"}, {time.Millisecond, "ms"}, {time.Microsecond, "µs"}} {
		if d >= u.unit {
			return fmt.Sprintf("%.3g %s", float64(d)/float64(u.unit), u.name)
		}
	}
	return fmt.Sprintf("%d ns", d)
}

// Size writes a number of bytes to three digits; KB is 1,000 bytes.
func Size(n int64) string {
	switch {
	case n < 1000:
		return fmt.Sprintf("%d B", n)
	case n < 999_500:
		return fmt.Sprintf("%.3g KB", float64(n)/1e3)
	}
	return fmt.Sprintf("%.3g MB", float64(n)/1e6)
}
