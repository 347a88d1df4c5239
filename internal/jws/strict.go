package jws

import (
	"bytes"
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strconv"
	"strings"
	"unicode/utf8"
)

// MaxDepth is how deeply objects and arrays may be nested.
const MaxDepth = 32

// PlaceError says where in a JSON document something is wrong.
type PlaceError struct {
	Pointer string // RFC 6901; empty for the whole document
	Reason  string // for people
}

// Error names the place.
func (e *PlaceError) Error() string {
	if e.Pointer == "" {
		return e.Reason
	}
	return e.Reason + " at " + e.Pointer
}

// Place makes a PlaceError; reason is formatted with args.
func Place(pointer, reason string, args ...any) error {
	return &PlaceError{Pointer: pointer, Reason: fmt.Sprintf(reason, args...)}
}

// DecodeStrict reads one JSON value into v, a pointer. It refuses what is not
// UTF-8, member names that are unknown to v's type (compared exactly, not
// case-folded) or stand twice, nesting deeper than MaxDepth, wrong types, null
// where v's type has no nil, and anything after the value. Every refusal is a
// *PlaceError. A value that refuses may leave v partly filled.
func DecodeStrict(data []byte, v any) error {
	target := reflect.ValueOf(v)
	if target.Kind() != reflect.Pointer || target.IsNil() {
		return errors.New("decode JSON: the target must be a pointer")
	}
	if !utf8.Valid(data) {
		return Place("", "not valid UTF-8")
	}
	if !json.Valid(data) {
		return Place("", "not JSON")
	}
	d := &strict{data: data, dec: json.NewDecoder(bytes.NewReader(data))}
	d.dec.UseNumber()
	if err := d.value(nil, target.Elem()); err != nil {
		return err
	}
	if _, err := d.dec.Token(); err != io.EOF {
		return Place("", "data after the end of the document")
	}
	return nil
}

// place is a way into a document; it becomes text only in a refusal.
type place struct {
	up    *place
	depth int
	name  string
	index int // where name is empty and up is an array
	array bool
}

func (p *place) member(name string) *place {
	return &place{up: p, depth: p.level() + 1, name: name}
}

func (p *place) element(i int) *place {
	return &place{up: p, depth: p.level() + 1, index: i, array: true}
}

func (p *place) level() int {
	if p == nil {
		return 0
	}
	return p.depth
}

// String is the JSON pointer; long names are cut, a pointer is for reading.
func (p *place) String() string {
	if p == nil {
		return ""
	}
	name := p.name
	if p.array {
		name = strconv.Itoa(p.index)
	}
	if len(name) > maxName {
		name = strings.ToValidUTF8(name[:maxName], "") + "…"
	}
	return p.up.String() + "/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(name)
}

const maxName = 64 // bytes of a member name shown in a pointer

// refuse makes the PlaceError for this place.
func (p *place) refuse(reason string, args ...any) error {
	return Place(p.String(), reason, args...)
}

// strict walks the tokens of a document beside a Go value.
type strict struct {
	data []byte
	dec  *json.Decoder
}

// value reads the next value into v; an invalid v means: check only.
func (d *strict) value(at *place, v reflect.Value) error {
	if at.level() > MaxDepth {
		return at.refuse("nested deeper than %d", MaxDepth)
	}
	start := d.dec.InputOffset()
	tok, err := d.dec.Token()
	if err != nil {
		return at.refuse("not JSON")
	}
	own := v.IsValid() && readsItself(v)
	inner := v
	if own {
		inner = reflect.Value{}
	}
	switch tok {
	case json.Delim('{'):
		err = d.object(at, inner)
	case json.Delim('['):
		err = d.array(at, inner)
	default:
		own = v.IsValid()
	}
	if err != nil || !own {
		return err
	}
	raw := bytes.TrimLeft(d.data[start:d.dec.InputOffset()], " \t\r\n:,")
	return leaf(at, raw, tok == nil, v)
}

// readsItself tells whether v's type decodes its own JSON, or holds anything.
func readsItself(v reflect.Value) bool {
	if v.Kind() == reflect.Interface {
		return true
	}
	p := v.Addr().Interface()
	_, j := p.(json.Unmarshaler)
	_, t := p.(encoding.TextUnmarshaler)
	return j || t
}

func leaf(at *place, raw []byte, null bool, v reflect.Value) error {
	if null {
		switch v.Kind() {
		case reflect.Pointer, reflect.Slice, reflect.Map, reflect.Interface:
			v.SetZero()
			return nil
		}
		return at.refuse("null, wanted %s", wanted(v.Type()))
	}
	if err := json.Unmarshal(raw, v.Addr().Interface()); err != nil {
		var typeErr *json.UnmarshalTypeError
		if errors.As(err, &typeErr) {
			return at.refuse("%s, wanted %s", typeErr.Value, wanted(v.Type()))
		}
		return at.refuse("%v", err)
	}
	return nil
}

func (d *strict) object(at *place, v reflect.Value) error {
	v = indirect(v)
	if v.IsValid() && v.Kind() != reflect.Struct && v.Kind() != reflect.Map {
		return at.refuse("object, wanted %s", wanted(v.Type()))
	}
	if v.IsValid() && v.Kind() == reflect.Map && v.IsNil() {
		v.Set(reflect.MakeMap(v.Type()))
	}
	seen := map[string]bool{}
	for d.dec.More() {
		tok, err := d.dec.Token()
		name, ok := tok.(string)
		if err != nil || !ok {
			return at.refuse("not JSON")
		}
		place := at.member(name)
		if seen[name] {
			return place.refuse("member stands twice")
		}
		seen[name] = true
		if err := d.member(place, name, v); err != nil {
			return err
		}
	}
	return d.end(at)
}

func (d *strict) member(at *place, name string, v reflect.Value) error {
	switch {
	case !v.IsValid():
		return d.value(at, v)
	case v.Kind() == reflect.Map:
		elem := reflect.New(v.Type().Elem()).Elem()
		if err := d.value(at, elem); err != nil {
			return err
		}
		v.SetMapIndex(reflect.ValueOf(name).Convert(v.Type().Key()), elem)
		return nil
	}
	field, ok := fieldNamed(v, name)
	if !ok {
		return at.refuse("unknown member")
	}
	return d.value(at, field)
}

func (d *strict) array(at *place, v reflect.Value) error {
	v = indirect(v)
	if v.IsValid() && (v.Kind() != reflect.Slice || v.Type().Elem().Kind() == reflect.Uint8) {
		return at.refuse("array, wanted %s", wanted(v.Type()))
	}
	if v.IsValid() {
		v.Set(reflect.MakeSlice(v.Type(), 0, 0))
	}
	for i := 0; d.dec.More(); i++ {
		var elem reflect.Value
		if v.IsValid() {
			elem = reflect.New(v.Type().Elem()).Elem()
		}
		if err := d.value(at.element(i), elem); err != nil {
			return err
		}
		if v.IsValid() {
			v.Set(reflect.Append(v, elem))
		}
	}
	return d.end(at)
}

// end reads the closing bracket.
func (d *strict) end(at *place) error {
	if _, err := d.dec.Token(); err != nil {
		return at.refuse("not JSON")
	}
	return nil
}

// indirect follows pointers, making what they point to.
func indirect(v reflect.Value) reflect.Value {
	for v.IsValid() && v.Kind() == reflect.Pointer {
		if v.IsNil() {
			v.Set(reflect.New(v.Type().Elem()))
		}
		v = v.Elem()
	}
	return v
}

// fieldNamed finds the field whose JSON name is exactly name. Embedded structs
// without a name of their own are looked through.
func fieldNamed(v reflect.Value, name string) (reflect.Value, bool) {
	t := v.Type()
	for i := range t.NumField() {
		f := t.Field(i)
		tag, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case tag == "" && f.Anonymous && f.Type.Kind() == reflect.Struct:
			if inside, ok := fieldNamed(v.Field(i), name); ok {
				return inside, true
			}
		case tag == "" && f.IsExported() && f.Name == name, tag == name && tag != "" && tag != "-" && f.IsExported():
			return v.Field(i), true
		}
	}
	return reflect.Value{}, false
}

// wanted names a Go type in the words of JSON.
func wanted(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Pointer:
		return wanted(t.Elem())
	case reflect.String:
		return "string"
	case reflect.Bool:
		return "true or false"
	case reflect.Struct, reflect.Map:
		if t.String() == "time.Time" {
			return "time"
		}
		return "object"
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 {
			return "base64 text"
		}
		return "array"
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return "whole number of zero or more"
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return "whole number"
	}
	return "number"
}
