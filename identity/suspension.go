package identity

import (
	"crypto"
	"crypto/ed25519"
	"fmt"
	"time"

	"primum/internal/jws"
)

// Suspension stops all giving of an account until a newer identity document;
// withdrawing goes on working. It never expires.
type Suspension struct {
	ID      string    `json:"id"`
	Account Address   `json:"account"`
	Client  string    `json:"client"` // who signed
	At      time.Time `json:"at"`
}

// SignSuspension is for any client of the account.
func SignSuspension(s Suspension, key crypto.Signer) (string, error) {
	if err := s.check(); err != nil {
		return "", err
	}
	return jws.SignJSON(TypeSuspension, "", s, key)
}

// VerifySuspension takes a suspension signed by a client of the newest known
// document, which may have expired. at may not lie more than five minutes
// ahead of now, so that it can't outlast the next identity document.
func VerifySuspension(compact string, owner *Verified, now time.Time) (Suspension, error) {
	var s Suspension
	u, err := jws.Parse(compact, MaxSize)
	if err != nil {
		return s, fmt.Errorf("read suspension: %w", err)
	}
	if err := jws.DecodeStrict(u.UntrustedPayload(), &s); err != nil {
		return s, fmt.Errorf("read suspension: %w", err)
	}
	if err := s.check(); err != nil {
		return s, err
	}
	if s.Account != owner.Address() {
		return s, fmt.Errorf("read suspension: %w", jws.Place("/account", "another account"))
	}
	c, ok := owner.Client(s.Client)
	if !ok {
		return s, fmt.Errorf("read suspension: %w", ErrNoClient)
	}
	if _, err := u.Verify(TypeSuspension, ed25519.PublicKey(c.Key)); err != nil {
		return s, fmt.Errorf("read suspension: %w", err)
	}
	if s.At.After(now.Add(skew)) {
		return s, fmt.Errorf("read suspension: %w", jws.Place("/at", "lies in the future"))
	}
	return s, nil
}

func (s Suspension) check() error {
	switch {
	case CheckID(s.ID) != nil:
		return fmt.Errorf("read suspension: %w", jws.Place("/id", "not a UUID of version 7"))
	case s.Account == Address{}:
		return fmt.Errorf("read suspension: %w", jws.Place("/account", "missing"))
	case s.At.IsZero():
		return fmt.Errorf("read suspension: %w", jws.Place("/at", "missing"))
	}
	return nil
}

// Holds tells whether the suspension still counts beside the given document:
// one issued later lifts it.
func (s Suspension) Holds(current *Verified) bool { return !current.Issued().After(s.At) }
