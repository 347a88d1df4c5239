package linkset

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"
)

// FormatError says where a file to import can't be read.
type FormatError struct {
	Place string // "line 12", "/linkset/3"
	Err   error
}

func (e *FormatError) Error() string { return e.Place + ": " + e.Err.Error() }

// Unwrap returns the reason.
func (e *FormatError) Unwrap() error { return e.Err }

// Canonical makes an anchor of what a file calls one: an address, a path, an
// element string.
type Canonical func(string) (string, error)

// ReadJSON reads a linkset (RFC 9264 §4.2), one context at a time. Errors:
// *FormatError.
func ReadJSON(r io.Reader, canonical Canonical) iter.Seq2[Item, error] {
	return func(yield func(Item, error) bool) {
		d := json.NewDecoder(r)
		if err := openLinkset(d); err != nil {
			yield(Item{}, &FormatError{"/linkset", err})
			return
		}
		for i := 0; d.More(); i++ {
			place := fmt.Sprintf("/linkset/%d", i)
			var context map[string]json.RawMessage
			if err := d.Decode(&context); err != nil {
				yield(Item{}, &FormatError{place, err})
				return
			}
			if context["anchor"] == nil { // words about the linkset itself
				continue
			}
			it, err := readContext(context, canonical)
			if err != nil {
				yield(Item{}, &FormatError{place, err})
				return
			}
			if !yield(it, nil) {
				return
			}
		}
		if _, err := d.Token(); err != nil {
			yield(Item{}, &FormatError{"/linkset", err})
		}
	}
}

// openLinkset reads up to the first context.
func openLinkset(d *json.Decoder) error {
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return errors.Join(errors.New("it is no linkset: an object with the member linkset"), err)
	}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return err
		}
		if name != "linkset" {
			var skipped json.RawMessage
			if err := d.Decode(&skipped); err != nil {
				return err
			}
			continue
		}
		if t, err := d.Token(); err != nil || t != json.Delim('[') {
			return errors.Join(errors.New("its member linkset is no array"), err)
		}
		return nil
	}
	return errors.New("it has no member linkset")
}

func readContext(context map[string]json.RawMessage, canonical Canonical) (it Item, err error) {
	var anchor string
	if err := json.Unmarshal(context["anchor"], &anchor); err != nil {
		return it, &InvalidError{"anchor", "it is no text"}
	}
	if it.Anchor, err = canonical(anchor); err != nil {
		return it, err
	}
	if raw := context["itemDescription"]; raw != nil && json.Unmarshal(raw, &it.Description) != nil {
		return it, &InvalidError{"itemDescription", "it is no text"}
	}
	var marks []Entry
	var names []string
	for name := range context {
		if name != "anchor" && name != "itemDescription" && !strings.HasPrefix(name, "@") {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		entries, err := readTargets(name, context[name])
		if err != nil {
			return it, err
		}
		if len(entries) > 0 && (entries[0].LinkType == DefaultLink || entries[0].LinkType == DefaultMulti) {
			marks = append(marks, entries...)
		} else {
			it.Entries = append(it.Entries, entries...)
		}
	}
	it.Entries = mark(it.Entries, marks)
	return it, nil
}

func readTargets(name string, raw json.RawMessage) ([]Entry, error) {
	linkType, err := NormalType(name)
	if err != nil {
		return nil, err
	}
	var targets []target
	if err := json.Unmarshal(raw, &targets); err != nil {
		return nil, &InvalidError{"linkType", "a link type has an array of targets with href and title"}
	}
	entries := make([]Entry, len(targets))
	for i, t := range targets {
		entries[i] = Entry{
			LinkType: linkType, Href: t.Href, Title: t.Title, Type: t.Type, Langs: t.Langs, Context: t.Context,
			NoQuery: t.Forward != nil && !*t.Forward,
		}
	}
	return entries, nil
}

// mark makes defaults of the links that a document names as such once more;
// those that stand nowhere else become links of their own.
func mark(entries, marks []Entry) []Entry {
	// What is the default alone goes before what is one of several.
	slices.SortStableFunc(marks, func(a, b Entry) int { return strings.Compare(a.LinkType, b.LinkType) })
	for n, m := range marks {
		same := func(e Entry) bool {
			return e.Href == m.Href && (m.LinkType == DefaultLink || e.Type == m.Type && slices.Equal(e.Langs, m.Langs) && slices.Equal(e.Context, m.Context))
		}
		i := slices.IndexFunc(entries, same)
		switch {
		case i < 0:
			entries = append(entries, m)
		case n == 0: // it stays the first default
			e := entries[i]
			e.Default = true
			entries = slices.Insert(slices.Delete(entries, i, i+1), 0, e)
		default:
			entries[i].Default = true
		}
	}
	return entries
}

// columns of a CSV file; the first line names those it has, in any order.
func columns() []string {
	return []string{"anchor", "itemDescription", "linkType", "href", "title", "hreflang", "type", "context", "default", "fwqs"}
}

// ReadCSV reads links from a table, one a line. Several languages or contexts
// stand in one cell, with spaces between. Neighbouring lines of one anchor
// become one item. Errors: *FormatError.
func ReadCSV(r io.Reader, canonical Canonical) iter.Seq2[Item, error] {
	return func(yield func(Item, error) bool) {
		table := csv.NewReader(r)
		table.ReuseRecord = true
		at, err := header(table)
		if err != nil {
			yield(Item{}, &FormatError{"line 1", err})
			return
		}
		var item Item
		for {
			row, err := table.Read()
			if errors.Is(err, io.EOF) {
				break
			}
			var next Item
			if err == nil {
				next, err = readRow(row, at, canonical)
			}
			if err != nil {
				yield(Item{}, &FormatError{fmt.Sprintf("line %d", lineOf(table, err)), err})
				return
			}
			if next.Anchor == item.Anchor && len(item.Entries) < MaxEntries {
				item = join(item, next)
				continue
			}
			if item.Anchor != "" && !yield(item, nil) {
				return
			}
			item = next
		}
		if item.Anchor != "" {
			yield(item, nil)
		}
	}
}

// lineOf is the line that was just read, well or not.
func lineOf(table *csv.Reader, err error) int {
	var bad *csv.ParseError
	if errors.As(err, &bad) {
		return bad.StartLine
	}
	line, _ := table.FieldPos(0)
	return line
}

func header(table *csv.Reader) (map[string]int, error) {
	row, err := table.Read()
	if err != nil {
		return nil, err
	}
	at := map[string]int{}
	for i, name := range row {
		name = strings.TrimPrefix(strings.TrimSpace(name), "\ufeff")
		if !slices.Contains(columns(), name) {
			return nil, fmt.Errorf("there is no column %q; they are %s", name, strings.Join(columns(), ", "))
		}
		at[name] = i
	}
	for _, name := range []string{"anchor", "linkType", "href"} {
		if _, ok := at[name]; !ok {
			return nil, fmt.Errorf("the column %s is missing", name)
		}
	}
	return at, nil
}

func readRow(row []string, at map[string]int, canonical Canonical) (it Item, err error) {
	cell := func(name string) string {
		if i, ok := at[name]; ok && i < len(row) {
			return strings.TrimSpace(row[i])
		}
		return ""
	}
	if it.Anchor, err = canonical(cell("anchor")); err != nil {
		return it, err
	}
	e := Entry{
		LinkType: cell("linkType"), Href: cell("href"), Title: cell("title"), Type: cell("type"),
		Langs: strings.Fields(cell("hreflang")), Context: strings.Fields(cell("context")), Default: cell("default") == "true",
		NoQuery: cell("fwqs") == "false",
	}
	if e, err = e.checked(); err != nil {
		return it, err
	}
	it.Entries = []Entry{e}
	if it.Description = cell("itemDescription"); it.Description != "" && len(e.Langs) == 1 {
		it.Local = map[string]string{e.Langs[0]: it.Description}
	}
	return it, nil
}

// join adds the second item's links and texts to the first.
func join(a, b Item) Item {
	it, _ := mergeItem(&a, b)
	return *it
}

// WriteCSV writes items as ReadCSV reads them.
func WriteCSV(w io.Writer, items iter.Seq2[*Item, error]) error {
	table := csv.NewWriter(w)
	if err := table.Write(columns()); err != nil {
		return err
	}
	for it, err := range items {
		if err != nil {
			return err
		}
		for _, e := range it.Entries {
			what := it.Description
			if len(e.Langs) == 1 && it.Local[e.Langs[0]] != "" {
				what = it.Local[e.Langs[0]]
			}
			var mark, forward string
			if e.Default {
				mark = "true"
			}
			if e.NoQuery {
				forward = "false"
			}
			err := table.Write([]string{it.Anchor, what, e.LinkType, e.Href, e.Title, strings.Join(e.Langs, " "), e.Type, strings.Join(e.Context, " "), mark, forward})
			if err != nil {
				return err
			}
		}
	}
	table.Flush()
	return table.Error()
}
