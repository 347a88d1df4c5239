//go:build meter

package suite

import "sync/atomic"

// spent counts since the start of the process. It is the one variable of the
// package and only in builds for fuzzing.
var spent [3]atomic.Uint64

func count(w work, n int) { spent[w].Add(uint64(n)) }

// Spent is how many signatures were made or verified, how many operations of
// the KEM were done, and how many bytes were hashed since the process started.
func Spent() (signatures, keys, hashed uint64) {
	return spent[workSignature].Load(), spent[workKey].Load(), spent[workHashed].Load()
}
