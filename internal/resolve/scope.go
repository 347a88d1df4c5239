package resolve

import (
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"encoding/hex"
	"net/netip"
	"slices"
	"strings"

	"primum/thing/id"
)

// Scope is a name as a text in which a beginning means containment, so that a
// delegation of "dns/org/example" has "dns/org/example/lamp". It is the anchor
// under which links of the name are kept. Of a GS1 key it is the key's path.
func Scope(name id.ID) string {
	if k, ok := name.Key(); ok {
		return k.Path()
	}
	text := name.String()
	switch name.Kind() {
	case id.DNS:
		labels := strings.Split(hostOnly(text), ".")
		slices.Reverse(labels)
		return "dns/" + strings.Join(labels, "/")
	case id.IP:
		a, err := netip.ParseAddr(text)
		if err != nil {
			return "ip/" + text
		}
		return "ip/" + hex.EncodeToString(a.AsSlice())
	case id.MAC, id.UUID:
		return string(name.Kind()) + "/" + hexDigits(text[strings.LastIndexByte(text, ':')+1:])
	}
	return string(name.Kind()) + "/" + text
}

// hostOnly is a host without its port.
func hostOnly(s string) string {
	host, _, _ := strings.Cut(s, ":")
	return strings.TrimSuffix(host, ".")
}

func hexDigits(s string) string {
	return strings.ToLower(strings.NewReplacer("-", "", ":", "", ".", "").Replace(s))
}

// SecretOf is the key of labels and hushes, derived from a node's key.
func SecretOf(node ed25519.PrivateKey) []byte { return keyed(node.Seed(), "primum names 1") }

// Hush is the keyed hash by which a name stands among those that are not
// answered for: who reads the table learns no name from it. A batch or variant
// beside a serial number makes no difference, because the thing is the same.
func Hush(secret []byte, name id.ID) []byte {
	scope := Scope(name)
	if k, ok := name.Key(); ok {
		scope = individual(k).Path()
	}
	return keyed(secret, "hush", scope)[:16]
}

// individual is a key with only those qualifiers that name one thing.
func individual(k id.Key) id.Key {
	out := id.Key{AIs: []id.AI{k.Primary()}}
	if out.Serial() {
		return out
	}
	for _, q := range k.Qualifiers() {
		if (id.Key{AIs: []id.AI{k.Primary(), q}}).Serial() {
			out.AIs = append(out.AIs, q)
		}
	}
	if len(out.AIs) == 1 {
		return k // a class
	}
	return out
}

// Individual is the scope of one thing, in two parts: of a GS1 key its primary
// key, and the qualifiers that name the one thing; else all is in the first.
func Individual(name id.ID) (class, thing string) {
	k, ok := name.Key()
	if !ok {
		return Scope(name), ""
	}
	class = id.Key{AIs: []id.AI{k.Primary()}}.Path()
	return class, strings.TrimPrefix(individual(k).Path(), class)
}

// IsThing says whether a name is one thing's, and not a class's or a place's.
func IsThing(name id.ID) bool {
	k, ok := name.Key()
	return !ok || k.Serial()
}

// lower is base32 as host names take it.
const lower = "abcdefghijklmnopqrstuvwxyz234567"

// Label is the random label of a thing in an epoch, 26 characters: a next epoch
// has another that nobody but the node can tie to it (names.md, privacy 2).
func Label(secret []byte, name string, epoch int64) string {
	var n [8]byte
	binary.BigEndian.PutUint64(n[:], uint64(epoch))
	sum := keyed(secret, "label", name, string(n[:]))
	return base32.NewEncoding(lower).WithPadding(base32.NoPadding).EncodeToString(sum[:16])
}

// keyed is HMAC-SHA-256 over parts, each with its length before it.
func keyed(key []byte, parts ...string) []byte {
	mac := hmac.New(sha256.New, key)
	for _, p := range parts {
		var n [8]byte
		binary.BigEndian.PutUint64(n[:], uint64(len(p)))
		_, _ = mac.Write(n[:]) // a hash never fails
		_, _ = mac.Write([]byte(p))
	}
	return mac.Sum(nil)
}
