package scenario

import (
	"context"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"primum/circle"
	"primum/client"
	"primum/client/nethttp"
	"primum/client/vault"
	"primum/grant"
	"primum/identity"
	"primum/internal/clock"
	"primum/internal/edge"
	"primum/internal/node"
	"primum/internal/wire"
)

// patience bounds every wait of a scenario; it is never slept through.
const patience = 30 * time.Second

// world is a clock and the nodes that live by it.
type world struct {
	clock  *clock.Manual
	h, s   *node.Node
	vaults map[string]*vault.Vault // by address
}

// newWorld starts two nodes that know nothing of each other.
func newWorld(t *testing.T) *world {
	t.Helper()
	c := clock.NewManual(time.Date(2026, 11, 22, 14, 0, 0, 0, time.UTC))
	return &world{
		clock: c, vaults: map[string]*vault.Vault{},
		h: startNode(t, "h.localhost", filepath.Join(t.TempDir(), "h"), c),
		s: startNode(t, "s.localhost", filepath.Join(t.TempDir(), "s"), c),
	}
}

// person signs up at a node, with keys on their own disk.
func (w *world) person(t *testing.T, n *node.Node, user string, kind identity.Kind, name string) *client.Client {
	t.Helper()
	v := signUp(t, n, w.clock, user, kind, name)
	w.vaults[v.Address()] = v
	return w.open(t, v.Address())
}

// signUp opens an account at a node, with keys on a disk of its own.
func signUp(t *testing.T, n *node.Node, c clock.Clock, user string, kind identity.Kind, name string) *vault.Vault {
	t.Helper()
	a, err := identity.ParseAddress(user + "@" + n.Authority())
	if err != nil {
		t.Fatal(err)
	}
	v, _, err := vault.Create(t.TempDir(), vault.New{
		Address: a, Kind: kind, Name: name, Passphrase: "a phrase", WorkFactor: 10, Now: c.Now(), Holder: "test",
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = v.Close() })
	o := optionsOf(t, v, c)
	if err := (client.Node{Calls: o.Calls, Authority: a.Authority}).NewAccount(t.Context(), wire.NewAccount{Identity: v.Document()}); err != nil {
		t.Fatal(err)
	}
	return v
}

// open opens the client of a person, who may have been away.
func (w *world) open(t *testing.T, address string) *client.Client {
	t.Helper()
	return openClient(t, w.options(t, w.vaults[address]))
}

// openClient opens a client until the test ends, and waits for all there is.
func openClient(t *testing.T, o client.Options) *client.Client {
	t.Helper()
	c, err := client.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	syncUp(t, c)
	return c
}

func (w *world) options(t *testing.T, v *vault.Vault) client.Options {
	t.Helper()
	return optionsOf(t, v, w.clock)
}

func optionsOf(t *testing.T, v *vault.Vault, c clock.Clock) client.Options {
	t.Helper()
	transport := nethttp.New(nethttp.Options{LAN: true}) // all hosts are here
	o, err := v.Options(transport)
	if err != nil {
		t.Fatal(err)
	}
	o.Calls.Clock, o.LAN = c, transport
	return o
}

func syncUp(t *testing.T, c *client.Client) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if away, err := c.Sync(ctx); err != nil || len(away) > 0 {
		t.Fatalf("sync %s: %v, away %v", c.Address(), err, away)
	}
}

// runEdge starts an edge that its config describes, until the test ends.
func (w *world) runEdge(t *testing.T, config edge.Config) *edge.Edge {
	t.Helper()
	e, _ := w.runEdgeUntil(t, config)
	return e
}

// runEdgeUntil starts an edge that can be stopped before the test ends.
func (w *world) runEdgeUntil(t *testing.T, config edge.Config) (e *edge.Edge, stop func()) {
	t.Helper()
	config.Clock, config.Listen = w.clock, "127.0.0.1:0"
	if config.Dir == "" {
		config.Dir = filepath.Join(t.TempDir(), "edge")
	}
	return runEdgeBy(t, config, client.Calls{Transport: nethttp.New(nethttp.Options{}), Clock: w.clock})
}

// runEdgeBy starts an edge that reaches nodes by calls.
func runEdgeBy(t *testing.T, config edge.Config, calls client.Calls) (e *edge.Edge, stop func()) {
	t.Helper()
	config.Drive = func(ctx context.Context, a *circle.Anchor, take func(circle.Event) error) error {
		return client.RunAnchor(ctx, a, client.AnchorOptions{Calls: calls, Take: take})
	}
	e, err := edge.Open(config)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- e.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("edge: %v", err)
		}
		_ = e.Close()
	})
	t.Cleanup(stop)
	select {
	case <-e.Ready():
	case err := <-done:
		done <- nil
		t.Fatalf("edge ended: %v", err)
	case <-time.After(patience):
		t.Fatal("the edge's door did not open")
	}
	return e, stop
}

// claim makes an edge the person's.
func claim(t *testing.T, c *client.Client, e *edge.Edge) {
	t.Helper()
	code, err := e.NewCode()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if _, err := c.Claim(ctx, e.ClaimURL(), code); err != nil {
		t.Fatalf("claim: %v", err)
	}
}

// find waits until the person knows a thing or a grant by its path.
func find(t *testing.T, c *client.Client, what string) client.Target {
	t.Helper()
	var target client.Target
	eventually(t, "find "+what, func() bool {
		var err error
		target, err = c.Find(what)
		return err == nil
	})
	return target
}

// eventually polls a condition that other goroutines bring about.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	deadline := time.After(patience)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-deadline:
			t.Fatalf("%s: not within %v", what, patience)
		case <-tick.C:
		}
	}
}

// give shares affordances and waits until the circle is open.
func (w *world) give(t *testing.T, owner *client.Client, grantee, request string, every time.Duration, ops string, paths ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	doc, err := owner.Directory.Lookup(ctx, grantee)
	if err != nil {
		t.Fatal(err)
	}
	purpose, err := grant.FindPurpose("energy advice")
	if err != nil {
		t.Fatal(err)
	}
	p := circle.GiveParams{Grantee: doc.Compact(), Request: request, Purpose: purpose, Until: w.clock.Now().Add(7 * 24 * time.Hour)}
	for _, path := range paths {
		target := find(t, owner, path)
		title, _, _ := strings.Cut(path, "/")
		p.Home = target.Circle
		p.Share = append(p.Share, circle.SharedAffordance{
			Source: circle.Source{Thing: target.Thing, Name: target.Name}, Title: title,
			Ops: strings.Fields(ops), Precision: circle.Precision{Every: grant.Duration(every), Stat: grant.Mean},
		})
	}
	id, err := owner.Give(ctx, p)
	if err != nil {
		t.Fatalf("give: %v", err)
	}
	if err := owner.Opened(ctx, id); err != nil {
		t.Fatalf("open: %v", err)
	}
	return id
}

// watch collects what a person sees of a grant, until stop.
func watch(t *testing.T, c *client.Client, grantID string) (values <-chan client.Value, stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	out := make(chan client.Value, 1024)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for v := range c.Watch(ctx, grantID) {
			out <- v
		}
	}()
	stop = func() { cancel(); <-done }
	t.Cleanup(stop)
	return out, stop
}

func next(t *testing.T, values <-chan client.Value) client.Value {
	t.Helper()
	select {
	case v := <-values:
		return v
	case <-time.After(patience):
		t.Fatal("no value came")
		panic("unreachable")
	}
}
