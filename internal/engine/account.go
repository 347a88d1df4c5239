package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"primum/client"
	"primum/client/keys"
	"primum/identity"
	"primum/internal/durable"
	"primum/internal/wire"
)

// Stages of an account in this engine. Every stage but open and gone is a step
// that a crash may have cut short; the method that made it goes on from there.
const (
	stageOpening = "opening" // the node may know the account, or not
	stageJoining = "joining" // the node may list this client, or not
	stagePairing = "pairing" // another client is asked to list this one
	stageOpen    = "open"
	stageGone    = "gone"    // the account lists this client no more
	stageErasing = "erasing" // the rest of the directory goes
)

// accountFile is the file of the account in the engine's directory.
const accountFile = "account.json"

// accountState is what the file says.
type accountState struct {
	Stage    string      `json:"stage"`
	Account  string      `json:"account"`
	Client   keys.Client `json:"client"`
	Document string      `json:"document"` // newest known; while pairing, of before
	Keep     *keys.Keep  `json:"keep,omitempty"`
	// Unproved: no secret has opened Keep here. It is the node's word, perhaps
	// the noise that it gives for none, and counts for nothing.
	Unproved bool `json:"unproved,omitempty"`
	// Unshown holds the identity key until the person has proved that they
	// have seen the phrase of Keep: without it a crash at the wrong moment
	// would leave an account that nobody can renew.
	Unshown   *seeds    `json:"unshown,omitempty"`
	Suspended time.Time `json:"suspended,omitzero"`
	Country   string    `json:"country,omitempty"`
	Until     time.Time `json:"until,omitzero"` // of pairing
}

// seeds are the secrets of keys.Identity at rest.
type seeds struct {
	Key      []byte `json:"key"`
	Recovery []byte `json:"recovery,omitempty"`
}

// accountBook keeps the state of the account in its file.
type accountBook struct {
	file string
	// turn is held by whoever changes the account: one change at a time.
	turn sync.Mutex
	// wake, capacity 1: look at the own account now.
	wake chan struct{}

	mu    sync.Mutex
	state *accountState // nil: none
}

func (b *accountBook) get() (accountState, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.state == nil {
		return accountState{}, false
	}
	return *b.state, true
}

// set keeps a state; it is durable when set returns.
func (b *accountBook) set(s accountState) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.write(s)
}

// change changes the state that is there.
func (b *accountBook) change(f func(*accountState)) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.state == nil {
		return &Error{Code: "no-account"}
	}
	s := *b.state
	f(&s)
	return b.write(s)
}

func (b *accountBook) write(s accountState) error {
	raw, err := json.Marshal(s)
	if err != nil {
		return fmt.Errorf("keep account: %w", err)
	}
	if err := durable.WriteFile(b.file, raw); err != nil {
		return fmt.Errorf("keep account: %w", err)
	}
	b.state = &s
	return nil
}

func (b *accountBook) forget() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.state = nil
	return durable.Remove(b.file)
}

// back takes a step back: to the state before it, or to none.
func (b *accountBook) back(before accountState) error {
	if before.Stage == "" {
		return b.forget()
	}
	return b.set(before)
}

func (b *accountBook) load(file string) error {
	b.file = file
	raw, err := durable.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var s accountState
	if err := json.Unmarshal(raw, &s); err != nil {
		return fmt.Errorf("read account: %s is damaged: %w", accountFile, err)
	}
	b.state = &s
	return nil
}

// loadAccount reads the account that is here, nil where there is none.
func (e *Engine) loadAccount() (*account, error) {
	if err := e.book.load(filepath.Join(e.o.Dir, accountFile)); err != nil {
		return nil, err
	}
	s, _ := e.book.get()
	switch s.Stage {
	case stageErasing:
		return nil, e.erase()
	case stageGone:
		e.gone = true
	case stageOpen:
		return e.accountOf(s)
	}
	return nil, nil
}

// accountOf is what a state lets an engine act with.
func (e *Engine) accountOf(s accountState) (*account, error) {
	inbox, err := s.Client.InboxKey()
	if err != nil {
		return nil, err
	}
	return &account{keys: client.Keys{
		Address: s.Account, Client: s.Client.Name, Signer: s.Client.Signer(), Inbox: inbox,
		Document: s.Document, Save: e.saveDocument,
	}}, nil
}

// saveDocument keeps a newer identity document of the own account, verified by
// whoever calls. One that does not list this client ends it.
func (e *Engine) saveDocument(compact string) error {
	s, ok := e.book.get()
	if !ok {
		return nil // erased meanwhile
	}
	v, err := identity.First(compact)
	listed := err != nil // signed by a recovery key: it was followed, not read
	if err == nil {
		_, listed = v.ClientByKey(public(s.Client))
	}
	err = e.book.change(func(s *accountState) {
		s.Document = compact
		if !listed {
			s.Stage = stageGone
		}
	})
	if err == nil && !listed {
		e.work.start(func() { _ = e.setGone() })
	} else if err == nil {
		e.work.start(e.emitStatus)
	}
	return err
}

// accountStatus fills in what the account's own file says.
func (e *Engine) accountStatus(out *Status) {
	s, ok := e.book.get()
	if !ok || s.Stage != stageOpen && s.Stage != stageGone {
		return
	}
	out.Account, out.Client = s.Account, s.Client.Name
	out.Unshown = s.Unshown != nil
	if s.Keep != nil {
		out.HasPhrase = s.Keep.Has(keys.KindPhrase) && s.Unshown == nil
		out.HasPasskey = s.Keep.Has(keys.KindPasskey)
	}
	v, err := identity.First(s.Document)
	if err != nil {
		return
	}
	out.Name, out.Expires = v.Name(), v.Expires()
	out.Renew = v.RemindAt(e.o.Clock.Now())
	out.Suspended = !s.Suspended.IsZero() && (identity.Suspension{At: s.Suspended}).Holds(v)
}

func (e *Engine) accountHandlers() map[string]handler {
	return map[string]handler{
		"account.create":     handle(shown(e.create)),
		"account.restore":    handle(shown(e.restore)),
		"account.check":      handle(shown(e.check)),
		"account.renew":      handle(shown(e.renew)),
		"account.addPasskey": handle(shown(e.addPasskey)),
		"account.newPhrase":  handle(shown(e.newPhrase)),
		"account.clients":    handle(shown(e.clients)),
		"account.drop":       handle(shown(e.drop)),
		"account.suspend":    handle(shown(e.suspend)),
		"account.export":     handle(shown(e.export)),
		"account.delete":     handle(shown(e.deleteAccount)),
		"account.forget":     handle(shown(e.forget)),
		"pair.begin":         handle(shown(e.pairBegin)),
		"pair.wait":          handle(shown(e.pairWait)),
		"pair.look":          handle(shown(e.pairLook)),
		"pair.accept":        handle(shown(e.pairAccept)),
		"person":             handle(shown(e.person)),
		"person.compared":    handle(shown(e.compared)),
		"people":             handle(shown(e.people)),
	}
}

// accountErrors are the sentences of refusals of this part; the first that fits
// counts.
func accountErrors() []struct {
	err  error
	code string
} {
	return []struct {
		err  error
		code string
	}{
		{keys.ErrSecret, "secret"},
		{keys.ErrKeepRollback, "keep-old"},
		{keys.ErrKeep, "keep"},
		{keys.ErrOtherIdentity, "other-identity"},
		{keys.ErrFull, "passkeys-full"},
		{keys.ErrClientName, "client-name"},
		{keys.ErrLastClient, "last-client"},
		{identity.ErrNoClient, "no-client"},
		{identity.ErrAddress, "address"},
		{identity.ErrRollback, "identity-old"},
		{identity.ErrSigner, "other-identity"},
	}
}

// shown gives the refusals of a method their codes.
func shown[In, Out any](f func(ctx context.Context, in In) (Out, error)) func(context.Context, In) (Out, error) {
	return func(ctx context.Context, in In) (Out, error) {
		out, err := f(ctx, in)
		return out, accountError(err)
	}
}

func accountError(err error) error {
	var already *Error
	var typo *keys.PhraseError
	switch {
	case err == nil || errors.As(err, &already):
		return err
	case errors.As(err, &typo) && typo.Place == 0:
		return &Error{Code: "phrase-count", Data: map[string]string{"Count": strconv.Itoa(typo.Count)}}
	case errors.As(err, &typo):
		code := "phrase-typo"
		if typo.Near == "" {
			code = "phrase-word"
		}
		return &Error{Code: code, Data: map[string]string{
			"Place": strconv.Itoa(typo.Place), "Word": typo.Word, "Near": typo.Near,
		}}
	case client.IsProblem(err, wire.ProbInvite):
		return &Error{Code: "invite", Detail: err.Error()}
	}
	for _, known := range accountErrors() {
		if errors.Is(err, known.err) {
			return &Error{Code: known.code, Detail: err.Error()}
		}
	}
	return err
}
