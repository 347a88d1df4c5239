package circle

import (
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
	Renew   bool                 `json:"renew,omitempty"`
	Waits   bool                 `json:"waits,omitempty"`
	Renewed time.Time            `json:"renewed,omitzero"` // last Update that was made
	Seen    map[string]time.Time `json:"seen,omitempty"`   // newest value by affordance
	Calls   map[string]call      `json:"calls,omitempty"`
	Rejoin  *rejoin              `json:"rejoin,omitempty"`
	Lost    string               `json:"lost,omitempty"`
	Last    time.Time            `json:"last,omitzero"` // newest value

	// Of an owner in its home circle.
	Count uint64    `json:"count,omitempty"`
	Prev  string    `json:"prev,omitempty"`
	Parts joiner    `json:"parts"`
	Life  time.Time `json:"life,omitzero"` // newest message that was made
	Ready bool      `json:"ready,omitempty"`
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

// writes tells whether an operation changes something.
func writes(op string) bool { return op == grant.OpWrite || op == grant.OpInvoke }
