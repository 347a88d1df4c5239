package engine

import (
	"context"
	"errors"

	"primum/client"
	"primum/client/keys"
	"primum/identity"
)

// restore makes this engine a further client of an account. After a crash or a
// lost answer the same call goes on: when the node lists the client that was
// begun, it is taken; otherwise another is made.
func (e *Engine) restore(ctx context.Context, p RestoreParams) (Status, error) {
	e.book.turn.Lock()
	defer e.book.turn.Unlock()
	address, err := identity.ParseAddress(p.Account)
	if err != nil {
		return Status{}, err
	}
	if err := e.nobodyHere(); err != nil {
		return Status{}, err
	}
	before, _ := e.book.get()
	i, k, err := e.openKeep(ctx, address, before, p.Secret)
	if err != nil {
		return Status{}, err
	}
	defer i.Erase()
	current, err := e.ownDocument(ctx, address, i)
	if err != nil {
		return Status{}, err
	}
	s, begun := goOn(before, current)
	if !begun {
		if s, err = e.join(i, current, p); err != nil {
			return Status{}, err
		}
	}
	s.Keep, s.Unproved = &k, false
	return e.publishJoined(ctx, before, s, begun)
}

// openKeep fetches the keep and opens it. A keep known here, of an account
// that this client was dropped from, shows that the node's is not an older one.
func (e *Engine) openKeep(ctx context.Context, a identity.Address, before accountState, secret Secret) (keys.Identity, keys.Keep, error) {
	given, err := secretOf(secret)
	if err != nil {
		return keys.Identity{}, keys.Keep{}, err
	}
	if given.Phrase != "" { // a typo is told before anybody is asked
		if _, err := keys.ParsePhrase(given.Phrase); err != nil {
			return keys.Identity{}, keys.Keep{}, err
		}
	}
	k, err := e.fetchKeep(ctx, a)
	if err != nil {
		return keys.Identity{}, k, err
	}
	if before.Account == a.String() && before.Keep != nil && !before.Unproved && k.Serial < before.Keep.Serial {
		return keys.Identity{}, k, keys.ErrKeepRollback
	}
	i, err := k.Open(given)
	return i, k, err
}

// ownDocument fetches the identity document, which must be of the key.
func (e *Engine) ownDocument(ctx context.Context, a identity.Address, i keys.Identity) (*identity.Verified, error) {
	compact, err := client.FetchIdentity(ctx, e.calls(), a.String())
	if err != nil {
		return nil, err
	}
	if err := ofDocument(i, compact); err != nil {
		return nil, err
	}
	return identity.First(compact)
}

// goOn is the state of a client that was begun before and that the account
// lists now.
func goOn(before accountState, current *identity.Verified) (accountState, bool) {
	if before.Stage != stageJoining || before.Account != current.Address().String() {
		return accountState{}, false
	}
	if _, ok := current.ClientByKey(public(before.Client)); !ok {
		return accountState{}, false
	}
	before.Document = current.Compact()
	return before, true
}

// join makes a client's keys and signs the document that lists it.
func (e *Engine) join(i keys.Identity, current *identity.Verified, p RestoreParams) (accountState, error) {
	now := e.o.Clock.Now()
	c, member, err := keys.MakeClient(keys.New{Client: p.Client, Browser: true, Now: now, Rand: e.o.Rand})
	if err != nil {
		return accountState{}, &Error{Code: "params", Detail: err.Error()}
	}
	change := keys.AddClient(member)
	if p.Drop {
		change = keys.OnlyClient(member)
	}
	document, err := keys.Next(current, i.Signer(), now, change)
	return accountState{
		Stage: stageJoining, Account: current.Address().String(), Client: c, Document: document,
	}, err
}

// publishJoined publishes the document of a new client and begins to act as it.
func (e *Engine) publishJoined(ctx context.Context, before, s accountState, listed bool) (Status, error) {
	if !listed {
		if err := e.book.set(s); err != nil {
			return Status{}, err
		}
		err := client.PublishFirst(ctx, e.calls(), s.Document)
		if err != nil && !errors.Is(err, client.ErrUnreachable) && ctx.Err() == nil {
			return Status{}, errors.Join(err, e.book.back(before))
		}
		if err != nil {
			return Status{}, err
		}
	}
	if err := e.settle(s); err != nil {
		return Status{}, err
	}
	return e.status(), nil
}
