package httpdoor

import (
	"context"
	"crypto/ed25519"
	"net/http"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"

	"primum/internal/sign"
	"primum/internal/wire"
)

// right makes a route a person's right (requirement L11): its requests are
// marked before the handler, so that no meter counts them, and have a pool and
// limits of their own, so that no other traffic stands before them.
func right(rt route) route {
	rt.right = true
	return rt
}

const (
	// rightSlots is how many requests for rights work at a time; others wait for
	// one of these only, never for other traffic.
	rightSlots = 64
	// rightHold is how long other traffic makes way for rights, each request or
	// message once.
	rightHold = 100 * time.Millisecond
	// rightAfter is for how long after a right other traffic works in few places
	// only, so that the next one finds the processors free.
	rightAfter = 500 * time.Millisecond
)

// first lets rights go first. They have a pool of their own. While one of them
// works, other traffic waits for a moment before it begins; and for a moment
// after, only a few of the others work at a time. Nothing is held up while
// nobody asks for a right. It is safe for concurrent use.
type first struct {
	pool   chan struct{} // one place for each request for a right that works
	others chan struct{} // one place for each other that works while rights are asked for
	hold   time.Duration // rightHold, but in tests
	until  atomic.Int64  // Unix nanoseconds until which the others are few

	mu   sync.Mutex
	n    int           // guarded by mu; rights that work or wait
	none chan struct{} // guarded by mu; closed when n is 0 again; nil while it is
}

func newFirst() *first {
	return &first{pool: make(chan struct{}, rightSlots), others: make(chan struct{}, max(1, runtime.GOMAXPROCS(0)/2)), hold: rightHold}
}

// come announces a right.
func (f *first) come() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.n++; f.n == 1 {
		f.none = make(chan struct{})
	}
	f.until.Store(time.Now().Add(requestWait).UnixNano())
}

// gone is the other half of come.
func (f *first) gone() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.n--; f.n == 0 {
		close(f.none)
		f.none = nil
		f.until.Store(time.Now().Add(rightAfter).UnixNano())
	}
}

// giveWay lets rights go first, for a moment at most; leave ends what began
// behind it.
func (f *first) giveWay(ctx context.Context) (leave func()) {
	if time.Now().UnixNano() >= f.until.Load() {
		return func() {}
	}
	t := time.NewTimer(f.hold)
	defer t.Stop()
	leave = func() {}
	select {
	case f.others <- struct{}{}:
		leave = f.place()
	case <-t.C: // some may work for long: who waits is not stopped for ever
		return leave
	case <-ctx.Done():
		return leave
	}
	f.mu.Lock()
	none := f.none
	f.mu.Unlock()
	if none == nil {
		return leave
	}
	select {
	case <-none:
	case <-t.C:
	case <-ctx.Done():
	}
	return leave
}

// place gives back a place among the others: when it is left, or soon by itself,
// so that who works for long or waits for another domain keeps nobody out.
func (f *first) place() (leave func()) {
	var once sync.Once
	free := func() { once.Do(func() { <-f.others }) }
	t := time.AfterFunc(f.hold, free)
	return func() {
		t.Stop()
		free()
	}
}

// turn marks a request for a right and gives it its place; anything else makes
// way. leave ends the turn.
func (d *Door) turn(ctx context.Context, rt route) (marked context.Context, leave func(), err error) {
	switch {
	case rt.stays:
		d.first.giveWay(ctx)()
		return ctx, func() {}, nil
	case !rt.right:
		return ctx, d.first.giveWay(ctx), nil
	}
	ctx = wire.Right(ctx)
	d.first.come()
	select {
	case d.first.pool <- struct{}{}:
		return ctx, func() { <-d.first.pool; d.first.gone() }, nil
	case <-ctx.Done():
		d.first.gone()
		return ctx, nil, ctx.Err()
	}
}

// limitOf is the limit per address of a route's requests: what ends something
// and what is a right is not used up by anything else.
func (d *Door) limitOf(rt route) *limiter {
	switch {
	case rt.stops:
		return d.stops
	case rt.right:
		return d.rights
	}
	return d.perAddress
}

func (d *Door) getCases(ctx context.Context, c *call) (any, error) {
	return d.cfg.Rights.Cases(ctx, c.who.accountName())
}

func (d *Door) getAccess(ctx context.Context, c *call) (any, error) {
	return d.cfg.Rights.Access(ctx, c.who.accountName())
}

func (d *Door) getExport(ctx context.Context, c *call) (any, error) {
	return d.cfg.Rights.Export(ctx, c.who.accountName(), c.r.URL.Query().Get("after"))
}

func (d *Door) postImport(ctx context.Context, c *call) (any, error) {
	var in wire.NodeImport
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	return d.cfg.Rights.Import(ctx, c.who.accountName(), c.body, in, func(id string, n wire.Notice) error {
		if !noticeID.MatchString(id) {
			return problem(wire.ProbMalformed, "an id has 8 to 64 of A-Z a-z 0-9 - _")
		}
		return checkNotice(n)
	})
}

// postErasure erases the caller's account for good. A client's key is not
// enough: the identity key signs it, too.
func (d *Door) postErasure(ctx context.Context, c *call) (any, error) {
	var in wire.CloseAccount
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	if off := c.now.Sub(in.At); off > sign.Window || off < -sign.Window {
		return nil, d.skewed(c)
	}
	name := c.who.accountName()
	if !ed25519.Verify(c.who.doc.IdentityKey(), wire.CloseAccountBytes(name, in.At), in.Signature) {
		return nil, at(problem(wire.ProbBadSignature, "the identity key's signature is missing or wrong"), "/signature")
	}
	out, err := d.cfg.Rights.Erase(ctx, name)
	if err != nil {
		return nil, err
	}
	for _, s := range d.live.of(name) {
		s.cut(websocket.StatusPolicyViolation, reasonDropped)
	}
	http.SetCookie(c.w, d.cookie("", -1))
	return out, nil
}

// deleteAccount is postErasure with a short answer.
func (d *Door) deleteAccount(ctx context.Context, c *call) (any, error) {
	_, err := d.postErasure(ctx, c)
	return nil, err
}

// postPlea opens a case. Nobody needs an account; who has one here and signs
// finds the case in the own list.
func (d *Door) postPlea(kind string) func(context.Context, *call) (any, error) {
	return func(ctx context.Context, c *call) (any, error) {
		var in wire.Plea
		if err := c.decode(&in); err != nil {
			return nil, err
		}
		if c.r.Header.Get("Signature-Input") != "" {
			who, err := d.authenticate(c, route{signers: byOwn, right: true})
			if err != nil {
				return nil, err
			}
			c.who = who
		} else if err := d.admitAddress(c.r, d.pleas); err != nil {
			return nil, err // one address must not fill the room that all strangers share
		}
		account := ""
		if c.who.account.User != "" {
			account = c.who.accountName()
		}
		return d.cfg.Rights.Plead(ctx, kind, account, c.body, in)
	}
}

func (d *Door) getCase(ctx context.Context, c *call) (any, error) {
	return d.cfg.Rights.Case(ctx, c.r.PathValue("id"))
}

func (d *Door) postAppeal(ctx context.Context, c *call) (any, error) {
	var in wire.Appeal
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	return d.cfg.Rights.Appeal(ctx, c.r.PathValue("id"), in)
}
