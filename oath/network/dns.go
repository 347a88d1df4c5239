package network

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

	"primum/oath"
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
func lookUp(ctx context.Context, r *oath.Run, name string) (l lookup, err error) {
	server := r.Resolver()
	if server == "" {
		if server, err = systemResolver("/etc/resolv.conf"); err != nil {
			return l, err
		}
	}
	l.validated = true
	for _, kind := range []dnsmessage.Type{dnsmessage.TypeA, dnsmessage.TypeAAAA} {
		m, err := askResolver(ctx, r, server, name, kind)
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
func askResolver(ctx context.Context, r *oath.Run, server, name string, kind dnsmessage.Type) (m dnsmessage.Message, err error) {
	q, id, err := question(name, kind)
	if err != nil {
		return m, err
	}
	for range dnsTries {
		if m, err = exchange(ctx, r, "udp", server, q, id); err == nil || ctx.Err() != nil {
			break
		}
	}
	if err == nil && m.Truncated {
		m, err = exchange(ctx, r, "tcp", server, q, id)
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
		return nil, 0, fmt.Errorf("ask for %s: %w", oath.Plain(name, 80), err)
	}
	var opt dnsmessage.ResourceHeader
	if err := opt.SetEDNS0(maxUDP, 0, true); err != nil {
		return nil, 0, fmt.Errorf("ask for %s: %w", oath.Plain(name, 80), err)
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
func exchange(ctx context.Context, r *oath.Run, network, server string, q []byte, id uint16) (m dnsmessage.Message, err error) {
	ctx, cancel := context.WithTimeout(ctx, dnsWait)
	defer cancel()
	conn, err := r.DialOwn(ctx, network, server)
	if err != nil {
		return m, fmt.Errorf("ask the resolver: %w", err)
	}
	defer func() { _ = conn.Close() }()
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
		return "", oath.Unshown("this machine names no DNS resolver to ask")
	}
	defer func() { _ = f.Close() }()
	lines := bufio.NewScanner(io.LimitReader(f, 64<<10))
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) >= 2 && fields[0] == "nameserver" {
			return net.JoinHostPort(fields[1], "53"), nil
		}
	}
	return "", oath.Unshown("this machine names no DNS resolver to ask")
}

// lookUpName looks at a name in the DNS: addresses, signed.
func lookUpName(ctx context.Context, r *oath.Run, _ oath.Args) (oath.Observation, error) {
	if r.Target.Local {
		return oath.Observation{}, oath.Unshown("a name of this machine stands in no DNS")
	}
	l, err := lookUp(ctx, r, r.Target.Host)
	if err != nil {
		return oath.Observation{}, err
	}
	var text []string
	for _, a := range l.addresses {
		text = append(text, a.String())
	}
	e := oath.Evidence{
		What: "the resolver's answer", At: r.Clock.Now(), Answer: strings.Join(text, " "),
		Replay: "dig +dnssec " + oath.Quote(r.Target.Host) + " A",
	}
	return oath.Observation{
		Facts:    map[string]oath.Value{"addresses": oath.Number(len(l.addresses)), "signed": oath.Yes(l.validated)},
		Evidence: []oath.Evidence{e},
	}, nil
}
