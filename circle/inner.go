package circle

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
	opNonce     = "nonce"     // asks for, and gives, the one-use nonce of a command
	opDocuments = "documents" // identity documents
	opStatus    = "status"    // the anchor's word about the grant
)

// Sizes of sealed messages in bytes.
const (
	sizeSmall   = 256
	sizeMedium  = 1024
	sizeHome    = 4096  // every message in a home circle
	sizePage    = 16384 // a page of history, a document
	maxInner    = 16 << 10
	maxItems    = 256
	maxDocument = 12 << 10 // one document inside a message
)

// inner is one entry of what travels sealed, named after the W3C WoT
// operations.
type inner struct {
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
	Values    []instant       `json:"values,omitempty"`
	Next      time.Time       `json:"next,omitzero"`
	Last      bool            `json:"last,omitempty"`
	Problem   *Problem        `json:"problem,omitempty"`
	Documents []string        `json:"documents,omitempty"`
	State     string          `json:"state,omitempty"`
	Reason    string          `json:"reason,omitempty"`
}

// instant is a value of a page, written [at, value].
type instant Reading

func newInstant(at time.Time, value json.RawMessage) instant { return instant{at, value} }

// MarshalJSON writes null for a window without measurement.
func (i instant) MarshalJSON() ([]byte, error) {
	if i.Value == nil {
		return json.Marshal([]any{i.At, nil})
	}
	return json.Marshal([]any{i.At, i.Value})
}

// UnmarshalJSON reads exactly a time and a value.
func (i *instant) UnmarshalJSON(b []byte) error {
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

// encodeInner writes entries: one alone as an object, several as an array.
func encodeInner(items ...inner) []byte {
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

// parseInner reads what encodeInner wrote, strictly.
func parseInner(b []byte) ([]inner, error) {
	if len(b) > maxInner {
		return nil, errors.New("message is too large")
	}
	var items []inner
	if b = bytes.TrimSpace(b); len(b) > 0 && b[0] == '[' {
		if err := jws.DecodeStrict(b, &items); err != nil {
			return nil, err
		}
	} else {
		var one inner
		if err := jws.DecodeStrict(b, &one); err != nil {
			return nil, err
		}
		items = []inner{one}
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

func (m *inner) check() error {
	switch m.Op {
	case grant.OpRead, grant.OpWrite, grant.OpObserve, grant.OpInvoke, grant.OpSubscribe:
		if m.Name == "" {
			return errors.New("no affordance is named")
		}
	case opNonce, opDocuments, opStatus:
	default:
		return fmt.Errorf("operation %q is not known", clip(m.Op))
	}
	if len(m.ID) > 64 || len(m.Name) > 256 || len(m.Thing) > 256 || len(m.Unit) > 64 || len(m.Nonce) > 64 {
		return errors.New("a name is too long")
	}
	return nil
}

// clip shortens what strangers wrote, for texts.
func clip(s string) string {
	if len(s) > 40 {
		return s[:40] + "…"
	}
	return s
}

// Kinds of messages in a home circle.
const (
	// From an owner's client; counted.
	homeGive      = "give"
	homeClosing   = "closing"
	homeLife      = "life"
	homeIdentity  = "identity"
	homeWithout   = "without"
	homePrecision = "precision"
	homeAsk       = "ask" // nonce, command, read: Inner
	// From the anchor.
	homeStock     = "stock"
	homeThings    = "things"
	homeValues    = "values"
	homeStatement = "statement"
	homeDocuments = "documents"
	homeStatus    = "status"
	homeAnswer    = "answer" // Inner
	// A piece of any of these.
	homePart = "part"
)

// homeMessage is one message in a home circle. Those of owner's clients carry a
// counter and the hash of the message before (from 1, since the client joined).
type homeMessage struct {
	T    string    `json:"t"`
	C    uint64    `json:"c,omitempty"`
	Prev string    `json:"prev,omitempty"`
	At   time.Time `json:"at"`

	Part       *part64        `json:"part,omitempty"`
	Grant      *grantBundle   `json:"grant,omitempty"`
	Withdrawal *Withdrawal    `json:"withdrawal,omitempty"`
	Documents  []string       `json:"documents,omitempty"`
	Client     string         `json:"client,omitempty"`
	Precision  *Precision     `json:"precision,omitempty"`
	Inner      []inner        `json:"inner,omitempty"`
	Stock      []stockEntry   `json:"stock,omitempty"`
	Things     []Thing        `json:"things,omitempty"`
	ThingIDs   []string       `json:"thingIds,omitempty"`
	Statement  string         `json:"statement,omitempty"`
	Status     []grantReport  `json:"status,omitempty"`
	Lives      []clientReport `json:"lives,omitempty"`
	Claim      string         `json:"claim,omitempty"`
	Last       bool           `json:"last,omitempty"`
}

// part64 is a piece of a message that is too large for one.
type part64 struct {
	I  int    `json:"i"`
	Of int    `json:"of"`
	D  []byte `json:"d"`
}

// grantBundle is everything that a home knows of one grant.
type grantBundle struct {
	Envelope string `json:"envelope"`
	Terms    string `json:"terms"`
	Opening  string `json:"opening"`
	Closing  string `json:"closing"`
	Request  string `json:"request,omitempty"`
}

// stockEntry is a circle that a client may give into while the anchor is away.
type stockEntry struct {
	Client string    `json:"client"`
	Circle ID        `json:"circle"`
	Key    jws.Bytes `json:"key"`
}

// grantReport is how a grant stands at the anchor.
type grantReport struct {
	Grant   string    `json:"grant"`
	State   string    `json:"state"` // given, declined, paused, ended, waiting
	Reason  string    `json:"reason,omitempty"`
	Text    string    `json:"text,omitempty"`
	Clients []string  `json:"clients,omitempty"`
	Full    []string  `json:"full,omitempty"` // clients that found no room
	At      time.Time `json:"at"`
}

// clientReport is what the anchor last heard of an owner's client.
type clientReport struct {
	Client  string    `json:"client"`
	At      time.Time `json:"at"`
	Gap     bool      `json:"gap,omitempty"`     // messages are missing: rejoin
	Silent  bool      `json:"silent,omitempty"`  // pauses the grants
	Excused bool      `json:"excused,omitempty"` // another said "go on without"
}

// parseHome reads one message of a home circle, strictly.
func parseHome(b []byte) (m homeMessage, err error) {
	if err := jws.DecodeStrict(b, &m); err != nil {
		return m, err
	}
	if m.At.IsZero() {
		return m, errors.New("message carries no time")
	}
	if p := m.Part; p != nil && (p.I < 0 || p.Of < 2 || p.Of > maxParts || p.I >= p.Of || len(p.D) == 0) {
		return m, errors.New("piece of a message is malformed")
	}
	if (m.T == homePart) != (m.Part != nil) || len(m.Inner) > maxItems {
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
	homeRoom  = sizeHome - 220
)

// split gives the message itself or its pieces, in the order in which they are
// to be sent.
func split(m homeMessage) ([]homeMessage, error) {
	b, err := json.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("write message: %w", err)
	}
	if len(b) <= homeRoom-120 { // counter and hash are added later
		return []homeMessage{m}, nil
	}
	of := (len(b) + pieceSize - 1) / pieceSize
	if of > maxParts {
		return nil, fmt.Errorf("message of %d bytes is too large for a home circle: %w", len(b), ErrRefused)
	}
	var out []homeMessage
	for i := range of {
		d := b[i*pieceSize : min((i+1)*pieceSize, len(b))]
		out = append(out, homeMessage{T: homePart, At: m.At, Part: &part64{I: i, Of: of, D: d}})
	}
	return out, nil
}

// joiner puts the pieces of one sender together. Pieces come in order or not at
// all. It is stored, because the log moves on between two pieces.
type joiner struct {
	Of  int    `json:"of,omitempty"`
	N   int    `json:"n,omitempty"`
	Buf []byte `json:"buf,omitempty"`
}

// add takes a message and gives the whole one when it is complete.
func (j *joiner) add(m homeMessage) (homeMessage, bool, error) {
	if m.Part == nil {
		*j = joiner{}
		return m, true, nil
	}
	p := m.Part
	if p.I == 0 {
		*j = joiner{Of: p.Of}
	}
	if p.I != j.N || p.Of != j.Of || len(p.D) > pieceSize {
		*j = joiner{}
		return m, false, errors.New("piece of a message is missing")
	}
	j.Buf, j.N = append(j.Buf, p.D...), j.N+1
	if j.N < j.Of {
		return m, false, nil
	}
	whole, err := parseHome(j.Buf)
	*j = joiner{}
	if err == nil && whole.T == homePart {
		err = errors.New("pieces of pieces")
	}
	return whole, err == nil, err
}
