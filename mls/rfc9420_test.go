package mls

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// statement is one line of testdata/rfc9420-musts.tsv.
type statement struct {
	id, level, text string
	who, why        string // set where nothing of this package could fulfil it
	code, tests     []string
}

// knownOpen are the statements that this package does not fulfil though it
// could, each with the reason. docs/spec/mls-profile.md lists them too.
func knownOpen() map[string]string {
	return map[string]string{
		"12.4 M1": "Seal goes on while proposals wait for a commit: an offline committer would silence the group; " +
			"the application may hold back itself",
		"12.4.1 M4": "after a ReInit was committed the new group can't be linked to the old one here: " +
			"no PreSharedKey proposal is made",
		"12.4.1 M5": "as 12.4.1 M4",
	}
}

// statements reads the list of normative statements.
func statements(t *testing.T) (map[string]*statement, []string) {
	t.Helper()
	b, err := os.ReadFile("testdata/rfc9420-musts.tsv")
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]*statement{}
	var order []string
	for line := range strings.Lines(string(b)) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		f := append(strings.Split(strings.TrimRight(line, "\n"), "\t"), "", "")
		s := &statement{id: f[0], level: f[1], text: f[2], who: f[3], why: f[4]}
		if all[s.id] != nil || s.text == "" || (s.who == "") != (s.why == "") || len([]rune(s.text)) > 160 {
			t.Errorf("line of %q is twice there or incomplete", s.id)
		}
		all[s.id] = s
		order = append(order, s.id)
	}
	return all, order
}

// A mark is a comment such as "// RFC 9420 §7.3 R2, R4, §10.1 R3": at the
// function or line that fulfils the statements, or at the test that breaks
// them.
var (
	markLine = regexp.MustCompile(`//.*RFC 9420 (§[0-9.]+ [MRS][0-9]+.*)$`)
	markID   = regexp.MustCompile(`(?:§([0-9.]+) )?\b([MRS][0-9]+[a-j]?)\b`)
)

// marks lists the ids that a line of source names.
func marks(line string) (ids []string) {
	m := markLine.FindStringSubmatch(line)
	if m == nil {
		return nil
	}
	section := ""
	for _, id := range markID.FindAllStringSubmatch(m[1], -1) {
		if id[1] != "" {
			section = id[1]
		}
		ids = append(ids, section+" "+id[2])
	}
	return ids
}

// mark finds every mark in the sources of this package and those below it.
func mark(t *testing.T, all map[string]*statement) {
	t.Helper()
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".go") || d.Name() == "rfc9420_test.go" {
			return err
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		n := 0
		for line := range strings.Lines(string(b)) {
			n++
			for _, id := range marks(strings.TrimSpace(line)) {
				s, place := all[id], fmt.Sprintf("%s:%d", path, n)
				switch {
				case s == nil:
					t.Errorf("%s marks %q, which the list does not have", place, id)
				case strings.HasSuffix(path, "_test.go"):
					s.tests = append(s.tests, place)
				default:
					s.code = append(s.code, place)
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestEveryStatement reads the list of the normative statements of RFC 9420 and
// the marks in the sources, prints what is fulfilled where, and fails where
// a statement is neither marked, nor another's, nor known to be open.
func TestEveryStatement(t *testing.T) {
	t.Parallel()
	all, order := statements(t)
	mark(t, all)
	open := knownOpen()
	totals := map[string]*[6]int{"MUST": {}, "RULE": {}, "SHOULD": {}}
	for _, id := range order {
		s := all[id]
		sum := totals["MUST"]
		switch {
		case s.level == "RULE":
			sum = totals["RULE"]
		case strings.HasPrefix(s.level, "SHOULD"), s.level == "RECOMMENDED":
			sum = totals["SHOULD"]
		}
		sum[0]++
		marked := len(s.code)+len(s.tests) > 0
		if len(s.code) > 0 {
			sum[1]++
		}
		if len(s.tests) > 0 {
			sum[2]++
		}
		switch {
		case open[id] != "" && (marked || s.who != ""):
			t.Errorf("%s is fulfilled or another's, and in the list of what is open", id)
		case marked && s.who != "":
			t.Errorf("%s is marked at %v, and the list says why it need not be", id, append(s.code, s.tests...))
		case marked:
		case open[id] != "":
			sum[4]++
			t.Logf("open: %s %s\n\t%s", id, s.text, open[id])
		case s.who != "":
			sum[3]++
			t.Logf("not ours: %s (%s) %s", id, s.who, s.why)
		default:
			sum[5]++
			t.Errorf("no mark: %s %s: %s", id, s.level, s.text)
		}
		if len(s.code) > 0 && len(s.tests) == 0 {
			t.Logf("no test marked: %s %s", id, s.text)
		}
	}
	for _, level := range slices.Sorted(maps.Keys(totals)) {
		n := totals[level]
		t.Logf("%-6s %3d: %d marked in code, %d shown by a test, %d not ours, %d known open, %d unmarked", level, n[0], n[1], n[2], n[3], n[4], n[5])
	}
	for id := range open {
		if all[id] == nil {
			t.Errorf("%s is open and not in the list", id)
		}
	}
}

// TestMarks: what counts as a mark.
func TestMarks(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		"// RFC 9420 §7.3 R2": "[7.3 R2]",
		"x := 1 // RFC 9420 §12.1.4 R1, R3, §9.2 M2a: because": "[12.1.4 R1 12.1.4 R3 9.2 M2a]",
		"// by RFC 9420 §7.3, in words":                        "[]",
		"// the secret (RFC 9420 §9.2) is gone":                "[]",
		`"RFC 9420 §7.3 R2"`:                                   "[]",
	} {
		if got := fmt.Sprint(marks(line)); got != want {
			t.Errorf("%s: %s, want %s", line, got, want)
		}
	}
}

// TestProfile: docs/spec/mls-profile.md speaks of every section that has
// statements, and of all that is open.
func TestProfile(t *testing.T) {
	t.Parallel()
	b, err := os.ReadFile("../docs/spec/mls-profile.md")
	if err != nil {
		t.Skip("the package stands outside of its repository: ", err)
	}
	page := string(b)
	rows := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^\| ([0-9][0-9., –]*) \| [a-z–]`).FindAllStringSubmatch(page, -1) {
		for _, s := range strings.FieldsFunc(m[1], func(r rune) bool { return r == ',' || r == ' ' || r == '–' }) {
			rows[s] = true
		}
	}
	_, order := statements(t)
	for _, id := range order {
		if section, _, _ := strings.Cut(id, " "); !rows[section] {
			t.Errorf("§%s has statements and no row", section)
		}
	}
	for id := range knownOpen() {
		section, n, _ := strings.Cut(id, " ")
		if !regexp.MustCompile(`(?m)^\| ` + regexp.QuoteMeta(section) + ` [^|]*\b` + n + `\b`).MatchString(page) {
			t.Errorf("%s is open and no row of the deviations names it", id)
		}
	}
}
