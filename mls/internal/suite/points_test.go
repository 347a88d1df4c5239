package suite

import (
	"crypto/ecdh"
	"crypto/ed25519"
	"fmt"
	"testing"
)

// TestSmallMontgomery: the list holds points with which X25519 makes no secret,
// and every suite refuses them and what is not reduced.
func TestSmallMontgomery(t *testing.T) {
	t.Parallel()
	own, err := ecdh.X25519().NewPrivateKey(make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range smallMontgomery {
		pub, err := ecdh.X25519().NewPublicKey(c[:])
		if err != nil {
			t.Fatal(err)
		}
		if _, err := own.ECDH(pub); err == nil {
			t.Errorf("%x is a useful point", c)
		}
	}
	for _, id := range IDs() {
		s, err := ByID(id)
		if err != nil {
			t.Fatal(err)
		}
		_, good, err := s.DeriveKeyPair(make([]byte, s.HashLen()))
		if err != nil {
			t.Fatal(err)
		}
		if err := s.CheckPublicKey(good); err != nil {
			t.Errorf("%s refuses a good key: %v", s, err)
		}
		point := good[len(good)-pointLen:]
		for _, c := range append(smallMontgomery[:], notReduced()...) {
			copy(point, c[:])
			if s.CheckPublicKey(good) == nil {
				t.Errorf("%s takes %x", s, c)
			}
		}
	}
}

// notReduced are coordinates from p on, and small ones with the highest bit.
func notReduced() (out [][pointLen]byte) {
	for i := range 19 {
		c := minusOne
		c[0] += byte(i + 1)
		out = append(out, c)
	}
	for i := range 4 {
		out = append(out, [pointLen]byte{0: byte(i), 31: 0x80})
	}
	return out
}

// TestSmallEdwards: for the points of the list one signature fits other
// messages, and the suites refuse them.
func TestSmallEdwards(t *testing.T) {
	t.Parallel()
	s, err := ByID(X25519AES128GCM)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range smallEdwards {
		for _, sign := range []byte{0, 0x80} {
			pub := c
			pub[31] |= sign
			if s.CheckSignatureKey(pub[:]) == nil {
				t.Errorf("%x is taken", pub)
			}
			if forged := forge(pub); forged < 2 && sign == 0 {
				t.Errorf("%x: one signature fits %d messages", pub, forged)
			}
		}
	}
	for _, c := range notReduced()[:19] {
		if s.CheckSignatureKey(c[:]) == nil {
			t.Errorf("%x is taken", c)
		}
	}
}

// forge counts for how many of some messages the point of small order alone is
// a signature: R = -[k]A is one of its multiples, S = 0.
func forge(pub [pointLen]byte) (fits int) {
	sig := make([]byte, ed25519.SignatureSize)
	sig[0] = 1 // R is the neutral element, which [k]A is for one k in eight
	for i := range 200 {
		if ed25519.Verify(pub[:], fmt.Append(nil, "message ", i), sig) {
			fits++
		}
	}
	return fits
}
