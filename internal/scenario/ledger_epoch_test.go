package scenario

import (
	"path/filepath"
	"testing"
	"time"

	"primum/client"
	"primum/internal/clock"
	"primum/internal/wire"
	logbook "primum/ledger"
	"primum/mls"
)

// TestEpochsAreInTheLog: a member makes the leaf of an epoch from the commit
// that it received, and the node proves that it stands in its log.
func TestEpochsAreInTheLog(t *testing.T) {
	t.Parallel()
	c := clock.NewManual(time.Date(2026, 11, 23, 8, 0, 30, 0, time.UTC))
	n := handNode(t, filepath.Join(t.TempDir(), "h"), c)
	owner := newAccount(t, n.node.Authority(), "owner", c)
	r := newRawCircle(t, owner, c)
	staged, err := r.anchor.Commit(mls.CommitOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.out.Commit(t.Context(), r.id, staged.Commit, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := r.owner.Process(staged.Commit); err != nil {
		t.Fatal(err)
	}
	leaf := wire.EpochCommitment(r.owner.ConfirmedTranscriptHash(), r.owner.Epoch(), staged.Commit)
	if _, err := owner.node.LedgerProof(t.Context(), leaf); err == nil {
		t.Fatal("it is proved before the tick")
	}
	c.Advance(time.Minute)
	var text []byte
	eventually(t, "the epoch's leaf is in the log", func() bool {
		text, err = owner.node.LedgerProof(t.Context(), leaf)
		return err == nil
	})
	info, err := owner.node.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	receipt, err := logbook.ParseReceipt(text)
	if err == nil {
		_, err = receipt.Verify(leaf[:], info.Ledger.Commitments)
	}
	if err != nil {
		t.Fatal(err)
	}
	other := wire.EpochCommitment(r.owner.ConfirmedTranscriptHash(), r.owner.Epoch(), []byte("another commit"))
	if _, err := owner.node.LedgerProof(t.Context(), other); !client.IsProblem(err, wire.ProbNotFound) {
		t.Fatalf("a commit that was never sent: %v", err)
	}
}
