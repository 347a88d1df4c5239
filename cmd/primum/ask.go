package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"golang.org/x/term"

	"primum/client/vault"
)

// confirm asks y/N on a terminal; programs say --yes.
func (a *app) confirm(yes bool, id string, pairs ...any) error {
	if yes {
		return nil
	}
	if !a.inTTY {
		return a.said(exitUsage, "ask.yes")
	}
	answer, err := a.ask(a.words.Get(id, pairs...))
	if err != nil {
		return err
	}
	yeses := append([]string{"y", "yes"}, strings.Fields(a.words.Get("ask.y"))...)
	if slices.Contains(yeses, strings.ToLower(answer)) {
		return nil
	}
	return a.said(exitFailed, "ask.no")
}

// ask reads one line after a question.
func (a *app) ask(question string) (string, error) {
	_, _ = fmt.Fprint(a.errOut, calm(question)+" ")
	return a.readLine()
}

func (a *app) readLine() (string, error) {
	if a.lines == nil {
		a.lines = bufio.NewReader(io.LimitReader(a.in, 1<<20))
	}
	line, err := a.lines.ReadString('\n')
	if err != nil && (line == "" || !errors.Is(err, io.EOF)) {
		return "", fmt.Errorf("read answer: %w", err)
	}
	return strings.TrimSpace(line), nil
}

// passphrase is from a file, $PRIMUM_PASSPHRASE, or the terminal, unseen.
func (a *app) passphrase(file, question string) (string, error) {
	switch {
	case a.phrase != "":
		return a.phrase, nil
	case file != "":
		b, err := os.ReadFile(file)
		if err != nil {
			return "", fmt.Errorf("read passphrase: %w", err)
		}
		return strings.TrimSpace(string(b)), nil
	case a.env("PRIMUM_PASSPHRASE") != "":
		return a.env("PRIMUM_PASSPHRASE"), nil
	case !a.inTTY:
		return "", a.said(exitUsage, "ask.passphrase")
	}
	f, ok := a.in.(*os.File)
	if !ok {
		return a.ask(a.words.Get(question))
	}
	_, _ = fmt.Fprint(a.errOut, a.words.Get(question)+" ")
	b, err := term.ReadPassword(int(f.Fd()))
	_, _ = fmt.Fprintln(a.errOut)
	if err != nil {
		return "", fmt.Errorf("read passphrase: %w", err)
	}
	return string(b), nil
}

// newPassphrase is for a new identity: a chosen one, else one made up, which
// is told.
func (a *app) newPassphrase(file string) (phrase string, made bool, err error) {
	if file != "" || a.env("PRIMUM_PASSPHRASE") != "" || a.inTTY {
		phrase, err = a.passphrase(file, "ask.new-passphrase")
	}
	if err != nil || phrase != "" {
		return phrase, false, err
	}
	phrase, err = vault.NewPhrase(a.rand)
	return phrase, true, err
}
