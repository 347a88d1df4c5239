// Package peer is a node's way to other domains, which it knows by name only:
// it finds identity documents and node keys, claims key packages, and delivers
// sealed documents from a durable outbox. Every question is limited in size,
// time and number, and never leads into the node's own network.
package peer

import (
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	"primum/identity"
	"primum/internal/clock"
	"primum/internal/jws"
	"primum/internal/store"
	"primum/internal/wire"
)

// KeyName is the name of a node's key: the fragment of its key id.
const KeyName = "k1"

const (
	fresh      = 5 * time.Minute  // how long a fetched document is used
	freshMiss  = 30 * time.Second // how long a failed look-up is remembered
	freshLook  = 5 * time.Second  // a document that lacks a client is fetched again after this
	maxMisses  = 10000
	maxNodeKey = 4   // keys of one other node
	maxAsking  = 256 // questions to other nodes at a time
	everybody  = "*" // all domains together, in a pace
)

// Config of a Peer. All but TLS and Version are needed.
type Config struct {
	Authority string        // this node's
	Key       crypto.Signer // this node's Ed25519 key
	Loopback  bool          // this node lives under .localhost
	Store     *store.Store
	Clock     clock.Clock
	Log       *slog.Logger
	Version   string
	TLS       *tls.Config // nil: the system's certificate authorities
}

// Peer asks other nodes. Safe for concurrent use.
type Peer struct {
	cfg    Config
	client *http.Client
	pace   *pace         // questions
	meet   *pace         // first contacts: each leaves something in the store
	asking chan struct{} // one token per question under way
	wake   chan struct{} // the outbox has something new
	ring   chan struct{} // somebody is to be rung

	mu     sync.Mutex
	misses map[string]miss          // guarded by mu; failed look-ups
	flying map[string]chan struct{} // guarded by mu; look-ups under way
}

type miss struct {
	err error
	at  time.Time
}

// New makes a Peer. Run drives its outbox.
func New(cfg Config) *Peer {
	p := &Peer{
		cfg: cfg, client: newClient(Dialer{Loopback: cfg.Loopback}, cfg),
		pace: &pace{perSecond: 10, burst: 200}, meet: &pace{perSecond: 0.2, burst: 200, all: 2000},
		asking: make(chan struct{}, maxAsking), wake: make(chan struct{}, 1), ring: make(chan struct{}, 1),
		misses: map[string]miss{}, flying: map[string]chan struct{}{},
	}
	if cfg.Loopback {
		p.pace.perSecond, p.pace.burst = 1000, 10000
		p.meet.perSecond, p.meet.burst, p.meet.all = 1000, 10000, 0
	}
	return p
}

// Close ends idle connections.
func (p *Peer) Close() { p.client.CloseIdleConnections() }

// once runs work for a name; who asks meanwhile waits and looks again. It
// returns false for those.
func (p *Peer) once(ctx context.Context, name string, work func()) bool {
	p.mu.Lock()
	running, busy := p.flying[name]
	if busy {
		p.mu.Unlock()
		select {
		case <-running:
		case <-ctx.Done():
		}
		return false
	}
	done := make(chan struct{})
	p.flying[name] = done
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		delete(p.flying, name)
		p.mu.Unlock()
		close(done)
	}()
	work()
	return true
}

// missed returns the remembered failure of a look-up.
func (p *Peer) missed(name string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	m, ok := p.misses[name]
	if !ok || p.cfg.Clock.Now().Sub(m.at) >= freshMiss {
		delete(p.misses, name)
		return nil
	}
	return m.err
}

func (p *Peer) noteMiss(name string, err error) {
	now := p.cfg.Clock.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.misses) >= maxMisses {
		clear(p.misses)
	}
	p.misses[name] = miss{err: err, at: now}
}

// fetchIdentity asks the account's own domain, by WebFinger (RFC 7033) first.
func (p *Peer) fetchIdentity(ctx context.Context, account identity.Address) (string, error) {
	b, err := p.do(ctx, request{
		method: http.MethodGet, authority: account.Authority, max: wire.MaxDocument,
		path: wire.WebFingerPath + "?resource=" + url.QueryEscape("acct:"+account.String()),
	})
	if err != nil {
		return "", err
	}
	path, err := identityPath(account, b)
	if err != nil {
		return "", err
	}
	doc, err := p.do(ctx, request{method: http.MethodGet, authority: account.Authority, path: path, max: identity.MaxSize})
	return string(doc), err
}

// identityPath takes the link out of a WebFinger answer. It must stay within
// the account's domain.
func identityPath(account identity.Address, b []byte) (string, error) {
	var jrd wire.JRD
	if err := json.Unmarshal(b, &jrd); err != nil {
		return "", fmt.Errorf("%w: its WebFinger answer is not JSON", ErrUnreachable)
	}
	base, err := url.Parse(account.BaseURL())
	if err != nil {
		return "", fmt.Errorf("read own address: %w", err)
	}
	for _, l := range jrd.Links {
		if l.Rel != wire.RelIdentity {
			continue
		}
		u, err := url.Parse(l.Href)
		if err != nil || u.Scheme != base.Scheme || u.Host != base.Host || u.User != nil {
			return "", fmt.Errorf("%w: its WebFinger answer leads to another host", ErrUnreachable)
		}
		return u.RequestURI(), nil
	}
	return "", fmt.Errorf("%w: its WebFinger answer links no identity document", ErrUnreachable)
}

// NodeInfo asks another node what it is.
func (p *Peer) nodeInfo(ctx context.Context, authority string) (info wire.NodeInfo, err error) {
	b, err := p.do(ctx, request{method: http.MethodGet, authority: authority, path: wire.NodePath, max: wire.MaxDocument})
	if err != nil {
		return info, err
	}
	if err := json.Unmarshal(b, &info); err != nil {
		return info, fmt.Errorf("%w: its description is not JSON", ErrUnreachable)
	}
	if info.Authority != authority {
		return info, fmt.Errorf("%w: it says that it is another domain's node", ErrUnreachable)
	}
	if len(info.Keys) == 0 || len(info.Keys) > maxNodeKey {
		return info, fmt.Errorf("%w: it lists %d keys, wanted 1 to %d", ErrUnreachable, len(info.Keys), maxNodeKey)
	}
	return info, nil
}

// ClaimKeyPackages claims one key package of a suite of each client of an
// account at the account's node.
func (p *Peer) ClaimKeyPackages(ctx context.Context, account identity.Address, suite uint16) (out wire.ClaimedPackages, err error) {
	body, err := json.Marshal(wire.ClaimKeyPackages{Suite: suite})
	if err != nil {
		return out, fmt.Errorf("claim key packages: %w", err)
	}
	b, err := p.do(ctx, request{
		method: http.MethodPost, authority: account.Authority, signed: true, kind: "application/json", body: body,
		path: "/v1/key-packages/claim/" + url.PathEscape(account.User),
	})
	if err != nil {
		return out, fmt.Errorf("claim key packages: %w", err)
	}
	if err := jws.DecodeStrict(b, &out); err != nil {
		return out, fmt.Errorf("claim key packages: %w: its answer can't be read", ErrUnreachable)
	}
	if out.Account != account.String() || len(out.Packages) > identity.MaxClients {
		return out, fmt.Errorf("claim key packages: %w: its answer is for another account or too long", ErrUnreachable)
	}
	return out, nil
}

func keyOf(keys []wire.NodeKey, id string) ed25519.PublicKey {
	i := slices.IndexFunc(keys, func(k wire.NodeKey) bool { return k.ID == id })
	if i < 0 || len(keys[i].X) != ed25519.PublicKeySize {
		return nil
	}
	return keys[i].X
}
