package mlspeer

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"primum/mls"
)

// TestMatrix seats the implementations at a table of four in every way there
// is, and prints who can do what with whom.
func TestMatrix(t *testing.T) { matrix(t, classic, kinds()) }

// TestHybridMatrix is TestMatrix in the post-quantum hybrid suite, which mls-go
// has no means to compose.
func TestHybridMatrix(t *testing.T) { matrix(t, hybrid, []string{OursName, tsName}) }

func matrix(t *testing.T, suite uint16, kinds []string) {
	f := startFleet(t, kinds...)
	table := newTable(fmt.Sprintf("%v: %s", mls.Suite(suite), f.versions(t)), steps())
	counter := new(rooms)
	t.Run("seats", func(t *testing.T) {
		for _, seating := range seatings(kinds) {
			t.Run(strings.Join(seating, ","), func(t *testing.T) {
				t.Parallel()
				evening(t, table, func() (*room, error) { return counter.open(f, suite, seating) }, seating)
			})
		}
	})
	t.Log("\n" + table.String())
	doc, err := os.ReadFile("../../docs/interop.md")
	if err != nil {
		t.Fatal(err)
	}
	if !t.Failed() && !strings.Contains(string(doc), table.body()) {
		t.Error("docs/interop.md shows another table")
	}
}

// seatings are all ways to seat the kinds at four places.
func seatings(kinds []string) (out [][]string) {
	out = [][]string{nil}
	for range 4 {
		var next [][]string
		for _, s := range out {
			for _, kind := range kinds {
				next = append(next, append(slices.Clone(s), kind))
			}
		}
		out = next
	}
	return out
}

// evening runs all steps in one seating. After a step that failed the group is
// made anew, so that each cell speaks for itself.
func evening(t *testing.T, table *table, open func() (*room, error), seating []string) {
	var r *room
	for i, st := range steps() {
		if r == nil {
			var err error
			if r, err = newRoom(open, i); err != nil {
				t.Errorf("%s: %v", st.name, err)
				table.set(seating, st.name, err)
				continue
			}
		}
		err := st.run(r)
		table.set(seating, st.name, err)
		if broken(err) {
			t.Errorf("%s: %v", st.name, err)
			r = nil
		}
	}
}

// broken tells an error that leaves the group unusable from what is known.
func broken(err error) bool {
	var none notHere
	var known defect
	return err != nil && !errors.As(err, &none) && !errors.As(err, &known)
}

// newRoom opens a room and founds its group, unless that is what comes next.
func newRoom(open func() (*room, error), next int) (*room, error) {
	r, err := open()
	if err != nil || next < founding {
		return r, err
	}
	for _, st := range steps()[:founding] {
		if err := st.run(r); broken(err) {
			return nil, fmt.Errorf("%s: %w", st.name, err)
		}
	}
	return r, nil
}

// table gathers what happened, by mix: how many seats each implementation has.
type table struct {
	title   string
	columns []string
	mu      sync.Mutex // guards what follows
	rows    []string
	cells   map[string]*cell // by row and column
	why     []string
}

// cell counts the seatings of a mix.
type cell struct{ passed, failed, none int }

func newTable(title string, steps []step) *table {
	t := &table{title: title, cells: map[string]*cell{}}
	for _, st := range steps {
		t.columns = append(t.columns, st.name)
	}
	return t
}

// mix names what a seating has in common with its permutations.
func mix(seating []string) string {
	var out []string
	for _, kind := range kinds() {
		n := 0
		for _, s := range seating {
			if s == kind {
				n++
			}
		}
		if n > 0 {
			out = append(out, fmt.Sprintf("%d %s", n, kind))
		}
	}
	return strings.Join(out, " + ")
}

func (t *table) set(seating []string, column string, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	row := mix(seating)
	if !slices.Contains(t.rows, row) {
		t.rows = append(t.rows, row)
	}
	c := t.cells[row+"\x00"+column]
	if c == nil {
		c = new(cell)
		t.cells[row+"\x00"+column] = c
	}
	var why notHere
	var known defect
	switch {
	case err == nil:
		c.passed++
	case errors.As(err, &why):
		c.none++
		t.note("— " + column + ": " + string(why))
	case errors.As(err, &known):
		c.failed++
		t.note("✗ " + column + ": " + string(known))
	default:
		c.failed++
		t.note("✗ " + column + " in " + strings.Join(seating, ",") + ": " + err.Error())
	}
}

func (t *table) note(s string) {
	if !slices.Contains(t.why, s) {
		t.why = append(t.why, s)
	}
}

// String is the table below its title.
func (t *table) String() string { return t.title + "\n\n" + t.body() }

// body is ✓, ✗ or — with the number of seatings, as Markdown, and the reasons.
func (t *table) body() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	slices.Sort(t.rows)
	slices.Sort(t.why)
	lines := [][]string{append([]string{"four seats"}, t.columns...)}
	for _, row := range t.rows {
		line := []string{row}
		for _, column := range t.columns {
			line = append(line, t.cells[row+"\x00"+column].String())
		}
		lines = append(lines, line)
	}
	var b strings.Builder
	for i, line := range lines {
		for c, text := range line {
			fmt.Fprintf(&b, "| %-*s ", width(lines, c), text)
		}
		b.WriteString("|\n")
		if i == 0 {
			for c := range line {
				b.WriteString("|" + strings.Repeat("-", width(lines, c)+2))
			}
			b.WriteString("|\n")
		}
	}
	b.WriteString("\n")
	for _, s := range t.why {
		b.WriteString("- " + s + "\n")
	}
	return b.String()
}

// width is that of a column in runes.
func width(lines [][]string, column int) (n int) {
	for _, line := range lines {
		n = max(n, utf8.RuneCountInString(line[column]))
	}
	return n
}

func (c *cell) String() string {
	if c == nil {
		return ""
	}
	var out []string
	for _, part := range []struct {
		mark string
		n    int
	}{{"✓", c.passed}, {"✗", c.failed}, {"—", c.none}} {
		if part.n > 0 {
			out = append(out, fmt.Sprintf("%s %d", part.mark, part.n))
		}
	}
	return strings.Join(out, " ")
}
