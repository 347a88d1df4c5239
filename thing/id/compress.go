package id

import (
	"math/bits"
	"slices"
	"strings"
)

// Compression of Digital Links as in GS1 Digital Link URI Syntax 1.1 to 1.6:
// codes as nibbles, values by the format of their identifier, the bits as
// base64url.

const base64url = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

// How the characters of a value are written; the number stands before them in three bits.
const (
	asDigits = iota
	asLowerHex
	asUpperHex
	asBase64
	asASCII
)

// packed is one component as compression sees it.
type packed struct {
	number bool // digits only
	length int  // the length, or the longest
	fixed  bool
}

// formats are the components of a row as compression joins them: neighbours
// that are both fixed and of one kind are one; optional ones are one of variable length.
func (r *row) formats() []packed {
	var out []packed
	for _, p := range r.parts {
		next := packed{number: p.set == 'N', length: p.high, fixed: p.low == p.high && !p.optional}
		if n := len(out); n > 0 && joins(out[n-1], next) {
			out[n-1].length += next.length
			out[n-1].fixed = next.fixed
			continue
		}
		out = append(out, next)
	}
	return out
}

// joins says whether two neighbours are written as one: fixed digits with
// fixed digits, optional digits with optional ones, text with text.
func joins(a, b packed) bool {
	if a.number != b.number {
		return false
	}
	return !a.number || a.fixed == b.fixed
}

// sequences are the combinations that have a code of their own (Digital Link,
// table of optimisations). Two of them, 1A and 9D, are printed in one order and
// written in another by GS1's own toolkit: they are read in both and never written.
var sequences = [...]struct {
	code  byte
	ais   []string
	other []string
}{
	{0x0A, []string{"01", "22"}, nil},
	{0x0B, []string{"01", "10"}, nil},
	{0x0C, []string{"01", "21"}, nil},
	{0x0D, []string{"01", "17"}, nil},
	{0x0E, []string{"01", "7003"}, nil},
	{0x0F, []string{"01", "30"}, nil},
	{0x1A, []string{"01", "10", "17", "21"}, []string{"01", "10", "21", "17"}},
	{0x1B, []string{"01", "15"}, nil},
	{0x1C, []string{"01", "11"}, nil},
	{0x1D, []string{"01", "16"}, nil},
	{0x1E, []string{"01", "91"}, nil},
	{0x1F, []string{"01", "10", "15"}, nil},
	{0x2A, []string{"01", "3100"}, nil},
	{0x2B, []string{"01", "3101"}, nil},
	{0x2C, []string{"01", "3102"}, nil},
	{0x2D, []string{"01", "3103"}, nil},
	{0x2E, []string{"01", "3104"}, nil},
	{0x2F, []string{"01", "3105"}, nil},
	{0x3A, []string{"01", "3200"}, nil},
	{0x3B, []string{"01", "3201"}, nil},
	{0x3C, []string{"01", "3202"}, nil},
	{0x3D, []string{"01", "3203"}, nil},
	{0x3E, []string{"01", "3204"}, nil},
	{0x3F, []string{"01", "3205"}, nil},
	{0x9A, []string{"8010", "8011"}, nil},
	{0x9B, []string{"8017", "8019"}, nil},
	{0x9C, []string{"8018", "8019"}, nil},
	{0x9D, []string{"254", "414"}, []string{"414", "254"}},
	{0xA0, []string{"01", "3920"}, nil},
	{0xA1, []string{"01", "3921"}, nil},
	{0xA2, []string{"01", "3922"}, nil},
	{0xA3, []string{"01", "3923"}, nil},
	{0xA4, []string{"01", "3924"}, nil},
	{0xA5, []string{"01", "3925"}, nil},
	{0xA6, []string{"01", "3926"}, nil},
	{0xA7, []string{"01", "3927"}, nil},
	{0xA8, []string{"01", "3928"}, nil},
	{0xA9, []string{"01", "3929"}, nil},
	{0xC0, []string{"255", "3900"}, nil},
	{0xC1, []string{"255", "3901"}, nil},
	{0xC2, []string{"255", "3902"}, nil},
	{0xC3, []string{"255", "3903"}, nil},
	{0xC4, []string{"255", "3904"}, nil},
	{0xC5, []string{"255", "3905"}, nil},
	{0xC6, []string{"255", "3906"}, nil},
	{0xC7, []string{"255", "3907"}, nil},
	{0xC8, []string{"255", "3908"}, nil},
	{0xC9, []string{"255", "3909"}, nil},
	{0xCA, []string{"255", "3940"}, nil},
	{0xCB, []string{"255", "3941"}, nil},
	{0xCC, []string{"255", "3942"}, nil},
	{0xCD, []string{"255", "3943"}, nil},
}

// Compressed is the key with its attributes as one path segment, without a
// slash: "DBHKVAdpQgqrCg". It is shorter than Path for most keys.
func (k Key) Compressed() string {
	var s stream
	for _, ai := range s.optimised(k.AIs) {
		s.code(ai.Code)
		s.value(ai)
	}
	return s.base64()
}

// stream is the bits of a compressed Digital Link.
type stream struct{ bitString }

// optimised writes what has a code together and returns the rest, by code.
func (s *stream) optimised(list []AI) []AI {
	rest := slices.Clone(list)
	slices.SortFunc(rest, func(a, b AI) int { return strings.Compare(a.Code, b.Code) })
	for {
		best, length := -1, 0
		for i, seq := range sequences {
			if n := len(strings.Join(seq.ais, "")); seq.other == nil && n > length && hasAll(rest, seq.ais) {
				best, length = i, n
			}
		}
		if best < 0 {
			return rest
		}
		s.put(uint64(sequences[best].code), 8)
		for _, code := range sequences[best].ais {
			i := slices.IndexFunc(rest, func(ai AI) bool { return ai.Code == code })
			s.value(rest[i])
			rest = slices.Delete(rest, i, i+1)
		}
	}
}

func hasAll(list []AI, codes []string) bool {
	for _, code := range codes {
		if !slices.ContainsFunc(list, func(ai AI) bool { return ai.Code == code }) {
			return false
		}
	}
	return true
}

func (s *stream) code(code string) {
	for i := range len(code) {
		s.put(uint64(code[i]-'0'), 4)
	}
}

func (s *stream) value(ai AI) {
	text := ai.Value
	for _, f := range find(ai.Code).formats() {
		n := min(len(text), f.length)
		s.component(f, text[:n])
		text = text[n:]
	}
}

func (s *stream) component(f packed, text string) {
	if f.number {
		if !f.fixed {
			s.put(uint64(len(text)), bits.Len(uint(f.length)))
		}
		s.putDigits(text, digitBits(len(text)))
		return
	}
	encoding := encodingOf(text)
	s.put(uint64(encoding), 3)
	if !f.fixed {
		s.put(uint64(len(text)), bits.Len(uint(f.length)))
	}
	s.text(encoding, text)
}

func (s *stream) text(encoding int, text string) {
	if encoding == asDigits {
		s.putDigits(text, digitBits(len(text)))
		return
	}
	for i := range len(text) {
		switch encoding {
		case asLowerHex, asUpperHex:
			s.put(uint64(nibble(text[i])), 4)
		case asBase64:
			s.put(uint64(strings.IndexByte(base64url, text[i])), 6)
		default:
			s.put(uint64(text[i]), 7)
		}
	}
}

// encodingOf is the shortest way to write a text.
func encodingOf(text string) int {
	switch {
	case text == "":
		return asASCII
	case digits(text):
		return asDigits
	case only(text, "0123456789ABCDEF"):
		return asUpperHex
	case only(text, "0123456789abcdef"):
		return asLowerHex
	case only(text, base64url):
		return asBase64
	}
	return asASCII
}

func only(text, set string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool { return !strings.ContainsRune(set, r) })
}

func (s *stream) base64() string {
	for s.n%6 != 0 {
		s.put(0, 1)
	}
	var b strings.Builder
	for s.left() > 0 {
		b.WriteByte(base64url[s.get(6)])
	}
	return b.String()
}
