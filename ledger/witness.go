package ledger

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
)

// MaxSubmission is the longest add-checkpoint request that is read, in bytes.
const MaxSubmission = MaxCheckpoint + 4<<10

// AddCheckpoint is the path below a witness's URL to which a log posts.
const AddCheckpoint = "/add-checkpoint"

// SizeType is the media type of a witness's 409 answer.
const SizeType = "text/x.tlog.size"

// WitnessedPath is the path below a witness's URL at which anybody reads the
// last checkpoint that it cosigned for an origin, with its cosignature: 404
// where there is none. C2SP tlog-witness leaves reading open; this is ours.
func WitnessedPath(origin string) string {
	sum := sha256.Sum256([]byte(origin))
	return "/checkpoint/" + hex.EncodeToString(sum[:])
}

// Submission is what a log sends to a witness (C2SP tlog-witness, add-checkpoint).
type Submission struct {
	Old        uint64     // size of the checkpoint that the witness cosigned last; 0: none
	Hashes     [][32]byte // consistency proof from there; empty if Old is 0
	Checkpoint string     // the signed note
}

// Text is the body of the request.
func (s Submission) Text() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "old %d\n", s.Old)
	writeHashes(&b, s.Hashes)
	b.WriteString("\n" + s.Checkpoint)
	return b.Bytes()
}

// ParseSubmission reads the body of a request. It checks the form alone.
func ParseSubmission(text []byte) (s Submission, err error) {
	if len(text) > MaxSubmission {
		return s, fmt.Errorf("%w request: longer than %d bytes", ErrMalformed, MaxSubmission)
	}
	line, rest, ok := strings.Cut(string(text), "\n")
	size, named := strings.CutPrefix(line, "old ")
	if !ok || !named {
		return s, fmt.Errorf("%w request: old size is missing", ErrMalformed)
	}
	if s.Old, err = parseSize(size); err != nil {
		return s, err
	}
	s.Hashes, s.Checkpoint, err = readHashes(rest)
	return s, err
}

// AddCosignatures appends a witness's answer, signature lines, to a checkpoint
// and gives back the whole note with the lines of the witness's key alone.
func AddCosignatures(checkpoint string, answer []byte, log Log, w Witness) (string, error) {
	if len(answer) > MaxCheckpoint {
		return "", fmt.Errorf("%w answer of %s: longer than %d bytes", ErrMalformed, w.Name, MaxCheckpoint)
	}
	v, err := verifier(w.Key, algCosignature)
	if err != nil {
		return "", fmt.Errorf("key of witness %s: %w", w.Name, err)
	}
	for line := range strings.Lines(string(answer)) {
		if !strings.HasPrefix(line, "— "+v.Name()+" ") || !strings.HasSuffix(line, "\n") {
			continue
		}
		c, err := OpenCheckpoint([]byte(checkpoint+line), log, w)
		if err == nil && len(c.Cosigned) > 0 {
			return checkpoint + line, nil
		}
	}
	return "", fmt.Errorf("%w: no valid cosignature in the answer of %s", ErrWitness, w.Name)
}
