package guest

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"sync"
	"time"

	"primum/client"
	"primum/client/keys"
	"primum/client/link"
	"primum/identity"
	"primum/internal/durable"
	"primum/internal/jws"
	"primum/internal/wire"
)

// How a visit can end before it began, told apart with errors.Is.
var (
	// ErrUsed: somebody else has opened the link.
	ErrUsed = errors.New("somebody has opened this link already")
	// ErrExpired, ErrRefused, ErrEnded: nobody confirmed it in time, or its
	// owner took it back, or the grant that came of it has ended.
	ErrExpired = errors.New("the link has expired")
	ErrRefused = errors.New("the link was taken back")
	ErrEnded   = errors.New("the link is over")
)

// Stage is how far a guest is.
type Stage string

// Stages.
const (
	Knocking Stage = "knocking" // keys are made; the node may not know yet
	Admitted Stage = "admitted" // the account is open; the owner has not answered yet
	Compare  Stage = "words"    // both can see the words
	Has      Stage = "given"
	Refused  Stage = "refused"
	TooLate  Stage = "expired"
	Taken    Stage = "used"
	Gone     Stage = "ended"
)

// Over tells whether a visit can't go on.
func (s Stage) Over() bool { return s == Refused || s == TooLate || s == Taken || s == Gone }

// Pass is all a guest keeps: its keys, until the grant ends.
type Pass struct {
	URL        string      `json:"url"`
	Owner      string      `json:"owner"` // account
	OwnerName  string      `json:"ownerName,omitempty"`
	OwnerKey   jws.Bytes   `json:"ownerKey,omitempty"` // identity key, once revealed
	Commitment jws.Bytes   `json:"commitment"`
	Account    string      `json:"account"` // own
	Nonce      jws.Bytes   `json:"nonce"`
	Identity   jws.Bytes   `json:"identity"` // Ed25519 seed; nothing else can renew the document
	Client     keys.Client `json:"client"`
	Document   string      `json:"document"` // newest
	Stage      Stage       `json:"stage"`
	Words      string      `json:"words,omitempty"`
}

// Visit is a guest at work. Safe for concurrent use.
type Visit struct {
	file  string
	dir   string // of the client
	calls client.Calls

	mu   sync.Mutex
	pass Pass // guarded by mu
}

// OpenVisit reads the visit kept in a file; nil where there is none. dir is
// where the guest's client keeps its state.
func OpenVisit(file, dir string, calls client.Calls) (*Visit, error) {
	raw, err := durable.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	v := &Visit{file: file, dir: dir, calls: calls.WithDefaults()}
	if err == nil {
		err = json.Unmarshal(raw, &v.pass)
	}
	if err != nil {
		return nil, fmt.Errorf("read visit: %w", err)
	}
	return v, nil
}

// Knock opens a link: it makes the guest's keys, keeps them, and has the node
// open the account. browser tells that the client lives in one. Errors: ErrUsed,
// ErrExpired, ErrRefused, ErrEnded, ErrForged.
func Knock(ctx context.Context, file, dir string, calls client.Calls, l Link, browser bool) (*Visit, error) {
	calls = calls.WithDefaults()
	s, err := (client.Node{Calls: calls, Authority: l.Authority}).Link(ctx, l.ID.String(), "", 0)
	switch {
	case client.IsProblem(err, wire.ProbNotFound):
		return nil, ErrExpired
	case err == nil && s.Step == wire.LinkEnded:
		return nil, endOf(s.Reason)
	case err != nil:
		return nil, fmt.Errorf("open link: %w", err)
	case s.Step != wire.LinkOpen:
		return nil, ErrUsed
	}
	v := &Visit{file: file, dir: dir, calls: calls}
	if err := v.prepare(l, s, browser); err != nil {
		return nil, err
	}
	if err := v.save(); err != nil {
		return nil, err
	}
	return v, v.knock(ctx)
}

// endOf is why a link has ended.
func endOf(reason string) error {
	switch reason {
	case wire.LinkExpired:
		return ErrExpired
	case wire.LinkCancelled:
		return ErrRefused
	}
	return ErrEnded
}

// prepare makes keys and the first document.
func (v *Visit) prepare(l Link, s wire.LinkStatus, browser bool) error {
	side, err := Look(l, s)
	if err != nil {
		return err
	}
	now := v.calls.Clock.Now().UTC().Truncate(time.Second)
	seeds := make([]byte, 3*keySize)
	if _, err := io.ReadFull(v.calls.Rand, seeds); err != nil {
		return fmt.Errorf("make keys: %w", err)
	}
	ident, recovery := ed25519.NewKeyFromSeed(seeds[:keySize]), ed25519.NewKeyFromSeed(seeds[keySize:2*keySize])
	side.Self.Key, side.Self.Nonce = ident.Public().(ed25519.PublicKey), seeds[2*keySize:]
	secrets, member, err := keys.MakeClient(keys.New{Client: "guest", Browser: browser, Now: now, Rand: v.calls.Rand})
	if err != nil {
		return err
	}
	id, err := identity.NewID(v.calls.Rand, now)
	if err != nil {
		return err
	}
	mark, err := side.Mark()
	if err != nil {
		return err
	}
	document, err := identity.Sign(identity.Document{
		ID: id, Address: side.Self.Account, Kind: identity.Person, IdentityKey: side.Self.Key,
		RecoveryKey: jws.Bytes(recovery.Public().(ed25519.PublicKey)), Clients: []identity.Client{member},
		Version: 1, Issued: now, Expires: now.Add(identity.MaxValidity), Link: mark,
	}, ident)
	v.pass = Pass{
		URL: l.URL(), Owner: side.Owner.String(), Commitment: side.Commitment, Account: side.Self.Account.String(),
		Nonce: side.Self.Nonce, Identity: ident.Seed(), Client: secrets, Document: document, Stage: Knocking,
	}
	return err
}

// side is the protocol's view of the pass.
func (p Pass) side() (s Visitor, err error) {
	if s.Link, err = Parse(p.URL); err != nil {
		return s, err
	}
	if s.Owner, err = identity.ParseAddress(p.Owner); err != nil {
		return s, err
	}
	s.Commitment = p.Commitment
	s.Self = Party{Key: ed25519.NewKeyFromSeed(p.Identity).Public().(ed25519.PublicKey), Nonce: p.Nonce}
	s.Self.Account, err = identity.ParseAddress(p.Account)
	return s, err
}

// save writes the pass; v.mu is held, or nobody else has v yet.
func (v *Visit) save() error {
	raw, err := json.Marshal(v.pass)
	if err == nil {
		err = durable.WriteFile(v.file, raw)
	}
	if err != nil {
		return fmt.Errorf("keep visit: %w", err)
	}
	return nil
}

// Now is how far the visit is.
func (v *Visit) Now() Pass {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.pass
}

func (v *Visit) change(f func(*Pass)) (Pass, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	old := v.pass
	f(&v.pass)
	if err := v.save(); err != nil {
		v.pass = old
		return old, err
	}
	return v.pass, nil
}

func (v *Visit) node() client.Node {
	return client.Node{Calls: v.calls, Authority: v.home().Authority}
}

func (v *Visit) home() identity.Address {
	a, err := identity.ParseAddress(v.Now().Account)
	if err != nil {
		return identity.Address{} // it was written by prepare: it parses
	}
	return a
}

// knock has the node open the account; it may be called again.
func (v *Visit) knock(ctx context.Context) error {
	p := v.Now()
	side, err := p.side()
	if err != nil {
		return err
	}
	answer, err := side.Answer(p.Document)
	if err != nil {
		return err
	}
	err = v.node().AnswerLink(ctx, side.ID.String(), answer)
	switch {
	case client.IsProblem(err, wire.ProbLinkUsed):
		return errors.Join(ErrUsed, v.to(Taken))
	case client.IsProblem(err, wire.ProbExpired), client.IsProblem(err, wire.ProbNotFound):
		return errors.Join(ErrExpired, v.to(TooLate))
	case err != nil:
		return fmt.Errorf("open link: %w", err)
	}
	return v.to(Admitted)
}

func (v *Visit) to(s Stage) error {
	_, err := v.change(func(p *Pass) { p.Stage = s })
	return err
}

// Keys are what the guest's client acts with.
func (v *Visit) Keys() (client.Keys, error) {
	p := v.Now()
	inbox, err := p.Client.InboxKey()
	return client.Keys{
		Address: p.Account, Client: p.Client.Name, Signer: p.Client.Signer(), Inbox: inbox, Document: p.Document,
		Save: func(compact string) error {
			_, err := v.change(func(p *Pass) { p.Document = compact })
			return err
		},
	}, err
}

// Renew signs the next identity document when it is time to; empty before.
func (v *Visit) Renew() (string, error) {
	p := v.Now()
	d, err := identity.First(p.Document)
	if err != nil {
		return "", err
	}
	now := v.calls.Clock.Now()
	if !d.RemindAt(now) {
		return "", nil
	}
	return keys.Next(d, ed25519.NewKeyFromSeed(p.Identity), now)
}

// Follow takes the visit on until it is over, and calls changed after every
// step. Without a network it tries again until ctx ends. After the grant is
// given it asks every few minutes, and when nudge says so.
func (v *Visit) Follow(ctx context.Context, nudge <-chan struct{}, changed func(Pass)) error {
	pauses := link.NewBackoff(v.calls.Clock, v.calls.Rand, time.Second, time.Minute)
	rest := link.NewBackoff(v.calls.Clock, v.calls.Rand, 5*time.Minute, 5*time.Minute)
	for {
		p := v.Now()
		if p.Stage.Over() {
			return nil
		}
		asked := v.calls.Clock.Now()
		next, err := v.step(ctx, p)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err == nil && next.Stage != p.Stage:
			pauses.Reset()
			changed(next)
			continue
		case err == nil && p.Stage == Has:
			err = rest.Wait(ctx, 0, nudge)
		case err != nil || v.calls.Clock.Now().Sub(asked) < time.Second:
			err = pauses.Wait(ctx, link.RetryAfter(err), nudge)
		}
		if err != nil {
			return err
		}
	}
}

// step asks the node once and does what is next.
func (v *Visit) step(ctx context.Context, p Pass) (Pass, error) {
	if p.Stage == Knocking {
		err := v.knock(ctx)
		if errors.Is(err, ErrUsed) || errors.Is(err, ErrExpired) {
			err = nil
		}
		return v.Now(), err
	}
	l, err := Parse(p.URL)
	if err != nil {
		return p, err
	}
	after, wait := map[Stage]string{Admitted: wire.LinkAnswered, Compare: wire.LinkRevealed}[p.Stage], wire.MaxLinkWait
	s, err := v.node().Link(ctx, l.ID.String(), after, wait)
	if client.IsProblem(err, wire.ProbNotFound) {
		s, err = wire.LinkStatus{Step: wire.LinkEnded, Reason: wire.LinkOver}, nil
	}
	if err != nil {
		return p, err
	}
	return v.seen(ctx, p, s)
}

// seen does what a status asks for.
func (v *Visit) seen(ctx context.Context, p Pass, s wire.LinkStatus) (Pass, error) {
	switch {
	case s.Step == wire.LinkEnded:
		end := map[string]Stage{wire.LinkExpired: TooLate, wire.LinkCancelled: Refused}[s.Reason]
		if end == "" {
			end = Gone
		}
		return v.change(func(p *Pass) { p.Stage = end })
	case p.Stage == Admitted && s.Reveal != nil:
		return v.compare(ctx, p, s)
	case p.Stage == Compare && s.Step == wire.LinkGiven:
		return v.change(func(p *Pass) { p.Stage = Has })
	}
	return p, nil
}

// compare makes the words, after the owner's account has shown the key that was
// revealed, and pins it: offers under another key are refused from then on.
func (v *Visit) compare(ctx context.Context, p Pass, s wire.LinkStatus) (Pass, error) {
	side, err := p.side()
	if err != nil {
		return p, err
	}
	words, key, err := side.Compare(s)
	if errors.Is(err, ErrForged) || errors.Is(err, ErrChanged) {
		return v.change(func(p *Pass) { p.Stage = Refused })
	}
	if err != nil {
		return p, err
	}
	name, err := v.pin(ctx, p.Owner, key)
	if errors.Is(err, ErrForged) {
		return v.change(func(p *Pass) { p.Stage = Refused })
	}
	if err != nil {
		return p, err
	}
	return v.change(func(p *Pass) { p.Stage, p.Words, p.OwnerKey, p.OwnerName = Compare, words, key, name })
}

// pin makes the guest's client know its owner by the revealed key only.
func (v *Visit) pin(ctx context.Context, owner string, key []byte) (name string, err error) {
	if err := durable.MakeDir(v.dir); err != nil {
		return "", err
	}
	compact, err := client.FetchIdentity(ctx, v.calls, owner)
	if err != nil {
		return "", err
	}
	d, err := identity.First(compact)
	if err != nil || string(d.IdentityKey()) != string(key) {
		return "", fmt.Errorf("%w: the owner's account shows another key", ErrForged)
	}
	directory, err := client.OpenDirectory(filepath.Join(v.dir, client.PeopleFile), v.calls)
	if err != nil {
		return "", err
	}
	if _, err := directory.Learn(compact); err != nil {
		return "", err
	}
	return d.Name(), nil
}
