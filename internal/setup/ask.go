package setup

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/miekg/dns"
)

const (
	dnsWait     = 3 * time.Second
	dnsTries    = 2
	dnsSize     = 1232 // DNS flag day 2020
	serversMost = 4
	resolvConf  = "/etc/resolv.conf"
)

// ErrSilent means that no name server gave an answer that can be used.
var ErrSilent = errors.New("no name server answers")

// Asker asks name servers, the first of which that answers counts.
type Asker struct {
	Servers   []string // host:port
	recursive bool
}

// NewAsker asks the given server, host:port or an address, if it is not empty.
// Else it asks the domain's own name servers, which know what was added a
// moment ago, or the resolver of this machine where they can't be asked.
func NewAsker(ctx context.Context, domain, server string) (Asker, error) {
	if server != "" {
		if _, _, err := net.SplitHostPort(server); err != nil {
			server = net.JoinHostPort(strings.Trim(server, "[]"), "53")
		}
		return Asker{[]string{server}, true}, nil
	}
	conf, err := dns.ClientConfigFromFile(resolvConf)
	if err != nil || len(conf.Servers) == 0 {
		return Asker{}, fmt.Errorf("%w: %s names none", ErrSilent, resolvConf)
	}
	own := Asker{recursive: true}
	for _, s := range conf.Servers {
		own.Servers = append(own.Servers, net.JoinHostPort(s, conf.Port))
	}
	direct := own.authorities(ctx, domain)
	if _, err := direct.Ask(ctx, domain, dns.TypeSOA); err != nil {
		return own, nil
	}
	return direct, nil
}

// authorities are the name servers of the closest zone above a name.
func (a Asker) authorities(ctx context.Context, domain string) (out Asker) {
	for name := dns.Fqdn(domain); name != "."; name = parent(name) {
		answer, err := a.Ask(ctx, name, dns.TypeNS)
		if err != nil {
			return out
		}
		for _, rr := range answer {
			if ns, ok := rr.(*dns.NS); ok && strings.EqualFold(rr.Header().Name, name) && len(out.Servers) < serversMost {
				out.Servers = append(out.Servers, a.addresses(ctx, ns.Ns)...)
			}
		}
		if len(out.Servers) > 0 {
			return out
		}
	}
	return out
}

func (a Asker) addresses(ctx context.Context, host string) (out []string) {
	answer, err := a.Ask(ctx, host, dns.TypeA)
	if err != nil {
		return nil
	}
	for _, rr := range answer {
		if v4, ok := rr.(*dns.A); ok {
			out = append(out, net.JoinHostPort(v4.A.String(), "53"))
		}
	}
	return out[:min(len(out), 1)]
}

func parent(name string) string {
	i, end := dns.NextLabel(name, 0)
	if end {
		return "."
	}
	return name[i:]
}

// Ask gets the records of a name and type, with those that an alias leads to;
// none is no error. Errors: ErrSilent.
func (a Asker) Ask(ctx context.Context, name string, kind uint16) ([]dns.RR, error) {
	q := new(dns.Msg).SetQuestion(dns.Fqdn(name), kind)
	q.RecursionDesired = a.recursive
	q.SetEdns0(dnsSize, false)
	last := error(ErrSilent)
	for try := range dnsTries * len(a.Servers) {
		answer, err := exchange(ctx, q, a.Servers[try%len(a.Servers)])
		switch {
		case err != nil:
			last = fmt.Errorf("%w: %w", ErrSilent, err)
		case answer.Rcode == dns.RcodeSuccess || answer.Rcode == dns.RcodeNameError:
			return answer.Answer, nil
		default:
			last = fmt.Errorf("%w: %s says %s", ErrSilent, a.Servers[try%len(a.Servers)], dns.RcodeToString[answer.Rcode])
		}
	}
	return nil, last
}

// exchange asks over UDP, and over TCP what did not fit.
func exchange(ctx context.Context, q *dns.Msg, server string) (*dns.Msg, error) {
	c := &dns.Client{Timeout: dnsWait, UDPSize: dnsSize}
	answer, _, err := c.ExchangeContext(ctx, q, server)
	if err == nil && answer.Truncated {
		c.Net = "tcp"
		answer, _, err = c.ExchangeContext(ctx, q, server)
	}
	return answer, err
}

// Addresses are those of a name, IPv4 first. Errors: ErrSilent.
func (a Asker) Addresses(ctx context.Context, name string) ([]netip.Addr, error) {
	var out []netip.Addr
	for _, kind := range []uint16{dns.TypeA, dns.TypeAAAA} {
		answer, err := a.Ask(ctx, name, kind)
		if err != nil {
			return nil, err
		}
		for _, rr := range answer {
			var ip net.IP
			switch rr := rr.(type) {
			case *dns.A:
				ip = rr.A
			case *dns.AAAA:
				ip = rr.AAAA
			}
			if addr, ok := netip.AddrFromSlice(ip); ok {
				out = append(out, addr.Unmap())
			}
		}
	}
	return sorted(out), nil
}
