package local

import (
	"context"
	"fmt"
	"time"

	"primum/internal/node"
	"primum/oath"
)

// swear lets a node of this game swear what every operator can, so that
// `primum oath check` has something to be held against.
func swear(ctx context.Context, dataDir, authority string) error {
	clauses, err := oath.Clauses()
	if err != nil {
		return fmt.Errorf("read the oath: %w", err)
	}
	now := time.Now()
	d, err := oath.Draft(authority, clauses, nil, now)
	if err != nil {
		return fmt.Errorf("write the oath: %w", err)
	}
	until := now.UTC().Truncate(24*time.Hour).AddDate(0, 0, 7) // nobody plays longer
	d.Supported = &until
	if _, _, err := node.Swear(ctx, dataDir, d, now); err != nil {
		return fmt.Errorf("sign the oath: %w", err)
	}
	return nil
}
