package oath

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
)

// What a statement says it is (in-toto Attestation Framework v1).
const (
	StatementType = "https://in-toto.io/Statement/v1"
	PredicateType = "https://in-toto.io/attestation/test-result/v0.1"
)

// Statement is a whole check as an in-toto Statement. Subject is the domain,
// with the hash of the oath it was held against.
type Statement struct {
	Type          string     `json:"_type"`
	Subject       []Resource `json:"subject"`
	PredicateType string     `json:"predicateType"`
	Predicate     Predicate  `json:"predicate"`
}

// Resource is an in-toto ResourceDescriptor.
type Resource struct {
	Name   string            `json:"name"`
	Digest map[string]string `json:"digest"`
}

// Predicate is a test-result/v0.1. Its result is FAILED where a clause is
// broken and WARNED otherwise, never PASSED: the format demands one word, and
// an outside check can't see that an oath is kept. Nothing here reads it.
type Predicate struct {
	Result        string     `json:"result"`
	Configuration []Resource `json:"configuration"` // the clause files
	Passed        []string   `json:"passedTests"`   // no breach seen
	Warned        []string   `json:"warnedTests"`   // not shown
	Failed        []string   `json:"failedTests"`   // broken
	Checker       Checker    `json:"checker"`
	Report        Report     `json:"report"`
}

// Checker is who checked. Its key signs the envelope: who trusts the result
// must know the key from elsewhere.
type Checker struct {
	Name string `json:"name,omitempty"`
	Key  string `json:"key"` // Ed25519, base64url without padding
}

const (
	// roomForEvidence is what a statement may hold, so that its envelope, in
	// base64, stays below MaxEnvelope.
	roomForEvidence = MaxEnvelope * 11 / 16
	maxResults      = 64
)

// ErrStatement: not the signed result of a check.
var ErrStatement = errors.New("not a signed result of a check")

// Sign makes the signed result of a check: a DSSE envelope of at most 256 KiB.
// Evidence of clauses that are not broken is cut down to its hashes where there
// is too much of it.
func (rep Report) Sign(key ed25519.PrivateKey) ([]byte, error) {
	public, ok := key.Public().(ed25519.PublicKey)
	if !ok {
		return nil, errors.New("sign result: no Ed25519 key")
	}
	who := Checker{Name: rep.From, Key: statementKey(public)}
	for _, spare := range []func(Report) Report{whole, thin, bare} {
		payload, err := json.Marshal(statement(spare(rep), who))
		if err != nil {
			return nil, fmt.Errorf("write result: %w", err)
		}
		if len(payload) <= roomForEvidence {
			return seal(PayloadInToto, who.Key, payload, key)
		}
	}
	return nil, errors.New("sign result: it is too long even without its evidence")
}

func statementKey(k ed25519.PublicKey) string { return base64.RawURLEncoding.EncodeToString(k) }

func statement(rep Report, who Checker) Statement {
	s := Statement{Type: StatementType, PredicateType: PredicateType, Subject: []Resource{{Name: rep.Domain}}}
	if s.Subject[0].Digest = (map[string]string{"sha256": rep.Oath}); rep.Oath == "" {
		s.Subject[0].Digest["sha256"] = SHA256([]byte(rep.Domain)) // nothing is sworn there
	}
	s.Predicate = Predicate{Result: "WARNED", Passed: []string{}, Warned: []string{}, Failed: []string{}, Checker: who, Report: rep}
	for _, r := range rep.Results {
		s.Predicate.Configuration = append(s.Predicate.Configuration, Resource{Name: r.Clause + ".txt", Digest: map[string]string{"sha256": r.Check}})
		switch r.Verdict {
		case Broken:
			s.Predicate.Result = "FAILED"
			s.Predicate.Failed = append(s.Predicate.Failed, r.Clause)
		case NoBreach:
			s.Predicate.Passed = append(s.Predicate.Passed, r.Clause)
		default:
			s.Predicate.Warned = append(s.Predicate.Warned, r.Clause)
		}
	}
	return s
}

func whole(rep Report) Report { return rep }

// thin leaves the evidence of broken steps and the hashes of the rest.
func thin(rep Report) Report {
	return rep.with(func(s Seen, e Evidence) Evidence {
		if s.Verdict != Broken {
			e.Answer, e.Bytes = "", nil
		}
		return e
	})
}

// bare leaves hashes and the way to see it again.
func bare(rep Report) Report {
	return rep.with(func(_ Seen, e Evidence) Evidence {
		e.Asked, e.Answer, e.Bytes = "", "", nil
		return e
	})
}

// with returns a copy of the report with other evidence.
func (rep Report) with(f func(Seen, Evidence) Evidence) Report {
	results := make([]Result, len(rep.Results))
	for i, r := range rep.Results {
		steps := make([]Seen, len(r.Steps))
		for j, s := range r.Steps {
			evidence := make([]Evidence, len(s.Evidence))
			for k, e := range s.Evidence {
				evidence[k] = f(s, e)
			}
			s.Evidence = evidence
			steps[j] = s
		}
		r.Steps = steps
		results[i] = r
	}
	rep.Results = results
	return rep
}

// OpenReport reads a signed result and verifies it under the key that it names
// as its checker's. Unknown members are read over, as in-toto wants.
func OpenReport(b []byte) (Report, Checker, error) {
	e, err := readEnvelope(b, PayloadInToto)
	if err != nil {
		return Report{}, Checker{}, err
	}
	var s Statement
	if err := readJSON(e.Payload, &s); err != nil {
		return Report{}, Checker{}, fmt.Errorf("%w: %w", ErrStatement, err)
	}
	who := s.Predicate.Checker
	key, err := base64.RawURLEncoding.DecodeString(who.Key)
	if err != nil || len(key) != ed25519.PublicKeySize {
		return Report{}, Checker{}, fmt.Errorf("%w: it names no key of its checker", ErrStatement)
	}
	if err := e.verify(key); err != nil {
		return Report{}, Checker{}, err
	}
	return s.Predicate.Report, who, s.check()
}

func (s Statement) check() error {
	rep := s.Predicate.Report
	switch {
	case s.Type != StatementType || s.PredicateType != PredicateType:
		return fmt.Errorf("%w: it is %q", ErrStatement, Plain(s.PredicateType, 80))
	case len(s.Subject) != 1 || s.Subject[0].Name != rep.Domain || rep.Domain == "":
		return fmt.Errorf("%w: it is not about one domain", ErrStatement)
	case len(rep.Results) > maxResults:
		return fmt.Errorf("%w: more than %d clauses", ErrStatement, maxResults)
	}
	for _, r := range rep.Results {
		if !clauseID.MatchString(r.Clause) || r.Verdict != Broken && r.Verdict != NoBreach && r.Verdict != NotShown {
			return fmt.Errorf("%w: clause %q without a verdict", ErrStatement, Plain(r.Clause, 8))
		}
	}
	return nil
}
