package core

import "encoding/json"

// queuedEvent is an event and the part that stores it: its circle's, so that a
// message and what it says are written at once.
type queuedEvent struct {
	Event
	part string
}

// eventsOf stores the events of one part.
type eventsOf struct {
	actor *Actor
	part  string
}

func (p eventsOf) encode() ([]byte, error) { return json.Marshal(p.list()) }

func (p eventsOf) list() []Event {
	var out []Event
	for _, e := range p.actor.events {
		if e.part == p.part {
			out = append(out, e.Event)
		}
	}
	return out
}

func (a *Actor) addEvents(part string, events []Event) {
	for _, e := range events {
		a.events = append(a.events, queuedEvent{e, part})
	}
}

// eventIDs is how many ids are taken at once from the stored count.
const eventIDs = 4096

// Emit puts an event in the queue.
func (a *Actor) Emit(e Event) {
	if a.lastID >= a.Base.EventIDs {
		a.Base.EventIDs = a.lastID + eventIDs
		a.Touch(PartBase)
	}
	a.lastID++
	e.ID, e.At = a.lastID, a.Now()
	part := PartEvents
	if r := a.Rooms[e.Circle]; r != nil {
		part = r.Part()
	}
	a.events = append(a.events, queuedEvent{e, part})
	a.Touch(part)
}

// KeepEvents drops events, and has written what changed by that.
func (a *Actor) KeepEvents(keep func(Event) bool) {
	kept := a.events[:0:0]
	for _, e := range a.events {
		if keep(e.Event) {
			kept = append(kept, e)
		} else {
			a.Touch(e.part)
		}
	}
	a.events = kept
}

// Events lists what waits for Ack, oldest first, at most 1,000 and a few.
func (a *Actor) Events() []Event {
	a.Mu.Lock()
	defer a.Mu.Unlock()
	if a.Closed || a.broken != nil {
		return nil
	}
	out := make([]Event, len(a.events))
	for i, e := range a.events {
		out[i] = e.Event
	}
	return out
}

// Ack takes every event up to and including id out of the queue.
func (a *Actor) Ack(id uint64) error {
	return a.Do(func() error {
		a.KeepEvents(func(e Event) bool { return e.ID > id })
		return nil
	})
}

// makeRoom drops the oldest home values where too many events wait: the home's
// history has them. It reports whether more events may come.
func (a *Actor) makeRoom() bool {
	if len(a.events) < homeEvents {
		return true
	}
	drop := len(a.events) - homeEvents + 1
	a.KeepEvents(func(e Event) bool {
		r := a.Rooms[e.Circle]
		if drop > 0 && e.Kind == EventValue && r != nil && r.Home {
			drop--
			return false
		}
		return true
	})
	return len(a.events) < maxEvents
}
