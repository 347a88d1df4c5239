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

// privatePackage is a published key package with its private keys.
type privatePackage struct {
	Package    []byte    `json:"package"`
	Private    []byte    `json:"private"` // secret
	LastResort bool      `json:"lastResort,omitempty"`
	NotAfter   time.Time `json:"notAfter"`
	Used       bool      `json:"used,omitempty"` // a last resort that was used
}

// NewPackage makes a key package of this client.
func (m *Member) NewPackage(lastResort bool, exts ...mls.Extension) (p privatePackage, err error) {
	now := m.Now().Truncate(time.Second)
	kp, priv, err := mls.NewKeyPackage(mls.KeyPackageOptions{
		Suite: core.Suite, Identity: []byte(m.Mem.Account), Signer: m.Signer,
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
	return privatePackage{Package: kp.Bytes(), Private: secret, LastResort: lastResort, NotAfter: now.Add(packageLife)}, nil
}

// KeyPackageStock tells how many key packages the own node still has of this
// client; the member publishes what is missing.
func (m *Member) KeyPackageStock(oneTime int, lastResort bool) error {
	return m.Do(func() error {
		if slices.ContainsFunc(m.Base.Outbox, func(e core.Effect) bool { return e.Kind == core.EffectPublishKeyPackages }) {
			return nil // on its way
		}
		m.dropOldPackages()
		e := core.Effect{Kind: core.EffectPublishKeyPackages}
		for range min(max(oneTimeStock-oneTime, 0), oneTimeStock) {
			p, err := m.NewPackage(false)
			if err != nil {
				return err
			}
			m.Mem.Stock = append(m.Mem.Stock, p)
			e.OneTime = append(e.OneTime, p.Package)
		}
		if !lastResort || m.Mem.Rotate || !m.freshLastResort() {
			p, err := m.NewPackage(true)
			if err != nil {
				return err
			}
			m.Mem.Stock, m.Mem.Rotate = append(m.Mem.Stock, p), false
			e.LastResort = p.Package
		}
		if e.OneTime == nil && e.LastResort == nil {
			return nil
		}
		m.Touch(PartMember)
		m.Send(e)
		return nil
	})
}

func (m *Member) freshLastResort() bool {
	return slices.ContainsFunc(m.Mem.Stock, func(p privatePackage) bool {
		return p.LastResort && p.NotAfter.Sub(m.Now()) > rotateBefore
	})
}

// dropOldPackages forgets private keys that nobody may use any more: expired
// ones, the oldest of too many, all last resorts but the newest two.
func (m *Member) dropOldPackages() {
	now := m.Now()
	n := len(m.Mem.Stock)
	m.Mem.Stock = slices.DeleteFunc(m.Mem.Stock, func(p privatePackage) bool { return !now.Before(p.NotAfter) })
	last := 0
	for i := len(m.Mem.Stock) - 1; i >= 0; i-- {
		if !m.Mem.Stock[i].LastResort {
			continue
		}
		if last++; last > 2 {
			m.Mem.Stock = slices.Delete(m.Mem.Stock, i, i+1)
		}
	}
	if over := len(m.Mem.Stock) - maxPrivate; over > 0 {
		m.Mem.Stock = slices.Delete(m.Mem.Stock, 0, over)
	}
	if len(m.Mem.Stock) != n {
		m.Touch(PartMember)
	}
}
