package mls

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
)

// region is a part of a process's memory or of its store.
type region struct {
	what string
	data []byte
}

// heapRegions reads the file that debug.WriteHeapDump wrote: the contents of
// all reachable heap objects, of the frames of all goroutines, and of the data
// and bss segments.
func heapRegions(dump []byte) ([]region, error) {
	const header = "go1.7 heap dump\n"
	if !bytes.HasPrefix(dump, []byte(header)) {
		return nil, errors.New("read heap dump: it has another header")
	}
	r := &dumpReader{b: dump[len(header):]}
	for !r.done && r.err == nil {
		r.record()
	}
	return r.out, r.err
}

type dumpReader struct {
	b    []byte
	out  []region
	done bool
	err  error
}

func (r *dumpReader) num() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.fail("a number is cut off")
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *dumpReader) nums(n int) {
	for range n {
		r.num()
	}
}

func (r *dumpReader) bytes() []byte {
	n := r.num()
	if n > uint64(len(r.b)) {
		r.fail("a block is cut off")
		return nil
	}
	out := r.b[:n]
	r.b = r.b[n:]
	return out
}

func (r *dumpReader) fail(what string) {
	r.err, r.b = errors.Join(r.err, fmt.Errorf("read heap dump: %s", what)), nil
}

// fields skips the offsets of pointers.
func (r *dumpReader) fields() {
	for r.err == nil && r.num() != 0 {
		r.num()
	}
}

func (r *dumpReader) keep(what string, data []byte) {
	r.out = append(r.out, region{what, data})
}

// record reads one record by its tag (runtime/heapdump.go).
func (r *dumpReader) record() {
	switch tag := r.num(); tag {
	case 0:
		r.done = true
	case 1:
		addr, data := r.num(), r.bytes()
		r.keep(fmt.Sprintf("heap object of %d bytes at %#x", len(data), addr), data)
		r.fields()
	case 2: // other root
		r.bytes()
		r.num()
	case 3: // type
		r.nums(2)
		r.bytes()
		r.num()
	case 4: // goroutine
		r.nums(8)
		r.bytes()
		r.nums(4)
	case 5:
		r.nums(3)
		data := r.bytes()
		r.nums(3)
		r.keep("stack frame of "+string(r.bytes()), data)
		r.fields()
	case 6: // parameters
		r.nums(4)
		r.bytes()
		r.bytes()
		r.num()
	case 7, 11: // finalizers
		r.nums(5)
	case 8: // interface table
		r.nums(2)
	case 9: // thread
		r.nums(3)
	case 10: // statistics
		r.nums(24 + 256 + 1)
	case 12, 13:
		r.num()
		r.keep([]string{"data segment", "bss segment"}[tag-12], r.bytes())
		r.fields()
	case 14:
		r.nums(7)
	case 15:
		r.nums(6)
	case 16:
		r.memProfile()
	case 17:
		r.nums(2)
	default:
		r.fail(fmt.Sprintf("tag %d is not known", tag))
	}
}

func (r *dumpReader) memProfile() {
	r.nums(2)
	for n := r.num(); n > 0 && r.err == nil; n-- {
		r.bytes()
		r.bytes()
		r.num()
	}
	r.nums(2)
}

// scanner looks for many secrets at once, as they are and as HMAC keeps a key
// (RFC 2104: XORed with its pads).
type scanner struct {
	patterns []pattern
	byHead   map[uint32][]int
	maybe    [1 << 16]bool // by the first two bytes
}

type pattern struct {
	bytes  []byte
	secret int
}

// hit is a secret that was found.
type hit struct {
	secret int
	where  string
}

func newScanner(secrets [][]byte) *scanner {
	f := &scanner{byHead: map[uint32][]int{}}
	for i, s := range secrets {
		for _, pad := range []byte{0, 0x36, 0x5c} {
			if p := padded(s, pad); len(p) >= 8 {
				head := binary.LittleEndian.Uint32(p)
				f.maybe[uint16(head)] = true
				f.byHead[head] = append(f.byHead[head], len(f.patterns))
				f.patterns = append(f.patterns, pattern{p, i})
			}
		}
	}
	return f
}

func padded(b []byte, pad byte) []byte {
	out := make([]byte, len(b))
	for i := range b {
		out[i] = b[i] ^ pad
	}
	return out
}

// search lists which secrets are in a region, each once.
func (f *scanner) search(r region) (out []hit) {
	seen := map[int]bool{}
	for i := 0; i+8 <= len(r.data); i++ {
		if !f.maybe[uint16(r.data[i])|uint16(r.data[i+1])<<8] {
			continue
		}
		for _, n := range f.byHead[binary.LittleEndian.Uint32(r.data[i:])] {
			p := f.patterns[n]
			if !seen[p.secret] && bytes.HasPrefix(r.data[i:], p.bytes) {
				seen[p.secret] = true
				out = append(out, hit{p.secret, r.what})
			}
		}
	}
	return out
}
