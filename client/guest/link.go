package guest

import (
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"

	"primum/identity"
	"primum/internal/wire"
)

// Refusals, told apart with errors.Is.
var (
	// ErrLink: not a link of ours, or one that was copied in part.
	ErrLink = errors.New("not a link to share by; copy it whole")
	// ErrForged: what came was not made by somebody who has the link, or not
	// for this link.
	ErrForged = errors.New("this was not made by the other side of the link")
	// ErrChanged: the other side has shown something else before. Somebody in
	// the middle tries again; the link is to be given up.
	ErrChanged = errors.New("the other side of the link has changed")
)

const (
	idSize     = 16
	secretSize = 16
	keySize    = 32
	partSize   = 26  // characters of 16 bytes in base32
	maxURL     = 512 // characters
)

// ID names a link at its node. It is no secret, and can't be guessed.
type ID [idSize]byte

// Secret is what only the two sides of a link know: 128 random bits, in the
// fragment of the address, which browsers don't send. It never shows itself in
// logs.
type Secret [secretSize]byte

// String hides the secret.
func (Secret) String() string { return "link secret" }

// GoString hides the secret.
func (Secret) GoString() string { return "link secret" }

// Format hides the secret under every verb.
func (Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "link secret") }

// String is the id in 26 small letters and digits.
func (id ID) String() string { return part(id) }

// Link is one link to share by.
type Link struct {
	Authority string // of the owner's node
	ID        ID
	Secret    Secret
}

// New makes a link at a node. A nil random is crypto/rand.
func New(random io.Reader, authority string) (Link, error) {
	if random == nil {
		random = rand.Reader
	}
	l := Link{Authority: authority}
	for _, b := range [][]byte{l.ID[:], l.Secret[:]} {
		if _, err := io.ReadFull(random, b); err != nil {
			return l, fmt.Errorf("make link: %w", err)
		}
	}
	return l, nil
}

// URL is what the owner hands on: "https://link.h.example/l/ID#SECRET".
func (l Link) URL() string {
	return identity.BaseURL(wire.LinkHost+l.Authority) + "/l/" + l.ID.String() + "#" + part(l.Secret)
}

// SecretText is the fragment of the URL, for what has to be stored.
func (l Link) SecretText() string { return part(l.Secret) }

// Parse reads a URL; spaces around it don't matter. Errors: ErrLink.
func Parse(s string) (Link, error) {
	s = strings.TrimSpace(s)
	if len(s) > maxURL {
		return Link{}, ErrLink
	}
	u, err := url.Parse(s)
	if err != nil || u.User != nil || u.RawQuery != "" {
		return Link{}, ErrLink
	}
	host, ok := strings.CutPrefix(u.Host, wire.LinkHost)
	id, found := strings.CutPrefix(u.Path, "/l/")
	if !ok || !found {
		return Link{}, ErrLink
	}
	l, err := Parts(host, id, u.Fragment)
	if err != nil || l.URL() != s {
		return Link{}, ErrLink
	}
	return l, nil
}

// Parts is Parse for a page that knows its node and its own address.
func Parts(authority, id, secret string) (l Link, err error) {
	if l.Authority, err = identity.ParseAuthority(authority); err != nil || l.Authority != authority {
		return Link{}, ErrLink
	}
	if l.ID, err = ParseID(id); err != nil {
		return Link{}, err
	}
	l.Secret, err = unpart[Secret](secret)
	return l, err
}

// ParseID reads the id in a path. Errors: ErrLink.
func ParseID(s string) (ID, error) { return unpart[ID](s) }

// GuestName is the one user name that a link can open, from 40 bits of a hash
// of its id.
func (id ID) GuestName() string {
	sum := sha256.Sum256(encode("primum link guest", id[:]))
	return wire.GuestPrefix + strings.ToLower(base32.StdEncoding.EncodeToString(sum[:5]))
}

// IsGuest tells whether an account was opened by a link.
func IsGuest(a identity.Address) bool { return strings.HasPrefix(a.User, wire.GuestPrefix) }

// key derives a key of the secret for one use (HKDF, RFC 5869).
func (l Link) key(use string) ([]byte, error) {
	k, err := hkdf.Key(sha256.New, l.Secret[:], l.ID[:], "primum link v1 "+use, keySize)
	if err != nil {
		return nil, fmt.Errorf("derive key of link: %w", err)
	}
	return k, nil
}

// Pass is what the guest shows the node to be let in. The node knows its
// SHA-256 only, until then.
func (l Link) Pass() ([]byte, error) { return l.key("pass") }

// part writes 16 bytes in base32 (RFC 4648 §6) in small letters, without
// padding: nothing that a chat program cuts off or makes italic.
func part[T ~[16]byte](b T) string {
	return strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(b[:]))
}

// unpart reads what part writes, in its one form.
func unpart[T ~[16]byte](s string) (v T, err error) {
	if len(s) != partSize || strings.ToLower(s) != s {
		return v, ErrLink
	}
	b, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(strings.ToUpper(s))
	if err != nil || len(b) != len(v) {
		return v, ErrLink
	}
	copy(v[:], b)
	if part(v) != s {
		return T{}, ErrLink
	}
	return v, nil
}
