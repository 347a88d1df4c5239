package ledger

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Kept is what a reader keeps of a node's logs from one verification to the
// next. It is JSON; the zero value is a reader who knows nothing yet.
type Kept struct {
	Logs map[string]KeptLog `json:"logs,omitempty"` // by origin
	// Facts are the newest public entries of all that were read so far, by FactName.
	Facts map[string]Entry `json:"facts,omitempty"`
}

// FactName is where Kept has the newest entry: of each ref for policy, service,
// key and release, of the type alone for the others.
func FactName(t Type, ref string) string {
	switch t {
	case TypePolicy, TypeService, TypeKey, TypeRelease:
		return string(t) + " " + ref
	}
	return string(t)
}

// Fact is the newest entry of a type and, where FactName has it, a ref.
func (k Kept) Fact(t Type, ref string) (Entry, bool) {
	e, ok := k.Facts[FactName(t, ref)]
	return e, ok
}

// About are the newest entries of a type by their refs, in the order of those,
// for the types that FactName tells apart by ref.
func (k Kept) About(t Type) []Entry {
	var found []Entry
	for _, name := range slices.Sorted(maps.Keys(k.Facts)) {
		if strings.HasPrefix(name, string(t)+" ") {
			found = append(found, k.Facts[name])
		}
	}
	return found
}

// Check compares a document that a node serves with the newest entry about it:
// ErrOmitted if there is none, ErrTampered if it is about another document.
func (k Kept) Check(t Type, ref string, document []byte) error {
	e, ok := k.Fact(t, ref)
	if !ok {
		return fmt.Errorf("%w: no entry %s", ErrOmitted, FactName(t, ref))
	}
	if sum := sha256.Sum256(document); hex.EncodeToString(sum[:]) != e.SHA256 {
		return fmt.Errorf("%w: the document is another than the log has as %s", ErrTampered, FactName(t, ref))
	}
	return nil
}

// KeptLog is the last checkpoint of one log that was found good.
type KeptLog struct {
	Key        string    `json:"key"`        // verifier key text
	Checkpoint string    `json:"checkpoint"` // the signed note
	Seen       time.Time `json:"seen"`
}

// Options of Verify. The zero value reads what is new.
type Options struct {
	// Now dates what is kept and judges cosignatures of the future; the zero
	// value is the time of the machine.
	Now time.Time
	// Full reads every tile and every entry again, not only what is new.
	Full bool
	// MaxEntries of the public log are read at most, the newest; 0 is 65,536.
	MaxEntries int
	// Witnesses that are known already. Verify finds others by their names.
	Witnesses []Witness
	// MinWitnesses good cosignatures are demanded of each checkpoint; fewer are an
	// ErrWitness.
	MinWitnesses int
	// Patience is how long a log is asked again that shows less than its witnesses
	// have, or bears too few of their signatures: it may be about to sign. 0 is 6 s,
	// less than 0 none.
	Patience time.Duration
	// Base is the https address of an authority; nil is "https://" + authority.
	Base func(authority string) string
}

// Report is what Verify saw.
type Report struct {
	Public      LogReport
	Commitments LogReport
	Findings    []*Finding
	// Kept is what the caller should keep from now on. A log with a finding
	// stays as it was kept before.
	Kept Kept
}

// LogReport is what Verify saw of one log.
type LogReport struct {
	Checkpoint Checkpoint
	Known      bool          // a checkpoint was kept of it
	Since      uint64        // size of the kept checkpoint
	Read       uint64        // entries read and checked
	Witnesses  []WitnessWord // of everybody whose signature the checkpoint bears
	Findings   int           // how many of Report.Findings are about this log
	Fetched    int           // requests made
	Bytes      int64         // bytes received
}

// WitnessWord is what is known of one witness of a checkpoint.
type WitnessWord struct {
	Name string
	Good bool      // the cosignature verifies under the key that the witness states
	At   time.Time // when it cosigned; only if Good
	Seen uint64    // size of the last checkpoint that it says it cosigned; 0: it says nothing
	Err  string    // why nothing is known of it; empty otherwise
}
