package mlspeer

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

// refusesUnmerged is a defect of ts-mls that a tree of four leaves can't show.
const refusesUnmerged = defect("ts-mls: a joiner refuses a tree in which two ancestors of a leaf list different unmerged leaves (RFC 9420 §12.4.3.1 asks it only of those between)")

// TestEight adds an eighth member to a group of seven whose fifth has committed
// before: the new leaf is unmerged below the root and merged at the root. Every
// implementation is tried as committer and as joiner, among the others.
func TestEight(t *testing.T) {
	f := startFleet(t, kinds()...)
	counter := new(rooms)
	for _, committer := range kinds() {
		for _, joiner := range kinds() {
			t.Run(committer+" adds "+joiner, func(t *testing.T) {
				t.Parallel()
				seating := []string{committer, OursName, GoName, tsName, GoName, OursName, tsName, joiner}
				r, err := counter.open(f, classic, seating)
				if err != nil {
					t.Fatal(err)
				}
				err = eighth(r)
				if joiner == tsName && committer != tsName { // ts-mls itself adds without a path
					err = stillThere(err, refusesUnmerged, "must list leaf node in its unmerged_leaves")
				}
				var known defect
				if errors.As(err, &known) {
					t.Log(known)
				} else if err != nil {
					t.Error(err)
				}
			})
		}
	}
}

// eighth founds a group of seven, lets the fifth member commit and the first
// add the eighth.
func eighth(r *room) error {
	if err := r.create(); err != nil {
		return err
	}
	if err := r.add(r.seats[0], r.seats[1:7]...); err != nil {
		return err
	}
	if err := r.commit(r.seats[4], Request{}); err != nil {
		return err
	}
	if err := r.add(r.seats[0], r.seats[7]); err != nil {
		return err
	}
	return r.talk()
}

// stillThere turns an error that shows a known defect into it, and its absence
// into an error: the docs are to be changed then.
func stillThere(err error, d defect, says string) error {
	if err != nil && strings.Contains(err.Error(), says) {
		return d
	}
	return fmt.Errorf("not the defect that is known (%s): %w", string(d), err)
}
