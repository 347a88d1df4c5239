package engine

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"primum/client"
	"primum/client/keys"
	"primum/identity"
	"primum/internal/jws"
)

// Pairing: a new device shows its public keys as a QR code, a client of the
// account scans it and signs the identity document that lists them. The new
// device waits until its account's public document does. The identity key
// stays where it is.
const (
	pairLife  = 10 * time.Minute
	pairPause = time.Second // between two looks at the node
	pairPath  = "/my#/pair/"
	maxPair   = 2 << 10 // bytes of a code
	// pairWords × 11 bits: whoever replaces a code on its way knows the words
	// that it must meet, and has ten minutes to search for keys with the same.
	pairWords = 5
)

// pairCode is what a code asks; it is public.
type pairCode struct {
	Version int              `json:"v"` // 1
	Account identity.Address `json:"a"`
	Client  string           `json:"c"`
	Key     jws.Bytes        `json:"k"`
	Inbox   jws.Bytes        `json:"i"`
	Suites  []uint16         `json:"s"`
	Expires int64            `json:"e"` // seconds of Unix time
}

// member is the client that the code asks to list.
func (p pairCode) member(now time.Time) identity.Client {
	return identity.Client{
		Name: p.Client, Key: p.Key, InboxKey: p.Inbox, Suites: p.Suites, Browser: true,
		Added: now.UTC().Truncate(time.Second),
	}
}

// words are over the keys of both sides; both show them.
func (p pairCode) words(identityKey []byte) string {
	h := sha256.New()
	h.Write([]byte("primum pair 1\x00" + p.Account.String() + "\x00" + p.Client + "\x00"))
	h.Write(identityKey)
	h.Write(p.Key)
	h.Write(p.Inbox)
	bits := binary.BigEndian.Uint64(h.Sum(nil))
	list := identity.Words()
	words := make([]string, pairWords)
	for i := range words {
		words[i] = list[bits>>(64-11*(i+1))&2047]
	}
	return strings.Join(words, " ")
}

func (p pairCode) encode() (string, error) {
	b, err := json.Marshal(p)
	if err != nil {
		return "", fmt.Errorf("write pairing code: %w", err)
	}
	return p.Account.BaseURL() + pairPath + base64.RawURLEncoding.EncodeToString(b), nil
}

// parsePair reads a code as it was scanned: the whole address, or what stands
// behind its last slash. Anything else is "pair-code".
func parsePair(code string) (p pairCode, err error) {
	code = strings.TrimSpace(code)
	if len(code) > maxPair {
		return p, &Error{Code: "pair-code"}
	}
	raw, err := base64.RawURLEncoding.DecodeString(code[strings.LastIndexByte(code, '/')+1:])
	if err == nil {
		err = jws.DecodeStrict(raw, &p)
	}
	switch {
	case err != nil:
		return p, &Error{Code: "pair-code", Detail: err.Error()}
	case p.Version != 1 || len(p.Key) != 32 || len(p.Inbox) != 32 || len(p.Suites) == 0 || len(p.Suites) > 16,
		identity.CheckClientName(p.Client) != nil:
		return p, &Error{Code: "pair-code"}
	}
	return p, nil
}

// pairBegin makes a client's keys and the code that asks to list them.
func (e *Engine) pairBegin(ctx context.Context, p PairBeginParams) (PairOffer, error) {
	e.book.turn.Lock()
	defer e.book.turn.Unlock()
	if err := e.nobodyHere(); err != nil {
		return PairOffer{}, err
	}
	address, err := identity.ParseAddress(p.Account)
	if err != nil {
		return PairOffer{}, err
	}
	compact, err := client.FetchIdentity(ctx, e.calls(), address.String())
	if err != nil {
		return PairOffer{}, err
	}
	v, err := identity.First(compact)
	if err != nil {
		return PairOffer{}, err
	}
	if _, taken := v.Client(p.Client); taken {
		return PairOffer{}, &Error{Code: "client-name"}
	}
	now := e.o.Clock.Now()
	c, member, err := keys.MakeClient(keys.New{Client: p.Client, Browser: true, Now: now, Rand: e.o.Rand})
	if err != nil {
		return PairOffer{}, &Error{Code: "params", Detail: err.Error()}
	}
	until := now.Add(pairLife).UTC().Truncate(time.Second)
	asked := pairCode{
		Version: 1, Account: address, Client: c.Name, Key: member.Key, Inbox: member.InboxKey,
		Suites: member.Suites, Expires: until.Unix(),
	}
	code, err := asked.encode()
	if err != nil {
		return PairOffer{}, err
	}
	err = e.book.set(accountState{Stage: stagePairing, Account: address.String(), Client: c, Document: compact, Until: until})
	return PairOffer{Code: code, Words: asked.words(v.IdentityKey()), Expires: until}, err
}

// pairWait waits until the account's document lists the keys that pairBegin
// made. It may be called again after a reload.
func (e *Engine) pairWait(ctx context.Context, _ Empty) (Status, error) {
	for waited := false; ; waited = true {
		s, ok := e.book.get()
		switch {
		case ok && waited && s.Stage == stageOpen: // another call saw it first
			return e.status(), nil
		case !ok || s.Stage != stagePairing:
			return Status{}, &Error{Code: "pair-none"}
		}
		done, err := e.pairLookup(ctx, s)
		if done || err != nil && !errors.Is(err, client.ErrUnreachable) {
			return e.status(), err
		}
		if !e.o.Clock.Now().Before(s.Until) {
			return Status{}, &Error{Code: "pair-expired"}
		}
		timer := e.o.Pace.NewTimer(pairPause)
		select {
		case <-timer.C():
		case <-ctx.Done():
			timer.Stop()
			return Status{}, ctx.Err()
		}
	}
}

// pairLookup takes the account's document when it lists the new client.
func (e *Engine) pairLookup(ctx context.Context, s accountState) (bool, error) {
	before, err := identity.First(s.Document)
	if err != nil {
		return false, err
	}
	compact, err := client.FetchIdentity(ctx, e.calls(), s.Account)
	if err != nil {
		return false, err
	}
	v, err := identity.Follow(compact, before)
	if err != nil {
		return false, err
	}
	listed, ok := v.ClientByKey(public(s.Client))
	if !ok || listed.Name != s.Client.Name {
		return false, nil
	}
	e.book.turn.Lock()
	defer e.book.turn.Unlock()
	if now, ok := e.book.get(); !ok || now.Stage != stagePairing || !now.Client.Signer().Equal(s.Client.Signer()) {
		return false, nil // begun anew, or taken by another call: look again
	}
	s.Document, s.Until = compact, time.Time{}
	if k, err := e.fetchKeep(ctx, v.Address()); err == nil {
		s.Keep, s.Unproved = &k, true
	}
	return true, e.settle(s)
}

// pairLook tells what a scanned code asks.
func (e *Engine) pairLook(_ context.Context, p PairLookParams) (PairAsked, error) {
	s, err := e.openState()
	if err != nil {
		return PairAsked{}, err
	}
	asked, v, err := e.pairAsked(s, p.Code)
	if err != nil {
		return PairAsked{}, err
	}
	return PairAsked{Client: asked.Client, Words: asked.words(v.IdentityKey())}, nil
}

func (e *Engine) pairAsked(s accountState, code string) (pairCode, *identity.Verified, error) {
	asked, err := parsePair(code)
	if err != nil {
		return asked, nil, err
	}
	v, err := identity.First(s.Document)
	if err != nil {
		return asked, nil, err
	}
	if asked.Account.String() != s.Account {
		return asked, v, &Error{Code: "pair-other", Data: map[string]string{"Account": asked.Account.String()}}
	}
	expires := time.Unix(asked.Expires, 0)
	if now := e.o.Clock.Now(); !now.Before(expires) || expires.Sub(now) > 2*pairLife {
		return asked, v, &Error{Code: "pair-expired"}
	}
	if _, taken := v.Client(asked.Client); taken {
		return asked, v, &Error{Code: "client-name"}
	}
	return asked, v, nil
}

// pairAccept lists the client that a code asks for.
func (e *Engine) pairAccept(ctx context.Context, p PairAcceptParams) (Empty, error) {
	s, err := e.openState()
	if err != nil {
		return Empty{}, err
	}
	asked, _, err := e.pairAsked(s, p.Code)
	if err != nil {
		return Empty{}, err
	}
	_, err = e.changeIdentity(ctx, p.Secret, keys.AddClient(asked.member(e.o.Clock.Now())))
	return Empty{}, err
}
