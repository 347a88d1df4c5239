package main

import (
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"primum/internal/words"
)

// The language is the shell's, by the first variable that is set.
func TestLanguageOfTheShell(t *testing.T) {
	t.Parallel()
	for want, env := range map[string]map[string]string{
		"en": {"LANG": "C.UTF-8"},
		"de": {"LANG": "de_AT.UTF-8"},
		"ar": {"LC_MESSAGES": "ar_EG", "LANG": "de_DE"},
	} {
		w, err := words.New(locale(func(k string) string { return env[k] }))
		if err != nil || w.Language() != want {
			t.Errorf("%v: %v, %v; want %s", env, w, err, want)
		}
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
