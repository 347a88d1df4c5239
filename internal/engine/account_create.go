package engine

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"strings"

	"primum/client"
	"primum/client/keys"
	"primum/identity"
	"primum/internal/wire"
)

// guestPrefix begins the names of guests of links.
const guestPrefix = "guest-"

// create makes an identity and opens its account. Everything is durable before
// anybody hears of it; after a crash in between, the same call goes on, with a
// phrase that was never shown replaced.
func (e *Engine) create(ctx context.Context, p CreateParams) (Created, error) {
	e.book.turn.Lock()
	defer e.book.turn.Unlock()
	address, err := identity.ParseAddress(p.Account)
	if err != nil {
		return Created{}, err
	}
	if strings.HasPrefix(address.User, guestPrefix) {
		return Created{}, &Error{Code: "name-reserved"}
	}
	if err := e.nobodyHere(); err != nil {
		return Created{}, err
	}
	before, _ := e.book.get()
	s, err := e.beginCreate(ctx, before, address, p)
	if err != nil {
		return Created{}, err
	}
	phrase, err := e.wrapAnew(&s, address, p.PRF)
	if err != nil {
		return Created{}, err
	}
	if err := e.book.set(s); err != nil {
		return Created{}, err
	}
	if err := e.openAccount(ctx, before, s, p.Invite); err != nil {
		return Created{}, err
	}
	if err := e.putKeep(ctx, s, *s.Keep); err != nil {
		return Created{}, err
	}
	if err := e.settle(s); err != nil {
		return Created{}, err
	}
	return Created{Phrase: phrase, Status: e.status()}, nil
}

// beginCreate is the state to go on from: a new one, or the one that a crash
// or a lost connection left.
func (e *Engine) beginCreate(ctx context.Context, before accountState, address identity.Address, p CreateParams) (accountState, error) {
	switch {
	case before.Stage == stageOpening && before.Account == address.String() && before.Unshown != nil:
		return before, nil
	case before.Stage == stageOpening && before.Unshown != nil:
		// Another name was begun. If its account stands, it shall not block the
		// name; if the node can't be reached now, nobody can use it anyway.
		_, _ = e.eraseAccount(ctx, before, keys.Identity(*before.Unshown))
	}
	kind := identity.Person
	if p.Organisation {
		kind = identity.Organisation
	}
	secrets, c, document, err := keys.Make(keys.New{
		Address: address, Kind: kind, Name: p.Name, Client: p.Client, Browser: true,
		Now: e.o.Clock.Now(), Rand: e.o.Rand,
	})
	return accountState{
		Stage: stageOpening, Account: address.String(), Client: c, Document: document, Country: p.Country,
		Unshown: &seeds{secrets.Key, secrets.Recovery},
	}, err
}

// wrapAnew puts a fresh phrase, and a passkey if there is one, into the keep.
func (e *Engine) wrapAnew(s *accountState, address identity.Address, prf string) (phrase string, err error) {
	if phrase, err = keys.NewPhrase(e.o.Rand); err != nil {
		return "", err
	}
	k := keys.NewKeep(address)
	if s.Keep != nil {
		k = *s.Keep
	}
	i := keys.Identity(*s.Unshown)
	if k, err = k.SetPhrase(i, phrase, e.o.Rand); err != nil {
		return "", err
	}
	if prf != "" {
		secret, err := secretOf(Secret{PRF: prf})
		if err != nil {
			return "", err
		}
		if k, err = k.AddPasskey(i, secret.PRF, e.o.Rand); err != nil {
			return "", err
		}
	}
	s.Keep = &k
	return phrase, nil
}

// openAccount opens the account at its node. An answer that was lost before
// is found again: the node then has the very document.
func (e *Engine) openAccount(ctx context.Context, before, s accountState, invite string) error {
	err := e.nodeOf(s).NewAccount(ctx, wire.NewAccount{Identity: s.Document, Invite: invite})
	if client.IsProblem(err, wire.ProbConflict) {
		if theirs, e := client.FetchIdentity(ctx, e.calls(), s.Account); e == nil && theirs == s.Document {
			return nil
		}
		err = &Error{Code: "account-taken"}
	}
	if err != nil && !errors.Is(err, client.ErrUnreachable) && ctx.Err() == nil {
		return errors.Join(err, e.book.back(before)) // a clear no: nothing stands anywhere
	}
	return err
}

// nobodyHere is nil where no account is at work in this engine, and no guest.
func (e *Engine) nobodyHere() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.session != nil {
		return &Error{Code: "account-here"}
	}
	return nil
}

// settle begins to act as an account whose last step is done. What an earlier
// client left in the directory goes now: it must not meet the new one's state.
func (e *Engine) settle(s accountState) error {
	if err := e.clear(); err != nil {
		return err
	}
	s.Stage = stageOpen
	if err := e.book.set(s); err != nil {
		return err
	}
	a, err := e.accountOf(s)
	if err != nil {
		return err
	}
	if err := e.enter(*a); err != nil {
		return err
	}
	e.emitStatus()
	return nil
}

// nodeOf asks the own node as this client.
func (e *Engine) nodeOf(s accountState) client.Node {
	a, err := identity.ParseAddress(s.Account)
	if err != nil {
		return client.Node{Calls: e.calls()} // it was parsed before it was kept
	}
	return client.Node{Calls: e.calls(), Authority: a.Authority, By: client.Key{
		ID: identity.ClientKeyID(a, s.Client.Name), Signer: s.Client.Signer(),
	}}
}

func public(c keys.Client) ed25519.PublicKey { return c.Signer().Public().(ed25519.PublicKey) }

// secretOf reads a secret as a page hands it over.
func secretOf(s Secret) (keys.Secret, error) {
	if s.PRF == "" {
		return keys.Secret{Phrase: s.Phrase}, nil
	}
	prf, err := base64.RawURLEncoding.DecodeString(s.PRF)
	if err != nil {
		return keys.Secret{}, &Error{Code: "params", Detail: "prf is not base64url"}
	}
	return keys.Secret{Phrase: s.Phrase, PRF: prf}, nil
}
