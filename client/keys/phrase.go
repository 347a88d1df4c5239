package keys

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode"

	"primum/identity"
)

// PhraseWords × 11 bits = 132 bits.
const PhraseWords = 12

// maxPhrase bounds what is read of a person's input, in bytes.
const maxPhrase = 1 << 10

// ErrPhrase: not twelve words of the list. A *PhraseError says which.
var ErrPhrase = errors.New("not a recovery phrase")

// PhraseError tells a typo: the word at a place that is not in the list, or a
// count of words that isn't twelve (Place 0).
type PhraseError struct {
	Place int    // from 1; 0: the number of words is wrong
	Word  string // as it was read, at most 32 bytes
	Near  string // the word of the list that is nearest, or empty
	Count int    // of words
}

// Error is for people.
func (e *PhraseError) Error() string {
	switch {
	case e.Place == 0:
		return fmt.Sprintf("a recovery phrase has %d words, not %d", PhraseWords, e.Count)
	case e.Near == "":
		return fmt.Sprintf("word %d, %q, is not in the list", e.Place, e.Word)
	}
	return fmt.Sprintf("word %d, %q, is not in the list; perhaps %q", e.Place, e.Word, e.Near)
}

// Is makes every PhraseError an ErrPhrase.
func (e *PhraseError) Is(target error) bool { return target == ErrPhrase }

// NewPhrase draws a recovery phrase: twelve words of identity.Words, each from
// 11 random bits.
func NewPhrase(random io.Reader) (string, error) {
	var b [2 * PhraseWords]byte
	if _, err := io.ReadFull(random, b[:]); err != nil {
		return "", fmt.Errorf("make recovery phrase: %w", err)
	}
	list := identity.Words()
	words := make([]string, PhraseWords)
	for i := range words {
		words[i] = list[binary.BigEndian.Uint16(b[2*i:])%uint16(len(list))]
	}
	clear(b[:])
	return strings.Join(words, " "), nil
}

// ParsePhrase reads what a person typed: letters of either case, anything that
// is no letter between the words, so that a numbered list is fine. Refusals
// are *PhraseError.
func ParsePhrase(s string) (string, error) {
	if len(s) > maxPhrase {
		return "", &PhraseError{Count: PhraseWords + 1}
	}
	words := strings.FieldsFunc(strings.ToLower(s), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsMark(r) })
	list := identity.Words()
	for i, w := range words {
		if _, ok := slices.BinarySearch(list, w); !ok {
			return "", &PhraseError{Place: i + 1, Word: clip(w), Near: near(list, w), Count: len(words)}
		}
	}
	if len(words) != PhraseWords {
		return "", &PhraseError{Count: len(words)}
	}
	return strings.Join(words, " "), nil
}

// near is the word of the list with the same first four letters, which is the
// only one, else the one that a single slip makes (a letter more, less, other,
// or two swapped) as late in the word as possible.
func near(list []string, w string) (found string) {
	best := -1
	for _, l := range list {
		same := common(l, w)
		if same >= 4 {
			return l
		}
		if same > best && slip(l, w) {
			found, best = l, same
		}
	}
	return found
}

// common counts the letters that both begin with.
func common(a, b string) (n int) {
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}

// slip tells whether one typing slip leads from a to b.
func slip(a, b string) bool {
	for len(a) > 0 && len(b) > 0 && a[0] == b[0] {
		a, b = a[1:], b[1:]
	}
	for len(a) > 0 && len(b) > 0 && a[len(a)-1] == b[len(b)-1] {
		a, b = a[:len(a)-1], b[:len(b)-1]
	}
	swapped := len(a) == 2 && len(b) == 2 && a[0] == b[1] && a[1] == b[0]
	return len(a) <= 1 && len(b) <= 1 || swapped
}

// clip bounds what an error repeats of a person's input.
func clip(s string) string {
	if len(s) > 32 {
		return strings.ToValidUTF8(s[:32], "")
	}
	return s
}
