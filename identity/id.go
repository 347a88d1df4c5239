package identity

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
)

// NewID makes a UUID of version 7 (RFC 9562 §5.7): milliseconds of now and 74
// random bits. A nil random is crypto/rand.
func NewID(random io.Reader, now time.Time) (string, error) {
	if random == nil {
		random = rand.Reader
	}
	var b [16]byte
	if _, err := io.ReadFull(random, b[6:]); err != nil {
		return "", fmt.Errorf("make id: %w", err)
	}
	var ms [8]byte
	binary.BigEndian.PutUint64(ms[:], uint64(now.UnixMilli()))
	copy(b[:6], ms[2:])
	b[6] = b[6]&0x0f | 0x70
	b[8] = b[8]&0x3f | 0x80
	h := hex.EncodeToString(b[:])
	return strings.Join([]string{h[:8], h[8:12], h[12:16], h[16:20], h[20:]}, "-"), nil
}

// CheckID tells whether s is a UUID of version 7 in lower case.
func CheckID(s string) error {
	bad := errors.New("not a UUID of version 7")
	if len(s) != 36 || s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' {
		return bad
	}
	h := strings.ReplaceAll(s, "-", "")
	if b, err := hex.DecodeString(h); err != nil || len(b) != 16 || b[6]>>4 != 7 || b[8]>>6 != 2 || strings.ToLower(s) != s {
		return bad
	}
	return nil
}
