package vault

import (
	"fmt"
	"io"
	"strings"
)

const (
	consonants = "bdfghjklmnprstvz" // 16
	vowels     = "aeiou"
)

// NewPhrase makes a passphrase to write down: five words of three syllables
// each, 15 syllables of 16×5 possibilities: 94 bits.
func NewPhrase(random io.Reader) (string, error) {
	words := make([]string, 5)
	for i := range words {
		var w strings.Builder
		for range 3 {
			c, err := below(random, len(consonants))
			if err != nil {
				return "", err
			}
			v, err := below(random, len(vowels))
			if err != nil {
				return "", err
			}
			w.WriteByte(consonants[c])
			w.WriteByte(vowels[v])
		}
		words[i] = w.String()
	}
	return strings.Join(words, "-"), nil
}

// below draws a number in [0, n) without bias; n ≤ 256.
func below(random io.Reader, n int) (int, error) {
	var b [1]byte
	for limit := 256 - 256%n; ; {
		if _, err := io.ReadFull(random, b[:]); err != nil {
			return 0, fmt.Errorf("make passphrase: %w", err)
		}
		if int(b[0]) < limit {
			return int(b[0]) % n, nil
		}
	}
}
