package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"primum/internal/node"
	"primum/internal/notary"
	"primum/ledger"
)

// inviteLasts is how long an invitation of `serve --new-invite` is good for.
const inviteLasts = 14 * 24 * time.Hour

func serveCommand(a *app) *cobra.Command {
	var cfg node.Config
	var file string
	var open, newInvite bool
	c := a.command("serve", "serve", cobra.NoArgs, func(cmd *cobra.Command, _ []string) error {
		cfg, err := a.nodeConfig(cmd, cfg, file, open)
		if err != nil {
			return err
		}
		if newInvite {
			return a.newInvite(cmd, cfg)
		}
		return a.serve(cmd, cfg)
	})
	fl := c.Flags()
	fl.StringVar(&cfg.Authority, "domain", "", a.words.Get("flag.domain"))
	fl.StringVar(&cfg.Listen, "listen", "", a.words.Get("flag.listen"))
	fl.StringVar(&cfg.DataDir, "data", "", a.words.Get("flag.data"))
	fl.StringVar(&cfg.TLSCert, "tls-cert", "", a.words.Get("flag.tls-cert"))
	fl.StringVar(&cfg.TLSKey, "tls-key", "", a.words.Get("flag.tls-key"))
	fl.StringVar(&cfg.Contact, "contact", "", a.words.Get("flag.contact"))
	fl.StringSliceVar(&cfg.Witnesses, "witness", nil, a.words.Get("flag.witness"))
	fl.BoolVar(&cfg.Proxy, "proxy", false, a.words.Get("flag.proxy"))
	fl.BoolVar(&open, "open-accounts", false, a.words.Get("flag.open-accounts"))
	fl.StringVar(&file, "config", "", a.words.Get("flag.config"))
	fl.BoolVar(&newInvite, "new-invite", false, a.words.Get("flag.new-invite"))
	return c
}

// nodeConfig puts flags over the configuration file, and says what is missing.
func (a *app) nodeConfig(cmd *cobra.Command, flags node.Config, file string, open bool) (node.Config, error) {
	cfg := flags
	if file != "" {
		fromFile, err := node.LoadConfig(file)
		if err != nil {
			return cfg, usage(err)
		}
		cfg = over(fromFile, flags, cmd)
	}
	if cfg.Authority == "" {
		return cfg, a.said(exitUsage, "serve.domain")
	}
	if cfg.DataDir == "" {
		cfg.DataDir = filepath.Join(a.home, "nodes", fileName(cfg.Authority))
	}
	// Accounts are open on loopback and by invitation elsewhere.
	if file == "" {
		cfg.Invite = !open && !cfg.Loopback()
	} else if open {
		cfg.Invite = false
	}
	cfg.Clock, cfg.Log, cfg.Version = a.clock, a.serverLog(), a.version
	if program, err := os.Executable(); err == nil {
		cfg.Program = program
	}
	return cfg, nil
}

// over is the file's configuration with the flags that were given.
func over(file, flags node.Config, cmd *cobra.Command) node.Config {
	for name, set := range map[string]func(){
		"domain":   func() { file.Authority = flags.Authority },
		"listen":   func() { file.Listen = flags.Listen },
		"data":     func() { file.DataDir = flags.DataDir },
		"tls-cert": func() { file.TLSCert = flags.TLSCert },
		"tls-key":  func() { file.TLSKey = flags.TLSKey },
		"contact":  func() { file.Contact = flags.Contact },
		"witness":  func() { file.Witnesses = flags.Witnesses },
		"proxy":    func() { file.Proxy = flags.Proxy },
	} {
		if cmd.Flags().Changed(name) {
			set()
		}
	}
	return file
}

func (a *app) serve(cmd *cobra.Command, cfg node.Config) error {
	n, err := node.Open(cmd.Context(), cfg)
	if err != nil {
		return a.notStarted(cfg, err)
	}
	defer func() { _ = n.Close() }()
	if a.json {
		a.line(map[string]any{"authority": n.Authority(), "url": n.BaseURL(), "address": n.Addr(), "data": cfg.DataDir})
	}
	a.say("serve.started", "Authority", n.Authority(), "URL", n.BaseURL(), "Data", cfg.DataDir)
	if cfg.Invite {
		how := "--domain " + n.Authority()
		if file, err := cmd.Flags().GetString("config"); err == nil && file != "" {
			how = "--config " + file
		}
		a.say("serve.invites", "How", how)
	} else {
		a.say("serve.open", "Authority", n.Authority())
	}
	if err := n.Serve(cmd.Context()); err != nil {
		return err
	}
	a.say("serve.stopped")
	return n.Close()
}

func (a *app) newInvite(cmd *cobra.Command, cfg node.Config) error {
	if _, err := os.Stat(cfg.DataDir); errors.Is(err, fs.ErrNotExist) {
		return a.said(exitFailed, "serve.nodata", "Data", cfg.DataDir)
	}
	code, err := node.Invite(cmd.Context(), cfg.DataDir, a.clock.Now(), inviteLasts)
	if err != nil {
		return err
	}
	until := a.clock.Now().Add(inviteLasts)
	if a.json {
		a.line(map[string]any{"invite": code, "until": until})
		return nil
	}
	a.say("serve.invite", "Code", code, "Authority", cfg.Authority, "Until", a.when(until))
	return nil
}

// fileName is a name as a single path element.
func fileName(s string) string {
	out := []rune(s)
	for i, r := range out {
		if r == ':' || r == '/' || r == os.PathSeparator {
			out[i] = '_'
		}
	}
	return string(out)
}

// notStarted says what to do where the ledger keeps a node from starting.
func (a *app) notStarted(cfg node.Config, err error) error {
	dir := filepath.Join(cfg.DataDir, "ledger")
	var f *ledger.Finding
	what := err.Error()
	if errors.As(err, &f) {
		what = f.Error()
	}
	switch {
	case errors.Is(err, ledger.ErrRollback):
		return a.said(exitFailed, "serve.ledger.rollback", "Dir", dir, "What", what)
	case errors.Is(err, ledger.ErrFork):
		return a.said(exitFailed, "serve.ledger.fork", "Dir", dir, "What", what)
	case errors.Is(err, notary.ErrDamaged):
		return a.said(exitFailed, "serve.ledger.damaged", "Dir", dir, "What", what)
	}
	return err
}
