package client

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"sync"

	"primum/circle"
	"primum/internal/durable"
)

const (
	// maxSpooled bounds what waits to be shown in one stream; the oldest go
	// first.
	maxSpooled = 10_000
	// rewriteAfter is how many records that say nothing more a file may have.
	rewriteAfter = 256
	// maxRecent bounds what a second watcher may be behind.
	maxRecent = 256
)

// spool keeps events until somebody has seen them: a value that was opened
// can't be opened again. Each grant and each home is a stream. An event is on
// disk before the actor is told that it was taken, and leaves the disk after
// it was shown. Safe for concurrent use.
type spool struct {
	mu      sync.Mutex
	log     *durable.Log
	streams map[string]*stream
	last    uint64 // highest id ever added: a repetition is noticed
	waiting int    // events in all streams
	records int    // in the file
}

type stream struct {
	waiting []circle.Event
	// newest is the last value shown of each affordance, in memory only.
	newest map[string]circle.Event
	// recent are the last ones shown, in memory only: for a second watcher that
	// is behind the first.
	recent []circle.Event
}

// spooled is one record: an event of a stream, or marks.
type spooled struct {
	Stream string        `json:"s,omitempty"`
	Event  *circle.Event `json:"e,omitempty"`
	Last   uint64        `json:"last,omitempty"`
	Shown  uint64        `json:"shown,omitempty"` // in Stream, up to this id
}

func newSpool() *spool { return &spool{streams: make(map[string]*stream)} }

func openSpool(path string) (*spool, error) {
	s := newSpool()
	if err := durable.MakeDir(filepath.Dir(path)); err != nil {
		return nil, err
	}
	l, err := durable.OpenLog(path, s.replay)
	if err != nil {
		return nil, fmt.Errorf("open received values: %w", err)
	}
	s.log = l
	return s, nil
}

func (s *spool) replay(record []byte) error {
	var r spooled
	if err := json.Unmarshal(record, &r); err != nil {
		return fmt.Errorf("read received value: %w", err)
	}
	s.records++
	s.last = max(s.last, r.Last)
	if r.Event != nil {
		s.last = max(s.last, r.Event.ID)
		s.put(r.Stream, *r.Event)
	}
	if r.Shown > 0 {
		s.drop(r.Stream, r.Shown)
	}
	return nil
}

func (s *spool) stream(name string) *stream {
	st := s.streams[name]
	if st == nil {
		st = &stream{newest: make(map[string]circle.Event)}
		s.streams[name] = st
	}
	return st
}

// put adds to a stream in memory; the oldest beyond the bound goes.
func (s *spool) put(name string, e circle.Event) {
	st := s.stream(name)
	st.waiting = append(st.waiting, e)
	s.waiting++
	if len(st.waiting) > maxSpooled {
		st.waiting = st.waiting[1:]
		s.waiting--
	}
}

// drop takes what was shown out of a stream in memory.
func (s *spool) drop(name string, shown uint64) {
	st := s.stream(name)
	i := 0
	for i < len(st.waiting) && st.waiting[i].ID <= shown {
		if e := st.waiting[i]; e.Kind == circle.EventValue && e.Value != nil {
			st.newest[e.Thing+"/"+e.Name] = e
		}
		i++
	}
	st.recent = append(st.recent, st.waiting[:i]...)
	st.recent = append(st.recent[:0:0], st.recent[max(0, len(st.recent)-maxRecent):]...)
	s.waiting -= i
	if st.waiting = st.waiting[i:]; len(st.waiting) == 0 {
		st.waiting = nil
	}
}

// add keeps an event; a repetition is ignored.
func (s *spool) add(name string, e circle.Event) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e.ID <= s.last {
		return nil
	}
	if err := s.append(spooled{Stream: name, Event: &e}); err != nil {
		return err
	}
	s.last = e.ID
	s.put(name, e)
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
	s.records++
	return nil
}

// next is the oldest event of a stream that was not shown.
func (s *spool) next(name string) (circle.Event, bool) { return s.nextAfter(name, 0) }

// nextAfter is the oldest event above id: one that waits or, for a watcher who
// has seen id, one that another watcher has seen meanwhile.
func (s *spool) nextAfter(name string, id uint64) (circle.Event, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.streams[name]
	if st == nil {
		return circle.Event{}, false
	}
	if id > 0 {
		for _, e := range st.recent {
			if e.ID > id {
				return e, true
			}
		}
	}
	for _, e := range st.waiting {
		if e.ID > id {
			return e, true
		}
	}
	return circle.Event{}, false
}

// show marks everything of a stream up to id as shown.
func (s *spool) show(name string, id uint64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.streams[name]
	if st == nil || len(st.waiting) == 0 || st.waiting[0].ID > id {
		return nil
	}
	if err := s.append(spooled{Stream: name, Shown: id}); err != nil {
		return err
	}
	s.drop(name, id)
	return s.tidy()
}

// tidy rewrites the file without what was shown.
func (s *spool) tidy() error {
	if stale := s.records - s.waiting; stale < rewriteAfter || stale < s.waiting {
		return nil
	}
	records := make([][]byte, 0, s.waiting+1)
	all := []spooled{{Last: s.last}}
	for name, st := range s.streams {
		for i := range st.waiting {
			all = append(all, spooled{Stream: name, Event: &st.waiting[i]})
		}
	}
	for _, r := range all {
		b, err := json.Marshal(r)
		if err != nil {
			return fmt.Errorf("tidy received values: %w", err)
		}
		records = append(records, b)
	}
	if err := s.log.Rewrite(records); err != nil {
		return fmt.Errorf("tidy received values: %w", err)
	}
	s.records = len(records)
	return nil
}

// latest is the newest value of an affordance: one that waits, or the last
// that was shown.
func (s *spool) latest(name, thing, affordance string) (circle.Event, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.streams[name]
	if st == nil {
		return circle.Event{}, false
	}
	for i := len(st.waiting) - 1; i >= 0; i-- {
		e := st.waiting[i]
		if e.Kind == circle.EventValue && e.Thing == thing && e.Name == affordance {
			return e, true
		}
	}
	e, ok := st.newest[thing+"/"+affordance]
	return e, ok
}

func (s *spool) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.log.Close()
}
