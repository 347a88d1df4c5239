package vectors

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"primum/internal/meter"
	"primum/internal/node"
	"primum/internal/store"
	"primum/internal/wire"
	"primum/ledger"
)

// factVectors is facts.json, which another program made: here it is compared
// only.
type factVectors struct {
	Facts []struct {
		Type, Name, Document, SHA256, Path, Entry string
		At                                        time.Time
	}
	Usage []struct {
		Hour          time.Time
		Domain, Meter string
		N             uint64
		Event         string
	}
}

func readFacts(t *testing.T) (v factVectors) {
	t.Helper()
	b, err := os.ReadFile("facts.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &v); err != nil || len(v.Facts) == 0 || len(v.Usage) == 0 {
		t.Fatalf("facts.json: %v", err)
	}
	return v
}

func TestFactsAndTheirEntries(t *testing.T) {
	for _, v := range readFacts(t).Facts {
		f := remade(t, v.Type, v.Document)
		sum := sha256.Sum256(f.Body)
		sha := hex.EncodeToString(sum[:])
		line, err := ledger.Entry{T: ledger.Type(f.Type), At: v.At, SHA256: sha, Ref: wire.FactPath(sha), Counts: f.Counts}.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		if string(f.Body) != v.Document || f.Name != v.Name || sha != v.SHA256 || wire.FactPath(sha) != v.Path {
			t.Errorf("%s: made %s with hash %s", v.Name, f.Body, sha)
		}
		// Numbers stand in the order of their names, whoever writes them.
		var want, got any
		if json.Unmarshal([]byte(v.Entry), &want) != nil || json.Unmarshal(line, &got) != nil || string(line) != v.Entry {
			t.Errorf("%s: entry\n%s, want\n%s", v.Name, line, v.Entry)
		}
		if _, err := ledger.ParseEntry([]byte(v.Entry)); err != nil {
			t.Errorf("%s: %v", v.Name, err)
		}
	}
}

// remade makes a document anew from what it says.
func remade(t *testing.T, kind, document string) store.Fact {
	t.Helper()
	var f store.Fact
	var err error
	read := func(v any) {
		if err := json.Unmarshal([]byte(document), v); err != nil {
			t.Fatal(err)
		}
	}
	switch ledger.Type(kind) {
	case ledger.TypeIncident:
		var i wire.Incident
		read(&i)
		f, err = node.IncidentFact(i)
	case ledger.TypeLegalDemand:
		var d wire.LegalDemand
		read(&d)
		f, err = node.DemandFact(d)
	default:
		var p wire.Policy
		read(&p)
		f, err = node.PolicyFact(ledger.Type(kind), p)
	}
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestUsageAsCloudEvents(t *testing.T) {
	for _, v := range readFacts(t).Usage {
		var b bytes.Buffer
		if err := meter.WriteEvents(&b, "https://h.example", []store.Usage{{Hour: v.Hour, Domain: v.Domain, Meter: v.Meter, N: v.N}}); err != nil {
			t.Fatal(err)
		}
		if got := strings.TrimSuffix(b.String(), "\n"); got != v.Event {
			t.Errorf("event\n%s, want\n%s", got, v.Event)
		}
	}
}
