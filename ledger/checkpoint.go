package ledger

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
)

// MaxCheckpoint is the longest checkpoint that is read, in bytes.
const MaxCheckpoint = 64 << 10

// Log is a log as its readers must know it.
type Log struct {
	Origin string `json:"origin"` // AUTHORITY/ledger/public or …/commitments
	URL    string `json:"url"`    // prefix of checkpoint and tile/…, without a slash at the end
	Key    string `json:"key"`    // verifier key text, type 0x01; its name is the origin
}

// Witness is who cosigns.
type Witness struct {
	Name string `json:"name"` // AUTHORITY/witness
	Key  string `json:"key"`  // verifier key text, type 0x04
	URL  string `json:"url"`  // prefix of add-checkpoint
}

// NodeLedger is what a node says of its ledger (wire.NodeInfo).
type NodeLedger struct {
	Public      Log     `json:"public"`
	Commitments Log     `json:"commitments"`
	Witness     Witness `json:"witness"`
}

// Checkpoint is a log's signed tree head (C2SP tlog-checkpoint).
type Checkpoint struct {
	Origin string
	Size   uint64
	Root   [32]byte
	Text   string // the whole signed note, as received
	// Cosigned are the valid cosignatures of the witnesses that were given.
	Cosigned []Cosignature
	// Others are names of signatures that nobody has checked.
	Others []string
}

// Cosignature is one witness's word that it saw a checkpoint, and when.
type Cosignature struct {
	Name string
	At   time.Time
}

// Body is what a log signs and a witness cosigns: origin, size, root.
func (c Checkpoint) Body() string { return Body(c.Origin, c.Size, c.Root) }

// Body is the text of a checkpoint without signatures.
func Body(origin string, size uint64, root [32]byte) string {
	return origin + "\n" + strconv.FormatUint(size, 10) + "\n" + base64.StdEncoding.EncodeToString(root[:]) + "\n"
}

// BodyHash is the hash that a public entry of type commitments has of a
// checkpoint: SHA-256 of its body, in hex.
func (c Checkpoint) BodyHash() string {
	return fmt.Sprintf("%x", sha256.Sum256([]byte(c.Body())))
}

// OpenCheckpoint reads a checkpoint, which must be signed by the log, and
// checks the cosignatures of the witnesses given. A wrong signature of a
// witness given is an ErrWitness; one of an unknown key is listed in Others.
func OpenCheckpoint(text []byte, log Log, witnesses ...Witness) (Checkpoint, error) {
	if len(text) > MaxCheckpoint {
		return Checkpoint{}, fmt.Errorf("%w checkpoint: longer than %d bytes", ErrMalformed, MaxCheckpoint)
	}
	key, err := verifier(log.Key, algEd25519)
	if err != nil {
		return Checkpoint{}, fmt.Errorf("key of %s: %w", log.Origin, err)
	}
	n, err := note.Open(text, note.VerifierList(key))
	if err != nil {
		return Checkpoint{}, noteError(log.Origin, err)
	}
	c, err := parseBody(n.Text)
	if err != nil {
		return Checkpoint{}, err
	}
	if c.Origin != log.Origin || key.Name() != log.Origin {
		return Checkpoint{}, fmt.Errorf("%w: it is a checkpoint of %s, not of %s", ErrSignature, c.Origin, log.Origin)
	}
	c.Text = string(text)
	for _, s := range n.UnverifiedSigs {
		if err := c.cosignature(n.Text, s, witnesses); err != nil {
			return Checkpoint{}, err
		}
	}
	return c, nil
}

// PeekOrigin is the origin that a checkpoint claims, unverified.
func PeekOrigin(text []byte) (string, error) {
	line, _, ok := bytes.Cut(text, []byte("\n"))
	if !ok || len(text) > MaxCheckpoint || !validName(string(line)) {
		return "", fmt.Errorf("%w checkpoint", ErrMalformed)
	}
	return string(line), nil
}

func noteError(origin string, err error) error {
	var unsigned *note.UnverifiedNoteError
	var wrong *note.InvalidSignatureError
	if errors.As(err, &unsigned) || errors.As(err, &wrong) {
		return fmt.Errorf("%w %s: %w", ErrSignature, origin, err)
	}
	return fmt.Errorf("%w checkpoint of %s: %w", ErrMalformed, origin, err)
}

// cosignature checks one signature line that is not the log's own.
func (c *Checkpoint) cosignature(body string, s note.Signature, witnesses []Witness) error {
	for _, w := range witnesses {
		v, err := verifier(w.Key, algCosignature)
		if err != nil {
			return fmt.Errorf("key of witness %s: %w", w.Name, err)
		}
		if v.Name() != s.Name || v.KeyHash() != s.Hash {
			continue
		}
		raw, err := base64.StdEncoding.DecodeString(s.Base64)
		if err != nil || len(raw) < 12 || !v.Verify([]byte(body), raw[4:]) {
			return fmt.Errorf("%w: the signature of %s is wrong", ErrWitness, s.Name)
		}
		at := time.Unix(int64(binary.BigEndian.Uint64(raw[4:])), 0).UTC()
		c.Cosigned = append(c.Cosigned, Cosignature{Name: s.Name, At: at})
		return nil
	}
	c.Others = append(c.Others, s.Name)
	return nil
}

// parseBody reads origin, size and root; extension lines are passed over.
func parseBody(text string) (c Checkpoint, err error) {
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	if len(lines) < 3 || !validName(lines[0]) {
		return c, fmt.Errorf("%w checkpoint: origin, size and root are needed", ErrMalformed)
	}
	c.Origin = lines[0]
	if c.Size, err = parseSize(lines[1]); err != nil {
		return c, err
	}
	if c.Root, err = parseHash(lines[2]); err != nil {
		return c, err
	}
	if c.Size == 0 && c.Root != sha256.Sum256(nil) {
		return c, fmt.Errorf("%w checkpoint: the root of an empty log is another", ErrMalformed)
	}
	return c, nil
}

// parseSize reads a decimal without leading zeroes, below 2^63.
func parseSize(s string) (uint64, error) {
	n, err := strconv.ParseUint(s, 10, 63)
	if err != nil || strconv.FormatUint(n, 10) != s {
		return 0, fmt.Errorf("%w size %.24q", ErrMalformed, s)
	}
	return n, nil
}

// parseHash reads 32 bytes in canonical base64.
func parseHash(s string) (h [32]byte, err error) {
	b, err := base64.StdEncoding.Strict().DecodeString(s)
	if err != nil || len(b) != len(h) || strings.ContainsAny(s, "\r\n") {
		return h, fmt.Errorf("%w hash %.48q", ErrMalformed, s)
	}
	return [32]byte(b), nil
}
