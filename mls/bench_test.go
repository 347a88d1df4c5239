package mls

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/ed25519"
	"crypto/rand"
	"testing"
	"time"
)

// twoMembers is a group of two in memory.
func twoMembers(t testing.TB) (a, b *Group) {
	t.Helper()
	l := newLab(t, 2, 2)
	names := l.names()
	return l.parties[names[0]].g, l.parties[names[1]].g
}

// BenchmarkMessage is Seal and Open of 256 bytes between two members in
// memory; beside it bare, the same signature and AEAD without MLS, and
// persistent, with the state written after each side's step.
func BenchmarkMessage(b *testing.B) {
	plain := make([]byte, 256)
	b.Run("memory", func(b *testing.B) {
		from, to := twoMembers(b)
		b.ReportAllocs()
		for b.Loop() {
			exchange(b, from, to, plain)
		}
	})
	b.Run("persistent", func(b *testing.B) {
		from, to := twoMembers(b)
		b.ReportAllocs()
		for b.Loop() {
			exchange(b, from, to, plain)
			persist(b, from, to)
		}
	})
	b.Run("bare", func(b *testing.B) {
		f := newBare(b)
		b.ReportAllocs()
		for b.Loop() {
			f.exchange(b, plain)
		}
	})
}

// BenchmarkMessageOverBare takes turns between a message, a message with the
// state of both sides encoded after it, and bare cryptography, so that a busy
// machine slows all, and reports the ratios of their times. The bar is 1.6 for
// the first.
func BenchmarkMessageOverBare(b *testing.B) {
	plain := make([]byte, 256)
	from, to := twoMembers(b)
	f := newBare(b)
	var memory, persistent, bare time.Duration
	for b.Loop() {
		start := time.Now()
		exchange(b, from, to, plain)
		first := time.Now()
		exchange(b, from, to, plain)
		persist(b, from, to)
		second := time.Now()
		f.exchange(b, plain)
		memory, persistent, bare = memory+first.Sub(start), persistent+second.Sub(first), bare+time.Since(second)
	}
	n := float64(b.N) * float64(time.Microsecond)
	b.ReportMetric(float64(memory)/n, "message-us")
	b.ReportMetric(float64(persistent)/n, "persistent-us")
	b.ReportMetric(float64(bare)/n, "bare-us")
	b.ReportMetric(float64(memory)/float64(bare), "ratio")
	b.ReportMetric(float64(persistent)/float64(bare), "persistent-ratio")
	b.ReportMetric(0, "ns/op")
}

func persist(t testing.TB, groups ...*Group) {
	for _, g := range groups {
		if _, err := g.MarshalBinary(); err != nil {
			t.Fatal(err)
		}
	}
}

func exchange(t testing.TB, from, to *Group, plain []byte) {
	msg, err := from.Seal(plain, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := to.Process(msg); err != nil {
		t.Fatal(err)
	}
}

// bare is the cryptography that no message does without: one Ed25519 signature
// and one AES-128-GCM.
type bare struct {
	key  ed25519.PrivateKey
	pub  ed25519.PublicKey
	aead cipher.AEAD
}

func newBare(t testing.TB) *bare {
	t.Helper()
	pub, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	block, err := aes.NewCipher(make([]byte, 16))
	if err != nil {
		t.Fatal(err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	return &bare{key: key, pub: pub, aead: aead}
}

func (f *bare) exchange(t testing.TB, plain []byte) {
	signed := append(ed25519.Sign(f.key, plain), plain...)
	nonce := make([]byte, 12)
	sealed := f.aead.Seal(nil, nonce, signed, nil)
	opened, err := f.aead.Open(nil, nonce, sealed, nil)
	if err != nil || !ed25519.Verify(f.pub, opened[64:], opened[:64]) {
		t.Fatalf("bare message does not verify: %v", err)
	}
}

// TestMessageAllocations bounds the work of the allocator per application
// message, sender and receiver together.
func TestMessageAllocations(t *testing.T) {
	plain := make([]byte, 256)
	for _, suite := range Suites() {
		l := newLabOf(t, suite, 2, 2)
		names := l.names()
		from, to := l.parties[names[0]].g, l.parties[names[1]].g
		exchange(t, from, to, plain)
		if n := testing.AllocsPerRun(200, func() { exchange(t, from, to, plain) }); n > 20 {
			t.Errorf("%v: %v allocations per message, at most 20", suite, n)
		} else {
			t.Logf("%v: %v allocations per message, Seal and Process together", suite, n)
		}
	}
}
