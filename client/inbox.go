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

// inboxInfo is the HPKE info of everything in an inbox.
const inboxInfo = "primum inbox"

func inboxAAD(from, to, client string) []byte {
	return []byte(from + "\x00" + to + "\x00" + client)
}

// SealInbox seals a document to every client of the recipient.
func SealInbox(kind, from string, to *identity.Verified, expires time.Time, document []byte) (wire.Sealed, error) {
	s := wire.Sealed{Kind: kind, From: from, To: to.Address().String(), Expires: expires.UTC()}
	for _, c := range to.Clients() {
		enc, box, err := identity.Seal(c.InboxKey, []byte(inboxInfo), inboxAAD(s.From, s.To, c.Name), document)
		if err != nil {
			return s, fmt.Errorf("seal to client %s of %s: %w", c.Name, s.To, err)
		}
		s.Copies = append(s.Copies, wire.SealCopy{Client: c.Name, Enc: enc, Box: box})
	}
	return s, nil
}

// OpenInbox opens this client's copy of a sealed document.
func OpenInbox(s wire.Sealed, to, client string, key *identity.InboxKey) ([]byte, error) {
	if s.To != to {
		return nil, fmt.Errorf("open inbox item: it is for %s", s.To)
	}
	for _, c := range s.Copies {
		if c.Client == client {
			return key.Open([]byte(inboxInfo), inboxAAD(s.From, s.To, client), c.Enc, c.Box)
		}
	}
	return nil, fmt.Errorf("open inbox item: %w", identity.ErrNoClient)
}

// sendInbox performs circle.EffectSendInbox.
func (d *driver) sendInbox(ctx context.Context, n Node, e circle.Effect) error {
	to, err := d.inbox.directory.Learn(e.Identity)
	if err != nil {
		return fmt.Errorf("send to %s: %w", e.Account, err)
	}
	s, err := SealInbox(e.InboxKind, d.inbox.account, to, e.Expires, e.Document)
	if err != nil {
		return err
	}
	return n.Post(ctx, s)
}

// inbox reads the own inbox by cursor and hands what it opens to the actor.
// An item whose sender's domain does not answer is kept for later, and the
// cursor on disk stays before it, so that a crash loses nothing.
type inbox struct {
	account, client string
	key             *identity.InboxKey
	file            string // the cursor
	node            Node
	directory       *Directory
	deliver         func(from, identity, kind string, document []byte) error
	clock           clock.Clock
	log             *slog.Logger

	mu      sync.Mutex
	cursor  uint64                    // all up to here are done or in waiting
	waiting map[uint64]wire.InboxItem // their senders could not be looked up
	synced  bool
}

type cursorFile struct {
	After uint64 `json:"after"`
}

// open reads the cursor.
func (b *inbox) open() error {
	b.waiting = make(map[uint64]wire.InboxItem)
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
// has been read.
func (b *inbox) isSynced() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.synced
}

// catchUp reads pages until there are no more (live items follow on the
// socket), then tries again what waits for its sender's domain. When it fails
// in the middle, the next connection goes on.
func (b *inbox) catchUp(ctx context.Context, pace clock.Clock) {
	for {
		page, err := b.node.Inbox(ctx, b.after())
		if err != nil {
			b.log.Info("inbox not read", "why", err)
			return
		}
		for _, item := range page.Items {
			b.item(ctx, item)
		}
		if len(page.Items) == 0 {
			break
		}
	}
	b.mu.Lock()
	b.synced = true
	b.mu.Unlock()
	pauses := link.NewBackoff(pace, b.node.Rand, time.Second, 5*time.Minute)
	for b.retry(ctx) {
		if pauses.Wait(ctx, 0, nil) != nil {
			return
		}
	}
}

// retry looks again at items that wait, and reports whether some still do.
func (b *inbox) retry(ctx context.Context) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.waiting) == 0 {
		return false
	}
	for seq, item := range b.waiting {
		if b.process(ctx, item) {
			delete(b.waiting, seq)
		}
	}
	b.keepCursor()
	return len(b.waiting) > 0
}

// item takes one item, once.
func (b *inbox) item(ctx context.Context, item wire.InboxItem) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if item.Seq <= b.cursor {
		return
	}
	if !b.process(ctx, item) {
		b.waiting[item.Seq] = item
	}
	b.cursor = item.Seq
	b.keepCursor()
}

// keepCursor writes the cursor behind which everything is done.
func (b *inbox) keepCursor() {
	done := b.cursor
	for seq := range b.waiting {
		done = min(done, seq-1)
	}
	raw, err := json.Marshal(cursorFile{After: done})
	if err == nil {
		err = durable.WriteFile(b.file, raw)
	}
	if err != nil {
		b.log.Error("inbox cursor not kept", "why", err) // it is read again then
	}
}

// process reports whether the item is done with, for good or ill.
func (b *inbox) process(ctx context.Context, item wire.InboxItem) bool {
	var s wire.Sealed
	if err := json.Unmarshal(item.Sealed, &s); err != nil {
		b.log.Warn("inbox item dropped", "why", "not a sealed document")
		return true
	}
	if !s.Expires.IsZero() && b.clock.Now().After(s.Expires) {
		return true
	}
	document, err := OpenInbox(s, b.account, b.client, b.key)
	if err != nil {
		b.log.Warn("inbox item dropped", "why", err)
		return true
	}
	sender, err := b.directory.Lookup(ctx, s.From)
	if errors.Is(err, ErrUnreachable) || ctx.Err() != nil {
		return false
	}
	if err != nil {
		b.log.Warn("inbox item dropped", "from", s.From, "why", err)
		return true
	}
	err = b.deliver(s.From, sender.Compact(), s.Kind, document)
	if errors.Is(err, circle.ErrFull) || errors.Is(err, circle.ErrNotYet) {
		return false
	}
	if err != nil {
		b.log.Warn("inbox item refused", "from", s.From, "kind", s.Kind, "why", err)
	}
	return true
}
