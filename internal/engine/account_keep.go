package engine

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"

	"primum/client"
	"primum/client/keys"
	"primum/identity"
	"primum/internal/wire"
)

// fetchKeep reads the keep of an account from its node. It is the node's word
// until a secret opens it.
func (e *Engine) fetchKeep(ctx context.Context, a identity.Address) (keys.Keep, error) {
	raw, err := client.Node{Calls: e.calls(), Authority: a.Authority}.Keep(ctx, a.User)
	if client.IsProblem(err, wire.ProbNotFound) {
		return keys.Keep{}, &Error{Code: "no-keep", Detail: err.Error()}
	}
	if err != nil {
		return keys.Keep{}, fmt.Errorf("fetch keep: %w", err)
	}
	k, err := keys.ParseKeep(raw)
	if err == nil && k.Account != a {
		err = fmt.Errorf("%w: it is of %s", keys.ErrKeep, k.Account)
	}
	return k, err
}

// putKeep gives the node a keep.
func (e *Engine) putKeep(ctx context.Context, s accountState, k keys.Keep) error {
	raw, err := k.Bytes()
	if err != nil {
		return err
	}
	if err := e.nodeOf(s).PutKeep(ctx, raw); err != nil {
		return fmt.Errorf("leave keep at the node: %w", err)
	}
	return nil
}

// openState is the account at work, of a person.
func (e *Engine) openState() (accountState, error) {
	at, err := e.current()
	if err != nil {
		return accountState{}, err
	}
	s, ok := e.book.get()
	switch {
	case at.guest:
		return s, &Error{Code: "guest"}
	case !ok || s.Stage != stageOpen:
		return s, &Error{Code: "no-account"}
	}
	return s, nil
}

// unlock unwraps the identity key with the keep that is here, or with the
// node's when another client has changed it. The caller erases it.
func (e *Engine) unlock(ctx context.Context, s accountState, secret Secret) (keys.Identity, keys.Keep, error) {
	given, err := secretOf(secret)
	if err != nil {
		return keys.Identity{}, keys.Keep{}, err
	}
	err = keys.ErrSecret
	if s.Keep != nil {
		var i keys.Identity
		if i, err = s.Keep.Open(given); err == nil {
			return i, *s.Keep, e.proved(s, i)
		}
	}
	if errors.Is(err, keys.ErrPhrase) {
		return keys.Identity{}, keys.Keep{}, err
	}
	return e.unlockRemote(ctx, s, given, err)
}

// unlockRemote tries the node's keep where it is a newer one; why is what the
// own one said.
func (e *Engine) unlockRemote(ctx context.Context, s accountState, secret keys.Secret, why error) (keys.Identity, keys.Keep, error) {
	a, err := identity.ParseAddress(s.Account)
	if err != nil {
		return keys.Identity{}, keys.Keep{}, err
	}
	k, err := e.fetchKeep(ctx, a)
	if err != nil {
		if s.Keep != nil {
			err = why // the own one is as good
		}
		return keys.Identity{}, keys.Keep{}, err
	}
	if s.Keep != nil && !s.Unproved && k.Serial <= s.Keep.Serial {
		return keys.Identity{}, keys.Keep{}, why
	}
	i, err := k.Open(secret)
	if err != nil {
		return keys.Identity{}, keys.Keep{}, err
	}
	if err := ofDocument(i, s.Document); err != nil {
		return keys.Identity{}, keys.Keep{}, err
	}
	return i, k, e.book.change(func(s *accountState) { s.Keep, s.Unproved = &k, false })
}

// proved notes that a secret opened the keep that came with pairing.
func (e *Engine) proved(s accountState, i keys.Identity) error {
	if !s.Unproved {
		return nil
	}
	if err := ofDocument(i, s.Document); err != nil {
		return err
	}
	return e.book.change(func(s *accountState) { s.Unproved = false })
}

// ofDocument tells whether a key is the one of an identity document.
func ofDocument(i keys.Identity, document string) error {
	v, err := identity.First(document)
	if err != nil {
		return err
	}
	if !i.Signer().Public().(ed25519.PublicKey).Equal(v.IdentityKey()) {
		i.Erase()
		return keys.ErrOtherIdentity
	}
	return nil
}

// newestKeep is the keep to change: the node's where another client has changed
// it and the same key wrote it, else the own.
func (e *Engine) newestKeep(ctx context.Context, i keys.Identity, own keys.Keep) (keys.Keep, error) {
	theirs, err := e.fetchKeep(ctx, own.Account)
	var missing *Error
	switch {
	case errors.As(err, &missing):
		return own, nil
	case err != nil:
		return own, err
	case theirs.Serial > own.Serial && theirs.WrittenBy(i):
		return theirs, nil
	}
	return own, nil
}

// check tells whether a secret unwraps the identity key. A phrase that does has
// been seen by the person: what was kept for the case that it had not goes.
func (e *Engine) check(ctx context.Context, p SecretParams) (Empty, error) {
	e.book.turn.Lock()
	defer e.book.turn.Unlock()
	s, err := e.openState()
	if err != nil {
		return Empty{}, err
	}
	i, _, err := e.unlock(ctx, s, p.Secret)
	if err != nil {
		return Empty{}, err
	}
	i.Erase()
	if p.Secret.Phrase == "" || s.Unshown == nil {
		return Empty{}, nil
	}
	if err := e.book.change(func(s *accountState) { s.Unshown = nil }); err != nil {
		return Empty{}, err
	}
	e.emitStatus()
	return Empty{}, nil
}

// addPasskey wraps the identity key under a further passkey.
func (e *Engine) addPasskey(ctx context.Context, p SecretParams) (Status, error) {
	secret, err := secretOf(Secret{PRF: p.PRF})
	if err != nil {
		return Status{}, err
	}
	return e.changeKeep(ctx, p.Secret, func(k keys.Keep, i keys.Identity) (keys.Keep, error) {
		return k.AddPasskey(i, secret.PRF, e.o.Rand)
	})
}

// newPhrase replaces the recovery phrase. Without a secret it replaces one
// that was never confirmed as seen.
func (e *Engine) newPhrase(ctx context.Context, p SecretParams) (Created, error) {
	phrase, err := keys.NewPhrase(e.o.Rand)
	if err != nil {
		return Created{}, err
	}
	s, err := e.changeKeep(ctx, p.Secret, func(k keys.Keep, i keys.Identity) (keys.Keep, error) {
		// Kept before it is used: from now on only the new phrase opens.
		err := e.book.change(func(s *accountState) {
			s.Unshown = &seeds{bytes.Clone(i.Key), bytes.Clone(i.Recovery)}
		})
		if err != nil {
			return k, err
		}
		return k.SetPhrase(i, phrase, e.o.Rand)
	})
	return Created{Phrase: phrase, Status: s}, err
}

// changeKeep unwraps the identity key, changes the keep, and leaves it at the
// node before it is taken here: a keep of here alone would be lost with this
// device.
func (e *Engine) changeKeep(ctx context.Context, secret Secret, change func(keys.Keep, keys.Identity) (keys.Keep, error)) (Status, error) {
	e.book.turn.Lock()
	defer e.book.turn.Unlock()
	s, err := e.openState()
	if err != nil {
		return Status{}, err
	}
	i, k, err := e.unlockOrUnshown(ctx, s, secret)
	if err != nil {
		return Status{}, err
	}
	defer i.Erase()
	if k, err = e.newestKeep(ctx, i, k); err != nil {
		return Status{}, err
	}
	if k, err = change(k, i); err != nil {
		return Status{}, err
	}
	if err := e.putKeep(ctx, s, k); err != nil {
		return Status{}, err
	}
	if err := e.book.change(func(s *accountState) { s.Keep, s.Unproved = &k, false }); err != nil {
		return Status{}, err
	}
	e.emitStatus()
	return e.status(), nil
}

// unlockOrUnshown is unlock; with no secret at all it takes the key that waits
// for its phrase to be seen.
func (e *Engine) unlockOrUnshown(ctx context.Context, s accountState, secret Secret) (keys.Identity, keys.Keep, error) {
	if secret != (Secret{}) || s.Unshown == nil || s.Keep == nil {
		return e.unlock(ctx, s, secret)
	}
	return keys.Identity{Key: bytes.Clone(s.Unshown.Key), Recovery: bytes.Clone(s.Unshown.Recovery)}, *s.Keep, nil
}
