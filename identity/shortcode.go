package identity

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/binary"
	"slices"
	"sort"
	"strings"
)

// words are the 2048 English words of BIP 39, in its order.
//
//go:embed words.txt
var words string

// codeWords × 11 bits = 66 bits.
const codeWords = 6

// ShortCode is six words over one key (to show one's own) or several (to
// compare: both people see the same, in whatever order the keys are given).
// 66 bits: enough against a party that must find a key of the same code.
func ShortCode(keys ...[]byte) string {
	sorted := slices.Clone(keys)
	sort.Slice(sorted, func(i, j int) bool { return bytes.Compare(sorted[i], sorted[j]) < 0 })
	h := sha256.New()
	h.Write([]byte("primum short code\x00"))
	for _, k := range sorted {
		h.Write(binary.BigEndian.AppendUint32(nil, uint32(len(k))))
		h.Write(k)
	}
	sum := h.Sum(nil)
	list := Words()
	code := make([]string, codeWords)
	for i := range code {
		code[i] = list[bits11(sum, i*11)]
	}
	return strings.Join(code, " ")
}

// Words are the 2048 words of BIP 39 in its order, of which short codes,
// recovery phrases and the words of a link are made. The caller owns the list.
func Words() []string { return strings.Fields(words) }

// bits11 reads 11 bits of b from bit position at on.
func bits11(b []byte, at int) int {
	v := binary.BigEndian.Uint32(append(b[at/8:at/8+3:at/8+3], 0))
	return int(v << (at % 8) >> 21)
}
