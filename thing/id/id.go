package id

import (
	"net/netip"
	"net/url"
	"strings"
)

// MaxInput is the longest name read, in bytes. What is longer is refused at once.
const MaxInput = 8 << 10

// Kind is the system a name belongs to.
type Kind string

// The kinds.
const (
	DNS    Kind = "dns"  // a host name
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
	kind Kind
	form string // the name of the form it was written in
	text string // canonical
	host string // whom to ask, where the name says it
	key  Key
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
		return ID{}, err
	}
	return id, nil
}

func parse(s string) (ID, *Error) {
	switch {
	case s == "":
		return ID{}, refuse(0, "name", Empty, "a name is empty")
	case strings.HasPrefix(s, "https://"), strings.HasPrefix(s, "http://"):
		return parseURL(s)
	}
	if a, err := netip.ParseAddr(s); err == nil {
		return ID{kind: IP, form: "ip", text: a.Unmap().String()}, nil
	}
	return ID{kind: DNS, form: "dns", text: strings.ToLower(s), host: strings.ToLower(s)}, nil
}

func parseURL(s string) (ID, *Error) {
	u, err := url.Parse(s)
	if err != nil {
		return ID{}, refuse(0, "url", Letter, "no URL")
	}
	if link, err := parseLink(u.EscapedPath(), u.RawQuery, Options{Stem: true}); err == nil {
		return ID{kind: GS1, form: "digital-link", text: link.URL("id.gs1.org"), host: u.Host, key: link.Key}, nil
	}
	return ID{kind: URL, form: "url", text: u.String(), host: u.Host}, nil
}

// Kind is the system the name belongs to; "" for the zero ID.
func (id ID) Kind() Kind { return id.kind }

// Form is the name of the form in which the name was written, as in Forms.
func (id ID) Form() string { return id.form }

// String is the canonical form: equal names of one thing have one.
func (id ID) String() string { return id.text }

// Host is the host that the name itself points to ("" for none): of a host
// name, a URL, a did:web and of a Digital Link that is not at id.gs1.org.
func (id ID) Host() string {
	if id.kind == GS1 && id.host == "id.gs1.org" {
		return ""
	}
	return id.host
}

// Key is the GS1 key that the name is, and whether it is one.
func (id ID) Key() (Key, bool) { return id.key, !id.key.IsZero() }

// FromKey is the name of a key.
func FromKey(k Key) ID {
	return ID{kind: GS1, form: "digital-link", text: k.URL("id.gs1.org"), key: k}
}

// Forms are all ways to write the name, the canonical one first.
func (id ID) Forms() []Form {
	forms := []Form{{id.form, id.text}}
	if k, ok := id.Key(); ok {
		forms = append(forms, Form{"element-string", k.ElementString()})
	}
	return forms
}

func tooLong() *Error {
	return refuse(MaxInput, "name", Long, "a name has %d bytes at most", MaxInput)
}
