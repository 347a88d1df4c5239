package id

import (
	"errors"
	"strings"
	"testing"
)

// TestNamesHaveOneCanonicalForm reads each form of a name and finds one.
func TestNamesHaveOneCanonicalForm(t *testing.T) {
	t.Parallel()
	for want, forms := range map[string][]string{
		"https://id.gs1.org/01/04012345999990": {
			"4012345999990", "04012345999990", "(01)04012345999990", "(01)4012345999990", "/01/04012345999990", "01/4012345999990",
			"0104012345999990", "https://shop.example/p/01/04012345999990", "https://id.gs1.org/AQdMZOqE7A", "urn:epc:idpat:sgtin:4012345.099999.*",
		},
		"https://id.gs1.org/01/04012345999990/10/A%281/21/7?17=290331": {
			"(17)290331(01)04012345999990(21)7(10)A\\(1", "]d20104012345999990" + "17290331" + "10A(1\x1d217", "␝010401234599999010A(1␝217␝17290331",
			"https://id.gs1.org/01/04012345999990/10/A(1/21/%37?17=290331",
		},
		"https://id.gs1.org/414/4012345000016/254/1%2F2":  {"urn:epc:id:sgln:4012345.00001.1%2F2", "urn:epc:tag:sgln-195:3.4012345.00001.1%2F2"},
		"https://id.gs1.org/00/340123451111111111":        {"urn:epc:id:sscc:4012345.3111111111", "(00)340123451111111111"},
		"https://id.gs1.org/8004/4012345A.1":              {"urn:epc:id:giai:4012345.A.1"},
		"https://id.gs1.org/8006/040123459999900102/21/5": {"urn:epc:id:itip:4012345.099999.01.02.5"},
		"https://id.gs1.org/01/04012345999990/10/LOT":     {"urn:epc:class:lgtin:4012345.099999.LOT"},
		"urn:epc:id:gid:95100000.12345.400":               {"urn:epc:tag:gid-96:95100000.12345.400", "355AB1C60003039000000190"},
		"xn--kche-0ra.example":                            {"KÜCHE.example", "küche.example.", "xn--kche-0ra.Example"},
		"lamp.localhost:8080":                             {"LAMP.localhost:08080"},
		"https://example.com/b/~u?q=%2F":                  {"HTTPS://EXAMPLE.com:443/a/../b/./%7Eu?q=%2f", "example.com/b/~u?q=%2F"},
		"http://example.com/":                             {"http://example.com:80"},
		"https://[2001:db8::1]:8443/":                     {"https://[2001:DB8:0:0::1]:8443"},
		"2001:db8::1":                                     {"2001:0DB8:0::1", "[2001:db8::1]"},
		"192.0.2.1":                                       {"192.0.2.1", "::ffff:192.0.2.1"},
		"urn:dev:mac:0024befffe804ff1":                    {"00:24:BE:80:4f:f1", "00-24-be-80-4f-f1", "0024.be80.4ff1", "0024BE804FF1", "00-24-be-ff-fe-80-4f-f1", "urn:DEV:mac:0024BE804ff1"},
		"urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6":   {"{F81D4FAE-7DEC-11D0-A765-00A0C91E6BF6}", "urn:oid:2.25.329800735698586629295641978511506172918"},
		"did:web:a.localhost%3A8080:things:a%20b":         {"did:web:A.localhost%3a8080:things:a%20b"},
	} {
		for _, form := range append(forms, want) {
			id, err := Parse(form)
			if err != nil {
				t.Errorf("%s: %v", form, err)
			} else if id.String() != want {
				t.Errorf("%s is %s, not %s", form, id, want)
			}
		}
	}
}

// TestBadNamesAreRefusedAtTheirPlace is the bad input of the issue.
func TestBadNamesAreRefusedAtTheirPlace(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		fault  Fault
		offset int
	}{
		{"", Empty, 0},
		{"kitchen", Unknown, 0},
		{"340123451111111111", Length, 0},
		{strings.Repeat("a.", 50_000), Long, MaxInput},
		{"4012345999991", Checksum, 12},
		{"(01)04012345999991", Checksum, 17},
		{"https://id.gs1.org/01/04012345999991", Checksum, 35},
		{"https://id.gs1.org/01/04012345999990/21/A/10/B", Order, 42},
		{"https://id.gs1.org/01/04012345999990/11/290331", Order, 37},
		{"https://id.gs1.org/01/04012345999990?21=5", Order, 37},
		{"https://id.gs1.org/01/04012345999990?17=290230", Value, 40},
		{"https://id.gs1.org/01/04012345999990/21/A%2", Escape, 41},
		{"https://id.gs1.org/01/04012345999990/21/A%00", Escape, 41},
		{"https://id.gs1.org/01/04012345999990/21/A%252%F0", Letter, 45},
		{"https://id.gs1.org/01/04012345999990/235/A/21/7", Order, 43},
		{"https://id.gs1.org/01/04012345999990?10=A", Order, 37},
		{"https://id.gs1.org/01/04012345999990?99=A+B", Letter, 41},
		{"(01)04012345999990(235)A(21)7", Order, 0},
		{"(10)ABC", NoKey, 0},
		{"(01)04012345999990(10)", Length, 22},
		{"(01)04012345999990(01)04012345999990", Twice, 0},
		{"(8013)1987654Ad4X4bL5ttr2310c3K", Checksum, 29},
		{"30FC7F8292B7420018 9A5700", Label, 0},
		{"303C7F8292B74200189A5700", Partition, 2},
		{"3003FFFFFFFFFE0000000001", Value, 3},
		{"311A71F9E3C1FFFFFFFFFFFF", Value, 8},
		{"FF027F8292B74200189A5700", Header, 0},
		{"36027F8292B74200189A5700", Length, 0},
		{"31146C7C2A4A4C6E03000001", Padding, 18},
		{"urn:epc:tag:sgtin-96:8.4012345.099999.1", Value, 21},
		{"urn:epc:tag:sgtin-96:3.4012345.099999.274877906944", Value, 23},
		{"urn:epc:id:sgtin:4012345.09999.1", Length, 25},
		{"urn:epc:id:sgtin:40123.45099999.1", Prefix, 17},
		{"urn:epc:id:nothing:1.2.3", Scheme, 11},
		{"urn:isbn:9780141036144", Scheme, 4},
		{"did:key:z6Mk", Scheme, 0},
		{"did:web:example.com:", Empty, 20},
		{"pаypal.com", Script, 0},
		{"https://shop.pаypal.com/", Script, 13},
		{"xn--pypal-4ve.com", Script, 0},
		{"a..b", Empty, 2},
		{"-a.example", Label, 0},
		{"ab--c.example", Label, 0},
		{"a。b.example", Label, 0},
		{"0x7f.0x1", Label, 5},
		{"1.2.3.400", Label, 6},
		{"example.com:99999", Value, 12},
		{strings.Repeat("a", 64) + ".example", Length, 0},
		{"https://user:pw@example.com/", Secret, 8},
		{"https://example.com/%2e%2e/etc", Escape, 20},
		{"https://example.com\\@evil.example/", Letter, 19},
		{"https://example.com/a b", Letter, 21},
		{"fe80::1%eth0", Value, 7},
		{"urn:uuid:f81d4fae", Length, 9},
		{"urn:dev:mac:00", Length, 12},
	} {
		_, err := Parse(c.name)
		fault, ok := errors.AsType[*Error](err)
		if !ok || fault.Fault != c.fault || fault.Offset != c.offset {
			t.Errorf("%s: %v; want %s at %d", shorten(c.name), err, c.fault, c.offset)
			if ok {
				t.Logf("   fault %s", fault.Fault)
			}
		}
	}
}

// TestEveryFormReadsBack parses what Forms wrote.
func TestEveryFormReadsBack(t *testing.T) {
	t.Parallel()
	for _, s := range names {
		id, err := Parse(s)
		if err != nil {
			t.Errorf("%s: %v", s, err)
			continue
		}
		readBack(t, id)
	}
}

func readBack(t *testing.T, id ID) {
	t.Helper()
	forms := id.Forms()
	if len(forms) == 0 || forms[0].Text != id.String() {
		t.Fatalf("the first form of %s is %v", id, forms)
	}
	for _, f := range forms {
		switch f.Name {
		case "reverse-dns", "did-document", "digital-link-compressed":
			continue // names of another kind; a compressed link is long to be guessed
		}
		back, err := Parse(f.Text)
		if err != nil || back.String() != id.String() {
			t.Errorf("%s %q of %s is %q, %v", f.Name, f.Text, id, back, err)
		}
	}
}

// names are seeds of every kind.
var names = []string{
	"https://id.gs1.org/01/04012345999990/10/A%281/21/7?17=290331&3103=000195", "(00)340123451111111111", "(8003)04012345111118988",
	"https://id.gs1.org/CwdMZOqE7IdXgujcNkIEq", "https://h.localhost:8080/stem/8010/4012345AB-%23/8011/5",
	"urn:epc:id:sgln:4012345.00001.1%2F2", "urn:epc:tag:cpi-var:0.4012345.AB%23-%2F1.77", "urn:epc:tag:sgcn-96:1.4012345.00001.007",
	"urn:epc:tag:gdti-174:1.4012345.00001.A%2F.b", "urn:epc:tag:giai-202:5.4012345.x.y%22z", "urn:epc:tag:itip-212:1.4012345.099999.01.02.5a",
	"urn:epc:tag:grai-170:2.4012345.00001.q%25", "urn:epc:tag:gsrnp-96:2.4012345.0000000001", "urn:epc:id:gsin:4012345.000000001",
	"urn:epc:id:upui:4012345.099999.51qIgY)", "urn:epc:id:ginc:4012345.xyz", "urn:epc:id:pgln:4012345.00001",
	"30027F8292B74200189A5700", "urn:epc:raw:96.x30027F8292B74200189A5700", "355AB1C60003039000000190",
	"]d20104012345999990" + "10A\x1d21B", "küche.example", "_wot._tcp.example.com", "例え.jp", "localhost:8080",
	"https://example.com/a/../b?q=%2f#f", "http://[2001:db8::1]:81/", "192.0.2.1", "2001:db8::1", "00-24-be-80-4f-f1", "02:00:5e:10:00:00:00:01",
	"f81d4fae-7dec-11d0-a765-00a0c91e6bf6", "did:web:example.com%3A3000:user:a%2Bb", "4006381333931",
}

// TestLongInputIsRefusedAtOnce: what is longer than MaxInput is never read, and
// what is as long is read by steps that pass over it once, so that all of
// these take milliseconds.
func TestLongInputIsRefusedAtOnce(t *testing.T) {
	t.Parallel()
	for _, part := range []string{"a.", "%61", "1", "ü", "(10)A", "/10/A", "xn--", "A", "&17=290331", ":", "[", "../"} {
		for _, start := range []string{"", "https://id.gs1.org/01/04012345999990/21/", "(01)04012345999990(21)", "urn:epc:id:giai:4012345.", "did:web:", "30", "https://id.gs1.org/"} {
			s := start + strings.Repeat(part, MaxInput)
			if _, err := Parse(s); err == nil {
				t.Errorf("%s… of %d bytes is a name", shorten(s), len(s))
			}
			_, _ = Parse(s[:MaxInput-8]) // whatever it is, soon
		}
	}
}
