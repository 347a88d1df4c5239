package grant

import (
	"crypto"
	"fmt"
	"time"

	"primum/identity"
)

// MaxRequestAge is how long a request may wait for an answer (30 days).
const MaxRequestAge = 30 * 24 * time.Hour

// Request asks an owner for values. Signed by a client of who asks; it travels
// sealed.
type Request struct {
	ID             string           `json:"id"`
	From           identity.Address `json:"from"`
	Client         string           `json:"client"` // who signed
	Name           string           `json:"name,omitempty"`
	To             identity.Address `json:"to"`
	Service        string           `json:"service"`
	Purpose        Purpose          `json:"purpose"`
	Wants          []Want           `json:"wants"`
	Until          *time.Time       `json:"until,omitempty"` // this or For
	For            Duration         `json:"for,omitzero"`
	Retention      Duration         `json:"retention"`
	DeletesWithin  Duration         `json:"deletesWithin"`
	Conditionality *Conditionality  `json:"conditionality,omitempty"`
	Notice         Notice           `json:"notice"`
	Issued         time.Time        `json:"issued"`
	Expires        time.Time        `json:"expires"`
}

// Want is one thing asked for: a quantity and unit (asking before seeing), or
// a name that the owner told.
type Want struct {
	Quantity  string    `json:"quantity,omitempty"` // power
	Unit      string    `json:"unit,omitempty"`     // W
	Name      string    `json:"name,omitempty"`     // meter/power
	Actions   []string  `json:"actions"`
	Precision Precision `json:"precision,omitzero"`
}

func (q Request) check() error {
	r := &rules{}
	r.id(q.ID, "/id")
	r.account(q.From, "/from")
	r.client(q.Client, "/client")
	r.text(q.Name, "/name", 128)
	r.account(q.To, "/to")
	r.need(q.To != q.From, "/to", "the same as from")
	r.needText(q.Service, "/service", 256)
	r.need(IsPurpose(q.Purpose.Class), "/purpose/@id", "not a purpose of DPV 2.3")
	r.text(q.Purpose.Label, "/purpose/label", 256)
	r.need(len(q.Wants) > 0 && len(q.Wants) <= maxDetails, "/wants", "not 1 to %d", maxDetails)
	for i, w := range q.Wants {
		w.rules(r, fmt.Sprintf("/wants/%d", i))
	}
	q.ruleTimes(r)
	if c := q.Conditionality; c != nil {
		r.text(c.Price, "/conditionality/price", 256)
		r.text(c.Benefit, "/conditionality/benefit", 256)
	}
	q.Notice.rules(r, "/notice")
	return r.err
}

func (q Request) ruleTimes(r *rules) {
	r.need((q.Until != nil) != (q.For > 0), "/until", "exactly one of until and for")
	r.need(q.For >= 0 && q.For <= 732*Day, "/for", "longer than 24 months")
	r.need(q.Retention >= 0, "/retention", "negative")
	r.need(q.DeletesWithin >= 0, "/deletesWithin", "negative")
	r.time(q.Issued, "/issued")
	r.need(q.Expires.After(q.Issued), "/expires", "not after issued")
	r.need(q.Expires.Sub(q.Issued) <= MaxRequestAge, "/expires", "more than 30 days after issued")
}

func (w Want) rules(r *rules, at string) {
	r.need((w.Name != "") != (w.Quantity != ""), at, "exactly one of name and quantity")
	r.text(w.Name, at+"/name", 256)
	r.text(w.Quantity, at+"/quantity", 64)
	r.text(w.Unit, at+"/unit", 32)
	checkActions(r, w.Actions, at+"/actions")
	if (Detail{Actions: w.Actions}).Reads() {
		w.Precision.rules(r, at+"/precision")
		return
	}
	r.need(w.Precision.isZero(), at+"/precision", "only where values are read")
}

// SignRequest is for the client that q names.
func SignRequest(q Request, key crypto.Signer) (string, error) { return sign(TypeRequest, q, key) }

// UnverifiedRequest tells whose identity document VerifyRequest will need.
func UnverifiedRequest(compact string) (from identity.Address, err error) {
	_, q, err := read[Request](TypeRequest, compact)
	return q.From, err
}

// VerifyRequest reads a request to to, signed by a client of from, whose
// document must be valid now; refusals include ErrAudience, ErrExpired, ErrNotYet.
func VerifyRequest(compact string, from *identity.Verified, to identity.Address, now time.Time) (Request, error) {
	q, err := verifyClient(TypeRequest, compact, from, func(q Request) (identity.Address, string) {
		return q.From, q.Client
	})
	if err != nil {
		return Request{}, err
	}
	if q.To != to {
		return Request{}, fmt.Errorf("%w: the request is to %s", ErrAudience, q.To)
	}
	if err := within(q.Issued, q.Expires, now); err != nil {
		return Request{}, err
	}
	if err := from.ValidAt(now); err != nil {
		return Request{}, fmt.Errorf("read request: %w", err)
	}
	return q, nil
}

func within(issued, expires, now time.Time) error {
	switch {
	case issued.After(now.Add(skew)):
		return fmt.Errorf("%w: made on %s", ErrNotYet, issued.UTC().Format(time.RFC3339))
	case !now.Before(expires):
		return fmt.Errorf("%w: on %s", ErrExpired, expires.UTC().Format(time.RFC3339))
	}
	return nil
}

// Refusal is an owner's no to a request. Signed by an owner's client; it
// travels sealed to who asked.
type Refusal struct {
	ID            string           `json:"id"`
	Request       string           `json:"request"` // id of the request
	From          identity.Address `json:"from"`    // the owner
	Client        string           `json:"client"`
	To            identity.Address `json:"to"`
	At            time.Time        `json:"at"`
	AskAgainAfter Duration         `json:"askAgainAfter"`
}

func (f Refusal) check() error {
	r := &rules{}
	r.id(f.ID, "/id")
	r.id(f.Request, "/request")
	r.account(f.From, "/from")
	r.client(f.Client, "/client")
	r.account(f.To, "/to")
	r.time(f.At, "/at")
	r.need(f.AskAgainAfter >= 0, "/askAgainAfter", "negative")
	return r.err
}

// SignRefusal is for the client that f names.
func SignRefusal(f Refusal, key crypto.Signer) (string, error) { return sign(TypeRefusal, f, key) }

// VerifyRefusal reads a refusal to to, signed by a client of from.
func VerifyRefusal(compact string, from *identity.Verified, to identity.Address) (Refusal, error) {
	f, err := verifyClient(TypeRefusal, compact, from, func(f Refusal) (identity.Address, string) {
		return f.From, f.Client
	})
	if err == nil && f.To != to {
		return Refusal{}, fmt.Errorf("%w: the refusal is to %s", ErrAudience, f.To)
	}
	return f, err
}
