package jsonpath_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"primum/internal/jsonpath"
)

// TestBombs: what grows beyond the budget ends there, whatever it asks for.
func TestBombs(t *testing.T) {
	t.Parallel()
	document := any("leaf")
	for range 30 {
		document = []any{document, document, document}[:2]
		document = map[string]any{"a": document, "b": 1.0}
	}
	long := strings.Repeat("a", 100000)
	for _, c := range []struct {
		query    string
		document any
	}{
		{"$" + strings.Repeat("..*", 20), document},
		{"$" + strings.Repeat("[*,*,*,*,*,*,*,*]", 30), []any{[]any{[]any{[]any{[]any{[]any{[]any{1.0}}}}}}}},
		{"$..[?@..[?@..[?@..zz]]]", document},
		{"$..[?@ == $]", document},
		{"$[?count(@..*) > 1e9]", []any{document}},
		{"$[?search(@, '(a|aa|b?){40}c')]", []any{long, long, long, long, long, long, long, long, long, long}},
	} {
		q, err := jsonpath.Parse(c.query)
		if err != nil {
			t.Errorf("%s: %v", c.query, err)
			continue
		}
		steps := 200000
		if _, err := q.Select(context.Background(), c.document, &steps); !errors.Is(err, jsonpath.ErrBudget) {
			t.Errorf("%.40s: %v, want ErrBudget (%d steps left)", c.query, err, steps)
		}
	}
}

// TestEndedContext: an evaluation whose caller has gone ends.
func TestEndedContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	q, err := jsonpath.Parse("$..*")
	if err != nil {
		t.Fatal(err)
	}
	steps := 1 << 20
	if _, err := q.Select(ctx, make([]any, 10000), &steps); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// TestPlaces: a query that is none is refused with the place.
func TestPlaces(t *testing.T) {
	t.Parallel()
	for query, offset := range map[string]int{
		"":                              0,
		"*/id":                          0,
		"$[":                            2,
		"$[?@.a == ]":                   10,
		"$.a b":                         3,
		"$[?@.* == 1]":                  3,
		"$[?length(@.a)]":               3,
		"$[?nothing(@)]":                3,
		"$['a":                          4,
		"$[01]":                         2,
		"$[?'a']":                       3,
		"$[?" + strings.Repeat("(", 40): 26,
		strings.Repeat("$", 4000):       jsonpath.MaxQuery,
	} {
		_, err := jsonpath.Parse(query)
		var place *jsonpath.Error
		if !errors.As(err, &place) || place.Offset != offset {
			t.Errorf("%.30q: %v, want it refused at byte %d", query, err, offset)
		}
	}
}

// FuzzSelect: no query and no document makes it fail or go beyond its budget.
func FuzzSelect(f *testing.F) {
	for _, q := range []string{
		"$", "$[?@.id=='x']", "$..*", "$[1:2:-1]", "$[?match(@.a,'[a-c]+') || !(@.b < 3)]", `$["\u00e9"]`,
		"$[?count(@..*)>2 && value(@.x)==null]", "$[?@['@type'][?@=='Lamp']].title", "$[?length(@)>-0.5e1]",
	} {
		f.Add(q, `[{"id":"x","a":"abc"},[1,2,3]]`)
	}
	f.Fuzz(func(t *testing.T, query, document string) {
		q, err := jsonpath.Parse(query)
		if err != nil {
			return
		}
		var d any
		if json.Unmarshal([]byte(document), &d) != nil {
			return
		}
		steps := 10000
		out, err := q.Select(context.Background(), d, &steps)
		if err == nil && len(out) > 10000 {
			t.Errorf("%d nodes for 10000 steps", len(out))
		}
		_, each, _ := q.Elements()
		if list, ok := d.([]any); ok && each && err == nil {
			same(t, q, list, out)
		}
	})
}

// same checks that asking each element for itself finds the same nodes.
func same(t *testing.T, q *jsonpath.Query, list, want []any) {
	t.Helper()
	steps := 100000
	var got []any
	for _, one := range list {
		part, err := q.Select(context.Background(), []any{one}, &steps)
		if err != nil {
			return
		}
		got = append(got, part...)
	}
	if len(got)+len(want) > 0 && !reflect.DeepEqual(got, want) {
		t.Errorf("one by one %v, at once %v", got, want)
	}
}

// TestElements: what an index is asked for.
func TestElements(t *testing.T) {
	t.Parallel()
	for query, want := range map[string]string{
		"$[?@.id=='x']":                           "{3 [] [id] x} true true",
		"$[?'x'==@['id']].title":                  "{3 [] [id] x} true false",
		"$[?@.properties.on && @.a > 1]":          "{1 [{4 [] [properties on] } {0 [] [] }] [] } true true",
		"$[?@['@type'][?@=='L'] || @.title=='t']": "{2 [{5 [] [@type] L} {3 [] [title] t}] [] } true true",
		"$[*].id":           "{0 [] [] } true false",
		"$[?@.id==$[0].id]": "{0 [] [] } false false",
		"$[?!(@.id=='x')]":  "{0 [] [] } true true",
		"$..id":             "{0 [] [] } false false",
		"$[0]":              "{0 [] [] } false false",
		"$":                 "{0 [] [] } false false",
		"$[?@]":             "{4 [] [] } true true",
	} {
		q, err := jsonpath.Parse(query)
		if err != nil {
			t.Fatal(query, err)
		}
		c, each, whole := q.Elements()
		if got := fmt.Sprint(c, each, whole); got != want {
			t.Errorf("%s: %s, want %s", query, got, want)
		}
	}
}
