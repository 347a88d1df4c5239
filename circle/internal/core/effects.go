package core

import (
	"strings"
	"time"
)

// Effects lists what is to be done now, oldest first. An effect stays listed
// until Done or Failed; the driver performs those it is not performing yet.
func (a *Actor) Effects() []Effect {
	a.Mu.Lock()
	defer a.Mu.Unlock()
	if a.Closed || a.broken != nil {
		return nil
	}
	now := a.Now()
	var out []Effect
	for _, e := range a.allEffects() {
		if t := a.Tries[e.ID]; t == nil || !now.Before(t.until) {
			out = append(out, *e)
		}
	}
	return out
}

func (a *Actor) allEffects() []*Effect {
	var out []*Effect
	for i := range a.Base.Outbox {
		out = append(out, &a.Base.Outbox[i])
	}
	for _, key := range SortedKeys(a.Wishes) {
		out = append(out, a.Wishes[key])
	}
	for _, id := range a.RoomIDs() {
		out = append(out, a.Rooms[id].effects()...)
	}
	return out
}

func (a *Actor) findEffect(id string) *Effect {
	for _, e := range a.allEffects() {
		if e.ID == id {
			return e
		}
	}
	return nil
}

// Done answers an effect that was performed. An effect that is not known any
// more is no error.
func (a *Actor) Done(id string, res Result) error {
	return a.Do(func() error {
		e := a.findEffect(id)
		if e == nil {
			return nil
		}
		found := *e
		a.forget(&found)
		a.answer(&found, &res, nil)
		return nil
	})
}

// Failed answers an effect that was refused or met nobody. The actor retries
// with a growing pause, or drops the effect and says so by an event.
func (a *Actor) Failed(id string, ref *Refusal) error {
	return a.Do(func() error {
		e := a.findEffect(id)
		if e == nil || ref == nil {
			return nil
		}
		found := *e
		if !ref.Now.IsZero() {
			a.setSkew(ref.Now)
		}
		if ref.temporary(&found) {
			a.Postpone(id, ref.RetryAfter)
			return nil
		}
		a.forget(&found)
		a.answer(&found, nil, ref)
		return nil
	})
}

// temporary refusals may be another answer later. A message or commit is kept
// also where the node does not know the sender or the circle just now.
func (r *Refusal) temporary(e *Effect) bool {
	switch r.Kind {
	case KindOffline, KindTooMany, KindNotYet, KindStorage, KindInternal, KindClockSkew:
		return true
	case KindForbidden, KindNotFound, "not-signed", "bad-signature", "replayed":
		return (e.Kind == EffectAppend || e.Kind == EffectCommit) && !strings.HasPrefix(e.ID, "w-")
	}
	return false
}

func (a *Actor) Postpone(id string, after time.Duration) {
	t := a.Tries[id]
	if t == nil {
		t = &Try{}
		a.Tries[id] = t
	}
	pause := min(backoffMin<<min(t.N, 16), BackoffMax)
	t.N++
	t.until = a.Now().Add(max(pause, min(after, time.Hour)))
}

func (a *Actor) forget(e *Effect) {
	delete(a.Tries, e.ID)
	for i := range a.Base.Outbox {
		if a.Base.Outbox[i].ID == e.ID {
			a.Base.Outbox = append(a.Base.Outbox[:i:i], a.Base.Outbox[i+1:]...)
			a.Touch(PartBase)
			return
		}
	}
	if key, ok := strings.CutPrefix(e.ID, "w-"); ok {
		delete(a.Wishes, key)
	}
}

func (a *Actor) answer(e *Effect, res *Result, ref *Refusal) {
	r := a.Rooms[e.Circle]
	switch {
	case strings.HasPrefix(e.ID, "w-"):
		a.Role.Outcome(e, res, ref)
	case r != nil && e.Kind == EffectAppend:
		a.appended(r, e, res, ref)
	case r != nil && e.Kind == EffectCommit:
		a.committed(r, e, res, ref)
	default:
		a.Role.Outcome(e, res, ref)
	}
}
