package httpdoor

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"sync"
	"time"

	"primum/identity"
	"primum/internal/jws"
	"primum/internal/store"
	"primum/internal/wire"
)

const (
	inboxPage     = 100
	inboxItems    = 1000 // of one account, but for what it sends itself
	inboxDomain   = 200  // of those, of all senders of one other domain: it names them as it likes
	inboxOwn      = 500  // of those, of all senders of this node, where accounts are opened one by one
	inboxRequests = 5    // requests of one sender that wait; strangers never nag
	inboxOthers   = 200  // offers or notices of one sender that wait
	maxInboxLife  = 30 * 24 * time.Hour
	maxRefusal    = 2 * 365 * 24 * time.Hour
	maxEnc        = 64       // bytes of an HPKE encapsulated key
	maxBox        = 60 << 10 // bytes of a sealed copy
)

// inboxCursor is how far a session's inbox has been pushed.
type inboxCursor struct {
	mu    sync.Mutex
	on    bool   // guarded by mu
	after uint64 // guarded by mu
}

// postInbox takes a sealed document from another node.
func (d *Door) postInbox(ctx context.Context, c *call) (any, error) {
	to, err := d.localAccount(c.r.PathValue("user"))
	if err != nil {
		return nil, err
	}
	s, from, err := c.sealed()
	if err != nil {
		return nil, err
	}
	if from.Authority != c.who.node {
		return nil, at(problem(wire.ProbForbidden, "a node delivers only what its own accounts sent"), "/from")
	}
	if s.To != to.String() {
		return nil, at(problem(wire.ProbForbidden, "the document is for another account"), "/to")
	}
	return nil, d.keep(ctx, s, c)
}

// postOutbox takes a sealed document from an own client and delivers it: at
// once where that works, else for up to seven days.
func (d *Door) postOutbox(ctx context.Context, c *call) (any, error) {
	s, from, err := c.sealed()
	if err != nil {
		return nil, err
	}
	if from != c.who.account {
		return nil, at(problem(wire.ProbForbidden, "the sender is another account than the caller's"), "/from")
	}
	to, err := identity.ParseAddress(s.To)
	if err != nil {
		return nil, at(problem(wire.ProbMalformed, "the recipient is no address"), "/to")
	}
	if to.Authority == d.cfg.Authority {
		return nil, d.keep(ctx, s, c)
	}
	err = d.cfg.Peer.Post(ctx, jws.Hash(string(c.body)), to, s, c.body)
	if errors.Is(err, store.ErrQuota) {
		return nil, tooMany(time.Hour, "documents that wait to be delivered")
	}
	return nil, err
}

// sealed reads and checks the body; the seals themselves are for the
// recipient only.
func (c *call) sealed() (s wire.Sealed, from identity.Address, err error) {
	if err := c.decode(&s); err != nil {
		return s, from, err
	}
	switch s.Kind {
	case wire.InboxRequest, wire.InboxOffer, wire.InboxNotice:
	default:
		return s, from, at(problem(wire.ProbMalformed, "the kind is none of request, offer, notice"), "/kind")
	}
	if from, err = identity.ParseAddress(s.From); err != nil || from.String() != s.From {
		return s, from, at(problem(wire.ProbMalformed, "the sender is no address in its one form"), "/from")
	}
	switch {
	case !s.Expires.After(c.now):
		return s, from, at(problem(wire.ProbExpired, "the document has expired"), "/expires")
	case s.Expires.Sub(c.now) > maxInboxLife+time.Hour:
		return s, from, at(problem(wire.ProbMalformed, "a document lives for 30 days at most"), "/expires")
	case len(s.Copies) == 0 || len(s.Copies) > identity.MaxClients:
		return s, from, at(problem(wire.ProbMalformed, "the document has no copy, or too many"), "/copies")
	}
	for i, k := range s.Copies {
		if identity.CheckClientName(k.Client) != nil || len(k.Enc) == 0 || len(k.Enc) > maxEnc || len(k.Box) == 0 || len(k.Box) > maxBox {
			return s, from, at(problem(wire.ProbMalformed, "a copy needs client, enc and box, each of its size"), pointer("copies", i))
		}
	}
	return s, from, nil
}

// keep puts a document into the inbox of an account of this node.
func (d *Door) keep(ctx context.Context, s wire.Sealed, c *call) error {
	if _, err := d.cfg.Store.Accounts.Get(ctx, s.To); err != nil {
		return err
	}
	if err := d.guestInbox(ctx, s); err != nil {
		return err
	}
	limits := store.InboxLimits{Items: inboxItems, FromDomain: inboxDomain, FromSender: inboxOthers}
	if c.who.account.Authority == d.cfg.Authority {
		limits.FromDomain = inboxOwn
	}
	if s.Kind == wire.InboxRequest {
		limits.FromSender = inboxRequests
		if err := d.cfg.Book.MayAsk(ctx, s.To, s.From); err != nil {
			return err
		}
	}
	_, fresh, err := d.cfg.Store.Inbox.Put(ctx, store.Item{
		Account: s.To, ID: jws.Hash(string(c.body)), Kind: s.Kind, From: s.From,
		Received: c.now, Expires: s.Expires, Sealed: c.body,
	}, limits)
	if errors.Is(err, store.ErrQuota) {
		return tooMany(time.Hour, "documents that wait in this inbox")
	}
	if err == nil && fresh {
		for _, open := range d.live.of(s.To) {
			open.pumpInbox()
		}
		if s.From != s.To {
			d.cfg.Peer.Ring(ctx, s.To)
		}
	}
	return err
}

// getInbox is a page of the calling client's copies.
func (d *Door) getInbox(ctx context.Context, c *call) (any, error) {
	after, err := c.after()
	if err != nil {
		return nil, err
	}
	items, head, err := d.items(ctx, c.who, after, c.now)
	if err != nil {
		return nil, err
	}
	return wire.Inbox{Items: items, Head: head}, nil
}

// items reads a page for one client: each document with the client's own copy
// only. Documents without one are passed over.
func (d *Door) items(ctx context.Context, who caller, after uint64, now time.Time) ([]wire.InboxItem, uint64, error) {
	out := []wire.InboxItem{}
	for {
		page, head, err := d.cfg.Store.Inbox.List(ctx, who.accountName(), after, inboxPage, now)
		if err != nil {
			return nil, 0, err
		}
		for _, it := range page {
			after = it.Seq
			if own := ownCopy(it.Sealed, who.client); own != nil {
				out = append(out, wire.InboxItem{Seq: it.Seq, ID: it.ID, Received: it.Received, Sealed: own})
			}
		}
		if len(out) > 0 || len(page) < inboxPage {
			return out, head, nil
		}
	}
}

// ownCopy leaves in a sealed document the copy for one client; nil if none.
func ownCopy(b []byte, client string) json.RawMessage {
	var s wire.Sealed
	if json.Unmarshal(b, &s) != nil {
		return nil
	}
	for _, k := range s.Copies {
		if k.Client == client {
			s.Copies = []wire.SealCopy{k}
			out, _ := json.Marshal(s) // what was unmarshalled marshals
			return out
		}
	}
	return nil
}

func (s *session) subscribeInbox(c wire.Control) error {
	if s.who.account == (identity.Address{}) || s.who.account.Authority != s.d.cfg.Authority {
		return problem(wire.ProbForbidden, "the inbox of an account is at its own node")
	}
	s.inbox.mu.Lock()
	defer s.inbox.mu.Unlock()
	s.inbox.on, s.inbox.after = true, c.After
	return nil
}

// pumpInbox pushes what came since. It is called on every arrival and at the
// subscription; the cursor makes it exact.
func (s *session) pumpInbox() {
	s.inbox.mu.Lock()
	defer s.inbox.mu.Unlock()
	for s.inbox.on {
		ctx, cancel := context.WithTimeout(s.d.ctx, requestWait)
		items, _, err := s.d.items(ctx, s.who, s.inbox.after, s.d.cfg.Clock.Now())
		cancel()
		if err != nil || len(items) == 0 {
			return
		}
		for _, it := range items {
			s.inbox.after = it.Seq
			if !s.send(wire.Control{Type: wire.CtlInbox, Item: &it}) {
				s.inbox.on = false
				return
			}
		}
	}
}

// after reads the cursor of a page.
func (c *call) after() (uint64, error) {
	text := c.r.URL.Query().Get("after")
	if text == "" {
		return 0, nil
	}
	n, err := strconv.ParseUint(text, 10, 63)
	if err != nil {
		return 0, problem(wire.ProbMalformed, "after must be a whole number of zero or more")
	}
	return n, nil
}
