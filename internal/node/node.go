// Package node assembles a node: configuration, start order, periodic work,
// shutdown, backup. It is the only place that knows all of its parts, and it
// keeps nothing outside of Node, so that several run in one process.
package node

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"runtime/debug"
	"sync"
	"time"

	"primum/identity"
	"primum/internal/catalogue"
	"primum/internal/consent"
	httpdoor "primum/internal/door/http"
	"primum/internal/durable"
	"primum/internal/meter"
	"primum/internal/notary"
	"primum/internal/operator"
	"primum/internal/peer"
	"primum/internal/portal"
	"primum/internal/relay"
	"primum/internal/resolve"
	"primum/internal/rights"
	"primum/internal/seen"
	"primum/internal/store"

	"github.com/prometheus/client_golang/prometheus"
)

const (
	headerMax   = 16 << 10
	stopWait    = 10 * time.Second
	headerWait  = 5 * time.Second
	bodyWait    = 30 * time.Second
	answerWait  = 60 * time.Second
	idleWait    = 75 * time.Second
	maxInvite   = 90 * 24 * time.Hour
	storeFolder = "store"
)

// Node is one running node. Open makes it listen, Serve makes it answer.
type Node struct {
	cfg      Config
	lock     *durable.Lock
	listener net.Listener
	tls      *encrypted // the way to https; nil without ACME
	store    *store.Store
	notary   *notary.Notary
	around   *neighbourhood // whom the notary asks
	relay    *relay.Relay
	seen     *seen.Book
	meter    *meter.Book
	facts    *facts
	book     *consent.Book
	peer     *peer.Peer
	rights   *rights.Desk
	door     *httpdoor.Door
	portal   *portal.Portal
	operator *operator.Operator
	tokens   *operator.Publishers // who may change what is public
	offers   *catalogue.Catalogue // services offered to everybody
	names    *names               // what everyone may ask, see names.go
	server   *http.Server
	unused   *unused

	mu      sync.Mutex
	serving bool               // guarded by mu
	stop    context.CancelFunc // guarded by mu; set while serving
	stopped chan struct{}      // closed when Serve has returned
	closed  bool               // guarded by mu
}

// Open opens the databases, makes the node's key on the first start, and
// listens: Addr and Authority are final. It answers nothing before Serve.
func Open(ctx context.Context, cfg Config) (*Node, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	if err := durable.MakeDir(cfg.DataDir); err != nil {
		return nil, fmt.Errorf("open node: %w", err)
	}
	n := &Node{cfg: cfg, stopped: make(chan struct{}), unused: newUnused()}
	if err := n.open(ctx); err != nil {
		_ = n.release()
		return nil, fmt.Errorf("open node in %s: %w", cfg.DataDir, err)
	}
	return n, nil
}

// open takes what the node needs, in this order: the directory, its address,
// the store, and then the parts that work with it.
func (n *Node) open(ctx context.Context) (err error) {
	if n.lock, err = durable.LockDir(n.cfg.DataDir); err != nil {
		return err
	}
	if err := n.settle(ctx); err != nil {
		return err
	}
	if err := n.openTLS(ctx); err != nil {
		return err
	}
	key, err := loadKey(n.cfg.DataDir, n.cfg.Rand)
	if err != nil {
		return err
	}
	n.store, err = store.Open(ctx, filepath.Join(n.cfg.DataDir, storeFolder), store.Options{Log: n.cfg.Log, MaxPages: n.cfg.MaxPages})
	if err != nil {
		return err
	}
	if n.tokens, err = operator.OpenPublishers(n.store, n.cfg.Clock, n.cfg.DataDir); err != nil {
		return err
	}
	n.openCatalogue()
	n.peer = peer.New(peer.Config{
		Authority: n.cfg.Authority, Key: key, Loopback: n.cfg.Loopback(), Store: n.store, Clock: n.cfg.Clock, Log: n.cfg.Log, Version: n.cfg.Version,
	})
	if err := n.compareLate(ctx); err != nil {
		return err
	}
	if err := n.openLedger(ctx, key); err != nil {
		return err
	}
	if err := n.openNames(ctx); err != nil {
		return err
	}
	if err := n.assemble(key); err != nil {
		return err
	}
	return n.facts.check(ctx)
}

// settle decides the authority and listens. A .localhost authority without a
// port takes the one of its last run, so that accounts keep their names.
func (n *Node) settle(ctx context.Context) error {
	known, err := loadSelf(n.cfg.DataDir)
	if err != nil {
		return err
	}
	if n.cfg.Authority, err = identity.ParseAuthority(n.cfg.Authority); err != nil {
		return err
	}
	listen, err := n.cfg.listenAt(known)
	if err != nil {
		return err
	}
	if n.listener, err = new(net.ListenConfig).Listen(ctx, "tcp", listen); err != nil {
		return fmt.Errorf("listen: %w; another program may use the port", err)
	}
	if n.cfg.Loopback() && !hasPort(n.cfg.Authority) {
		_, port, _ := net.SplitHostPort(n.Addr()) // a listener's address has a port
		n.cfg.Authority += ":" + port
	}
	if known.Authority != "" && known.Authority != n.cfg.Authority {
		return fmt.Errorf("this directory belongs to the node of %s, not %s", known.Authority, n.cfg.Authority)
	}
	if known.Authority == "" {
		return saveSelf(n.cfg.DataDir, self{Authority: n.cfg.Authority})
	}
	return nil
}

// assemble builds the parts, lowest room first.
func (n *Node) assemble(key ed25519.PrivateKey) (err error) {
	c, promiser, logs := n.cfg, n.promiser(key), n.notary.NodeLedger()
	n.seen = seen.New(seen.Options{Store: n.store.Seen, Clock: c.Clock, Log: c.Log, Rand: c.Rand, Ledger: promiser, Proof: n.prove})
	n.relay = relay.New(relay.Options{Store: n.store.Circles, Clock: c.Clock, Log: c.Log, Limits: c.Relay, Delivered: n.delivered, Accepted: n.accepted})
	n.book = consent.New(consent.Options{
		Store: n.store, Relay: n.relay, Clock: c.Clock, Authority: c.Authority, Log: c.Log,
		Key: key, KeyID: identity.NodeKeyID(c.Authority, peer.KeyName), Ledger: promiser,
		Changed: func(accounts ...string) { n.door.GrantsChanged(accounts...) },
		Ended:   func(account string) { n.door.GuestEnded(account) },
	})
	n.meter, err = meter.New(meter.Config{Store: n.store.Usages, Clock: c.Clock, Log: c.Log, Quotas: c.Quotas})
	if err != nil {
		return err
	}
	n.facts = &facts{cfg: c, key: key.Public().(ed25519.PublicKey), store: n.store.Facts, log: n.notary, kept: n.relay.Limits().Retention}
	registry := prometheus.NewRegistry()
	if err := errors.Join(n.countTotals(registry), n.countLedger(registry)); err != nil {
		return err
	}
	n.rights = rights.New(rights.Options{
		Store: n.store, Authority: c.Authority, Base: n.BaseURL(), Key: key, KeyID: identity.NodeKeyID(c.Authority, peer.KeyName),
		Clock: c.Clock, Log: c.Log, Fence: n.relay.Fence, Ledger: promiser, Forget: n.names.things.Forget, Things: n.thingsOf,
	})
	n.door, err = httpdoor.New(httpdoor.Config{
		Authority: c.Authority, Base: n.BaseURL(), Version: c.Version, Key: key, Invite: c.Invite, Proxy: c.Proxy,
		TLS: !c.Loopback(), Limits: *c.Limits, Clock: c.Clock, Log: c.Log, Registry: registry,
		Store: n.store, Relay: n.relay, Book: n.book, Seen: n.seen, Rights: n.rights, Peer: n.peer, Ready: n.ready, Proof: n.prove, Ledger: &logs,
		Meter: n.meter, Measurements: n.facts.measurements, Security: n.security, NameSecret: resolve.SecretOf(key),
		Published: n.published,
	})
	if err != nil {
		return err
	}
	n.portal, err = portal.New(portal.Config{
		Authority: c.Authority, Version: c.Version, TLS: !c.Loopback(), Clock: c.Clock, Log: c.Log,
		Next: n.door, Admit: n.door.Admit, Counts: n.counts, Since: c.Clock.Now(), Contact: c.Contact,
		Notice: n.door.Notice, Session: n.door.PageSession, MayCarry: n.door.AdmitAccount, Loopback: c.Loopback(), LAN: c.Loopback(),
		Facts: n.store.Facts, Measurements: n.facts.measurements, LogState: n.logState, Sworn: sworn,
		Open: n.names.values, Class: n.classOf, Services: n.offers,
	})
	if err != nil {
		return err
	}
	n.facts.assets = n.portal.ManifestHash()
	n.operator, err = operator.New(operator.Config{
		Authority: c.Authority, Base: n.BaseURL(), Version: c.Version, DataDir: c.DataDir, Invite: c.Invite, Limits: n.limitsShown(),
		Since: c.Clock.Now(), Clock: c.Clock, Log: c.Log, Store: n.store, Pages: n.portal, Metrics: registry,
		Reports: n.portal.Reports, Admit: n.door.Admit, Next: n.portal,
	})
	if err != nil {
		return err
	}
	if err := n.assembleNames(key, registry); err != nil {
		return err
	}
	n.server = &http.Server{
		Handler: n.handler(), ReadHeaderTimeout: headerWait, ReadTimeout: bodyWait, WriteTimeout: answerWait,
		IdleTimeout: idleWait, MaxHeaderBytes: headerMax, ErrorLog: quiet(c.Log), ConnState: n.unused.track,
	}
	n.server.RegisterOnShutdown(n.names.stop)
	return nil
}

// Serve answers until ctx ends or Close is called, then stops in stages:
// intake, running requests, sockets, periodic work. It returns nil after an
// orderly stop. The databases stay open until Close.
func (n *Node) Serve(ctx context.Context) error {
	ctx, stop, err := n.begin(ctx)
	if err != nil {
		return err
	}
	defer close(n.stopped)
	defer stop()
	work, endWork := context.WithCancel(context.WithoutCancel(ctx))
	var jobs sync.WaitGroup
	n.startJobs(work, &jobs)
	// Schemas, catalogues and templates leave several MB behind that an idle
	// node would keep until its first collection.
	debug.FreeOSMemory()
	failed := make(chan error, 1)
	go func() { failed <- n.listen() }()
	if n.tls != nil {
		jobs.Go(func() { n.tls.run(work, n.cfg.Log) })
	}
	n.cfg.Log.Info("node started", "authority", n.cfg.Authority, "address", n.Addr(), "version", n.cfg.Version)
	select {
	case <-ctx.Done():
		err = nil
	case err = <-failed:
	}
	n.drain()
	endWork()
	jobs.Wait()
	n.cfg.Log.Info("node stopped")
	return err
}

// startJobs starts all that works beside the answering, in plain sight.
func (n *Node) startJobs(ctx context.Context, jobs *sync.WaitGroup) {
	jobs.Go(func() { n.door.Run(ctx) }) // pings, limits, tickets
	jobs.Go(func() { n.peer.Run(ctx) }) // the outbox to other domains
	jobs.Go(func() { n.peer.RunRings(ctx) })
	jobs.Go(func() { n.notary.Run(ctx) }) // ticks, checkpoints and their witnesses
	jobs.Go(func() { n.notary.RunScrub(ctx) })
	jobs.Go(func() { n.facts.run(ctx) })  // public documents into the public log
	jobs.Go(func() { n.meter.Run(ctx) })  // what organisations used
	jobs.Go(func() { n.rights.Run(ctx) }) // old cases, journals
	jobs.Go(func() { n.seen.Run(ctx) })   // who saw what, and its days
	jobs.Go(func() { n.names.values.Run(ctx) })
	jobs.Go(func() { n.names.things.Run(ctx) }) // what is over
	jobs.Go(func() {                            // expiry, retention, trimming
		if err := n.book.Run(ctx); err != nil && ctx.Err() == nil {
			n.cfg.Log.Error("periodic work ended", "error", err)
		}
	})
}

func (n *Node) begin(ctx context.Context) (context.Context, context.CancelFunc, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.serving || n.closed {
		return nil, nil, errors.New("serve node: it has been served or closed before")
	}
	ctx, stop := context.WithCancel(ctx)
	n.serving, n.stop = true, stop
	return ctx, stop, nil
}

func (n *Node) listen() error {
	var err error
	if n.tls != nil {
		n.server.TLSConfig = n.tls.keeper.TLS()
		err = n.server.ServeTLS(n.listener, "", "")
	} else if n.cfg.TLSCert != "" {
		err = n.server.ServeTLS(n.listener, n.cfg.TLSCert, n.cfg.TLSKey)
	} else {
		err = n.server.Serve(n.express())
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("serve node: %w", err)
}

// drain ends the intake, lets running requests finish, and says goodbye on
// the sockets.
func (n *Node) drain() {
	ctx, cancel := context.WithTimeout(context.Background(), stopWait)
	defer cancel()
	n.unused.close()
	if err := n.server.Shutdown(ctx); err != nil {
		_ = n.server.Close()
	}
	n.door.Stop(ctx)
	n.portal.Stop()
}

// Close stops serving and closes the databases. It may be called twice.
func (n *Node) Close() error {
	n.mu.Lock()
	if n.closed {
		n.mu.Unlock()
		return nil
	}
	n.closed = true
	serving, stop := n.serving, n.stop
	n.mu.Unlock()
	if serving {
		stop()
		<-n.stopped
	}
	return n.release()
}

// release gives back what open took, in the opposite order.
func (n *Node) release() error {
	var errs []error
	if n.door != nil {
		ctx, cancel := context.WithTimeout(context.Background(), stopWait)
		n.door.Stop(ctx)
		cancel()
	}
	if n.portal != nil {
		n.portal.Stop()
	}
	if n.peer != nil {
		n.peer.Close()
	}
	if n.tls != nil {
		n.tls.close()
	}
	if n.listener != nil {
		if err := n.listener.Close(); !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	if n.notary != nil {
		errs = append(errs, n.notary.Close())
	}
	if n.names != nil {
		errs = append(errs, n.names.close())
	}
	if n.store != nil {
		errs = append(errs, n.store.Close())
	}
	if n.lock != nil {
		errs = append(errs, n.lock.Close())
	}
	return errors.Join(errs...)
}

// Addr is the address listened on, host:port.
func (n *Node) Addr() string { return n.listener.Addr().String() }

// Authority is the node's domain, with the port where it is a .localhost one.
func (n *Node) Authority() string { return n.cfg.Authority }

// Reports is how many violations of the pages' content security policy
// browsers have reported.
func (n *Node) Reports() uint64 { return n.portal.Reports() }

// BaseURL is the start of every address of the node, without a final slash.
func (n *Node) BaseURL() string { return identity.BaseURL(n.cfg.Authority) }

// Invite makes a one-use invitation for a new account, valid for d, at most
// 90 days.
func (n *Node) Invite(ctx context.Context, d time.Duration) (string, error) {
	return invite(ctx, n.store, n.cfg.Clock.Now(), d)
}

func invite(ctx context.Context, st *store.Store, now time.Time, d time.Duration) (string, error) {
	if d <= 0 || d > maxInvite {
		return "", errors.New("make invitation: it lasts for 90 days at most")
	}
	text, err := operator.Invite(ctx, st, operator.Console, now, now.Add(d))
	if err != nil {
		return "", fmt.Errorf("make invitation: %w", err)
	}
	return text, nil
}

func (n *Node) counts(ctx context.Context) (c portal.Counts, err error) {
	accounts, err := n.store.Accounts.Count(ctx)
	if err != nil {
		return c, err
	}
	c.Accounts = int64(accounts)
	c.Circles, c.Messages, err = n.store.Circles.Totals(ctx)
	return c, err
}

// ready asks the store something small.
func (n *Node) ready(ctx context.Context) error {
	_, err := n.store.Accounts.Count(ctx)
	return err
}

// countTotals shows the relay's sums as metrics.
func (n *Node) countTotals(reg prometheus.Registerer) error {
	for name, read := range map[string]func(relay.Counters) uint64{
		"primum_relay_refused_total": func(c relay.Counters) uint64 { return c.Refused },
		"primum_relay_fenced_total":  func(c relay.Counters) uint64 { return c.Fenced },
	} {
		err := reg.Register(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: "Of circles, since the start."},
			func() float64 { return float64(read(n.relay.Counters())) }))
		if err != nil {
			return fmt.Errorf("register metrics: %w", err)
		}
	}
	return nil
}

// delivered counts what was handed to a grantee's client.
func (n *Node) delivered(p relay.Passed) { n.seen.Delivered(p.Circle, p.Caller.Key, p.Bytes) }

// accepted counts what a grantee's client sent.
func (n *Node) accepted(p relay.Passed) { n.seen.Acted(p.Circle, p.Caller.Key) }
