package setup

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"

	"golang.org/x/net/publicsuffix"

	"primum/identity"
)

// ErrLocal refuses a name under .localhost: it needs no setting up.
var ErrLocal = errors.New("a name under .localhost needs no records and no certificate")

// ErrAddress refuses an address that no record can lead to.
var ErrAddress = errors.New("this is no address of one machine")

// ApexError refuses a domain that is registered as it is. Its records (mail,
// pages, CAA) belong to other services too; things get a zone below.
type ApexError struct {
	Domain  string
	Suggest string // a sub-zone that would be taken
}

// Error is for programmers.
func (e *ApexError) Error() string {
	return fmt.Sprintf("%s is a whole registered domain; give a zone below it, %s", e.Domain, e.Suggest)
}

// ParseZone reads the domain of a node that is to be set up, and maps it to
// A-labels. Errors: *ApexError, ErrLocal, what identity.ParseAuthority refuses.
func ParseZone(s string) (string, error) {
	domain, err := identity.ParseAuthority(strings.TrimSuffix(s, "."))
	if err != nil {
		return "", err
	}
	if identity.IsLoopback(domain) {
		return "", fmt.Errorf("%w: %s", ErrLocal, domain)
	}
	if registered, err := publicsuffix.EffectiveTLDPlusOne(domain); err != nil || registered == domain {
		return "", &ApexError{domain, "things." + domain}
	}
	return domain, nil
}

// ParseAddresses reads IP addresses of one machine: no networks, nobody's, and
// none of a link.
func ParseAddresses(texts []string) ([]netip.Addr, error) {
	var out []netip.Addr
	for _, text := range texts {
		a, err := netip.ParseAddr(text)
		if err != nil || a.Zone() != "" || a.IsUnspecified() || a.IsMulticast() || a.IsLinkLocalUnicast() {
			return nil, fmt.Errorf("%w: %q", ErrAddress, text)
		}
		out = append(out, a.Unmap())
	}
	return sorted(out), nil
}

// OwnAddresses are the public addresses of this machine's interfaces. Behind a
// translator (NAT) there are none: the router's are not known here.
func OwnAddresses() ([]netip.Addr, error) {
	all, err := net.InterfaceAddrs()
	if err != nil {
		return nil, fmt.Errorf("read own addresses: %w", err)
	}
	var out []netip.Addr
	for _, each := range all {
		if n, ok := each.(*net.IPNet); ok {
			if a, ok := netip.AddrFromSlice(n.IP); ok && Public(a.Unmap()) {
				out = append(out, a.Unmap())
			}
		}
	}
	return sorted(out), nil
}

// Public tells whether an address can be reached from everywhere.
func Public(a netip.Addr) bool {
	shared := netip.MustParsePrefix("100.64.0.0/10") // RFC 6598
	return a.IsGlobalUnicast() && !a.IsPrivate() && !shared.Contains(a)
}

// sorted puts IPv4 first, each once.
func sorted(all []netip.Addr) []netip.Addr {
	slices.SortFunc(all, netip.Addr.Compare)
	return slices.Compact(all)
}
