package client

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"time"

	"primum/circle"
	"primum/identity"
	"primum/internal/clock"
	"primum/internal/durable"
)

// Names in a client's directory.
const (
	CirclesDir = "circles"     // what package circle keeps
	PeopleFile = "people.json" // the Directory
)

// Keys are what one client of an account acts with; client/vault keeps them.
type Keys struct {
	Address  string        // of the account
	Client   string        // this client's name in the identity document
	Signer   crypto.Signer // the client key
	Inbox    *identity.InboxKey
	Document string // the own identity document, newest known here
	// Save keeps a newer one, that another of the account's clients made; nil
	// where nobody keeps it.
	Save func(compact string) error
}

// Options of Open.
type Options struct {
	Calls Calls
	Keys  Keys
	// Dir holds this client's state; one process at a time.
	Dir string
	// LAN reaches edges on the local network; nil where there is none.
	LAN Transport
	// Pace is the clock of pauses between attempts; real when nil.
	Pace clock.Clock
	// Only, where it is not empty, is the one account whose documents are taken
	// from the inbox; others are dropped unread. For guests by link.
	Only string
	// Link hears nil when a node is connected, and why when it is not; may be
	// nil. It is called often while a node is away.
	Link func(authority string, err error)
	// Heard is told every event of the actor after it was kept, in order; may be
	// nil. It must not wait.
	Heard func(circle.Event)
	// Closed is called at the end of Close; may be nil.
	Closed func() error
}

// Client is one client of a person or service at work: it is connected to its
// own node and to the nodes of all its circles until Close. Safe for
// concurrent use.
type Client struct {
	// Owner is the actor: what it knows can be asked at any time, without a
	// network. The client drives it; use the client's own methods where there
	// are some.
	Owner *circle.Owner
	// Directory knows other people's identities.
	Directory *Directory
	// Home is the own node, asked as this client.
	Home Node

	o      Options
	driver *driver
	spool  *spool
	pledge *pledges

	passing *passing
	stop    context.CancelFunc
	ended   chan struct{}
	err     error // why the driver ended; after ended

	changed broadcast     // something has changed
	joined  chan struct{} // capacity 1: a key package was used

	mu      sync.Mutex
	answers map[string][]circle.Event // by Ref, of those who wait
	links   map[string]error          // last word of each node's link
	seen    map[string]bool           // nodes that have said any word
	turns   map[circle.ID]chan struct{}
	greeted bool          // the own document and stock were read
	ahead   time.Duration // how far this clock is before the own node's

	seenMu sync.Mutex // held while the file of Seen is read and written
}

// Open opens a client's state and starts to work. It does not wait for any
// network: Sync does. The client lives until Close, not until ctx ends.
func Open(ctx context.Context, o Options) (*Client, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	a, err := identity.ParseAddress(o.Keys.Address)
	if err != nil {
		return nil, fmt.Errorf("open client: %w", err)
	}
	o.Calls = o.Calls.WithDefaults()
	if err := durable.MakeDir(o.Dir); err != nil {
		return nil, fmt.Errorf("open client: %w", err)
	}
	directory, err := OpenDirectory(filepath.Join(o.Dir, PeopleFile), o.Calls)
	if err != nil {
		return nil, err
	}
	received, err := openSpool(filepath.Join(o.Dir, "received.log"))
	if err != nil {
		return nil, err
	}
	owner, err := circle.OpenOwner(filepath.Join(o.Dir, CirclesDir), circle.MemberOptions{
		Clock: o.Calls.Clock, Rand: o.Calls.Rand, Signer: o.Keys.Signer, Identity: o.Keys.Document, Log: o.Calls.Log,
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open client: %w", err), received.close())
	}
	c := &Client{
		Owner: owner, Directory: directory, o: o,
		Home: Node{Calls: o.Calls, Authority: a.Authority, By: Key{
			ID: identity.ClientKeyID(a, o.Keys.Client), Signer: o.Keys.Signer,
		}},
		spool:   received,
		ended:   make(chan struct{}),
		joined:  make(chan struct{}, 1),
		answers: make(map[string][]circle.Event),
		links:   make(map[string]error),
		seen:    make(map[string]bool),
		turns:   make(map[circle.ID]chan struct{}),
	}
	if err := c.start(); err != nil {
		return nil, errors.Join(err, owner.Close(), received.close())
	}
	return c, nil
}

func (c *Client) start() error {
	box := &inbox{
		account: c.o.Keys.Address, client: c.o.Keys.Client, key: c.o.Keys.Inbox, only: c.o.Only,
		file: filepath.Join(c.o.Dir, "inbox.json"), node: c.Home, directory: c.Directory,
		deliver: c.Owner.Inbox, clock: c.o.Calls.Clock, pace: c.o.Pace, log: c.o.Calls.Log,
	}
	c.pledge = &pledges{
		file: filepath.Join(c.o.Dir, PledgesFile), node: c.at, now: c.nodeTime, clock: c.o.Calls.Clock, found: c.finding, log: c.o.Calls.Log,
	}
	c.passing = &passing{
		file: filepath.Join(c.o.Dir, NoticedFile), now: c.o.Calls.Clock.Now, given: c.Owner.Grants, tell: c.notice,
	}
	if err := errors.Join(box.open(), c.pledge.open(), c.passing.open()); err != nil {
		return err
	}
	c.driver = &driver{
		calls: c.o.Calls, pace: c.o.Pace, actor: c.Owner, take: c.take,
		home: c.Home.Authority, account: c.Home.By, inbox: box, state: c.linkState,
		atHome: c.atHome, idle: c.notify, nodeNow: c.nodeNow, filed: c.filed,
	}
	c.driver.prepare()
	ctx, cancel := context.WithCancel(context.Background())
	c.stop = cancel
	c.driver.background.Go(func() { c.keepStock(ctx) })
	c.driver.background.Go(func() { c.pledge.run(ctx) })
	go func() {
		defer close(c.ended)
		c.err = c.driver.run(ctx)
	}()
	return nil
}

// Close stops working and gives the state back. What was not finished goes on
// at the next Open.
func (c *Client) Close() error {
	c.stop()
	<-c.ended
	err := errors.Join(c.spool.close(), c.Owner.Close())
	if c.err != nil && !errors.Is(c.err, context.Canceled) {
		err = errors.Join(c.err, err)
	}
	if c.o.Closed != nil {
		err = errors.Join(err, c.o.Closed())
	}
	return err
}

// Address is the own account.
func (c *Client) Address() string { return c.o.Keys.Address }

// ClientName is this client's name in its account.
func (c *Client) ClientName() string { return c.o.Keys.Client }

// Dir is where the client's state is.
func (c *Client) Dir() string { return c.o.Dir }

// atHome does what is due at every connection to the own node.
func (c *Client) atHome(ctx context.Context) {
	if err := c.refreshOwn(ctx); err != nil {
		c.o.Calls.Log.Warn("own identity document not read", "why", err)
	}
	c.refill(ctx)
	c.findHomes(ctx)
	c.mu.Lock()
	c.greeted = true
	c.mu.Unlock()
}

// findHomes asks the own node for the account's homes: a client that is new has
// no other way to them while the older ones are off.
func (c *Client) findHomes(ctx context.Context) {
	homes, err := c.Home.Homes(ctx)
	if err != nil {
		c.o.Calls.Log.Warn("homes not known", "why", err)
		return
	}
	for _, h := range homes {
		if err := c.Owner.KnownHome(h.Claim, h.Countersignature); err != nil {
			c.o.Calls.Log.Warn("home not taken", "why", err)
		}
	}
}

// keepStock refills after a package was used: each circle that was joined took
// one.
func (c *Client) keepStock(ctx context.Context) {
	for {
		select {
		case <-c.joined:
			c.refill(ctx)
		case <-ctx.Done():
			return
		}
	}
}

// refill asks what the own node has left of this client's key packages; the
// actor publishes what is missing.
func (c *Client) refill(ctx context.Context) {
	n, err := c.Home.KeyPackageCount(ctx)
	if err == nil {
		var stock []circle.PackageStock
		for _, s := range n.Stock {
			stock = append(stock, circle.PackageStock(s))
		}
		err = c.Owner.KeyPackageStock(stock)
	}
	if err != nil {
		c.o.Calls.Log.Warn("stock of key packages not known", "why", err)
	}
}

// refreshOwn learns what another client of the account changed in its identity
// document.
func (c *Client) refreshOwn(ctx context.Context) error {
	c.mu.Lock()
	own := c.o.Keys.Document
	c.mu.Unlock()
	compact, err := FetchIdentity(ctx, c.o.Calls, c.o.Keys.Address)
	if err != nil || compact == own {
		return err
	}
	mine, err := identity.First(own)
	if err != nil {
		return err
	}
	theirs, err := identity.Follow(compact, mine)
	if err != nil || theirs.Version() <= mine.Version() {
		return err
	}
	return c.adopt(compact)
}

// adopt makes a document the own newest one everywhere.
func (c *Client) adopt(compact string) error {
	if c.o.Keys.Save != nil {
		if err := c.o.Keys.Save(compact); err != nil {
			return err
		}
	}
	c.mu.Lock()
	c.o.Keys.Document = compact
	c.mu.Unlock()
	return c.Owner.Identity(compact)
}

// PublishIdentity publishes the own next identity document and tells it to
// every circle.
func (c *Client) PublishIdentity(ctx context.Context, compact string) error {
	a, err := identity.ParseAddress(c.o.Keys.Address)
	if err != nil {
		return err
	}
	if err := c.Home.PutIdentity(ctx, a.User, compact); err != nil {
		return fmt.Errorf("publish identity document: %w", err)
	}
	return c.adopt(compact)
}

// linkState keeps the last word of each link.
func (c *Client) linkState(authority string, err error) {
	c.mu.Lock()
	c.links[authority], c.seen[authority] = err, true
	c.mu.Unlock()
	c.notify()
	if c.o.Link != nil {
		c.o.Link(authority, err)
	}
}

// notify wakes everybody who waits for something to change.
func (c *Client) notify() { c.changed.send() }

// until waits until ready says yes or fails; it asks again at every change.
func (c *Client) until(ctx context.Context, ready func() (bool, error)) error {
	for {
		changed := c.changed.next()
		if ok, err := ready(); ok || err != nil {
			return err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		case <-c.ended:
			return fmt.Errorf("client stopped: %w", c.err)
		}
	}
}
