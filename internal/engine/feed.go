package engine

import (
	"errors"
	"time"

	"primum/client"
	"primum/thing"
)

// saveAfter is how long last values may wait for the disk; until then the
// client keeps them.
const saveAfter = 2 * time.Second

// feed takes in every value until the session ends.
func (s *session) feed() {
	err := s.client.Feed(s.ctx, func(stream client.Stream, values []client.Value) error {
		for _, v := range values {
			s.takeValue(stream, v)
		}
		s.recent.done(stream, values[len(values)-1].ID)
		return nil
	})
	if err != nil && s.ctx.Err() == nil {
		s.e.o.Log.Error("values are not taken any more", "why", err)
	}
}

func (s *session) takeValue(stream client.Stream, v client.Value) {
	if v.State != "" || v.Value == nil {
		return // what became of a grant is told by heard; nothing was measured
	}
	ref := refOf(stream, v.Thing, v.Name)
	p := pointOf(v.At, v.Value)
	if v.Op == thing.SubscribeEvent {
		p.Number = nil
	}
	if !s.recent.add(seriesKey(stream, v.Thing, v.Name), p, thing.Unit(v.Unit)) {
		return
	}
	s.e.emit(Event{Kind: "value", Ref: &ref, Point: &p})
	s.alertValue(ref, p)
}

func refOf(stream client.Stream, thing, name string) Ref {
	r := Ref{Grant: stream.Grant, Thing: thing, Name: name}
	if stream.Grant == "" {
		r.Home = stream.Home.String()
	}
	return r
}

// keepRecent saves last values, not at each one.
func (s *session) keepRecent() {
	for {
		select {
		case <-s.recent.wake:
		case <-s.ctx.Done():
			return
		}
		timer := s.e.o.Pace.NewTimer(saveAfter)
		select {
		case <-timer.C():
		case <-s.ctx.Done():
			timer.Stop()
			return
		}
		if err := s.flush(); err != nil {
			s.e.o.Log.Error("last values not kept", "why", err)
		}
	}
}

// flush saves last values, then lets the client forget what they came from.
func (s *session) flush() error {
	shown, err := s.recent.save()
	for stream, id := range shown {
		err = errors.Join(err, s.client.Shown(stream, id))
	}
	return err
}
