package id

import (
	"strconv"
	"strings"
)

// scheme is an EPC scheme whose names are GS1 keys (EPC Tag Data Standard 1.13, 6.3 and 7).
type scheme struct {
	name   string
	code   string // the primary key
	digits int    // company prefix and reference together; 0: the reference is text of any length
	lead   bool   // the reference's first digit stands before the prefix in the key
	zero   string // stands before the prefix in the key
	serial string // where the serial stands: an identifier, inside the key, or nowhere
}

const inside = "inside"

var schemes = [...]scheme{
	{name: "sgtin", code: "01", digits: 13, lead: true, serial: "21"},
	{name: "upui", code: "01", digits: 13, lead: true, serial: "235"},
	{name: "lgtin", code: "01", digits: 13, lead: true, serial: "10"},
	{name: "sscc", code: "00", digits: 17, lead: true},
	{name: "sgln", code: "414", digits: 12, serial: "254"},
	{name: "pgln", code: "417", digits: 12},
	{name: "grai", code: "8003", digits: 12, zero: "0", serial: inside},
	{name: "giai", code: "8004"},
	{name: "gsrn", code: "8018", digits: 17},
	{name: "gsrnp", code: "8017", digits: 17},
	{name: "gdti", code: "253", digits: 12, serial: inside},
	{name: "sgcn", code: "255", digits: 12, serial: inside},
	{name: "cpi", code: "8010", serial: "8011"},
	{name: "itip", code: "8006", digits: 13, lead: true, serial: "21"},
	{name: "ginc", code: "401"},
	{name: "gsin", code: "402", digits: 16},
}

func schemeNamed(name string) *scheme {
	for i := range schemes {
		if schemes[i].name == name {
			return &schemes[i]
		}
	}
	return nil
}

// epc is a name cut where its company prefix ends.
type epc struct {
	*scheme
	prefix, ref, serial string
	pieces              string // piece and total of an ITIP: "0102"
}

// key is the GS1 key of the EPC.
func (e epc) key() (Key, *Error) {
	value := e.zero + e.prefix + e.ref
	if e.lead && e.ref != "" {
		value = e.ref[:1] + e.prefix + e.ref[1:]
	}
	if e.digits > 0 {
		value += string(checkDigit(value))
	}
	value += e.pieces
	if e.scheme.serial == inside {
		value += e.serial
	}
	list := []AI{{e.code, value}}
	if e.serial != "" && e.scheme.serial != inside {
		list = append(list, AI{e.scheme.serial, e.serial})
	}
	return arrange(list)
}

// cut finds the EPC of a key whose company prefix has so many digits. False
// when the key has no EPC, or an EPC would say less than the key.
func (k Key) cut(digits int) (epc, bool) {
	p := k.Primary()
	for i := range schemes {
		s := &schemes[i]
		if s.code != p.Code || len(k.AIs) > 2 || len(k.AIs) == 2 && s.serial != k.AIs[1].Code {
			continue
		}
		e := epc{scheme: s}
		if len(k.AIs) == 2 {
			e.serial = k.AIs[1].Value
			if s.name == "sgln" && e.serial == "0" {
				return epc{}, false // 0 says "no extension" there
			}
		}
		return e.take(p.Value, digits)
	}
	return epc{}, false
}

// take cuts the value of the primary key.
func (e epc) take(value string, digits int) (epc, bool) {
	value = strings.TrimPrefix(value, e.zero)
	if e.scheme.digits > 0 {
		if e.code == "8006" {
			e.pieces = value[e.scheme.digits+1:]
		} else if e.scheme.serial == inside {
			e.serial = value[e.scheme.digits+1:]
		}
		value = value[:e.scheme.digits]
	}
	first := ""
	if e.lead {
		first, value = value[:1], value[1:]
	}
	if digits < 6 || digits > 12 || digits > len(value) {
		return epc{}, false
	}
	e.prefix, e.ref = value[:digits], first+value[digits:]
	return e, allDigits(e.prefix) && (e.scheme.digits > 0 || e.ref != "")
}

// urn is the pure identity, or the pattern of the class where a serial is wanted and missing.
func (e epc) urn() string {
	kind, fields := "id", []string{e.prefix, escapeEPC(e.ref)}
	if e.pieces != "" {
		fields = append(fields, e.pieces[:2], e.pieces[2:])
	}
	switch {
	case e.name == "lgtin":
		kind, fields = "class", append(fields, escapeEPC(e.serial))
	case e.scheme.serial == "":
	case e.serial != "":
		fields = append(fields, escapeEPC(e.serial))
	case e.name == "sgln":
		fields = append(fields, "0")
	default:
		kind, fields = "idpat", append(fields, "*")
	}
	return "urn:epc:" + kind + ":" + e.name + ":" + strings.Join(fields, ".")
}

// escapeEPC escapes what may not stand in an EPC URN (Tag Data Standard, table A).
func escapeEPC(s string) string {
	var b strings.Builder
	for i := range len(s) {
		if strings.IndexByte("\"%&/<>?#", s[i]) >= 0 {
			b.Write([]byte{'%', hexDigits[s[i]>>4], hexDigits[s[i]&15]})
			continue
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// parseEPC reads urn:epc:id, idpat, class, tag and raw, and raw bits in
// hexadecimal. False when s is none of them.
func parseEPC(s string) (ID, *Error, bool) {
	rest, ok := cutFold(s, "urn:epc:")
	if !ok {
		return parseHex(s)
	}
	at := len(s) - len(rest)
	kind, rest, _ := strings.Cut(rest, ":")
	name, rest, ok := strings.Cut(rest, ":")
	fieldsAt := len(s) - len(rest)
	switch {
	case kind == "raw":
		id, err := parseRaw(name)
		return id, err.at(at + 4), true
	case !ok:
		return ID{}, refuse(at, "epc", Scheme, "urn:epc:id:SCHEME:… is needed"), true
	case kind == "tag":
		id, err := parseTag(name, rest)
		return id, err.at(fieldsAt), true
	case kind != "id" && kind != "idpat" && kind != "class":
		return ID{}, refuse(at, "epc", Scheme, "of EPC URNs, id, idpat, class, tag and raw are read"), true
	case name == "gid":
		id, err := parseGID(kind, rest)
		return id, err.at(fieldsAt), true
	}
	id, err := parsePure(kind, name, rest)
	if err != nil && err.Fault == Scheme {
		return ID{}, err.at(at + len(kind) + 1), true
	}
	return id, err.at(fieldsAt), true
}

func parsePure(kind, name, rest string) (ID, *Error) {
	s := schemeNamed(name)
	if s == nil || (name == "lgtin") != (kind == "class") {
		return ID{}, refuse(0, "epc", Scheme, "no such EPC scheme: %q", shorten(kind+":"+name))
	}
	e, err := s.fields(strings.Split(rest, "."), kind == "idpat")
	if err != nil {
		return ID{}, err
	}
	return e.id(kindForm(kind), -1)
}

func kindForm(kind string) string {
	if kind == "id" {
		return "epc"
	}
	return "epc-" + kind
}

// id is the name of an EPC, which keeps what the key alone does not say.
func (e epc) id(form string, filter int) (ID, *Error) {
	k, err := e.key()
	if err != nil {
		return ID{}, err
	}
	id := FromKey(k)
	id.form, id.prefix, id.filter = form, len(e.prefix), filter
	return id, nil
}

// fields reads company prefix, reference, pieces and serial.
func (s *scheme) fields(list []string, pattern bool) (epc, *Error) {
	e, want := epc{scheme: s}, 2
	if s.code == "8006" {
		want += 2
	}
	if s.serial != "" {
		want++
	}
	if n := len(list); n > want && (s.serial != "" || s.digits == 0) { // text at the end may have dots in it
		list = append(list[:want-1:want-1], strings.Join(list[want-1:], "."))
	}
	if len(list) != want {
		return epc{}, refuse(0, s.name, Length, "%d parts between dots where %d are needed", len(list), want)
	}
	e.prefix = list[0]
	if !allDigits(e.prefix) || len(e.prefix) < 6 || len(e.prefix) > 12 {
		return epc{}, refuse(0, "prefix", Prefix, "a GS1 company prefix has 6 to 12 digits")
	}
	at := len(e.prefix) + 1
	ref, err := s.reference(list[1], len(e.prefix))
	if err != nil {
		return epc{}, err.at(at)
	}
	e.ref, at = ref, at+len(list[1])+1
	if s.code == "8006" {
		if e.pieces = list[2] + list[3]; len(list[2]) != 2 || len(list[3]) != 2 || !digits(e.pieces) {
			return epc{}, refuse(at, "pieces", Value, "piece and total have two digits each")
		}
		at += len(e.pieces) + 2
	}
	if s.serial == "" {
		return e, nil
	}
	e.serial, err = s.serialField(list[want-1], pattern)
	return e, err.at(at)
}

func (s *scheme) reference(text string, prefix int) (string, *Error) {
	ref, err := unescape(text, "reference")
	switch {
	case err != nil:
		return "", err
	case s.digits > 0 && len(ref) != s.digits-prefix:
		return "", refuse(0, "reference", Length, "%d digits where %d are needed beside a prefix of %d", len(ref), s.digits-prefix, prefix)
	case s.digits > 0 && !allDigits(ref):
		return "", refuse(0, "reference", Letter, "a reference has digits only")
	case s.digits == 0 && ref == "":
		return "", refuse(0, "reference", Empty, "no reference")
	}
	return ref, nil
}

func (s *scheme) serialField(text string, pattern bool) (string, *Error) {
	if pattern {
		if text != "*" {
			return "", refuse(0, "serial", Value, "a pattern ends in a star")
		}
		return "", nil
	}
	serial, err := unescape(text, "serial")
	switch {
	case err != nil:
		return "", err
	case serial == "":
		return "", refuse(0, "serial", Empty, "no serial")
	case s.name == "sgln" && serial == "0":
		return "", nil // no extension
	}
	return serial, nil
}

// allDigits is digits that allows nothing, too: a reference behind a prefix of 12.
func allDigits(s string) bool { return s == "" || digits(s) }

// parseGID reads a General Identifier, the EPC scheme that is no GS1 key (6.3.8).
func parseGID(kind, rest string) (ID, *Error) {
	fields, at := strings.Split(rest, "."), 0
	if kind != "id" || len(fields) != 3 {
		return ID{}, refuse(0, "gid", Length, "a general identifier has three numbers")
	}
	for i, width := range gidBits {
		n, err := strconv.ParseUint(fields[i], 10, 64)
		if err != nil || n>>width != 0 || strconv.FormatUint(n, 10) != fields[i] {
			return ID{}, refuse(at, "gid", Value, "a number below 2 to the power %d is needed", width)
		}
		at += len(fields[i]) + 1
	}
	return ID{kind: EPC, form: "epc", text: "urn:epc:id:gid:" + rest, filter: -1}, nil
}

// WithPrefix tells how many digits of a GS1 key are the company prefix (6 to
// 12), which the key alone does not say, so that Forms has its EPC too. It
// fails with *Error when the key has no EPC.
func (id ID) WithPrefix(digits int) (ID, error) {
	if _, ok := id.key.cut(digits); !ok || id.kind != GS1 {
		return ID{}, refuse(0, "prefix", Prefix, "no EPC of this name has a company prefix of %d digits", digits)
	}
	id.prefix = digits
	return id, nil
}
