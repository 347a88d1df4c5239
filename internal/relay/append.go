package relay

import (
	"context"
	"errors"
	"time"

	"primum/internal/store"
	"primum/internal/wire"
	"primum/mls"
)

// Append is one message on its way in.
type Append struct {
	Circle  wire.CircleID
	Caller  Caller
	Message []byte // MLSMessage: application, Update proposal, commit, or key package of a lost client
	Welcome []byte // with a commit that adds: released with it
}

// Done is where a message was put.
type Done struct {
	Seq       uint64
	WelcomeAt uint64 // 0: no Welcome
	Epoch     uint64 // of the circle afterwards
}

// rejoins is how many key packages one lost client may bring in an hour.
const rejoins = 4

// Append checks and appends one message; it returns when the message is
// durable. If ctx ends before, the message may still be appended.
func (r *Relay) Append(ctx context.Context, a Append) (Done, error) {
	type outcome struct {
		Done
		err error
	}
	answered := make(chan outcome, 1)
	r.Submit(a, func(d Done, err error) { answered <- outcome{d, err} })
	select {
	case o := <-answered:
		return o.Done, o.err
	case <-ctx.Done():
		return Done{}, ctx.Err()
	}
}

// Submit is Append without waiting for the disk: done is called once, when the
// message is durable or refused, those of one circle in the order of their
// submission. Calls of done come from one goroutine and must not block; a
// refusal may come at once, on the caller's. Handshakes make Submit wait.
func (r *Relay) Submit(a Append, done func(Done, error)) {
	c, release := r.cache.take(a.Circle)
	defer release()
	if err := r.submit(c, a, done); err != nil {
		done(Done{}, r.refuse(err))
	}
}

// submit refuses with an error, or sees to it that done is called.
func (r *Relay) submit(c *circle, a Append, done func(Done, error)) error {
	head, err := peek(a)
	if err != nil {
		return err
	}
	v, err := r.viewOf(context.Background(), c)
	if err != nil {
		return err
	}
	at, err := v.seat(a.Caller)
	if err != nil {
		return err
	}
	if wait, ok := c.spend(string(a.Caller.Key), r.limits.PerSecond, r.limits.Burst, r.clock.Now()); !ok {
		return tooMany("too many messages of one sender", wait)
	}
	switch {
	case head.WireFormat == mls.WireKeyPackage:
		return r.rejoin(c, v, a, done)
	case !at.has:
		return noLeaf()
	case head.WireFormat == mls.WirePrivateMessage:
		return r.application(v, head, a, done)
	case head.ContentType == mls.Commit && !v.isAnchor(a.Caller):
		return refusal(wire.ProbForbidden, "only the anchor commits")
	}
	return r.handshake(c, head, a, done)
}

// peek reads what a message says of itself, and refuses what can't be right.
func peek(a Append) (mls.Head, error) {
	if len(a.Message) > wire.MaxHandshake {
		return mls.Head{}, tooLarge("a message", wire.MaxHandshake)
	}
	head, err := mls.Peek(a.Message)
	if err != nil {
		return head, malformed("this is no MLSMessage", err)
	}
	commit := head.WireFormat == mls.WirePublicMessage && head.ContentType == mls.Commit
	if !commit && len(a.Message) > wire.MaxMessage {
		return head, tooLarge("a message that is no commit", wire.MaxMessage)
	}
	if !commit && a.Welcome != nil {
		return head, refusal(wire.ProbMalformed, "a Welcome comes with a commit only")
	}
	switch head.WireFormat {
	case mls.WireKeyPackage:
		return head, nil
	case mls.WirePrivateMessage:
		if head.ContentType != mls.Application {
			return head, refusal(wire.ProbMalformed, "handshakes are PublicMessages here")
		}
	case mls.WirePublicMessage:
		if head.ContentType == mls.Application {
			return head, refusal(wire.ProbMalformed, "application messages are PrivateMessages")
		}
	default:
		return head, refusal(wire.ProbMalformed, "a circle takes messages, commits and Update proposals")
	}
	if string(head.GroupID) != string(a.Circle[:]) {
		return head, refusal(wire.ProbMalformed, "the message is of another circle")
	}
	return head, nil
}

// application appends a PrivateMessage of a member.
func (r *Relay) application(v *view, head mls.Head, a Append, done func(Done, error)) error {
	now := r.clock.Now()
	if err := v.ended(now); err != nil {
		return err
	}
	if err := v.begun(now); err != nil {
		return err
	}
	if head.Epoch != v.Epoch {
		return stale(v.Epoch)
	}
	if r.accepted != nil && v.counts(a.Caller) {
		done = r.acting(a, done)
	}
	r.store(store.Append{
		Circle: a.Circle, Kind: store.KindApplication, Epoch: head.Epoch, Message: a.Message, Now: now, MaxBytes: r.limits.CircleBytes,
	}, done)
	return nil
}

// acting tells who counts of a grantee's message once it is durable.
func (r *Relay) acting(a Append, done func(Done, error)) func(Done, error) {
	return func(d Done, err error) {
		if err == nil {
			r.accepted(Passed{Circle: a.Circle, Caller: a.Caller, Bytes: len(a.Message)})
		}
		done(d, err)
	}
}

// rejoin appends the key package of a client that lost its state. The tracker
// takes no notice of it; the anchor adds the client anew.
func (r *Relay) rejoin(c *circle, v *view, a Append, done func(Done, error)) error {
	now := r.clock.Now()
	if err := v.ended(now); err != nil {
		return err
	}
	kp, err := mls.ParseKeyPackage(a.Message)
	if err != nil {
		return malformed("the key package doesn't verify", err)
	}
	if string(kp.SignatureKey()) != string(a.Caller.Key) {
		return refusal(wire.ProbForbidden, "the key package is of another client")
	}
	if wait, ok := c.spend("rejoin "+string(a.Caller.Key), rejoins/time.Hour.Seconds(), rejoins, now); !ok {
		return tooMany("a lost client may ask four times an hour", wait)
	}
	r.store(store.Append{
		Circle: a.Circle, Kind: store.KindKeyPackage, Message: a.Message, Now: now, MaxBytes: r.limits.CircleBytes,
	}, done)
	return nil
}

// store submits an append that changes no view, and delivers it.
func (r *Relay) store(a store.Append, done func(Done, error)) {
	r.log.Submit(a, func(at store.Appended, err error) {
		if err != nil {
			done(Done{}, r.refuse(refused(err)))
			return
		}
		r.appended.Add(1)
		r.deliver(a.Circle, at.Seq, a.Message)
		done(Done{Seq: at.Seq, Epoch: at.Epoch}, nil)
	})
}

// handshake verifies a PublicMessage by the tracker, stores it with the view
// that it leads to, and delivers it. One at a time per circle; it waits for
// the disk.
func (r *Relay) handshake(c *circle, head mls.Head, a Append, done func(Done, error)) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	v := c.view.Load() // loaded by submit; whoever replaced it holds it
	s, err := r.stage(v, head, a)
	if err != nil {
		return err
	}
	stored := make(chan error, 1)
	r.log.Submit(s.append, func(at store.Appended, err error) {
		if err == nil {
			r.appended.Add(1)
			open := v.EndedAt(s.append.Now) == nil
			s.next = v.after(s.tracker, at.Seq, s.append.Joined)
			s.next.Closed = s.append.Last && !open
			c.view.Store(s.next) // c.mu is held for it; readers act on what they get next
			if open {
				r.deliverHandshake(s, at)
			}
			done(Done{Seq: at.Seq, WelcomeAt: at.WelcomeAt, Epoch: at.Epoch}, nil)
		}
		stored <- err
	})
	return refused(<-stored)
}

// staged is a handshake that verifies, and where it leads.
type staged struct {
	append  store.Append
	tracker Tracker
	next    *view // once it is stored
}

func (r *Relay) stage(v *view, head mls.Head, a Append) (*staged, error) {
	now := r.clock.Now()
	if head.ContentType != mls.Commit {
		if err := v.ended(now); err != nil {
			return nil, err
		}
	}
	if v.Closed || v.Fence == store.FenceRestored {
		return nil, v.ended(now)
	}
	if head.Epoch != v.Epoch {
		return nil, stale(v.Epoch)
	}
	next, received, err := v.tracker.Stage(a.Message)
	switch {
	case errors.Is(err, mls.ErrEpoch):
		return nil, stale(v.Epoch)
	case err != nil:
		return nil, malformed("the handshake doesn't verify: "+err.Error(), err)
	}
	s := &staged{tracker: next, append: store.Append{
		Circle: a.Circle, Epoch: v.Epoch, Message: a.Message, Now: now,
		// Handshakes pass when values no longer do: without them nothing would
		// ever be erased.
		MaxBytes: r.limits.CircleBytes + max(r.limits.CircleBytes/8, 4*wire.MaxHandshake),
	}}
	if r.limits.CircleBytes < 0 {
		s.append.MaxBytes = 0
	}
	if received.Kind == mls.Proposal {
		s.append.Kind, s.append.Leaf = store.KindProposal, received.Sender
		err = checkProposal(v, received, a.Caller)
	} else {
		s.append.Kind, s.append.Welcome = store.KindCommit, a.Welcome
		s.append.Commitment = wire.EpochCommitment(next.ConfirmedTranscriptHash(), next.Epoch(), a.Message)
		err = s.checkCommit(v, received, now)
	}
	if err != nil {
		return nil, err
	}
	if s.append.Tracker, err = next.MarshalBinary(); err != nil {
		return nil, err
	}
	return s, nil
}
