package httpdoor

import (
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"strings"
	"sync"

	"github.com/coder/websocket"

	"primum/identity"
	"primum/internal/wire"
)

// maxSocketFrame is the largest frame taken: a commit and its Welcome, in
// base64, in JSON.
const maxSocketFrame = 2*wire.MaxHandshake*4/3 + 4<<10

// live are the open sockets. Safe for concurrent use.
type live struct {
	closing sync.WaitGroup // close handshakes under way

	mu        sync.Mutex
	stopped   bool                             // guarded by mu
	sessions  map[*session]struct{}            // guarded by mu
	byAccount map[string]map[*session]struct{} // guarded by mu
	byAddress map[string]int                   // guarded by mu
}

func newLive() *live {
	return &live{
		sessions:  map[*session]struct{}{},
		byAccount: map[string]map[*session]struct{}{},
		byAddress: map[string]int{},
	}
}

// admits tells whether there is room for s.
func (l *live) admits(s *session, lim Limits) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.room(s, lim)
}

// room is admits; the caller holds mu.
func (l *live) room(s *session, lim Limits) error {
	switch {
	case l.stopped:
		return errors.New(reasonStop)
	case lim.Sockets > 0 && len(l.sessions) >= lim.Sockets:
		return errors.New("the node has as many live sockets as it takes")
	case lim.PerAddress > 0 && l.byAddress[s.address] >= lim.PerAddress:
		return errors.New("your address has as many live sockets as it may")
	}
	return nil
}

func (l *live) add(s *session, lim Limits) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.room(s, lim); err != nil {
		return err
	}
	l.sessions[s] = struct{}{}
	l.byAddress[s.address]++
	if a := s.who.accountName(); a != "" {
		if l.byAccount[a] == nil {
			l.byAccount[a] = map[*session]struct{}{}
		}
		l.byAccount[a][s] = struct{}{}
	}
	return nil
}

func (l *live) remove(s *session) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, ok := l.sessions[s]; !ok {
		return
	}
	delete(l.sessions, s)
	if l.byAddress[s.address]--; l.byAddress[s.address] <= 0 {
		delete(l.byAddress, s.address)
	}
	a := s.who.accountName()
	delete(l.byAccount[a], s)
	if len(l.byAccount[a]) == 0 {
		delete(l.byAccount, a)
	}
}

// of lists the sessions of an account.
func (l *live) of(account string) (all []*session) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for s := range l.byAccount[account] {
		all = append(all, s)
	}
	return all
}

// hint tells the anchors of circles, where they read them, that the other party
// has a newer identity document.
func (l *live) hint(circles map[wire.CircleID]bool) {
	for _, s := range l.all() {
		for _, c := range s.anchors(circles) {
			s.send(wire.Control{Type: wire.CtlParty, Circle: c.String()})
		}
	}
}

func (l *live) all() []*session {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := make([]*session, 0, len(l.sessions))
	for s := range l.sessions {
		all = append(all, s)
	}
	return all
}

func (l *live) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.sessions)
}

// stop refuses new sockets and ends the open ones.
func (l *live) stop() {
	l.mu.Lock()
	l.stopped = true
	l.mu.Unlock()
	for _, s := range l.all() {
		s.cut(websocket.StatusGoingAway, reasonStop)
	}
}

// wait returns when every close handshake is over, or with ctx.
func (l *live) wait(ctx context.Context) {
	done := make(chan struct{})
	go func() {
		l.closing.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-ctx.Done():
		for _, s := range l.all() {
			s.gone()
		}
	}
}

// postLive gives the caller a ticket for one live socket.
func (d *Door) postLive(_ context.Context, c *call) (any, error) {
	t, expires, ok := d.tickets.issue(c.who, c.now)
	if !ok {
		return nil, tooMany(ticketLife, "open tickets")
	}
	return wire.Ticket{Ticket: t, Expires: expires.UTC()}, nil
}

// getLive makes the request a live socket, and returns: the socket lives on
// in one goroutine of its own, without the server's.
func (d *Door) getLive(ctx context.Context, c *call) (any, error) {
	t, ok := ticketOf(c.r)
	if !ok {
		return nil, problem(wire.ProbUnsigned, "a live socket needs the subprotocols "+wire.Subprotocol+" and "+wire.TicketPrefix+"TICKET")
	}
	who, ok := d.tickets.use(t, c.now)
	if !ok {
		return nil, problem(wire.ProbBadSignature, "the ticket is unknown, used or over; ask for a new one with POST /v1/live")
	}
	who.doc = nil // a session needs the key only, and stays long
	s := &session{d: d, who: who, address: d.addressOf(c.r)}
	_, _ = rand.Read(s.challenge[:]) // never fails (crypto/rand)
	s.seen()
	if err := d.live.admits(s, d.cfg.Limits); err != nil {
		return nil, tooMany(ticketLife, err.Error())
	}
	if err := d.upgrade(s, c); err != nil {
		return hijacked{}, nil // the library has answered
	}
	if err := d.live.add(s, d.cfg.Limits); err != nil {
		s.cut(websocket.StatusTryAgainLater, err.Error())
		return hijacked{}, nil
	}
	if !d.stillListed(ctx, who) {
		s.cut(websocket.StatusPolicyViolation, reasonDropped)
		return hijacked{}, nil
	}
	s.send(wire.Control{Type: wire.CtlHello, Challenge: s.challenge[:]})
	go s.read()
	return hijacked{}, nil
}

// stillListed tells whether an account of this node has the client still, whose
// ticket is some seconds old. It is asked after the socket is among those that
// are cut when a client is dropped: whichever comes first, the other sees it.
func (d *Door) stillListed(ctx context.Context, who caller) bool {
	if who.anchor || who.node != "" || who.account.Authority != d.cfg.Authority {
		return true
	}
	now, err := d.resolve(ctx, identity.KeyID{Account: who.account, Client: who.client})
	return err == nil && now.key.Equal(who.key)
}

func (d *Door) upgrade(s *session, c *call) error {
	h := &smallHijacker{ResponseWriter: c.w}
	conn, err := websocket.Accept(h, c.r, &websocket.AcceptOptions{
		Subprotocols: []string{wire.Subprotocol},
		// A ticket came in a header that a foreign page can't know, and no
		// cookie counts here: the origin decides nothing.
		InsecureSkipVerify: true,
		CompressionMode:    websocket.CompressionDisabled,
		OnPongReceived:     func(context.Context, []byte) { s.seen() },
		OnPingReceived:     func(context.Context, []byte) bool { s.seen(); return true },
	})
	if err != nil {
		return err
	}
	conn.SetReadLimit(maxSocketFrame)
	s.conn, s.out = conn, h.out
	return nil
}

// ticketOf finds the ticket among the offered subprotocols.
func ticketOf(r *http.Request) (ticket string, ok bool) {
	own := false
	for _, line := range r.Header.Values("Sec-WebSocket-Protocol") {
		for _, p := range strings.Split(line, ",") {
			p = strings.TrimSpace(p)
			if t, found := strings.CutPrefix(p, wire.TicketPrefix); found && len(t) <= 64 {
				ticket = t
			}
			own = own || p == wire.Subprotocol
		}
	}
	return ticket, own && ticket != ""
}

// sweepSockets pings who was silent and ends who is gone.
func (d *Door) sweepSockets() {
	now := d.cfg.Clock.Now().Unix()
	for _, s := range d.live.all() {
		switch silent := now - s.lastSeen.Load(); {
		case silent > int64(idleAfter.Seconds()):
			s.cut(websocket.StatusPolicyViolation, reasonIdle)
		case silent > int64(pingAfter.Seconds()):
			s.push(outgoing{})
		}
	}
}
