//go:build !js

package wire

import "net/netip"

// notPublic lists what netip's own predicates leave out (IANA special-purpose
// address registries, RFC 6890).
func notPublic() []string {
	return []string{
		"0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24",
		"198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "240.0.0.0/4",
		"64:ff9b:1::/48", "100::/64", "2001::/23", "2001:db8::/32", "fec0::/10",
	}
}

// IsPublic tells whether nodes and clients may contact an address on a
// stranger's word: it is neither this machine's nor of a private network nor
// reserved. Addresses that carry an IPv4 address inside are judged by that one.
func IsPublic(a netip.Addr) bool {
	a = embedded(a.Unmap().WithZone(""))
	if !a.IsGlobalUnicast() || a.IsPrivate() || a.IsLoopback() || a.IsLinkLocalUnicast() {
		return false
	}
	for _, p := range notPublic() {
		if netip.MustParsePrefix(p).Contains(a) {
			return false
		}
	}
	return true
}

// embedded takes the IPv4 address out of NAT64 (RFC 6052) and 6to4 (RFC 3056).
func embedded(a netip.Addr) netip.Addr {
	if !a.Is6() {
		return a
	}
	b := a.As16()
	switch {
	case netip.MustParsePrefix("64:ff9b::/96").Contains(a):
		return netip.AddrFrom4([4]byte(b[12:16]))
	case b[0] == 0x20 && b[1] == 0x02:
		return netip.AddrFrom4([4]byte(b[2:6]))
	case netip.MustParsePrefix("::/96").Contains(a) && a != netip.IPv6Loopback():
		return netip.AddrFrom4([4]byte(b[12:16]))
	}
	return a
}
