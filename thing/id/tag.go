package id

import (
	"encoding/hex"
	"strconv"
	"strings"
)

// layout is one binary form of an EPC (Tag Data Standard 1.13, 14): a header
// byte, three bits of filter, three of partition, company prefix, reference, serial.
type layout struct {
	header byte
	name   string
	scheme string
	size   int     // bits in all; 0: as many as its text needs
	ref    [7]int  // bits of the reference by partition
	text   texture // how the reference is written
	serial int     // bits of the serial
	chars  texture // how the serial is written
}

// texture is how a part is written in bits.
type texture int

const (
	number  texture = iota // a number without zeros before it
	counted                // digits with the zeros before them, a 1 put in front
	ascii7                 // seven bits a character, zeros behind
	ascii6                 // six bits a character, six zeros behind
)

var (
	prefixBits = [7]int{40, 37, 34, 30, 27, 24, 20}
	gidBits    = [3]int{28, 24, 36}

	short = [7]int{1, 4, 7, 11, 14, 17, 21}
	item  = [7]int{4, 7, 10, 14, 17, 20, 24}
	long  = [7]int{18, 21, 24, 28, 31, 34, 38}
)

const gidHeader = 0x35

var layouts = [...]layout{
	{0x30, "sgtin-96", "sgtin", 96, item, number, 38, number},
	{0x36, "sgtin-198", "sgtin", 198, item, number, 140, ascii7},
	{0x31, "sscc-96", "sscc", 96, long, number, 0, number},
	{0x32, "sgln-96", "sgln", 96, short, number, 41, number},
	{0x39, "sgln-195", "sgln", 195, short, number, 140, ascii7},
	{0x33, "grai-96", "grai", 96, item, number, 38, number},
	{0x37, "grai-170", "grai", 170, item, number, 112, ascii7},
	{0x34, "giai-96", "giai", 96, [7]int{42, 45, 48, 52, 55, 58, 62}, number, 0, number},
	{0x38, "giai-202", "giai", 202, [7]int{148, 151, 154, 158, 161, 164, 168}, ascii7, 0, number},
	{0x2D, "gsrn-96", "gsrn", 96, long, number, 0, number},
	{0x2E, "gsrnp-96", "gsrnp", 96, long, number, 0, number},
	{0x2C, "gdti-96", "gdti", 96, short, number, 41, number},
	{0x3E, "gdti-174", "gdti", 174, short, number, 119, ascii7},
	{0x3C, "cpi-96", "cpi", 96, [7]int{11, 14, 17, 21, 24, 27, 31}, number, 31, number},
	{0x3D, "cpi-var", "cpi", 0, [7]int{}, ascii6, 40, number},
	{0x3F, "sgcn-96", "sgcn", 96, short, number, 41, counted},
	{0x40, "itip-110", "itip", 110, item, number, 38, number},
	{0x41, "itip-212", "itip", 212, item, number, 140, ascii7},
}

// parseHex reads the bits of an EPC as a reader sends them: 24 or more
// hexadecimal digits. False when s is something else.
func parseHex(s string) (ID, *Error, bool) {
	if len(s) < 24 || len(s)%2 != 0 || !hexadecimal(s) {
		return ID{}, nil, false
	}
	id, err := decodeTag(s)
	return id, err, true
}

// parseRaw reads urn:epc:raw:96.x30…, without what stands before the length.
func parseRaw(text string) (ID, *Error) {
	size, digits, ok := strings.Cut(text, ".x")
	n, err := strconv.Atoi(size)
	if !ok || err != nil || !hexadecimal(digits) || len(digits)%2 != 0 || len(digits)*4 < n || len(digits)*4 >= n+16 {
		return ID{}, refuse(0, "raw", Length, "a length in bits, .x and as many hexadecimal digits are needed")
	}
	id, fault := decodeTag(digits)
	return id, fault.at(len(size) + 2)
}

func decodeTag(digits string) (ID, *Error) {
	raw, err := hex.DecodeString(digits)
	if err != nil {
		return ID{}, refuse(0, "epc", Letter, "not hexadecimal")
	}
	s := &bitString{b: raw, n: len(raw) * 8}
	header := byte(s.get(8))
	if header == gidHeader {
		return decodeGID(s)
	}
	for i := range layouts {
		if layouts[i].header == header {
			return layouts[i].decode(s)
		}
	}
	return ID{}, refuse(0, "header", Header, "no EPC scheme has the header %02X here", header)
}

func decodeGID(s *bitString) (ID, *Error) {
	var fields []string
	for _, width := range gidBits {
		fields = append(fields, strconv.FormatUint(s.get(width), 10))
	}
	if !s.zeros() {
		return ID{}, refuse(s.at/4, "epc", Padding, "bits behind the end are not zero")
	}
	return ID{kind: EPC, form: "epc-hex", text: "urn:epc:id:gid:" + strings.Join(fields, "."), filter: -1}, nil
}

func (l *layout) decode(s *bitString) (ID, *Error) {
	if s.n < l.size {
		return ID{}, refuse(0, l.name, Length, "%d bits where %d are needed", s.n, l.size)
	}
	filter, partition := int(s.get(3)), int(s.get(3))
	if partition > 6 {
		return ID{}, refuse(2, "partition", Partition, "a partition of %d; the largest is 6", partition)
	}
	e := epc{scheme: schemeNamed(l.scheme)}
	n := 12 - partition
	var ok bool
	at := s.at / 4
	if e.prefix, ok = s.getDigits(prefixBits[partition], n); !ok {
		return ID{}, refuse(at, "prefix", Value, "a company prefix of more than %d digits", n)
	}
	at = s.at / 4
	if e.ref, ok = l.getRef(s, partition); !ok {
		return ID{}, refuse(at, "reference", Value, "a reference out of its range")
	}
	if err := l.rest(s, &e); err != nil {
		return ID{}, err
	}
	id, err := e.id("epc-hex", filter)
	if err != nil {
		return ID{}, err.at(at - err.Offset)
	}
	return id, nil
}

// rest reads pieces and serial, and sees that nothing stands behind them.
func (l *layout) rest(s *bitString, e *epc) *Error {
	at := s.at / 4
	if l.scheme == "itip" {
		piece, one := s.getDigits(7, 2)
		total, two := s.getDigits(7, 2)
		if !one || !two {
			return refuse(at, "pieces", Value, "a number of pieces above 99")
		}
		e.pieces = piece + total
	}
	at = s.at / 4
	if l.serial > 0 {
		var ok bool
		if e.serial, ok = get(s, l.chars, l.serial); !ok || e.serial == "" {
			return refuse(at, "serial", Value, "a serial out of its range")
		}
		if l.scheme == "sgln" && e.serial == "0" {
			e.serial = ""
		}
	}
	if s.over {
		return refuse(s.n/4, l.name, Length, "it ends in the middle of a part")
	}
	if !s.zeros() {
		return refuse(s.at/4, l.name, Padding, "bits behind the end are not zero")
	}
	return nil
}

// getRef reads the reference: digits as many as the scheme leaves, or text.
func (l *layout) getRef(s *bitString, partition int) (string, bool) {
	if n := schemeNamed(l.scheme).digits; n > 0 {
		return s.getDigits(l.ref[partition], n-12+partition)
	}
	ref, ok := get(s, l.text, l.ref[partition])
	return ref, ok && ref != "" && (l.name != "cpi-96" || len(ref) <= 3+partition)
}

func get(s *bitString, t texture, width int) (string, bool) {
	switch t {
	case ascii7:
		return s.getText(7, width/7, false)
	case ascii6:
		return s.getText(6, 25, true)
	case counted:
		text := strconv.FormatUint(s.get(width), 10)
		return text[1:], text[0] == '1'
	}
	return strconv.FormatUint(s.get(width), 10), true
}

// getText reads characters up to a zero. An open text ends there; any other is
// filled with zeros.
func (s *bitString) getText(width, most int, open bool) (string, bool) {
	var b []byte
	for i := range most {
		c := byte(s.get(width))
		switch {
		case c == 0 && open:
			return string(b), true
		case c != 0 && len(b) < i:
			return "", false
		case c == 0:
			continue
		case width == 6 && c < 32:
			c += 64
		}
		b = append(b, c)
	}
	return string(b), !open
}

// encode writes the bits; false when a part does not fit or would come back changed.
func (l *layout) encode(e epc, filter int) (string, bool) {
	s := &bitString{}
	partition := 12 - len(e.prefix)
	s.put(uint64(l.header), 8)
	s.put(uint64(max(filter, 0)), 3)
	s.put(uint64(partition), 3)
	s.putDigits(e.prefix, prefixBits[partition])
	ok := true
	if e.scheme.digits > 0 {
		s.putDigits(e.ref, l.ref[partition])
	} else {
		ok = s.putPart(l.text, e.ref, l.ref[partition])
	}
	if l.scheme == "itip" {
		s.putDigits(e.pieces[:2], 7)
		s.putDigits(e.pieces[2:], 7)
	}
	if serial := e.serial; l.serial > 0 {
		if serial == "" && l.scheme == "sgln" {
			serial = "0"
		}
		ok = ok && serial != "" && s.putPart(l.chars, serial, l.serial)
	}
	if l.name == "cpi-96" && len(e.ref) > 3+partition {
		return "", false
	}
	for s.n < l.size || s.n%16 != 0 {
		s.add(0)
	}
	return strings.ToUpper(hex.EncodeToString(s.b)), ok
}

func (s *bitString) putPart(t texture, text string, width int) bool {
	if t == number || t == counted {
		if t == counted {
			text = "1" + text
		}
		n, err := strconv.ParseUint(text, 10, 64)
		s.put(n, width)
		return err == nil && n>>width == 0 && strconv.FormatUint(n, 10) == text
	}
	size, most := 7, width/7
	if t == ascii6 {
		size, most = 6, 25
	}
	for i := range len(text) {
		s.put(uint64(text[i]), size)
	}
	if t == ascii6 {
		s.put(0, 6)
		return len(text) < most
	}
	for i := len(text); i < most; i++ {
		s.put(0, 7)
	}
	return len(text) <= most
}

// tagURI is the name with the filter of its tag: urn:epc:tag:sgtin-96:3.….
func (l *layout) tagURI(e epc, filter int) string {
	_, rest, _ := strings.Cut(strings.TrimPrefix(e.urn(), "urn:epc:"), ":")
	_, rest, _ = strings.Cut(rest, ":")
	return "urn:epc:tag:" + l.name + ":" + strconv.Itoa(max(filter, 0)) + "." + rest
}

func parseTag(name, rest string) (ID, *Error) {
	if name == "gid-96" {
		id, err := parseGID("id", rest)
		id.form = "epc-tag"
		return id, err
	}
	for i := range layouts {
		l := &layouts[i]
		if l.name != name {
			continue
		}
		text, rest, _ := strings.Cut(rest, ".")
		if len(text) != 1 || text[0] < '0' || text[0] > '7' {
			return ID{}, refuse(0, "filter", Value, "a filter is a number from 0 to 7")
		}
		e, err := schemeNamed(l.scheme).fields(strings.Split(rest, "."), false)
		if err != nil {
			return ID{}, err.at(2)
		}
		if _, ok := l.encode(e, 0); !ok {
			return ID{}, refuse(2, name, Value, "a part does not fit into %s", name)
		}
		return e.id("epc-tag", int(text[0]-'0'))
	}
	return ID{}, refuse(-len(name)-1, "epc", Scheme, "no such EPC scheme: %q", shorten(name))
}

// epcForms are the EPC's forms, where the company prefix is known.
func (id ID) epcForms() (forms []Form) {
	e, ok := id.key.cut(id.prefix)
	if !ok {
		return nil
	}
	forms = append(forms, Form{"epc", e.urn()})
	for i := range layouts {
		if layouts[i].scheme != e.name {
			continue
		}
		if bits, ok := layouts[i].encode(e, id.filter); ok {
			forms = append(forms, Form{"epc-tag", layouts[i].tagURI(e, id.filter)}, Form{"epc-hex", bits})
		}
	}
	return forms
}

func gidForms(text string) []Form {
	fields := strings.TrimPrefix(text, "urn:epc:id:gid:")
	s := &bitString{}
	s.put(gidHeader, 8)
	for i, f := range strings.Split(fields, ".") {
		s.putDigits(f, gidBits[i])
	}
	return []Form{{"epc", text}, {"epc-tag", "urn:epc:tag:gid-96:" + fields}, {"epc-hex", strings.ToUpper(hex.EncodeToString(s.b))}}
}
