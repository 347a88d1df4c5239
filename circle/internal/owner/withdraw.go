package owner

import (
	"crypto/ed25519"
	"fmt"
	"slices"
	"strings"
	"time"

	"primum/circle/internal/core"
	"primum/grant"
)

// Withdraw ends a grant: both locks are asked for at once. It is as good with an
// ended or unknown lease, and may be repeated.
func (o *Owner) Withdraw(grantID string) error {
	return o.Do(func() error { return o.withdraw(grantID) })
}

// WithdrawHome ends every grant of a home: a lost edge.
func (o *Owner) WithdrawHome(home core.ID) error {
	return o.Do(func() error {
		if o.Mem.Homes[home.String()] == nil {
			return fmt.Errorf("withdraw home %s: %w", home, core.ErrUnknown)
		}
		for _, id := range core.SortedKeys(o.GivenGrants) {
			if g := o.GivenGrants[id]; g.Home == home && g.live() {
				if err := o.withdraw(id); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

func (o *Owner) withdraw(id string) error {
	g := o.GivenGrants[id]
	if g == nil {
		return fmt.Errorf("withdraw grant %s: %w", core.Clip(id), core.ErrUnknown)
	}
	if g.Withdrawal != nil && g.Withdrawal.Confirmed() {
		return nil
	}
	w, err := o.signWithdrawal(g, "withdrawn")
	if err != nil {
		return fmt.Errorf("withdraw grant %s: %w", core.Clip(id), err)
	}
	if g.live() {
		g.State = grant.Withdrawn
	}
	g.Anew = core.ID{}
	o.Touch(g.part())
	if g.Withdrawal.LockOne.IsZero() {
		o.fileClosing(g, w)
	}
	o.sayClosing(g, w)
	return nil
}

func (o *Owner) fileClosing(g *ownerGrant, w core.Withdrawal) {
	filing := func(e core.Effect) bool { return e.Kind == core.EffectFileClosing && e.Grant == g.ID }
	h := o.Mem.Homes[g.Home.String()]
	if h == nil || slices.ContainsFunc(o.Base.Outbox, filing) {
		return
	}
	o.Send(core.Effect{Kind: core.EffectFileClosing, Node: h.Node, Grant: g.ID, Closing: w.Closing, Countersignature: w.Countersignature})
}

// sayClosing tells the anchor, unless a closing of this grant is on its way.
func (o *Owner) sayClosing(g *ownerGrant, w core.Withdrawal) {
	r := o.Rooms[g.Home]
	if r == nil || r.Member == nil {
		return
	}
	tag := tagWithdrawal + g.ID
	if slices.ContainsFunc(r.Queue, func(m core.Outgoing) bool { return m.Tag == tag }) {
		return
	}
	o.Say(r, core.HomeMessage{T: core.HomeClosing, Withdrawal: &w}, tag)
}

// planWithdrawal repeats what the thing has not confirmed.
func (o *Owner) planWithdrawal(g *ownerGrant, now time.Time) {
	w := g.Withdrawal
	if w == nil || w.Confirmed() || w.Next.IsZero() {
		return
	}
	if now.Before(w.Next) {
		o.Wake(w.Next)
		return
	}
	w.Tries++
	w.Next = now.Add(min(firstRepeat<<min(w.Tries*2, 16), repeatMax))
	o.Touch(g.part())
	o.Wake(w.Next)
	c, _ := core.ParseID(g.Envelope.Circle)
	o.Emit(core.Event{
		Kind: core.EventUnconfirmed, Circle: c, Grant: g.ID, Account: g.Envelope.Grantee.String(), ValueAt: w.Asked,
		Text: "not confirmed by your thing",
	})
	h := o.Mem.Homes[g.Home.String()]
	if h == nil || h.Closed {
		w.Next = time.Time{} // claimed anew: this home's thing has no voice any more
		return
	}
	again, err := o.signWithdrawal(g, w.Reason)
	if err != nil {
		o.Log.Error("repeat a withdrawal", "error", err)
		return
	}
	o.sayClosing(g, again)
	if w.LockOne.IsZero() {
		o.fileClosing(g, again)
	}
}

// closingFiled takes the node's receipt: lock one.
func (o *Owner) closingFiled(g *ownerGrant, e *core.Effect, res *core.Result, refused *core.Refusal) {
	w := g.Withdrawal
	if refused != nil {
		o.Problem(core.ID{}, g.ID, refused.Kind, "the node does not take the withdrawal: "+refused.Error())
		return
	}
	if !w.LockOne.IsZero() {
		return
	}
	w.LockOne, w.Receipt = res.At, res.Receipt
	if w.LockOne.IsZero() {
		w.LockOne = o.Now()
	}
	o.Touch(g.part())
	c, _ := core.ParseID(g.Envelope.Circle)
	o.Emit(core.Event{Kind: core.EventLockOne, Circle: c, Grant: g.ID, Account: g.Envelope.Grantee.String(), ValueAt: w.LockOne})
	_ = e
}

// LANWithdrawal is what to post to the edge on the LAN, when it is reachable.
func (o *Owner) LANWithdrawal(grantID string) (w core.Withdrawal, err error) {
	o.Mu.Lock()
	defer o.Mu.Unlock()
	g := o.GivenGrants[grantID]
	if g == nil || g.Withdrawal == nil {
		return w, fmt.Errorf("withdraw grant %s on the LAN: it was not withdrawn: %w", core.Clip(grantID), core.ErrUnknown)
	}
	return core.Withdrawal{Closing: g.Bundle.Closing, Countersignature: g.Withdrawal.Last}, nil
}

// Statement takes the anchor's answer from the LAN.
func (o *Owner) Statement(compact string) error {
	return o.Do(func() error { return o.stated(compact) })
}

// stated is the only way to a confirmed withdrawal: the home leaf key's word
// about this grant, circle and one of the nonces that this client made.
func (o *Owner) stated(compact string) error {
	var unsure grant.Statement
	if err := core.Unverified(compact, &unsure); err != nil {
		return fmt.Errorf("take statement: %w", err)
	}
	g := o.GivenGrants[unsure.Grant]
	if g == nil || g.Withdrawal == nil {
		return nil // another client's
	}
	h := o.Mem.Homes[g.Home.String()]
	if h == nil {
		return fmt.Errorf("take statement: %w", core.ErrUnknown)
	}
	w := g.Withdrawal
	for _, nonce := range w.Nonces {
		s, err := grant.VerifyStatement(compact, ed25519.PublicKey(h.AnchorKey), g.Envelope, nonce)
		if err != nil {
			continue
		}
		if !w.Confirmed() {
			o.confirm2(g, s, compact)
		}
		return nil
	}
	return fmt.Errorf("take statement: it answers no withdrawal of this client: %w", core.ErrRefused)
}

func (o *Owner) confirm2(g *ownerGrant, s grant.Statement, compact string) {
	w := g.Withdrawal
	w.LockTwo, w.Statement, w.Next = s.At, compact, time.Time{}
	if w.LockTwo.IsZero() {
		w.LockTwo = o.Now()
	}
	o.Touch(g.part())
	if r := o.Rooms[g.Home]; r != nil {
		o.dropClosings(r, g.ID)
	}
	c, _ := core.ParseID(g.Envelope.Circle)
	o.Emit(core.Event{Kind: core.EventLockTwo, Circle: c, Grant: g.ID, Account: g.Envelope.Grantee.String(), ValueAt: w.LockTwo})
}

// dropClosings takes back a closing that was confirmed on the LAN before it was
// sent, if nothing was counted after it.
func (o *Owner) dropClosings(r *core.Room, id string) {
	n := len(r.Queue)
	if n == 0 || !strings.HasPrefix(r.Queue[n-1].Tag, tagWithdrawal+id) || (n == 1 && r.Sealed != nil) {
		return
	}
	m, err := core.ParseHome(r.Queue[n-1].Plain)
	if err != nil || m.C != r.Member.Count {
		return
	}
	r.Queue = slices.Clone(r.Queue[:n-1])
	r.Member.Count, r.Member.Prev = m.C-1, m.Prev
	o.Touch(r.Part())
}
