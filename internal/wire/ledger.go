package wire

import (
	"crypto/sha256"
	"strings"

	"primum/ledger"
)

// LedgerProofPath is where a node proves that a leaf stands in its commitments
// log: ?leaf=HEX. The answer is a C2SP tlog-proof; ProbNotYet until the tick.
const LedgerProofPath = "/v1/ledger/proof"

// GrantCommitment is the leaf of a grant's event, the grant.State that it led
// to, under the grant's own k_grant: whoever has the envelope finds it again,
// also in a node that was restored from an old backup.
func GrantCommitment(kGrant []byte, state string) [32]byte {
	return ledger.GrantLeaf(kGrant, strings.ToLower(state))
}

// EpochCommitment is the leaf of the epoch that a commit begins. Its key is the
// hash of the epoch's confirmed transcript (RFC 9420 §8.2), which members and
// node know and nobody can guess.
func EpochCommitment(transcript []byte, epoch uint64, commit []byte) [32]byte {
	t := sha256.Sum256(transcript)
	return ledger.EpochLeaf(t[:], epoch, sha256.Sum256(commit), t)
}
