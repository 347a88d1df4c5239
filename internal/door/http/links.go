package httpdoor

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"strconv"
	"sync"
	"time"

	"github.com/coder/websocket"

	"primum/client/guest"
	"primum/identity"
	"primum/internal/peer"
	"primum/internal/store"
	"primum/internal/wire"
)

const (
	maxPolls    = 2000 // questions that wait, of all links
	pollsOfLink = 8    // of one link
	linkPart    = 32   // bytes of every key, nonce, MAC and hash of a link
)

// linkID reads the id in a path.
func (c *call) linkID() (guest.ID, error) {
	id, err := guest.ParseID(c.r.PathValue("id"))
	if err != nil {
		return id, problem(wire.ProbNotFound, "")
	}
	return id, nil
}

// putLink makes a link of the caller's account.
func (d *Door) putLink(ctx context.Context, c *call) (any, error) {
	id, err := c.linkID()
	if err != nil {
		return nil, err
	}
	var in wire.NewLink
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	for name, b := range map[string][]byte{"/door": in.Door, "/commitment": in.Commitment, "/mac": in.MAC} {
		if len(b) != linkPart {
			return nil, at(problem(wire.ProbMalformed, "it has 32 bytes"), name)
		}
	}
	if wait, ok := d.links.take(c.who.bucket()); !ok {
		return nil, tooMany(wait, "new links of your account")
	}
	return nil, d.cfg.Book.MakeLink(ctx, store.Link{
		ID: id, Owner: c.who.accountName(), Guest: id.GuestName() + "@" + d.cfg.Authority,
		Expires: in.Expires, Door: in.Door, Commitment: in.Commitment, MAC: in.MAC,
	})
}

// getLink shows a link to whoever knows its id, and waits for its next step.
func (d *Door) getLink(ctx context.Context, c *call) (any, error) {
	id, err := c.linkID()
	if err != nil {
		return nil, err
	}
	q := c.r.URL.Query()
	after, wait := q.Get("after"), time.Duration(0)
	if text := q.Get("wait"); text != "" {
		n, err := strconv.ParseUint(text, 10, 16)
		if err != nil {
			return nil, problem(wire.ProbMalformed, "wait is a whole number of seconds")
		}
		wait = min(time.Duration(n)*time.Second, wire.MaxLinkWait)
	}
	account := id.GuestName() + "@" + d.cfg.Authority
	changed, leave, room := d.polls.enter(account)
	defer leave()
	k, err := d.cfg.Book.Link(ctx, id)
	if err != nil || k.Step != after || wait == 0 || !room {
		return linkStatus(k), err
	}
	d.waitFor(ctx, changed, min(wait, k.Expires.Sub(c.now)))
	k, err = d.cfg.Book.Link(ctx, id)
	return linkStatus(k), err
}

func (d *Door) waitFor(ctx context.Context, changed <-chan struct{}, wait time.Duration) {
	t := d.cfg.Clock.NewTimer(wait)
	defer t.Stop()
	select {
	case <-changed:
	case <-t.C():
	case <-ctx.Done():
	case <-d.ctx.Done():
	}
}

func linkStatus(k store.Link) wire.LinkStatus {
	s := wire.LinkStatus{
		Step: k.Step, Reason: k.Reason, Owner: k.Owner, Guest: k.Guest, Expires: k.Expires, Commitment: k.Commitment, MAC: k.MAC,
	}
	if k.Identity != "" {
		s.Answer = &wire.LinkShown{Identity: k.Identity, Nonce: k.Nonce}
	}
	if len(k.RevealMAC) > 0 {
		s.Reveal = &wire.LinkReveal{Nonce: k.RevealNonce, IdentityKey: k.RevealKey, MAC: k.RevealMAC}
	}
	return s
}

// postLinkAnswer opens the guest's account for the first one who has the pass.
func (d *Door) postLinkAnswer(ctx context.Context, c *call) (any, error) {
	id, err := c.linkID()
	if err != nil {
		return nil, err
	}
	var in wire.LinkAnswer
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	k, err := d.cfg.Book.Link(ctx, id)
	if err != nil {
		return nil, err
	}
	if k.Step == wire.LinkEnded {
		return nil, problem(wire.ProbExpired, "the link is over")
	}
	if sum := sha256.Sum256(in.Pass); subtle.ConstantTimeCompare(sum[:], k.Door) != 1 {
		return nil, at(problem(wire.ProbForbidden, "this is not the pass of the link; copy the link whole"), "/pass")
	}
	v, err := d.guestDocument(k, in, c.now)
	if err != nil {
		return nil, err
	}
	if wait, ok := d.signUps.take(d.addressOf(c.r)); !ok {
		return nil, tooMany(wait, "new accounts from your address")
	}
	err = d.cfg.Book.AnswerLink(ctx, k, peer.Stored(v, c.now), in.Nonce)
	if err == nil {
		d.cfg.Peer.Ring(ctx, k.Owner) // the owner's part is next, and their page may be closed
	}
	return nil, err
}

// guestDocument checks the first document of a link's guest.
func (d *Door) guestDocument(k store.Link, in wire.LinkAnswer, now time.Time) (*identity.Verified, error) {
	if len(in.Nonce) != linkPart {
		return nil, at(problem(wire.ProbMalformed, "it has 32 bytes"), "/nonce")
	}
	v, err := identity.First(in.Identity)
	if err != nil {
		return nil, documentProblem(err, "/identity")
	}
	if err := d.takes(v, now); err != nil {
		return nil, err
	}
	account, err := identity.ParseAddress(k.Guest)
	if err != nil {
		return nil, err
	}
	if guest.CheckDocument(v, account) != nil || v.Version() != 1 {
		return nil, at(problem(wire.ProbMalformed, "it is not the first document of this link's guest, with one client"), "/identity")
	}
	return v, nil
}

func (d *Door) postLinkReveal(ctx context.Context, c *call) (any, error) {
	id, err := c.linkID()
	if err != nil {
		return nil, err
	}
	var in wire.LinkReveal
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	for name, b := range map[string][]byte{"/nonce": in.Nonce, "/identityKey": in.IdentityKey, "/mac": in.MAC} {
		if len(b) != linkPart {
			return nil, at(problem(wire.ProbMalformed, "it has 32 bytes"), name)
		}
	}
	return nil, d.cfg.Book.RevealLink(ctx, id, c.who.accountName(), in)
}

func (d *Door) deleteLink(ctx context.Context, c *call) (any, error) {
	id, err := c.linkID()
	if err != nil {
		return nil, err
	}
	return nil, d.cfg.Book.CancelLink(ctx, id, c.who.accountName())
}

// noGuest refuses what a link's guest may not do.
func (d *Door) noGuest(rt route, who caller) error {
	if rt.guests || who.account.Authority != d.cfg.Authority || !guest.IsGuest(who.account) {
		return nil
	}
	return problem(wire.ProbForbidden, "a guest by link receives what it was given, and nothing else")
}

// guestInbox refuses documents to a guest but those of who made its link.
func (d *Door) guestInbox(ctx context.Context, s wire.Sealed) error {
	to, err := identity.ParseAddress(s.To)
	if err != nil || to.Authority != d.cfg.Authority || !guest.IsGuest(to) {
		return nil
	}
	k, err := d.cfg.Store.Links.OfGuest(ctx, s.To)
	if err != nil {
		return err
	}
	if k.Owner != s.From || s.Kind == wire.InboxRequest {
		return at(problem(wire.ProbForbidden, "a guest by link hears of who made the link only"), "/to")
	}
	return nil
}

// GuestEnded cuts the sockets of a guest whose account is gone, and answers who
// waits for its link. It does not block.
func (d *Door) GuestEnded(account string) {
	for _, s := range d.live.of(account) {
		s.cut(websocket.StatusPolicyViolation, reasonDropped)
	}
	d.polls.wake(account)
}

// polls are the questions that wait for a link's next step, by its guest's
// account. Safe for concurrent use.
type polls struct {
	mu    sync.Mutex
	total int              // guarded by mu
	by    map[string]*poll // guarded by mu
}

type poll struct {
	n       int
	changed chan struct{} // closed at the next change
}

func newPolls() *polls { return &polls{by: map[string]*poll{}} }

// enter begins to wait: changed is closed at the next change. Without room the
// caller must not wait. leave must be called.
func (p *polls) enter(account string) (changed <-chan struct{}, leave func(), room bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	w := p.by[account]
	if p.total >= maxPolls || w != nil && w.n >= pollsOfLink {
		return nil, func() {}, false
	}
	if w == nil {
		w = &poll{changed: make(chan struct{})}
		p.by[account] = w
	}
	w.n++
	p.total++
	return w.changed, func() { p.leave(account, w) }, true
}

func (p *polls) leave(account string, w *poll) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.total--
	if w.n--; w.n == 0 && p.by[account] == w {
		delete(p.by, account)
	}
}

// wake ends the waiting for one account's link.
func (p *polls) wake(account string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if w := p.by[account]; w != nil {
		close(w.changed)
		delete(p.by, account)
	}
}
