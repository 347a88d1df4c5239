package httpdoor

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/coder/websocket"

	"primum/internal/jws"
	"primum/internal/relay"
	"primum/internal/store"
	"primum/internal/wire"
)

// subscription is one circle on one socket: the relay's sink.
type subscription struct {
	s      *session
	circle wire.CircleID
	relay  *relay.Subscription

	waiting bool // guarded by s.mu; in s.behind
}

// Frame implements relay.Sink. It leaves half of the queue to answers.
func (b *subscription) Frame(circle wire.CircleID, seq uint64, message []byte) bool {
	s := b.s
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	if len(s.queue) >= maxQueued/2 || s.queued+len(message) > maxQueuedBytes/2 {
		b.late()
		return false
	}
	f := wire.Frame{Circle: circle, Number: seq, Message: message}
	s.enqueue(outgoing{kind: websocket.MessageBinary, data: f.AppendTo(make([]byte, 0, 24+len(message)))})
	s.d.metrics.delivered.Inc()
	s.d.handedOver(s.d.ctx, s.who.organisation, 1, len(message))
	return true
}

// End implements relay.Sink.
func (b *subscription) End(circle wire.CircleID, reason string, at time.Time) {
	s := b.s
	s.mu.Lock()
	if s.subs[circle] == b {
		delete(s.subs, circle)
	}
	s.mu.Unlock()
	at = at.UTC()
	s.send(wire.Control{Type: wire.CtlEnd, Circle: circle.String(), Reason: reason, At: &at})
}

// late has the writer pull once the queue is empty; the caller holds s.mu.
func (b *subscription) late() {
	if !b.waiting && !b.s.closed {
		b.waiting = true
		b.s.behind = append(b.s.behind, b)
		b.s.start()
	}
}

// pull takes the next page; only the session's writer calls it.
func (b *subscription) pull() {
	more, err := b.relay.Pull(b.s.d.ctx)
	if err != nil {
		b.s.failed(b, err)
		return
	}
	if more {
		b.s.mu.Lock()
		b.late()
		b.s.mu.Unlock()
	}
}

// failed ends a subscription that can't go on: with the refusal, or, when the
// store can't be read, with the whole socket, so that the client comes again.
func (s *session) failed(b *subscription, err error) {
	b.relay.Stop()
	p := s.d.explain(err)
	s.d.refused(p, err)
	if p.Status >= 500 {
		s.cut(websocket.StatusTryAgainLater, reasonStorage)
		return
	}
	b.End(b.circle, strings.TrimPrefix(p.Type, wire.ProblemPrefix), s.d.cfg.Clock.Now())
}

// takeFrame appends the message of a binary frame. It waits only while too
// many are in flight, so that a fast sender is slowed down.
func (s *session) takeFrame(b []byte) error {
	defer s.d.first.giveWay(s.d.ctx)()
	f, err := wire.ParseFrame(b)
	if err != nil {
		return err
	}
	if len(f.Message) > wire.MaxMessage {
		s.refuse(f.Number, problem(wire.ProbTooLarge, "a message has at most 16384 bytes; send a commit in a control frame"))
		return nil
	}
	s.submit(f.Number, relay.Append{Circle: f.Circle, Caller: s.caller(f.Circle), Message: f.Message})
	return nil
}

func (s *session) submit(ref uint64, a relay.Append) {
	if s.slots == nil {
		s.slots = make(chan struct{}, maxInFlight)
	}
	slots := s.slots
	slots <- struct{}{}
	s.d.cfg.Relay.Submit(a, func(done relay.Done, err error) {
		<-slots
		if err != nil {
			s.refuse(ref, err)
			return
		}
		s.d.metrics.appended.Inc()
		s.d.tookOver(s.d.ctx, s.who.organisation)
		s.send(wire.Control{Type: wire.CtlAck, Ref: ref, Seq: done.Seq, WelcomeAt: done.WelcomeAt, Epoch: done.Epoch})
	})
}

// caller is who appends or reads: by a proven leaf key, or by the account.
func (s *session) caller(circle wire.CircleID) relay.Caller {
	s.mu.Lock()
	defer s.mu.Unlock()
	if key, ok := s.proven[circle]; ok {
		return relay.Caller{Key: key}
	}
	return s.who.relayed()
}

func (c caller) relayed() relay.Caller { return relay.Caller{Key: c.key, Account: c.accountName()} }

func (s *session) refuse(ref uint64, err error) {
	p := s.d.explain(err)
	s.d.refused(p, err)
	s.send(wire.Control{Type: wire.CtlError, Ref: ref, Problem: p})
}

// takeControl obeys a text frame. An error ends the session; a refusal does
// not.
func (s *session) takeControl(b []byte) error {
	var c wire.Control
	if err := jws.DecodeStrict(b, &c); err != nil {
		return err
	}
	var answer wire.Control
	var err error
	switch c.Type {
	case wire.CtlProve:
		err = s.prove(c)
	case wire.CtlSub:
		answered, e := s.subscribe(c)
		if answered {
			return nil
		}
		err = e
	case wire.CtlUnsub:
		err = s.unsubscribe(c)
	case wire.CtlInSub:
		err = s.subscribeInbox(c)
	case wire.CtlCommit:
		return s.commit(c)
	default:
		return errors.New("unknown control frame")
	}
	if err != nil {
		s.refuse(c.Ref, err)
		return nil
	}
	answer.Type, answer.Ref = wire.CtlOK, c.Ref
	s.send(answer)
	if c.Type == wire.CtlInSub {
		s.pumpInbox()
	}
	return nil
}

func circleIn(c wire.Control) (wire.CircleID, error) {
	id, err := wire.ParseCircleID(c.Circle)
	if err != nil {
		return id, at(problem(wire.ProbMalformed, err.Error()), "/circle")
	}
	return id, nil
}

// prove takes the session for an anchor's leaf in one circle.
func (s *session) prove(c wire.Control) error {
	id, err := circleIn(c)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(s.d.ctx, requestWait)
	defer cancel()
	key, err := s.d.cfg.Book.AnchorKey(ctx, id)
	if err != nil {
		return err
	}
	if !ed25519.Verify(key, wire.ProofBytes(s.challenge[:], id), c.Signature) {
		return problem(wire.ProbBadSignature, "the proof is not by the anchor's leaf key over this session's challenge")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.proven) >= maxSubs {
		return tooMany(time.Minute, "circles of one socket")
	}
	if s.proven == nil {
		s.proven = map[wire.CircleID]ed25519.PublicKey{}
	}
	if !s.closed {
		s.proven[id] = key
	}
	return nil
}

// anchors lists those of circles that this socket is the anchor of.
func (s *session) anchors(circles map[wire.CircleID]bool) (all []wire.CircleID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	own := s.who.circle
	if s.who.anchor && circles[own] {
		all = append(all, own)
	}
	for c := range s.proven {
		if circles[c] && (!s.who.anchor || c != own) {
			all = append(all, c)
		}
	}
	return all
}

// subscribe answers ok by itself, before any frame can come.
func (s *session) subscribe(c wire.Control) (answered bool, err error) {
	id, err := circleIn(c)
	if err != nil {
		return false, err
	}
	s.mu.Lock()
	old, many := s.subs[id], len(s.subs) >= maxSubs
	delete(s.subs, id)
	s.mu.Unlock()
	if old != nil {
		old.relay.Stop()
	}
	if many {
		return false, tooMany(time.Minute, "circles of one socket")
	}
	ctx, cancel := context.WithTimeout(s.d.ctx, requestWait)
	defer cancel()
	sub := &subscription{s: s, circle: id}
	var info wire.CircleInfo
	if sub.relay, info, err = s.d.cfg.Relay.Subscribe(ctx, s.caller(id), id, c.After, sub); err != nil {
		return false, err
	}
	ok, err := json.Marshal(wire.Control{
		Type: wire.CtlOK, Ref: c.Ref, Circle: c.Circle, Head: info.Head, Epoch: info.Epoch, WelcomeAt: info.Welcome,
	})
	if err != nil {
		sub.relay.Stop()
		return false, err
	}
	s.begin(sub, ok)
	return true, nil
}

// begin queues the answer and then lets the writer pull.
func (s *session) begin(sub *subscription, answer []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		go sub.relay.Stop()
		return
	}
	if s.subs == nil {
		s.subs = map[wire.CircleID]*subscription{}
	}
	s.subs[sub.circle] = sub
	s.enqueue(outgoing{kind: websocket.MessageText, data: answer})
	sub.late()
}

func (s *session) unsubscribe(c wire.Control) error {
	id, err := circleIn(c)
	if err != nil {
		return err
	}
	s.mu.Lock()
	sub := s.subs[id]
	delete(s.subs, id)
	s.mu.Unlock()
	if sub != nil {
		sub.relay.Stop()
	}
	return nil
}

// commit appends a commit with its Welcome.
func (s *session) commit(c wire.Control) error {
	id, err := circleIn(c)
	if err == nil && (len(c.Commit) == 0 || len(c.Commit) > wire.MaxHandshake || len(c.Welcome) > wire.MaxHandshake) {
		err = problem(wire.ProbTooLarge, "a commit and a Welcome have at most 262144 bytes each, a commit at least one")
	}
	if err != nil {
		s.refuse(c.Ref, err)
		return nil
	}
	s.submit(c.Ref, relay.Append{Circle: id, Caller: s.caller(id), Message: c.Commit, Welcome: c.Welcome})
	return nil
}

// storeFailed tells errors of the disk apart from errors of the program.
func storeFailed(err error) bool {
	for _, kind := range []error{store.ErrDiskFull, store.ErrIO, store.ErrClosed, store.ErrBusy, store.ErrCorrupt} {
		if errors.Is(err, kind) {
			return true
		}
	}
	return false
}
