package identity

import (
	"bytes"
	"crypto/ed25519"
	"fmt"
	"slices"
	"time"
)

// Address is the account.
func (v *Verified) Address() Address { return v.doc.Address }

// Kind is what the account stands for.
func (v *Verified) Kind() Kind { return v.doc.Kind }

// Name is the display name; it may be empty.
func (v *Verified) Name() string { return v.doc.Name }

// Version is the number of the document, from 1.
func (v *Verified) Version() uint64 { return v.doc.Version }

// IdentityKey is the key that names the account for good.
func (v *Verified) IdentityKey() ed25519.PublicKey {
	return ed25519.PublicKey(bytes.Clone(v.doc.IdentityKey))
}

// Issued and Expires bound the document's validity.
func (v *Verified) Issued() time.Time { return v.doc.Issued }

// Expires is when the document ends.
func (v *Verified) Expires() time.Time { return v.doc.Expires }

// Hash is the document's hash, which the next one names.
func (v *Verified) Hash() string { return v.hash }

// Compact is the document as signed.
func (v *Verified) Compact() string { return v.compact }

// Document is a copy of the payload.
func (v *Verified) Document() Document {
	d := v.doc
	d.Clients = v.Clients()
	return d
}

// Clients are all clients, in the document's order.
func (v *Verified) Clients() []Client {
	cs := slices.Clone(v.doc.Clients)
	for i := range cs {
		cs[i].Suites = slices.Clone(cs[i].Suites)
	}
	return cs
}

// Client finds a client by name.
func (v *Verified) Client(name string) (Client, bool) {
	for _, c := range v.doc.Clients {
		if c.Name == name {
			return c, true
		}
	}
	return Client{}, false
}

// ClientByKey finds a client by its signature key.
func (v *Verified) ClientByKey(pub ed25519.PublicKey) (Client, bool) {
	for _, c := range v.doc.Clients {
		if bytes.Equal(c.Key, pub) {
			return c, true
		}
	}
	return Client{}, false
}

// ExpiredAt tells whether the document has ended at t.
func (v *Verified) ExpiredAt(t time.Time) bool { return !t.Before(v.doc.Expires) }

// ValidAt is nil when t lies within the document's validity; another clock may
// be five minutes ahead. Else ErrExpired or ErrNotYet.
func (v *Verified) ValidAt(t time.Time) error {
	if v.ExpiredAt(t) {
		return fmt.Errorf("%w: %s, on %s", ErrExpired, v.doc.Address, v.doc.Expires.UTC().Format(time.RFC3339))
	}
	if t.Add(skew).Before(v.doc.Issued) {
		return fmt.Errorf("%w: %s, from %s on", ErrNotYet, v.doc.Address, v.doc.Issued.UTC().Format(time.RFC3339))
	}
	return nil
}

// RemindAt tells whether the person should be asked to renew (day 20).
func (v *Verified) RemindAt(t time.Time) bool { return !t.Before(v.doc.Issued.Add(RemindAfter)) }

// Next is a copy of the payload prepared as the next version: version and hash
// set, validity as long as MaxValidity from now; the caller changes the rest
// and signs it.
func (v *Verified) Next(now time.Time) (Document, error) {
	id, err := NewID(nil, now)
	if err != nil {
		return Document{}, err
	}
	d := v.Document()
	d.ID, d.Version, d.Previous = id, v.doc.Version+1, v.hash
	d.Issued = now.UTC().Truncate(time.Second)
	if d.Issued.Before(v.doc.Issued) {
		d.Issued = v.doc.Issued
	}
	d.Expires = d.Issued.Add(MaxValidity)
	return d, nil
}
