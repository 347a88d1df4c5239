package ledger

import (
	"errors"
	"fmt"
)

// What a verification can find. Every Finding wraps one of these; callers tell
// them apart with errors.Is.
var (
	// ErrRollback: the log is shorter than a checkpoint it signed before.
	ErrRollback = errors.New("the log was rolled back")
	// ErrFork: the log signed two histories that exclude each other.
	ErrFork = errors.New("the log has two histories")
	// ErrTampered: a tile or an entry is not what the signed root says.
	ErrTampered = errors.New("the log's content does not match its signed root")
	// ErrOmitted: something that had to stand in the log does not.
	ErrOmitted = errors.New("the log left something out")
	// ErrWitness: a witness's signature is wrong, or too few of them have signed.
	ErrWitness = errors.New("the log is not witnessed as it must be")
	// ErrKey: the log answers under another key than before.
	ErrKey = errors.New("the log has another key than before")
	// ErrSignature: a checkpoint, receipt or promise is not signed by the log's key.
	ErrSignature = errors.New("not signed by the log")
	// ErrMalformed: the bytes are not of the format.
	ErrMalformed = errors.New("malformed")
	// ErrProof: a Merkle proof does not lead to the root.
	ErrProof = errors.New("the proof does not lead to the root")
)

// What is no finding against anybody.
var (
	// ErrNotFound is what a Fetcher returns where nothing stands at the address.
	ErrNotFound = errors.New("not found")
	// ErrUnreachable: something could not be fetched, so nothing is known of it.
	ErrUnreachable = errors.New("could not be fetched")
	// ErrNoLedger: the node names no ledger.
	ErrNoLedger = errors.New("the node keeps no ledger")
)

// Finding is one thing that is wrong with a log, with what proves it.
type Finding struct {
	Kind   error  // one of the errors above
	Log    string // origin
	Detail string // one English sentence for logs and reports
	// Evidence are signed notes, promises or receipts with which anybody can
	// repeat the finding; may be empty.
	Evidence []string
	early    bool // it may be gone in a moment: the log is asked again
}

// Error is kind, log and detail.
func (f *Finding) Error() string {
	return fmt.Sprintf("%v (%s): %s", f.Kind, f.Log, f.Detail)
}

// Unwrap is the kind.
func (f *Finding) Unwrap() error { return f.Kind }

// KindName is the word for a finding's kind: rollback, fork, tampered, omitted,
// witness, key, signature, proof, malformed.
func KindName(err error) string {
	for _, k := range []struct {
		kind error
		name string
	}{
		{ErrRollback, "rollback"},
		{ErrFork, "fork"},
		{ErrTampered, "tampered"},
		{ErrOmitted, "omitted"},
		{ErrWitness, "witness"},
		{ErrKey, "key"},
		{ErrSignature, "signature"},
		{ErrProof, "proof"},
	} {
		if errors.Is(err, k.kind) {
			return k.name
		}
	}
	return "malformed"
}
