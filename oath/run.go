package oath

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"sync"

	"primum/client"
	"primum/identity"
	"primum/internal/clock"
	"primum/internal/wire"
	"primum/ledger"
)

// Path is where a domain serves its oath.
const Path = wire.OathPath

// Config of a check.
type Config struct {
	Domain  string // an authority: example.org, or h.localhost:8401
	Clauses []Clause
	Probes  map[string]Probe // by the name that clause files use
	// With replaces parameters of clause files: "O03.watch": "2s". For tests.
	With map[string]string
	// NewCast makes the test persons and things, once, when the first probe
	// asks for them. ctx lives as long as the check.
	NewCast func(ctx context.Context, r *Run) (Cast, error)
	// People is whether the check may open accounts of its own.
	People bool
	Invite func() string // gives a one-use invitation, or nil
	// Own lists host names that may have private addresses.
	Own      []string
	Resolver string // DNS server, host:port; empty: the system's
	TLS      *tls.Config
	Clock    clock.Clock // nil for the real one
	From     string      // how the checker names itself
	Version  string
	Total    Budget // zero for the defaults
	Clause   Budget
	// Kept is what the checker has seen of the domain's ledger before.
	Kept ledger.Kept
	// Dial, in tests, takes the place of the real one and its rules of private
	// addresses.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)

	// Told, if any, hears of each result as it comes.
	Told func(Result)
}

// Cast is who and what plays in a check: a test person, grantees a and b, a
// canary thing, all made by the check through the public door.
type Cast interface {
	// Close withdraws everything, closes the accounts and stops the machines.
	Close(ctx context.Context) error
}

// Run is one check of one domain at work. Its clauses run one after the other;
// all its connections are counted against the budgets.
type Run struct {
	Target Target
	Clock  clock.Clock

	cfg   Config
	net   *network
	purse *purse
	stage *stage

	mu   sync.Mutex
	kept ledger.Kept // guarded by mu
}

// Target is whom a check looks at.
type Target struct {
	Domain string         // the authority
	Host   string         // without a port
	Base   string         // https://DOMAIN, or http:// under .localhost
	Local  bool           // a name of this machine
	Node   *wire.NodeInfo // nil where no node answers
	// NoNode says why Node is nil; Lie is the domain that the node names instead
	// of the one that was asked.
	NoNode, Lie string
	// Oath is nil where none is served, or where it can't be believed; NoOath
	// says why.
	Oath       *Document
	NoOath     string
	OathServed bool
	OathSHA256 string // of the document as served, hex
}

// Invite is a one-use invitation for a test person, empty where there is none.
func (r *Run) Invite() string {
	if r.cfg.Invite == nil {
		return ""
	}
	return r.cfg.Invite()
}

// Resolver is the DNS server to ask, host:port; empty: the system's.
func (r *Run) Resolver() string { return r.cfg.Resolver }

// Roots are whom the checker believes certificates; nil: the system's.
func (r *Run) Roots() *x509.CertPool {
	if r.cfg.TLS == nil {
		return nil
	}
	return r.cfg.TLS.RootCAs
}

// Kept is what the checker knows of the target's ledger; Keep replaces it.
func (r *Run) Kept() ledger.Kept {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.kept
}

// Keep remembers what was found good of the target's ledger.
func (r *Run) Keep(k ledger.Kept) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.kept = k
}

// Cast returns the cast, made on the first call; a failure is remembered. Its
// machines live as long as the check; ctx bounds the waiting only.
func (r *Run) Cast(ctx context.Context) (Cast, error) {
	switch {
	case r.cfg.NewCast == nil || !r.cfg.People:
		return nil, Unshown("this check has no test persons")
	case r.Target.Node == nil:
		return nil, Unshown("test persons need a node: " + r.Target.NoNode)
	}
	r.stage.begin(func() (Cast, error) { return r.cfg.NewCast(r.stage.life, r) })
	select {
	case <-r.stage.ready:
		return r.stage.cast, r.stage.err
	case <-ctx.Done():
		return nil, fmt.Errorf("make the test persons: %w", ctx.Err())
	}
}

// close ends the cast and all connections. Leaving has a budget of its own.
func (r *Run) close() error {
	r.purse.leave(DefaultClauseBudget())
	err := r.stage.close()
	r.net.close()
	return err
}

func newRun(ctx context.Context, cfg Config) (*Run, error) {
	authority, err := identity.ParseAuthority(cfg.Domain)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", cfg.Domain, err)
	}
	if cfg.Clock == nil {
		cfg.Clock = clock.Real()
	}
	cfg.Total, cfg.Clause = cfg.Total.or(DefaultBudget()), cfg.Clause.or(DefaultClauseBudget())
	base := identity.BaseURL(authority)
	u, err := url.Parse(base)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", cfg.Domain, err)
	}
	p := &purse{total: spent{limit: cfg.Total}, clause: spent{limit: cfg.Clause}}
	return &Run{
		Target: Target{Domain: authority, Host: u.Hostname(), Base: base, Local: isLocal(u.Hostname())},
		Clock:  cfg.Clock, cfg: cfg, purse: p, net: newNetwork(cfg, u.Hostname(), p), stage: newStage(ctx), kept: cfg.Kept,
	}, nil
}

// meet finds out who answers under the domain's name. The error means that
// nobody does.
func (r *Run) meet(ctx context.Context) error {
	a, err := r.Fetch(ctx, Ask{URL: r.Target.Base + wire.NodePath, Header: map[string]string{"Accept": "application/json"}, Stay: true})
	var op *net.OpError
	if errors.As(err, &op) && op.Op == "dial" {
		if _, plainErr := r.Fetch(ctx, Ask{URL: "http://" + r.Target.Domain + "/", Stand: true}); plainErr == nil {
			err = nil // something answers: the clauses say what is wrong
		} else {
			return fmt.Errorf("%w: %w", client.ErrUnreachable, err)
		}
	}
	node, why := r.readNode(a, err)
	if r.Target.Node, r.Target.NoNode = node, why; node == nil {
		r.Target.NoOath = "no Primum node answers here"
		return nil
	}
	r.readOath(ctx)
	return nil
}

// readNode believes an answer only if it speaks of the domain that was asked.
func (r *Run) readNode(a Answer, err error) (*wire.NodeInfo, string) {
	var node wire.NodeInfo
	switch {
	case err != nil:
		return nil, Plain(err.Error(), maxReason)
	case a.Status != 200:
		return nil, fmt.Sprintf("no Primum node answers here (status %d)", a.Status)
	}
	if err := a.JSON(&node); err != nil {
		return nil, "no Primum node answers here: " + Plain(err.Error(), maxReason)
	}
	if node.Authority != r.Target.Domain {
		r.Target.Lie = Plain(node.Authority, 80)
		return nil, fmt.Sprintf("the node says that it is %q, not %s", Plain(node.Authority, 80), r.Target.Domain)
	}
	if api, err := url.Parse(node.API); err != nil || api.Host != r.Target.Domain || len(node.Keys) == 0 || len(node.Keys) > 16 {
		return nil, "the node's entrance leads to another host, or names no key"
	}
	return &node, ""
}

func (r *Run) readOath(ctx context.Context) {
	a, err := r.Fetch(ctx, Ask{URL: r.Target.Base + Path, Max: MaxEnvelope, Stay: true})
	switch {
	case err != nil:
		r.Target.NoOath = Plain(err.Error(), maxReason)
	case a.Status == 404:
		r.Target.NoOath = "this node swears nothing"
	case a.Status != 200 || a.Cut:
		r.Target.NoOath = fmt.Sprintf("no oath could be read (status %d)", a.Status)
	default:
		r.Target.OathServed, r.Target.OathSHA256 = true, SHA256(a.Body)
		d, err := OpenDocument(a.Body, r.Target.Domain, nodeKeys(r.Target.Node)...)
		if err != nil {
			r.Target.NoOath = Plain(err.Error(), maxReason)
			return
		}
		r.Target.Oath = &d
	}
}
