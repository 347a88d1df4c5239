package id

import (
	"math/bits"
	"strings"
)

// The fewest characters of a compressed key (a code, four digits), and of what
// follows a key that stands plainly before it.
const (
	minWhole = 6
	minRest  = 3
)

// decompress reads one path segment. The offset of a fault is that of the
// segment: what stands in bits has no place of its own.
func decompress(segment string, least int) (list []AI, rest string, fault *Error) {
	if len(segment) < least || !only(segment, base64url) {
		return nil, "", refuse(0, "path", NoKey, "neither a primary key nor a compressed Digital Link")
	}
	for _, other := range []bool{false, true} {
		r := reader{other: other}
		for i := range len(segment) {
			r.put(uint64(strings.IndexByte(base64url, segment[i])), 6)
		}
		if fault = r.all(); fault == nil {
			return r.list, strings.Join(r.rest, "&"), nil
		}
		if !r.twoOrders {
			break
		}
	}
	return nil, "", fault
}

// reader takes a bit string apart.
type reader struct {
	bitString
	other     bool // read the sequences that exist in two orders in the other
	twoOrders bool // such a one was met
	list      []AI
	rest      []string // members of the query that are not GS1's
}

func broken(reason string, args ...any) *Error {
	return refuse(0, "compressed", Compressed, reason, args...)
}

func (r *reader) all() *Error {
	for r.left() >= 8 {
		if err := r.next(); err != nil {
			return err
		}
		if r.over {
			return broken("it ends in the middle of a value")
		}
	}
	if r.left() >= 6 || !r.zeros() {
		return broken("bits are left behind its end")
	}
	return nil
}

func (r *reader) next() *Error {
	first := byte(r.get(4))
	if first == 0xF {
		return r.foreign()
	}
	second := byte(r.get(4))
	if first > 9 || second > 9 {
		return r.sequence(first<<4 | second)
	}
	code := string([]byte{'0' + first, '0' + second})
	for !isCode(code) {
		digit := byte(r.get(4))
		if len(code) == 4 || digit > 9 {
			return broken("GS1 has no application identifier %s…", code)
		}
		code += string('0' + rune(digit))
	}
	return r.value(code)
}

func isCode(code string) bool { return find(code) != nil }

func (r *reader) sequence(code byte) *Error {
	for _, s := range sequences {
		if s.code != code {
			continue
		}
		ais := s.ais
		if s.other != nil {
			r.twoOrders = true
			if r.other {
				ais = s.other
			}
		}
		for _, ai := range ais {
			if err := r.value(ai); err != nil {
				return err
			}
		}
		return nil
	}
	return broken("no sequence has the code %02X", code)
}

func (r *reader) value(code string) *Error {
	row := find(code)
	var b strings.Builder
	for _, f := range row.formats() {
		text, ok := r.component(f)
		if !ok {
			return broken("a component of (%s) is out of its range", code)
		}
		b.WriteString(text)
	}
	if err := row.check(code, b.String()); err != nil {
		return broken("(%s): %s", code, err.Reason)
	}
	r.list = append(r.list, AI{code, b.String()})
	return nil
}

func (r *reader) component(f packed) (string, bool) {
	encoding, n := asDigits, f.length
	if !f.number {
		encoding = int(r.get(3))
	}
	if !f.fixed {
		n = int(r.get(bits.Len(uint(f.length))))
	}
	if n > f.length {
		return "", false
	}
	return r.text(encoding, n)
}

func (r *reader) text(encoding, n int) (string, bool) {
	if encoding == asDigits {
		return r.getDigits(digitBits(n), n)
	}
	b := make([]byte, n)
	for i := range b {
		switch encoding {
		case asLowerHex:
			b[i] = hexDigits[r.get(4)] | 0x20
		case asUpperHex:
			b[i] = hexDigits[r.get(4)]
		case asBase64:
			b[i] = base64url[r.get(6)]
		case asASCII:
			b[i] = byte(r.get(7))
		default:
			return "", false
		}
	}
	return string(b), true
}

// foreign reads a member of the query that is not GS1's: 7 bits of length and
// its name in base64url, then a value.
func (r *reader) foreign() *Error {
	n := int(r.get(7))
	name, _ := r.text(asBase64, n)
	encoding, length := int(r.get(3)), int(r.get(7))
	value, ok := r.text(encoding, length)
	if !ok || n == 0 || digits(name) {
		return broken("a member of the query is broken")
	}
	var b strings.Builder
	escape(&b, value)
	r.rest = append(r.rest, name+"="+b.String())
	return nil
}
