package circle

import (
	"crypto/ed25519"
	"fmt"
	"slices"
	"strings"
	"time"

	"primum/grant"
)

// WithdrawalInfo says how far a withdrawal is. Confirmed is set by the anchor's
// own statement only.
type WithdrawalInfo struct {
	Asked     time.Time `json:"asked"`
	LockOne   time.Time `json:"lockOne,omitzero"`    // the node's receipt; zero: not yet
	LockTwo   time.Time `json:"lockTwo,omitzero"`    // the anchor's statement; zero: not confirmed by your thing
	Receipt   string    `json:"receipt,omitempty"`   // JWS by the node
	Statement string    `json:"statement,omitempty"` // JWS by the anchor
}

// Confirmed tells that the thing itself has sealed its last.
func (w WithdrawalInfo) Confirmed() bool { return w.Statement != "" && !w.LockTwo.IsZero() }

// Withdraw ends a grant: both locks are asked for at once. It is as good with an
// ended or unknown lease, and may be repeated.
func (o *Owner) Withdraw(grantID string) error {
	return o.do(func() error { return o.withdraw(grantID) })
}

// WithdrawHome ends every grant of a home: a lost edge.
func (o *Owner) WithdrawHome(home ID) error {
	return o.do(func() error {
		if o.ms.Homes[home.String()] == nil {
			return fmt.Errorf("withdraw home %s: %w", home, ErrUnknown)
		}
		for _, id := range sortedKeys(o.given) {
			if g := o.given[id]; g.Home == home && g.live() {
				if err := o.withdraw(id); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

func (o *Owner) withdraw(id string) error {
	g := o.given[id]
	if g == nil {
		return fmt.Errorf("withdraw grant %s: %w", clip(id), ErrUnknown)
	}
	if g.Withdrawal != nil && g.Withdrawal.Confirmed() {
		return nil
	}
	w, err := o.signWithdrawal(g, "withdrawn")
	if err != nil {
		return fmt.Errorf("withdraw grant %s: %w", clip(id), err)
	}
	if g.live() {
		g.State = grant.Withdrawn
	}
	g.Anew = ID{}
	o.touch(g.part())
	if g.Withdrawal.LockOne.IsZero() {
		o.fileClosing(g, w)
	}
	o.sayClosing(g, w)
	return nil
}

func (o *Owner) fileClosing(g *ownerGrant, w Withdrawal) {
	filing := func(e Effect) bool { return e.Kind == EffectFileClosing && e.Grant == g.ID }
	h := o.ms.Homes[g.Home.String()]
	if h == nil || slices.ContainsFunc(o.base.Outbox, filing) {
		return
	}
	o.send(Effect{Kind: EffectFileClosing, Node: h.Node, Grant: g.ID, Closing: w.Closing, Countersignature: w.Countersignature})
}

// sayClosing tells the anchor, unless a closing of this grant is on its way.
func (o *Owner) sayClosing(g *ownerGrant, w Withdrawal) {
	r := o.rooms[g.Home]
	if r == nil || r.Member == nil {
		return
	}
	tag := tagWithdrawal + g.ID
	if slices.ContainsFunc(r.Queue, func(m outgoing) bool { return m.Tag == tag }) {
		return
	}
	o.say(r, homeMessage{T: homeClosing, Withdrawal: &w}, tag)
}

// planWithdrawal repeats what the thing has not confirmed.
func (o *Owner) planWithdrawal(g *ownerGrant, now time.Time) {
	w := g.Withdrawal
	if w == nil || w.Confirmed() || w.Next.IsZero() {
		return
	}
	if now.Before(w.Next) {
		o.wake(w.Next)
		return
	}
	w.Tries++
	w.Next = now.Add(min(firstRepeat<<min(w.Tries*2, 16), repeatMax))
	o.touch(g.part())
	o.wake(w.Next)
	c, _ := ParseID(g.envelope.Circle)
	o.emit(Event{
		Kind: EventUnconfirmed, Circle: c, Grant: g.ID, Account: g.envelope.Grantee.String(), ValueAt: w.Asked,
		Text: "not confirmed by your thing",
	})
	h := o.ms.Homes[g.Home.String()]
	if h == nil || h.Closed {
		w.Next = time.Time{} // claimed anew: this home's thing has no voice any more
		return
	}
	again, err := o.signWithdrawal(g, w.Reason)
	if err != nil {
		o.log.Error("repeat a withdrawal", "error", err)
		return
	}
	o.sayClosing(g, again)
	if w.LockOne.IsZero() {
		o.fileClosing(g, again)
	}
}

// closingFiled takes the node's receipt: lock one.
func (o *Owner) closingFiled(g *ownerGrant, e *Effect, res *Result, refused *Refusal) {
	w := g.Withdrawal
	if refused != nil {
		o.problem(ID{}, g.ID, refused.Kind, "the node does not take the withdrawal: "+refused.Error())
		return
	}
	if !w.LockOne.IsZero() {
		return
	}
	w.LockOne, w.Receipt = res.At, res.Receipt
	if w.LockOne.IsZero() {
		w.LockOne = o.now()
	}
	o.touch(g.part())
	c, _ := ParseID(g.envelope.Circle)
	o.emit(Event{Kind: EventLockOne, Circle: c, Grant: g.ID, Account: g.envelope.Grantee.String(), ValueAt: w.LockOne})
	_ = e
}

// LANWithdrawal is what to post to the edge on the LAN, when it is reachable.
func (o *Owner) LANWithdrawal(grantID string) (w Withdrawal, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	g := o.given[grantID]
	if g == nil || g.Withdrawal == nil {
		return w, fmt.Errorf("withdraw grant %s on the LAN: it was not withdrawn: %w", clip(grantID), ErrUnknown)
	}
	return Withdrawal{Closing: g.Bundle.Closing, Countersignature: g.Withdrawal.Last}, nil
}

// Statement takes the anchor's answer from the LAN.
func (o *Owner) Statement(compact string) error {
	return o.do(func() error { return o.stated(compact) })
}

// stated is the only way to a confirmed withdrawal: the home leaf key's word
// about this grant, circle and one of the nonces that this client made.
func (o *Owner) stated(compact string) error {
	var unsure grant.Statement
	if err := unverified(compact, &unsure); err != nil {
		return fmt.Errorf("take statement: %w", err)
	}
	g := o.given[unsure.Grant]
	if g == nil || g.Withdrawal == nil {
		return nil // another client's
	}
	h := o.ms.Homes[g.Home.String()]
	if h == nil {
		return fmt.Errorf("take statement: %w", ErrUnknown)
	}
	w := g.Withdrawal
	for _, nonce := range w.Nonces {
		s, err := grant.VerifyStatement(compact, ed25519.PublicKey(h.AnchorKey), g.envelope, nonce)
		if err != nil {
			continue
		}
		if !w.Confirmed() {
			o.confirm2(g, s, compact)
		}
		return nil
	}
	return fmt.Errorf("take statement: it answers no withdrawal of this client: %w", ErrRefused)
}

func (o *Owner) confirm2(g *ownerGrant, s grant.Statement, compact string) {
	w := g.Withdrawal
	w.LockTwo, w.Statement, w.Next = s.At, compact, time.Time{}
	if w.LockTwo.IsZero() {
		w.LockTwo = o.now()
	}
	o.touch(g.part())
	if r := o.rooms[g.Home]; r != nil {
		o.dropClosings(r, g.ID)
	}
	c, _ := ParseID(g.envelope.Circle)
	o.emit(Event{Kind: EventLockTwo, Circle: c, Grant: g.ID, Account: g.envelope.Grantee.String(), ValueAt: w.LockTwo})
}

// dropClosings takes back a closing that was confirmed on the LAN before it was
// sent, if nothing was counted after it.
func (o *Owner) dropClosings(r *room, id string) {
	n := len(r.Queue)
	if n == 0 || !strings.HasPrefix(r.Queue[n-1].Tag, tagWithdrawal+id) || (n == 1 && r.sealed != nil) {
		return
	}
	m, err := parseHome(r.Queue[n-1].Plain)
	if err != nil || m.C != r.Member.Count {
		return
	}
	r.Queue = slices.Clone(r.Queue[:n-1])
	r.Member.Count, r.Member.Prev = m.C-1, m.Prev
	o.touch(r.part())
}
