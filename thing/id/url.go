package id

import (
	"net/netip"
	"strings"
	"unicode/utf8"
)

// canonicalHost stands in Digital Links that name no resolver (Digital Link 1.6, 4.9).
const canonicalHost = "id.gs1.org"

// address is a URL of http or https cut at its joints, with their offsets.
type address struct {
	scheme, authority, path, query, fragment string
	hasQuery                                 bool
	authorityAt, pathAt, queryAt             int
}

func cutURL(s string) (a address) {
	a.scheme, s, _ = strings.Cut(s, "://")
	a.scheme = strings.ToLower(a.scheme)
	a.authorityAt = len(a.scheme) + 3
	s, a.fragment, _ = strings.Cut(s, "#")
	s, a.query, a.hasQuery = strings.Cut(s, "?")
	a.authority = s
	if i := strings.IndexByte(s, '/'); i >= 0 {
		a.authority, a.path = s[:i], s[i:]
	}
	a.pathAt = a.authorityAt + len(a.authority)
	a.queryAt = a.pathAt + len(a.path) + 1
	return a
}

// parseURL reads a URL of http or https, and a GS1 Digital Link where it is one.
func parseURL(s string) (ID, *Error) {
	for i := range len(s) {
		if s[i] <= ' ' || strings.IndexByte("\\\"<>^`{|}\x7f", s[i]) >= 0 {
			return ID{}, refuse(i, "url", Letter, "%q may not stand in a URL", s[i])
		}
	}
	if !utf8.ValidString(s) {
		return ID{}, refuse(0, "url", Letter, "not UTF-8")
	}
	a := cutURL(s)
	host, err := a.host()
	if err != nil {
		return ID{}, err.at(a.authorityAt)
	}
	path, err := cleanPath(a.path)
	if err != nil {
		return ID{}, err.at(a.pathAt)
	}
	query, err := cleanEscapes(a.query, "query")
	if err != nil {
		return ID{}, err.at(a.queryAt)
	}
	fragment, err := cleanEscapes(a.fragment, "fragment")
	if err != nil {
		return ID{}, err.at(len(s) - len(a.fragment))
	}
	if id, err, ok := a.digitalLink(host); ok {
		return id, err
	}
	text := a.scheme + "://" + host + path
	if a.hasQuery {
		text += "?" + query
	}
	if fragment != "" {
		text += "#" + fragment
	}
	return ID{kind: URL, form: "url", text: text, host: host}, nil
}

// host checks the authority: no user name, a host name or an address, a port.
func (a address) host() (string, *Error) {
	if i := strings.IndexByte(a.authority, '@'); i >= 0 {
		return "", refuse(0, "user", Secret, "a name holds no user name and no password")
	}
	if a.authority == "" {
		return "", refuse(0, "host", Empty, "no host")
	}
	host, err := authorityHost(a.authority)
	if err != nil {
		return "", err
	}
	if a.scheme == "https" {
		return strings.TrimSuffix(host, ":443"), nil
	}
	return strings.TrimSuffix(host, ":80"), nil
}

func authorityHost(s string) (string, *Error) {
	if strings.HasPrefix(s, "[") {
		text, port, _ := strings.Cut(s[1:], "]")
		ip, err := netip.ParseAddr(text)
		if err != nil || ip.Zone() != "" || !ip.Is6() {
			return "", refuse(1, "host", Value, "no IPv6 address")
		}
		_, port, fault := cutPort(port)
		return "[" + ip.String() + "]" + port, fault.at(2 + len(text))
	}
	name, port, err := cutPort(s)
	if err != nil {
		return "", err
	}
	if ip, bad := netip.ParseAddr(name); bad == nil {
		return ip.String() + port, nil
	}
	return parseHost(s, false)
}

// digitalLink reads the URL as a Digital Link. False when it is an ordinary
// URL; a wrong check digit or order is no ordinary URL but a fault.
func (a address) digitalLink(host string) (ID, *Error, bool) {
	link, err := parseLink(a.path, a.query, Options{Stem: true, ShortGTIN: true})
	official := host == canonicalHost
	if err != nil {
		claimed := official || err.Fault == Checksum || err.Fault == Order || err.Fault == Twice || err.Offset > len(a.path)
		return ID{}, err.at(a.pathAt), claimed
	}
	form := "digital-link"
	if link.Compressed {
		form = "digital-link-compressed"
		if !official && !strings.HasSuffix(a.path, "/"+link.Key.Compressed()) {
			return ID{}, nil, false
		}
	}
	id := FromKey(link.Key)
	id.form, id.host, id.stem = form, host, link.Stem
	return id, nil, true
}

// cleanPath removes dot segments (RFC 3986, 5.2.4). An encoded one hides
// where a path leads and is refused.
func cleanPath(path string) (string, *Error) {
	if path == "" {
		return "/", nil
	}
	path, err := cleanEscapes(path, "path")
	if err != nil {
		return "", err
	}
	var out []string
	segments := strings.Split(path[1:], "/")
	for i, s := range segments {
		last := i == len(segments)-1
		switch {
		case s == "..":
			out = out[:max(0, len(out)-1)]
		case s != ".":
			out = append(out, s)
			continue
		}
		if last {
			out = append(out, "")
		}
	}
	return "/" + strings.Join(out, "/"), nil
}

// cleanEscapes writes escapes in capitals, undoes those that need not be
// (RFC 3986, 6.2.2), and escapes what is not ASCII.
func cleanEscapes(s, part string) (string, *Error) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c != '%' {
			if c < utf8.RuneSelf {
				b.WriteByte(c)
			} else {
				escape(&b, s[i:i+1])
			}
			continue
		}
		text, err := unescape(s[i:min(i+3, len(s))], part)
		switch {
		case err != nil:
			return "", err.at(i)
		case text == "." && part == "path":
			return "", refuse(i, part, Escape, "an escaped dot")
		}
		escape(&b, text)
		i += 2
	}
	return b.String(), nil
}
