package engine

import (
	"context"
	"encoding/json"
	"path/filepath"
	"sync"

	"primum/client"
	"primum/client/guest"
	"primum/internal/wire"
)

// links are what the engine has to do with links to share by: those made here,
// or the one that a guest came by.
type links struct {
	nudge chan struct{} // capacity 1: ask how far the guest's own link is
	// turn is held by whoever says yes or no to one who came: the same yes from
	// two tabs gives once, and no "no" overtakes a yes.
	turn sync.Mutex

	mu     sync.Mutex
	book   *guest.Book     // guarded by mu; of the session that is open
	of     *session        // guarded by mu; whose book it is
	follow map[string]bool // guarded by mu; links that are followed
	visit  *guest.Visit    // guarded by mu; nil: no guest
	last   LinkGuest       // guarded by mu; of a visit that is over
}

func (e *Engine) linkHandlers() map[string]handler {
	return map[string]handler{
		"link.create":  handle(e.linkCreate),
		"link.list":    handle(e.linkList),
		"link.confirm": handle(e.linkConfirm),
		"link.cancel":  handle(e.linkCancel),
		"link.open":    handle(e.linkOpen),
		"link.state":   handle(e.linkState),
	}
}

// linkBook is the book of links of the account that is open.
func (e *Engine) linkBook() (*session, *guest.Book, error) {
	s, err := e.current()
	if err != nil {
		return nil, nil, err
	}
	if s.guest {
		return nil, nil, &Error{Code: "guest"}
	}
	b, err := e.bookOf(s)
	return s, b, err
}

func (e *Engine) bookOf(s *session) (*guest.Book, error) {
	e.links.mu.Lock()
	defer e.links.mu.Unlock()
	if e.links.of == s {
		return e.links.book, nil
	}
	b, err := guest.OpenBook(filepath.Join(e.o.Dir, "links.json"), s.client.Home, e.o.Pace)
	if err != nil {
		return nil, err
	}
	e.links.book, e.links.of, e.links.follow = b, s, make(map[string]bool)
	return b, nil
}

// linkWork goes on with the links that were made before.
func (e *Engine) linkWork(s *session) {
	if s.guest {
		return
	}
	b, err := e.bookOf(s)
	if err != nil {
		e.o.Log.Error("links not read", "why", err)
		return
	}
	for _, k := range b.List() {
		e.followLink(s, b, k)
	}
}

// followLink follows a link that waits, once.
func (e *Engine) followLink(s *session, b *guest.Book, k guest.Kept) {
	e.links.mu.Lock()
	defer e.links.mu.Unlock()
	if !k.State.Waits() || e.links.follow[k.ID] || e.links.of != s {
		return
	}
	e.links.follow[k.ID] = true
	s.work.start(func() {
		_, err := b.Follow(s.ctx, k.ID, func(guest.Kept) bool {
			e.emit(Event{Kind: "links"})
			return true
		})
		if err != nil && s.ctx.Err() == nil {
			e.o.Log.Warn("link not followed any more", "why", err)
		}
		e.links.mu.Lock()
		delete(e.links.follow, k.ID)
		e.links.mu.Unlock()
	})
}

// linkCreate makes a link. What it is to give is checked now, so that the yes
// later can't fail for it.
func (e *Engine) linkCreate(ctx context.Context, p LinkParams) (LinkInfo, error) {
	s, b, err := e.linkBook()
	if err != nil {
		return LinkInfo{}, err
	}
	if _, err := purposeOf(p.Purpose); err != nil {
		return LinkInfo{}, err
	}
	if _, _, err := s.shares(p.Share); err != nil {
		return LinkInfo{}, err
	}
	if !p.Until.After(e.o.Clock.Now()) {
		return LinkInfo{}, &Error{Code: "until"}
	}
	p.Name = clean(p.Name, maxTitle)
	terms, err := json.Marshal(p)
	if err != nil {
		return LinkInfo{}, err
	}
	self, err := s.client.Directory.Lookup(ctx, s.client.Address())
	if err != nil {
		return LinkInfo{}, err
	}
	k, err := b.Make(ctx, self, p.Name, terms)
	if err != nil {
		_, _ = b.Cancel(ctx, k.ID) // nobody has seen it
		return LinkInfo{}, err
	}
	e.followLink(s, b, k)
	e.emit(Event{Kind: "links"})
	return s.linkInfo(k), nil
}

// linkInfo is a link as pages see it.
func (s *session) linkInfo(k guest.Kept) LinkInfo {
	i := LinkInfo{
		ID: k.ID, URL: k.URL, Name: k.Name, Expires: k.Expires, State: string(k.State), Reason: k.Reason, Guest: k.Guest, Grant: k.Grant,
	}
	switch k.State {
	case guest.Made:
		i.State = string(guest.Open)
	case guest.Arrived:
		i.Words = k.Words
	case guest.Given:
		if i.Grant == "" {
			i.Grant = s.grantOf(k.Guest)
		}
		for _, g := range s.client.Owner.Given() {
			if g.ID == i.Grant && g.State.Terminal() {
				i.State, i.Reason = string(guest.Ended), wire.LinkOver
			}
		}
	}
	return i
}

// linkName is what the owner called whoever came by a link.
func (s *session) linkName(account string) string {
	b, err := s.e.bookOf(s)
	if err != nil {
		return ""
	}
	for _, k := range b.List() {
		if k.Guest == account {
			return k.Name
		}
	}
	return ""
}

// grantOf is the grant that a guest has; empty if none.
func (s *session) grantOf(account string) string {
	for _, g := range s.client.Owner.Given() {
		if g.Grantee == account {
			return g.ID
		}
	}
	return ""
}

func (e *Engine) linkList(context.Context, Empty) ([]LinkInfo, error) {
	s, b, err := e.linkBook()
	if err != nil {
		return nil, err
	}
	all := []LinkInfo{}
	for _, k := range b.List() {
		all = append(all, s.linkInfo(k))
	}
	return all, nil
}

// linkConfirm gives to who came, under the key that the words stand for. After
// a crash in between it finds the grant that was given already.
func (e *Engine) linkConfirm(ctx context.Context, p LinkIDParams) (LinkInfo, error) {
	s, b, err := e.linkBook()
	if err != nil {
		return LinkInfo{}, err
	}
	e.links.turn.Lock()
	defer e.links.turn.Unlock()
	k, who, err := b.Met(p.ID)
	if k.State == guest.Given {
		return s.linkInfo(k), nil // before: its answer was lost
	}
	if err != nil {
		return LinkInfo{}, linkError(err)
	}
	var q LinkParams
	if err := json.Unmarshal(k.Terms, &q); err != nil {
		return LinkInfo{}, err
	}
	if _, err := s.client.Directory.Learn(k.Document); err != nil {
		return LinkInfo{}, err
	}
	id := s.grantOf(k.Guest)
	if id == "" {
		given, err := e.give(ctx, GiveParams{
			Account: k.Guest, Share: q.Share, Purpose: q.Purpose, Until: q.Until, Notice: q.Notice, Language: q.Language,
		})
		if err != nil {
			return LinkInfo{}, err
		}
		id = given.Grant
	}
	if err := s.client.Directory.MarkCompared(who); err != nil {
		e.o.Log.Warn("comparison not noted", "why", err)
	}
	k, err = b.Confirmed(k.ID, id)
	e.emit(Event{Kind: "links"})
	return s.linkInfo(k), err
}

func (e *Engine) linkCancel(ctx context.Context, p LinkIDParams) (Empty, error) {
	_, b, err := e.linkBook()
	if err != nil {
		return Empty{}, err
	}
	e.links.turn.Lock()
	defer e.links.turn.Unlock()
	k, err := b.Cancel(ctx, p.ID)
	e.emit(Event{Kind: "links"})
	switch {
	case err == nil && k.State == guest.Given:
		return Empty{}, &Error{Code: "link-given"}
	case isErr(err, client.ErrUnreachable):
		return Empty{}, nil // over here; at the node it expires by itself
	}
	return Empty{}, linkError(err)
}

// linkError gives what package guest says a sentence.
func linkError(err error) error {
	for _, k := range []struct {
		err  error
		code string
	}{
		{guest.ErrLink, "link-bad"},
		{guest.ErrForged, "link-forged"},
		{guest.ErrChanged, "link-forged"},
		{guest.ErrNoLink, "no-link"},
		{guest.ErrNotArrived, "link-nobody"},
	} {
		if isErr(err, k.err) {
			return &Error{Code: k.code, Detail: err.Error()}
		}
	}
	return err
}
