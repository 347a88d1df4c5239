package relay

import (
	"errors"
	"fmt"
	"time"

	"primum/internal/store"
	"primum/internal/wire"
)

func refusal(name, detail string) *wire.Refusal { return &wire.Refusal{Name: name, Detail: detail} }

func malformed(detail string, err error) *wire.Refusal {
	return &wire.Refusal{Name: wire.ProbMalformed, Detail: detail, Err: err}
}

func tooLarge(what string, limit int) *wire.Refusal {
	return refusal(wire.ProbTooLarge, fmt.Sprintf("%s has %d bytes at most", what, limit))
}

func tooMany(what string, wait time.Duration) *wire.Refusal {
	return &wire.Refusal{Name: wire.ProbTooMany, Detail: what, Retry: wait}
}

func stale(epoch uint64) *wire.Refusal {
	return &wire.Refusal{
		Name: wire.ProbStaleEpoch, Epoch: epoch,
		Detail: fmt.Sprintf("the circle is in epoch %d: read on, then seal again", epoch),
	}
}

func fencedAs(f *store.Fenced) *wire.Refusal {
	return &wire.Refusal{
		Name: wire.ProbFenced, Reason: f.Reason, At: f.At,
		Detail: "the circle was ended: " + f.Reason,
	}
}

func noLeaf() *wire.Refusal {
	return refusal(wire.ProbForbidden, "this key has no leaf in the circle")
}

// refused turns what the store's comparison says into a refusal. Other errors
// stay as they are.
func refused(err error) error {
	var old *store.Stale
	var fence *store.Fenced
	var soon *store.TooSoon
	switch {
	case errors.As(err, &old):
		return stale(old.Epoch)
	case errors.As(err, &fence):
		return fencedAs(fence)
	case errors.As(err, &soon):
		return &wire.Refusal{Name: wire.ProbTooMany, Detail: "a leaf may propose one Update an hour", At: soon.Until}
	case errors.Is(err, store.ErrQuota):
		return refusal(wire.ProbCircleFull, "the circle's bytes on this node are used up; they come back as old epochs are erased")
	case errors.Is(err, store.ErrNotFound):
		return refusal(wire.ProbNotFound, "the node has no such circle")
	}
	return err
}

// refuse counts a refusal on its way out.
func (r *Relay) refuse(err error) error {
	var w *wire.Refusal
	if errors.As(err, &w) {
		r.refused.Add(1)
		if w.Name == wire.ProbTooMany && w.Retry == 0 {
			w.Retry = max(w.At.Sub(r.clock.Now()), time.Second)
		}
	}
	return err
}
