package engine

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"primum/circle"
	"primum/client"
	"primum/grant"
	"primum/identity"
	"primum/internal/wire"
	"primum/internal/words"
)

// Every code that stands in this package's sources has a sentence.
func TestCodesHaveSentences(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	code := regexp.MustCompile(`(?:Code: |Code = |\{[A-Za-z.]*(?:Err|Prob|Kind)[A-Za-z]*, )"([a-z-]+)"`)
	row := regexp.MustCompile(`\{"[a-z-]+", "([a-z-]+)"`)
	said, err := words.New("en")
	if err != nil {
		t.Fatal(err)
	}
	codes := 0
	for _, f := range files {
		if strings.HasSuffix(f, "_test.go") {
			continue
		}
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		all := code.FindAllStringSubmatch(string(b), -1)
		if f == "errors.go" {
			all = append(all, row.FindAllStringSubmatch(string(b), -1)...)
		}
		for _, m := range all {
			codes++
			if !said.Has("engine." + m[1]) {
				t.Errorf("%s: engine.%s has no sentence", f, m[1])
			}
		}
	}
	if codes < 80 {
		t.Errorf("%d codes were found: has the way they are written changed?", codes)
	}
}

// Errors of the packages below are the sentences that help most.
func TestErrorsAreCodes(t *testing.T) {
	t.Parallel()
	problem := func(name string) error { return &wire.Problem{Type: wire.ProblemPrefix + name, Title: name} }
	for _, c := range []struct {
		err  error
		code string
	}{
		{errors.New("?"), "internal"},
		{&Error{Code: "until"}, "until"},
		{problem(wire.ProbClockSkew), "clock"},
		{problem(wire.ProbInvite), "invite"},
		{problem(wire.ProbBadSignature), "node-refused"},
		{problem("of tomorrow"), "node-refused"},
		{fmt.Errorf("%w: %w", client.ErrUnreachable, problem(wire.ProbInternal)), "unreachable"},
		{fmt.Errorf("%w: %w", client.ErrUnreachable, errors.New("no route")), "unreachable"},
		{&circle.Problem{Kind: "timeout"}, "thing-away"},
		{&circle.Problem{Kind: "precision-exceeded"}, "precision-exceeded"},
		{&circle.Problem{Kind: "of tomorrow"}, "thing-refused"},
		{&grant.Denied{Kind: grant.KindPurpose}, "purpose-mismatch"},
		{identity.ErrPinChanged, "key-changed"},
		{identity.ErrAddress, "address"},
		{client.ErrNoAccount, "no-such-account"},
		{client.ErrWrongThing, "wrong-thing"},
		{circle.ErrEnded, "ended"},
		{circle.ErrWeakSuite, "weak"}, // which is a refusal, too
		{grant.ErrStale, "stale"},
		{context.DeadlineExceeded, "timeout"},
		{&fs.PathError{Op: "write", Path: "x", Err: syscall.ENOSPC}, "storage-full"},
		{&fs.PathError{Op: "write", Path: "x", Err: syscall.EIO}, "storage"},
	} {
		if got := errorOf(fmt.Errorf("do: %w", c.err)); got.Code != c.code {
			t.Errorf("%v: %s, want %s", c.err, got.Code, c.code)
		}
	}
	if d := errorOf(errors.New("\u202e" + strings.Repeat("x", 5000))).Detail; len(d) > 2*maxText || strings.Contains(d, "\u202e") {
		t.Errorf("detail %q", d)
	}
}
