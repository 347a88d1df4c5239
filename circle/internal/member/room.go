package member

import (
	"bytes"
	"errors"
	"slices"
	"time"

	"primum/circle/internal/core"
	"primum/grant"
)

// Incoming takes what came out of a circle's log.
func (m *Member) Incoming(r *core.Room, in *core.Incoming) {
	switch in.Kind {
	case core.InWelcome:
		m.Welcomed(r, in)
	case core.InMessage:
		m.message(r, in)
	case core.InCommit:
		m.CommitSeen(r, in)
	case core.InLost:
		m.LoseState(r, in.Reason)
	case core.InOwn, core.InProposal, core.InKeyPackage:
	}
}

// message takes a message in a grant circle: only the anchor has something to
// say to this client.
func (m *Member) message(r *core.Room, in *core.Incoming) {
	if !bytes.Equal(in.Sender.SignatureKey, r.Member.AnchorKey) {
		return
	}
	items, err := core.ParseInner(in.Data)
	if err != nil {
		m.Bad(r, err)
		return
	}
	for _, it := range items {
		m.item(r, it)
	}
}

// item takes one entry of the anchor.
func (m *Member) item(r *core.Room, it core.Inner) {
	switch {
	case it.Op == core.OpDocuments:
		for _, c := range it.Documents {
			m.ToldIdentity(r, c)
		}
	case it.ID != "":
		m.Replied(r, it)
	case it.Op == grant.OpObserve || it.Op == grant.OpSubscribe:
		m.Value(r, it)
	default:
		m.Bad(r, errors.New("entry has no place here"))
	}
}

func (m *Member) ToldIdentity(r *core.Room, compact string) {
	if account, err := core.DocumentAccount(compact); err != nil || account != m.Mem.Account {
		m.Bad(r, errors.New("document of another account"))
		return
	}
	if _, news, err := m.Book.Take(compact, nil); err != nil {
		m.Bad(r, err)
	} else if news {
		m.Touch(core.PartIdentities)
	}
}

// Value shows a value once: a message that was sealed again carries the same
// time.
func (m *Member) Value(r *core.Room, it core.Inner) {
	key := it.Op + "\x00" + it.Thing + "\x00" + it.Name
	if !it.At.After(r.Member.Seen[key]) {
		return
	}
	if len(r.Member.Seen) >= maxSeen && r.Member.Seen[key].IsZero() {
		m.Bad(r, errors.New("too many affordances"))
		return
	}
	if r.Member.Seen == nil { // an empty one is not written to disk
		r.Member.Seen = map[string]time.Time{}
	}
	r.Member.Seen[key], r.Member.Last = it.At, it.At
	thing := it.Thing
	if g := m.GrantOf(r.ID); g != nil {
		if thing == "" {
			thing = g.terms.Details[0].Identifier
		}
		g.Last = it.At
		m.TouchSoft(g.part())
	}
	m.Emit(core.Event{
		Kind: core.EventValue, Circle: r.ID, Grant: r.Grant, Thing: thing, Title: m.titleOf(r, thing), Name: it.Name, Op: it.Op,
		ValueAt: it.At, Value: it.Value, Unit: it.Unit, Problem: it.Problem,
	})
}

const maxSeen = 10_000

func (m *Member) titleOf(r *core.Room, thing string) string {
	if g := m.GrantOf(r.ID); g != nil {
		for _, d := range g.terms.Details {
			if d.Identifier == thing {
				return d.Title
			}
		}
	}
	return ""
}

// Plan brings everything up to date.
func (m *Member) Plan(now time.Time) {
	for _, id := range m.RoomIDs() {
		r := m.Rooms[id]
		if g := m.GrantOf(id); g != nil {
			if !now.Before(g.terms.Valid.Until.Add(core.MaxSkew)) {
				m.endRoom(r, "expired")
				continue
			}
			m.Wake(g.terms.Valid.Until.Add(core.MaxSkew))
		}
		m.planCalls(r, now)
		if r.MLS == nil {
			m.planRejoin(r, now)
			continue
		}
		m.planRenewal(r, now)
	}
}

// planRenewal proposes an Update of the own leaf: at once after joining, weekly
// as a sign of life, and when too many messages were sealed in the epoch.
func (m *Member) planRenewal(r *core.Room, now time.Time) {
	mr := r.Member
	r.Hold = ""
	if mr.Waits {
		r.Hold = "last-resort"
	}
	if mr.Renewed.IsZero() || now.Sub(mr.Renewed) >= renewEvery || r.Full {
		mr.Renew = true
	}
	m.Wake(mr.Renewed.Add(renewEvery))
	epoch := r.MLS.Epoch() + 1
	queued := slices.ContainsFunc(r.Queue, func(o core.Outgoing) bool { return o.Raw != nil })
	if !mr.Renew || !r.Sendable() || m.Skewed || queued || (mr.Proposed == epoch && now.Sub(r.ProposedAt) < renewAgain) {
		return
	}
	raw, err := r.MLS.ProposeUpdate(nil)
	if err != nil {
		m.Log.Error("renew own leaf", "circle", r.ID.String(), "error", err)
		return
	}
	mr.Proposed, r.ProposedAt = epoch, now
	m.Wake(now.Add(renewAgain))
	m.EnqueueFirst(r, core.Outgoing{Raw: raw, Epoch: epoch})
}

// Outcome takes the outcome of an effect.
func (m *Member) Outcome(e *core.Effect, res *core.Result, refused *core.Refusal) {
	r := m.Rooms[e.Circle]
	if e.Kind == core.EffectAppend && r != nil && r.Member != nil && r.Member.Rejoin != nil {
		r.Member.Rejoin.Sent = true
		m.Touch(r.Part())
		return
	}
	if refused != nil {
		m.Problem(e.Circle, e.Grant, refused.Kind, string(e.Kind)+" was refused: "+refused.Error())
	}
}

// CutOff takes the news that the node delivers nothing more.
func (m *Member) CutOff(r *core.Room, reason string, _ time.Time) {
	switch reason {
	case "restored":
		r.Synced, r.HeadKnown = false, false
	case "removed":
		if _, current := m.Own().ClientByKey(m.Public); current {
			m.LoseState(r, reason)
			return
		}
		m.endRoom(r, reason)
	default:
		m.endRoom(r, reason)
	}
}
