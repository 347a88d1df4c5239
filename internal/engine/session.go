package engine

import (
	"context"
	"errors"
	"path/filepath"

	"primum/circle"
	"primum/client"
)

// account is who an engine acts for. Keys.Save keeps newer identity documents.
type account struct {
	keys  client.Keys
	guest bool   // of a link: it ends with its grant
	only  string // of a guest: the one account whose offers it takes
}

// recentValues is the file of last values.
const recentValues = "recent.json"

// session is an account at work.
type session struct {
	e       *Engine
	client  *client.Client
	calls   client.Calls // by the transport of this account
	guest   bool
	recent  *recent
	alerts  *alerts
	sandbox *sandbox
	shapes  *shapes
	offers  *offers
	filled  map[string]bool // affordances whose past was asked for; one goroutine's
	empty   map[string]int  // how often there was none; the same goroutine's
	news    chan struct{}   // capacity 1: something lies in the client's news
	past    chan struct{}   // capacity 1: there may be affordances without a past
	ctx     context.Context
	stop    context.CancelFunc
	work    crew
}

// clientDir is where the client keeps its circles.
func (e *Engine) clientDir() string { return filepath.Join(e.o.Dir, "client") }

// openSession opens the client of an account and begins to follow it; e.mu is
// held.
func (e *Engine) openSession(a account) (*session, error) {
	r, err := openRecent(filepath.Join(e.o.Dir, recentValues), a.keys.Address)
	if err != nil {
		return nil, err
	}
	rules, err := openAlerts(e.o.Dir)
	if err != nil {
		return nil, err
	}
	s := &session{
		e: e, guest: a.guest, recent: r, alerts: rules, shapes: newShapes(), offers: newOffers(), filled: make(map[string]bool), empty: make(map[string]int),
		news: make(chan struct{}, 1), past: make(chan struct{}, 1),
	}
	s.ctx, s.stop = context.WithCancel(e.ctx)
	s.sandbox = newSandbox(e)
	s.calls = e.calls()
	nodes, lan := e.sessionTransports(a.keys)
	s.calls.Transport = nodes
	s.client, err = client.Open(s.ctx, client.Options{
		Calls: s.calls, Keys: a.keys, Only: a.only, Dir: e.clientDir(), LAN: lan, Pace: e.o.Pace,
		Link: s.linked, Heard: s.heard,
	})
	if err != nil {
		s.stop()
		return nil, err
	}
	if err := s.sandbox.open(s.ctx, s.calls); err != nil {
		s.stop()
		return nil, errors.Join(err, s.client.Close())
	}
	s.follow()
	return s, nil
}

// follow starts what runs beside the client.
func (s *session) follow() {
	s.work.start(s.feed)
	s.work.start(s.keepRecent)
	s.work.start(s.tellNews)
	s.work.start(s.fillPasts)
	if !s.guest {
		s.work.start(s.watchLedger)
	}
	s.work.start(func() { s.e.linkWork(s) })
	s.work.start(func() { s.e.accountWork(s.ctx, s.e.book.wake) })
	mark(s.news)
	mark(s.past)
}

func (s *session) close() error {
	s.stop()
	s.work.end()
	err := s.flush()
	err = errors.Join(err, s.sandbox.close(), s.client.Close())
	return err
}

// linked hears that a node is connected or why it is not. It is called by the
// client, also before openSession has returned.
func (s *session) linked(_ string, err error) {
	s.e.work.start(s.e.emitStatus)
	if err == nil {
		mark(s.past)
	} else {
		mark(s.e.book.wake) // perhaps the account lists this client no more
		mark(s.e.links.nudge)
	}
}

// heard tells the pages what to ask for again.
func (s *session) heard(v circle.Event) {
	switch v.Kind {
	case circle.EventValue, circle.EventHistory, circle.EventAnswer:
		return
	case circle.EventRequested:
		s.e.emit(Event{Kind: "requests"})
	case circle.EventThings, circle.EventHome, circle.EventRoster, circle.EventStopped:
		s.e.emit(Event{Kind: "things"})
		mark(s.past)
	case circle.EventLockOne, circle.EventLockTwo, circle.EventUnconfirmed, circle.EventRefused:
		s.e.emit(Event{Kind: "grants"})
		s.e.emit(Event{Kind: "links"}) // one may have ended with its grant
	default:
		s.e.emit(Event{Kind: "grants"})
		s.e.emit(Event{Kind: "links"})
		s.e.emit(Event{Kind: "things"})
		mark(s.past)
	}
	mark(s.news)
}

// tellNews hands on, once each, what concerns no single value.
func (s *session) tellNews() {
	for {
		select {
		case <-s.news:
		case <-s.ctx.Done():
			return
		}
		news, err := s.client.News()
		if err != nil {
			s.e.o.Log.Warn("news not marked as told", "why", err)
		}
		for _, v := range news {
			if id := noteOf(v.Kind); id != "" {
				s.e.emit(Event{Kind: "note", Text: id, Data: noteData(v)})
			}
		}
	}
}

// noteOf is the sentence for news that no list says as well.
func noteOf(k circle.EventKind) string {
	switch k {
	case circle.EventRefused:
		return "engine.note.refused"
	case circle.EventDeclined:
		return "engine.note.declined"
	case circle.EventUnconfirmed:
		return "engine.note.unconfirmed"
	case circle.EventStopped:
		return "engine.note.stopped"
	case circle.EventProblem:
		return "engine.note.problem"
	}
	return ""
}

func noteData(v circle.Event) map[string]string {
	d := map[string]string{"Reason": v.Reason, "Detail": clean(v.Text, maxText)}
	for name, s := range map[string]string{"Account": v.Account, "Grant": v.Grant, "Request": v.Ref} {
		if s != "" {
			d[name] = s
		}
	}
	if !v.Until.IsZero() {
		d["Until"] = v.Until.UTC().Format("2006-01-02T15:04:05Z")
	}
	return d
}

// mark leaves a mark in a channel of capacity 1.
func mark(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
