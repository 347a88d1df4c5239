package edge

import (
	"context"
	"encoding/json"
	"time"
)

// Delivery is what the receiving side passes on: a value, or news of a grant.
type Delivery struct {
	// ID is the same for the same delivery, also over restarts: the
	// Idempotency-Key of a webhook.
	ID    string          `json:"id"`
	Kind  string          `json:"kind"` // value, granted, ended, paused, resumed
	At    time.Time       `json:"at"`
	From  string          `json:"from,omitempty"` // account of the owner, where told
	Grant string          `json:"grant"`
	Thing string          `json:"thing,omitempty"`
	Name  string          `json:"name,omitempty"`
	Value json.RawMessage `json:"value,omitempty"` // null: nothing was measured
	Unit  string          `json:"unit,omitempty"`
	// Reason says why a grant ended or pauses.
	Reason string `json:"reason,omitempty"`
}

// Sink is where deliveries go. Deliver returns when the delivery is safe (on
// disk, at the broker, written); an error means: the same again later.
type Sink interface {
	Deliver(ctx context.Context, d Delivery) error
	Close() error
}
