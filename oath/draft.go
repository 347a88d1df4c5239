package oath

import (
	"context"
	"fmt"
	"time"
)

// Usual life of an oath, after which it is reviewed.
const usualReview = 365 * 24 * time.Hour

// Draft is the oath that swears all clauses in the words of their files, but
// those of which nothing can be checked and those that without names with a
// reason. It holds for a year.
func Draft(domain string, clauses []Clause, without map[string]string, now time.Time) (Document, error) {
	now = now.UTC().Truncate(time.Second)
	d := Document{V: version, Domain: domain, At: now, Until: now.Add(usualReview), Clauses: []Sworn{}, NotSworn: []NotSworn{}}
	known := map[string]bool{}
	for _, c := range clauses {
		known[c.ID] = true
		reason, left := without[c.ID]
		if !left && len(c.Steps) == 0 {
			reason, left = c.Unshown[0], true // the parser wants one
		}
		if left {
			d.NotSworn = append(d.NotSworn, NotSworn{ID: c.ID, Reason: reason})
			continue
		}
		d.Clauses = append(d.Clauses, c.Swear())
	}
	for id := range without {
		if !known[id] {
			return Document{}, fmt.Errorf("%w: there is no clause %q", ErrDocument, id)
		}
	}
	return d, d.check()
}

// Meet asks a domain who it is and what it swears, and checks nothing. The
// error wraps client.ErrUnreachable where nobody answers.
func Meet(ctx context.Context, cfg Config) (Target, error) {
	r, err := newRun(ctx, cfg)
	if err != nil {
		return Target{}, err
	}
	defer r.net.close()
	timed, cancel := context.WithTimeout(ctx, r.cfg.Clause.Time)
	defer cancel()
	err = r.meet(timed)
	return r.Target, err
}
