package client

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"primum/circle"
	"primum/internal/durable"
)

const (
	// maxSpooled bounds what waits to be shown; the oldest go first.
	maxSpooled = 10_000
	// rewriteAfter is how many records that say nothing more a file may have.
	rewriteAfter = 256
)

// spool keeps the events of one grant or home until somebody has seen them: a
// value that was opened can't be opened again. An event is on disk before the
// actor is told that it was taken, and leaves the disk after it was shown.
// Safe for concurrent use.
type spool struct {
	mu      sync.Mutex
	log     *durable.Log
	waiting []circle.Event
	last    uint64 // highest id ever added, so that a repetition is noticed
	shown   uint64 // highest id shown
	stale   int    // records that a rewrite would drop
	// newest is the last value shown of each affordance, in memory only.
	newest map[string]circle.Event
}

// spooled is one record: an event, or a mark.
type spooled struct {
	Event *circle.Event `json:"e,omitempty"`
	Last  uint64        `json:"last,omitempty"`
	Shown uint64        `json:"shown,omitempty"`
}

func openSpool(path string) (*spool, error) {
	s := &spool{newest: make(map[string]circle.Event)}
	if err := durable.MakeDir(filepath.Dir(path)); err != nil {
		return nil, err
	}
	l, err := durable.OpenLog(path, s.replay)
	if err != nil {
		return nil, fmt.Errorf("open received values: %w", err)
	}
	s.log = l
	s.drop()
	return s, nil
}

func (s *spool) replay(record []byte) error {
	var r spooled
	if err := json.Unmarshal(record, &r); err != nil {
		return fmt.Errorf("read received value: %w", err)
	}
	if r.Event != nil {
		s.waiting = append(s.waiting, *r.Event)
		s.last = max(s.last, r.Event.ID)
	}
	s.last, s.shown = max(s.last, r.Last), max(s.shown, r.Shown)
	s.stale++
	return nil
}

// drop forgets what was shown, and the oldest beyond the bound.
func (s *spool) drop() {
	i := 0
	for i < len(s.waiting) && (s.waiting[i].ID <= s.shown || len(s.waiting)-i > maxSpooled) {
		if e := s.waiting[i]; e.Kind == circle.EventValue && e.Value != nil {
			s.newest[e.Thing+"/"+e.Name] = e
		}
		i++
	}
	s.waiting = append(s.waiting[:0:0], s.waiting[i:]...)
	s.stale = max(0, s.stale-len(s.waiting))
}

// add keeps an event; a repetition is ignored.
func (s *spool) add(e circle.Event) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e.ID <= s.last {
		return nil
	}
	if err := s.append(spooled{Event: &e}); err != nil {
		return err
	}
	s.last = e.ID
	s.waiting = append(s.waiting, e)
	if len(s.waiting) > maxSpooled {
		s.waiting = s.waiting[1:]
		s.stale++
	}
	return s.tidy()
}

func (s *spool) append(r spooled) error {
	b, err := json.Marshal(r)
	if err == nil {
		err = s.log.Append(true, b)
	}
	if err != nil {
		return fmt.Errorf("keep received value: %w", err)
	}
	return nil
}

// next is the oldest event that was not shown.
func (s *spool) next() (circle.Event, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.waiting) == 0 {
		return circle.Event{}, false
	}
	return s.waiting[0], true
}

// show marks everything up to id as shown.
func (s *spool) show(id uint64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if id <= s.shown {
		return nil
	}
	if err := s.append(spooled{Shown: id}); err != nil {
		return err
	}
	s.shown = id
	n := len(s.waiting)
	s.drop()
	s.stale += n - len(s.waiting) + 1
	return s.tidy()
}

// tidy rewrites the file without what was shown.
func (s *spool) tidy() error {
	if s.stale < rewriteAfter || s.stale < len(s.waiting) {
		return nil
	}
	records := make([][]byte, 0, len(s.waiting)+1)
	mark, err := json.Marshal(spooled{Last: s.last, Shown: s.shown})
	if err != nil {
		return fmt.Errorf("tidy received values: %w", err)
	}
	records = append(records, mark)
	for i := range s.waiting {
		b, err := json.Marshal(spooled{Event: &s.waiting[i]})
		if err != nil {
			return fmt.Errorf("tidy received values: %w", err)
		}
		records = append(records, b)
	}
	if err := s.log.Rewrite(records); err != nil {
		return fmt.Errorf("tidy received values: %w", err)
	}
	s.stale = 0
	return nil
}

func (s *spool) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.log.Close()
}

// spools are the spools of one client by name. Safe for concurrent use.
type spools struct {
	dir string

	mu   sync.Mutex
	open map[string]*spool
}

func (s *spools) get(name string) (*spool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if sp := s.open[name]; sp != nil {
		return sp, nil
	}
	sp, err := openSpool(filepath.Join(s.dir, name+".log"))
	if err != nil {
		return nil, err
	}
	s.open[name] = sp
	return sp, nil
}

// remove deletes a spool with everything in it.
func (s *spools) remove(name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if sp := s.open[name]; sp != nil {
		_ = sp.close()
		delete(s.open, name)
	}
	if err := os.Remove(filepath.Join(s.dir, name+".log")); err != nil && !os.IsNotExist(err) {
		return fmt.Errorf("remove received values: %w", err)
	}
	return nil
}

func (s *spools) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, sp := range s.open {
		_ = sp.close()
	}
}

// latest is the newest value of an affordance: one that waits, or the last
// that was shown.
func (s *spool) latest(thing, name string) (circle.Event, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := len(s.waiting) - 1; i >= 0; i-- {
		e := s.waiting[i]
		if e.Kind == circle.EventValue && e.Thing == thing && e.Name == name {
			return e, true
		}
	}
	e, ok := s.newest[thing+"/"+name]
	return e, ok
}
