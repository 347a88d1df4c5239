package client

import (
	"context"

	"primum/circle"
	"primum/internal/clock"
)

// AnchorOptions of RunAnchor.
type AnchorOptions struct {
	// Calls carries the transport, the clock of documents, and the log.
	Calls Calls
	// Pace is the clock of pauses between attempts to connect; real when nil.
	Pace clock.Clock
	// Take is handed the anchor's events, one at a time and oldest first. An
	// event for which it returns nil does not come again, also after a
	// restart; one for which it fails comes again. It may block: then the
	// anchor goes on sealing, and reads on until its queue is full.
	Take func(circle.Event) error
	// Link hears nil when a node is connected and why it is not; may be nil.
	Link func(authority string, err error)
}

// RunAnchor connects an anchor to its node and drives it until the context
// ends, whose error it returns, or until the anchor's directory can't be
// written. A kill at any instant loses nothing: all state is the anchor's.
func RunAnchor(ctx context.Context, a *circle.Anchor, o AnchorOptions) error {
	d := &driver{calls: o.Calls, pace: o.Pace, actor: a, take: o.Take, leaf: a.Signer, state: o.Link, hinted: a.Hint}
	d.prepare()
	return d.run(ctx)
}
