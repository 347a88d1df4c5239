package member

import (
	"fmt"
	"slices"
	"time"

	"primum/circle/internal/core"
	"primum/mls"
)

// Bounds of a client's key packages.
const (
	oneTimeStock  = 20
	packageLife   = 90 * 24 * time.Hour
	maxPrivate    = 200 // private keys kept for packages that are published
	rotateBefore  = 30 * 24 * time.Hour
	packageMargin = time.Hour // a package begins to be valid a little before now
)

// packageStock is what this client keeps of its published key packages. It is a
// part of its own, because it is large and seldom changes.
type packageStock struct {
	Held []privatePackage `json:"held,omitempty"`
}

// privatePackage is a published key package with its private keys.
type privatePackage struct {
	Package    []byte    `json:"package"`
	Private    []byte    `json:"private"`         // secret
	Suite      uint16    `json:"suite,omitempty"` // 0: suite 1
	LastResort bool      `json:"lastResort,omitempty"`
	NotAfter   time.Time `json:"notAfter"`
	Used       bool      `json:"used,omitempty"` // a last resort that was used
}

// of tells whether the package is of a suite.
func (p privatePackage) of(s mls.Suite) bool { return core.OrLegacy(p.Suite) == s }

// NewPackage makes a key package of this client.
func (m *Member) NewPackage(s mls.Suite, lastResort bool, exts ...mls.Extension) (p privatePackage, err error) {
	now := m.Now().Truncate(time.Second)
	kp, priv, err := mls.NewKeyPackage(mls.KeyPackageOptions{
		Suite: s, Identity: []byte(m.Mem.Account), Signer: m.Signer,
		NotBefore: now.Add(-packageMargin), NotAfter: now.Add(packageLife),
		LastResort: lastResort, Extensions: []uint16{core.ExtContext}, KeyPackageExtensions: exts, Rand: m.Rand,
	})
	if err != nil {
		return p, fmt.Errorf("make key package: %w", err)
	}
	secret, err := priv.MarshalBinary()
	if err != nil {
		return p, fmt.Errorf("make key package: %w", err)
	}
	priv.Erase()
	return privatePackage{
		Package: kp.Bytes(), Private: secret, Suite: uint16(s), LastResort: lastResort, NotAfter: now.Add(packageLife),
	}, nil
}

// Keep stores the private keys of a package that is about to be shown.
func (m *Member) Keep(p privatePackage) {
	m.Packages.Held = append(m.Packages.Held, p)
	m.Touch(partPackages)
}

// suites are those that this client lists and this program knows, the strongest
// first.
func (m *Member) suites() (out []mls.Suite) {
	c, ok := m.Own().ClientByKey(m.Public)
	for _, s := range mls.Suites() {
		if ok && core.Speaks(c, s) {
			out = append(out, s)
		}
	}
	return out
}

// judgeSuite refuses a circle that is easier to break than the thing and all own
// clients allow, by the own document that its maker should have gone by at that
// time; and one of a suite that this program has not.
func (m *Member) judgeSuite(id uint16, anchor []uint16, at time.Time, most int) error {
	if !slices.Contains(mls.Suites(), mls.Suite(id)) {
		return fmt.Errorf("the circle has %s, which this program has not: %w", mls.Suite(id), core.ErrRefused)
	}
	v := m.Book.DocumentAt(m.Mem.Account, at)
	if v == nil {
		return nil // it was made before every document that is kept
	}
	return core.CheckSuite(id, anchor, v, most)
}

// unlisted says that this client can't enter a circle before its own document
// lists the suite.
func (m *Member) unlisted(c core.ID, grantID string, id uint16) {
	if s := core.OrLegacy(id); !slices.Contains(m.suites(), s) {
		m.Problem(c, grantID, "suite", fmt.Sprintf("this client can't enter before your identity lists %s for it; renew it here", s))
	}
}

// KeyPackageStock tells how many key packages the own node still has of this
// client, by suite; the member publishes what is missing of each suite that it
// lists.
func (m *Member) KeyPackageStock(stock []core.PackageStock) error {
	return m.Do(func() error {
		m.dropOldPackages()
		for _, s := range m.suites() {
			var have core.PackageStock
			for _, n := range stock {
				if n.Suite == uint16(s) {
					have = n
				}
			}
			if err := m.publish(s, have); err != nil {
				return err
			}
		}
		return nil
	})
}

// publish makes what is missing of one suite.
func (m *Member) publish(s mls.Suite, have core.PackageStock) error {
	onItsWay := func(e core.Effect) bool { return e.Kind == core.EffectPublishKeyPackages && e.Suite == uint16(s) }
	if slices.ContainsFunc(m.Base.Outbox, onItsWay) {
		return nil
	}
	e := core.Effect{Kind: core.EffectPublishKeyPackages, Suite: uint16(s)}
	for range min(max(oneTimeStock-have.OneTime, 0), oneTimeStock) {
		p, err := m.NewPackage(s, false)
		if err != nil {
			return err
		}
		m.Keep(p)
		e.OneTime = append(e.OneTime, p.Package)
	}
	if !have.LastResort || !m.freshLastResort(s) {
		p, err := m.NewPackage(s, true)
		if err != nil {
			return err
		}
		m.Keep(p)
		e.LastResort = p.Package
	}
	if e.OneTime != nil || e.LastResort != nil {
		m.Send(e)
	}
	return nil
}

// freshLastResort: there is one that was not used and lasts a while.
func (m *Member) freshLastResort(s mls.Suite) bool {
	for _, p := range slices.Backward(m.Packages.Held) {
		if p.LastResort && p.of(s) {
			return !p.Used && p.NotAfter.Sub(m.Now()) > rotateBefore
		}
	}
	return false
}

// dropOldPackages forgets private keys that nobody may use any more: expired
// ones, and of each suite the oldest of too many, and all last resorts but the
// newest two.
func (m *Member) dropOldPackages() {
	now, before := m.Now(), len(m.Packages.Held)
	count, last := map[mls.Suite]int{}, map[mls.Suite]int{}
	var kept []privatePackage
	for _, p := range slices.Backward(m.Packages.Held) {
		s := core.OrLegacy(p.Suite)
		if p.LastResort {
			last[s]++
		}
		if count[s]++; now.Before(p.NotAfter) && count[s] <= maxPrivate && (!p.LastResort || last[s] <= 2) {
			kept = append(kept, p)
		}
	}
	slices.Reverse(kept)
	m.Packages.Held = kept
	if len(kept) != before {
		m.Touch(partPackages)
	}
}
