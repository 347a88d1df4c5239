package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"path/filepath"
	"strings"
	"sync"

	"primum/identity"
	"primum/internal/durable"
	"primum/internal/wire"
)

// FetchIdentity reads the identity document of an account directly from its
// domain: WebFinger (RFC 7033) names it, and it is signed by its own identity
// key and about that account. Trust in the key is the caller's matter.
func FetchIdentity(ctx context.Context, c Calls, account string) (string, error) {
	a, err := identity.ParseAddress(account)
	if err != nil {
		return "", err
	}
	base := a.BaseURL()
	var jrd wire.JRD
	q := url.Values{"resource": {"acct:" + a.String()}, "rel": {wire.RelIdentity}}
	if err := c.JSON(ctx, Key{}, "GET", base+wire.WebFingerPath+"?"+q.Encode(), nil, &jrd); err != nil {
		return "", fmt.Errorf("find %s: %w", account, err)
	}
	href := ""
	for _, l := range jrd.Links {
		if l.Rel == wire.RelIdentity {
			href = l.Href
		}
	}
	if !strings.HasPrefix(href, base+"/") {
		return "", fmt.Errorf("find %s: its domain names no identity document of its own", account)
	}
	r, err := c.Send(ctx, Key{}, Request{Method: "GET", URL: href, Max: wire.MaxDocument})
	if err != nil {
		return "", fmt.Errorf("fetch identity of %s: %w", account, err)
	}
	v, err := identity.First(strings.TrimSpace(string(r.Body)))
	if err != nil {
		return "", fmt.Errorf("fetch identity of %s: %w", account, err)
	}
	if v.Address() != a {
		return "", fmt.Errorf("fetch identity of %s: the document is about %s", account, v.Address())
	}
	return v.Compact(), nil
}

// Directory knows other people's identity documents: fetched from their own
// domains, pinned on first use, and following one another. It keeps them in
// one file. Safe for concurrent use.
type Directory struct {
	calls Calls
	file  string

	mu   sync.Mutex
	book book
}

type book struct {
	Pins      identity.Pins     `json:"pins"`
	Documents map[string]string `json:"documents"`
}

// OpenDirectory reads the directory kept in a file, which need not exist.
func OpenDirectory(file string, c Calls) (*Directory, error) {
	d := &Directory{calls: c.withDefaults(), file: file}
	b, err := durable.ReadFile(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, fmt.Errorf("read known identities: %w", err)
	default:
		if err := json.Unmarshal(b, &d.book); err != nil {
			return nil, fmt.Errorf("read known identities: %s is damaged: %w", filepath.Base(file), err)
		}
	}
	if d.book.Documents == nil {
		d.book.Documents = make(map[string]string)
	}
	return d, nil
}

// Lookup fetches an account's document now and pins its key. A key that does
// not follow the pinned one is identity.ErrPinChanged. When the domain does
// not answer, the document known before is returned together with the error.
func (d *Directory) Lookup(ctx context.Context, account string) (*identity.Verified, error) {
	a, err := identity.ParseAddress(account)
	if err != nil {
		return nil, err
	}
	compact, err := FetchIdentity(ctx, d.calls, a.String())
	if err != nil {
		known, _ := d.Known(account)
		return known, err
	}
	return d.Learn(compact)
}

// Known is the newest document known of an account, without asking anybody.
func (d *Directory) Known(account string) (*identity.Verified, bool) {
	d.mu.Lock()
	compact := d.book.Documents[account]
	d.mu.Unlock()
	v, err := identity.First(compact)
	return v, err == nil
}

// Learn takes a document from any source, under the same rules as Lookup.
func (d *Directory) Learn(compact string) (*identity.Verified, error) {
	v, err := identity.First(compact)
	if err != nil {
		return nil, err
	}
	name := v.Address().String()
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.book.Documents[name] == compact {
		return v, nil
	}
	if err := d.follow(name, v); err != nil {
		return nil, err
	}
	d.book.Documents[name] = compact
	return v, d.save()
}

func (d *Directory) follow(name string, v *identity.Verified) error {
	now := d.calls.Clock.Now()
	known, err := identity.First(d.book.Documents[name])
	if err != nil {
		_, err := d.book.Pins.Check(name, v.IdentityKey(), now)
		return err
	}
	if _, err := identity.Follow(v.Compact(), known); err != nil {
		if _, pinErr := d.book.Pins.Check(name, v.IdentityKey(), now); pinErr != nil {
			return fmt.Errorf("identity of %s: %w", name, pinErr)
		}
		return fmt.Errorf("identity of %s: %w", name, err)
	}
	if pin, ok := d.book.Pins.Get(name); !ok || string(pin.Key) != string(v.IdentityKey()) {
		d.book.Pins.Replace(name, v.IdentityKey(), now)
	}
	return nil
}

func (d *Directory) save() error {
	b, err := json.Marshal(d.book)
	if err != nil {
		return fmt.Errorf("keep known identities: %w", err)
	}
	if err := durable.WriteFile(d.file, b); err != nil {
		return fmt.Errorf("keep known identities: %w", err)
	}
	return nil
}

// Compared tells whether two people have compared the short code of an
// account's key.
func (d *Directory) Compared(account string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	pin, ok := d.book.Pins.Get(account)
	return ok && pin.Compared
}

// MarkCompared notes that two people compared the short code.
func (d *Directory) MarkCompared(v *identity.Verified) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.book.Pins.MarkCompared(v.Address().String(), v.IdentityKey()) {
		return fmt.Errorf("compare %s: %w", v.Address(), identity.ErrPinChanged)
	}
	return d.save()
}

// Accounts lists who is known, for completion.
func (d *Directory) Accounts() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	out := make([]string, 0, len(d.book.Documents))
	for name := range d.book.Documents {
		out = append(out, name)
	}
	return out
}
