package core

import (
	"encoding/json"
	"time"

	"primum/internal/jws"
)

// HeldPackage waits to be taken into a circle.
type HeldPackage struct {
	Client string `json:"client"`
	Bytes  []byte `json:"bytes"`
	Rejoin bool   `json:"rejoin,omitempty"`
}

// LeafState is what an anchor knows of a leaf, by signature key.
type LeafState struct {
	Client  string    `json:"client"`
	Epoch   uint64    `json:"epoch"` // in which it joined
	Heard   time.Time `json:"heard"`
	Updated time.Time `json:"updated,omitzero"`
	// Waits: it came by a last-resort package and has not renewed its leaf.
	Waits bool `json:"waits,omitempty"`

	// Asked is the epoch, plus one, in which an Update was received.
	Asked uint64 `json:"-"`
}

// SentValue is the newest value of one affordance in a circle.
type SentValue struct {
	At    time.Time       `json:"at"`
	Value json.RawMessage `json:"value,omitempty"`
	Unit  string          `json:"unit,omitempty"`
}

// MemberRoom is what a member stores of a circle beside its group.
type MemberRoom struct {
	AnchorKey jws.Bytes `json:"anchorKey"`
	Opening   string    `json:"opening"` // hash that the context must name
	// Suite of the circle as opening or claim say; 0: suite 1.
	Suite uint16 `json:"suite,omitempty"`
	Set   string `json:"set,omitempty"`
	// Renew: the own leaf is to be renewed; Waits: nothing is sealed before.
	Renew    bool                 `json:"renew,omitempty"`
	Waits    bool                 `json:"waits,omitempty"`
	Renewed  time.Time            `json:"renewed,omitzero"`   // last Update that was made
	Proposed uint64               `json:"proposed,omitempty"` // epoch, plus one, it was made in
	Seen     map[string]time.Time `json:"seen,omitempty"`     // newest value by affordance
	Calls    map[string]Call      `json:"calls,omitempty"`
	Rejoin   *Rejoin              `json:"rejoin,omitempty"`
	Lost     string               `json:"lost,omitempty"`
	Last     time.Time            `json:"last,omitzero"` // newest value

	// Of an owner in its home circle.
	Count  uint64             `json:"count,omitempty"`
	Prev   string             `json:"prev,omitempty"`
	Parts  Joiner             `json:"parts"`
	Others map[string]*Joiner `json:"others,omitempty"` // of other clients
	Life   time.Time          `json:"life,omitzero"`    // newest message that was made
	Ready  bool               `json:"ready,omitempty"`
}

// Call is a command or a read that waits for its answer.
type Call struct {
	Op       string     `json:"op"`
	Thing    string     `json:"thing,omitempty"`
	Name     string     `json:"name"`
	Input    []byte     `json:"input,omitempty"`
	Since    time.Time  `json:"since,omitzero"`
	As       *Precision `json:"as,omitempty"`
	Deadline time.Time  `json:"deadline"`
	Nonce    bool       `json:"nonce,omitempty"` // the nonce has come
}

// Rejoin is a request to be let in again after the state was lost.
type Rejoin struct {
	Package []byte    `json:"package"`
	Private []byte    `json:"private"` // secret
	At      time.Time `json:"at"`
	Tries   int       `json:"tries"`
	Sent    bool      `json:"sent,omitempty"`
}

// Number gives a message its place in the chain.
func (mr *MemberRoom) Number(msg HomeMessage) []byte {
	mr.Count++
	msg.C, msg.Prev = mr.Count, mr.Prev
	plain := MustJSON(msg)
	mr.Prev = HashBytes(plain)
	return plain
}

// Waiting names a leaf that came by a last-resort package and has not renewed
// itself: nothing is sealed before.
func (r *Room) Waiting() string {
	for _, k := range SortedKeys(r.Leaves) {
		if r.Leaves[k].Waits {
			return k
		}
	}
	return ""
}
