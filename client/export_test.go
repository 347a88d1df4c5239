package client

import (
	"context"
	"crypto"

	"primum/circle"
	"primum/internal/clock"
)

// DriveForTest drives any actor as an anchor is driven.
func DriveForTest(ctx context.Context, a actor, calls Calls, pace clock.Clock, leaf func(circle.ID) crypto.Signer, take func(circle.Event) error) error {
	d := &driver{calls: calls, pace: pace, actor: a, take: take, leaf: leaf}
	d.prepare()
	return d.run(ctx)
}
