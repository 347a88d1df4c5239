package id

import (
	"net/netip"
	"strconv"
	"strings"
)

// Part is one part of a name. Name is a word of this package ("host", "port",
// "key", "qualifier", "attribute", "prefix", "filter", "class", "version",
// "range", "maker", "path", "scheme"); Code is GS1's application identifier where there is one.
type Part struct {
	Name  string `json:"part"`
	Code  string `json:"ai,omitempty"`
	Title string `json:"title,omitempty"`
	Value string `json:"value"`
}

// Parts takes the name apart.
func (id ID) Parts() []Part {
	switch id.kind {
	case GS1:
		return id.keyParts()
	case DNS:
		return hostParts(id.text)
	case URL:
		a := cutURL(id.text)
		return append(append([]Part{{Name: "scheme", Value: a.scheme}}, hostParts(a.authority)...), Part{Name: "path", Value: a.path})
	case DIDWeb:
		parts := hostParts(id.host)
		if _, path, ok := strings.Cut(strings.TrimPrefix(id.text, "did:web:"), ":"); ok {
			parts = append(parts, Part{Name: "path", Value: path})
		}
		return parts
	case IP:
		return addressParts(id.Addr())
	case MAC:
		return macParts(strings.TrimPrefix(id.text, "urn:dev:mac:"))
	case UUID:
		return []Part{{Name: "version", Value: strconv.Itoa(int(nibble(id.text[len("urn:uuid:")+14])))}}
	case EPC:
		fields := strings.Split(strings.TrimPrefix(id.text, "urn:epc:id:gid:"), ".")
		return []Part{{Name: "maker", Value: fields[0]}, {Name: "class", Value: fields[1]}, {Name: "serial", Value: fields[2]}}
	}
	return nil
}

func (id ID) keyParts() (parts []Part) {
	k := id.key
	for i, ai := range k.AIs {
		name := "attribute"
		switch {
		case i == 0:
			name = "key"
		case i < k.named():
			name = "qualifier"
		}
		parts = append(parts, Part{name, ai.Code, Title(ai.Code), ai.Value})
	}
	if e, ok := k.cut(id.prefix); ok {
		parts = append(parts, Part{Name: "prefix", Value: e.prefix})
	}
	if id.filter >= 0 {
		parts = append(parts, Part{Name: "filter", Value: strconv.Itoa(id.filter)})
	}
	if class := k.Class(); k.Serial() && !class.IsZero() {
		parts = append(parts, Part{Name: "class", Value: class.Path()})
	}
	return parts
}

func hostParts(host string) []Part {
	if i := strings.LastIndexByte(host, ':'); i >= 0 && !strings.HasSuffix(host, "]") {
		return []Part{{Name: "host", Value: host[:i]}, {Name: "port", Value: host[i+1:]}}
	}
	return []Part{{Name: "host", Value: host}}
}

func addressParts(a netip.Addr) []Part {
	version, reach := "6", "public"
	if a.Is4() {
		version = "4"
	}
	switch {
	case a.IsLoopback():
		reach = "loopback"
	case a.IsPrivate():
		reach = "private"
	case a.IsLinkLocalUnicast():
		reach = "link"
	case a.IsMulticast():
		reach = "multicast"
	case a.IsUnspecified():
		reach = "unspecified"
	}
	return []Part{{Name: "version", Value: version}, {Name: "range", Value: reach}}
}

// macParts tells the maker's prefix, and whether an address was given by its
// maker or made up by its machine, as phones do to hide.
func macParts(h string) []Part {
	reach := "universal"
	switch first := nibble(h[1]); {
	case first&1 != 0:
		reach = "multicast"
	case first&2 != 0:
		reach = "local"
	}
	return []Part{{Name: "maker", Value: grouped(h[:6], "-")}, {Name: "range", Value: reach}}
}
