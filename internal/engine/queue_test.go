package engine

import (
	"testing"
	"time"
)

// A reader that comes late gets everything but values that there is no room
// for and repetitions of what only says "ask again".
func TestQueueForASlowReader(t *testing.T) {
	t.Parallel()
	q := newQueue()
	defer q.close()
	ref := Ref{Thing: "t"}
	for i := range 10_000 {
		n := float64(i)
		q.put(Event{Kind: "value", Ref: &ref, Point: &Point{Number: &n}})
		q.put(Event{Kind: "things"})
		if i%1000 == 0 {
			q.put(Event{Kind: "note", Text: "engine.note.problem"})
			q.put(Event{Kind: "status", Status: &Status{Phase: PhaseOpen, Online: i > 0}})
		}
	}
	counts := map[string]int{}
	var last *Event
	for range 10_000 {
		select {
		case v := <-q.out:
			counts[v.Kind]++
			if v.Kind == "value" {
				if last != nil && *v.Point.Number <= *last.Point.Number {
					t.Fatalf("%v after %v", *v.Point.Number, *last.Point.Number)
				}
				last = &v
			}
			continue
		case <-time.After(200 * time.Millisecond): // nothing more is there
		}
		break
	}
	if counts["note"] != 10 || counts["things"] > 2 || counts["status"] > 2 || counts["value"] < maxWaiting-100 || *last.Point.Number != 9999 {
		t.Errorf("%v, last %+v", counts, last)
	}
}

func TestQueueCloses(t *testing.T) {
	t.Parallel()
	q := newQueue()
	q.put(Event{Kind: "things"})
	q.close()
	q.close()
	q.put(Event{Kind: "things"}) // is left
	for range q.out {
	}
}
