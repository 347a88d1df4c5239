package schedule

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"primum/mls/internal/codec"
	"primum/mls/internal/suite"
)

// Errors of the ratchets.
var (
	ErrGone  = errors.New("message key was used or dropped already")
	ErrJump  = errors.New("generation is too far ahead")
	ErrSpent = errors.New("ratchet is at its end")
)

// Key is the key and nonce of one message. Only the first KeyLen and NonceLen
// bytes of its fields count.
type Key struct {
	Generation uint32
	key        [32]byte
	nonce      [12]byte
}

// Key is the AEAD key.
func (k *Key) Key(s *suite.Suite) []byte { return k.key[:s.KeyLen()] }

// Nonce is the nonce with the reuse guard in it (RFC 9420 §6.3.1).
func (k *Key) Nonce(s *suite.Suite, guard [4]byte) (nonce [12]byte) {
	nonce = k.nonce
	for i, g := range guard {
		nonce[i] ^= g
	}
	return nonce
}

// Format shows the generation only.
func (k Key) Format(f fmt.State, _ rune) { _, _ = fmt.Fprintf(f, "schedule.Key{%d}", k.Generation) }

// Zero erases the key.
func (k *Key) Zero() { *k = Key{} }

// ratchet is one hash ratchet of one sender (RFC 9420 §9.1). Next is the
// generation of secret; above 2^32-1 the ratchet is spent.
type ratchet struct {
	secret  [64]byte
	next    uint64
	skipped []Key // of generations below next that have not been used
}

// step derives the key of the present generation and moves on.
func (r *ratchet) step(s *suite.Suite, out *Key) {
	secret := r.secret[:s.HashLen()]
	out.Generation = uint32(r.next)
	s.TreeSecretInto(out.key[:s.KeyLen()], secret, "key", out.Generation)
	s.TreeSecretInto(out.nonce[:s.NonceLen()], secret, "nonce", out.Generation)
	var next [64]byte
	s.TreeSecretInto(next[:s.HashLen()], secret, "secret", out.Generation)
	r.secret = next
	clear(next[:])
	r.next++
}

// find derives the key of a generation into a step, with the ratchet as it is
// once the key has been consumed. Nothing of r changes.
func (r *ratchet) find(s *suite.Suite, generation uint32, limits Limits, st *Step) error {
	st.used = *r
	if uint64(generation) < r.next {
		i := slices.IndexFunc(r.skipped, func(k Key) bool { return k.Generation == generation })
		if i < 0 {
			return fmt.Errorf("generation %d: %w", generation, ErrGone)
		}
		st.Key = r.skipped[i]
		st.used.skipped = append(slices.Clone(r.skipped[:i]), r.skipped[i+1:]...)
		return nil
	}
	jump := uint64(generation) - r.next
	if jump > uint64(limits.MaxJump) {
		return fmt.Errorf("generation %d after %d: %w", generation, r.next, ErrJump)
	}
	if jump > 0 {
		st.used.skipped = st.used.skip(s, jump, limits.Window)
	}
	st.used.step(s, &st.Key)
	return nil
}

// skip moves on by jump generations and returns the skipped keys, the newest
// window of them, in memory of their own.
func (r *ratchet) skip(s *suite.Suite, jump uint64, window int) []Key {
	fresh := min(jump, uint64(max(window, 0)))
	old := r.skipped[max(0, len(r.skipped)+int(fresh)-max(window, 0)):]
	kept := make([]Key, len(old), len(old)+int(fresh))
	copy(kept, old)
	for left := jump; left > 0; left-- {
		var k Key
		if r.step(s, &k); left <= fresh {
			kept = append(kept, k)
		}
		k.Zero()
	}
	return kept
}

// sameKeys tells whether both slices are one in memory.
func sameKeys(a, b []Key) bool {
	return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0])
}

// replace swaps used in and erases what it supersedes.
func (r *ratchet) replace(used *ratchet) {
	if !sameKeys(r.skipped, used.skipped) {
		clear(r.skipped)
	}
	*r = *used
	clear(used.secret[:])
}

func (r *ratchet) zero() {
	clear(r.skipped)
	*r = ratchet{}
}

func (r *ratchet) spent() bool { return r.next > math.MaxUint32 }

func (r *ratchet) write(w *codec.Writer, s *suite.Suite) {
	w.U64(r.next)
	w.Fixed(r.secret[:s.HashLen()])
	w.U32(uint32(len(r.skipped)))
	for i := range r.skipped {
		k := &r.skipped[i]
		w.U32(k.Generation)
		w.Fixed(k.key[:s.KeyLen()])
		w.Fixed(k.nonce[:s.NonceLen()])
	}
}

func readRatchet(r *codec.Reader, s *suite.Suite) (out ratchet) {
	out.next = r.U64()
	copy(out.secret[:], r.Fixed(s.HashLen()))
	for range r.U32() {
		k := Key{Generation: r.U32()}
		copy(k.key[:], r.Fixed(s.KeyLen()))
		copy(k.nonce[:], r.Fixed(s.NonceLen()))
		if r.Err() != nil {
			return ratchet{}
		}
		out.skipped = append(out.skipped, k)
	}
	return out
}
