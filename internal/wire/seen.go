package wire

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"primum/ledger"
)

// Bounds of what a node tells about deliveries.
const (
	MaxSeenDays = 31   // of one answer
	MaxSeenRows = 4096 // of one day: more clients than a person's grants have
	MaxSeen     = 8 << 20
	MaxSeenFile = 64 << 20

	seenSecret      = 32
	maxSeenFileDays = 2000
	// SeenDayForm is how a day is written (RFC 3339 full-date); days are of UTC.
	SeenDayForm = "2006-01-02"
	// SeenMinuteForm is how a minute is written, in UTC.
	SeenMinuteForm = "2006-01-02T15:04Z"
)

// Seen answers GET /v1/seen?day=DAY&days=N: what was delivered to whom under
// the calling account's grants, on N days up to DAY, the newest first. Days
// without a delivery are left out.
type Seen struct {
	At   time.Time `json:"at"` // what was delivered before is in
	Days []SeenDay `json:"days"`
}

// SeenDay is one day of UTC. A day that is over is closed: its rows are the
// leaves of a Merkle tree, whose root stands, hidden under a key that only the
// node and the person have, in the node's commitments log.
type SeenDay struct {
	Day  string    `json:"day"`
	Rows []SeenRow `json:"rows"` // by grant, then client

	Secret  []byte    `json:"secret,omitempty"` // 32 bytes, of this day alone; of a closed day, as all below
	Root    []byte    `json:"root,omitempty"`
	Due     time.Time `json:"due,omitzero"`      // the log's tick by which the leaf is in
	Promise string    `json:"promise,omitempty"` // the node's signed word for Due
	Proof   string    `json:"proof,omitempty"`   // C2SP tlog-proof, after that tick
}

// Closed tells whether nothing can be added to the day.
func (d SeenDay) Closed() bool { return len(d.Root) > 0 }

// SeenRow is what one client of a grantee got on one day. Numbers are of sealed
// messages: the node reads none.
type SeenRow struct {
	Grant      string `json:"grant"`
	Client     string `json:"client"` // SeenClient of its key
	Deliveries uint64 `json:"deliveries"`
	Bytes      uint64 `json:"bytes"`   // of what was delivered, as sealed and padded
	Actions    uint64 `json:"actions"` // messages that it sent into the circle
	First      string `json:"first"`   // minute of the first of either
	Last       string `json:"last"`
}

// SeenClient names a client by its key, as rosters have it: base64url of the
// first 16 bytes of the key's SHA-256.
func SeenClient(key []byte) string {
	sum := sha256.Sum256(key)
	return base64.RawURLEncoding.EncodeToString(sum[:16])
}

// SeenRoot is the root of a day's tree (RFC 9162 §2.1.1, SHA-256): the leaf of
// row i is its salt, then the row's JSON. Without rows it is an error.
func SeenRoot(secret []byte, rows []SeenRow) ([]byte, error) {
	leaves, err := seenLeaves(secret, rows)
	if err != nil {
		return nil, err
	}
	root := ledger.TreeRoot(leaves)
	return root[:], nil
}

func seenLeaves(secret []byte, rows []SeenRow) ([][32]byte, error) {
	if len(secret) != seenSecret || len(rows) == 0 || len(rows) > MaxSeenRows {
		return nil, errors.New("a day has a secret of 32 bytes and 1 to 4096 rows")
	}
	leaves := make([][32]byte, len(rows))
	for i, r := range rows {
		text, err := json.Marshal(r)
		if err != nil {
			return nil, fmt.Errorf("write row: %w", err)
		}
		leaves[i] = ledger.LeafHash(append(SeenSalt(secret, i), text...))
	}
	return leaves, nil
}

// SeenSalt hides row i from who knows the root and guesses rows. It tells
// nothing of other salts: one row can be shown alone.
func SeenSalt(secret []byte, i int) []byte {
	var n [4]byte
	binary.BigEndian.PutUint32(n[:], uint32(i))
	return seenMAC(secret, "primum seen salt v1", n[:])
}

// SeenKey is the key of the leaf that stands in the commitments log.
func SeenKey(secret []byte) []byte { return seenMAC(secret, "primum seen key v1") }

// SeenLeaf is the leaf that stands in the commitments log for a day.
func SeenLeaf(secret []byte, day string, root []byte) (leaf [32]byte) {
	var r [32]byte
	copy(r[:], root)
	return ledger.DayLeaf(SeenKey(secret), day, r)
}

// SeenPath proves to who knows the root, and neither secret nor other rows,
// that row i is of the day: with its salt, the hashes from its sibling up
// (RFC 9162 §2.1.3).
func SeenPath(secret []byte, rows []SeenRow, i int) ([][32]byte, error) {
	leaves, err := seenLeaves(secret, rows)
	if err != nil || i < 0 || i >= len(leaves) {
		return nil, errors.Join(err, errors.New("the day has no such row"))
	}
	return ledger.TreePath(leaves, i), nil
}

// Prove checks that a closed day's rows give its root, and that the leaf of the
// root stands in the node's commitments log. It tells where in which tree.
func (d SeenDay) Prove(log ledger.Log, witnesses ...ledger.Witness) (index uint64, c ledger.Checkpoint, err error) {
	if err := d.CheckRoot(); err != nil {
		return 0, c, err
	}
	receipt, err := ledger.ParseReceipt([]byte(d.Proof))
	if err != nil {
		return 0, c, err
	}
	leaf := SeenLeaf(d.Secret, d.Day, d.Root)
	c, err = receipt.Verify(leaf[:], log, witnesses...)
	return receipt.Index, c, err
}

// ErrSeenRoot says that a day's rows are others than those of its root.
var ErrSeenRoot = errors.New("the rows don't give the day's root")

// CheckRoot checks that a closed day's rows give its root.
func (d SeenDay) CheckRoot() error {
	root, err := SeenRoot(d.Secret, d.Rows)
	if err != nil {
		return err
	}
	if string(root) != string(d.Root) {
		return ErrSeenRoot
	}
	return nil
}

// ReadSeen reads the answer of a node, which may say what it likes: days in
// order and none twice, rows in order, all within bounds.
func ReadSeen(b []byte) (s Seen, err error) {
	if len(b) > MaxSeen {
		return s, errors.New("read what was seen: longer than 8 MiB")
	}
	if err := json.Unmarshal(b, &s); err != nil {
		return s, fmt.Errorf("read what was seen: %w", err)
	}
	return s, checkSeenDays(s.Days, MaxSeenDays)
}

func checkSeenDays(days []SeenDay, most int) error {
	if len(days) > most {
		return errors.New("read what was seen: too many days")
	}
	for i, d := range days {
		if err := d.check(); err != nil {
			return fmt.Errorf("read what was seen: day %d: %w", i, err)
		}
		if i > 0 && d.Day >= days[i-1].Day {
			return errors.New("read what was seen: the days are in disorder")
		}
	}
	return nil
}

func (d SeenDay) check() error {
	if _, err := time.Parse(SeenDayForm, d.Day); err != nil || len(d.Rows) == 0 || len(d.Rows) > MaxSeenRows {
		return errors.New("a day has a date, and 1 to 4096 rows")
	}
	if d.Closed() && (len(d.Root) != sha256.Size || len(d.Secret) != seenSecret) {
		return errors.New("a closed day has a root and a secret of 32 bytes")
	}
	for i, r := range d.Rows {
		first, err := time.Parse(SeenMinuteForm, r.First)
		last, err2 := time.Parse(SeenMinuteForm, r.Last)
		if err != nil || err2 != nil || last.Before(first) || len(r.Grant) > 64 || len(r.Client) > 64 {
			return fmt.Errorf("row %d is malformed", i)
		}
		if i > 0 && r.place() <= d.Rows[i-1].place() {
			return errors.New("the rows are in disorder")
		}
	}
	return nil
}

func (r SeenRow) place() string { return r.Grant + "\x00" + r.Client }

// SeenFormat names the form of a SeenFile.
const SeenFormat = "primum-seen/1"

// SeenFile is what a person takes away: days with their secrets and proofs, and
// what the grants of their rows are. Whoever is given it can check it, and sees
// all of it.
type SeenFile struct {
	Format  string      `json:"format"`
	Account string      `json:"account"`
	Node    string      `json:"node"` // authority
	Log     *ledger.Log `json:"log,omitempty"`
	Made    time.Time   `json:"made"`
	Grants  []SeenGrant `json:"grants"`
	Days    []SeenDay   `json:"days"` // the newest first
}

// SeenGrant is what the owner knows of a grant, and the node does not.
type SeenGrant struct {
	ID      string            `json:"id"`
	Grantee string            `json:"grantee"`
	Name    string            `json:"name,omitempty"`
	Purpose string            `json:"purpose"`
	Shared  []string          `json:"shared"`            // what, how finely, in words
	Clients map[string]string `json:"clients,omitempty"` // names by SeenRow.Client
	From    time.Time         `json:"from"`
	Until   time.Time         `json:"until"`
}

// ReadSeenFile reads what somebody took away.
func ReadSeenFile(b []byte) (f SeenFile, err error) {
	if len(b) > MaxSeenFile {
		return f, errors.New("read what was seen: longer than 64 MiB")
	}
	if err := json.Unmarshal(b, &f); err != nil {
		return f, fmt.Errorf("read what was seen: %w", err)
	}
	if f.Format != SeenFormat {
		return f, fmt.Errorf("read what was seen: the format is %q, not %s", f.Format, SeenFormat)
	}
	return f, checkSeenDays(f.Days, maxSeenFileDays)
}

func seenMAC(key []byte, label string, more ...[]byte) []byte {
	mac := hmac.New(sha256.New, key)
	_, _ = mac.Write([]byte(label)) // a hash never fails
	for _, b := range more {
		_, _ = mac.Write(b)
	}
	return mac.Sum(nil)
}
