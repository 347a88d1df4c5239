package oath

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

const (
	dnsWait  = 3 * time.Second
	dnsTries = 2
	maxUDP   = 1232 // bytes of an answer without fragments (DNS flag day 2020)
)

// lookup is what a resolver says of a name.
type lookup struct {
	addresses []netip.Addr
	validated bool // the resolver vouches for the signatures (AD, RFC 4035 §3.2.3)
}

// lookUp asks the resolver for IPv4 and IPv6 addresses, both with signatures
// wanted. Whether they are good is the resolver's word.
func (r *Run) lookUp(ctx context.Context, name string) (l lookup, err error) {
	server := r.cfg.Resolver
	if server == "" {
		if server, err = systemResolver("/etc/resolv.conf"); err != nil {
			return l, err
		}
	}
	l.validated = true
	for _, kind := range []dnsmessage.Type{dnsmessage.TypeA, dnsmessage.TypeAAAA} {
		m, err := r.resolve(ctx, server, name, kind)
		if err != nil {
			return lookup{}, err
		}
		l.validated = l.validated && m.AuthenticData
		for _, a := range m.Answers {
			switch body := a.Body.(type) {
			case *dnsmessage.AResource:
				l.addresses = append(l.addresses, netip.AddrFrom4(body.A))
			case *dnsmessage.AAAAResource:
				l.addresses = append(l.addresses, netip.AddrFrom16(body.AAAA))
			}
		}
	}
	return l, nil
}

// resolve asks over UDP, and over TCP when the answer is truncated.
func (r *Run) resolve(ctx context.Context, server, name string, kind dnsmessage.Type) (m dnsmessage.Message, err error) {
	q, id, err := question(name, kind)
	if err != nil {
		return m, err
	}
	for range dnsTries {
		if m, err = r.exchange(ctx, "udp", server, q, id); err == nil || ctx.Err() != nil {
			break
		}
	}
	if err == nil && m.Truncated {
		m, err = r.exchange(ctx, "tcp", server, q, id)
	}
	switch {
	case err != nil:
		return m, err
	case m.RCode != dnsmessage.RCodeSuccess && m.RCode != dnsmessage.RCodeNameError:
		return m, fmt.Errorf("the resolver answers %v", m.RCode)
	}
	return m, nil
}

func question(name string, kind dnsmessage.Type) (packed []byte, id uint16, err error) {
	var raw [2]byte
	_, _ = rand.Read(raw[:]) // never fails
	id = binary.BigEndian.Uint16(raw[:])
	n, err := dnsmessage.NewName(strings.TrimSuffix(name, ".") + ".")
	if err != nil {
		return nil, 0, fmt.Errorf("ask for %s: %w", plain(name, 80), err)
	}
	var opt dnsmessage.ResourceHeader
	if err := opt.SetEDNS0(maxUDP, 0, true); err != nil {
		return nil, 0, fmt.Errorf("ask for %s: %w", plain(name, 80), err)
	}
	m := dnsmessage.Message{
		Header:      dnsmessage.Header{ID: id, RecursionDesired: true, AuthenticData: true},
		Questions:   []dnsmessage.Question{{Name: n, Type: kind, Class: dnsmessage.ClassINET}},
		Additionals: []dnsmessage.Resource{{Header: opt, Body: &dnsmessage.OPTResource{}}},
	}
	packed, err = m.Pack()
	return packed, id, err
}

// exchange makes one question. The resolver is the checker's own and may be on
// its network; what it costs is counted all the same.
func (r *Run) exchange(ctx context.Context, network, server string, q []byte, id uint16) (m dnsmessage.Message, err error) {
	ctx, cancel := context.WithTimeout(ctx, dnsWait)
	defer cancel()
	raw, err := new(net.Dialer).DialContext(ctx, network, server)
	if err != nil {
		return m, fmt.Errorf("ask the resolver: %w", err)
	}
	defer func() { _ = raw.Close() }()
	conn, err := r.net.count(raw)
	if err != nil {
		return m, err
	}
	deadline, _ := ctx.Deadline()
	_ = conn.SetDeadline(deadline) // a closed connection says so below
	answer, err := talk(conn, network, q)
	if err != nil {
		return m, fmt.Errorf("ask the resolver: %w", err)
	}
	if err := m.Unpack(answer); err != nil {
		return m, errors.New("the resolver's answer is no DNS message")
	}
	if m.ID != id || !m.Response {
		return m, errors.New("the resolver answers another question")
	}
	return m, nil
}

func talk(conn net.Conn, network string, q []byte) ([]byte, error) {
	if network == "udp" {
		if _, err := conn.Write(q); err != nil {
			return nil, err
		}
		b := make([]byte, 4096)
		n, err := conn.Read(b)
		return b[:n], err
	}
	if _, err := conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(q))), q...)); err != nil {
		return nil, err
	}
	var size [2]byte
	if _, err := io.ReadFull(conn, size[:]); err != nil {
		return nil, err
	}
	b := make([]byte, binary.BigEndian.Uint16(size[:]))
	_, err := io.ReadFull(conn, b)
	return b, err
}

// systemResolver is the first name server of a resolv.conf.
func systemResolver(file string) (string, error) {
	f, err := os.Open(file)
	if err != nil {
		return "", Unshown("this machine names no DNS resolver to ask")
	}
	defer func() { _ = f.Close() }()
	lines := bufio.NewScanner(io.LimitReader(f, 64<<10))
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) >= 2 && fields[0] == "nameserver" {
			return net.JoinHostPort(fields[1], "53"), nil
		}
	}
	return "", Unshown("this machine names no DNS resolver to ask")
}

// lookUpName looks at a name in the DNS: addresses, signed.
func lookUpName(ctx context.Context, r *Run, _ Args) (Observation, error) {
	if r.Target.Local {
		return Observation{}, Unshown("a name of this machine stands in no DNS")
	}
	l, err := r.lookUp(ctx, r.Target.Host)
	if err != nil {
		return Observation{}, err
	}
	var text []string
	for _, a := range l.addresses {
		text = append(text, a.String())
	}
	e := Evidence{
		What: "the resolver's answer", At: r.Clock.Now(), Answer: strings.Join(text, " "),
		Replay: "dig +dnssec " + shellQuote(r.Target.Host) + " A",
	}
	return Observation{
		Facts:    map[string]Value{"addresses": Number(len(l.addresses)), "signed": Yes(l.validated)},
		Evidence: []Evidence{e},
	}, nil
}
