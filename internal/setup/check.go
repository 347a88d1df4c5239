package setup

import (
	"context"
	"crypto/x509"
	"net"
	"net/netip"
	"slices"
	"time"

	"github.com/miekg/dns"

	"primum/internal/clock"
)

// Finding is one line of a check: the id of a sentence of part "setup" with its
// blanks, and of the one that says what to do where it is not Good.
type Finding struct {
	Good bool   `json:"good"`
	ID   string `json:"id"`
	Mend string `json:"-"` // empty where Good
	// Pairs are the blanks of both sentences.
	Pairs []any `json:"-"`
}

// Check looks at a domain from outside. Domain is needed.
type Check struct {
	Domain string // of identity.ParseAuthority, not under .localhost
	DNS    string // the name server to ask, see NewAsker
	// Ports are host:port to go to instead of a port of the domain's addresses,
	// for a node that is not (yet) where the records lead.
	Ports map[uint16]string
	// Records are those that were printed for the domain. Empty: those that
	// follow from its name, and whatever address.
	Records []Record
	Private bool           // addresses in private networks are meant
	Roots   *x509.CertPool // of certificates; nil: the system's
	Clock   clock.Clock    // default clock.Real()
	Agent   string         // named to the node, "primum/1.0"
}

// Run looks at one after the other: records, certificate, plain HTTP, node,
// doors. Every finding is told at once. It returns whether all are good.
func (c Check) Run(ctx context.Context, tell func(Finding)) bool {
	if c.Clock == nil {
		c.Clock = clock.Real()
	}
	r := &run{Check: c, tell: tell, good: true}
	if r.records(ctx) {
		r.visits(ctx)
	}
	return r.good
}

// RecordsLive tells whether every record that is not optional is answered for,
// and the first that is not. It is what has to hold before a certificate can
// be had. Errors: ErrSilent.
func RecordsLive(ctx context.Context, domain, server string, records []Record) (missing *Record, err error) {
	asker, err := NewAsker(ctx, domain, server)
	if err != nil {
		return nil, err
	}
	for _, r := range records {
		if r.Optional() {
			continue
		}
		answer, err := asker.Ask(ctx, r.Name, dns.StringToType[r.Type])
		if err != nil {
			return &r, err
		}
		if !slices.ContainsFunc(answer, r.same) {
			return &r, nil
		}
	}
	return nil, nil
}

// run is one check.
type run struct {
	Check
	tell      func(Finding)
	good      bool
	asker     Asker
	addresses []netip.Addr
}

func (r *run) ok(name string, pairs ...any) {
	r.tell(Finding{Good: true, ID: "setup.check." + name, Pairs: pairs})
}

// red tells what is wrong, and what to do.
func (r *run) red(name string, pairs ...any) {
	r.good = false
	r.tell(Finding{ID: "setup.check." + name, Mend: "setup.mend." + name, Pairs: pairs})
}

// records asks for what was printed, and tells whether there is an address to
// go on with.
func (r *run) records(ctx context.Context) bool {
	var err error
	if r.asker, err = NewAsker(ctx, r.Domain, r.DNS); err == nil {
		r.addresses, err = r.asker.Addresses(ctx, r.Domain)
	}
	if err != nil {
		r.red("silent", "Domain", r.Domain, "What", err.Error())
		return len(r.Ports) > 0
	}
	want := r.Records
	if len(want) == 0 {
		want = Plan{Domain: r.Domain}.Records()
	}
	r.leads(want)
	if len(r.Records) == 0 {
		r.caa(ctx)
	}
	for _, record := range want {
		if record.Type != "A" && record.Type != "AAAA" {
			r.record(ctx, record)
		}
	}
	return len(r.addresses) > 0 || len(r.Ports) > 0
}

// leads compares the addresses with those that are wanted, if any are known.
func (r *run) leads(want []Record) {
	var planned []netip.Addr
	for _, record := range want {
		if record.Type == "A" || record.Type == "AAAA" {
			a, err := netip.ParseAddr(record.Data)
			if err == nil {
				planned = append(planned, a)
			}
		}
	}
	planned = sorted(planned)
	inside := slices.ContainsFunc(r.addresses, func(a netip.Addr) bool { return !Public(a) })
	switch {
	case len(r.addresses) == 0:
		r.red("nowhere", "Domain", r.Domain, "Records", addressLines(r.Domain, planned))
	case len(planned) > 0 && !slices.Equal(planned, r.addresses):
		r.red("elsewhere", "Domain", r.Domain, "Have", list(r.addresses), "Records", addressLines(r.Domain, planned))
	case inside && !r.Private:
		r.red("private", "Domain", r.Domain, "Have", list(r.addresses))
	default:
		r.ok("leads", "Domain", r.Domain, "Have", list(r.addresses))
	}
}

// record asks for one record. An optional one that is missing is nobody's
// mistake; one that says something else is.
func (r *run) record(ctx context.Context, want Record) {
	answer, err := r.asker.Ask(ctx, want.Name, dns.StringToType[want.Type])
	pairs := []any{"Name", want.Name, "Type", want.Type, "Data", want.Data, "Record", want.String()}
	switch {
	case err != nil:
		r.red("silent", "Domain", want.Name, "What", err.Error())
	case slices.ContainsFunc(answer, want.same):
		r.ok("record", pairs...)
	case want.Optional() && len(answer) == 0:
		r.ok("without", pairs...)
	case len(answer) == 0:
		r.red("missing", pairs...)
	default:
		r.red("wrong", append(pairs, "Have", recordOf(answer[0]).Data)...)
	}
}

// caa is for a domain whose authority is not known here: any is good, but one.
func (r *run) caa(ctx context.Context) {
	answer, err := r.asker.Ask(ctx, r.Domain, dns.TypeCAA)
	if err != nil {
		return // told already by the others
	}
	for _, rr := range answer {
		if caa, ok := rr.(*dns.CAA); ok && caa.Tag == "issue" {
			r.ok("caa", "Domain", r.Domain, "Name", caa.Value)
			return
		}
	}
	r.red("nocaa", "Domain", r.Domain)
}

// visits goes to every address as a visitor does.
func (r *run) visits(ctx context.Context) {
	var through string // the first way that works
	for _, to := range r.ways(443) {
		if r.encrypted(ctx, to) && through == "" {
			through = to
		}
	}
	for _, to := range r.ways(80) {
		r.plain(ctx, to)
	}
	if through != "" {
		r.node(ctx, through)
	}
}

// ways are where a port is tried.
func (r *run) ways(port uint16) (out []string) {
	if to := r.Ports[port]; to != "" {
		return []string{to}
	}
	for _, a := range r.addresses {
		out = append(out, netip.AddrPortFrom(a, port).String())
	}
	return out
}

func addressLines(domain string, all []netip.Addr) string {
	text := Zone(Plan{Domain: domain, Addresses: all}.Records()[:len(all)])
	if text == "" {
		text = Record{domain + ".", ttl, "A", "…"}.String()
	}
	return text
}

func list(all []netip.Addr) string {
	var out string
	for i, a := range all {
		if i > 0 {
			out += ", "
		}
		out += a.String()
	}
	return out
}

// visitWait bounds one visit.
const visitWait = 10 * time.Second

// dialer goes where it is told, whatever the name.
func dialer(to string) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{Timeout: visitWait}).DialContext(ctx, network, to)
	}
}
