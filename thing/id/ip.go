package id

import (
	"net/netip"
	"strconv"
	"strings"
)

// parseIP reads an IPv4 or IPv6 address, an IPv6 address in brackets too.
// A zone is of one machine only and is refused. False when s does not look like one.
func parseIP(s string) (ID, *Error, bool) {
	bare := s
	if strings.HasPrefix(s, "[") && strings.HasSuffix(s, "]") {
		bare = s[1 : len(s)-1]
	}
	a, err := netip.ParseAddr(bare)
	switch {
	case err != nil:
		return ID{}, nil, false
	case a.Zone() != "":
		return ID{}, refuse(strings.IndexByte(s, '%'), "zone", Value, "a zone means nothing outside its machine"), true
	}
	return ID{kind: IP, form: "ip", text: a.Unmap().String()}, nil, true
}

func ipForms(a netip.Addr) []Form {
	forms := []Form{{"ip", a.String()}}
	if a.Is6() {
		forms = append(forms, Form{"ip-long", a.StringExpanded()})
	}
	return append(forms, Form{"reverse-dns", reverse(a)})
}

// reverse is the name under which the address stands in DNS (RFC 1035, 3.5; RFC 3596, 2.5).
func reverse(a netip.Addr) string {
	var labels []string
	raw := a.AsSlice()
	for i := len(raw) - 1; i >= 0; i-- {
		if a.Is4() {
			labels = append(labels, strconv.Itoa(int(raw[i])))
		} else {
			labels = append(labels, strconv.FormatInt(int64(raw[i]&15), 16), strconv.FormatInt(int64(raw[i]>>4), 16))
		}
	}
	if a.Is4() {
		return strings.Join(labels, ".") + ".in-addr.arpa"
	}
	return strings.Join(labels, ".") + ".ip6.arpa"
}
