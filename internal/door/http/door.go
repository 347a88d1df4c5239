// Package httpdoor is a node's HTTP interface: its API and the live socket. It authenticates (RFC 9421), limits, reads strictly, and answers
// every refusal with a problem (RFC 9457); what is to be done it asks of store,
// relay, consent and peer. Source: docs/spec/wire.md.
package httpdoor

import (
	"context"
	"crypto"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"primum/internal/clock"
	"primum/internal/consent"
	"primum/internal/meter"
	"primum/internal/peer"
	"primum/internal/relay"
	"primum/internal/rights"
	"primum/internal/seen"
	"primum/internal/sign"
	"primum/internal/store"
	"primum/internal/wire"
	"primum/ledger"
	"primum/thing/id"
)

const (
	requestWait = 20 * time.Second
	sweepEvery  = 15 * time.Second
	maxNonces   = 200000
)

// Config is what a door opens to.
type Config struct {
	Authority string        // the node's domain
	Base      string        // its address, without a final slash
	Version   string        // of the software
	Key       crypto.Signer // the node's Ed25519 key
	Invite    bool          // accounts are by invitation
	Proxy     bool          // believe the last X-Forwarded-For from this machine
	TLS       bool          // reached over TLS
	Limits    Limits
	Clock     clock.Clock
	Log       *slog.Logger
	Registry  *prometheus.Registry
	Store     *store.Store
	Relay     *relay.Relay
	Book      *consent.Book
	Seen      *seen.Book
	Peer      *peer.Peer
	Rights    *rights.Desk
	Ready     func(context.Context) error // nil while the node works
	// Meter counts what organisations use; nil counts nothing.
	Meter *meter.Book
	// Measurements are what the published results of checks say; nil: none.
	Measurements func(context.Context) (wire.Measurements, error)
	// Security is the text of security.txt at a time; nil: there is none.
	Security func(now time.Time) string
	// Proof is the tlog-proof of a leaf of the commitments log, or a
	// *wire.Refusal: ProbNotFound, ProbNotYet. Nil: there is no ledger.
	Proof func(ctx context.Context, leaf [32]byte) ([]byte, error)
	// NameSecret is resolve.SecretOf the node's key: of labels.
	NameSecret []byte
	// Published says whether the operator publishes a name, in the sight of
	// everybody; nil: none.
	Published func(context.Context, id.ID) (bool, error)
	// Ledger is where the node's logs are; nil: it has none.
	Ledger *ledger.NodeLedger
}

// Door is the handler of a node's HTTP. It is safe for concurrent use.
type Door struct {
	cfg     Config
	ctx     context.Context // ends at Stop
	cancel  context.CancelFunc
	handler http.Handler
	openAPI []byte
	metrics *metrics
	nonces  *sign.Nonces
	asked   *sign.Nonces // of requests for rights: nothing else uses them up
	tickets *tickets
	live    *live
	polls   *polls

	perAddress, perAccount, perDomain, signUps, claims, links, keeps, stops, pushes, rights, pleas *limiter

	first *first // requests for rights go before all others
}

// New builds a door; Run drives its periodic work.
func New(cfg Config) (*Door, error) {
	d := &Door{
		cfg: cfg, live: newLive(), polls: newPolls(), tickets: &tickets{},
		nonces:     sign.NewNonces(cfg.Clock, maxNonces),
		asked:      sign.NewNonces(cfg.Clock, maxNonces/4),
		perAddress: newLimiter(cfg.Limits.Address, cfg.Clock), perAccount: newLimiter(cfg.Limits.Account, cfg.Clock),
		perDomain: newLimiter(cfg.Limits.Domain, cfg.Clock), signUps: newLimiter(cfg.Limits.Sign, cfg.Clock),
		claims: newLimiter(cfg.Limits.Claims, cfg.Clock), links: newLimiter(cfg.Limits.Links, cfg.Clock),
		keeps: newLimiter(cfg.Limits.Keeps, cfg.Clock), stops: newLimiter(cfg.Limits.Stop, cfg.Clock),
		pushes: newLimiter(cfg.Limits.Pushes, cfg.Clock), rights: newLimiter(cfg.Limits.Rights, cfg.Clock),
		pleas: newLimiter(cfg.Limits.Pleas, cfg.Clock),
		first: newFirst(),
	}
	d.ctx, d.cancel = context.WithCancel(context.Background())
	var err error
	if d.metrics, err = newMetrics(cfg.Registry, func() float64 { return float64(d.live.count()) }); err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	if d.openAPI, err = d.mount(mux); err != nil {
		return nil, err
	}
	mux.HandleFunc("/", d.nothing)
	d.handler = mux
	return d, nil
}

// ServeHTTP answers a request.
func (d *Door) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	secure(w.Header(), d.cfg.TLS)
	defer func() {
		if v := recover(); v != nil {
			if v == http.ErrAbortHandler {
				panic(v)
			}
			// The value may hold what was sent; its place is enough to find it.
			d.cfg.Log.Error("request panicked", "at", panicPlace())
			writeProblem(w, problem(wire.ProbInternal, ""))
		}
	}()
	if r.URL.Path != "/v1/live" {
		ctx, cancel := context.WithTimeout(r.Context(), requestWait)
		defer cancel()
		r = r.WithContext(ctx)
	}
	d.handler.ServeHTTP(w, r)
}

// nothing answers for every path and method that no route has.
func (d *Door) nothing(w http.ResponseWriter, r *http.Request) {
	if err := d.admitAddress(r, d.perAddress); err != nil {
		writeProblem(w, d.explain(err))
		return
	}
	writeProblem(w, problem(wire.ProbNotFound, "no operation has this method and path; see /openapi.json"))
}

// Run does the door's periodic work until ctx ends.
func (d *Door) Run(ctx context.Context) {
	for {
		t := d.cfg.Clock.NewTimer(sweepEvery)
		select {
		case <-ctx.Done():
			t.Stop()
			return
		case <-t.C():
		}
		d.sweepSockets()
		d.endUsedUp()
		d.tickets.sweep(d.cfg.Clock.Now())
		for _, l := range []*limiter{d.perAddress, d.perAccount, d.perDomain, d.signUps, d.claims, d.links, d.keeps, d.stops, d.pushes, d.rights, d.pleas} {
			l.sweep()
		}
	}
}

// GrantsChanged tells the live sockets of accounts that their list of grants
// changed. It does not block.
func (d *Door) GrantsChanged(accounts ...string) {
	for _, a := range accounts {
		d.polls.wake(a)
		for _, s := range d.live.of(a) {
			s.send(wire.Control{Type: wire.CtlGrants})
		}
	}
}

// Stop ends the live sockets with a word, and waits for them until ctx ends.
func (d *Door) Stop(ctx context.Context) {
	d.live.stop()
	d.live.wait(ctx)
	d.cancel()
}

// explain makes an error a problem. What is not a refusal is answered without
// its text, which may name what is stored.
func (d *Door) explain(err error) *wire.Problem {
	var p *wire.Problem
	var r *wire.Refusal
	switch {
	case errors.As(err, &p):
		return p
	case errors.As(err, &r):
		return refused(r)
	case errors.Is(err, peer.ErrUnreachable), errors.Is(err, peer.ErrKeyChanged):
		return problem(wire.ProbUnreachable, "the other domain's node could not be asked, or gave no usable answer")
	case storeFailed(err):
		return problem(wire.ProbStorage, "nothing acknowledged is lost; try again later")
	case errors.Is(err, store.ErrNotFound):
		return problem(wire.ProbNotFound, "")
	case errors.Is(err, store.ErrInvite):
		return problem(wire.ProbInvite, "ask the operator of this node for an invitation")
	case errors.Is(err, store.ErrExists), errors.Is(err, store.ErrConflict):
		return problem(wire.ProbConflict, "something else was stored before")
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		q := problem(wire.ProbUnreachable, "the request took too long")
		q.Status = http.StatusServiceUnavailable
		return q
	}
	return problem(wire.ProbInternal, "")
}

// refused makes a problem of a refusal from behind the door.
func refused(r *wire.Refusal) *wire.Problem {
	p := problem(r.Name, r.Detail)
	p.Pointer, p.Epoch = r.Pointer, r.Epoch
	if r.Retry > 0 {
		p.Retry = seconds(r.Retry)
	}
	if r.Reason != "" {
		// A map of strings and a time always marshals.
		p.More, _ = json.Marshal(map[string]string{"reason": r.Reason, "at": r.At.UTC().Format(time.RFC3339)})
	}
	return p
}

// at adds the place of the offending member to a refusal.
func at(err error, pointer string) error {
	var p *wire.Problem
	if pointer == "" || !errors.As(err, &p) || p.Pointer != "" {
		return err
	}
	q := *p
	q.Pointer = pointer
	return &q
}
