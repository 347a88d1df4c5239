// Command testlog reads the output of `go test -json` and prints what a person
// wants of it: a line per package, all that a failed test said, why a test was
// skipped, and the lines in which tests tell seeds and counts. The last line is
// "N passed, N failed, N skipped". It exits with 1 when anything failed.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
)

// event is a line of `go test -json` (go doc test2json) or of a build.
type event struct {
	Action, Package, Test, Output string
	ImportPath                    string
	Elapsed                       float64
}

// telling are the lines worth seeing of a test that passed.
var telling = regexp.MustCompile(`vectors: |PRIMUM_SEED|\bseed\b|\bkills?\b|\bmapped\b|both locks after`)

func main() {
	if !read(os.Stdin, os.Stdout) {
		os.Exit(1)
	}
}

// log gathers what each test said until it ends.
type log struct {
	out                     io.Writer
	said                    map[string][]string
	passed, failed, skipped int
	broken                  bool // something failed that is no test
}

func read(in io.Reader, out io.Writer) bool {
	l := &log{out: out, said: map[string][]string{}}
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var e event
		if json.Unmarshal(lines.Bytes(), &e) != nil { // no event: somebody's words
			fmt.Fprintln(out, lines.Text())
			continue
		}
		l.take(e)
	}
	fmt.Fprintf(out, "%d passed, %d failed, %d skipped\n", l.passed, l.failed, l.skipped)
	return l.failed == 0 && !l.broken && lines.Err() == nil
}

func (l *log) take(e event) {
	name := e.Package + "\x00" + e.Test
	switch e.Action {
	case "output":
		l.said[name] = append(l.said[name], e.Output)
	case "build-output":
		fmt.Fprint(l.out, e.Output)
	case "build-fail":
		l.broken = true
	case "pass", "fail", "skip":
		l.end(e, l.said[name])
		delete(l.said, name)
	}
}

func (l *log) end(e event, said []string) {
	if e.Test == "" {
		l.endPackage(e, said)
		return
	}
	switch e.Action {
	case "fail":
		l.failed++
		fmt.Fprint(l.out, strings.Join(said, ""))
	case "skip":
		l.skipped++
		fmt.Fprintf(l.out, "--- SKIP: %s %s: %s\n", e.Package, e.Test, reason(said))
	default:
		l.passed++
		for _, s := range said {
			if s = strings.TrimSpace(s); !framing(s) && telling.MatchString(s) {
				fmt.Fprintf(l.out, "    %s: %s\n", e.Test, s)
			}
		}
	}
}

func (l *log) endPackage(e event, said []string) {
	switch e.Action {
	case "pass":
		fmt.Fprintf(l.out, "ok  \t%s\t%.1fs\n", e.Package, e.Elapsed)
	case "fail": // what the package said beside its tests: panics, races, the shuffle's seed
		l.broken = true
		fmt.Fprint(l.out, strings.Join(said, ""))
	}
}

// reason is what a skipped test said, without the framing.
func reason(said []string) string {
	var why []string
	for _, s := range said {
		if s = strings.TrimSpace(s); s != "" && !framing(s) {
			why = append(why, s)
		}
	}
	return strings.Join(why, " ")
}

// framing is what the test runner itself says.
func framing(s string) bool { return strings.HasPrefix(s, "===") || strings.HasPrefix(s, "---") }
