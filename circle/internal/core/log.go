package core

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"time"

	"primum/mls"
)

// Subscriptions lists the circles to read.
func (a *Actor) Subscriptions() []Subscription {
	a.Mu.Lock()
	defer a.Mu.Unlock()
	if a.Closed || a.broken != nil {
		return nil
	}
	var out []Subscription
	for _, id := range a.RoomIDs() {
		if r := a.Rooms[id]; r.readable() {
			out = append(out, Subscription{Circle: id, Node: r.Node, After: r.Cursor, Home: r.Home, Joining: r.MLS == nil})
		}
	}
	return out
}

// readable: not before the node has opened it, not after it was fenced for good.
func (r *Room) readable() bool { return r.Opened && (r.Fenced == "" || r.Home) }

// Synced tells where the node's sequence stood when the driver (re)connected:
// the highest number and the epoch. Nothing is sealed in the circle before all
// up to head was received.
func (a *Actor) Synced(c ID, head, epoch uint64) error {
	return a.Do(func() error {
		r := a.Rooms[c]
		if r == nil {
			return fmt.Errorf("sync circle %s: %w", c, ErrUnknown)
		}
		r.Head, r.HeadEpoch, r.HeadKnown = head, epoch, true
		if head>>32 > r.Cursor>>32 && uint32(head) == 0 {
			r.Cursor = head // a restored node that has nothing new yet
			a.Touch(r.Part())
		}
		r.acked, r.taken, r.stale, r.ahead = false, false, false, false
		if head < r.Cursor && r.MLS != nil {
			a.Role.Incoming(r, &Incoming{Kind: InLost, Reason: StoppedFork})
		}
		if a.Rooms[c] == r {
			a.checkSynced(r)
		}
		return nil
	})
}

func (a *Actor) checkSynced(r *Room) {
	r.Synced = r.HeadKnown && r.Cursor >= r.Head
	if !r.Synced || r.MLS == nil || r.Cursor > r.Head {
		return
	}
	epoch := r.MLS.Epoch()
	if r.Pending != nil {
		epoch++ // the log is about to show it
	}
	if ahead := r.HeadEpoch > epoch; ahead && !r.ahead {
		// Only the node's word: nothing is sealed until the log proves or
		// disproves it.
		a.Problem(r.ID, r.Grant, "epoch-ahead", fmt.Sprintf("the node says epoch %d, here it is %d: nothing is sealed", r.HeadEpoch, epoch))
		r.ahead = true
		if !r.suspectAt.IsZero() {
			a.Role.Incoming(r, &Incoming{Kind: InLost, Reason: StoppedFork})
		}
	}
}

// Receive takes frames of a circle in the node's order, own ones included, as
// many as there are: one persist for all. It returns how many were taken:
// duplicates are taken and ignored; a gap ends the call (read again from the
// subscription's After). ErrFull: take events first.
func (a *Actor) Receive(c ID, frames []Frame) (n int, err error) {
	err = a.Do(func() error {
		r := a.Rooms[c]
		if r == nil {
			return fmt.Errorf("receive in circle %s: %w", c, ErrUnknown)
		}
		for _, f := range frames {
			if f.Seq > r.Cursor {
				if r.MLS != nil && a.gap(r, f.Seq) {
					return nil
				}
				if !a.makeRoom() {
					return fmt.Errorf("receive in circle %s: %w", c, ErrFull)
				}
				a.take(r, f)
			}
			n++
			if a.Rooms[c] != r {
				return nil // it ended with this frame
			}
		}
		return nil
	})
	return n, err
}

// gap tells whether frames are missing before seq. What the node leaves out a
// second time it has trimmed.
func (a *Actor) gap(r *Room, seq uint64) bool {
	if seq == r.Cursor+1 || afterRestore(r.Cursor, seq) {
		return false
	}
	if r.gapAt != seq {
		r.gapAt = seq
		return true
	}
	return false
}

// afterRestore: a node that was restored from a backup counts on in a new
// upper half of its numbers; what was between is lost for everybody.
func afterRestore(cursor, seq uint64) bool {
	return seq>>32 > cursor>>32 && uint32(seq) == 1
}

// take processes one frame and moves the cursor.
func (a *Actor) take(r *Room, f Frame) {
	r.Cursor, r.gapAt = f.Seq, 0
	r.Head = max(r.Head, f.Seq)
	if a.ownAppend(r, f) {
		a.confirm(r, f) // read again after a crash, it does no harm
	} else {
		a.Touch(r.Part())
		a.process(r, f)
	}
	if a.Rooms[r.ID] == r {
		a.checkSynced(r)
	}
}

func (a *Actor) Bad(r *Room, why error) {
	r.Bad++
	a.Log.Debug("frame not opened", "circle", r.ID.String(), "number", r.Cursor, "why", why)
}

func (a *Actor) process(r *Room, f Frame) {
	if len(f.Message) > maxHandshake {
		a.Bad(r, errors.New("too large"))
		return
	}
	head, err := mls.Peek(f.Message)
	if err != nil {
		a.Bad(r, err)
		return
	}
	switch head.WireFormat {
	case mls.WireWelcome:
		if r.MLS == nil || r.Stopped != "" {
			a.Role.Incoming(r, &Incoming{Kind: InWelcome, seq: f.Seq, Raw: f.Message})
		}
	case mls.WireKeyPackage:
		if r.MLS != nil {
			a.Role.Incoming(r, &Incoming{Kind: InKeyPackage, seq: f.Seq, Raw: f.Message})
		}
	case mls.WirePublicMessage, mls.WirePrivateMessage:
		switch {
		case r.MLS == nil || r.Stopped != "":
		case ownCommit(r, f):
			a.merge(r, f)
		default:
			a.processMessage(r, f, head)
		}
	default:
		a.Bad(r, errors.New("no message of a circle"))
	}
}

// ownAppend recognises the message that this actor sent last.
func (a *Actor) ownAppend(r *Room, f Frame) bool {
	if len(r.Queue) == 0 {
		return false
	}
	head := &r.Queue[0]
	sent := head.Raw
	if sent == nil && r.sealedID == head.ID {
		sent = r.Sealed
	}
	return sent != nil && bytes.Equal(sent, f.Message)
}

// confirm: the log has the head of the queue now.
func (a *Actor) confirm(r *Room, f Frame) {
	a.TouchSoft(r.Part())
	a.Role.Incoming(r, &Incoming{Kind: InOwn, seq: f.Seq, Own: a.Dequeue(r)})
}

// ownCommit recognises the pending commit.
func ownCommit(r *Room, f Frame) bool {
	return r.Pending != nil && r.MLS != nil && bytes.Equal(r.Pending.Commit, f.Message)
}

func (a *Actor) merge(r *Room, f Frame) {
	p := r.Pending
	view := r.MLS.PendingCommit().View
	if err := r.MLS.Merge(); err != nil {
		a.Bad(r, err)
		return
	}
	r.Pending = nil
	a.NewEpoch(r, p.At)
	a.Role.Incoming(r, &Incoming{Kind: InCommit, seq: f.Seq, Raw: f.Message, View: view})
}

func (a *Actor) NewEpoch(r *Room, at time.Time) {
	r.Mark, r.EpochAt = at, a.Now()
	r.Sealed, r.acked, r.taken, r.stale, r.ahead, r.Full, r.Proposals = nil, false, false, false, false, false, 0
}

func (a *Actor) processMessage(r *Room, f Frame, head mls.Head) {
	switch {
	case head.Epoch < r.MLS.Epoch():
		a.Bad(r, mls.ErrEpoch)
		return
	case head.Epoch > r.MLS.Epoch():
		a.Bad(r, mls.ErrEpoch)
		a.suspect(r)
		return
	case head.ContentType == mls.Proposal && a.Admits != nil && !a.Admits(r, f, head):
		a.Bad(r, errors.New("proposal not asked for"))
		return
	}
	before := r.MLS.Members()
	rx, err := r.MLS.Process(f.Message)
	switch {
	case errors.Is(err, mls.ErrOwnMessage):
		a.ownUnknown(r, f, head)
	case errors.Is(err, ErrNotCommitter):
		a.Bad(r, err) // whoever signed it, it is no commit of this circle
	case errors.Is(err, mls.ErrUnauthorized):
		// Genuine, and against the rules: this member goes no further.
		a.Bad(r, err)
		a.Role.Incoming(r, &Incoming{Kind: InLost, seq: f.Seq, Reason: StoppedFork})
	case err != nil:
		a.Bad(r, err)
		if head.ContentType == mls.Commit {
			a.suspect(r)
		}
	default:
		r.suspectAt = time.Time{}
		a.received(r, f, rx, before)
	}
}

// suspect notes a frame as a state that can't follow the log would meet it.
// Anybody who carries the log could have made it, so one alone means nothing:
// only when the node confirms the epoch, or nothing else comes for a while, is
// the state given up.
func (a *Actor) suspect(r *Room) {
	if r.suspectAt.IsZero() {
		r.suspectAt = a.Now()
	}
	a.Wake(r.suspectAt.Add(suspectTime))
	if a.Now().Sub(r.suspectAt) >= suspectTime {
		a.Role.Incoming(r, &Incoming{Kind: InLost, Reason: StoppedFork})
	}
}

func (a *Actor) received(r *Room, f Frame, rx *mls.Received, before []mls.Member) {
	in := &Incoming{seq: f.Seq, Raw: f.Message, Data: rx.Data, View: rx.View, Gone: rx.Evicted}
	for _, m := range before {
		if m.Leaf == rx.Sender {
			in.Sender = m
		}
	}
	switch rx.Kind {
	case mls.Application:
		in.Kind = InMessage
	case mls.Proposal:
		in.Kind = InProposal
		r.Proposals++
	case mls.Commit:
		in.Kind = InCommit
		at, _ := CommitAt(rx.AuthenticatedData)
		a.NewEpoch(r, at)
	}
	a.Role.Incoming(r, in)
}

// ownUnknown judges a message of the own leaf that this state does not
// remember: sealed before a crash, or by a state that was ahead of this one
// (P9).
func (a *Actor) ownUnknown(r *Room, f Frame, head mls.Head) {
	a.Bad(r, mls.ErrOwnMessage)
	if head.ContentType == mls.Commit && r.Refused == head.Epoch+1 {
		// The node had said no to it, which proves nothing about this state.
		a.Log.Warn("the node shows a commit that it had refused", "circle", r.ID.String())
		return
	}
	if head.ContentType == mls.Commit {
		a.Role.Incoming(r, &Incoming{Kind: InLost, seq: f.Seq, Reason: StoppedRollback})
		return
	}
	if head.ContentType != mls.Application {
		return
	}
	_, generation, err := r.MLS.Sender(f.Message)
	if err == nil && generation >= r.MLS.Generation() {
		a.Role.Incoming(r, &Incoming{Kind: InLost, seq: f.Seq, Reason: StoppedRollback})
	}
}

// Ended tells that the node delivers nothing more, and why ("withdrawn",
// "superseded", "expired", "revoked", "restored").
func (a *Actor) Ended(c ID, reason string, at time.Time) error {
	return a.Do(func() error {
		r := a.Rooms[c]
		if r == nil {
			return nil
		}
		a.Role.CutOff(r, reason, at)
		return nil
	})
}

// EnqueueFirst puts a message before those that are not on their way.
func (a *Actor) EnqueueFirst(r *Room, o Outgoing) {
	a.Enqueue(r, o)
	n := len(r.Queue) - 1
	i := 0
	if n > 0 && r.Sealed != nil && r.sealedID == r.Queue[0].ID && r.Hold == "" {
		i = 1
	}
	o = r.Queue[n]
	r.Queue = slices.Insert(slices.Clone(r.Queue[:n]), i, o)
}
