package primum_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"
)

const (
	maxReadme   = 200 // lines, exclusive
	maxSpecLine = 160 // characters of a line in docs/spec
)

// pages are README.md, that of mls, and everything under docs.
func pages(t *testing.T) map[string]string {
	t.Helper()
	out := map[string]string{"README.md": readPage(t, "README.md"), "mls/README.md": readPage(t, "mls/README.md")}
	err := filepath.WalkDir("docs", func(file string, d fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(file, ".md") {
			out[file] = readPage(t, file)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func readPage(t *testing.T, file string) string {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

var mdLink = regexp.MustCompile(`\]\(([^()\s]+)\)`)

func TestLinksInDocsLeadSomewhere(t *testing.T) {
	links := 0
	for file, text := range pages(t) {
		for _, m := range mdLink.FindAllStringSubmatch(text, -1) {
			target, _, _ := strings.Cut(m[1], "#")
			if target == "" || strings.Contains(target, ":") {
				continue // a place on the page, or another site
			}
			links++
			if _, err := os.Stat(filepath.Join(filepath.Dir(file), filepath.FromSlash(target))); err != nil {
				t.Errorf("%s links to %s, which does not exist", file, m[1])
			}
		}
	}
	if links == 0 {
		t.Error("no page has a link: the pattern is wrong")
	}
}

func TestPagesAreShort(t *testing.T) {
	for _, file := range []string{"README.md", "mls/README.md"} {
		if n := strings.Count(readPage(t, file), "\n"); n >= maxReadme {
			t.Errorf("%s has %d lines, fewer than %d are wanted", file, n, maxReadme)
		}
	}
	for file, text := range pages(t) {
		if !strings.HasPrefix(filepath.ToSlash(file), "docs/spec/") {
			continue
		}
		for i, line := range strings.Split(text, "\n") {
			if n := utf8.RuneCountInString(line); n > maxSpecLine {
				t.Errorf("%s:%d has %d characters, at most %d are wanted", file, i+1, n, maxSpecLine)
			}
		}
	}
}

var (
	testName = regexp.MustCompile(`\b(?:Test|Fuzz|Benchmark)[A-Z][A-Za-z0-9_]*`)
	testFunc = regexp.MustCompile(`(?m)^func ((?:Test|Fuzz|Benchmark)[A-Z][A-Za-z0-9_]*)\(`)
	property = regexp.MustCompile(`^TestP[1-9]\D`)
)

// testFuncs are the names of all tests, fuzz targets and benchmarks, those of
// nested modules too.
func testFuncs(t *testing.T) map[string]bool {
	t.Helper()
	names := map[string]bool{}
	err := filepath.WalkDir(".", func(file string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(file, "_test.go") {
			return err
		}
		b, err := os.ReadFile(file)
		for _, m := range testFunc.FindAllStringSubmatch(string(b), -1) {
			names[m[1]] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func TestTestsNamedInDocsExist(t *testing.T) {
	names := testFuncs(t)
	for file, text := range pages(t) {
		for _, name := range testName.FindAllString(text, -1) {
			if !names[name] {
				t.Errorf("%s names %s, which no _test.go file has", file, name)
			}
		}
	}
}

// TestPropertiesNameTheirTests: every test of a property P1 to P9 stands in the
// table at the end of docs/spec/circle.md.
func TestPropertiesNameTheirTests(t *testing.T) {
	page := readPage(t, "docs/spec/circle.md")
	for name := range testFuncs(t) {
		if property.MatchString(name) && !strings.Contains(page, "`"+name+"`") {
			t.Errorf("docs/spec/circle.md does not name %s in its last table", name)
		}
	}
}
