package core

import (
	"fmt"
	"slices"
	"time"

	"primum/identity"
	"primum/mls"
)

// MaxRoster is how many clients a circle has beside the anchor.
const MaxRoster = 63

// Legacy is the suite of whatever names none: openings, claims, circles and
// stocks from before there was a choice.
const Legacy = mls.X25519AES128GCMSHA256Ed25519

// ReasonWeak ends a grant whose circle would be easier to break than both sides
// allow.
const ReasonWeak = "weak-encryption"

// SuiteIDs writes suites as documents do, the strongest first; none: all that
// this program knows.
func SuiteIDs(suites []mls.Suite) (ids []uint16) {
	if suites == nil {
		suites = mls.Suites()
	}
	for _, s := range mls.Suites() {
		if slices.Contains(suites, s) {
			ids = append(ids, uint16(s))
		}
	}
	return ids
}

// OrLegacy is the suite that a stored or signed number stands for.
func OrLegacy(id uint16) mls.Suite {
	if id == 0 {
		return Legacy
	}
	return mls.Suite(id)
}

// orLegacy likewise for a list.
func orLegacy(ids []uint16) []uint16 {
	if len(ids) == 0 {
		return []uint16{uint16(Legacy)}
	}
	return ids
}

// Speaks tells whether a client lists a suite.
func Speaks(c identity.Client, s mls.Suite) bool { return slices.Contains(c.Suites, uint16(s)) }

// speaksAny: a client that lists no suite of this program has no place in any
// circle, and so no say in which suite it has.
func speaksAny(c identity.Client) bool {
	return slices.ContainsFunc(mls.Suites(), func(s mls.Suite) bool { return Speaks(c, s) })
}

// Placed are the clients of an account that have a place in a circle: the first
// most of its identity document.
func Placed(v *identity.Verified, most int) []identity.Client {
	clients := v.Clients()
	return clients[:min(len(clients), max(most, 0), MaxRoster)]
}

// BestSuite is the strongest suite that the anchor and all clients of an account
// list who would have a place: the first most of its identity document. It is 0
// where there is none, or no such client. Anchor nil: an anchor that tells none,
// which has Legacy.
func BestSuite(anchor []uint16, v *identity.Verified, most int) mls.Suite {
	var concerned []identity.Client
	for _, c := range Placed(v, most) {
		if speaksAny(c) {
			concerned = append(concerned, c)
		}
	}
	if len(concerned) == 0 {
		return 0
	}
	for _, s := range mls.Suites() {
		lacks := func(c identity.Client) bool { return !Speaks(c, s) }
		if slices.Contains(orLegacy(anchor), uint16(s)) && !slices.ContainsFunc(concerned, lacks) {
			return s
		}
	}
	return 0
}

// strength of a suite: the higher the stronger, 0 for one that is not known.
func strength(s mls.Suite) int {
	all := mls.Suites()
	if i := slices.Index(all, s); i >= 0 {
		return len(all) - i
	}
	return 0
}

// CheckSuite refuses a suite that is not known here, and one that is weaker than
// what the anchor and all clients of v that have a place list: that would be a
// node's, or anybody's, way to a circle that is easier to break.
func CheckSuite(id uint16, anchor []uint16, v *identity.Verified, most int) error {
	s := mls.Suite(id)
	if strength(s) == 0 {
		return fmt.Errorf("%s is not known here: %w", s, ErrRefused)
	}
	if best := BestSuite(anchor, v, most); strength(s) < strength(best) {
		return fmt.Errorf("%s is weaker than %s, which the thing and all clients of %s list: %w", s, best, v.Address(), ErrWeakSuite)
	}
	return nil
}

// DocumentAt is the newest document kept of an account that was signed by then:
// the one that who acted at that time should have gone by. Nil where all that
// are known are newer.
func (b *Identities) DocumentAt(account string, at time.Time) *identity.Verified {
	if v := b.Get(account); v != nil && !v.Issued().After(at) {
		return v
	}
	versions := b.Versions(account)
	for _, compact := range slices.Backward(versions) {
		// It was verified before it was kept; one that a recovery key signed
		// can't be read alone.
		if v, err := identity.First(compact); err == nil && !v.Issued().After(at) {
			return v
		}
	}
	return nil
}
