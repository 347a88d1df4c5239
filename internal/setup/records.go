package setup

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"github.com/miekg/dns"
)

// ttl is of every record, in seconds: an hour.
const ttl = 3600

// zoneMost bounds a file of records, in bytes; recordsMost what it says.
const (
	zoneMost    = 64 << 10
	recordsMost = 1000
)

// ErrRecords means that a file holds no records as they are printed here.
var ErrRecords = errors.New("no records that can be compared")

// Plan is what the records of a domain are made of.
type Plan struct {
	Domain    string       // of ParseZone
	Addresses []netip.Addr // empty: not known here, no A and AAAA
	CAA       []string     // what the certificate authority is named by (RFC 8659 §4.2); empty: not known
}

// Record is one record to add where the domain's DNS is.
type Record struct {
	Name string `json:"name"` // with the final dot
	TTL  uint32 `json:"ttl"`
	Type string `json:"type"`
	Data string `json:"data"` // as in a zone file (RFC 1035 §5.1)
}

// String is a line of a zone file.
func (r Record) String() string { return r.line(0, 0) }

// line is String in columns.
func (r Record) line(name, kind int) string {
	return fmt.Sprintf("%-*s %d IN %-*s %s", name, r.Name, r.TTL, kind, r.Type, r.Data)
}

// Optional tells of a record without which everything works: not every place
// where DNS is kept knows its type.
func (r Record) Optional() bool { return r.Type == "HTTPS" }

// Records are what a domain needs, all of them below or at a name that has
// none yet, so that nothing of the domain above changes: its addresses; HTTPS
// (RFC 9460), which spares the first visit in plain HTTP; CAA, which lets no
// other authority write certificates; and DNS-SD (RFC 6763), by which the
// directory of things is found (W3C WoT Discovery §6.1.3).
func (p Plan) Records() (out []Record) {
	at := p.Domain + "."
	add := func(name, kind, data string) { out = append(out, Record{name, ttl, kind, data}) }
	for _, a := range p.Addresses {
		add(at, kindOf(a), a.String())
	}
	add(at, "HTTPS", `1 . alpn="h2,http/1.1"`)
	for _, name := range p.CAA {
		add(at, "CAA", `0 issue "`+name+`"`)
	}
	if len(p.CAA) > 0 {
		add(at, "CAA", `0 issuewild ";"`)
	}
	directory := "directory._wot._tcp." + at
	add("_wot._tcp."+at, "PTR", directory)
	add("_directory._sub._wot._tcp."+at, "PTR", directory)
	add(directory, "SRV", "0 0 443 "+at)
	add(directory, "TXT", `"td=/.well-known/wot" "type=Directory" "scheme=https"`)
	return out
}

func kindOf(a netip.Addr) string {
	if a.Is4() {
		return "A"
	}
	return "AAAA"
}

// Zone writes records as lines of a zone file, in columns.
func Zone(records []Record) string {
	var b strings.Builder
	name, kind := 0, 0
	for _, r := range records {
		name, kind = max(name, len(r.Name)), max(kind, len(r.Type))
	}
	for _, r := range records {
		b.WriteString(r.line(name, kind) + "\n")
	}
	return b.String()
}

// ParseRecords reads what Zone wrote, of at most 64 KiB, with every name at or
// below the domain. Errors: ErrRecords.
func ParseRecords(zone, domain string) (out []Record, err error) {
	if len(zone) > zoneMost {
		return nil, fmt.Errorf("%w: more than %d bytes", ErrRecords, zoneMost)
	}
	p := dns.NewZoneParser(strings.NewReader(zone), ".", "")
	p.SetDefaultTTL(ttl)
	for rr, ok := p.Next(); ok; rr, ok = p.Next() {
		if !dns.IsSubDomain(dns.Fqdn(domain), rr.Header().Name) {
			return nil, fmt.Errorf("%w: %s is not below %s", ErrRecords, rr.Header().Name, domain)
		}
		if out = append(out, recordOf(rr)); len(out) > recordsMost {
			return nil, fmt.Errorf("%w: more than %d", ErrRecords, recordsMost)
		}
	}
	if err := p.Err(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRecords, err)
	}
	return out, nil
}

func recordOf(rr dns.RR) Record {
	h := rr.Header()
	return Record{h.Name, h.Ttl, dns.TypeToString[h.Rrtype], strings.TrimPrefix(rr.String(), h.String())}
}

// same compares a record with an answer: the same name, type and data. The time
// to live is its server's affair.
func (r Record) same(rr dns.RR) bool {
	own, err := dns.NewRR(r.String())
	return err == nil && own != nil && dns.IsDuplicate(own, rr)
}
