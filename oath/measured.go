package oath

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"time"
)

// Measurement is one clause of one signed result.
type Measurement struct {
	Clause  string    `json:"clause"`
	Verdict Verdict   `json:"verdict"`
	At      time.Time `json:"at"`
	From    string    `json:"from"` // the checker: its name and key
	Reason  string    `json:"reason,omitempty"`
	Shown   *Shown    `json:"shown,omitempty"` // the clause's number, where it has one
	SHA256  string    `json:"sha256"`          // of the signed result, hex
}

// MaxMeasurements is how many lines ReadMeasurements takes.
const MaxMeasurements = 2000

// Measured reads a signed result as the measurements of one domain, one per
// clause.
func Measured(envelope []byte) (domain string, seen []Measurement, err error) {
	rep, who, err := OpenReport(envelope)
	if err != nil {
		return "", nil, err
	}
	from := "ed25519:" + who.Key
	if name := Plain(who.Name, 80); name != "" {
		from = name + " (" + from[:20] + "…)"
	}
	hash := SHA256(envelope)
	for _, r := range rep.Results {
		seen = append(seen, Measurement{
			Clause: r.Clause, Verdict: r.Verdict, At: r.At.UTC().Truncate(time.Second), From: from,
			Reason: Plain(r.Reason, maxReason), Shown: r.Shown, SHA256: hash,
		})
	}
	return rep.Domain, seen, nil
}

// ReadMeasurements reads signed results, one envelope a line, and returns the
// measurements that are about domain. Lines that are no good result are
// counted and left out.
func ReadMeasurements(from io.Reader, domain string) (seen []Measurement, bad int, err error) {
	lines := bufio.NewScanner(from)
	lines.Buffer(nil, MaxEnvelope)
	for n := 0; n < MaxMeasurements && lines.Scan(); n++ {
		if len(lines.Bytes()) == 0 {
			continue
		}
		about, more, err := Measured(append(slices.Clip(lines.Bytes()), '\n'))
		if err != nil || about != domain {
			bad++
			continue
		}
		seen = append(seen, more...)
	}
	if err := lines.Err(); err != nil {
		return seen, bad, fmt.Errorf("read measurements: %w", err)
	}
	return seen, bad, nil
}
