package linkset

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
)

// Chunk is a part of a file to import that is a whole file itself.
type Chunk struct {
	Kind  string // media type
	Body  []byte
	Links int // lines of a table, or contexts
	shift int // of a line or context, against that of the whole file
}

// Place is a place in a chunk, as a *FormatError or a node's problem names it,
// as one of the whole file.
func (c Chunk) Place(place string) string {
	var n int
	for _, form := range []string{"line %d", "/linkset/%d"} {
		if _, err := fmt.Sscanf(place, form, &n); err == nil {
			return fmt.Sprintf(form, n+c.shift)
		}
	}
	return place
}

// Chunks cuts a linkset or a table into parts of about size bytes, without
// holding the whole of it.
func Chunks(r io.Reader, table bool, size int) iter.Seq2[Chunk, error] {
	if table {
		return tableChunks(r, size)
	}
	return func(yield func(Chunk, error) bool) {
		d := json.NewDecoder(r)
		if err := openLinkset(d); err != nil {
			yield(Chunk{}, &FormatError{"/linkset", err})
			return
		}
		var b bytes.Buffer
		n, first := 0, 0
		cut := func() bool {
			c := Chunk{Kind: MediaType, Body: append(b.Bytes(), "]}"...), Links: n - first, shift: first}
			b, first = bytes.Buffer{}, n
			return yield(c, nil)
		}
		for ; d.More(); n++ {
			var context json.RawMessage
			if err := d.Decode(&context); err != nil {
				yield(Chunk{}, &FormatError{fmt.Sprintf("/linkset/%d", n), err})
				return
			}
			if b.Len() > 0 && b.Len()+len(context) > size && !cut() {
				return
			}
			begin := ","
			if b.Len() == 0 {
				begin = `{"linkset":[`
			}
			_, _ = b.WriteString(begin) // a buffer takes everything
			_, _ = b.Write(context)
		}
		if b.Len() > 0 {
			cut()
		}
	}
}

func tableChunks(r io.Reader, size int) iter.Seq2[Chunk, error] {
	return func(yield func(Chunk, error) bool) {
		in := csv.NewReader(r)
		head, err := in.Read()
		if err != nil {
			yield(Chunk{}, &FormatError{"line 1", err})
			return
		}
		c := newTable(head)
		for {
			row, err := in.Read()
			if errors.Is(err, io.EOF) {
				break
			}
			line := lineOf(in, err)
			if err != nil {
				yield(Chunk{}, &FormatError{fmt.Sprintf("line %d", line), err})
				return
			}
			c.add(row, line)
			if c.b.Len() >= size {
				if !yield(c.cut(), nil) {
					return
				}
				c = newTable(head)
			}
		}
		if c.links > 0 {
			yield(c.cut(), nil)
		}
	}
}

// table is a chunk of a table while it grows.
type table struct {
	b            *bytes.Buffer
	w            *csv.Writer
	links, shift int
}

func newTable(head []string) *table {
	b := &bytes.Buffer{}
	t := &table{b: b, w: csv.NewWriter(b)}
	_ = t.w.Write(head) // a buffer takes everything
	return t
}

func (t *table) add(row []string, line int) {
	if t.links == 0 {
		t.shift = line - 2
	}
	t.links++
	_ = t.w.Write(row)
	t.w.Flush()
}

func (t *table) cut() Chunk {
	return Chunk{Kind: "text/csv", Body: t.b.Bytes(), Links: t.links, shift: t.shift}
}
