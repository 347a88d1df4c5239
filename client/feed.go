package client

import (
	"cmp"
	"context"
	"slices"

	"primum/circle"
)

// Stream is what values come by: a grant, or the home of own things.
type Stream struct {
	Grant string    // id; empty for a home
	Home  circle.ID // zero for a grant
}

// maxBatch bounds what Feed hands over at once.
const maxBatch = 512

// Feed hands everything that comes, of own things and of what was given, to
// deliver: of one stream at a time, oldest first, as much as waits. Values count
// as seen when Shown says so, which may be late and of many at once; else they
// come again after the next start. Feed ends with the context or with deliver's
// first error. Watch and Receive beside it see what was not marked.
func (c *Client) Feed(ctx context.Context, deliver func(Stream, []Value) error) error {
	after := make(map[string]uint64)
	return c.until(ctx, func() (bool, error) {
		for {
			name, events := c.spool.batch(after, maxBatch)
			if len(events) == 0 {
				return false, nil
			}
			after[name] = events[len(events)-1].ID
			values := make([]Value, len(events))
			for i, e := range events {
				values[i] = valueOf(e)
			}
			if err := deliver(streamNamed(name), values); err != nil {
				return true, err
			}
		}
	})
}

// Shown marks everything of a stream up to the value with this id as seen.
func (c *Client) Shown(s Stream, id uint64) error { return c.spool.show(s.name(), id) }

func (s Stream) name() string {
	if s.Grant != "" {
		return s.Grant
	}
	return s.Home.String()
}

func streamNamed(name string) Stream {
	if id, err := circle.ParseID(name); err == nil {
		return Stream{Home: id}
	}
	return Stream{Grant: name}
}

// StreamOf is the stream that a target's values come by.
func (t Target) StreamOf() Stream { return streamNamed(t.stream()) }

// batch is what waits in some stream behind its mark in after.
func (s *spool) batch(after map[string]uint64, most int) (name string, events []circle.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for name, st := range s.streams {
		if name == newsStream {
			continue
		}
		i, _ := slices.BinarySearchFunc(st.waiting, after[name]+1, func(e circle.Event, id uint64) int { return cmp.Compare(e.ID, id) })
		if i < len(st.waiting) {
			return name, slices.Clone(st.waiting[i:min(len(st.waiting), i+most)])
		}
	}
	return "", nil
}
