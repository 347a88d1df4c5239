package directory

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"primum/internal/jsonpath"
	"primum/internal/store"
)

// lookup is what one query may still ask the index.
type lookup struct {
	d     *Directory
	v     Viewer
	terms int
	rows  int
}

func (d *Directory) lookUp(ctx context.Context, v Viewer, c jsonpath.Condition) (rows []int64, exact, indexed bool, err error) {
	return (&lookup{d, v, maxTerms, maxRows}).find(ctx, c)
}

// find finds the rows that a condition can hold for, by the index. exact: it
// holds for each of them. indexed is false where the index says nothing, or too
// much, or is asked for too much.
func (l *lookup) find(ctx context.Context, c jsonpath.Condition) (rows []int64, exact, indexed bool, err error) {
	switch c.Sort {
	case jsonpath.All:
		return l.all(ctx, c.Parts)
	case jsonpath.Any:
		return l.any(ctx, c.Parts)
	case jsonpath.Equal, jsonpath.Exists, jsonpath.Contains:
		if l.terms--; l.terms < 0 || l.rows < 0 {
			return nil, false, false, nil
		}
		rows, exact, indexed, err = l.one(ctx, c)
		l.rows -= len(rows)
		return rows, exact, indexed && l.rows >= 0, err
	}
	return nil, false, false, nil
}

func (l *lookup) all(ctx context.Context, parts []jsonpath.Condition) (rows []int64, exact, indexed bool, err error) {
	exact = true
	for _, p := range parts {
		some, sure, found, err := l.find(ctx, p)
		if err != nil {
			return nil, false, false, err
		}
		exact = exact && found && sure
		switch {
		case !found:
		case indexed:
			rows = both(rows, some)
		default:
			rows, indexed = some, true
		}
	}
	return rows, exact, indexed, nil
}

func (l *lookup) any(ctx context.Context, parts []jsonpath.Condition) (rows []int64, exact, indexed bool, err error) {
	exact = true
	for _, p := range parts {
		some, sure, found, err := l.find(ctx, p)
		if err != nil || !found {
			return nil, false, false, err
		}
		exact = exact && sure
		rows = append(rows, some...)
	}
	slices.Sort(rows)
	return slices.Compact(rows), exact, true, nil
}

// both are the numbers in two sorted lists.
func both(a, b []int64) []int64 {
	var out []int64
	for len(a) > 0 && len(b) > 0 {
		switch {
		case a[0] < b[0]:
			a = a[1:]
		case a[0] > b[0]:
			b = b[1:]
		default:
			out = append(out, a[0])
			a, b = a[1:], b[1:]
		}
	}
	return out
}

// one reads the rows of one term. Terms are kept apart by who may see
// their entries: what is hidden from a viewer costs it no time.
func (l *lookup) one(ctx context.Context, c jsonpath.Condition) (rows []int64, exact, indexed bool, err error) {
	if c.Sort == jsonpath.Equal && slices.Equal(c.Path, []string{"id"}) {
		e, err := l.d.Get(ctx, l.v, c.Text)
		switch {
		case errors.Is(err, ErrNotFound):
			return nil, true, true, nil
		case err != nil:
			return nil, false, false, err
		}
		return []int64{e.n}, true, true, nil
	}
	m, ok := indexedTerm(c)
	if !ok {
		return nil, false, false, nil
	}
	scopes, err := json.Marshal(l.v.scopes())
	if err != nil {
		return nil, false, false, fmt.Errorf("search things: %w", err)
	}
	rows, err = store.Many(ctx, l.d.file, "index", func(r store.Row) (n int64, err error) { return n, r.Scan(&n) },
		`SELECT entry FROM terms WHERE scope IN (SELECT value FROM json_each(?)) AND kind = ? AND term = ? ORDER BY entry LIMIT ?`,
		string(scopes), m.kind, m.text, l.rows+1)
	return rows, true, err == nil, err
}

// indexedTerm is the term that a condition asks for.
func indexedTerm(c jsonpath.Condition) (term, bool) {
	switch {
	case c.Sort == jsonpath.Equal && slices.Equal(c.Path, []string{"title"}):
		return termOf(termTitle, c.Text), true
	case c.Sort == jsonpath.Equal && slices.Equal(c.Path, []string{"@type"}):
		return termOf(termType, c.Text), true
	case c.Sort == jsonpath.Contains && slices.Equal(c.Path, []string{"@type"}):
		return termOf(termTypes, c.Text), true
	case c.Sort == jsonpath.Exists && len(c.Path) == 2:
		kind, ok := map[string]int{"properties": termProperty, "actions": termAction, "events": termEvent}[c.Path[0]]
		return termOf(kind, c.Path[1]), ok
	}
	return term{}, false
}

// Kinds of terms in the index.
const (
	termTitle    = iota + 1
	termType     // @type is this text
	termTypes    // @type is a list with it
	termProperty // name
	termAction
	termEvent
)

// term is what an entry is found by.
type term struct {
	kind int
	text string
}

const (
	maxTerm  = 200 // bytes; a longer one is kept as its hash
	hashTerm = "sha256:"
)

func termOf(kind int, text string) term {
	if len(text) > maxTerm || strings.HasPrefix(text, hashTerm) || strings.Contains(text, "\x00") {
		sum := sha256.Sum256([]byte(text))
		text = hashTerm + hex.EncodeToString(sum[:])
	}
	return term{kind, text}
}

// MarshalJSON writes a term as a list of two.
func (t term) MarshalJSON() ([]byte, error) { return json.Marshal([2]any{t.kind, t.text}) }

func (doc document) terms() []term {
	list := []term{termOf(termTitle, doc.Title)}
	kind := termTypes
	if doc.LoneType {
		kind = termType
	}
	for of, names := range map[int][]string{kind: doc.Types, termProperty: doc.Properties, termAction: doc.Actions, termEvent: doc.Events} {
		for _, n := range names {
			list = append(list, termOf(of, n))
		}
	}
	return list
}

// Scopes: everybody; an owner alone; an owner and who it grants something.
const publicScope = "public"

func ownScope(owner string) string   { return "own " + owner }
func grantScope(owner string) string { return "grants " + owner }

// scope of an entry.
func (e Entry) scope() string {
	switch e.Visibility {
	case Public:
		return publicScope
	case Grantees:
		return grantScope(e.Owner)
	}
	return ownScope(e.Owner)
}

// scopes that a viewer sees.
func (v Viewer) scopes() []string {
	list := []string{publicScope}
	if !v.stranger() {
		list = append(list, ownScope(v.own()), grantScope(v.own()))
	}
	for _, o := range v.Owners {
		if o != v.own() {
			list = append(list, grantScope(o))
		}
	}
	slices.Sort(list[1:])
	return list
}
