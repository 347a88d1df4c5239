package core

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"primum/grant"
	"primum/internal/jws"
)

// Operations of inner messages that WoT has no name for.
const (
	OpNonce     = "nonce"     // asks for, and gives, the one-use nonce of a command
	OpDocuments = "documents" // identity documents
	opStatus    = "status"    // the anchor's word about the grant
)

// Sizes of sealed messages in bytes.
const (
	SizeSmall   = 256
	SizeMedium  = 1024
	SizeHome    = 4096  // every message in a home circle
	SizePage    = 16384 // a page of history, a document
	MaxInner    = 16 << 10
	maxItems    = 256
	MaxDocument = 12 << 10 // one document inside a message
)

// Rules that both ends know.
const (
	UpdateEvery = time.Hour        // at most one Update per leaf
	CommandTime = 30 * time.Second // a command waits for its answer
	StockSize   = 8                // grants that a client can give while the anchor is away
)

// Inner is one entry of what travels sealed, named after the W3C WoT
// operations.
type Inner struct {
	Op        string          `json:"op"`
	ID        string          `json:"id,omitempty"`
	Thing     string          `json:"thing,omitempty"`
	Name      string          `json:"name,omitempty"`
	At        time.Time       `json:"at,omitzero"`
	Value     json.RawMessage `json:"value,omitempty"`
	Unit      string          `json:"unit,omitempty"`
	Input     json.RawMessage `json:"input,omitempty"`
	Nonce     string          `json:"nonce,omitempty"`
	Since     time.Time       `json:"since,omitzero"`
	As        *Precision      `json:"as,omitempty"`
	Values    []Instant       `json:"values,omitempty"`
	Next      time.Time       `json:"next,omitzero"`
	Last      bool            `json:"last,omitempty"`
	Problem   *Problem        `json:"problem,omitempty"`
	Documents []string        `json:"documents,omitempty"`
	State     string          `json:"state,omitempty"`
	Reason    string          `json:"reason,omitempty"`
}

// Instant is a value of a page, written [at, value].
type Instant Reading

func NewInstant(at time.Time, value json.RawMessage) Instant { return Instant{at, value} }

// MarshalJSON writes null for a window without measurement.
func (i Instant) MarshalJSON() ([]byte, error) {
	if i.Value == nil {
		return json.Marshal([]any{i.At, nil})
	}
	return json.Marshal([]any{i.At, i.Value})
}

// UnmarshalJSON reads exactly a time and a value.
func (i *Instant) UnmarshalJSON(b []byte) error {
	var pair []json.RawMessage
	if err := json.Unmarshal(b, &pair); err != nil {
		return err
	}
	if len(pair) != 2 {
		return errors.New("a value of a page is a pair")
	}
	if err := json.Unmarshal(pair[0], &i.At); err != nil {
		return errors.New("page holds a time that is none")
	}
	if i.Value = pair[1]; bytes.Equal(i.Value, []byte("null")) {
		i.Value = nil
	}
	return nil
}

// EncodeInner writes entries: one alone as an object, several as an array.
func EncodeInner(items ...Inner) []byte {
	var b []byte
	var err error
	if len(items) == 1 {
		b, err = json.Marshal(items[0])
	} else {
		b, err = json.Marshal(items)
	}
	if err != nil {
		return nil // the raw values were checked when they came in
	}
	return b
}

// ParseInner reads what encodeInner wrote, strictly.
func ParseInner(b []byte) ([]Inner, error) {
	if len(b) > MaxInner {
		return nil, errors.New("message is too large")
	}
	var items []Inner
	if b = bytes.TrimSpace(b); len(b) > 0 && b[0] == '[' {
		if err := jws.DecodeStrict(b, &items); err != nil {
			return nil, err
		}
	} else {
		var one Inner
		if err := jws.DecodeStrict(b, &one); err != nil {
			return nil, err
		}
		items = []Inner{one}
	}
	if len(items) > maxItems {
		return nil, errors.New("message has too many entries")
	}
	for i := range items {
		if err := items[i].check(); err != nil {
			return nil, fmt.Errorf("entry %d: %w", i, err)
		}
	}
	return items, nil
}

func (m *Inner) check() error {
	switch m.Op {
	case grant.OpRead, grant.OpWrite, grant.OpObserve, grant.OpInvoke, grant.OpSubscribe:
		if m.Name == "" {
			return errors.New("no affordance is named")
		}
	case OpNonce, OpDocuments, opStatus:
	default:
		return fmt.Errorf("operation %q is not known", Clip(m.Op))
	}
	if len(m.ID) > 64 || len(m.Name) > 256 || len(m.Thing) > 256 || len(m.Unit) > 64 || len(m.Nonce) > 64 {
		return errors.New("a name is too long")
	}
	return nil
}

// Clip shortens what strangers wrote, for texts.
func Clip(s string) string {
	if len(s) > 40 {
		return s[:40] + "…"
	}
	return s
}

// Kinds of messages in a home circle.
const (
	// From an owner's client; counted.
	HomeGive      = "give"
	HomeClosing   = "closing"
	HomeLife      = "life"
	HomeIdentity  = "identity"
	HomeWithout   = "without"
	HomePrecision = "precision"
	HomeAsk       = "ask" // nonce, command, read: Inner
	// From the anchor.
	HomeStock     = "stock"
	HomeThings    = "things"
	HomeValues    = "values"
	HomeStatement = "statement"
	HomeDocuments = "documents"
	HomeStatus    = "status"
	HomeAnswer    = "answer" // Inner
	// A piece of any of these.
	HomePart = "part"
)

// HomeMessage is one message in a home circle. Those of owner's clients carry a
// counter and the hash of the message before (from 1, since the client joined).
type HomeMessage struct {
	T    string    `json:"t"`
	C    uint64    `json:"c,omitempty"`
	Prev string    `json:"prev,omitempty"`
	At   time.Time `json:"at"`

	Part       *Part64        `json:"part,omitempty"`
	Grant      *GrantBundle   `json:"grant,omitempty"`
	Withdrawal *Withdrawal    `json:"withdrawal,omitempty"`
	Documents  []string       `json:"documents,omitempty"`
	Client     string         `json:"client,omitempty"`
	Precision  *Precision     `json:"precision,omitempty"`
	Inner      []Inner        `json:"inner,omitempty"`
	Stock      []StockEntry   `json:"stock,omitempty"`
	Things     []Thing        `json:"things,omitempty"`
	ThingIDs   []string       `json:"thingIds,omitempty"`
	Statement  string         `json:"statement,omitempty"`
	Status     []GrantReport  `json:"status,omitempty"`
	Lives      []ClientReport `json:"lives,omitempty"`
	Claim      string         `json:"claim,omitempty"`
	Last       bool           `json:"last,omitempty"`
}

// Part64 is a piece of a message that is too large for one.
type Part64 struct {
	I  int    `json:"i"`
	Of int    `json:"of"`
	D  []byte `json:"d"`
}

// GrantBundle is everything that a home knows of one grant.
type GrantBundle struct {
	Envelope string `json:"envelope"`
	Terms    string `json:"terms"`
	Opening  string `json:"opening"`
	Closing  string `json:"closing"`
	Request  string `json:"request,omitempty"`
}

// StockEntry is a circle that a client may give into while the anchor is away.
type StockEntry struct {
	Client string    `json:"client"`
	Circle ID        `json:"circle"`
	Key    jws.Bytes `json:"key"`
	// Suites are those of the anchor; none: suite 1.
	Suites []uint16 `json:"suites,omitempty"`
}

// GrantReport is how a grant stands at the anchor.
type GrantReport struct {
	Grant   string    `json:"grant"`
	State   string    `json:"state"` // given, declined, paused, ended, waiting
	Reason  string    `json:"reason,omitempty"`
	Text    string    `json:"text,omitempty"`
	Clients []string  `json:"clients,omitempty"`
	Full    []string  `json:"full,omitempty"`  // clients that found no room
	Unfit   []string  `json:"unfit,omitempty"` // clients that don't list the circle's suite
	At      time.Time `json:"at"`
}

// ClientReport is what the anchor last heard of an owner's client.
type ClientReport struct {
	Client  string    `json:"client"`
	At      time.Time `json:"at"`
	Gap     bool      `json:"gap,omitempty"`     // messages are missing: rejoin
	Silent  bool      `json:"silent,omitempty"`  // pauses the grants
	Excused bool      `json:"excused,omitempty"` // another said "go on without"
	Unfit   bool      `json:"unfit,omitempty"`   // doesn't list the home's suite: it can't enter
}

// ParseHome reads one message of a home circle, strictly.
func ParseHome(b []byte) (m HomeMessage, err error) {
	if err := jws.DecodeStrict(b, &m); err != nil {
		return m, err
	}
	if m.At.IsZero() {
		return m, errors.New("message carries no time")
	}
	if p := m.Part; p != nil && (p.I < 0 || p.Of < 2 || p.Of > maxParts || p.I >= p.Of || len(p.D) == 0) {
		return m, errors.New("piece of a message is malformed")
	}
	if (m.T == HomePart) != (m.Part != nil) || len(m.Inner) > maxItems {
		return m, errors.New("message is malformed")
	}
	for i := range m.Inner {
		if err := m.Inner[i].check(); err != nil {
			return m, err
		}
	}
	return m, nil
}

// Pieces: 2,600 bytes become 3,468 in base64, which leaves room for the rest in
// a message of 4,096.
const (
	pieceSize = 2_600
	maxParts  = 160 // 416,000 bytes
	HomeRoom  = SizeHome - 220
)

// Split gives the message itself or its pieces, in the order in which they are
// to be sent.
func Split(m HomeMessage) ([]HomeMessage, error) {
	b, err := json.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("write message: %w", err)
	}
	if len(b) <= HomeRoom-120 { // counter and hash are added later
		return []HomeMessage{m}, nil
	}
	of := (len(b) + pieceSize - 1) / pieceSize
	if of > maxParts {
		return nil, fmt.Errorf("message of %d bytes is too large for a home circle: %w", len(b), ErrRefused)
	}
	var out []HomeMessage
	for i := range of {
		d := b[i*pieceSize : min((i+1)*pieceSize, len(b))]
		out = append(out, HomeMessage{T: HomePart, At: m.At, Part: &Part64{I: i, Of: of, D: d}})
	}
	return out, nil
}

// Joiner puts the pieces of one sender together. Pieces come in order or not at
// all. It is stored, because the log moves on between two pieces.
type Joiner struct {
	Of  int    `json:"of,omitempty"`
	N   int    `json:"n,omitempty"`
	Buf []byte `json:"buf,omitempty"`
}

// Add takes a message and gives the whole one when it is complete.
func (j *Joiner) Add(m HomeMessage) (HomeMessage, bool, error) {
	if m.Part == nil {
		*j = Joiner{}
		return m, true, nil
	}
	p := m.Part
	if p.I == 0 {
		*j = Joiner{Of: p.Of}
	}
	if p.I != j.N || p.Of != j.Of || len(p.D) > pieceSize {
		*j = Joiner{}
		return m, false, errors.New("piece of a message is missing")
	}
	j.Buf, j.N = append(j.Buf, p.D...), j.N+1
	if j.N < j.Of {
		return m, false, nil
	}
	whole, err := ParseHome(j.Buf)
	*j = Joiner{}
	if err == nil && whole.T == HomePart {
		err = errors.New("pieces of pieces")
	}
	return whole, err == nil, err
}

func MinTime(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// MustJSON writes what can always be written: types of this package whose raw
// values were checked when they came in.
func MustJSON(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		return []byte("{}")
	}
	return b
}

// ReasonStale: the envelope waits for a current client's signature.
const ReasonStale = "stale"

// States of a grant at its anchor.
const (
	GrantWaiting  = "waiting"  // the envelope must be signed again
	GrantOpen     = "given"    // has a circle
	GrantPaused   = "paused"   // has one and seals nothing
	GrantEnded    = "ended"    // terminal
	GrantDeclined = "declined" // never had one
)
