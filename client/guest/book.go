package guest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"sync"
	"time"

	"primum/client"
	"primum/identity"
	"primum/internal/clock"
	"primum/internal/durable"
	"primum/internal/jws"
	"primum/internal/wire"
)

// State is how far a link of one's own is.
type State string

// States. Waiting ones are Made (the node does not know it yet), Open (nobody
// came) and Arrived (compare the words).
const (
	Made    State = "made"
	Open    State = "open"
	Arrived State = "arrived"
	Given   State = "given"
	Expired State = "expired"
	Ended   State = "ended"
)

// Waits tells whether something may still happen to a link by itself.
func (s State) Waits() bool { return s == Made || s == Open || s == Arrived }

// Life is how long a link of ours waits to be opened and confirmed.
const Life = 24 * time.Hour

// Reasons why a link has ended, beside the node's (wire.Link…).
const (
	ReasonForged = "forged" // who came has not got the link: the node, or somebody by it
)

// ErrNoLink: no link of that id was made here.
var ErrNoLink = errors.New("no such link was made here")

// ErrNotArrived: nobody came by the link, or it is over.
var ErrNotArrived = errors.New("there is nobody to confirm")

// Kept is one link as its owner keeps it. It holds the secret.
type Kept struct {
	ID      string          `json:"id"`
	URL     string          `json:"url"`
	Name    string          `json:"name,omitempty"`
	Terms   json.RawMessage `json:"terms,omitempty"` // of whoever uses the book: what is to be given
	Made    time.Time       `json:"made"`
	Expires time.Time       `json:"expires"`
	Owner   string          `json:"owner"` // account
	Key     jws.Bytes       `json:"key"`   // identity key when the link was made
	Nonce   jws.Bytes       `json:"nonce"`

	State  State  `json:"state"`
	Reason string `json:"reason,omitempty"`
	// Document and GuestNonce are the first answer: there is no other one.
	Document   string    `json:"document,omitempty"`
	GuestNonce jws.Bytes `json:"guestNonce,omitempty"`
	Guest      string    `json:"guest,omitempty"` // account
	Words      string    `json:"words,omitempty"`
	Grant      string    `json:"grant,omitempty"`
}

func (k Kept) side() (o Owner, err error) {
	if o.Link, err = Parse(k.URL); err != nil {
		return o, err
	}
	a, err := identity.ParseAddress(k.Owner)
	o.Self, o.Expires = Party{Account: a, Key: k.Key, Nonce: k.Nonce}, k.Expires
	return o, err
}

// keptEnded is how long a link that is over is listed.
const keptEnded = 30 * 24 * time.Hour

// Book is an account's links, kept in one file. Safe for concurrent use.
type Book struct {
	file string
	node client.Node // the own one, asked as the account's client
	pace clock.Clock

	mu    sync.Mutex
	links []Kept // guarded by mu; oldest first
}

// OpenBook reads the book kept in a file, which need not exist. Pauses between
// attempts follow pace; nil: real time.
func OpenBook(file string, node client.Node, pace clock.Clock) (*Book, error) {
	node.Calls = node.WithDefaults()
	if pace == nil {
		pace = clock.Real()
	}
	b := &Book{file: file, node: node, pace: pace}
	raw, err := durable.ReadFile(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, fmt.Errorf("read links: %w", err)
	default:
		if err := json.Unmarshal(raw, &b.links); err != nil {
			return nil, fmt.Errorf("read links: the file is damaged: %w", err)
		}
	}
	return b, nil
}

// List is all links, newest first; those that ended long ago are left out.
func (b *Book) List() []Kept {
	b.mu.Lock()
	defer b.mu.Unlock()
	all := slices.Clone(b.links)
	slices.Reverse(all)
	return all
}

// Get is one link; ErrNoLink.
func (b *Book) Get(id string) (Kept, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, k := range b.links {
		if k.ID == id {
			return k, nil
		}
	}
	return Kept{}, ErrNoLink
}

// Make makes a link of an account and its identity key, keeps it, and tells the
// node. Without the node it is kept as Made, and Follow tells the node later;
// the error says so.
func (b *Book) Make(ctx context.Context, by *identity.Verified, name string, terms json.RawMessage) (Kept, error) {
	now := b.node.Clock.Now().UTC().Truncate(time.Second)
	l, err := New(b.node.Rand, b.node.Authority)
	if err != nil {
		return Kept{}, err
	}
	nonce := make([]byte, keySize)
	if _, err := io.ReadFull(b.node.Rand, nonce); err != nil {
		return Kept{}, fmt.Errorf("make link: %w", err)
	}
	k := Kept{
		ID: l.ID.String(), URL: l.URL(), Name: name, Terms: terms, Made: now, Expires: now.Add(Life),
		Owner: by.Address().String(), Key: bytes.Clone(by.IdentityKey()), Nonce: nonce, State: Made,
	}
	b.mu.Lock()
	b.links = slices.DeleteFunc(b.links, func(k Kept) bool { return !k.State.Waits() && now.Sub(k.Made) > keptEnded && k.State != Given })
	b.links = append(b.links, k)
	err = b.save()
	b.mu.Unlock()
	if err != nil {
		return Kept{}, err
	}
	return b.offer(ctx, k)
}

// offer tells the node of a link.
func (b *Book) offer(ctx context.Context, k Kept) (Kept, error) {
	o, err := k.side()
	if err != nil {
		return k, err
	}
	offer, err := o.Offer()
	if err != nil {
		return k, err
	}
	if err := b.node.NewLink(ctx, k.ID, offer); err != nil {
		return k, fmt.Errorf("make link: %w", err)
	}
	return b.change(k.ID, func(k *Kept) {
		if k.State == Made {
			k.State = Open
		}
	})
}

// change changes one link on disk and here.
func (b *Book) change(id string, f func(*Kept)) (Kept, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := range b.links {
		if b.links[i].ID != id {
			continue
		}
		old := b.links[i]
		f(&b.links[i])
		if !b.links[i].State.Waits() {
			b.links[i].URL, b.links[i].Nonce = "", nil // the secret has done its work
		}
		if err := b.save(); err != nil {
			b.links[i] = old
			return old, err
		}
		return b.links[i], nil
	}
	return Kept{}, ErrNoLink
}

// save writes the book; b.mu is held.
func (b *Book) save() error {
	raw, err := json.Marshal(b.links)
	if err == nil {
		err = durable.WriteFile(b.file, raw)
	}
	if err != nil {
		return fmt.Errorf("keep links: %w", err)
	}
	return nil
}

// Confirmed notes the grant that was given by a link.
func (b *Book) Confirmed(id, grant string) (Kept, error) {
	return b.change(id, func(k *Kept) { k.State, k.Grant = Given, grant })
}

// Met is who came by a link: the document that the grant is to be made for.
// Errors: ErrNoLink, ErrNotArrived.
func (b *Book) Met(id string) (Kept, *identity.Verified, error) {
	k, err := b.Get(id)
	if err != nil {
		return k, nil, err
	}
	if k.State != Arrived {
		return k, nil, ErrNotArrived
	}
	v, err := identity.First(k.Document)
	return k, v, err
}

// Cancel ends a link that has no grant: here at once, and at the node. Where
// the node is away the link expires there by itself, and the error says so.
func (b *Book) Cancel(ctx context.Context, id string) (Kept, error) {
	k, err := b.Get(id)
	if err != nil || !k.State.Waits() {
		return k, err
	}
	asked := b.node.CancelLink(ctx, id)
	if client.IsProblem(asked, wire.ProbNotFound) {
		asked = nil // it never came there
	}
	if client.IsProblem(asked, wire.ProbConflict) {
		return k, fmt.Errorf("cancel link: %w", asked)
	}
	k, err = b.end(id, wire.LinkCancelled)
	return k, errors.Join(err, asked)
}

func (b *Book) end(id, reason string) (Kept, error) {
	return b.change(id, func(k *Kept) {
		k.State, k.Reason = Ended, reason
		if reason == wire.LinkExpired {
			k.State = Expired
		}
	})
}
