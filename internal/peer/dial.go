package peer

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"time"
)

// ErrPrivateAddress means that a name led to an address inside a private
// network, which a node never contacts on a stranger's word.
var ErrPrivateAddress = errors.New("the name leads to a private or local address, which this node does not contact")

const dialTimeout = 5 * time.Second

// Dialer opens the connections of a node to other domains. Names under
// .localhost are this machine; any other address is checked when the
// connection is made, after resolution, so that no name server can lead the
// node into its own network (SSRF). Safe for concurrent use.
type Dialer struct {
	// Loopback allows this machine and private networks: for tests and for
	// `primum local`. Names under .localhost are refused without it.
	Loopback bool
}

// DialContext is for http.Transport.
func (d Dialer) DialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, fmt.Errorf("read address: %w", err)
	}
	if isLocalName(host) {
		if !d.Loopback {
			return nil, ErrPrivateAddress
		}
		addr = net.JoinHostPort("127.0.0.1", port)
	}
	nd := net.Dialer{Timeout: dialTimeout, KeepAlive: 30 * time.Second, Control: d.control}
	return nd.DialContext(ctx, network, addr)
}

// control sees every address that is really about to be connected.
func (d Dialer) control(_, address string, _ syscall.RawConn) error {
	if d.Loopback {
		return nil
	}
	ap, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("read connected address: %w", err)
	}
	if !public(ap.Addr()) {
		return ErrPrivateAddress
	}
	return nil
}

func isLocalName(host string) bool {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	return host == "localhost" || strings.HasSuffix(host, ".localhost")
}

// notPublic lists what netip's own predicates leave out (IANA special-purpose
// address registries, RFC 6890).
func notPublic() []string {
	return []string{
		"0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24",
		"198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "240.0.0.0/4",
		"64:ff9b:1::/48", "100::/64", "2001::/23", "2001:db8::/32", "fec0::/10",
	}
}

// public tells whether an address may be contacted on a stranger's word.
// Addresses that carry an IPv4 address inside are judged by that one.
func public(a netip.Addr) bool {
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
