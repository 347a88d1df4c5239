package httpdoor

import (
	"context"
	"encoding/hex"
	"strings"

	"primum/internal/wire"
)

// getLedgerProof proves that a leaf stands in the commitments log. Anybody may
// ask: the leaf tells nothing to who doesn't know what it commits to.
func (d *Door) getLedgerProof(ctx context.Context, c *call) (any, error) {
	c.w.Header().Set("Access-Control-Allow-Origin", "*") // leaves are public, and checked from pages of other nodes
	text := c.r.URL.Query().Get("leaf")
	b, err := hex.DecodeString(text)
	if err != nil || len(b) != 32 || text != strings.ToLower(text) {
		return nil, problem(wire.ProbMalformed, "leaf is 32 bytes in lower-case hexadecimal")
	}
	if d.cfg.Proof == nil {
		return nil, problem(wire.ProbNotFound, "this node keeps no ledger")
	}
	proof, err := d.cfg.Proof(ctx, [32]byte(b))
	if err != nil {
		return nil, err
	}
	return raw{kind: "text/plain; charset=utf-8", bytes: proof}, nil
}
