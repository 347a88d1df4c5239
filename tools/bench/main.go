// Command bench runs the benchmarks that have a bar, each of them five times,
// and prints one row per bar: the median, its ratio and whether the bar holds.
// What the benchmarks print goes to .local/bench.txt.
//
// BENCH is a regular expression of the benchmarks to run, COUNT how often each
// is run. The rows are in bars.txt.
package main

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
)

//go:embed bars.txt
var barsText string

// row is a line of bars.txt.
type row struct {
	what, pkg, benchmark, benchtime string
	shown, judged                   string // metrics; judged may be empty
	bar                             string // ">= 0.4"; "-" is none
	peer                            string // what judged is a ratio to
}

func main() {
	if err := bench(os.Getenv("BENCH"), os.Getenv("COUNT")); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func bench(pattern, count string) error {
	rows, err := parseRows(barsText)
	if err != nil {
		return err
	}
	wanted, err := regexp.Compile(pattern)
	if err != nil {
		return fmt.Errorf("read BENCH: %w", err)
	}
	rows = slices.DeleteFunc(rows, func(r row) bool { return !wanted.MatchString(r.benchmark) })
	if count == "" {
		count = "5"
	}
	if len(rows) == 0 {
		return goTest(os.Stdout, "./...", pattern, "1s", count) // has no bar
	}
	if err := os.MkdirAll(".local", 0o755); err != nil {
		return err
	}
	raw, err := os.Create(filepath.Join(".local", "bench.txt"))
	if err != nil {
		return err
	}
	defer func() { _ = raw.Close() }()
	measured, err := measure(raw, rows, count)
	if err != nil {
		return err
	}
	fmt.Printf("\nmedians of %s runs; all that was printed is in %s\n\n", count, raw.Name())
	return printTable(os.Stdout, rows, measured)
}

// parseRows reads bars.txt.
func parseRows(text string) (rows []row, err error) {
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		f := strings.Split(line, "|")
		if len(f) != 8 {
			return nil, fmt.Errorf("read bars: %q has %d fields, want 8", line, len(f))
		}
		for i := range f {
			f[i] = strings.TrimSpace(f[i])
		}
		rows = append(rows, row{f[0], f[1], f[2], f[3], f[4], f[5], f[6], f[7]})
	}
	return rows, nil
}

// measured are the values of a benchmark's metrics, by benchmark and metric. A
// benchmark that was skipped, because its peer is not on this machine, has the
// metric "skipped".
type measured map[string][]float64

// measure runs every benchmark of the rows once for all of them.
func measure(raw io.Writer, rows []row, count string) (measured, error) {
	all := measured{}
	done := map[string]bool{}
	failed := false
	for _, r := range rows {
		if done[r.benchmark] {
			continue
		}
		done[r.benchmark] = true
		fmt.Fprintf(os.Stderr, "%s %s × %s (load %s) …\n", r.pkg, r.benchmark, count, load())
		begin := time.Now()
		var out bytes.Buffer
		err := goTest(io.MultiWriter(&out, raw), r.pkg, "^"+r.benchmark+"$", r.benchtime, count)
		if err != nil {
			fmt.Fprintf(os.Stderr, "%s%v\n", out.String(), err)
			failed = true
		}
		all.read(r.benchmark, out.String())
		fmt.Fprintf(os.Stderr, "  %v\n", time.Since(begin).Round(time.Second))
	}
	if failed && len(all) == 0 {
		return nil, errors.New("no benchmark ran")
	}
	return all, nil
}

func goTest(out io.Writer, pkg, pattern, benchtime, count string) error {
	args := []string{"test"}
	if inside, other := strings.CutPrefix(pkg, "./interop/"); other { // a module of its own
		args, pkg = append(args, "-C", "interop"), "./"+inside
	}
	args = append(args, "-v", "-run", "^$", "-bench", pattern, "-benchtime", benchtime, "-count", count, "-timeout", "1h", pkg)
	cmd := exec.Command("go", args...)
	cmd.Stdout, cmd.Stderr = out, os.Stderr
	return cmd.Run()
}

// read takes the metrics from lines "BenchmarkX-2  5  12.3 some-unit  4 other".
func (m measured) read(benchmark, text string) {
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) == 3 && f[1] == "SKIP:" && strings.SplitN(f[2], "-", 2)[0] == benchmark {
			m[benchmark+" skipped"] = append(m[benchmark+" skipped"], 1)
		}
		if len(f) < 4 || strings.SplitN(f[0], "-", 2)[0] != benchmark {
			continue
		}
		for i := 2; i+1 < len(f); i += 2 {
			if v, err := strconv.ParseFloat(f[i], 64); err == nil {
				key := benchmark + " " + f[i+1]
				m[key] = append(m[key], v)
			}
		}
	}
}

// median of what was measured; false when nothing was.
func (m measured) median(benchmark, metric string) (float64, bool) {
	v := slices.Sorted(slices.Values(m[benchmark+" "+metric]))
	if len(v) == 0 {
		return 0, false
	}
	return (v[(len(v)-1)/2] + v[len(v)/2]) / 2, true
}

func printTable(out io.Writer, rows []row, m measured) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "what\tbar\tmedian\tratio\tverdict")
	missed := 0
	for _, r := range rows {
		bar, median, ratio, verdict, err := r.cells(m)
		if err != nil {
			return err
		}
		if verdict != holds && verdict != skipped && verdict != "" {
			missed++
		}
		_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", strings.Replace(r.what, ". ", "  ", 1), bar, median, ratio, verdict)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if missed > 0 {
		return fmt.Errorf("%d bars do not hold", missed)
	}
	return nil
}

// cells are the columns of a row behind its name.
func (r row) cells(m measured) (bar, median, ratio, verdict string, err error) {
	unit := r.shown[strings.LastIndex(r.shown, "-")+1:]
	judged, ok := m.median(r.benchmark, r.judged)
	_, left := m.median(r.benchmark, skipped)
	if r.peer != "" && ok {
		ratio = figure(judged) + " × " + r.peer
	}
	if r.bar != "-" {
		sign, limit, err := parseBar(r.bar)
		if err != nil {
			return "", "", "", "", fmt.Errorf("read bar of %q: %w", r.what, err)
		}
		bar = sign + " " + figure(limit)
		if r.peer == "" {
			bar += " " + unit
			ratio = figure(judged/limit) + " of the bar"
		}
		verdict = judge(judged, ok, sign, limit)
		if left && !ok {
			ratio, verdict = "", skipped
		}
	}
	shown, ok := m.median(r.benchmark, r.shown)
	if !ok {
		return bar, "not measured", "", verdict, nil
	}
	return bar, figure(shown) + " " + unit, ratio, verdict, nil
}

// parseBar reads ">= 0.4".
func parseBar(s string) (sign string, limit float64, err error) {
	op, number, _ := strings.Cut(s, " ")
	limit, err = strconv.ParseFloat(number, 64)
	sign = map[string]string{">=": "≥", "<=": "≤"}[op]
	if err != nil || sign == "" {
		return "", 0, fmt.Errorf("%q is no >= or <= and a number", s)
	}
	return sign, limit, nil
}

const (
	holds   = "holds"
	skipped = "skipped" // what it needs is not here; .local/bench.txt says what
)

func judge(v float64, measured bool, sign string, limit float64) string {
	switch {
	case !measured:
		return "unknown"
	case sign == "≥" && v >= limit, sign == "≤" && v <= limit:
		return holds
	}
	return "MISSED"
}

// digits keeps what a figure that varies from run to run can tell: two below
// one, three above.
func digits(v float64) int {
	if v < 1 {
		return 2
	}
	return 3
}

// figure writes a number to two or three digits, thousands apart.
func figure(v float64) string {
	if v < 1000 {
		return strconv.FormatFloat(v, 'g', digits(v), 64)
	}
	s := strconv.FormatFloat(v, 'f', 0, 64)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// load is the system's load of the last minute; figures of a busy machine say
// little.
func load() string {
	b, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	one, _, _ := strings.Cut(string(b), " ")
	return one
}
