package circle

import (
	"bytes"
	"errors"
	"slices"
	"time"

	"primum/grant"
	"primum/internal/jws"
)

// memberRoom is what a member stores of a circle beside its group.
type memberRoom struct {
	AnchorKey jws.Bytes `json:"anchorKey"`
	Opening   string    `json:"opening"` // hash that the context must name
	Set       string    `json:"set,omitempty"`
	// Renew: the own leaf is to be renewed; Waits: nothing is sealed before.
	Renew    bool                 `json:"renew,omitempty"`
	Waits    bool                 `json:"waits,omitempty"`
	Renewed  time.Time            `json:"renewed,omitzero"`   // last Update that was made
	Proposed uint64               `json:"proposed,omitempty"` // epoch, plus one, it was made in
	Seen     map[string]time.Time `json:"seen,omitempty"`     // newest value by affordance
	Calls    map[string]call      `json:"calls,omitempty"`
	Rejoin   *rejoin              `json:"rejoin,omitempty"`
	Lost     string               `json:"lost,omitempty"`
	Last     time.Time            `json:"last,omitzero"` // newest value

	// Of an owner in its home circle.
	Count  uint64             `json:"count,omitempty"`
	Prev   string             `json:"prev,omitempty"`
	Parts  joiner             `json:"parts"`
	Others map[string]*joiner `json:"others,omitempty"` // of other clients
	Life   time.Time          `json:"life,omitzero"`    // newest message that was made
	Ready  bool               `json:"ready,omitempty"`
}

// call is a command or a read that waits for its answer.
type call struct {
	Op       string    `json:"op"`
	Thing    string    `json:"thing,omitempty"`
	Name     string    `json:"name"`
	Input    []byte    `json:"input,omitempty"`
	Since    time.Time `json:"since,omitzero"`
	Deadline time.Time `json:"deadline"`
	Nonce    bool      `json:"nonce,omitempty"` // the nonce has come
}

// rejoin is a request to be let in again after the state was lost.
type rejoin struct {
	Package []byte    `json:"package"`
	Private []byte    `json:"private"` // secret
	At      time.Time `json:"at"`
	Tries   int       `json:"tries"`
	Sent    bool      `json:"sent,omitempty"`
}

// opened takes what came out of a circle's log.
func (m *Member) opened(r *room, in *incoming) {
	switch in.kind {
	case inWelcome:
		m.welcomed(r, in)
	case inMessage:
		m.message(r, in)
	case inCommit:
		m.commitSeen(r, in)
	case inLost:
		m.loseState(r, in.reason)
	case inOwn, inProposal, inKeyPackage:
	}
}

// message takes a message in a grant circle: only the anchor has something to
// say to this client.
func (m *Member) message(r *room, in *incoming) {
	if !bytes.Equal(in.sender.SignatureKey, r.Member.AnchorKey) {
		return
	}
	items, err := parseInner(in.data)
	if err != nil {
		m.bad(r, err)
		return
	}
	for _, it := range items {
		m.item(r, it)
	}
}

// item takes one entry of the anchor.
func (m *Member) item(r *room, it inner) {
	switch {
	case it.Op == opDocuments:
		for _, c := range it.Documents {
			m.toldIdentity(r, c)
		}
	case it.ID != "":
		m.replied(r, it)
	case it.Op == grant.OpObserve || it.Op == grant.OpSubscribe:
		m.value(r, it)
	default:
		m.bad(r, errors.New("entry has no place here"))
	}
}

func (m *Member) toldIdentity(r *room, compact string) {
	if account, err := documentAccount(compact); err != nil || account != m.ms.Account {
		m.bad(r, errors.New("document of another account"))
		return
	}
	if _, news, err := m.book.take(compact, nil); err != nil {
		m.bad(r, err)
	} else if news {
		m.touch(partIdentities)
	}
}

// value shows a value once: a message that was sealed again carries the same
// time.
func (m *Member) value(r *room, it inner) {
	key := it.Op + "\x00" + it.Thing + "\x00" + it.Name
	if !it.At.After(r.Member.Seen[key]) {
		return
	}
	if len(r.Member.Seen) >= maxSeen && r.Member.Seen[key].IsZero() {
		m.bad(r, errors.New("too many affordances"))
		return
	}
	if r.Member.Seen == nil { // an empty one is not written to disk
		r.Member.Seen = map[string]time.Time{}
	}
	r.Member.Seen[key], r.Member.Last = it.At, it.At
	thing := it.Thing
	if g := m.grantOf(r.ID); g != nil {
		if thing == "" {
			thing = g.terms.Details[0].Identifier
		}
		g.Last = it.At
		m.touchSoft(g.part())
	}
	m.emit(Event{
		Kind: EventValue, Circle: r.ID, Grant: r.Grant, Thing: thing, Title: m.titleOf(r, thing), Name: it.Name, Op: it.Op,
		ValueAt: it.At, Value: it.Value, Unit: it.Unit, Problem: it.Problem,
	})
}

const maxSeen = 10_000

func (m *Member) titleOf(r *room, thing string) string {
	if g := m.grantOf(r.ID); g != nil {
		for _, d := range g.terms.Details {
			if d.Identifier == thing {
				return d.Title
			}
		}
	}
	return ""
}

// plan brings everything up to date.
func (m *Member) plan(now time.Time) {
	for _, id := range m.roomIDs() {
		r := m.rooms[id]
		if g := m.grantOf(id); g != nil {
			if !now.Before(g.terms.Valid.Until.Add(maxSkew)) {
				m.endRoom(r, "expired")
				continue
			}
			m.wake(g.terms.Valid.Until.Add(maxSkew))
		}
		m.planCalls(r, now)
		if r.group == nil {
			m.planRejoin(r, now)
			continue
		}
		m.planRenewal(r, now)
	}
}

// planRenewal proposes an Update of the own leaf: at once after joining, weekly
// as a sign of life, and when too many messages were sealed in the epoch.
func (m *Member) planRenewal(r *room, now time.Time) {
	mr := r.Member
	r.hold = ""
	if mr.Waits {
		r.hold = "last-resort"
	}
	if mr.Renewed.IsZero() || now.Sub(mr.Renewed) >= renewEvery || r.full {
		mr.Renew = true
	}
	m.wake(mr.Renewed.Add(renewEvery))
	epoch := r.group.Epoch() + 1
	queued := slices.ContainsFunc(r.Queue, func(o outgoing) bool { return o.Raw != nil })
	if !mr.Renew || !r.sendable() || m.skewed || queued || (mr.Proposed == epoch && now.Sub(r.proposedAt) < renewAgain) {
		return
	}
	raw, err := r.group.ProposeUpdate(nil)
	if err != nil {
		m.log.Error("renew own leaf", "circle", r.ID.String(), "error", err)
		return
	}
	mr.Proposed, r.proposedAt = epoch, now
	m.wake(now.Add(renewAgain))
	m.enqueueFirst(r, outgoing{Raw: raw, Epoch: epoch})
}

// enqueueFirst puts a message before those that are not on their way.
func (a *actor) enqueueFirst(r *room, o outgoing) {
	a.enqueue(r, o)
	n := len(r.Queue) - 1
	i := 0
	if n > 0 && r.sealed != nil && r.sealedID == r.Queue[0].ID && r.hold == "" {
		i = 1
	}
	o = r.Queue[n]
	r.Queue = slices.Insert(slices.Clone(r.Queue[:n]), i, o)
}

// answered takes the outcome of an effect.
func (m *Member) answered(e *Effect, res *Result, refused *Refusal) {
	r := m.rooms[e.Circle]
	if e.Kind == EffectAppend && r != nil && r.Member != nil && r.Member.Rejoin != nil {
		r.Member.Rejoin.Sent = true
		m.touch(r.part())
		return
	}
	if refused != nil {
		m.problem(e.Circle, e.Grant, refused.Kind, string(e.Kind)+" was refused: "+refused.Error())
	}
}

// ended takes the news that the node delivers nothing more.
func (m *Member) ended(r *room, reason string, _ time.Time) {
	switch reason {
	case "restored":
		r.synced, r.headKnown = false, false
	case "removed":
		if _, current := m.own().ClientByKey(m.public); current {
			m.loseState(r, reason)
			return
		}
		m.endRoom(r, reason)
	default:
		m.endRoom(r, reason)
	}
}
