package client

import (
	"encoding/json"
	"time"

	"primum/circle"
)

// newsStream is the stream of what concerns no single grant's values.
const newsStream = "news"

// take keeps an event where it can be found, or hands it to who waits for it.
func (c *Client) take(e circle.Event) error {
	defer c.notify()
	if err := c.keep(e); err != nil {
		return err
	}
	if c.o.Heard != nil {
		c.o.Heard(e)
	}
	return nil
}

func (c *Client) keep(e circle.Event) error {
	switch e.Kind {
	case circle.EventAnswer, circle.EventHistory:
		c.mu.Lock()
		if _, waits := c.answers[e.Ref]; waits {
			c.answers[e.Ref] = append(c.answers[e.Ref], e)
		}
		c.mu.Unlock()
		return nil
	case circle.EventValue:
		if err := c.passing.value(e); err != nil {
			return err
		}
		return c.spool.add(streamOf(e), e)
	case circle.EventEnded, circle.EventPaused, circle.EventResumed:
		return c.spool.add(streamOf(e), e)
	case circle.EventJoined:
		signal(c.joined)
		return c.passing.joined()
	case circle.EventLockOne, circle.EventLockTwo, circle.EventThings, circle.EventRoster:
		return nil // the actor's lists say the same
	}
	return c.spool.add(newsStream, e)
}

func streamOf(e circle.Event) string {
	switch {
	case e.Grant != "":
		return e.Grant
	case !e.Circle.IsZero():
		return e.Circle.String()
	}
	return newsStream
}

// Value is what a watcher sees: a value, or news about the grant it is under.
type Value struct {
	ID    uint64          `json:"id"` // rises; the same value has the same one
	Grant string          `json:"grant,omitempty"`
	Thing string          `json:"thing,omitempty"`
	Name  string          `json:"name,omitempty"`
	Op    string          `json:"op,omitempty"`
	At    time.Time       `json:"at"`              // end of the window
	Value json.RawMessage `json:"value,omitempty"` // none: nothing was measured
	Unit  string          `json:"unit,omitempty"`
	// State is empty for a value, else "paused", "resumed" or "ended", with
	// Reason.
	State  string `json:"state,omitempty"`
	Reason string `json:"reason,omitempty"`
}

// Number is the value as a number, false where it is none.
func (v Value) Number() (float64, bool) {
	var f float64
	if v.Value == nil || json.Unmarshal(v.Value, &f) != nil {
		return 0, false
	}
	return f, true
}

// Ended tells that nothing more will come.
func (v Value) Ended() bool { return v.State == string(circle.EventEnded) }

func valueOf(e circle.Event) Value {
	v := Value{ID: e.ID, Grant: e.Grant, Thing: e.Thing, Name: e.Name, Op: e.Op, At: e.ValueAt, Value: e.Value, Unit: e.Unit}
	if e.Kind != circle.EventValue {
		v.State, v.Reason = string(e.Kind), e.Reason
	}
	if v.At.IsZero() {
		v.At = e.At
	}
	return v
}

// News is what has happened since News was last asked, oldest first: requests,
// refusals, offers, problems.
func (c *Client) News() ([]circle.Event, error) {
	var all []circle.Event
	for e, ok := c.spool.next(newsStream); ok; e, ok = c.spool.next(newsStream) {
		all = append(all, e)
		if err := c.spool.show(newsStream, e.ID); err != nil {
			return all, err
		}
	}
	return all, nil
}
