package oath

import (
	"bytes"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"
)

func keyOf(b byte) ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed(bytes.Repeat([]byte{b}, ed25519.SeedSize))
}

func public(k ed25519.PrivateKey) ed25519.PublicKey { return ed25519.PublicKey(k[32:]) }

func draft(t *testing.T) Document {
	t.Helper()
	all, err := Clauses()
	if err != nil {
		t.Fatal(err)
	}
	d, err := Draft("h.example", all, map[string]string{"O14": "nobody is here at night"}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestDocument(t *testing.T) {
	t.Parallel()
	d := draft(t)
	if len(d.Clauses) != 13 || len(d.NotSworn) != 2 || d.NotSworn[0].ID != "O09" || d.NotSworn[1].Reason != "nobody is here at night" {
		t.Fatalf("draft: %d clauses, without %+v", len(d.Clauses), d.NotSworn)
	}
	b, err := SignDocument(d, "k", keyOf(1))
	if err != nil {
		t.Fatal(err)
	}
	got, err := OpenDocument(b, "h.example", public(keyOf(2)), public(keyOf(1)))
	if err != nil || len(got.Clauses) != 13 || !got.Until.Equal(d.Until) {
		t.Errorf("opened: %v, %+v", err, got)
	}
	if _, err := OpenDocument(b, "h.example", public(keyOf(2))); !errors.Is(err, ErrSignature) {
		t.Errorf("another key: %v", err)
	}
	if _, err := OpenDocument(b, "g.example", public(keyOf(1))); !errors.Is(err, ErrDocument) {
		t.Errorf("another domain: %v", err)
	}
	target := Target{Oath: &got}
	all, err := Clauses()
	if err != nil {
		t.Fatal(err)
	}
	changed := all[0]
	changed.SHA256 = strings.Repeat("0", 64)
	for c, want := range map[string]string{target.sworn(all[0]): SwornYes, target.sworn(all[13]): SwornNo, target.sworn(changed): SwornOtherwise, (Target{}).sworn(all[0]): SwornUnknown} {
		if c != want {
			t.Errorf("sworn %q, want %q", c, want)
		}
	}
}

func TestBadDocuments(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*Document){
		"version":    func(d *Document) { d.V = 2 },
		"no domain":  func(d *Document) { d.Domain = "" },
		"for ever":   func(d *Document) { d.Until = d.At.AddDate(3, 0, 0) },
		"over":       func(d *Document) { d.Until = d.At },
		"twice":      func(d *Document) { d.Clauses = append(d.Clauses, d.Clauses[0]) },
		"both":       func(d *Document) { d.NotSworn = append(d.NotSworn, NotSworn{ID: d.Clauses[0].ID, Reason: "x"}) },
		"no reason":  func(d *Document) { d.NotSworn[0].Reason = "" },
		"no remedy":  func(d *Document) { d.Clauses[0].Remedy = "" },
		"odd number": func(d *Document) { d.Clauses[0].ID = "X1" },
		"long":       func(d *Document) { d.Clauses[0].Text = strings.Repeat("x", maxOathText+1) },
	} {
		d := draft(t)
		change(&d)
		if _, err := SignDocument(d, "k", keyOf(1)); !errors.Is(err, ErrDocument) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestResultsFitTheirEnvelope(t *testing.T) {
	t.Parallel()
	big := strings.Repeat("x", MaxEvidence)
	rep := Report{Domain: "h.example", At: time.Now(), From: "t\x1b[31mest"}
	for _, v := range []Verdict{Broken, NoBreach, NotShown} {
		r := Result{Clause: "O03", Check: strings.Repeat("0", 64), Verdict: v}
		for range 8 {
			s := Seen{Probe: "p", Verdict: v}
			for range maxEvidence {
				s.Evidence = append(s.Evidence, Evidence{What: "w", Asked: "GET", Answer: big, Replay: "curl"})
			}
			r.Steps = append(r.Steps, s)
		}
		rep.Results = append(rep.Results, r)
	}
	b, err := rep.Sign(keyOf(1))
	if err != nil || len(b) > MaxEnvelope {
		t.Fatalf("%d bytes, %v", len(b), err)
	}
	got, who, err := OpenReport(b)
	if err != nil || len(got.Results) != 3 || got.Results[0].Steps[0].Evidence[0].Replay != "curl" || who.Key == "" {
		t.Errorf("opened: %v %+v", err, who)
	}
	if rep.Results[0].Steps[0].Evidence[0].Answer != big {
		t.Error("signing changed the report")
	}
	seen, bad, err := ReadMeasurements(bytes.NewReader(append(append([]byte("nonsense\n"), b...), b...)), "h.example")
	if err != nil || bad != 1 || len(seen) != 6 || seen[0].Verdict != Broken || seen[0].SHA256 != SHA256(b) || strings.ContainsRune(seen[0].From, 0x1b) {
		t.Errorf("measurements: %v, %d bad, %+v", err, bad, seen)
	}
	if seen, bad, _ := ReadMeasurements(bytes.NewReader(b), "g.example"); len(seen) != 0 || bad != 1 {
		t.Error("a result about another domain was taken")
	}
}

// A result under another key than it names, or about two domains, is none.
func TestForgedResults(t *testing.T) {
	t.Parallel()
	rep := Report{Domain: "h.example", Results: []Result{{Clause: "O01", Verdict: NoBreach}}}
	forge := func(change func(*Statement)) []byte {
		s := statement(rep, Checker{Key: "Aa" + strings.Repeat("A", 41)})
		s.Predicate.Checker.Key = rawKey(keyOf(1))
		change(&s)
		payload, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		b, err := seal(PayloadInToto, "", payload, keyOf(1))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	if _, _, err := OpenReport(forge(func(*Statement) {})); err != nil {
		t.Errorf("unchanged: %v", err)
	}
	for name, change := range map[string]func(*Statement){
		"another's key":  func(s *Statement) { s.Predicate.Checker.Key = rawKey(keyOf(2)) },
		"no key":         func(s *Statement) { s.Predicate.Checker.Key = "" },
		"another type":   func(s *Statement) { s.PredicateType = "https://slsa.dev/provenance/v1" },
		"another domain": func(s *Statement) { s.Subject[0].Name = "g.example" },
		"two domains":    func(s *Statement) { s.Subject = append(s.Subject, s.Subject[0]) },
		"kept":           func(s *Statement) { s.Predicate.Report.Results = []Result{{Clause: "O01", Verdict: "kept"}} },
	} {
		if _, _, err := OpenReport(forge(change)); err == nil {
			t.Errorf("taken: %s", name)
		}
	}
}

func rawKey(k ed25519.PrivateKey) string {
	return statementKey(public(k))
}

func FuzzEnvelope(f *testing.F) {
	b, err := Report{Domain: "h.example", Results: []Result{{Clause: "O01", Verdict: NoBreach}}}.Sign(keyOf(1))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte(`{"payloadType":"x","payload":"","signatures":[{"sig":""}]}`))
	f.Fuzz(func(_ *testing.T, b []byte) {
		_, _, _ = OpenReport(b)
		_, _ = ReadDocument(b)
		_, _, _ = Measured(b)
	})
}
