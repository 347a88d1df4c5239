package edge

import (
	"context"
	"io"
	"log/slog"
	"time"

	"primum/circle"
	"primum/internal/clock"
	"primum/internal/edge/house"
	"primum/internal/edge/mqtt"
	"primum/internal/edge/simulated"
	"primum/internal/words"
)

// Off switches an adapter off where its base topic is asked for.
const Off = "-"

// Drive runs the anchor against its nodes until the context ends, and hands
// every event to take; an event is acknowledged when take returned nil.
type Drive func(ctx context.Context, a *circle.Anchor, take func(circle.Event) error) error

// Config is what `primum edge` was told.
type Config struct {
	Dir    string        // state folder, made 0700 and locked
	Broker *mqtt.Options // nil: no broker
	// BrokerName is what descriptions are pinned to, beside the topic; empty:
	// the broker's address. Give the old address here when a broker has moved,
	// else its devices are taken for new ones.
	BrokerName string
	// Base topics of the adapters: "" is the usual one, Off is none. Statestream
	// has no usual one: "" is none.
	Zigbee2MQTT   string // "zigbee2mqtt"
	HomeAssistant string // "homeassistant"
	Statestream   string
	Simulated     *simulated.House // nil: none
	// Listen is the LAN door's address, "127.0.0.1:0" for a free port; empty: no
	// door. Advertise is the host in the claim URL, empty: as Listen, or this
	// machine's first address on the LAN.
	Listen    string
	Advertise string
	// Terminal gets the QR, the claim command and the one-time code; nil: nobody
	// (ClaimURL and NewCode tell them).
	Terminal io.Writer
	// Words is the language of the terminal; nil: English.
	Words *words.Words
	// Keep is how long the history keeps values; 0: 13 months.
	Keep time.Duration
	// Settle is how long announcements must be quiet before descriptions are
	// compared with the pinned ones; 0: 1 s.
	Settle time.Duration
	// Open publishes values that concern nobody; nil: none.
	Open  *OpenFeed
	Drive Drive        // nil: the anchor is not driven (tests)
	Clock clock.Clock  // nil: the machine's
	Rand  io.Reader    // nil: crypto/rand
	Log   *slog.Logger // nil: none
}

// Status is a thing in the list that `primum edge things` shows at the edge.
type Status = house.Status

// Overview is the whole list with what concerns no single thing.
type Overview struct {
	Broker   *mqtt.Status `json:"broker,omitempty"`
	Owner    string       `json:"owner,omitempty"`
	Things   []Status     `json:"things"`
	Problems []string     `json:"problems,omitempty"` // newest last, bounded
	Waiting  int          `json:"waiting,omitempty"`  // values in the outage buffer
	Dropped  uint64       `json:"dropped,omitempty"`  // values that found no room in it
}
