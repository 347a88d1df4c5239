package codec_test

import (
	"bytes"
	"testing"

	"primum/mls/internal/codec"
	"primum/mls/internal/cost"
)

// FuzzReader reads values of the kinds that ops lists: what was read encodes
// to the bytes it was read from, an error sticks, and nothing reads or
// allocates beyond the input.
func FuzzReader(f *testing.F) {
	f.Add([]byte{5, 5, 5}, []byte{1, 2, 0x40, 0x40, 0})
	f.Add([]byte{5}, []byte{0x80, 0, 0x40, 0})
	f.Add([]byte{0, 1, 2, 3, 4, 5, 6, 7}, bytes.Repeat([]byte{1}, 64))
	f.Add([]byte{7, 5, 8, 6}, []byte{3, 2, 9, 9, 1})
	bound := cost.Bound{Always: cost.Work{Memory: 64 << 10}, PerKiB: cost.Work{Memory: 64 << 10}}
	f.Fuzz(func(t *testing.T, ops, in []byte) {
		bound.Check(t, len(ops)+len(in), func() { readAll(t, ops, in) })
	})
}

func readAll(t *testing.T, ops, in []byte) {
	t.Helper()
	r := codec.NewReader(in)
	for _, op := range ops {
		start := r.Offset()
		var w codec.Writer
		copyOne(op, r, &w)
		if r.Err() != nil {
			break
		}
		if !bytes.Equal(w.Out(), r.Since(start)) || !bytes.Equal(w.Out(), in[start:r.Offset()]) {
			t.Fatalf("op %d: %x encodes to %x", op, r.Since(start), w.Out())
		}
	}
	if r.Err() != nil {
		checkStuck(t, r)
	} else if (r.Close() == nil) != (r.Offset() == len(in)) {
		t.Fatalf("closed at %d of %d bytes: %v", r.Offset(), len(in), r.Err())
	}
}

// copyOne reads a value and writes it again.
func copyOne(op byte, r *codec.Reader, w *codec.Writer) {
	switch op % 9 {
	case 0:
		w.U8(r.U8())
	case 1:
		w.U16(r.U16())
	case 2:
		w.U32(r.U32())
	case 3:
		w.U64(r.U64())
	case 4:
		w.Varint(int(r.Varint()))
	case 5:
		w.Bytes(r.Bytes())
	case 6:
		w.Optional(r.Optional())
	case 7:
		v := r.Vector()
		w.Vector(func(w *codec.Writer) {
			for !v.Empty() {
				w.Bytes(v.Bytes())
			}
		})
		r.Join(v)
	case 8:
		w.Fixed(r.Fixed(3))
	}
}

// checkStuck checks that a failed reader gives nothing any more.
func checkStuck(t *testing.T, r *codec.Reader) {
	t.Helper()
	err, at := r.Err(), r.Offset()
	for op := range byte(9) {
		var w codec.Writer
		copyOne(op, r, &w)
		if len(bytes.Trim(w.Out(), "\x00")) != 0 {
			t.Fatalf("op %d of a failed reader gave %x", op, w.Out())
		}
	}
	if !r.Empty() || r.Close() != err || r.Err() != err || r.Offset() != at || r.Since(0) != nil {
		t.Fatal("a failed reader went on")
	}
}
