// Package codec reads and writes the TLS presentation language as MLS uses it
// (RFC 9420 §2.1, RFC 8446 §3). Every read is bounded by the bytes at hand, so
// that decoding allocates O(input) whatever a length prefix claims.
package codec

import (
	"errors"
	"fmt"
	"slices"
)

// ErrShort means that the input ended inside a value.
var ErrShort = errors.New("input ends inside a value")

// Reader consumes a byte slice. The first error sticks: later reads return zero
// values, so that a decoder checks Err once. A Reader is for one goroutine.
type Reader struct {
	buf []byte
	off int
	err error
}

// NewReader reads from b, which it does not copy and must not change meanwhile.
func NewReader(b []byte) *Reader { return &Reader{buf: b} }

// Err is the first error met, with the offset in the input.
func (r *Reader) Err() error { return r.err }

// Fail records err as the reader's error, unless there is one already.
func (r *Reader) Fail(err error) {
	if r.err == nil {
		r.err = fmt.Errorf("at byte %d: %w", r.off, err)
	}
}

// Offset is the number of bytes consumed.
func (r *Reader) Offset() int { return r.off }

// Since is the input consumed from offset on, where offset is an earlier result
// of Offset on the same reader; nil after an error. It aliases the input.
func (r *Reader) Since(offset int) []byte {
	if r.err != nil || offset < 0 || offset > r.off {
		return nil
	}
	return r.buf[offset:r.off:r.off]
}

// Left is the number of bytes not consumed yet.
func (r *Reader) Left() int { return len(r.buf) - r.off }

// Empty tells that nothing is left, or that an error has stopped the reader.
func (r *Reader) Empty() bool { return r.err != nil || r.off == len(r.buf) }

// Close fails unless the whole input was consumed.
func (r *Reader) Close() error {
	if r.err == nil && r.off != len(r.buf) {
		r.Fail(fmt.Errorf("%d bytes after the end of the value", len(r.buf)-r.off))
	}
	return r.err
}

func (r *Reader) take(n int) []byte {
	if r.err != nil {
		return nil
	}
	if n < 0 || n > len(r.buf)-r.off {
		r.Fail(ErrShort) // RFC 9420 §2.1.2 S1
		return nil
	}
	b := r.buf[r.off : r.off+n : r.off+n]
	r.off += n
	return b
}

// U8 reads a uint8.
func (r *Reader) U8() uint8 {
	if b := r.take(1); b != nil {
		return b[0]
	}
	return 0
}

// U16 reads a uint16.
func (r *Reader) U16() uint16 { return uint16(r.uint(2)) }

// U32 reads a uint32.
func (r *Reader) U32() uint32 { return uint32(r.uint(4)) }

// U64 reads a uint64.
func (r *Reader) U64() uint64 { return r.uint(8) }

func (r *Reader) uint(n int) (v uint64) {
	for _, b := range r.take(n) {
		v = v<<8 | uint64(b)
	}
	return v
}

// Fixed reads n bytes; the result aliases the input.
func (r *Reader) Fixed(n int) []byte { return r.take(n) }

// Varint reads a variable-size length (RFC 9420 §2.1.2): minimal encoding
// only, and no prefix 0b11.
func (r *Reader) Varint() uint32 {
	first := r.U8()
	extra := 0
	switch first >> 6 {
	case 1:
		extra = 1
	case 2:
		extra = 3
	case 3:
		r.Fail(errors.New("length prefix 0b11 is invalid")) // RFC 9420 §2.1.2 M3
		return 0
	}
	v := uint64(first & 0x3f)
	for _, b := range r.take(extra) {
		v = v<<8 | uint64(b)
	}
	if r.err == nil && (extra == 1 && v < 1<<6 || extra == 3 && v < 1<<14) {
		r.Fail(errors.New("length prefix is not minimal")) // RFC 9420 §2.1.2 M2
		return 0
	}
	return uint32(v)
}

// Bytes reads an opaque<V>; the result aliases the input and is never nil
// unless the reader failed.
func (r *Reader) Bytes() []byte { return r.take(int(r.Varint())) }

// Vector reads the length of a vector and returns a reader over its content.
// After an error the reader returned is empty and failed too.
func (r *Reader) Vector() *Reader {
	b := r.Bytes()
	return &Reader{buf: b, err: r.err}
}

// Optional reads the presence octet of an optional<T>.
func (r *Reader) Optional() bool {
	switch r.U8() {
	case 0:
		return false
	case 1:
		return true
	}
	r.Fail(errors.New("presence octet is neither 0 nor 1")) // RFC 9420 §2.1.1 M1
	return false
}

// Join adopts the error of a reader made by Vector and demands that it was
// consumed to its end.
func (r *Reader) Join(v *Reader) {
	if err := v.Close(); err != nil && r.err == nil {
		r.err = err
	}
}

// Writer appends values to a byte slice. Its zero value is ready to use.
type Writer struct{ buf []byte }

// NewWriter appends to b, for example to a buffer that is used again.
func NewWriter(b []byte) *Writer { return &Writer{buf: b} }

// Out is what was written; the writer must not be used after.
func (w *Writer) Out() []byte { return w.buf }

// Grow makes room for n more bytes at once.
func (w *Writer) Grow(n int) { w.buf = slices.Grow(w.buf, n) }

// Len is the number of bytes written.
func (w *Writer) Len() int { return len(w.buf) }

// U8 writes a uint8.
func (w *Writer) U8(v uint8) { w.buf = append(w.buf, v) }

// U16 writes a uint16.
func (w *Writer) U16(v uint16) { w.buf = append(w.buf, byte(v>>8), byte(v)) }

// U32 writes a uint32.
func (w *Writer) U32(v uint32) {
	w.buf = append(w.buf, byte(v>>24), byte(v>>16), byte(v>>8), byte(v))
}

// U64 writes a uint64.
func (w *Writer) U64(v uint64) { w.U32(uint32(v >> 32)); w.U32(uint32(v)) }

// Fixed writes b without a length.
func (w *Writer) Fixed(b []byte) { w.buf = append(w.buf, b...) }

// Varint writes a length below 2^30 in its minimal form (RFC 9420 §2.1.2).
func (w *Writer) Varint(n int) { w.buf = AppendVarint(w.buf, n) }

// AppendVarint appends a length below 2^30 in its minimal form.
func AppendVarint(b []byte, n int) []byte { // RFC 9420 §2.1.2 M1
	switch {
	case n < 1<<6:
		return append(b, byte(n))
	case n < 1<<14:
		return append(b, byte(n>>8)|1<<6, byte(n))
	}
	return append(b, byte(n>>24)|2<<6, byte(n>>16), byte(n>>8), byte(n))
}

// VarintLen is the number of bytes that Varint writes.
func VarintLen(n int) int {
	switch {
	case n < 1<<6:
		return 1
	case n < 1<<14:
		return 2
	}
	return 4
}

// Bytes writes an opaque<V>.
func (w *Writer) Bytes(b []byte) { w.Varint(len(b)); w.Fixed(b) }

// Optional writes the presence octet of an optional<T>.
func (w *Writer) Optional(present bool) {
	if present {
		w.U8(1)
	} else {
		w.U8(0)
	}
}

// Vector writes what f writes, behind its length in bytes.
func (w *Writer) Vector(f func(*Writer)) {
	start := len(w.buf)
	f(w)
	n := len(w.buf) - start
	w.Varint(n) // behind the content: makes room
	prefix := len(w.buf) - start - n
	copy(w.buf[start+prefix:], w.buf[start:start+n])
	AppendVarint(w.buf[start:start], n)
}
