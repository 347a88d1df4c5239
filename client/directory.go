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
	"primum/internal/jws"
	"primum/internal/wire"
)

// ErrNoAccount: the domain answers, and has no such account.
var ErrNoAccount = errors.New("there is no such account at that domain")

// FetchIdentity reads the identity document of an account directly from its
// domain: WebFinger (RFC 7033) names it. It says that it is about that account
// and is not verified yet: whoever knows an earlier one of the account verifies
// that it follows (identity.Follow), anybody else that it stands for itself
// (identity.First). Directory does both, and pins.
func FetchIdentity(ctx context.Context, c Calls, account string) (string, error) {
	a, err := identity.ParseAddress(account)
	if err != nil {
		return "", err
	}
	base := a.BaseURL()
	var jrd wire.JRD
	q := url.Values{"resource": {"acct:" + a.String()}, "rel": {wire.RelIdentity}}
	if err := c.JSON(ctx, Key{}, "GET", base+wire.WebFingerPath+"?"+q.Encode(), nil, &jrd); err != nil {
		if IsProblem(err, wire.ProbNotFound) {
			err = ErrNoAccount
		}
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
	compact := strings.TrimSpace(string(r.Body))
	about, err := aboutAddress(compact)
	if err != nil {
		return "", fmt.Errorf("fetch identity of %s: %w", account, err)
	}
	if about != a {
		return "", fmt.Errorf("fetch identity of %s: the document is about %s", account, about)
	}
	return compact, nil
}

// aboutAddress is the account that a document names, not verified.
func aboutAddress(compact string) (identity.Address, error) {
	u, err := jws.Parse(compact, identity.MaxSize)
	if err != nil {
		return identity.Address{}, err
	}
	var d identity.Document
	if err := jws.DecodeStrict(u.UntrustedPayload(), &d); err != nil {
		return identity.Address{}, err
	}
	return d.Address, nil
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
	Pins identity.Pins `json:"pins"`
	// Documents is the newest document of each account behind the one that it
	// was verified against: one signed by a recovery key does not stand alone.
	Documents map[string]followed `json:"documents"`
}

type followed struct {
	Before string `json:"before,omitempty"` // empty where Newest stands alone
	Newest string `json:"newest"`
}

func (f followed) verified() (*identity.Verified, error) {
	if f.Before == "" {
		return identity.First(f.Newest)
	}
	before, err := identity.First(f.Before)
	if err != nil {
		return nil, err
	}
	return identity.Follow(f.Newest, before)
}

// OpenDirectory reads the directory kept in a file, which need not exist.
func OpenDirectory(file string, c Calls) (*Directory, error) {
	d := &Directory{calls: c.WithDefaults(), file: file}
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
		d.book.Documents = make(map[string]followed)
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
	f := d.book.Documents[account]
	d.mu.Unlock()
	v, err := f.verified()
	return v, err == nil
}

// Learn takes a document from any source, under the same rules as Lookup.
func (d *Directory) Learn(compact string) (*identity.Verified, error) {
	address, err := aboutAddress(compact)
	if err != nil {
		return nil, err
	}
	name := address.String()
	d.mu.Lock()
	defer d.mu.Unlock()
	if f := d.book.Documents[name]; f.Newest == compact {
		return f.verified()
	}
	v, f, err := d.follow(name, compact)
	if err != nil {
		return nil, fmt.Errorf("identity of %s: %w", name, err)
	}
	d.book.Documents[name] = f
	return v, d.save()
}

// follow verifies a document against the one known before, or as the first.
func (d *Directory) follow(name, compact string) (*identity.Verified, followed, error) {
	now := d.calls.Clock.Now()
	old := d.book.Documents[name]
	known, err := old.verified()
	if err != nil {
		v, err := identity.First(compact)
		if err == nil {
			_, err = d.book.Pins.Check(name, v.IdentityKey(), now)
		}
		return v, followed{Newest: compact}, err
	}
	v, err := identity.Follow(compact, known)
	if err != nil {
		if alone, e := identity.First(compact); e == nil {
			if _, e := d.book.Pins.Check(name, alone.IdentityKey(), now); e != nil {
				err = e // not a mere rollback: another key
			}
		}
		return nil, old, err
	}
	if pin, ok := d.book.Pins.Get(name); !ok || string(pin.Key) != string(v.IdentityKey()) {
		d.book.Pins.Replace(name, v.IdentityKey(), now)
	}
	f := followed{Newest: compact}
	if _, err := identity.First(compact); err != nil {
		f.Before = old.Newest
	}
	return v, f, nil
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
