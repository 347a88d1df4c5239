package main

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// built are ids that code puts together; the rest must stand in the source.
var built = regexp.MustCompile(`^(cmd|state|news|reason|missing)\.|^edge\.history-(on|off)$|^error$`)

func TestCatalogueHasEveryIDAndNoOther(t *testing.T) {
	t.Parallel()
	var catalogue map[string]any
	if err := json.Unmarshal(english, &catalogue); err != nil {
		t.Fatal(err)
	}
	used := idsInSource(t)
	if len(used) < 100 {
		t.Fatalf("only %d ids found in the source", len(used))
	}
	for id := range used {
		if _, ok := catalogue[id]; !ok {
			t.Errorf("%s is not in the catalogue", id)
		}
	}
	for id := range catalogue {
		if !used[id] && !built.MatchString(id) {
			t.Errorf("%s is used nowhere", id)
		}
	}
}

// idsInSource are the string constants that are handed to a function of the
// catalogue.
func idsInSource(t *testing.T) map[string]bool {
	t.Helper()
	takes := map[string]bool{
		"get": true, "say": true, "hint": true, "said": true, "progress": true, "confirm": true,
		"passphrase": true, "changeIdentity": true, "showGrants": true,
	}
	isID := regexp.MustCompile(`^[a-z]+(\.[a-z0-9-]+)+$`)
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	used := make(map[string]bool)
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			lit, ok := n.(*ast.BasicLit)
			if ok && lit.Kind == token.STRING {
				if s, err := strconv.Unquote(lit.Value); err == nil && isID.MatchString(s) && strings.Contains(string(english), `"`+s+`"`) {
					used[s] = true
				}
			}
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			sel, ok := call.Fun.(*ast.SelectorExpr)
			if !ok || !takes[sel.Sel.Name] {
				return true
			}
			for _, arg := range call.Args {
				if lit, ok := arg.(*ast.BasicLit); ok && lit.Kind == token.STRING {
					if s, err := strconv.Unquote(lit.Value); err == nil && isID.MatchString(s) {
						used[s] = true
					}
				}
			}
			return true
		})
	}
	return used
}

func TestMissingIDIsVisible(t *testing.T) {
	t.Parallel()
	w, err := newWords("de")
	if err != nil {
		t.Fatal(err)
	}
	if got := w.get("no.such.id"); !strings.Contains(got, "no.such.id") {
		t.Errorf("missing id shows as %q", got)
	}
	if w.has("no.such.id") || !w.has("receipt.kept") {
		t.Error("has is wrong")
	}
	if got := w.get("claim.done", "N", 1); !strings.Contains(got, "1 thing.") {
		t.Errorf("singular: %q", got)
	}
	if got := w.get("claim.done", "N", 3); !strings.Contains(got, "3 things.") {
		t.Errorf("plural: %q", got)
	}
}

// Every command's help says what it does and shows an example.
func TestEveryCommandHasHelp(t *testing.T) {
	t.Parallel()
	var out, errOut syncBuffer
	a, err := newApp(newMachine(t).surroundings(&out, &errOut))
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	var visit func(c *cobra.Command)
	visit = func(c *cobra.Command) {
		for _, sub := range c.Commands() {
			if sub.Name() == "help" || sub.Name() == "completion" || sub.Parent().Name() == "completion" {
				continue
			}
			n++
			text := sub.Short + sub.Long + sub.Example + sub.LocalFlags().FlagUsages()
			if strings.Contains(text, "[cmd.") || strings.Contains(text, "[flag.") {
				t.Errorf("%s: a sentence is missing in the catalogue", sub.CommandPath())
			}
			if !strings.Contains(sub.Example, "primum ") {
				t.Errorf("%s has no example", sub.CommandPath())
			}
			visit(sub)
		}
	}
	visit(rootCommand(a))
	if n < 30 {
		t.Errorf("only %d commands", n)
	}
}

// The examples of the help parse: no flag or argument is out of date.
func TestExamplesOfHelpParse(t *testing.T) {
	t.Parallel()
	var out, errOut syncBuffer
	a, err := newApp(newMachine(t).surroundings(&out, &errOut))
	if err != nil {
		t.Fatal(err)
	}
	var visit func(c *cobra.Command)
	visit = func(c *cobra.Command) {
		for line := range strings.Lines(c.Example) {
			line, _, _ = strings.Cut(strings.TrimSpace(line), " | ")
			if line == "" {
				continue
			}
			checkExample(t, a, splitShell(strings.TrimPrefix(line, "primum ")))
		}
		for _, sub := range c.Commands() {
			visit(sub)
		}
	}
	for _, verb := range verbs() {
		visit(verb(a))
	}
}

func checkExample(t *testing.T, a *app, args []string) {
	t.Helper()
	c, rest, err := rootCommand(a).Find(args)
	if err == nil {
		err = c.ParseFlags(rest)
	}
	if err == nil {
		err = c.ValidateArgs(c.Flags().Args())
	}
	if err == nil {
		err = c.ValidateRequiredFlags()
	}
	if err == nil {
		err = c.ValidateFlagGroups()
	}
	if err != nil {
		t.Errorf("primum %s: %v", strings.Join(args, " "), err)
	}
}

// splitShell splits words as a shell does, with both quotes.
func splitShell(line string) (words []string) {
	for _, m := range regexp.MustCompile(`'[^']*'|"[^"]*"|\S+`).FindAllString(line, -1) {
		words = append(words, strings.Trim(m, `'"`))
	}
	return words
}

func TestCatalogueHasNoStrayBlanks(t *testing.T) {
	t.Parallel()
	b, err := os.ReadFile("en.json")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(b), "<no value>") || strings.Contains(string(b), `: ""`) {
		t.Error("an empty sentence")
	}
}
