package thing

import (
	"encoding/json"
	"strconv"
	"strings"
)

// reader makes a tree of JSON that json.Valid has taken: it needs no care for
// the grammar, and is several times faster than encoding/json's tokens.
type reader struct {
	b  []byte
	at int
	in []place // names and numbers down to where it is
}

// place is a member's name, or an item's number where number is 0 or more.
type place struct {
	name   string
	number int
}

// pointer is where the reader is (RFC 6901).
func (r *reader) pointer() string {
	var b strings.Builder
	for _, p := range r.in {
		b.WriteByte('/')
		if p.number >= 0 {
			b.WriteString(strconv.Itoa(p.number))
			continue
		}
		b.WriteString(escape(p.name))
	}
	return b.String()
}

// next is the next byte that is no blank.
func (r *reader) next() byte {
	for ; ; r.at++ {
		switch c := r.b[r.at]; c {
		case ' ', '\t', '\n', '\r':
		default:
			return c
		}
	}
}

func (r *reader) value() (any, *Problem) {
	switch r.next() {
	case '{':
		return r.members()
	case '[':
		return r.items()
	case '"':
		return r.text(), nil
	case 't':
		r.at += len("true")
		return true, nil
	case 'f':
		r.at += len("false")
		return false, nil
	case 'n':
		r.at += len("null")
		return nil, nil
	}
	return r.number()
}

func (r *reader) number() (any, *Problem) {
	from := r.at
	for r.at < len(r.b) && strings.IndexByte("+-.0123456789Ee", r.b[r.at]) >= 0 {
		r.at++
	}
	n := json.Number(r.b[from:r.at])
	if _, ok := Number(n); !ok {
		return nil, wrong(r.pointer(), "number is out of range")
	}
	return n, nil
}

func (r *reader) text() string {
	from, plain := r.at, true
	for r.at++; r.b[r.at] != '"'; r.at++ {
		if r.b[r.at] == '\\' {
			plain = false
			r.at++
		}
	}
	r.at++
	if plain {
		return string(r.b[from+1 : r.at-1])
	}
	var s string
	_ = json.Unmarshal(r.b[from:r.at], &s) // it is a valid string
	return s
}

func (r *reader) members() (any, *Problem) {
	all := map[string]any{}
	for r.at++; r.next() != '}'; {
		if r.b[r.at] == ',' {
			r.at++
			r.next()
		}
		name := r.text()
		r.in = append(r.in, place{name, -1})
		if _, twice := all[name]; twice {
			return nil, wrong(r.pointer(), "member appears twice")
		}
		r.next() // the colon
		r.at++
		v, p := r.value()
		if p != nil {
			return nil, p
		}
		all[name] = v
		r.in = r.in[:len(r.in)-1]
	}
	r.at++
	return all, nil
}

func (r *reader) items() (any, *Problem) {
	list := []any{}
	for r.at++; r.next() != ']'; {
		if r.b[r.at] == ',' {
			r.at++
		}
		r.in = append(r.in, place{number: len(list)})
		v, p := r.value()
		if p != nil {
			return nil, p
		}
		list = append(list, v)
		r.in = r.in[:len(r.in)-1]
	}
	r.at++
	return list, nil
}
