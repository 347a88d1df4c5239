package id

import (
	"slices"
	"strings"
)

// AI is one application identifier with its value, unescaped: {"10", "ABC/1"}.
type AI struct {
	Code  string `json:"ai"`
	Value string `json:"value"`
}

// Key is a name in GS1's system: its primary key, then the qualifiers in their
// fixed order, then data attributes (GS1 Digital Link 1.6, 4.3). A key that a
// parser of this package returned is valid. The zero Key names nothing.
type Key struct {
	AIs []AI
}

// IsZero says whether the key names nothing.
func (k Key) IsZero() bool { return len(k.AIs) == 0 }

// Equal says whether both name the same, attributes included.
func (k Key) Equal(other Key) bool { return slices.Equal(k.AIs, other.AIs) }

// Primary is the primary key.
func (k Key) Primary() AI {
	if k.IsZero() {
		return AI{}
	}
	return k.AIs[0]
}

// Qualifiers are the key's qualifiers in their order.
func (k Key) Qualifiers() []AI {
	if k.IsZero() {
		return nil
	}
	return k.AIs[1:k.named()]
}

// Attributes are what is said beside the name: weight, dates.
func (k Key) Attributes() []AI { return k.AIs[k.named():] }

// named counts the elements that belong to the name.
func (k Key) named() int {
	if k.IsZero() {
		return 0
	}
	n := 1
	for n < len(k.AIs) && k.fits(n+1) {
		n++
	}
	return n
}

// fits says whether the first n elements are a primary key and qualifiers in one order.
func (k Key) fits(n int) bool {
	r := find(k.AIs[0].Code)
	return r != nil && slices.ContainsFunc(r.qualifiers, func(order []string) bool { return within(k.AIs[1:n], order) })
}

// Path is the canonical path without a slash before it: "01/04012345999990/10/A%2FB".
// Attributes do not stand in it.
func (k Key) Path() string {
	var b strings.Builder
	b.Grow(64) // enough for most
	for i, ai := range k.AIs[:k.named()] {
		if i > 0 {
			b.WriteByte('/')
		}
		b.WriteString(ai.Code)
		b.WriteByte('/')
		escape(&b, ai.Value)
	}
	return b.String()
}

// Query is the attributes as a query without "?": "3103=000195"; "" for none.
func (k Key) Query() string {
	var b strings.Builder
	for i, ai := range k.Attributes() {
		if i > 0 {
			b.WriteByte('&')
		}
		b.WriteString(ai.Code)
		b.WriteByte('=')
		escape(&b, ai.Value)
	}
	return b.String()
}

// URL is the uncompressed Digital Link at a host: "https://id.gs1.org/01/…".
func (k Key) URL(host string) string {
	s := "https://" + host + "/" + k.Path()
	if q := k.Query(); q != "" {
		s += "?" + q
	}
	return s
}

// Up is the key with one qualifier less, or with its serial component cut (the
// walk-up of GS1-Conformant Resolver 1.2). It has no attributes. False when
// nothing stands above.
func (k Key) Up() (Key, bool) {
	n := k.named()
	if n > 1 {
		return Key{slices.Clip(k.AIs[:n-1])}, true
	}
	return k.cutSerial()
}

// Serial says whether the key names one individual thing, person or shipment
// instead of a class of things or a place. The table below decides.
func (k Key) Serial() bool {
	for _, ai := range k.AIs[:k.named()] {
		if individual(ai) {
			return true
		}
	}
	return false
}

// Class is what stays when everything that names an individual is cut, without
// attributes: 01/…/10/A/21/7 is of the class 01/…/10/A. It is the zero Key
// where a key has no class above it: an SSCC, a GIAI, a GSRN.
func (k Key) Class() Key {
	up := Key{slices.Clip(k.AIs[:k.named()])}
	for ok := true; up.Serial(); {
		if up, ok = up.Up(); !ok {
			return Key{}
		}
	}
	return up
}

// individual is the table of what names an individual: serial numbers, keys
// that are one by their nature, and keys with a serial component behind their
// check digit. GLN, party, coupon type, component type and model are classes
// or public places.
func individual(ai AI) bool {
	switch ai.Code {
	case "00", "21", "235", "401", "402", "8004", "8011", "8017", "8018", "8019", "8020":
		return true
	}
	n := classLength(ai.Code)
	return n > 0 && len(ai.Value) > n
}

// classLength is how many characters of a key with a serial component name the class.
func classLength(code string) int {
	switch code {
	case "253", "255":
		return 13
	case "8003":
		return 14
	}
	return 0
}

func (k Key) cutSerial() (Key, bool) {
	p := k.Primary()
	n := classLength(p.Code)
	if n == 0 || len(p.Value) <= n {
		return Key{}, false
	}
	return Key{[]AI{{p.Code, p.Value[:n]}}}, true
}

// arrange sorts elements into a key and checks each.
func arrange(list []AI) (Key, *Error) {
	primary := -1
	for i, ai := range list {
		r := find(ai.Code)
		if r == nil {
			return Key{}, refuse(0, ai.Code, AIUnknown, "GS1 has no application identifier %q", shorten(ai.Code))
		}
		if err := r.check(ai.Code, ai.Value); err != nil {
			return Key{}, err.at(-err.Offset)
		}
		if r.key && primary < 0 {
			primary = i
		}
	}
	if primary < 0 {
		return Key{}, refuse(0, "key", NoKey, "no primary key among these")
	}
	return order(list, primary)
}

// order puts the primary key first, then the qualifiers of the first order
// that leaves nothing but attributes.
func order(list []AI, primary int) (k Key, err *Error) {
	orders := find(list[primary].Code).qualifiers
	for _, qualifiers := range append(orders[:len(orders):len(orders)], nil) {
		if k, err = orderBy(list, primary, qualifiers); err == nil {
			return k, nil
		}
	}
	return Key{}, err
}

func orderBy(list []AI, primary int, order []string) (Key, *Error) {
	k := Key{[]AI{list[primary]}}
	var attributes []AI
	for i, ai := range list {
		switch {
		case i == primary:
		case slices.Contains(order, ai.Code):
			k.AIs = append(k.AIs, ai)
		default:
			attributes = append(attributes, ai)
		}
	}
	slices.SortStableFunc(k.AIs[1:], func(a, b AI) int { return slices.Index(order, a.Code) - slices.Index(order, b.Code) })
	slices.SortStableFunc(attributes, func(a, b AI) int { return strings.Compare(a.Code, b.Code) })
	k.AIs = append(k.AIs, attributes...)
	return k, k.valid()
}

// valid checks what stands together: nothing twice, and behind the qualifiers
// only attributes that may be some.
func (k Key) valid() *Error {
	n := k.named()
	for i, ai := range k.AIs {
		if slices.ContainsFunc(k.AIs[:i], func(a AI) bool { return a.Code == ai.Code }) {
			return refuse(0, ai.Code, Twice, "(%s) stands twice", ai.Code)
		}
		if i >= n && (!find(ai.Code).attribute || k.takes(ai.Code)) {
			return refuse(0, ai.Code, Order, "(%s) may not stand here beside (%s)", ai.Code, k.AIs[0].Code)
		}
	}
	return nil
}

// takes says whether an attribute's identifier would be a qualifier beside the
// key's own: then it may not stand in a query (Digital Link 1.6, 4.10).
func (k Key) takes(code string) bool {
	return slices.ContainsFunc(find(k.AIs[0].Code).qualifiers, func(order []string) bool {
		return slices.Contains(order, code) && within(k.Qualifiers(), order)
	})
}

// within says whether the qualifiers are a part of an order, in order.
func within(list []AI, order []string) bool {
	at := 0
	for _, ai := range list {
		i := slices.Index(order[at:], ai.Code)
		if i < 0 {
			return false
		}
		at += i + 1
	}
	return true
}
