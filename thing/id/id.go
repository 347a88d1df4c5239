package id

import (
	"net/netip"
	"strings"
)

// MaxInput is the longest name read, in bytes. What is longer is refused at once.
const MaxInput = 8 << 10

// Kind is the system a name belongs to.
type Kind string

// The kinds.
const (
	DNS    Kind = "dns"  // a host name, with its port if it has one
	URL    Kind = "url"  // an http or https URL that is none of the others
	GS1    Kind = "gs1"  // a key of GS1's system, in whichever form it was written
	EPC    Kind = "epc"  // an EPC that is no GS1 key: urn:epc:id:gid:…
	MAC    Kind = "mac"  // an EUI-48 or EUI-64
	IP     Kind = "ip"   // an IPv4 or IPv6 address
	UUID   Kind = "uuid" // RFC 9562
	DIDWeb Kind = "did"  // did:web
)

// ID is one name, parsed. The zero ID names nothing.
type ID struct {
	kind   Kind
	form   string // the name of the form it was written in
	text   string // canonical
	host   string // whom to ask, where the name says it
	stem   string // the path before a Digital Link's key
	key    Key
	prefix int // digits of the GS1 company prefix where the form told
	filter int // an EPC's filter, -1 where none was told
}

// Form is one way to write a name.
type Form struct {
	Name string `json:"form"`
	Text string `json:"text"`
}

// Parse reads a name of any kind. It fails with *Error.
func Parse(s string) (ID, error) {
	if len(s) > MaxInput {
		return ID{}, tooLong()
	}
	id, err := parse(s)
	if err != nil {
		err.Offset = min(err.Offset, len(s)) // a part that is missing has no place of its own
		return ID{}, err
	}
	return id, nil
}

// parse goes from forms that say what they are to forms that must be guessed.
// Eight groups of two digits are an EUI-64, though IPv6 could be written so.
func parse(s string) (ID, *Error) {
	if s == "" {
		return ID{}, refuse(0, "name", Empty, "a name is empty")
	}
	if id, err, ok := parseScheme(s); ok {
		return id, err
	}
	for _, read := range []func(string) (ID, *Error, bool){parseElements, parsePath, parseMAC, parseIP, parseUUID, parseNumber, parseBare, parseEPC} {
		if id, err, ok := read(s); ok {
			return id, err
		}
	}
	return parseDNS(s)
}

// parseScheme reads what begins with a scheme.
func parseScheme(s string) (ID, *Error, bool) {
	scheme, _, ok := strings.Cut(s, ":")
	if !ok {
		return ID{}, nil, false
	}
	switch strings.ToLower(scheme) {
	case "http", "https":
		if strings.HasPrefix(s[len(scheme):], "://") {
			id, err := parseURL(s)
			return id, err, true
		}
	case "did":
		id, err := parseDID(s)
		return id, err, true
	case "urn":
		id, err := parseURN(s)
		return id, err, true
	}
	return ID{}, nil, false
}

func parseURN(s string) (ID, *Error) {
	if id, err, ok := parseUUID(s); ok {
		return id, err
	}
	if id, err, ok := parseMAC(s); ok {
		return id, err
	}
	if id, err, ok := parseEPC(s); ok {
		return id, err
	}
	return ID{}, refuse(4, "urn", Scheme, "of URNs, uuid, dev:mac and epc are read")
}

// parsePath reads a Digital Link without its host, or without its scheme.
func parsePath(s string) (ID, *Error, bool) {
	first, _, slash := strings.Cut(strings.TrimPrefix(s, "/"), "/")
	switch {
	case !slash:
		return ID{}, nil, false
	case isKey(first):
		path, query, _ := strings.Cut(s, "?")
		link, err := parseLink(path, query, Options{ShortGTIN: true})
		id := FromKey(link.Key)
		id.form = "path"
		return id, err, true
	case !strings.HasPrefix(s, "/") && strings.Contains(first, "."):
		id, err := parseURL("https://" + s)
		return id, err.at(-len("https://")), true
	}
	return ID{}, nil, false
}

// parseDNS reads a host name of two labels at least, or localhost.
func parseDNS(s string) (ID, *Error) {
	if digits(s) {
		return ID{}, refuse(0, "name", Length, "bare digits are a GTIN of 8, 12, 13 or 14; before others stands their identifier, (00) or (8018)")
	}
	host, err := parseHost(s, true)
	if err != nil {
		return ID{}, err
	}
	if name, _, _ := strings.Cut(host, ":"); !strings.Contains(name, ".") && name != "localhost" {
		return ID{}, refuse(0, "name", Unknown, "no kind of name; a host name has a dot")
	}
	return ID{kind: DNS, form: "dns", text: host, host: host}, nil
}

// Kind is the system the name belongs to; "" for the zero ID.
func (id ID) Kind() Kind { return id.kind }

// Written is the form in which the name was written, as Forms calls it.
func (id ID) Written() string { return id.form }

// String is the canonical form: equal names have one.
func (id ID) String() string { return id.text }

// Host is the host, with its port, that the name itself points to ("" for
// none): of a host name, a URL, a did:web and of a Digital Link that is not at id.gs1.org.
func (id ID) Host() string {
	if id.kind == GS1 && id.host == canonicalHost {
		return ""
	}
	return id.host
}

// Addr is the address that the name is; the zero Addr for other kinds.
func (id ID) Addr() netip.Addr {
	if id.kind != IP {
		return netip.Addr{}
	}
	a, _ := netip.ParseAddr(id.text) // parsed before
	return a
}

// Key is the GS1 key that the name is, and whether it is one.
func (id ID) Key() (Key, bool) { return id.key, !id.key.IsZero() }

// FromKey is the name of a key.
func FromKey(k Key) ID {
	if k.IsZero() {
		return ID{}
	}
	return ID{kind: GS1, form: "digital-link", text: k.URL(canonicalHost), key: k, filter: -1}
}

// Forms are all ways to write the name, the canonical one first.
func (id ID) Forms() []Form {
	switch id.kind {
	case GS1:
		return id.keyForms()
	case DNS:
		return hostForms(id.text)
	case MAC:
		return macForms(id.text)
	case IP:
		return ipForms(id.Addr())
	case UUID:
		return uuidForms(id.text)
	case DIDWeb:
		return []Form{{"did", id.text}, {"did-document", id.DocumentURL()}}
	case EPC:
		return gidForms(id.text)
	case URL:
		return []Form{{id.form, id.text}}
	}
	return nil
}

func (id ID) keyForms() []Form {
	forms := []Form{{"digital-link", id.text}}
	if id.Host() != "" {
		stem := id.host
		if id.stem != "" {
			stem += "/" + id.stem
		}
		forms = append(forms, Form{"digital-link-written", id.key.URL(stem)})
	}
	forms = append(forms,
		Form{"digital-link-compressed", "https://" + canonicalHost + "/" + id.key.Compressed()},
		Form{"element-string", id.key.ElementString()},
		Form{"element-string-fnc1", string(fnc1) + id.key.ScannerString()})
	return append(forms, id.epcForms()...)
}

func tooLong() *Error {
	return refuse(MaxInput, "name", Long, "a name has %d bytes at most", MaxInput)
}
