package main

import (
	"context"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"primum/identity"
	"primum/internal/durable"
	"primum/internal/node"
	"primum/internal/store"
	"primum/ledger"
	"primum/oath"
	"primum/oath/network"
	"primum/oath/person"
)

// checkFlags are how a domain is to be checked.
type checkFlags struct {
	clauses  []string
	invites  []string
	alone    bool
	from     string
	out      string
	publish  bool
	resolver string
	at       nodeDirFlags
}

func oathCheckCommand(a *app) *cobra.Command {
	var f checkFlags
	c := a.command("check DOMAIN", "oath-check", cobra.ExactArgs(1), func(cmd *cobra.Command, args []string) error {
		return a.checkOath(cmd.Context(), args[0], f)
	})
	c.Flags().StringSliceVar(&f.clauses, "clause", nil, a.words.Get("flag.clauses"))
	_ = c.RegisterFlagCompletionFunc("clause", fixed(clauseIDs()...))
	c.Flags().BoolVar(&f.alone, "no-people", false, a.words.Get("flag.no-people"))
	c.Flags().StringSliceVar(&f.invites, "invite", nil, a.words.Get("flag.check-invite"))
	c.Flags().StringVar(&f.from, "from", "", a.words.Get("flag.from-name"))
	c.Flags().StringVar(&f.out, "out", "", a.words.Get("flag.check-out"))
	c.Flags().StringVar(&f.resolver, "resolver", "", a.words.Get("flag.resolver"))
	c.Flags().BoolVar(&f.publish, "publish", false, a.words.Get("flag.publish"))
	f.at.add(a, c)
	return c
}

// checkOath checks a domain and prints each clause as it is done. It fails
// where one is broken.
func (a *app) checkOath(ctx context.Context, domain string, f checkFlags) error {
	cfg, err := a.checkConfig(domain, f)
	if err != nil {
		return err
	}
	key, err := checkerKey(a.home, a.rand)
	if err != nil {
		return err
	}
	a.say("oath.check.begin", "Domain", cfg.Domain)
	cfg.Told = a.showResult
	rep, kept, err := oath.Check(ctx, cfg)
	if err != nil {
		return err
	}
	if len(kept.Logs) > 0 && !identity.IsLoopback(cfg.Domain) { // games begin anew each time
		if err := a.monitor().Keep(cfg.Domain, kept); err != nil {
			return err
		}
	}
	signed, err := rep.Sign(key)
	if err != nil {
		return err
	}
	if err := a.keepResult(ctx, f, signed); err != nil {
		return err
	}
	return a.sumUp(rep, key)
}

// checkConfig is a check of all clauses, or of those that were named.
func (a *app) checkConfig(domain string, f checkFlags) (oath.Config, error) {
	authority, err := identity.ParseAuthority(domain)
	if err != nil {
		return oath.Config{}, usage(fmt.Errorf("%s: %w", domain, err))
	}
	cfg := oath.Config{
		Domain: authority, Probes: network.Probes(), NewCast: person.NewCast, People: !f.alone,
		Own: ownHosts(a.env), Resolver: f.resolver, Clock: a.clock, From: f.from, Version: a.version, Invite: oneByOne(f.invites),
	}
	for name, p := range person.Probes() {
		cfg.Probes[name] = p
	}
	if !identity.IsLoopback(authority) {
		if cfg.Kept, err = a.monitor().Kept(authority); err != nil {
			return cfg, err
		}
	}
	cfg.Clauses, err = chosen(f.clauses)
	return cfg, err
}

// chosen are the clauses of the given numbers, or all.
func chosen(ids []string) ([]oath.Clause, error) {
	all, err := oath.Clauses()
	if err != nil || len(ids) == 0 {
		return all, err
	}
	var some []oath.Clause
	for _, id := range ids {
		b, err := oath.ClauseFile(strings.ToUpper(id))
		if err != nil {
			return nil, usage(err)
		}
		c, err := oath.ParseClause(b)
		if err != nil {
			return nil, err
		}
		some = append(some, c)
	}
	return some, nil
}

// oneByOne hands out invitations, each once.
func oneByOne(invites []string) func() string {
	var mu sync.Mutex
	return func() string {
		mu.Lock()
		defer mu.Unlock()
		if len(invites) == 0 {
			return ""
		}
		next := invites[0]
		invites = invites[1:]
		return next
	}
}

// showResult prints one clause: the verdict, why, and what was not shown.
func (a *app) showResult(r oath.Result) {
	if a.json {
		a.line(r)
		return
	}
	mark, colour := "–", "\x1b[33m"
	switch r.Verdict {
	case oath.Broken:
		mark, colour = "✗", "\x1b[31m"
	case oath.NoBreach:
		mark, colour = "○", "\x1b[32m"
	}
	if a.outTTY && a.env("NO_COLOR") == "" {
		mark = colour + mark + "\x1b[0m"
	}
	verdict := a.words.Get("oath.verdict." + strings.ReplaceAll(string(r.Verdict), " ", "-"))
	_, _ = fmt.Fprintf(a.out, "%s %s  %s: %s\n", mark, r.Clause, r.Title, verdict)
	if r.Reason != "" {
		_, _ = fmt.Fprintf(a.out, "       %s\n", r.Reason)
	}
	if r.Sworn == oath.SwornNo || r.Sworn == oath.SwornOtherwise {
		_, _ = fmt.Fprintf(a.out, "       %s\n", a.words.Get("oath.sworn."+r.Sworn))
	}
	for _, s := range r.Steps {
		a.showStep(s)
	}
	for _, u := range r.Unshown {
		_, _ = fmt.Fprintf(a.out, "       %s\n", a.words.Get("oath.unshown", "What", u))
	}
}

// showStep prints the evidence of a broken step, and with --verbose all facts.
func (a *app) showStep(s oath.Seen) {
	if a.verbose {
		_, _ = fmt.Fprintf(a.out, "       %s: %v\n", s.Probe, s.Facts)
	}
	if s.Verdict != oath.Broken {
		return
	}
	for _, e := range s.Evidence {
		if e.Replay != "" {
			_, _ = fmt.Fprintf(a.out, "       %s\n", a.words.Get("oath.replay", "How", e.Replay))
		}
	}
}

// keepResult writes the signed result where it was asked for.
func (a *app) keepResult(ctx context.Context, f checkFlags, signed []byte) error {
	if f.out != "" {
		if err := os.WriteFile(f.out, signed, 0o644); err != nil {
			return fmt.Errorf("write the signed result: %w", err)
		}
		a.say("oath.check.written", "File", f.out)
	}
	if !f.publish {
		return nil
	}
	dir, err := f.at.dir(a)
	if err != nil {
		return err
	}
	fact := store.Fact{Type: string(ledger.TypeCheck), Kind: oath.MediaType, Body: signed}
	if _, _, err := node.AddFact(ctx, dir, fact, a.clock.Now()); err != nil {
		return a.nodeSaid(err, dir, "")
	}
	a.say("oath.check.published")
	return nil
}

// sumUp counts verdicts. There is no grade; a broken clause is a failure.
func (a *app) sumUp(rep oath.Report, key ed25519.PrivateKey) error {
	count := map[oath.Verdict]int{}
	for _, r := range rep.Results {
		count[r.Verdict]++
	}
	if rep.Left != "" {
		a.hint("oath.check.left", "What", rep.Left)
	}
	a.say("oath.check.sum", "Broken", count[oath.Broken], "Seen", count[oath.NoBreach], "Unshown", count[oath.NotShown],
		"At", rep.At.UTC().Format(time.RFC3339), "Key", publicText(key))
	if count[oath.Broken] > 0 {
		return a.said(exitFailed, "oath.check.broken", "N", count[oath.Broken], "Domain", rep.Domain)
	}
	return nil
}

const checkerKeyFile = "checker.key"

// checkerKey is the key that signs this machine's results, made on first use.
func checkerKey(home string, random io.Reader) (ed25519.PrivateKey, error) {
	path := filepath.Join(home, checkerKeyFile)
	b, err := durable.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return newCheckerKey(home, path, random)
	}
	if err != nil {
		return nil, fmt.Errorf("read the key that signs results: %w", err)
	}
	block, _ := pem.Decode(b)
	if block == nil {
		return nil, fmt.Errorf("%s holds no key; move it away to get a new one", path)
	}
	k, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	key, ok := k.(ed25519.PrivateKey)
	if err != nil || !ok {
		return nil, fmt.Errorf("%s holds no Ed25519 key; move it away to get a new one", path)
	}
	return key, nil
}

func newCheckerKey(home, path string, random io.Reader) (ed25519.PrivateKey, error) {
	_, key, err := ed25519.GenerateKey(random)
	if err != nil {
		return nil, fmt.Errorf("make the key that signs results: %w", err)
	}
	b, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("make the key that signs results: %w", err)
	}
	if err := durable.MakeDir(home); err != nil {
		return nil, fmt.Errorf("keep the key that signs results: %w", err)
	}
	if err := durable.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: b})); err != nil {
		return nil, fmt.Errorf("keep the key that signs results: %w", err)
	}
	return key, nil
}

func publicText(key ed25519.PrivateKey) string {
	public, _ := key.Public().(ed25519.PublicKey) // always
	return base64.RawURLEncoding.EncodeToString(public)
}
