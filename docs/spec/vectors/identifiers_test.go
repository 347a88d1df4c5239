package vectors

import (
	"encoding/json"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"primum/thing/id"
)

// identifier is a row of identifiers.json: a name, what it is, and its other forms.
type identifier struct {
	Name      string    `json:"name"`
	Kind      id.Kind   `json:"kind"`
	Written   string    `json:"written"`
	Canonical string    `json:"canonical"`
	Host      string    `json:"host,omitempty"`
	Serial    bool      `json:"serial,omitempty"`
	Class     string    `json:"class,omitempty"`
	Up        []string  `json:"up,omitempty"`
	Forms     []id.Form `json:"forms"`
}

// refusedName is a row of what every reader refuses, and where.
type refusedName struct {
	Name   string   `json:"name"`
	Fault  id.Fault `json:"fault"`
	Offset int      `json:"offset"`
}

func TestIdentifiers(t *testing.T) {
	var taken []identifier
	for _, name := range []string{
		"4006381333931", "(01)04012345999990(10)A\\(1(21)7(17)290331", "]d201040123459999901729033110ABC\x1d2142",
		"https://id.gs1.org/01/04012345999990/22/V1/10/A/21/7?17=290331&3103=000195", "https://h.localhost:8080/stem/01/4012345999990/235/T.1",
		"https://id.gs1.org/CwdMZOqE7IdXgujcNkIEq", "(00)340123451111111111", "https://id.gs1.org/414/4012345000115/254/12",
		"https://id.gs1.org/417/4012345000009", "https://id.gs1.org/253/4012345000115ebon-4711", "https://id.gs1.org/8003/04012345111118988",
		"https://id.gs1.org/8004/4012345ABCD-123", "https://id.gs1.org/8010/4012345AB-%23/8011/5", "(8013)1987654Ad4X4bL5ttr2310c2K",
		"https://id.gs1.org/8006/040123459999900102/21/5", "(8018)401234500000000012(8019)3",
		"30027F8292B74200189A5700", "urn:epc:id:sgtin:4012345.099999.7", "urn:epc:tag:sgln-195:3.4012345.00001.1%2F2", "urn:epc:idpat:sgtin:4012345.099999.*",
		"urn:epc:class:lgtin:4012345.099999.LOT", "urn:epc:tag:cpi-var:0.4012345.AB%23-%2F1.77", "urn:epc:tag:sgcn-96:1.4012345.00001.007",
		"355AB1C60003039000000190", "KÜCHE.Example", "例え.jp", "lamp.localhost:8080", "_wot._tcp.example.com",
		"https://Example.com:443/a/../b/%7Eu?q=%2f#x", "192.0.2.1", "2001:db8::1", "00-24-be-80-4f-f1", "02:00:5e:10:00:00:00:01",
		"{F81D4FAE-7DEC-11D0-A765-00A0C91E6BF6}", "did:web:a.localhost%3A8080:things:lamp",
	} {
		taken = append(taken, describe(t, name))
	}
	var refused []refusedName
	for _, name := range []string{
		"", "kitchen", "4006381333932", "https://id.gs1.org/01/04012345999991", "https://id.gs1.org/01/04012345999990/21/A/10/B",
		"https://id.gs1.org/01/04012345999990/235/A/21/7", "https://id.gs1.org/01/04012345999990?21=5", "https://id.gs1.org/01/04012345999990/21/A%2",
		"https://id.gs1.org/01/04012345999990/21/A%00", "(01)04012345999990(17)290230", "(10)ABC", "303C7F8292B74200189A5700", "3003FFFFFFFFFE0000000001",
		"31146C7C2A4A4C6E03000001", "FF027F8292B74200189A5700", "urn:epc:tag:sgtin-96:3.4012345.099999.274877906944", "urn:epc:id:sgtin:4012345.09999.1",
		"p\u0430ypal.com", "xn--pypal-4ve.com", "a..b", "ab--c.example", "0x7f.0x1", "https://user:pw@example.com/", "https://example.com/%2e%2e/etc",
		"fe80::1%eth0", "did:web:example.com:", "urn:uuid:f81d4fae",
	} {
		_, err := id.Parse(name)
		bad, ok := errors.AsType[*id.Error](err)
		if !ok {
			t.Fatalf("%q is not refused: %v", name, err)
		}
		refused = append(refused, refusedName{name, bad.Fault, bad.Offset})
	}
	compare(t, "identifiers.json", map[string]any{
		"about": "a name as written, what it is, every form of it (FNC1 is U+001D); then what is refused, the fault and the byte of its place",
		"names": taken, "refused": refused,
	})
}

func describe(t *testing.T, name string) identifier {
	t.Helper()
	got, err := id.Parse(name)
	if err != nil {
		t.Fatalf("%q: %v", name, err)
	}
	k, _ := got.Key()
	row := identifier{
		Name: name, Kind: got.Kind(), Written: got.Written(), Canonical: got.String(), Host: got.Host(),
		Serial: k.Serial(), Forms: got.Forms(),
	}
	if class := k.Class(); !class.IsZero() {
		row.Class = class.Path()
	}
	for up, ok := k.Up(); ok; up, ok = up.Up() {
		row.Up = append(row.Up, up.Path())
	}
	return row
}

// TestIdentifiersOfOthers reads what other programs wrote: compressed Digital
// Links of GS1's own toolkit, and EPC tags of epc-tds.
func TestIdentifiersOfOthers(t *testing.T) {
	raw, err := os.ReadFile("identifiers-peers.json")
	if err != nil {
		t.Fatal(err)
	}
	var peers struct {
		Compressed []struct {
			Link, Compressed string
			Never            bool // its code stands in two orders: read, never written
		}
		Tags []struct{ Tag, Hex string }
	}
	if err := json.Unmarshal(raw, &peers); err != nil {
		t.Fatal(err)
	}
	for _, row := range peers.Compressed {
		path, query, _ := strings.Cut(row.Link, "?")
		k, err := id.ParseDigitalLink(path, query, id.Options{})
		if err != nil {
			t.Errorf("%s: %v", row.Link, err)
			continue
		}
		back, err := id.ParseDigitalLink("/"+row.Compressed, "", id.Options{})
		if err != nil || !back.Equal(k) {
			t.Errorf("%s is %v, %v; not %s", row.Compressed, back, err, row.Link)
		}
		if (k.Compressed() == row.Compressed) == row.Never {
			t.Errorf("%s is compressed to %s, by the toolkit to %s", row.Link, k.Compressed(), row.Compressed)
		}
	}
	for _, row := range peers.Tags {
		for _, from := range []string{row.Tag, row.Hex} {
			got, err := id.Parse(from)
			if err != nil || !slices.Contains(got.Forms(), id.Form{Name: "epc-tag", Text: row.Tag}) || !slices.Contains(got.Forms(), id.Form{Name: "epc-hex", Text: row.Hex}) {
				t.Errorf("%s: %v, %v", from, got.Forms(), err)
			}
		}
	}
	if len(peers.Compressed) < 50 || len(peers.Tags) < 50 {
		t.Errorf("only %d links and %d tags", len(peers.Compressed), len(peers.Tags))
	}
}
