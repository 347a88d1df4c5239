package main

import (
	"bytes"
	"encoding/binary"
	"testing"
)

// module is a file with a data section of segments, and a custom section after it.
func module(segments map[int][]byte, order ...int) []byte {
	body := binary.AppendUvarint(nil, uint64(len(order)))
	for _, at := range order {
		body = appendInt(append(body, 0, 0x41), at)
		body = binary.AppendUvarint(append(body, 0x0b), uint64(len(segments[at])))
		body = append(body, segments[at]...)
	}
	out := append([]byte("\x00asm\x01\x00\x00\x00"), 1, 1, 0, dataSection)
	out = append(binary.AppendUvarint(out, uint64(len(body))), body...)
	return append(out, 0, 2, 1, 'x')
}

// Written anew, the memory is the same, in fewer segments, and nothing else of
// the file is touched.
func TestMemoryIsWrittenAnew(t *testing.T) {
	t.Parallel()
	segments := map[int][]byte{0x3f: {1}, 100: {2, 3}, 130: {4}, 130 + maxGap + 1: {5}, 40000: bytes.Repeat([]byte{6}, 300)}
	in := module(segments, 0x3f, 100, 130, 130+maxGap+1, 40000)
	m, err := readMemory(in)
	if err != nil {
		t.Fatal(err)
	}
	out := m.write(in)
	again, err := readMemory(out)
	if err != nil || !bytes.Equal(again.b, m.b) {
		t.Fatalf("another memory: %v", err)
	}
	if !bytes.HasPrefix(out, in[:m.begin]) || !bytes.HasSuffix(out, in[m.end:]) {
		t.Error("the rest of the file changed")
	}
	r := &reader{b: out, pos: again.begin + 1}
	r.uint()
	if n := r.uint(); n != 3 {
		t.Errorf("%d segments, want 3", n)
	}
}

func TestReadMemoryRefuses(t *testing.T) {
	t.Parallel()
	good := module(map[int][]byte{5: {1, 2, 3}}, 5)
	for n := range len(good) - 4 {
		if _, err := readMemory(good[:n]); err == nil {
			t.Errorf("%d bytes of %d are taken", n, len(good))
		}
	}
	if _, err := readMemory(module(map[int][]byte{maxMemory: {1}}, maxMemory)); err == nil {
		t.Error("memory beyond the bound is taken")
	}
}
