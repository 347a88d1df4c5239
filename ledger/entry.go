package ledger

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// MaxEntry is the longest entry of the public log, in bytes.
const MaxEntry = 4096

const (
	entryVersion = 1
	maxRef       = 512
	maxDomains   = 16
)

// Type says what a public entry is about.
type Type string

// The closed set of types.
const (
	TypeOath           Type = "oath"            // the oath as signed; sha256 of the document
	TypePolicy         Type = "policy"          // a policy text; ref its name
	TypeService        Type = "service"         // a service's description
	TypeKey            Type = "key"             // a public key of node, service or organisation
	TypeCheck          Type = "check"           // the result of an oath check; domains: whose
	TypeMisuse         Type = "misuse-decision" // a decision about misuse; domains only
	TypeLegalDemand    Type = "legal-demand"    // counts received, answered, refused
	TypeMeterCatalogue Type = "meter-catalogue" // what is metered
	TypeNamingPolicy   Type = "naming-policy"   // who gets which name
	TypeIncident       Type = "incident"        // a report of an incident
	TypeRelease        Type = "release"         // a binary or its web assets; ref says which
	TypeCommitments    Type = "commitments"     // a checkpoint of the other log; ref its size
)

// Types are all types, in the order of the specification.
func Types() []Type {
	return []Type{
		TypeOath, TypePolicy, TypeService, TypeKey, TypeCheck, TypeMisuse, TypeLegalDemand,
		TypeMeterCatalogue, TypeNamingPolicy, TypeIncident, TypeRelease, TypeCommitments,
	}
}

// Entry is one public fact: one JSON line of at most MaxEntry bytes. It never
// names a person.
type Entry struct {
	V      int       `json:"v"`      // 1
	T      Type      `json:"t"`      //
	At     time.Time `json:"at"`     // UTC, whole seconds
	SHA256 string    `json:"sha256"` // of the document, 64 lower-case hex digits; empty for counts alone
	// Ref says where or which: an URL, a path, a name, a size. Printable ASCII
	// without spaces, at most 512 bytes, never an address of an account.
	Ref string `json:"ref"`
	// Counts only in legal-demand: received, answered, refused.
	Counts map[string]int `json:"counts,omitempty"`
	// Domains only in check and misuse-decision, at most 16.
	Domains []string `json:"domains,omitempty"`
}

// Marshal is the line as it stands in the log, without a line end. V may be
// zero, At is cut to seconds.
func (e Entry) Marshal() ([]byte, error) {
	e.V, e.At = entryVersion, e.At.UTC().Truncate(time.Second)
	if err := e.check(); err != nil {
		return nil, err
	}
	line := e.line()
	if len(line) > MaxEntry {
		return nil, fmt.Errorf("%w entry: %d bytes, at most %d are taken", ErrMalformed, len(line), MaxEntry)
	}
	return line, nil
}

// line writes the entry by hand, much faster in a browser than by reflection;
// check has seen to it that no text needs escaping.
func (e Entry) line() []byte {
	b := fmt.Appendf(nil, `{"v":%d,"t":"%s","at":"%s","sha256":"%s","ref":"%s"`, e.V, e.T, e.At.Format(time.RFC3339), e.SHA256, e.Ref)
	if len(e.Counts) > 0 {
		b = append(b, `,"counts":`...)
		for i, name := range slices.Sorted(maps.Keys(e.Counts)) {
			b = fmt.Appendf(b, `%c"%s":%d`, separator(i, '{'), name, e.Counts[name])
		}
		b = append(b, '}')
	}
	if len(e.Domains) > 0 {
		b = append(b, `,"domains":`...)
		for i, d := range e.Domains {
			b = fmt.Appendf(b, `%c"%s"`, separator(i, '['), d)
		}
		b = append(b, ']')
	}
	return append(b, '}')
}

func separator(i int, first byte) byte {
	if i == 0 {
		return first
	}
	return ','
}

// ParseEntry reads a line of the public log. It takes only what Marshal makes:
// no unknown field, one form for one fact.
func ParseEntry(line []byte) (Entry, error) {
	var e Entry
	if len(line) > MaxEntry {
		return Entry{}, fmt.Errorf("%w entry: longer than %d bytes", ErrMalformed, MaxEntry)
	}
	if err := json.Unmarshal(line, &e); err != nil {
		return Entry{}, fmt.Errorf("%w entry: %w", ErrMalformed, err)
	}
	if e.V != entryVersion {
		return Entry{}, fmt.Errorf("%w entry: version %d", ErrMalformed, e.V)
	}
	again, err := e.Marshal()
	if err != nil {
		return Entry{}, err
	}
	// Unknown, doubled and misspelt members, spaces and another order are all gone
	// in what Marshal makes.
	if !bytes.Equal(again, line) {
		return Entry{}, fmt.Errorf("%w entry: not in its one form", ErrMalformed)
	}
	return e, nil
}

func (e Entry) check() error {
	switch {
	case !slices.Contains(Types(), e.T):
		return fmt.Errorf("%w entry: type %q", ErrMalformed, e.T)
	case e.At.Year() < 2020 || e.At.Year() > 9999:
		return fmt.Errorf("%w entry: a time is needed", ErrMalformed)
	case !isSHA256(e.SHA256) && (e.SHA256 != "" || e.T != TypeLegalDemand):
		return fmt.Errorf("%w entry: sha256 must be 64 hex digits", ErrMalformed)
	case !isRef(e.Ref):
		return fmt.Errorf("%w entry: ref must be printable ASCII without @ and spaces", ErrMalformed)
	}
	if err := e.checkCounts(); err != nil {
		return err
	}
	return e.checkDomains()
}

func (e Entry) checkCounts() error {
	if (e.T == TypeLegalDemand) != (len(e.Counts) > 0) {
		return fmt.Errorf("%w entry: counts belong to legal-demand alone", ErrMalformed)
	}
	for name, n := range e.Counts {
		if !slices.Contains([]string{"received", "answered", "refused"}, name) || n < 0 || n > 1<<40 {
			return fmt.Errorf("%w entry: count %q", ErrMalformed, name)
		}
	}
	return nil
}

func (e Entry) checkDomains() error {
	if len(e.Domains) > 0 && e.T != TypeCheck && e.T != TypeMisuse || len(e.Domains) > maxDomains {
		return fmt.Errorf("%w entry: domains", ErrMalformed)
	}
	for _, d := range e.Domains {
		if d == "" || len(d) > 260 || d != strings.ToLower(d) || !isRef(d) || strings.Contains(d, "/") {
			return fmt.Errorf("%w entry: domain %q", ErrMalformed, d)
		}
	}
	return nil
}

func isSHA256(s string) bool {
	b, err := hex.DecodeString(s)
	return err == nil && len(b) == 32 && s == strings.ToLower(s)
}

// isRef keeps addresses of persons out: they have an @.
func isRef(s string) bool {
	for _, c := range []byte(s) {
		if c <= ' ' || c >= 0x7f || strings.IndexByte(`@"\<>`, c) >= 0 {
			return false
		}
	}
	return len(s) <= maxRef
}
