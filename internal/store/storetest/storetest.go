// Package storetest says what a store must do, for every engine: run Run with
// a function that opens one. It asserts behaviour, not speed.
package storetest

import (
	"context"
	"crypto/rand"
	"errors"
	"testing"
	"time"

	"primum/internal/store"
	"primum/internal/wire"
)

// Engine is an open store by its nouns.
type Engine struct {
	Accounts    Accounts
	Identities  Identities
	KeyPackages KeyPackages
	Inbox       Inbox
	Outbox      Outbox
	Homes       Homes
	Grants      Grants
	Refusals    Refusals
	Links       Links
	Peers       Peers
	Keeps       Keeps
	Sessions    Sessions
	Notices     Notices
	Labels      Labels
	Pushes      Pushes
	Circles     Circles
	// Backup copies the running store to a directory that doesn't exist.
	Backup func(ctx context.Context, dir string) error
	Close  func() error
}

// Opener opens the engine's store that lies under dir, or creates it.
type Opener struct {
	Open    func(ctx context.Context, dir string) (*Engine, error)
	Restore func(ctx context.Context, backup, dir string, now time.Time) (int, error)
}

// Accounts, and the other interfaces here, are what the suite asks of a noun.
type Accounts interface {
	Create(ctx context.Context, acc store.Account, first store.Identity, invite []byte) error
	Get(ctx context.Context, address string) (store.Account, error)
	Count(ctx context.Context) (int, error)
	Invite(ctx context.Context, hash []byte, now, until time.Time) error
	Close(ctx context.Context, address string, now time.Time, living []string) (store.Erasure, error)
}

// Identities keeps identity documents and suspensions.
type Identities interface {
	Put(ctx context.Context, doc store.Identity, previous uint64) error
	Current(ctx context.Context, account string) (store.Identity, error)
	Version(ctx context.Context, account string, version uint64) (store.Identity, error)
	Suspend(ctx context.Context, s store.Suspension) error
	Suspended(ctx context.Context, account string) (store.Suspension, error)
}

// KeyPackages keeps clients' stocks.
type KeyPackages interface {
	Publish(ctx context.Context, oneTime []store.KeyPackage, lastResort *store.KeyPackage, limit int, now time.Time) error
	Claim(ctx context.Context, account string, suite uint16, clients []string, now time.Time) ([]store.KeyPackage, error)
	Count(ctx context.Context, account, client string, now time.Time) ([]store.Stock, error)
	Drop(ctx context.Context, account string, keep []string) error
	Trim(ctx context.Context, now time.Time) error
}

// Inbox keeps what came.
type Inbox interface {
	Put(ctx context.Context, item store.Item, limits store.InboxLimits) (store.Item, bool, error)
	List(ctx context.Context, account string, after uint64, limit int, now time.Time) ([]store.Item, uint64, error)
	Trim(ctx context.Context, now time.Time) error
}

// Outbox keeps what is to be delivered.
type Outbox interface {
	Put(ctx context.Context, o store.Outgoing, limit int) error
	Due(ctx context.Context, now time.Time, limit int) ([]store.Outgoing, error)
	NextDue(ctx context.Context) (time.Time, error)
	Retry(ctx context.Context, id string, due time.Time, problem string) error
	Done(ctx context.Context, id string) error
}

// Homes keeps claims.
type Homes interface {
	Put(ctx context.Context, home store.Home) ([]store.Home, error)
	Get(ctx context.Context, circle wire.CircleID) (store.Home, error)
	ByThing(ctx context.Context, thingKey []byte) ([]store.Home, error)
}

// Grants keeps envelopes and their events.
type Grants interface {
	Apply(ctx context.Context, changes ...store.Change) error
	Get(ctx context.Context, id string) (store.Grant, error)
	ByCircle(ctx context.Context, circle wire.CircleID) (store.Grant, error)
	Of(ctx context.Context, account, after string, limit int) ([]store.Grant, error)
	GrantLists
}

// GrantLists is what the book goes through.
type GrantLists interface {
	Events(ctx context.Context, id string) ([]store.GrantEvent, error)
	Over(ctx context.Context, state string, now time.Time, limit int) ([]store.Grant, error)
	NextOver(ctx context.Context, state string) (time.Time, error)
	OfHome(ctx context.Context, home wire.CircleID, state string) ([]store.Grant, error)
}

// Refusals remember who may not ask again yet.
type Refusals interface {
	Put(ctx context.Context, owner, from string, until time.Time) error
	Until(ctx context.Context, owner, from string, now time.Time) (time.Time, error)
	Trim(ctx context.Context, now time.Time) error
}

// Links keeps links to share by, and their guests.
type Links interface {
	Make(ctx context.Context, k store.Link, most int) error
	Get(ctx context.Context, id [16]byte) (store.Link, error)
	OfGuest(ctx context.Context, account string) (store.Link, error)
	Answer(ctx context.Context, id [16]byte, first store.Identity, nonce []byte) error
	Reveal(ctx context.Context, id [16]byte, owner string, nonce, key, mac []byte) error
	LinkEnds
}

// LinkEnds is how links end.
type LinkEnds interface {
	End(ctx context.Context, id [16]byte, owner, reason string) error
	Over(ctx context.Context, now time.Time, limit int) ([]store.Link, error)
	NextOver(ctx context.Context) (time.Time, error)
}

// KnownDomains lists domains of pinned keys.
type KnownDomains interface {
	Domains(ctx context.Context, limit int) ([]string, error)
}

// Peers keeps pinned keys.
type Peers interface {
	KnownDomains
	PinNode(ctx context.Context, k store.NodeKey) error
	Node(ctx context.Context, authority, id string) (store.NodeKey, error)
	PinIdentity(ctx context.Context, pin store.Pin) error
	RepinIdentity(ctx context.Context, pin store.Pin) error
	Identity(ctx context.Context, account string) (store.Pin, error)
}

// Circles is the log of sealed messages.
type Circles interface {
	Ender
	Open(ctx context.Context, c store.Circle, tracker []byte, leaves []uint32) error
	Append(ctx context.Context, a store.Append) (store.Appended, error)
	Submit(a store.Append, done func(store.Appended, error))
	Follow(ctx context.Context, id wire.CircleID, epoch uint64, tracker []byte, leaves []uint32, now time.Time) error
	Reader
}

// Reader is the part of the log that reads.
type Reader interface {
	Read(ctx context.Context, id wire.CircleID, after uint64, maxFrames, maxBytes int) (store.Circle, []store.Frame, error)
	Tracker(ctx context.Context, id wire.CircleID) (store.Tracked, error)
	Get(ctx context.Context, id wire.CircleID) (store.Circle, error)
	Totals(ctx context.Context) (circles, frames int64, err error)
}

// Ender is the part of the log that ends circles.
type Ender interface {
	Fence(ctx context.Context, id wire.CircleID, reason string, when time.Time) (store.Circle, error)
	Lift(ctx context.Context, id wire.CircleID) error
	Clocked
}

// Clocked is the part of the log that a clock drives.
type Clocked interface {
	Expired(ctx context.Context, now time.Time, limit int) ([]wire.CircleID, error)
	NextExpiry(ctx context.Context) (time.Time, error)
	Trim(ctx context.Context, now time.Time, limit int) (int, error)
}

// Run runs the suite.
func Run(t *testing.T, o Opener) {
	for name, test := range map[string]func(*testing.T, Opener){
		"accounts": accounts, "invitations": invitations, "identities": identities, "suspensions": suspensions,
		"key packages": keyPackages, "key packages by suite": keyPackageSuites, "inbox": inbox, "inbox of domains": inboxDomains, "outbox": outbox, "homes": homes,
		"grants": grants, "grants apply all or nothing": grantsTogether, "grants by clock and home": grantLists, "refusals": refusals, "peers": peers,
		"circle opens once": circleOpens, "append compares": appendCompares, "commit releases welcome": commitReleases,
		"updates once an hour": updates, "key package of no epoch": keyPackageFrame, "quota": quota,
		"fence": fence, "expiry": expiry, "trim": trim, "read pages": readPages, "appends in order": appendsInOrder,
		"a failed job leaves no trace in its batch": failedJobs,
		"keeps": keeps, "page sessions": sessions, "notices": notices, "labels": labels, "pushes": pushes, "push key": pushKey, "closed accounts": closing,
		"links": links, "links and grants": linkGrants, "links expire": linksExpire,
		"follow": follow, "reopen": reopen, "backup and restore": backup, "closed": closed,
	} {
		t.Run(name, func(t *testing.T) { t.Parallel(); test(t, o) })
	}
}

// now is the time of the suite.
func now() time.Time { return time.Date(2026, 11, 22, 14, 0, 0, 0, time.UTC) }

func open(t *testing.T, o Opener) *Engine {
	t.Helper()
	return openIn(t, o, t.TempDir())
}

func openIn(t *testing.T, o Opener, dir string) *Engine {
	t.Helper()
	e, err := o.Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return e
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// must unwraps a result that has to be there.
func must[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		ok(t, err)
		return v
	}
}

func is(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("error is %v, want %v", err, want)
	}
}

func equal[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Fatalf("%s is %v, want %v", what, got, want)
	}
}

func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails (crypto/rand)
	return b
}

func newID() (id wire.CircleID) {
	copy(id[:], random(16))
	return id
}
