package identity

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Address is an account: user@authority, in the one form that is compared.
// The zero Address is none.
type Address struct {
	User      string // PRECIS UsernameCaseMapped (RFC 8265)
	Authority string // lower-case A-labels; a port only under .localhost
}

// ErrAddress: not an address.
var ErrAddress = errors.New("not an address like name@example.org")

const (
	maxUser      = 64  // bytes
	maxAuthority = 255 // bytes
)

// ParseAddress reads user@authority and maps it to its one form: the user
// case-mapped, the domain in A-labels (IDNA2008).
func ParseAddress(s string) (Address, error) {
	user, authority, ok := strings.Cut(s, "@")
	if !ok {
		return Address{}, fmt.Errorf("%w: %q has no @", ErrAddress, clip(s))
	}
	u, err := parseUser(user)
	if err != nil {
		return Address{}, err
	}
	a, err := ParseAuthority(authority)
	if err != nil {
		return Address{}, err
	}
	return Address{User: u, Authority: a}, nil
}

func parseUser(s string) (string, error) {
	if len(s) > maxUser {
		return "", fmt.Errorf("%w: the name has more than %d bytes", ErrAddress, maxUser)
	}
	u, err := mapUser(s)
	if err != nil || u == "" || len(u) > maxUser {
		return "", fmt.Errorf("%w: %q can't be a name", ErrAddress, clip(s))
	}
	// A user stands in URLs, key ids and file names: only what needs no escape.
	for i, r := range u {
		if !unicode.IsLetter(r) && !unicode.IsMark(r) && !unicode.IsDigit(r) && (i == 0 || !strings.ContainsRune("-_.", r)) {
			return "", fmt.Errorf("%w: %q can't stand in a name there", ErrAddress, r)
		}
	}
	return u, nil
}

// ParseAuthority reads a domain name and maps it to lower-case A-labels. A
// port is taken only under .localhost; IP addresses are refused.
func ParseAuthority(s string) (string, error) {
	host, port := s, ""
	if i := strings.IndexByte(s, ':'); i >= 0 {
		host, port = s[:i], s[i+1:]
	}
	if host == "" || len(s) > maxAuthority {
		return "", fmt.Errorf("%w: the domain must have 1 to %d bytes", ErrAddress, maxAuthority)
	}
	ascii, err := hostToASCII(host)
	if err != nil || !utf8.ValidString(host) || strings.HasSuffix(ascii, ".") {
		return "", fmt.Errorf("%w: %q can't be a domain", ErrAddress, clip(host))
	}
	last := ascii[strings.LastIndexByte(ascii, '.')+1:]
	if ascii != "localhost" && (last == ascii || strings.Trim(last, "0123456789") == "") {
		return "", fmt.Errorf("%w: %q can't be a domain", ErrAddress, clip(host))
	}
	if port == "" && host == s {
		return ascii, nil
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 || strconv.FormatUint(n, 10) != port {
		return "", fmt.Errorf("%w: %q can't be a port", ErrAddress, clip(port))
	}
	if !IsLoopback(ascii) {
		return "", fmt.Errorf("%w: a port can stand only under .localhost", ErrAddress)
	}
	return ascii + ":" + port, nil
}

// IsLoopback tells whether an authority is localhost or under it.
func IsLoopback(authority string) bool {
	host, _, _ := strings.Cut(authority, ":")
	return host == "localhost" || strings.HasSuffix(host, ".localhost")
}

// BaseURL is where the node of an authority answers: http under .localhost,
// https everywhere else; no slash at the end.
func BaseURL(authority string) string {
	if IsLoopback(authority) {
		return "http://" + authority
	}
	return "https://" + authority
}

// BaseURL is the base URL of the account's node.
func (a Address) BaseURL() string { return BaseURL(a.Authority) }

// String is user@authority in the compared form; "" for the zero Address.
func (a Address) String() string {
	if a == (Address{}) {
		return ""
	}
	return a.User + "@" + a.Authority
}

// Display is the form for people: the domain in its own script.
func (a Address) Display() string {
	host, port, colon := strings.Cut(a.Authority, ":")
	if u, err := hostToUnicode(host); err == nil {
		host = u
	}
	if colon {
		host += ":" + port
	}
	return a.User + "@" + host
}

// MarshalText writes String.
func (a Address) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// UnmarshalText reads an address that is already in its compared form: a
// signed document has one way to name an account.
func (a *Address) UnmarshalText(text []byte) error {
	p, err := ParseAddress(string(text))
	if err != nil {
		return err
	}
	if p.String() != string(text) {
		return fmt.Errorf("%w: it must be written %s", ErrAddress, p)
	}
	*a = p
	return nil
}

// clip bounds what an error repeats of foreign text.
func clip(s string) string {
	if len(s) > 80 {
		return strings.ToValidUTF8(s[:80], "") + "…"
	}
	return s
}
