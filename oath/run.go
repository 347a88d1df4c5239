package oath

import (
	"context"
	"crypto/tls"
	"time"

	"primum/client/nethttp"
	"primum/internal/clock"
	"primum/internal/wire"
)

// Path is where a domain serves its oath.
const Path = "/.well-known/primum/oath"

// Budget bounds what a check spends.
type Budget struct {
	Time     time.Duration
	Bytes    int64 // both directions, as on the wire
	Requests int64 // requests and connections
}

// DefaultBudget is for a whole check; DefaultClauseBudget for one clause,
// unless its file says less time.
func DefaultBudget() Budget { return Budget{Time: 20 * time.Minute, Bytes: 128 << 20, Requests: 4000} }

// DefaultClauseBudget is what one clause may spend.
func DefaultClauseBudget() Budget {
	return Budget{Time: 3 * time.Minute, Bytes: 24 << 20, Requests: 800}
}

// Config of a check.
type Config struct {
	Domain  string // an authority: example.org, or h.localhost:8401
	Clauses []Clause
	Probes  map[string]Probe // by the name that clause files use
	// NewCast makes the test persons and things, once, when the first probe
	// asks for them. ctx lives as long as the check.
	NewCast func(ctx context.Context, r *Run) (Cast, error)
	Own     []string // hosts that may have private addresses
	TLS     *tls.Config
	Clock   clock.Clock // nil for the real one
	From    string      // how the checker names itself
	Version string
	Total   Budget // zero for the defaults
	Clause  Budget
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

	cfg  Config
	cast Cast
}

// Target is whom a check looks at.
type Target struct {
	Domain string         // as given
	Base   string         // https://DOMAIN, or http:// under .localhost
	Node   *wire.NodeInfo // nil where no node answers
	Oath   *Document      // nil where none is served, or its signature is bad
}

// Cast returns the cast, made on the first call. A person probe asserts its
// own type.
func (r *Run) Cast(ctx context.Context) (Cast, error) {
	if r.cfg.NewCast == nil {
		return nil, Unshown("this check has no test persons")
	}
	return nil, Unshown("this check has no test persons")
}

// Transport is a client's way to the network within the budgets: for the
// machines of the cast.
func (r *Run) Transport() *nethttp.Transport { return nethttp.New(nethttp.Options{Own: r.cfg.Own}) }
