package client

import (
	"context"
	"crypto"
	"log/slog"
	"time"

	"primum/circle"
	"primum/identity"
	"primum/internal/clock"
	"primum/internal/wire"
)

// DriveForTest drives any actor as an anchor is driven.
func DriveForTest(ctx context.Context, a actor, calls Calls, pace clock.Clock, leaf func(circle.ID) crypto.Signer, take func(circle.Event) error) error {
	d := &driver{calls: calls, pace: pace, actor: a, take: take, leaf: leaf}
	d.prepare()
	return d.run(ctx)
}

// InboxForTest is the inbox of client "phone" of an account.
type InboxForTest struct {
	Account   string
	Key       *identity.InboxKey
	File      string
	Node      Node
	Directory *Directory
	Deliver   func(from, identity, kind string, document []byte) error
	Clock     clock.Clock
	Room      int
	Patience  time.Duration
}

// Open gives what connections call and what the worker runs.
func (o InboxForTest) Open() (live func(wire.InboxItem), catchUp func(context.Context), work func(context.Context, func()), synced func() bool, err error) {
	b := &inbox{
		account: o.Account, client: "phone", key: o.Key, file: o.File, node: o.Node, directory: o.Directory, deliver: o.Deliver,
		clock: o.Clock, pace: o.Clock, log: slog.New(slog.DiscardHandler), room: o.Room, patience: o.Patience,
	}
	b.node.Calls = b.node.WithDefaults()
	return b.live, b.catchUp, b.work, b.isSynced, b.open()
}

// PledgesForTest is what checks nodes' promises, without a client.
type PledgesForTest struct {
	*pledges
	Findings []string
}

// OpenPledgesForTest opens them.
func OpenPledgesForTest(file string, calls Calls) (*PledgesForTest, error) {
	t := &PledgesForTest{}
	t.pledges = &pledges{
		file: file, now: calls.Clock.Now, clock: calls.Clock, log: slog.New(slog.DiscardHandler),
		node:  func(authority string) Node { return Node{Calls: calls, Authority: authority} },
		found: func(p Pledge, text string) { t.Findings = append(t.Findings, p.Finding+": "+text) },
	}
	return t, t.open()
}

// Take and Work are pledges' own; Work checks what is due.
func (t *PledgesForTest) Take(g Pledge) error                       { return t.take(g) }
func (t *PledgesForTest) Work(ctx context.Context) (next time.Time) { return t.work(ctx) }
func (t *PledgesForTest) All() []Pledge                             { return t.all() }
