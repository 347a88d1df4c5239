package certs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
)

// directoryMost bounds an authority's directory, in bytes.
const directoryMost = 64 << 10

// Authority is what an ACME authority says of itself (RFC 8555 §7.1.1).
type Authority struct {
	Terms string   // address of the terms; may be empty
	CAA   []string // what a CAA record names it by (RFC 8659); may be empty
	// Account: it takes only whom it knows by another way already.
	Account bool
}

// ErrAuthority means that an address leads to no ACME directory.
var ErrAuthority = errors.New("no directory of an ACME authority")

// ErrAddress means that an authority can't be asked there: what it says of itself
// is believed, so it is asked over https alone (RFC 8555 §6.1).
var ErrAddress = errors.New("no https address of an ACME directory")

func checkAddress(ca string) error {
	if u, err := url.Parse(ca); err != nil || u.Scheme != "https" || u.Hostname() == "" {
		return fmt.Errorf("%w: %q", ErrAddress, ca)
	}
	return nil
}

// Ask fetches an authority's directory. Errors: ErrAddress, ErrAuthority, the
// network's.
func Ask(ctx context.Context, get *http.Client, ca string) (a Authority, err error) {
	if ca == "" {
		ca = LetsEncrypt
	}
	if err := checkAddress(ca); err != nil {
		return a, fmt.Errorf("ask certificate authority: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, ca, http.NoBody)
	if err != nil {
		return a, fmt.Errorf("ask certificate authority: %w", err)
	}
	resp, err := get.Do(req)
	if err != nil {
		return a, fmt.Errorf("ask certificate authority: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(io.LimitReader(resp.Body, directoryMost+1))
	if err != nil {
		return a, fmt.Errorf("ask certificate authority: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		return a, fmt.Errorf("ask certificate authority: %w: status %d", ErrAuthority, resp.StatusCode)
	}
	return ParseDirectory(b)
}

// domainName is how CAA names an authority: nothing that a zone file reads
// otherwise.
var domainName = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9-]{0,62})(\.[A-Za-z0-9]([A-Za-z0-9-]{0,62}))*$`)

// ParseDirectory reads a directory of at most 64 KiB. Errors: ErrAuthority.
func ParseDirectory(b []byte) (a Authority, err error) {
	var d struct {
		NewOrder string `json:"newOrder"`
		Meta     struct {
			Terms   string   `json:"termsOfService"`
			CAA     []string `json:"caaIdentities"`
			Account bool     `json:"externalAccountRequired"`
		} `json:"meta"`
	}
	if len(b) > directoryMost || json.Unmarshal(b, &d) != nil || d.NewOrder == "" {
		return a, fmt.Errorf("read directory: %w", ErrAuthority)
	}
	a.Account = d.Meta.Account
	if u, err := url.Parse(d.Meta.Terms); err == nil && (u.Scheme == "https" || u.Scheme == "http" || u.Scheme == "data") {
		a.Terms = u.String()
	}
	for _, name := range d.Meta.CAA {
		if len(name) <= 253 && domainName.MatchString(name) && len(a.CAA) < 10 {
			a.CAA = append(a.CAA, name)
		}
	}
	return a, nil
}
