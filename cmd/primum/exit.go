package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"primum/client"
	"primum/client/vault"
	"primum/internal/wire"
)

// Exit codes; docs and scripts rely on them.
const (
	exitDone        = 0
	exitFailed      = 1
	exitUsage       = 2
	exitRefused     = 3
	exitUnreachable = 4
)

// failure is an error with its exit code.
type failure struct {
	code int
	err  error
}

func (f *failure) Error() string { return f.err.Error() }
func (f *failure) Unwrap() error { return f.err }

func usage(err error) error { return &failure{exitUsage, err} }

// said makes an error of a sentence of the catalogue.
func (a *app) said(code int, id string, pairs ...any) error {
	return &failure{code, errors.New(a.words.Get(id, pairs...))}
}

// fail prints what went wrong, and what to do, and returns the exit code.
func (a *app) fail(cmd *cobra.Command, err error) int {
	if errors.Is(err, context.Canceled) {
		return exitDone // Ctrl-C is how people leave watch, receive and serve
	}
	var done *forwarded
	if errors.As(err, &done) {
		return done.code
	}
	code := codeOf(err)
	if !a.running {
		code = exitUsage
	}
	if a.json {
		a.line(map[string]any{"error": a.explain(err), "exit": code, "problem": problemName(err)})
	}
	_, _ = fmt.Fprintln(a.errOut, calm(a.words.Get("error", "What", a.explain(err))))
	if code == exitUsage {
		_, _ = fmt.Fprintln(a.errOut, a.words.Get("error.usage", "Command", cmd.CommandPath()))
	}
	return code
}

func codeOf(err error) int {
	var f *failure
	var p *wire.Problem
	switch {
	case errors.As(err, &f):
		return f.code
	case errors.Is(err, client.ErrUnreachable):
		return exitUnreachable
	case errors.As(err, &p) && isRefusal(p):
		return exitRefused
	}
	return exitFailed
}

// isRefusal tells refusals, that a person can change by asking, from failures.
func isRefusal(p *wire.Problem) bool {
	for _, name := range []string{
		wire.ProbGrantRequired, wire.ProbPurpose, wire.ProbPrecision, wire.ProbAskLater, wire.ProbForbidden,
		wire.ProbFenced, wire.ProbInvite, wire.ProbExpired, wire.ProbNotYet, wire.ProbCircleFull, wire.ProbTooMany, wire.ProbQuota,
	} {
		if p.Named(name) {
			return true
		}
	}
	return false
}

func problemName(err error) string {
	var p *wire.Problem
	if errors.As(err, &p) {
		return p.Type
	}
	return ""
}

// explain adds to an error what a person can do about it.
func (a *app) explain(err error) string {
	var locked *vault.LockedError
	var p *wire.Problem
	switch {
	case errors.As(err, &locked):
		return a.words.Get("error.locked", "Address", locked.Address, "Holder", locked.Holder)
	case errors.Is(err, vault.ErrPassphrase):
		return a.words.Get("error.passphrase")
	case errors.As(err, &p) && p.Named(wire.ProbInvite):
		return a.words.Get("error.invite")
	case errors.As(err, &p) && p.Named(wire.ProbClockSkew) && p.Now != nil:
		return a.words.Get("error.clock", "Theirs", a.when(*p.Now), "Ours", a.when(a.clock.Now()))
	}
	return err.Error()
}
