package peer

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"time"

	"primum/internal/wire"
)

// ErrPrivateAddress means that a name led to an address inside a private
// network, which a node never contacts on a stranger's word.
var ErrPrivateAddress = errors.New("the name leads to a private or local address, which this node does not contact")

// ErrPublicAddress means that a name that should be on the local network is not.
var ErrPublicAddress = errors.New("the name leads to an address outside the local network")

const dialTimeout = 5 * time.Second

// Dialer opens the connections of a node to other domains. Names under
// .localhost are this machine; any other address is checked when the
// connection is made, after resolution, so that no name server can lead the
// node into its own network (SSRF). Safe for concurrent use.
type Dialer struct {
	// Loopback allows this machine and private networks: for tests and for
	// `primum local`. Names under .localhost are refused without it.
	Loopback bool
	// Local allows names under .localhost, and nothing else inside: for
	// `primum app`, whose person may play on their own machine.
	Local bool
	// Own lists host names that may have private addresses: the person's own
	// node in their own network.
	Own []string
	// Private turns the rule around: only this machine and private networks are
	// contacted, for edges on the LAN.
	Private bool
}

// DialContext is for http.Transport.
func (d Dialer) DialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, fmt.Errorf("read address: %w", err)
	}
	if isLocalName(host) {
		if !d.Loopback && !d.Local && !d.Private {
			return nil, ErrPrivateAddress
		}
		d.Loopback = true
		addr = net.JoinHostPort("127.0.0.1", port)
	}
	if slices.Contains(d.Own, host) {
		d.Loopback = true
	}
	nd := net.Dialer{Timeout: dialTimeout, KeepAlive: 30 * time.Second, Control: d.control}
	return nd.DialContext(ctx, network, addr)
}

// control sees every address that is really about to be connected.
func (d Dialer) control(_, address string, _ syscall.RawConn) error {
	ap, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("read connected address: %w", err)
	}
	if d.Private {
		if a := ap.Addr().Unmap(); !a.IsPrivate() && !a.IsLoopback() && !a.IsLinkLocalUnicast() {
			return ErrPublicAddress
		}
		return nil
	}
	if d.Loopback {
		return nil
	}
	if !wire.IsPublic(ap.Addr()) {
		return ErrPrivateAddress
	}
	return nil
}

func isLocalName(host string) bool {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	return host == "localhost" || strings.HasSuffix(host, ".localhost")
}
