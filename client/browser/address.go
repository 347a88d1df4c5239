package browser

import (
	"errors"
	"strings"
)

// Origin is a page's own: what its requests may go to.
type Origin struct {
	Base string // "https://h.example", without a slash at the end
	// LAN is of requests to edges on the local network.
	LAN bool
}

var errAddress = errors.New("want http(s)://AUTHORITY/PATH")

// Carry is the address to ask in the browser for one that is meant.
func (o Origin) Carry(address string) (string, error) {
	rest, ok := strings.CutPrefix(address, "https://")
	if !ok {
		rest, ok = strings.CutPrefix(address, "http://")
	}
	host, path, _ := strings.Cut(rest, "/")
	if !ok || !isAuthority(host) || !isPath(path) {
		return "", errAddress
	}
	switch {
	case o.LAN:
		return o.Base + "/via-lan/" + host + "/" + path, nil
	case address == o.Base || strings.HasPrefix(address, o.Base+"/"):
		return address, nil
	}
	return o.Base + "/via/" + host + "/" + path, nil
}

// isAuthority tells a host with an optional port. What else a URL may have
// there, a user or a fragment, has no place in a request.
func isAuthority(s string) bool {
	if s == "" || len(s) > 270 {
		return false
	}
	for _, r := range s {
		letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
		if !letter && !strings.ContainsRune(".-:[]", r) {
			return false
		}
	}
	return true
}

// isPath refuses what a browser would change on its way: it would not be what
// was signed.
func isPath(s string) bool {
	for _, r := range s {
		if r <= ' ' || r >= 0x7f || strings.ContainsRune(`\#"<>`, r) {
			return false
		}
	}
	p, _, _ := strings.Cut(s, "?")
	for part := range strings.SplitSeq(p, "/") {
		switch strings.ReplaceAll(strings.ToLower(part), "%2e", ".") {
		case ".", "..":
			return false
		}
	}
	return true
}
