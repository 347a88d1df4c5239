package setup

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
)

func TestSubZoneNeverApex(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"things.example.org": "things.example.org", "Things.Example.co.uk.": "things.example.co.uk", "dinge.bücher.de": "dinge.xn--bcher-kva.de",
	} {
		if got, err := ParseZone(in); err != nil || got != want {
			t.Errorf("%s: %s, %v", in, got, err)
		}
	}
	for in, suggest := range map[string]string{
		"example.org": "things.example.org", "Example.CO.UK": "things.example.co.uk", "ada.github.io": "things.ada.github.io", "co.uk": "things.co.uk",
	} {
		var apex *ApexError
		if _, err := ParseZone(in); !errors.As(err, &apex) || apex.Suggest != suggest {
			t.Errorf("%s: %v", in, err)
		}
	}
	if _, err := ParseZone("h.localhost"); !errors.Is(err, ErrLocal) {
		t.Errorf("h.localhost: %v", err)
	}
	for _, in := range []string{"", "org", "192.0.2.1", "a b.example.org", "things.example.org:8443", "https://things.example.org", strings.Repeat("a.", 200) + "org"} {
		if got, err := ParseZone(in); err == nil {
			t.Errorf("%s was taken as %s", in, got)
		}
	}
}

func TestAddressesOfOneMachine(t *testing.T) {
	t.Parallel()
	got, err := ParseAddresses([]string{"2001:db8::1", "192.0.2.7", "::ffff:192.0.2.7"})
	if err != nil || list(got) != "192.0.2.7, 2001:db8::1" {
		t.Errorf("%v, %v", got, err)
	}
	for _, bad := range []string{"", "0.0.0.0", "::", "224.0.0.1", "fe80::1", "fe80::1%eth0", "192.0.2.0/24", "example.org"} {
		if _, err := ParseAddresses([]string{bad}); !errors.Is(err, ErrAddress) {
			t.Errorf("%q: %v", bad, err)
		}
	}
	for text, public := range map[string]bool{
		"192.0.2.1": true, "2001:db8::1": true, "10.0.0.1": false, "127.0.0.1": false, "100.64.1.1": false, "fd00::1": false, "fe80::1": false,
	} {
		if Public(netip.MustParseAddr(text)) != public {
			t.Errorf("%s: public is not %v", text, public)
		}
	}
}

func TestRecordsAreTheseAndNoOthers(t *testing.T) {
	t.Parallel()
	p := plan(t)
	const want = `
things.example.org. 3600 IN A 192.0.2.1
things.example.org. 3600 IN AAAA 2001:db8::1
things.example.org. 3600 IN HTTPS 1 . alpn="h2,http/1.1"
things.example.org. 3600 IN CAA 0 issue "letsencrypt.org"
things.example.org. 3600 IN CAA 0 issuewild ";"
_wot._tcp.things.example.org. 3600 IN PTR directory._wot._tcp.things.example.org.
_directory._sub._wot._tcp.things.example.org. 3600 IN PTR directory._wot._tcp.things.example.org.
directory._wot._tcp.things.example.org. 3600 IN SRV 0 0 443 things.example.org.
directory._wot._tcp.things.example.org. 3600 IN TXT "td=/.well-known/wot" "type=Directory" "scheme=https"
`
	var got strings.Builder
	for line := range strings.Lines(Zone(p.Records())) {
		got.WriteString("\n" + strings.Join(strings.Fields(line), " "))
	}
	if got.String()+"\n" != want {
		t.Errorf("records are\n%s\nwant\n%s", got.String(), want)
	}
	again, err := ParseRecords(Zone(p.Records()), p.Domain)
	if err != nil || Zone(again) != Zone(p.Records()) {
		t.Errorf("read again: %v\n%s", err, Zone(again))
	}
}

func plan(t *testing.T) Plan {
	t.Helper()
	return Plan{Domain: "things.example.org", CAA: []string{"letsencrypt.org"}, Addresses: []netip.Addr{
		netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1"),
	}}
}

func FuzzRecords(f *testing.F) {
	f.Add("things.example.org. 3600 IN A 192.0.2.1\n")
	f.Add("$ORIGIN example.org.\nthings CAA 0 issue \"a\"\n$INCLUDE /etc/passwd\n")
	f.Add("$GENERATE 1-100000 a$.things.example.org. A 192.0.2.1\n")
	f.Fuzz(func(t *testing.T, zone string) {
		records, err := ParseRecords(zone, "things.example.org")
		if err != nil {
			return
		}
		for _, r := range records {
			if name := strings.ToLower(r.Name); name != "things.example.org." && !strings.HasSuffix(name, ".things.example.org.") {
				t.Errorf("%s is elsewhere", r.Name)
			}
		}
	})
}

func TestRecordsOfOthersAreRefused(t *testing.T) {
	t.Parallel()
	for name, zone := range map[string]string{
		"another zone": "example.org. 3600 IN A 192.0.2.1\n",
		"an include":   "$INCLUDE /etc/hostname\n",
		"nonsense":     "things.example.org. 3600 IN A house\n",
		"too long":     strings.Repeat("; \n", zoneMost),
	} {
		if _, err := ParseRecords(zone, "things.example.org"); !errors.Is(err, ErrRecords) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
