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
func strip(wasm []byte) ([]byte, error) {
	out := bytes.Clone(wasm)
	m, err := readMemory(out)
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
	if err := m.writeBack(out); err != nil {
		return nil, fmt.Errorf("strip engine: %w", err)
	}
	return out, nil
}

// segment is a piece of initial memory and where it stands in the file.
type segment struct{ at, file, size int }

// memory is what a module's data section makes of its memory.
type memory struct {
	b        []byte
	segments []segment
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
		id := r.byte()
		size := r.uint()
		if id != dataSection {
			r.pos += size
			continue
		}
		return r.dataSection()
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
		s := segment{at: r.int()}
		if r.byte() != 0x0b {
			return nil, errWasm
		}
		s.size = r.uint()
		s.file = r.pos
		r.pos += s.size
		if r.bad || r.pos > len(r.b) || s.at+s.size > maxMemory {
			return nil, errWasm
		}
		if end := s.at + s.size; end > len(m.b) {
			m.b = append(m.b, make([]byte, end-len(m.b))...)
		}
		copy(m.b[s.at:], r.b[s.file:s.file+s.size])
		m.segments = append(m.segments, s)
	}
	return m, nil
}

// writeBack puts the memory into the file again. What is not zero must have a
// place there; zeros between the segments have none.
func (m *memory) writeBack(wasm []byte) error {
	for _, s := range m.segments {
		copy(wasm[s.file:s.file+s.size], m.b[s.at:s.at+s.size])
	}
	again, err := readMemory(wasm)
	if err != nil {
		return err
	}
	if !bytes.Equal(again.b, m.b) {
		return errWasm
	}
	return nil
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
