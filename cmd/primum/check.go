package main

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"primum/client"
	"primum/identity"
	"primum/internal/peer"
	"primum/internal/portal"
)

// checkWait is for one file, of which the engine is the largest.
const checkWait = 2 * time.Minute

func checkCommand(a *app) *cobra.Command {
	var web bool
	var look outside
	c := a.command("check [DOMAIN]", "check", cobra.MaximumNArgs(1), func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 && !web {
			return a.checkNoticed(cmd)
		}
		if len(args) == 0 {
			return a.said(exitUsage, "check.what")
		}
		if !web {
			return a.checkDomain(cmd.Context(), args[0], look)
		}
		return a.checkWeb(cmd, args[0])
	})
	c.Flags().BoolVar(&web, "web", false, a.words.Get("flag.web"))
	look.flags(a, c)
	return c
}

// checkNoticed lists what the own program noticed in passing, and what nodes
// promised to log.
func (a *app) checkNoticed(cmd *cobra.Command) (err error) {
	o, err := a.synced(cmd.Context(), cmd)
	if err != nil {
		return err
	}
	defer o.close(&err)
	noticed, proved, unproved := o.Noticed(), 0, 0
	for _, n := range noticed {
		if a.json {
			a.line(n)
			continue
		}
		a.say("check.noticed", "Clause", n.Clause, "When", a.when(n.Last), "Grant", n.Grant, "What", a.words.Get("noticed."+n.Reason), "Times", n.Times)
	}
	for _, p := range o.Pledges() {
		switch {
		case p.Proof != "":
			proved++
		case p.Finding == "":
			continue // it is not due yet
		default:
			unproved++
			a.say("check.unproved", "When", a.when(p.At), "Node", p.Node, "About", p.About, "What", a.words.Get("noticed."+p.Finding))
		}
		if a.json {
			a.line(p)
		}
	}
	if proved > 0 {
		a.say("check.pledged", "N", proved)
	}
	if len(noticed)+unproved > 0 {
		return a.said(exitFailed, "check.some")
	}
	a.say("check.none")
	return nil
}

// checkWeb looks at a node's portal from outside, line by line.
func (a *app) checkWeb(cmd *cobra.Command, domain string) error {
	authority, err := identity.ParseAuthority(domain)
	if err != nil {
		return usage(fmt.Errorf("%s: %w", domain, err))
	}
	found, err := portal.CheckWeb(cmd.Context(), stranger(ownHosts(a.env)), authority, a.version)
	if errors.Is(err, portal.ErrNoManifest) {
		return a.said(exitFailed, "check.web.none", "Domain", authority)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", client.ErrUnreachable, err)
	}
	for _, f := range found.Findings {
		a.finding(f)
	}
	if a.json {
		a.line(map[string]any{"domain": authority, "good": found.Good(), "compared": found.Compared})
	}
	a.say("check.web.trust", "Domain", authority)
	if !found.Good() {
		return a.said(exitFailed, "check.web.red", "Domain", authority)
	}
	a.say("check.web.green", "Domain", authority)
	return nil
}

// finding prints one line, in colour on a terminal.
func (a *app) finding(f portal.Finding) {
	text := a.words.Get(f.ID, f.Pairs...)
	if a.json {
		a.line(map[string]any{"good": f.Good, "id": f.ID, "text": text})
		return
	}
	a.tick(f.Good, text)
}

// tick prints a line with a green or red mark.
func (a *app) tick(good bool, text string) {
	mark, colour := "✗", "\x1b[31m"
	if good {
		mark, colour = "✓", "\x1b[32m"
	}
	if a.outTTY && a.env("NO_COLOR") == "" {
		mark = colour + mark + "\x1b[0m"
	}
	_, _ = fmt.Fprintln(a.out, mark, calm(text))
}

// stranger is a client that knows nobody, keeps nothing and goes nowhere else.
func stranger(own []string) *http.Client {
	return &http.Client{
		Timeout:       checkWait,
		Transport:     &http.Transport{DialContext: peer.Dialer{Local: true, Own: own}.DialContext, ForceAttemptHTTP2: true, TLSHandshakeTimeout: 10 * time.Second},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}
