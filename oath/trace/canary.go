package trace

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"
)

// NewCanary is 32 random characters that stand nowhere by accident.
func NewCanary() (string, error) {
	b := make([]byte, 24)
	if _, err := rand.Read(b); err != nil {
		return "", fmt.Errorf("make canary: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(b), nil
}

// spellings are the forms under which text could stand in something else: plain,
// base64 and base64url at three offsets, hexadecimal, escaped for JSON and URLs,
// UTF-16.
func spellings(text []byte) map[string][]byte {
	forms := map[string][]byte{
		"plain":      text,
		"hex":        []byte(hex.EncodeToString(text)),
		"HEX":        []byte(strings.ToUpper(hex.EncodeToString(text))),
		"JSON":       escapeAll(text, `\u%04x`),
		"JSON, caps": escapeAll(text, `\u%04X`),
		"URL":        escapeAll(text, "%%%02x"),
		"URL, caps":  escapeAll(text, "%%%02X"),
		"UTF-16":     bytes.Join(bytes.Split(text, nil), []byte{0}),
	}
	for name, enc := range map[string]*base64.Encoding{"base64": base64.RawStdEncoding, "base64url": base64.RawURLEncoding} {
		for offset := range 3 {
			forms[fmt.Sprintf("%s+%d", name, offset)] = base64At(enc, text, offset)
		}
	}
	return forms
}

func escapeAll(s []byte, format string) []byte {
	var b bytes.Buffer
	for _, c := range s {
		_, _ = fmt.Fprintf(&b, format, c) // a buffer never fails
	}
	return b.Bytes()
}

// base64At is the part of the encoding that does not depend on what stands
// before and behind s, when s begins at the offset modulo 3.
func base64At(enc *base64.Encoding, s []byte, offset int) []byte {
	first := (offset*8 + 5) / 6       // characters that mix in earlier bytes
	last := (offset + len(s)) * 8 / 6 // characters that s determines alone
	full := enc.EncodeToString(append(make([]byte, offset), s...))
	return []byte(full[first:last])
}

// Needle is something to be looked for in all its spellings.
type Needle map[string][]byte

// NeedleOf is the needle for a text or bytes.
func NeedleOf(text []byte) Needle {
	n := Needle(spellings(text))
	for name, form := range n {
		if len(form) < 8 {
			delete(n, name) // so short that it stands anywhere
		}
	}
	return n
}

// Sought is a Needle with what it is for people.
type Sought struct {
	What string
	Needle
}

// In is the name of a spelling that b holds, or empty.
func (n Needle) In(b []byte) string {
	for name, form := range n {
		if bytes.Contains(b, form) {
			return name
		}
	}
	return ""
}

// Tail is what of a sealed message nobody can make but who sealed it: its last
// bytes, ciphertext and tag.
func Tail(message []byte) []byte {
	const n = 32
	if len(message) < 2*n {
		return nil
	}
	return message[len(message)-n:]
}
