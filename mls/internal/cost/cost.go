// Package cost bounds what a call on hostile input may cost, for the fuzz
// targets of mls: memory always, and cryptographic operations in builds that
// count them (tag meter). Nothing but tests imports it.
package cost

import (
	"runtime"
	"testing"
)

// Work is what a call did.
type Work struct {
	Memory     uint64 // bytes allocated, freed or not
	Signatures uint64 // made or verified
	Keys       uint64 // operations of the KEM
	Hashed     uint64 // bytes
}

// Bound is what a call may cost whatever comes in, and beyond that for each
// kibibyte of input.
type Bound struct{ Always, PerKiB Work }

// Of measures f. Other goroutines count too: let none run meanwhile.
func Of(f func()) Work {
	var before, after runtime.MemStats
	s, k, h := spent()
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	s2, k2, h2 := spent()
	return Work{after.TotalAlloc - before.TotalAlloc, s2 - s, k2 - k, h2 - h}
}

// Check fails the test when f costs more than the bound allows for n bytes of
// input.
func (b Bound) Check(t testing.TB, n int, f func()) {
	t.Helper()
	did := Of(f)
	for _, x := range []struct {
		what           string
		did, base, per uint64
	}{
		{"bytes of memory", did.Memory, b.Always.Memory, b.PerKiB.Memory},
		{"signatures", did.Signatures, b.Always.Signatures, b.PerKiB.Signatures},
		{"KEM operations", did.Keys, b.Always.Keys, b.PerKiB.Keys},
		{"bytes hashed", did.Hashed, b.Always.Hashed, b.PerKiB.Hashed},
	} {
		if limit := x.base + x.per*uint64(n)/1024; x.did > limit {
			t.Errorf("%d bytes of input cost %d %s, at most %d are allowed", n, x.did, x.what, limit)
		}
	}
}
