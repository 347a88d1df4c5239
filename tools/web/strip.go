package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
)

// strip blanks what a program of Go carries to print traces of calls: names of
// functions, and tables from program counters to files and lines. That is a
// tenth of the engine after compression. What the runtime works by (frame
// sizes, maps of pointers) stays; a trace shows no names. The layout is that of
// Go 1.20 and later (runtime/symtab.go, debug/gosym); another one is refused.
// The data section is then written anew, see write.
func strip(wasm []byte) ([]byte, error) {
	m, err := readMemory(wasm)
	if err != nil {
		return nil, fmt.Errorf("strip engine: %w", err)
	}
	t, err := m.pclntab()
	if err != nil {
		return nil, fmt.Errorf("strip engine: %w", err)
	}
	if err := t.blank(); err != nil {
		return nil, fmt.Errorf("strip engine: %w", err)
	}
	out := m.write(wasm)
	again, err := readMemory(out)
	if err != nil || !bytes.Equal(bytes.TrimRight(again.b, "\x00"), bytes.TrimRight(m.b, "\x00")) {
		return nil, fmt.Errorf("strip engine: %w", errWasm)
	}
	return out, nil
}

// memory is what a module's data section makes of its memory, and where in the
// file the section stands, from its id to its end.
type memory struct {
	b          []byte
	begin, end int
}

const (
	dataSection = 11
	maxMemory   = 64 << 20
)

var errWasm = errors.New("not a module as Go's linker writes it")

// reader reads a module's numbers (LEB128).
type reader struct {
	b   []byte
	pos int
	bad bool
}

func (r *reader) byte() byte {
	if r.pos >= len(r.b) {
		r.bad = true
		return 0
	}
	r.pos++
	return r.b[r.pos-1]
}

func (r *reader) uint() int {
	v, n := binary.Uvarint(r.b[min(r.pos, len(r.b)):])
	if n <= 0 || v > 1<<31 {
		r.bad = true
		return 0
	}
	r.pos += n
	return int(v)
}

// int reads a signed number; only ones that are not negative are wanted.
func (r *reader) int() int {
	v, shift := 0, 0
	for {
		c := r.byte()
		v |= int(c&0x7f) << shift
		shift += 7
		if c < 0x80 || shift > 35 {
			r.bad = r.bad || c&0x40 != 0 || shift > 35
			return v
		}
	}
}

// readMemory lays out the data section.
func readMemory(wasm []byte) (*memory, error) {
	r := &reader{b: wasm, pos: 8}
	for !r.bad && r.pos < len(wasm) {
		begin := r.pos
		id := r.byte()
		size := r.uint()
		if id != dataSection {
			r.pos += size
			continue
		}
		m, err := r.dataSection()
		if err == nil {
			m.begin, m.end = begin, r.pos
		}
		return m, err
	}
	return nil, errWasm
}

// dataSection reads active segments of the first memory at constant places.
func (r *reader) dataSection() (*memory, error) {
	m := &memory{}
	for range r.uint() {
		if r.uint() != 0 || r.byte() != 0x41 {
			return nil, errWasm
		}
		at := r.int()
		if r.byte() != 0x0b {
			return nil, errWasm
		}
		size, from := r.uint(), r.pos
		r.pos += size
		if r.bad || r.pos > len(r.b) || at+size > maxMemory {
			return nil, errWasm
		}
		if end := at + size; end > len(m.b) {
			m.b = append(m.b, make([]byte, end-len(m.b))...)
		}
		copy(m.b[at:], r.b[from:from+size])
	}
	if r.bad {
		return nil, errWasm
	}
	return m, nil
}

// maxGap is the longest run of zeros inside a segment. The linker begins a new
// one after eight: a table whose records are mostly zeros becomes hundreds of
// thousands of segments, whose places compress badly and zeros well.
const maxGap = 256

// write is the module with its data section written anew, in fewer segments.
func (m *memory) write(wasm []byte) []byte {
	var body []byte
	n := 0
	for at := 0; at < len(m.b); {
		if m.b[at] == 0 {
			at++
			continue
		}
		end := m.segmentEnd(at)
		body = appendInt(append(body, 0, 0x41), at)
		body = binary.AppendUvarint(append(body, 0x0b), uint64(end-at))
		body = append(body, m.b[at:end]...)
		n, at = n+1, end
	}
	body = append(binary.AppendUvarint(nil, uint64(n)), body...)
	out := append(bytes.Clone(wasm[:m.begin]), dataSection)
	out = append(binary.AppendUvarint(out, uint64(len(body))), body...)
	return append(out, wasm[m.end:]...)
}

// segmentEnd is after the last byte before a long run of zeros.
func (m *memory) segmentEnd(at int) int {
	end := at + 1
	for i := end; i < len(m.b) && i-end < maxGap; i++ {
		if m.b[i] != 0 {
			end = i + 1
		}
	}
	return end
}

// appendInt writes a number that is not negative, with a sign (LEB128).
func appendInt(b []byte, v int) []byte {
	for v >= 0x40 {
		b = append(b, byte(v)|0x80)
		v >>= 7
	}
	return append(b, byte(v))
}

// table is the runtime's table of functions (pclntab).
type table struct {
	b                                  []byte // the memory
	base                               int
	names, units, files, pcs, funcs, n int // offsets from base; number of functions
}

// Fields of a function's entry that only traces use, and what follows its head
// (runtime.funcInfo and _func).
const (
	fieldName   = 4
	fieldPCSP   = 16
	fieldPCFile = 20
	fieldPCLine = 24
	fieldPCData = 28
	fieldUnit   = 32
	fieldLine   = 36
	headSize    = 44
)

func (m *memory) pclntab() (*table, error) {
	magic := []byte{0xf1, 0xff, 0xff, 0xff, 0, 0, 1, 8} // Go 1.20; quantum 1, pointers of 8 bytes
	base := bytes.Index(m.b, magic)
	if base < 0 || base+72 > len(m.b) || bytes.Contains(m.b[base+1:], magic) {
		return nil, errors.New("the table of functions was not found: a newer Go?")
	}
	word := func(i int) int { return int(binary.LittleEndian.Uint64(m.b[base+8+8*i:])) }
	t := &table{b: m.b, base: base, n: word(0), names: word(3), units: word(4), files: word(5), pcs: word(6), funcs: word(7)}
	ordered := t.names <= t.units && t.units <= t.files && t.files <= t.pcs && t.pcs <= t.funcs
	if t.n <= 0 || !ordered || base+t.funcs+8*t.n > len(m.b) {
		return nil, errWasm
	}
	return t, nil
}

func (t *table) u32(at int) int        { return int(binary.LittleEndian.Uint32(t.b[at:])) }
func (t *table) zero32(at int)         { binary.LittleEndian.PutUint32(t.b[at:], 0) }
func (t *table) clear(from, until int) { clear(t.b[t.base+from : t.base+until]) }

// blank clears names, files and lines, and the tables that nothing points to
// any more.
func (t *table) blank() error {
	kept := make(map[int]bool)
	for i := range t.n {
		f := t.base + t.funcs + t.u32(t.base+t.funcs+8*i+4)
		if f+headSize > len(t.b) {
			return errWasm
		}
		for _, field := range []int{fieldName, fieldPCFile, fieldPCLine, fieldUnit, fieldLine} {
			t.zero32(f + field)
		}
		kept[t.u32(f+fieldPCSP)] = true
		for j := range t.u32(f + fieldPCData) {
			kept[t.u32(f+headSize+4*j)] = true
		}
	}
	tables := bytes.Clone(t.b[t.base+t.pcs : t.base+t.funcs])
	t.clear(t.names, t.units)
	t.clear(t.units, t.pcs)
	t.clear(t.pcs, t.funcs)
	for at := range kept {
		if at == 0 || at >= len(tables) {
			continue
		}
		n, err := tableSize(tables[at:])
		if err != nil {
			return err
		}
		copy(t.b[t.base+t.pcs+at:], tables[at:at+n])
	}
	return nil
}

// tableSize is the length of one table: pairs of numbers up to a zero that is
// not the first.
func tableSize(b []byte) (int, error) {
	r := &reader{b: b}
	for first := true; ; first = false {
		if v := r.uint(); v == 0 && !first || r.bad {
			break
		}
		r.uint()
	}
	if r.bad {
		return 0, errWasm
	}
	return r.pos, nil
}
