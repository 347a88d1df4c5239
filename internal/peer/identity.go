package peer

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"time"

	"primum/identity"
	"primum/internal/store"
	"primum/internal/wire"
)

// ErrKeyChanged means that a domain shows another key than on first contact.
var ErrKeyChanged = errors.New("the key is not the one that was pinned on first contact")

// Identity is the newest known identity document of an account: of this node
// as stored, of another domain as fetched within the last five minutes. While
// the other domain does not answer, the last document serves as long as it is
// valid. Errors: *wire.Problem not-found, ErrUnreachable, ErrKeyChanged.
func (p *Peer) Identity(ctx context.Context, account identity.Address) (*identity.Verified, error) {
	return p.identity(ctx, account, fresh)
}

// IdentityWith is Identity, asked again where the known document lacks a
// client: it may have come meanwhile.
func (p *Peer) IdentityWith(ctx context.Context, account identity.Address, client string) (*identity.Verified, error) {
	v, err := p.identity(ctx, account, fresh)
	if err != nil {
		return nil, err
	}
	if _, ok := v.Client(client); ok || account.Authority == p.cfg.Authority {
		return v, nil
	}
	return p.identity(ctx, account, freshLook)
}

func (p *Peer) identity(ctx context.Context, account identity.Address, age time.Duration) (*identity.Verified, error) {
	name := account.String()
	for ctx.Err() == nil {
		known, checked, err := p.known(ctx, name)
		if err != nil {
			return nil, err
		}
		if account.Authority == p.cfg.Authority {
			if known == nil {
				return nil, notFound()
			}
			return known, nil
		}
		if since := p.cfg.Clock.Now().Sub(checked); known != nil && since >= 0 && since < age {
			return known, nil
		}
		if err := p.missed(name); err != nil {
			return p.orKnown(known, err)
		}
		var v *identity.Verified
		if p.once(ctx, name, func() { v, err = p.refresh(ctx, account, known) }) {
			if err != nil {
				return p.orKnown(known, err)
			}
			return v, nil
		}
	}
	return nil, ctx.Err()
}

// orKnown falls back to the last document while the other domain is silent.
func (p *Peer) orKnown(known *identity.Verified, err error) (*identity.Verified, error) {
	if known != nil && errors.Is(err, ErrUnreachable) && !known.ExpiredAt(p.cfg.Clock.Now()) {
		return known, nil
	}
	return nil, err
}

func notFound() error {
	return &wire.Problem{Type: wire.ProblemPrefix + wire.ProbNotFound, Title: "There is no such account", Status: 404}
}

// known reads the stored document; nil if there is none.
func (p *Peer) known(ctx context.Context, name string) (*identity.Verified, time.Time, error) {
	s, err := p.cfg.Store.Identities.Current(ctx, name)
	if errors.Is(err, store.ErrNotFound) {
		return nil, time.Time{}, nil
	}
	if err != nil {
		return nil, time.Time{}, err
	}
	v, err := p.reread(ctx, s)
	if err != nil {
		return nil, time.Time{}, fmt.Errorf("read stored identity document: %w", err)
	}
	return v, s.Checked, nil
}

// maxGap bounds the search for the document before one that a recovery key
// signed: this node may have missed versions of another domain's.
const maxGap = 100

// reread reads a document that was verified before it was kept. One that a
// recovery key signed doesn't stand alone: it follows the one before.
func (p *Peer) reread(ctx context.Context, s store.Identity) (*identity.Verified, error) {
	v, err := identity.First(s.Document)
	if !errors.Is(err, identity.ErrSigner) {
		return v, err
	}
	for n := s.Version - 1; n > 0 && s.Version-n <= maxGap; n-- {
		before, missing := p.cfg.Store.Identities.Version(ctx, s.Account, n)
		if errors.Is(missing, store.ErrNotFound) {
			continue
		}
		if missing != nil {
			return nil, missing
		}
		previous, err := p.reread(ctx, before)
		if err != nil {
			return nil, err
		}
		return identity.Follow(s.Document, previous)
	}
	return nil, err
}

// refresh fetches, checks and keeps a document of another domain.
func (p *Peer) refresh(ctx context.Context, account identity.Address, known *identity.Verified) (*identity.Verified, error) {
	name := account.String()
	if known == nil {
		if wait, ok := p.meet.take(account.Authority, p.cfg.Clock.Now()); !ok {
			return nil, tooOften(wait)
		}
	}
	compact, err := p.fetchIdentity(ctx, account)
	if err == nil {
		var v *identity.Verified
		if v, err = p.accept(ctx, account, compact, known); err == nil {
			return v, nil
		}
	}
	if ctx.Err() == nil {
		p.noteMiss(name, err)
	}
	return nil, err
}

func (p *Peer) accept(ctx context.Context, account identity.Address, compact string, known *identity.Verified) (v *identity.Verified, err error) {
	if known == nil {
		v, err = identity.First(compact)
	} else {
		v, err = identity.Follow(compact, known)
	}
	if err != nil {
		return nil, fmt.Errorf("take identity document: %w", err)
	}
	if v.Address() != account {
		return nil, fmt.Errorf("%w: it gave the document of another account", ErrUnreachable)
	}
	if err := p.pin(ctx, v, known); err != nil {
		return nil, err
	}
	var previous uint64
	if known != nil {
		previous = known.Version()
	}
	return v, p.cfg.Store.Identities.Put(ctx, Stored(v, p.cfg.Clock.Now()), previous)
}

// pin trusts an identity key on first use, and follows the recovery key.
func (p *Peer) pin(ctx context.Context, v, known *identity.Verified) error {
	pin := store.Pin{Account: v.Address().String(), IdentityKey: v.IdentityKey(), Pinned: p.cfg.Clock.Now()}
	if known != nil && !known.IdentityKey().Equal(v.IdentityKey()) {
		// Follow took it, so the known document's recovery key signed it.
		return p.cfg.Store.Peers.RepinIdentity(ctx, pin)
	}
	err := p.cfg.Store.Peers.PinIdentity(ctx, pin)
	if errors.Is(err, store.ErrConflict) {
		return ErrKeyChanged
	}
	return err
}

// Stored is the form in which the store keeps a verified document.
func Stored(v *identity.Verified, now time.Time) store.Identity {
	return store.Identity{
		Account: v.Address().String(), Version: v.Version(), Hash: v.Hash(), IdentityKey: v.IdentityKey(),
		Expires: v.Expires(), Received: now, Checked: now, Document: v.Compact(),
	}
}

// NodeKey is another node's key by its name, pinned on first contact. A domain
// may add a key only while it still shows one that is pinned.
func (p *Peer) NodeKey(ctx context.Context, authority, id string) (ed25519.PublicKey, error) {
	name := "node " + authority + " " + id
	for ctx.Err() == nil {
		k, err := p.cfg.Store.Peers.Node(ctx, authority, id)
		if err == nil {
			return k.Key, nil
		}
		if !errors.Is(err, store.ErrNotFound) {
			return nil, err
		}
		if err := p.missed(name); err != nil {
			return nil, err
		}
		var key ed25519.PublicKey
		if p.once(ctx, name, func() { key, err = p.fetchKey(ctx, authority, id) }) {
			if err != nil && ctx.Err() == nil {
				p.noteMiss(name, err)
			}
			return key, err
		}
	}
	return nil, ctx.Err()
}

func (p *Peer) fetchKey(ctx context.Context, authority, id string) (ed25519.PublicKey, error) {
	if wait, ok := p.meet.take(authority, p.cfg.Clock.Now()); !ok {
		return nil, tooOften(wait)
	}
	info, err := p.nodeInfo(ctx, authority)
	if err != nil {
		return nil, err
	}
	key := keyOf(info.Keys, id)
	if key == nil {
		return nil, fmt.Errorf("%w: it lists no key of that name", ErrUnreachable)
	}
	if err := p.continues(ctx, authority, info.Keys); err != nil {
		return nil, err
	}
	err = p.cfg.Store.Peers.PinNode(ctx, store.NodeKey{Authority: authority, ID: id, Key: key, Pinned: p.cfg.Clock.Now()})
	if errors.Is(err, store.ErrConflict) {
		return nil, ErrKeyChanged
	}
	return key, err
}

// firstKey marks that a domain was met: its keys are a history from then on.
const firstKey = "first contact"

// continues checks that keys hold one that is known already, if any is.
func (p *Peer) continues(ctx context.Context, authority string, keys []wire.NodeKey) error {
	met, err := p.cfg.Store.Peers.Node(ctx, authority, firstKey)
	if errors.Is(err, store.ErrNotFound) {
		return p.cfg.Store.Peers.PinNode(ctx, store.NodeKey{
			Authority: authority, ID: firstKey, Key: keys[0].X, Pinned: p.cfg.Clock.Now(),
		})
	}
	if err != nil {
		return err
	}
	for _, k := range keys {
		if string(k.X) == string(met.Key) {
			return nil
		}
	}
	return ErrKeyChanged
}
