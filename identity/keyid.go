package identity

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

// KeyID names the key of a signed request (docs/spec/wire.md). Exactly one of
// the three forms is filled: a client (Account, Client), a node (Authority,
// NodeKey) or an anchor's leaf key (Circle).
type KeyID struct {
	Account   Address // acct:owner@h#client
	Client    string
	Authority string // https://h/.well-known/primum#k1
	NodeKey   string
	Circle    string // circle:<32 hexadecimal digits>
}

// ErrKeyID: not a key id of a form we take.
var ErrKeyID = errors.New("not a key id")

const nodePath = "/.well-known/primum"

// ClientKeyID is the key id of an account's client.
func ClientKeyID(a Address, client string) string { return "acct:" + ascii(a.String()) + "#" + client }

// NodeKeyID is the key id of a node's key.
func NodeKeyID(authority, key string) string { return BaseURL(authority) + nodePath + "#" + key }

// CircleKeyID is the key id of an anchor's leaf key; id is 16 bytes in hex.
func CircleKeyID(id string) string { return "circle:" + id }

// ParseKeyID reads one of the three forms.
func ParseKeyID(s string) (KeyID, error) {
	if circle, ok := strings.CutPrefix(s, "circle:"); ok {
		if b, err := hex.DecodeString(circle); err != nil || len(b) != 16 || strings.ToLower(circle) != circle {
			return KeyID{}, fmt.Errorf("%w: a circle id is 32 hexadecimal digits", ErrKeyID)
		}
		return KeyID{Circle: circle}, nil
	}
	place, name, ok := strings.Cut(s, "#")
	if !ok || CheckClientName(name) != nil {
		return KeyID{}, fmt.Errorf("%w: %q names no key after #", ErrKeyID, clip(s))
	}
	if account, ok := strings.CutPrefix(place, "acct:"); ok {
		a, err := unascii(account)
		if err != nil || ClientKeyID(a, name) != s {
			return KeyID{}, fmt.Errorf("%w: %q names no account", ErrKeyID, clip(s))
		}
		return KeyID{Account: a, Client: name}, nil
	}
	base, ok := strings.CutSuffix(place, nodePath)
	_, authority, scheme := strings.Cut(base, "://")
	if !ok || !scheme {
		return KeyID{}, fmt.Errorf("%w: %q", ErrKeyID, clip(s))
	}
	authority, err := ParseAuthority(authority)
	if err != nil || NodeKeyID(authority, name) != s {
		return KeyID{}, fmt.Errorf("%w: %q names no node", ErrKeyID, clip(s))
	}
	return KeyID{Authority: authority, NodeKey: name}, nil
}

// String writes what ParseKeyID reads.
func (k KeyID) String() string {
	switch {
	case k.Circle != "":
		return CircleKeyID(k.Circle)
	case k.Authority != "":
		return NodeKeyID(k.Authority, k.NodeKey)
	}
	return ClientKeyID(k.Account, k.Client)
}

// ascii percent-encodes what an HTTP header can't carry; a user's name may be
// of any script.
func ascii(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] < 0x80 {
			b.WriteByte(s[i])
			continue
		}
		fmt.Fprintf(&b, "%%%02X", s[i])
	}
	return b.String()
}

func unascii(s string) (Address, error) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '%' {
			b.WriteByte(s[i])
			continue
		}
		if i+3 > len(s) {
			return Address{}, ErrKeyID
		}
		raw, err := hex.DecodeString(s[i+1 : i+3])
		if err != nil {
			return Address{}, ErrKeyID
		}
		b.WriteByte(raw[0])
		i += 2
	}
	return ParseAddress(b.String())
}
