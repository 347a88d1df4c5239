package notary

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/mod/sumdb/note"

	"primum/internal/durable"
	"primum/ledger"
)

const (
	// WitnessFolder is the folder in a ledger's that says what the node cosigned for
	// others.
	WitnessFolder = "witness"

	maxOrigins = 4096 // logs that this node is a witness of
	maxSubmits = 120  // checkpoints of one log in a minute that are signed
	maxMeets   = 120  // requests of logs never seen before, together, in a minute
	maxAsking  = 8    // nodes of such logs that are asked at a time: they may be slow
)

// witness cosigns the logs of other nodes (C2SP tlog-witness): it signs nothing
// that does not continue what it signed before, and has that on disk before it
// answers.
type witness struct {
	self     ledger.Witness
	signer   note.Signer
	cfg      Config
	dir      string
	counters *counters

	mu    sync.Mutex
	open  map[string]*origin // guarded by mu; by name
	known int                // guarded by mu; files in dir
	meets perMinute          // guarded by mu
	asks  int                // guarded by mu; nodes that are asked now
}

// perMinute counts within a minute.
type perMinute struct {
	minute time.Time
	n      int
}

func (p *perMinute) take(now time.Time, limit int) bool {
	if now = now.Truncate(time.Minute); !now.Equal(p.minute) {
		*p = perMinute{minute: now}
	}
	p.n++
	return p.n <= limit
}

// origin is one log that is witnessed. Its lock is held while a checkpoint of it
// is handled.
type origin struct {
	mu      sync.Mutex
	seen    seen      // guarded by mu
	submits perMinute // guarded by mu; of larger trees
	repeats perMinute // guarded by mu; of the same tree, which anybody can send
}

// seen is what a witness remembers of a log, as its file.
type seen struct {
	Log        ledger.Log `json:"log"`
	Checkpoint string     `json:"checkpoint"` // the newest, with this witness's signature; empty: none yet
	// Forks are pairs of notes of this log that exclude each other, at most one.
	Forks []string `json:"forks,omitempty"`
}

// refusal is an answer of the witness that is not 200.
type refusal struct {
	status int
	kind   string
	text   string
}

func (r *refusal) Error() string { return r.text }

func refuse(status int, text string) error {
	return &refusal{status: status, kind: "text/plain; charset=utf-8", text: text + "\n"}
}

func openWitness(cfg Config, c *counters) (*witness, error) {
	key, err := ledger.DeriveKey(cfg.Key.Seed(), ledger.WitnessKey)
	if err != nil {
		return nil, err
	}
	public, _ := key.Public().(ed25519.PublicKey) // the public half of an Ed25519 key
	name := ledger.WitnessName(cfg.Authority)
	w := &witness{cfg: cfg, counters: c, dir: filepath.Join(cfg.Dir, WitnessFolder), open: map[string]*origin{}}
	w.self = ledger.Witness{Name: name, Key: ledger.CosignerKey(name, public), URL: cfg.Base + "/" + WitnessFolder}
	if w.signer, err = ledger.NewCosigner(name, key, cfg.Clock.Now); err != nil {
		return nil, err
	}
	if err := durable.MakeDir(w.dir); err != nil {
		return nil, err
	}
	files, err := os.ReadDir(w.dir)
	w.known = len(files)
	return w, err
}

// add handles an add-checkpoint request and returns the signature line. What is
// refused is a *refusal.
func (w *witness) add(ctx context.Context, body []byte) ([]byte, error) {
	s, err := ledger.ParseSubmission(body)
	if err != nil {
		return nil, refuse(http.StatusBadRequest, "the request is malformed")
	}
	name, err := ledger.PeekOrigin([]byte(s.Checkpoint))
	if err != nil {
		return nil, refuse(http.StatusBadRequest, "the checkpoint is malformed")
	}
	o, err := w.origin(ctx, name)
	if err != nil {
		return nil, err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	return w.cosign(o, s)
}

// cosign checks a submission in the order of C2SP tlog-witness. o.mu is held.
func (w *witness) cosign(o *origin, s ledger.Submission) ([]byte, error) {
	c, err := ledger.OpenCheckpoint([]byte(s.Checkpoint), o.seen.Log)
	if err != nil {
		return nil, refuse(http.StatusForbidden, "the checkpoint is not signed by the log's key")
	}
	last, err := o.last()
	if err != nil {
		return nil, err
	}
	switch {
	case s.Old > c.Size:
		return nil, refuse(http.StatusBadRequest, "the old size is larger than the checkpoint's")
	case s.Old != last.Size:
		return nil, &refusal{status: http.StatusConflict, kind: ledger.SizeType, text: strconv.FormatUint(last.Size, 10) + "\n"}
	case last.Size == c.Size && last.Text != "" && last.Root != c.Root:
		return nil, w.fork(o, last, c)
	case s.Old == 0 && len(s.Hashes) > 0, s.Old == c.Size && len(s.Hashes) > 0:
		return nil, refuse(http.StatusUnprocessableEntity, "a proof from an empty or the same tree is empty")
	case s.Old > 0:
		if err := ledger.Consistency(s.Old, c.Size, s.Hashes, last.Root, c.Root); err != nil {
			return nil, refuse(http.StatusUnprocessableEntity, "the consistency proof does not lead to the checkpoint")
		}
	}
	// Only what the log itself has signed counts, and the same again apart: nobody
	// else uses up what a log may send.
	count := &o.submits
	if last.Text != "" && c.Size == last.Size {
		count = &o.repeats
	}
	if !count.take(w.cfg.Clock.Now(), maxSubmits) {
		return nil, refuse(http.StatusTooManyRequests, "too many checkpoints of this log in a minute")
	}
	return w.sign(o, c)
}

// sign keeps the checkpoint with this witness's signature, then gives the
// signature away. o.mu is held.
func (w *witness) sign(o *origin, c ledger.Checkpoint) ([]byte, error) {
	own, err := ownNote(c, o.seen.Log)
	if err != nil {
		return nil, err
	}
	signed, err := note.Sign(own, w.signer)
	if err != nil {
		return nil, fmt.Errorf("cosign: %w", err)
	}
	text := string(signed)
	after := o.seen
	after.Checkpoint = text
	if err := w.save(after); err != nil {
		return nil, err
	}
	o.seen = after
	w.counters.witnessed.Add(1)
	return []byte(text[strings.LastIndex(strings.TrimSuffix(text, "\n"), "\n")+1:]), nil
}

// ownNote is the checkpoint with the log's signature alone.
func ownNote(c ledger.Checkpoint, log ledger.Log) (*note.Note, error) {
	v, err := note.NewVerifier(log.Key)
	if err != nil {
		return nil, fmt.Errorf("read key of %s: %w", log.Origin, err)
	}
	n, err := note.Open([]byte(c.Text), note.VerifierList(v))
	if err != nil {
		return nil, fmt.Errorf("open checkpoint: %w", err)
	}
	n.UnverifiedSigs = nil
	return n, nil
}

// fork keeps the proof that a log has two histories, once, and refuses.
func (w *witness) fork(o *origin, last, c ledger.Checkpoint) error {
	w.counters.forks.Add(1)
	w.cfg.Log.Warn("a neighbour's log has two histories", "log", c.Origin, "size", c.Size)
	if len(o.seen.Forks) == 0 {
		after := o.seen
		after.Forks = []string{last.Text, c.Text}
		if err := w.save(after); err != nil {
			return err
		}
		o.seen = after
	}
	return refuse(http.StatusConflict, "another root was signed for this size before")
}

// last is the checkpoint that was cosigned last.
func (o *origin) last() (ledger.Checkpoint, error) {
	if o.seen.Checkpoint == "" {
		return ledger.Checkpoint{Root: emptyRoot()}, nil
	}
	c, err := ledger.OpenCheckpoint([]byte(o.seen.Checkpoint), o.seen.Log)
	if err != nil {
		return c, fmt.Errorf("%w: what this witness kept of %s: %w", ErrDamaged, o.seen.Log.Origin, err)
	}
	return c, nil
}

// latest is the last checkpoint cosigned of the log whose origin has this
// SHA-256 in hex; ErrUnknown if there is none.
func (w *witness) latest(hash string) (string, error) {
	if b, err := hex.DecodeString(hash); err != nil || len(b) != sha256.Size || hash != strings.ToLower(hash) {
		return "", ErrUnknown
	}
	s, err := w.load(hash)
	if err == nil && s.Checkpoint == "" {
		return "", ErrUnknown
	}
	return s.Checkpoint, err
}

// origin finds a log that is witnessed, or asks its node for its key: the first
// key seen is kept for good.
func (w *witness) origin(ctx context.Context, name string) (*origin, error) {
	w.mu.Lock()
	o, ok := w.open[name]
	w.mu.Unlock()
	if ok {
		return o, nil
	}
	s, err := w.load(hashName(name))
	if errors.Is(err, ErrUnknown) {
		s.Log, err = w.meet(ctx, name)
	}
	if err != nil {
		return nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if o, ok := w.open[name]; ok {
		return o, nil
	}
	o = &origin{seen: s}
	w.open[name] = o
	return o, nil
}

// meet asks the node of an origin for its log's key.
func (w *witness) meet(ctx context.Context, name string) (ledger.Log, error) {
	w.mu.Lock()
	full := w.known >= maxOrigins || len(w.open) >= 2*maxOrigins
	calm := w.meets.take(w.cfg.Clock.Now(), maxMeets) && w.asks < maxAsking
	if calm {
		w.asks++
		defer w.asked()
	}
	w.mu.Unlock()
	if !calm {
		return ledger.Log{}, refuse(http.StatusTooManyRequests, "too many logs that this witness does not know yet in a minute")
	}
	authority := ledger.Authority(name)
	if full || w.cfg.Logs == nil || authority == w.cfg.Authority {
		return ledger.Log{}, refuse(http.StatusNotFound, "this witness does not take the log")
	}
	found, err := w.cfg.Logs(ctx, authority)
	if err != nil {
		return ledger.Log{}, refuse(http.StatusNotFound, "the node of this log could not be asked for its key")
	}
	for _, l := range []ledger.Log{found.Public, found.Commitments} {
		if l.Origin == name {
			return l, nil
		}
	}
	return ledger.Log{}, refuse(http.StatusNotFound, "the node of this authority names no such log")
}

func (w *witness) asked() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asks--
}

func hashName(name string) string {
	sum := sha256.Sum256([]byte(name))
	return hex.EncodeToString(sum[:])
}

func (w *witness) load(hash string) (s seen, err error) {
	b, err := durable.ReadFile(filepath.Join(w.dir, hash))
	if errors.Is(err, fs.ErrNotExist) {
		return s, ErrUnknown
	}
	if err != nil {
		return s, err
	}
	if err := json.Unmarshal(b, &s); err != nil {
		return s, fmt.Errorf("%w: what this witness kept in %s: %w", ErrDamaged, filepath.Join(w.dir, hash), err)
	}
	return s, nil
}

func (w *witness) save(s seen) error {
	b, err := json.Marshal(s)
	if err != nil {
		return fmt.Errorf("keep checkpoint: %w", err)
	}
	path := filepath.Join(w.dir, hashName(s.Log.Origin))
	_, missing := os.Stat(path)
	if err := durable.WriteFile(path, b); err != nil {
		return err
	}
	if missing != nil {
		w.mu.Lock()
		w.known++
		w.mu.Unlock()
	}
	return nil
}
