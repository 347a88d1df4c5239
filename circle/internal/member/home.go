package member

import (
	"time"

	"primum/circle/internal/core"
	"primum/grant"
	"primum/identity"
	"primum/internal/jws"
	"primum/mls"
)

// OwnedHome is a home circle as one owner client stores it.
type OwnedHome struct {
	Circle           core.ID                      `json:"circle"`
	Number           uint64                       `json:"number"`
	Node             string                       `json:"node"`
	ThingKey         jws.Bytes                    `json:"thingKey"`
	AnchorKey        jws.Bytes                    `json:"anchorKey"`
	Claim            string                       `json:"claim"`
	Countersignature string                       `json:"countersignature"`
	Closed           bool                         `json:"closed,omitempty"`
	Stock            []core.StockEntry            `json:"stock,omitempty"` // of this client, not used yet
	ThingIDs         []string                     `json:"thingIds,omitempty"`
	Lives            map[string]core.ClientReport `json:"lives,omitempty"`
}

// Cipher is the suite of the home circle.
func (h *OwnedHome) Cipher() mls.Suite {
	var c grant.Claim
	if err := core.Unverified(h.Claim, &c); err != nil {
		return core.Legacy // it was read before it was kept
	}
	return core.OrLegacy(c.Suite)
}

// RequestInfo is a request as the owner sees it.
type RequestInfo struct {
	ID       string        `json:"id"`
	From     string        `json:"from"`     // account
	Identity string        `json:"identity"` // its identity document
	Document string        `json:"document"` // JWS
	Received time.Time     `json:"received"`
	Request  grant.Request `json:"request"`
}

// OfferHomes tells other clients of the own account which homes there are.
func (m *Member) OfferHomes(v *identity.Verified) {
	if len(v.Clients()) < 2 {
		return
	}
	for _, key := range core.SortedKeys(m.Mem.Homes) {
		h := m.Mem.Homes[key]
		if h.Closed {
			continue
		}
		m.Post(v, LetterNotice, Letter{T: LetterHome, Claim: h.Claim, Countersignature: h.Countersignature}, m.Now().Add(InboxExpires))
	}
}

// offerTaken tells other clients of the own account what was given to it.
func (m *Member) offerTaken(v *identity.Verified) {
	if len(v.Clients()) < 2 {
		return
	}
	for _, id := range core.SortedKeys(m.Taken) {
		g := m.Taken[id]
		if g.State == grant.Given && m.Now().Before(g.terms.Valid.Until) {
			l := Letter{T: LetterOffer, Terms: g.Terms, Opening: g.Opening, Whose: g.Owner}
			m.Post(v, LetterOffer, l, core.MinTime(m.Now().Add(InboxExpires), g.terms.Valid.Until))
		}
	}
}

// Say sends a counted message into a home circle: each carries the hash of the
// one before.
func (m *Member) Say(r *core.Room, msg core.HomeMessage, tag string) {
	mr := r.Member
	msg.At = m.Now()
	pieces, err := core.Split(msg)
	if err != nil {
		m.Problem(r.ID, "", "too-large", err.Error())
		return
	}
	for i, p := range pieces {
		out := core.Outgoing{Plain: mr.Number(p), Size: core.SizeHome, Tag: "home"}
		if i == len(pieces)-1 && tag != "" {
			out.Tag = tag
		}
		m.Enqueue(r, out)
	}
	mr.Life = msg.At
	m.Touch(r.Part())
}

// renumber begins the chain anew for what waits: the anchor counts per leaf.
func (m *Member) renumber(r *core.Room) {
	r.Member.Count, r.Member.Prev, r.Member.Ready = 0, "", false
	r.Member.Parts, r.Member.Others = core.Joiner{}, nil
	for i := range r.Queue {
		msg, err := core.ParseHome(r.Queue[i].Plain)
		if err == nil {
			r.Queue[i].Plain = r.Member.Number(msg)
		}
	}
	m.Touch(r.Part())
}

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
