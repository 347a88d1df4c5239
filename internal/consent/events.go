package consent

import (
	"errors"
	"reflect"
	"time"

	"primum/grant"
	"primum/identity"
	"primum/internal/jws"
	"primum/internal/store"
	"primum/internal/wire"
)

// move is the event by which a grant changes its state, by the table of states.
func (b *Book) move(g store.Grant, event grant.Event, by grant.Actor, document string) (store.GrantEvent, error) {
	next, err := grant.Next(grant.State(g.State), event, by)
	if err != nil {
		return store.GrantEvent{}, refusal(wire.ProbConflict, err.Error())
	}
	return b.event(next, by, document)
}

// event is an entry of a grant's history, with the node's receipt where a
// document brought it about.
func (b *Book) event(state grant.State, by grant.Actor, document string) (store.GrantEvent, error) {
	e := store.GrantEvent{State: string(state), At: b.o.Clock.Now().UTC().Truncate(time.Millisecond), By: string(by)}
	if document == "" {
		return e, nil
	}
	e.Document, e.Hash = document, grant.Hash(document)
	id, err := identity.NewID(nil, e.At)
	if err != nil {
		return e, err
	}
	e.Receipt, err = grant.SignReceipt(grant.NodeReceipt{
		ID: id, Node: b.o.Authority, Hash: e.Hash, Event: e.State, At: e.At,
	}, b.o.Key)
	return e, err
}

// same compares envelopes but for who signed them when.
func same(a, b grant.Envelope) bool {
	a.ValidFrom, b.ValidFrom = a.ValidFrom.UTC(), b.ValidFrom.UTC()
	a.ValidUntil, b.ValidUntil = a.ValidUntil.UTC(), b.ValidUntil.UTC()
	a.Issued, b.Issued = time.Time{}, time.Time{}
	return reflect.DeepEqual(a, b)
}

func refusal(name, detail string) *wire.Refusal { return &wire.Refusal{Name: name, Detail: detail} }

// named tells whether an error is the named refusal.
func named(err error, name string) bool {
	var r *wire.Refusal
	return errors.As(err, &r) && r.Name == name
}

// conflict turns what the store's comparison says into a refusal.
func conflict(err error) error {
	switch {
	case errors.Is(err, store.ErrExists):
		return refusal(wire.ProbConflict, "the circle belongs to another grant or claim")
	case errors.Is(err, store.ErrConflict):
		return refusal(wire.ProbConflict, "it changed meanwhile: look, then ask again")
	}
	return err
}

// document turns what grant and identity say of a document into a refusal; nil
// stays nil.
func document(err error) error {
	if err == nil {
		return nil
	}
	r := &wire.Refusal{Name: wire.ProbMalformed, Detail: err.Error(), Err: err}
	var place *jws.PlaceError
	if errors.As(err, &place) {
		r.Pointer, r.Detail = place.Pointer, place.Reason
	}
	for _, k := range []struct {
		err  error
		name string
	}{
		{grant.ErrSigner, wire.ProbBadSignature},
		{identity.ErrSigner, wire.ProbBadSignature},
		{grant.ErrMismatch, wire.ProbConflict},
		{grant.ErrAudience, wire.ProbForbidden},
		{grant.ErrStale, wire.ProbForbidden},
		{grant.ErrExpired, wire.ProbExpired},
		{identity.ErrExpired, wire.ProbExpired},
		{grant.ErrNotYet, wire.ProbNotYet},
		{identity.ErrNotYet, wire.ProbNotYet},
	} {
		if errors.Is(err, k.err) {
			r.Name = k.name
			break
		}
	}
	return r
}
