package directory

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"primum/internal/jsonpath"
	"primum/internal/store"
	"primum/thing"
	"primum/thing/td"
)

// Bounds of a search.
const (
	maxSteps  = 20_000_000 // of the query, and a step for each readBytes
	readBytes = 16
	maxAnswer = 16 << 20 // bytes
	maxWhole  = 8 << 20  // bytes of descriptions that a query wants as one document
	maxRows   = 100_000  // of the index for one query
	maxTerms  = 64       // of the index for one query
	scanPage  = 64       // entries read at once
)

// search is one search on its way.
type search struct {
	d     *Directory
	v     Viewer
	q     *jsonpath.Query
	plain bool // what the query selects are whole entries
	steps int
	out   bytes.Buffer
}

// Search answers a JSONPath query (RFC 9535) over the list of what a viewer
// sees, in the order of ids, with a JSON array of what it selects. Filters on
// id, title, @type and on names of properties, actions and events are answered
// from an index. Errors: *jsonpath.Error, ErrBroad, jsonpath.ErrBudget.
func (d *Directory) Search(ctx context.Context, v Viewer, query string) ([]byte, error) {
	q, err := jsonpath.Parse(query)
	if err != nil {
		return nil, err
	}
	if err := d.expire(ctx); err != nil {
		return nil, err
	}
	s := &search{d: d, v: v, q: q, steps: maxSteps}
	c, each, whole := q.Elements()
	s.plain = each && whole
	if !each {
		err = s.atOnce(ctx)
	} else if rows, exact, indexed, lookErr := d.lookUp(ctx, v, c); lookErr != nil {
		err = lookErr
	} else if indexed {
		err = s.picked(ctx, rows, exact && s.plain)
	} else {
		err = s.scan(ctx)
	}
	if err != nil {
		return nil, err
	}
	return append(append([]byte{'['}, s.out.Bytes()...), ']'), nil
}

// add puts a value into the answer.
func (s *search) add(b []byte) error {
	if s.out.Len()+len(b) > maxAnswer {
		return ErrBroad
	}
	if s.out.Len() > 0 {
		s.out.WriteByte(',')
	}
	s.out.Write(b)
	return nil
}

// ask asks the query of one document and takes what it selects.
func (s *search) ask(ctx context.Context, document any) error {
	nodes, err := s.q.Select(ctx, document, &s.steps)
	if err != nil {
		return err
	}
	for _, n := range nodes {
		b, err := marshal(n)
		if err != nil {
			return err
		}
		if err := s.add(b); err != nil {
			return err
		}
	}
	return nil
}

// askOne asks the query of one entry. A whole entry that it selects comes as it
// was given, its members in their order.
func (s *search) askOne(ctx context.Context, e Entry) error {
	one, err := s.decode(e)
	if err != nil {
		return err
	}
	if !s.plain {
		return s.ask(ctx, []any{one})
	}
	nodes, err := s.q.Select(ctx, []any{one}, &s.steps)
	if err != nil || len(nodes) == 0 {
		return err
	}
	return s.add(e.Bytes(at(0)))
}

func (s *search) decode(e Entry) (any, error) {
	if s.steps -= len(e.TD) / readBytes; s.steps < 0 {
		return nil, jsonpath.ErrBudget
	}
	v, err := thing.DecodeLarge(e.Bytes(at(0)), 2*td.MaxBytes)
	if err != nil {
		return nil, fmt.Errorf("read what is kept: %w", err)
	}
	return v, nil
}

// turn waits for one of the few places of those who read much.
func (s *search) turn(ctx context.Context) (leave func(), err error) {
	select {
	case s.d.scans <- struct{}{}:
		return func() { <-s.d.scans }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// scan asks the query of every entry.
func (s *search) scan(ctx context.Context) error {
	leave, err := s.turn(ctx)
	if err != nil {
		return err
	}
	defer leave()
	return s.each(ctx, func(e Entry) error {
		return s.askOne(ctx, e)
	})
}

// each visits all entries that the viewer sees.
func (s *search) each(ctx context.Context, visit func(Entry) error) error {
	q, own, owners, err := s.d.queriesFor(s.v)
	if err != nil {
		return err
	}
	for after := ""; ; {
		part, err := store.Many(ctx, s.d.file, "things", scanEntry, q.after, own, owners, after, scanPage)
		if err != nil {
			return err
		}
		for _, e := range part {
			if err := visit(e); err != nil {
				return err
			}
			after = e.ID
		}
		if len(part) < scanPage {
			return nil
		}
	}
}

// atOnce makes one document of all entries: for queries that begin neither with
// a filter nor with a wildcard, or look back at the root.
func (s *search) atOnce(ctx context.Context) error {
	leave, err := s.turn(ctx)
	if err != nil {
		return err
	}
	defer leave()
	list, size := []any{}, 0
	err = s.each(ctx, func(e Entry) error {
		if size += len(e.TD); size > maxWhole {
			return ErrBroad
		}
		one, err := s.decode(e)
		list = append(list, one)
		return err
	})
	if err != nil {
		return err
	}
	return s.ask(ctx, list)
}

// picked asks the query of some entries; sure: they are the answer.
func (s *search) picked(ctx context.Context, rows []int64, sure bool) error {
	q, own, owners, err := s.d.queriesFor(s.v)
	if err != nil {
		return err
	}
	if !sure && len(rows) > scanPage {
		leave, err := s.turn(ctx)
		if err != nil {
			return err
		}
		defer leave()
	}
	entries, err := s.load(ctx, q.pick, own, owners, rows)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if sure {
			if err := s.add(e.Bytes(at(0))); err != nil {
				return err
			}
			continue
		}
		if err := s.askOne(ctx, e); err != nil {
			return err
		}
	}
	return nil
}

// load reads entries by their rows, in the order of ids.
func (s *search) load(ctx context.Context, query, own, owners string, rows []int64) ([]Entry, error) {
	var all []Entry
	size := 0
	for part := range slices.Chunk(rows, 4*scanPage) {
		list, err := json.Marshal(part)
		if err != nil {
			return nil, fmt.Errorf("search things: %w", err)
		}
		some, err := store.Many(ctx, s.d.file, "things", scanEntry, query, own, owners, string(list))
		if err != nil {
			return nil, err
		}
		for _, e := range some {
			if size += len(e.TD); size > 2*maxAnswer {
				return nil, ErrBroad
			}
		}
		all = append(all, some...)
	}
	slices.SortFunc(all, func(a, b Entry) int {
		if a.ID < b.ID {
			return -1
		}
		return 1 // a viewer sees an id once
	})
	return all, nil
}
