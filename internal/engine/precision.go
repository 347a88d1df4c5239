package engine

import (
	"fmt"
	"time"

	"primum/grant"
)

// terms is the precision as terms have it; Change or Every must be chosen.
func (p Precision) terms() (grant.Precision, error) {
	out := grant.Precision{Round: p.Round, Place: p.Place, Change: p.Change}
	var err error
	if p.Delay != "" {
		if out.Delay, err = grant.ParseFor(p.Delay); err != nil {
			return out, &Error{Code: "precision", Detail: err.Error()}
		}
	}
	if !p.Change {
		if out.Every, err = grant.ParseEvery(p.Every); err != nil {
			return out, &Error{Code: "precision", Detail: err.Error()}
		}
		if out.Stat = grant.Stat(p.Stat); out.Stat == "" {
			out.Stat = grant.Mean
		}
	}
	return out, checked(out)
}

func checked(p grant.Precision) error {
	if err := p.Check(); err != nil {
		return &Error{Code: "precision", Detail: err.Error()}
	}
	return nil
}

// precisionOf is a precision as pages have it.
func precisionOf(p grant.Precision) Precision {
	return Precision{
		Every: brief(p.Every), Stat: string(p.Stat), Round: p.Round, Place: p.Place, Delay: brief(p.Delay), Change: p.Change,
	}
}

// brief is a length of time as people type it: "15m", "1d".
func brief(d grant.Duration) string {
	for _, u := range []struct {
		size grant.Duration
		name string
	}{{grant.Day, "d"}, {grant.Duration(time.Hour), "h"}, {grant.Duration(time.Minute), "m"}, {grant.Duration(time.Second), "s"}} {
		if d >= u.size && d%u.size == 0 {
			return fmt.Sprintf("%d%s", d/u.size, u.name)
		}
	}
	return ""
}
