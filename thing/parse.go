package thing

import (
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf8"
)

// Bounds of what is decoded.
const (
	MaxDescription = 256 << 10 // bytes of a description
	MaxAffordances = 1024      // properties, actions and events together
	MaxValue       = 64 << 10  // bytes of a value from a device
	maxDepth       = 32
)

// Parse reads and validates a description that came from others. The error is
// a *Problem that names the place.
func Parse(b []byte) (*Description, error) {
	if len(b) > MaxDescription {
		return nil, wrong("", "description has %d bytes, more than %d", len(b), MaxDescription)
	}
	tree, err := decodeTree(b)
	if err != nil {
		return nil, err
	}
	if p := validate(tree); p != nil {
		return nil, p
	}
	var d Description
	if err := json.Unmarshal(b, &d); err != nil {
		return nil, wrong("", "%v", err)
	}
	return &d, nil
}

// DecodeValue reads one JSON value (numbers as json.Number): at most MaxValue
// bytes and 32 levels, no duplicate members, nothing behind it. The error is a
// *Problem.
func DecodeValue(b []byte) (any, error) {
	if len(b) > MaxValue {
		return nil, wrong("", "value has %d bytes, more than %d", len(b), MaxValue)
	}
	return decodeTree(b)
}

// DecodeLarge is DecodeValue for a caller's own bound in bytes.
func DecodeLarge(b []byte, most int) (any, error) {
	if len(b) > most {
		return nil, wrong("", "document has %d bytes, more than %d", len(b), most)
	}
	return decodeTree(b)
}

func decodeTree(b []byte) (any, error) {
	if !utf8.Valid(b) {
		return nil, wrong("", "not UTF-8")
	}
	if tooDeep(b) {
		return nil, wrong("", "nested deeper than %d levels", maxDepth)
	}
	if !json.Valid(b) {
		return nil, wrong("", "not JSON")
	}
	r := &reader{b: b}
	v, p := r.value()
	if p != nil {
		return nil, p
	}
	return v, nil
}

// tooDeep counts brackets outside strings, before any decoder allocates.
func tooDeep(b []byte) bool {
	depth, quoted := 0, false
	for i := 0; i < len(b); i++ {
		switch c := b[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			if depth++; depth > maxDepth {
				return true
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return false
}

// escape writes a member name for a pointer (RFC 6901 §3), shortened.
func escape(name string) string {
	return strings.ReplaceAll(strings.ReplaceAll(shorten(name), "~", "~0"), "/", "~1")
}

func (d *Description) String() string {
	return fmt.Sprintf("description of %q with %d affordances", shorten(d.Title), len(d.Affordances()))
}
