package codec

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

// TestVectorInPlace: a vector written in place is the one whose content was
// written apart and copied, at every length of the prefix and nested.
func TestVectorInPlace(t *testing.T) {
	t.Parallel()
	for _, n := range []int{0, 1, 63, 64, 65, 1<<14 - 1, 1 << 14, 1<<14 + 1, 1 << 16} {
		b := bytes.Repeat([]byte{7}, n)
		w, want := NewWriter([]byte("head")), NewWriter([]byte("head"))
		w.Vector(func(w *Writer) { w.Fixed(b) })
		if want.Bytes(b); !bytes.Equal(w.Out(), want.Out()) {
			t.Errorf("%d bytes: another encoding", n)
		}
	}
	for seed := range uint64(200) {
		var w Writer
		nest(&w, rand.New(rand.NewPCG(seed, 1)), 4, (*Writer).Vector)
		var want Writer
		nest(&want, rand.New(rand.NewPCG(seed, 1)), 4, apart)
		if !bytes.Equal(w.Out(), want.Out()) {
			t.Fatalf("seed %d: another encoding", seed)
		}
	}
}

// apart is Vector by a writer of its own.
func apart(w *Writer, f func(*Writer)) {
	var inner Writer
	f(&inner)
	w.Bytes(inner.Out())
}

func nest(w *Writer, pick *rand.Rand, depth int, vector func(*Writer, func(*Writer))) {
	for range pick.IntN(5) {
		w.Fixed(make([]byte, pick.IntN(40)))
		if depth > 0 {
			vector(w, func(w *Writer) { nest(w, pick, depth-1, vector) })
		}
	}
}
