package linkset

import (
	"context"
	"slices"
	"sort"
	"strings"
	"time"

	"primum/internal/store"
)

// span is the half-open range of texts, in the order of their bytes, that a
// delegation may have; its parent is the next wider one.
type span struct {
	Delegation
	from, to string
	exact    string // not empty: only this text, and what follows it after a slash
	parent   int    // in the list of all; -1: none
}

// ranges are all delegations, ordered by where they begin, the wider one first.
// It is never changed.
type ranges []span

// after follows every text that begins with another: no UTF-8 has this byte.
const after = "\xff"

// parseSubject makes the range of a subject. Errors: *InvalidError.
func parseSubject(subject string) (s span, err error) {
	if err := checkAnchor("subject", subject); err != nil {
		return s, err
	}
	prefix, star := strings.CutSuffix(subject, "*")
	low, high, between := strings.Cut(subject, "..")
	switch {
	case strings.Contains(prefix, "*"), star && between:
		return s, &InvalidError{"subject", "a star stands at the end only"}
	case star:
		return span{from: prefix, to: prefix + after}, nil
	case !between:
		return span{from: subject, to: subject + "/" + after, exact: subject}, nil
	}
	first := low[strings.LastIndexByte(low, '/')+1:]
	if len(first) != len(high) || first == "" || first > high || strings.ContainsAny(high, "/*") || strings.Contains(high, "..") {
		return s, &InvalidError{"subject", "a range has two values of the same length, the lower one first"}
	}
	return span{from: low, to: low[:len(low)-len(first)] + high + after}, nil
}

// has tells whether a text lies in the range.
func (s span) has(text string) bool {
	if s.exact != "" {
		return text == s.exact || strings.HasPrefix(text, s.exact) && text[len(s.exact)] == '/'
	}
	return s.from <= text && text < s.to
}

// arrange orders ranges. Errors: ErrOverlap.
func arrange(all ranges) (ranges, error) {
	slices.SortFunc(all, func(a, b span) int {
		if c := strings.Compare(a.from, b.from); c != 0 {
			return c
		}
		return strings.Compare(b.to, a.to)
	})
	var outer []int // ranges that are open where we are, the narrowest last
	for i := range all {
		for len(outer) > 0 && all[outer[len(outer)-1]].to <= all[i].from {
			outer = outer[:len(outer)-1]
		}
		all[i].parent = -1
		if len(outer) > 0 {
			all[i].parent = outer[len(outer)-1]
			if all[all[i].parent].to < all[i].to {
				return nil, ErrOverlap
			}
		}
		outer = append(outer, i)
	}
	return all, nil
}

// find returns the narrowest range that has a text.
func (r ranges) find(text string) (Delegation, bool) {
	i := sort.Search(len(r), func(i int) bool { return r[i].from > text }) - 1
	for ; i >= 0; i = r[i].parent {
		if r[i].has(text) {
			return r[i].Delegation, true
		}
	}
	return Delegation{}, false
}

// Delegated returns the narrowest delegation of a text in the form of anchors.
// It answers from memory.
func (b *Book) Delegated(_ context.Context, anchor string) (Delegation, bool, error) {
	d, ok := b.delegated.Load().find(anchor)
	return d, ok, nil
}

// Delegations are all, in the order of their subjects.
func (b *Book) Delegations() []Delegation {
	all := make([]Delegation, 0, len(*b.delegated.Load()))
	for _, s := range *b.delegated.Load() {
		all = append(all, s.Delegation)
	}
	slices.SortFunc(all, func(a, b Delegation) int { return strings.Compare(a.Subject, b.Subject) })
	return all
}

// Delegate says that another node answers for a subject; one that was delegated
// before gets the new node. Ranges lie in one another, or apart. Errors:
// *InvalidError, ErrOverlap, ErrFull.
func (b *Book) Delegate(ctx context.Context, d Delegation) error {
	s, err := parseSubject(d.Subject)
	if err != nil {
		return err
	}
	if err := checkTarget("handledBy", d.HandledBy); err != nil {
		return err
	}
	if strings.ContainsAny(d.HandledBy, "?#") {
		return &InvalidError{"handledBy", "it is the root of a resolver, without a query"}
	}
	d.HandledBy = strings.TrimSuffix(d.HandledBy, "/")
	d.Changed = b.clock.Now().UTC().Truncate(time.Millisecond)
	s.Delegation = d
	return b.changeDelegations(ctx, func(all ranges) (ranges, string, []any, error) {
		all = slices.DeleteFunc(all, func(o span) bool { return o.Subject == d.Subject })
		if len(all) >= MaxDelegations {
			return nil, "", nil, ErrFull
		}
		return append(all, s), `INSERT INTO delegations (subject, handled_by, publisher, changed) VALUES (?, ?, ?, ?)
			ON CONFLICT (subject) DO UPDATE SET handled_by = excluded.handled_by, publisher = excluded.publisher, changed = excluded.changed`,
			[]any{d.Subject, d.HandledBy, d.By, d.Changed.UnixMilli()}, nil
	})
}

// Undelegate ends a delegation. Errors: ErrNotFound.
func (b *Book) Undelegate(ctx context.Context, subject string) error {
	return b.changeDelegations(ctx, func(all ranges) (ranges, string, []any, error) {
		had := len(all)
		if all = slices.DeleteFunc(all, func(o span) bool { return o.Subject == subject }); len(all) == had {
			return nil, "", nil, ErrNotFound
		}
		return all, `DELETE FROM delegations WHERE subject = ?`, []any{subject}, nil
	})
}

// changeDelegations changes a row and then what is in memory; edit gives the
// list as it will be, and the statement.
func (b *Book) changeDelegations(ctx context.Context, edit func(ranges) (ranges, string, []any, error)) error {
	b.delegating.Lock()
	defer b.delegating.Unlock()
	all, query, args, err := edit(slices.Clone(*b.delegated.Load()))
	if err != nil {
		return err
	}
	if all, err = arrange(all); err != nil {
		return err
	}
	// It waits for its commit whatever becomes of the caller, so that memory and
	// disk say the same.
	err = b.file.Change(context.WithoutCancel(ctx), "change delegations", func(t *store.Tx) error {
		_, err := t.Exec(query, args...)
		return err
	})
	if err == nil {
		b.delegated.Store(&all)
		b.changes.Add(1)
	}
	return err
}

func (b *Book) loadDelegations(ctx context.Context) error {
	all, err := store.Many(ctx, b.file, "delegations", func(r store.Row) (s span, err error) {
		var d Delegation
		var changed int64
		if err := r.Scan(&d.Subject, &d.HandledBy, &d.By, &changed); err != nil {
			return s, err
		}
		d.Changed = time.UnixMilli(changed).UTC()
		if s, err = parseSubject(d.Subject); err != nil {
			return s, err
		}
		s.Delegation = d
		return s, nil
	}, `SELECT subject, handled_by, publisher, changed FROM delegations`)
	if err != nil {
		return err
	}
	list, err := arrange(all)
	if err != nil {
		return err
	}
	b.delegated.Store(&list)
	return nil
}
