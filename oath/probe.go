package oath

import (
	"context"
	"time"
)

// Probe looks at one thing from outside and reports facts. It passes no
// verdict: the clause file does. It uses no network but r's, and ends when ctx
// does.
type Probe func(ctx context.Context, r *Run, args Args) (Observation, error)

// Observation is what a probe saw.
type Observation struct {
	Facts    map[string]Value
	Evidence []Evidence
}

// Args are named values: parameters of a clause, arguments of a probe.
type Args map[string]Value

// Duration is the named argument, or def where it is absent or none.
func (a Args) Duration(name string, def time.Duration) time.Duration {
	if v, ok := a[name]; ok && v.kind == kindDuration {
		return time.Duration(v.n)
	}
	return def
}

// Number is the named argument, or def where it is absent or none.
func (a Args) Number(name string, def int64) int64 {
	if v, ok := a[name]; ok && v.kind == kindNumber {
		return v.n
	}
	return def
}

// Text is the named argument, or def where it is absent or none.
func (a Args) Text(name, def string) string {
	if v, ok := a[name]; ok && v.kind == kindText {
		return v.s
	}
	return def
}
