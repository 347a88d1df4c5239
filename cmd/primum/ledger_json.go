package main

import (
	"time"

	"primum/ledger"
)

// logLine is one log as programs read it.
type logLine struct {
	Origin    string        `json:"origin,omitempty"`
	Size      uint64        `json:"size"`
	Root      []byte        `json:"root,omitempty"`
	Since     uint64        `json:"since"`
	Read      uint64        `json:"read"`
	Witnesses []witnessLine `json:"witnesses,omitempty"`
	Requests  int           `json:"requests"`
	Bytes     int64         `json:"bytes"`
}

type witnessLine struct {
	Name     string    `json:"name"`
	Cosigned bool      `json:"cosigned"`
	At       time.Time `json:"at,omitzero"`
	Seen     uint64    `json:"seen,omitempty"`
	Error    string    `json:"error,omitempty"`
}

type findingLine struct {
	Kind     string   `json:"kind"`
	Log      string   `json:"log"`
	Detail   string   `json:"detail"`
	Evidence []string `json:"evidence,omitempty"`
}

// ledgerLine is a report as programs read it.
func ledgerLine(authority string, r ledger.Report) map[string]any {
	var found []findingLine
	for _, f := range r.Findings {
		found = append(found, findingLine{Kind: ledger.KindName(f), Log: f.Log, Detail: f.Detail, Evidence: f.Evidence})
	}
	return map[string]any{
		"domain": authority, "good": len(found) == 0, "findings": found,
		"public": lineOfLog(r.Public), "commitments": lineOfLog(r.Commitments), "facts": r.Kept.Facts,
	}
}

func lineOfLog(l ledger.LogReport) logLine {
	out := logLine{
		Origin: l.Checkpoint.Origin, Size: l.Checkpoint.Size, Root: l.Checkpoint.Root[:],
		Since: l.Since, Read: l.Read, Requests: l.Fetched, Bytes: l.Bytes,
	}
	for _, w := range l.Witnesses {
		out.Witnesses = append(out.Witnesses, witnessLine{Name: w.Name, Cosigned: w.Good, At: w.At, Seen: w.Seen, Error: w.Err})
	}
	return out
}
