package id

import (
	"math"
	"math/big"
	"strings"
)

// bitString is a string of bits, written at its end and read from its beginning.
type bitString struct {
	b    []byte
	n    int // bits in b
	at   int // bits read
	over bool
}

func (s *bitString) bit(i int) byte { return s.b[i/8] >> (7 - i%8) & 1 }

func (s *bitString) add(one byte) {
	if s.n%8 == 0 {
		s.b = append(s.b, 0)
	}
	s.b[s.n/8] |= one << (7 - s.n%8)
	s.n++
}

// put writes the low width bits of v, the highest first.
func (s *bitString) put(v uint64, width int) {
	for i := width - 1; i >= 0; i-- {
		s.add(byte(v >> i & 1))
	}
}

// putDigits writes a decimal number of any length in width bits.
func (s *bitString) putDigits(text string, width int) {
	v, _ := new(big.Int).SetString("0"+text, 10)
	for i := width - 1; i >= 0; i-- {
		s.add(byte(v.Bit(i)))
	}
}

func (s *bitString) left() int { return s.n - s.at }

// get reads at most 64 bits. Behind the end it reads zeros and notes it in over.
func (s *bitString) get(width int) uint64 {
	var v uint64
	for range width {
		v <<= 1
		if s.at < s.n {
			v |= uint64(s.bit(s.at))
		} else {
			s.over = true
		}
		s.at++
	}
	return v
}

// getDigits reads a decimal number and fills it to a length; false when it is longer.
func (s *bitString) getDigits(width, length int) (string, bool) {
	v := new(big.Int)
	for width > 0 {
		n := min(width, 60)
		v.Lsh(v, uint(n)).Or(v, new(big.Int).SetUint64(s.get(n)))
		width -= n
	}
	text := v.String()
	if length == 0 {
		return "", v.Sign() == 0
	}
	if len(text) > length {
		return "", false
	}
	return strings.Repeat("0", length-len(text)) + text, true
}

// zeros says whether only zero bits are left.
func (s *bitString) zeros() bool {
	for i := s.at; i < s.n; i++ {
		if s.bit(i) != 0 {
			return false
		}
	}
	return true
}

// digitBits is how many bits a number of n digits takes (Digital Link 1.6,
// compression: the logarithm rounded up, with GS1's small addition).
func digitBits(n int) int { return int(math.Ceil(float64(n)*math.Log2(10) + 0.01)) }
