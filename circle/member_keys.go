package circle

import (
	"fmt"
	"slices"
	"time"

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

// privatePackage is a published key package with its private keys.
type privatePackage struct {
	Package    []byte    `json:"package"`
	Private    []byte    `json:"private"` // secret
	LastResort bool      `json:"lastResort,omitempty"`
	NotAfter   time.Time `json:"notAfter"`
	Used       bool      `json:"used,omitempty"` // a last resort that was used
}

// newPackage makes a key package of this client.
func (m *Member) newPackage(lastResort bool, exts ...mls.Extension) (p privatePackage, err error) {
	now := m.now().Truncate(time.Second)
	kp, priv, err := mls.NewKeyPackage(mls.KeyPackageOptions{
		Suite: suite, Identity: []byte(m.ms.Account), Signer: m.signer,
		NotBefore: now.Add(-packageMargin), NotAfter: now.Add(packageLife),
		LastResort: lastResort, Extensions: []uint16{extContext}, KeyPackageExtensions: exts, Rand: m.rand,
	})
	if err != nil {
		return p, fmt.Errorf("make key package: %w", err)
	}
	secret, err := priv.MarshalBinary()
	if err != nil {
		return p, fmt.Errorf("make key package: %w", err)
	}
	priv.Erase()
	return privatePackage{Package: kp.Bytes(), Private: secret, LastResort: lastResort, NotAfter: now.Add(packageLife)}, nil
}

// KeyPackageStock tells how many key packages the own node still has of this
// client; the member publishes what is missing.
func (m *Member) KeyPackageStock(oneTime int, lastResort bool) error {
	return m.do(func() error {
		if slices.ContainsFunc(m.base.Outbox, func(e Effect) bool { return e.Kind == EffectPublishKeyPackages }) {
			return nil // on its way
		}
		m.dropOldPackages()
		e := Effect{Kind: EffectPublishKeyPackages}
		for range min(max(oneTimeStock-oneTime, 0), oneTimeStock) {
			p, err := m.newPackage(false)
			if err != nil {
				return err
			}
			m.ms.Stock = append(m.ms.Stock, p)
			e.OneTime = append(e.OneTime, p.Package)
		}
		if !lastResort || m.ms.Rotate || !m.freshLastResort() {
			p, err := m.newPackage(true)
			if err != nil {
				return err
			}
			m.ms.Stock, m.ms.Rotate = append(m.ms.Stock, p), false
			e.LastResort = p.Package
		}
		if e.OneTime == nil && e.LastResort == nil {
			return nil
		}
		m.touch(partMember)
		m.send(e)
		return nil
	})
}

func (m *Member) freshLastResort() bool {
	return slices.ContainsFunc(m.ms.Stock, func(p privatePackage) bool {
		return p.LastResort && p.NotAfter.Sub(m.now()) > rotateBefore
	})
}

// dropOldPackages forgets private keys that nobody may use any more: expired
// ones, the oldest of too many, all last resorts but the newest two.
func (m *Member) dropOldPackages() {
	now := m.now()
	n := len(m.ms.Stock)
	m.ms.Stock = slices.DeleteFunc(m.ms.Stock, func(p privatePackage) bool { return !now.Before(p.NotAfter) })
	last := 0
	for i := len(m.ms.Stock) - 1; i >= 0; i-- {
		if !m.ms.Stock[i].LastResort {
			continue
		}
		if last++; last > 2 {
			m.ms.Stock = slices.Delete(m.ms.Stock, i, i+1)
		}
	}
	if over := len(m.ms.Stock) - maxPrivate; over > 0 {
		m.ms.Stock = slices.Delete(m.ms.Stock, 0, over)
	}
	if len(m.ms.Stock) != n {
		m.touch(partMember)
	}
}
