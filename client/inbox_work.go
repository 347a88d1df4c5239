package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"sync"
	"time"

	"primum/circle"
	"primum/client/link"
	"primum/identity"
	"primum/internal/clock"
	"primum/internal/durable"
	"primum/internal/wire"
)

const (
	maxWaiting = 1000            // inbox items that wait; as many as a node keeps
	patience   = 5 * time.Second // for a stranger's domain, which may be silent on purpose
)

// inbox reads the own inbox by cursor and hands what it opens to the actor.
// Connections only put items down; one worker looks up their senders, so that
// a domain that is silent holds up no connection. An item whose sender's domain
// does not answer is kept for later, and the cursor on disk stays before it, so
// that a crash loses nothing.
type inbox struct {
	account, client string
	only            string // the one sender that is heard; empty: everybody
	key             *identity.InboxKey
	file            string // the cursor
	node            Node
	directory       *Directory
	deliver         func(from, identity, kind string, document []byte) error
	clock           clock.Clock // of documents
	pace            clock.Clock // of pauses, apart from that
	log             *slog.Logger
	room            int           // maxWaiting
	patience        time.Duration // of one look-up

	wake    chan struct{} // capacity 1: there is something to do
	reading sync.Mutex    // of pages; before mu

	mu      sync.Mutex
	cursor  uint64             // all up to here are done or in waiting
	waiting map[uint64]*letter // not done
	domains map[string]*domain // of those in waiting
	turn    uint64
	missed  uint64 // came when there was no room: read again up to here
	again   pause  // of that reading
	synced  bool
	head    uint64 // cursor when synced
}

// letter is an item that waits: for the worker, for its sender's domain or for
// the actor to have room.
type letter struct {
	item   wire.InboxItem
	domain string
	tried  bool
	pause
}

// domain is where senders live. Domains take turns, so that one with many items
// holds up others for one look-up at most.
type domain struct {
	items  int
	turn   uint64 // its last one
	silent bool
	pause
}

// pause is growing time between attempts.
type pause struct {
	backoff *link.Backoff
	until   time.Time
}

func (b *inbox) longer(p *pause) {
	if p.backoff == nil {
		p.backoff = link.NewBackoff(b.pace, b.node.Rand, time.Second, 5*time.Minute)
	}
	p.until = b.pace.Now().Add(p.backoff.Next())
}

type cursorFile struct {
	After uint64 `json:"after"`
}

// open reads the cursor.
func (b *inbox) open() error {
	b.waiting, b.domains = make(map[uint64]*letter), make(map[string]*domain)
	b.wake = make(chan struct{}, 1)
	if b.pace == nil {
		b.pace = clock.Real()
	}
	if b.room == 0 {
		b.room = maxWaiting
	}
	if b.patience == 0 {
		b.patience = patience
	}
	raw, err := durable.ReadFile(b.file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read inbox cursor: %w", err)
	}
	var c cursorFile
	if err := json.Unmarshal(raw, &c); err != nil {
		return fmt.Errorf("read inbox cursor: %w", err)
	}
	b.cursor = c.After
	return nil
}

// after is where a subscription goes on.
func (b *inbox) after() uint64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.cursor
}

// isSynced tells whether all that stood in the inbox at the last connection
// has been read, except for what silent domains sent.
func (b *inbox) isSynced() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	for seq, l := range b.waiting {
		if !l.tried && seq <= b.head && !b.domains[l.domain].silent {
			return false
		}
	}
	return b.synced
}

// catchUp reads pages until there are no more (live items follow on the
// socket), and lets what waits for its sender's domain be tried again. When it
// fails in the middle, the next connection goes on.
func (b *inbox) catchUp(ctx context.Context) {
	err := b.readPages(ctx)
	b.mu.Lock()
	for _, d := range b.domains {
		d.pause = pause{}
	}
	for _, l := range b.waiting {
		l.pause = pause{}
	}
	if err == nil {
		b.synced, b.head = true, b.cursor
	}
	b.mu.Unlock()
	signal(b.wake)
	if err != nil {
		b.log.Info("inbox not read", "why", err)
	}
}

// readPages reads from the cursor to the end, or until there is no room.
func (b *inbox) readPages(ctx context.Context) error {
	b.reading.Lock()
	defer b.reading.Unlock()
	for {
		b.mu.Lock()
		after, missed := b.cursor, b.missed
		b.mu.Unlock()
		page, err := b.node.Inbox(ctx, after)
		if err != nil {
			return err
		}
		b.mu.Lock()
		for _, item := range page.Items {
			if !b.put(item) {
				b.mu.Unlock()
				return nil // the worker reads on when there is room
			}
		}
		end := len(page.Items) == 0 && missed == b.missed
		if end {
			b.missed = 0 // what was missed and is not there has expired
		}
		b.mu.Unlock()
		if end {
			return nil
		}
	}
}

// live takes an item from the socket. It never waits: where there is no room,
// this and all that follow are read again later.
func (b *inbox) live(item wire.InboxItem) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.missed > 0 {
		b.missed = max(b.missed, item.Seq)
		return
	}
	b.put(item)
}

// put puts an item down for the worker, once; false where there is no room.
func (b *inbox) put(item wire.InboxItem) bool {
	if item.Seq <= b.cursor {
		return true
	}
	if len(b.waiting) >= b.room {
		b.missed = max(b.missed, item.Seq)
		return false
	}
	l := &letter{item: item, domain: senderDomain(item)}
	d := b.domains[l.domain]
	if d == nil {
		d = &domain{}
		b.domains[l.domain] = d
	}
	d.items++
	b.waiting[item.Seq], b.cursor = l, item.Seq
	signal(b.wake)
	return true
}

// senderDomain is empty where no item can be read.
func senderDomain(item wire.InboxItem) string {
	var s wire.Sealed
	if json.Unmarshal(item.Sealed, &s) != nil {
		return ""
	}
	a, err := identity.ParseAddress(s.From)
	if err != nil {
		return ""
	}
	return a.Authority
}

// work does what is put down until the context ends, and tells after each item.
// There is one worker only.
func (b *inbox) work(ctx context.Context, tell func()) {
	for ctx.Err() == nil {
		l, read, due := b.next()
		switch {
		case l != nil:
			b.settle(l, b.process(ctx, l.item))
			tell()
		case read:
			b.readOn(ctx)
		default:
			b.rest(ctx, due)
		}
	}
}

// rest waits until due, or for news where that is zero.
func (b *inbox) rest(ctx context.Context, due time.Time) {
	var at <-chan time.Time
	if !due.IsZero() {
		t := b.pace.NewTimer(due.Sub(b.pace.Now()))
		defer t.Stop()
		at = t.C()
	}
	select {
	case <-ctx.Done():
	case <-b.wake:
	case <-at:
	}
}

// readOn reads what was missed.
func (b *inbox) readOn(ctx context.Context) {
	err := b.readPages(ctx)
	b.mu.Lock()
	defer b.mu.Unlock()
	if err == nil {
		b.again = pause{}
		return
	}
	b.longer(&b.again)
	b.log.Info("inbox not read", "why", err)
}

// next is the item whose turn it is, or that pages are to be read, or when
// something is due.
func (b *inbox) next() (l *letter, read bool, due time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.pace.Now()
	ready := func(at time.Time) bool {
		if at.After(now) && (due.IsZero() || at.Before(due)) {
			due = at
		}
		return !at.After(now)
	}
	for _, w := range b.waiting {
		d := b.domains[w.domain]
		if ready(d.until) && ready(w.until) && (l == nil || b.before(w, l)) {
			l = w
		}
	}
	if l != nil {
		b.turn++
		b.domains[l.domain].turn = b.turn
		return l, false, due
	}
	read = b.missed > 0 && len(b.waiting) <= b.room/2 && ready(b.again.until)
	return nil, read, due
}

// before tells whether a comes before c: by the turns of their domains, and in
// order within each.
func (b *inbox) before(a, c *letter) bool {
	if x, y := b.domains[a.domain].turn, b.domains[c.domain].turn; x != y {
		return x < y
	}
	return a.item.Seq < c.item.Seq
}

// outcome of one attempt at an item.
type outcome int

const (
	itemDone   outcome = iota // for good or ill
	itemSilent                // its sender's domain does not answer
	itemLater                 // the actor has no room, or not yet
)

// settle notes what became of an item.
func (b *inbox) settle(l *letter, o outcome) {
	b.mu.Lock()
	d := b.domains[l.domain]
	l.tried, d.silent = true, o == itemSilent
	switch o {
	case itemSilent:
		b.longer(&d.pause)
	case itemLater:
		d.pause = pause{}
		b.longer(&l.pause)
	case itemDone:
		d.pause = pause{}
		delete(b.waiting, l.item.Seq)
		if d.items--; d.items == 0 {
			delete(b.domains, l.domain)
		}
	}
	done := b.cursor
	for seq := range b.waiting {
		done = min(done, seq-1)
	}
	b.mu.Unlock()
	if o == itemDone {
		b.keepCursor(done)
	}
}

// keepCursor writes the cursor behind which everything is done.
func (b *inbox) keepCursor(done uint64) {
	raw, err := json.Marshal(cursorFile{After: done})
	if err == nil {
		err = durable.WriteFile(b.file, raw)
	}
	if err != nil {
		b.log.Error("inbox cursor not kept", "why", err) // it is read again then
	}
}

// process tries one item.
func (b *inbox) process(ctx context.Context, item wire.InboxItem) outcome {
	var s wire.Sealed
	if err := json.Unmarshal(item.Sealed, &s); err != nil {
		b.log.Warn("inbox item dropped", "why", "not a sealed document")
		return itemDone
	}
	if !s.Expires.IsZero() && b.clock.Now().After(s.Expires) {
		return itemDone
	}
	if b.only != "" && s.From != b.only {
		b.log.Warn("inbox item dropped: this client hears of one account only", "from", s.From)
		return itemDone
	}
	document, err := OpenInbox(s, b.account, b.client, b.key)
	if err != nil {
		b.log.Warn("inbox item dropped", "why", err)
		return itemDone
	}
	ctx, cancel := context.WithTimeout(ctx, b.patience)
	defer cancel()
	sender, err := b.directory.Lookup(ctx, s.From)
	if err != nil && (errors.Is(err, ErrUnreachable) || ctx.Err() != nil) {
		return itemSilent
	}
	if err != nil {
		b.log.Warn("inbox item dropped", "from", s.From, "why", err)
		return itemDone
	}
	err = b.deliver(s.From, sender.Compact(), s.Kind, document)
	if errors.Is(err, circle.ErrFull) || errors.Is(err, circle.ErrNotYet) {
		return itemLater
	}
	if err != nil {
		b.log.Warn("inbox item refused", "from", s.From, "kind", s.Kind, "why", err)
	}
	return itemDone
}
