package notary

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"k8s.io/klog/v2"

	"primum/internal/clock"
	"primum/internal/durable"
	"primum/ledger"
)

// The names of a node's logs.
const (
	Public      = "public"
	Commitments = "commitments"
)

// Defaults of Config.
const (
	DefaultEvery   = 6 * time.Hour
	DefaultAskWait = 4 * time.Second
)

var (
	// ErrWaiting means that a leaf is known but not in a signed checkpoint yet.
	ErrWaiting = errors.New("the leaf waits for its tick")
	// ErrUnknown means that nothing of this kind was ever queued or logged.
	ErrUnknown = errors.New("the ledger knows no such leaf or entry")
	// ErrDamaged means that files of the ledger are missing, cut or changed.
	ErrDamaged = errors.New("the ledger's files are damaged")
	// ErrHalted means that the log signs no more, because a witness holds a
	// checkpoint signed with this node's key that does not fit the log on disk.
	ErrHalted = errors.New("the ledger signs no more: a witness holds another history signed with this node's key")
	// ErrClosed means that the notary was closed.
	ErrClosed = errors.New("the ledger is closed")
)

// Leaf is a commitment that waits for a tick.
type Leaf struct {
	Seq  int64 // as its source counts
	Hash [32]byte
	Due  time.Time // promised tick
}

// LeafSource is the durable queue of commitments; the node's store.
type LeafSource interface {
	// Pending lists leaves that are not placed, the oldest first.
	Pending(ctx context.Context, limit int) ([]Leaf, error)
	// Fill queues dummies, which are placed and proved like leaves.
	Fill(ctx context.Context, dummies [][32]byte) error
	// Placed notes the index of leaves, by Seq; the same again changes nothing.
	Placed(ctx context.Context, places map[int64]uint64) error
	// IndexOf is where a leaf stands; not placed while it waits, ErrUnknown if it
	// was never queued.
	IndexOf(ctx context.Context, hash [32]byte) (index uint64, placed bool, err error)
	// Last is the placed leaf with the highest index.
	Last(ctx context.Context) (hash [32]byte, index uint64, ok bool, err error)
}

// WitnessClient carries requests to other nodes' witnesses. It bounds answers
// to ledger.MaxSubmission bytes, follows no redirect to another host, and keeps
// out of private networks.
type WitnessClient interface {
	// Ask posts a body, or gets if it is nil, and returns any status.
	Ask(ctx context.Context, url string, body []byte) (status int, kind string, answer []byte, err error)
}

// Config of a Notary. Peers, Neighbours, Logs and Rand may be nil.
type Config struct {
	Dir       string // holds public/, commitments/ and witness/; made if missing
	Authority string // the node's domain
	Base      string // its address, without a final slash
	Key       ed25519.PrivateKey
	Clock     clock.Clock
	Log       *slog.Logger
	Every     time.Duration // between ticks, default DefaultEvery
	Rand      io.Reader     // of dummies and order, default crypto/rand
	Leaves    LeafSource
	Peers     WitnessClient // nil: no witness is asked
	AskWait   time.Duration // for all witnesses together, default DefaultAskWait
	// Neighbours are the witnesses to ask, at most MaxWitnesses are.
	Neighbours func(ctx context.Context) ([]ledger.Witness, error)
	// Logs says which logs a domain has, for whom this node is a witness.
	Logs func(ctx context.Context, authority string) (ledger.NodeLedger, error)
}

// Notary keeps the logs of one node. It is safe for concurrent use. Nobody else
// may write to its directory meanwhile.
type Notary struct {
	cfg                 Config
	public, commitments *treeLog
	witness             *witness
	asker               *asker
	counters            counters
	wake                chan struct{} // the public log has grown
	halted              atomic.Pointer[ledger.Finding]
	anew                bool // the operator gave the old logs up: see BeginAnew

	ticking sync.Mutex // one tick at a time
	behind  bool       // guarded by ticking: places of leaves may be missing in the source
}

// Open opens the logs, makes them on the first start, and compares them with
// what was signed before: with the last checkpoint on disk, with the places that
// the source remembers, and with what the witnesses cosigned, if they answer
// within a few seconds. It fails with ErrDamaged, ledger.ErrRollback or
// ledger.ErrFork rather than to serve a history that excludes another one; the
// error says what to do.
func Open(ctx context.Context, cfg Config) (*Notary, error) {
	if cfg.Every <= 0 {
		cfg.Every = DefaultEvery
	}
	if cfg.AskWait <= 0 {
		cfg.AskWait = DefaultAskWait
	}
	if cfg.Rand == nil {
		cfg.Rand = rand.Reader
	}
	hush()
	n := &Notary{cfg: cfg, wake: make(chan struct{}, 1), behind: true}
	if err := n.open(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("open ledger: %w", err), n.Close())
	}
	return n, nil
}

// hush stops Tessera's own words, which go through a logger of the process; ours
// say the same.
func hush() {
	klog.LogToStderr(false)
	klog.SetOutput(io.Discard)
}

func (n *Notary) open(ctx context.Context) (err error) {
	if err := durable.MakeDir(n.cfg.Dir); err != nil {
		return err
	}
	n.anew = began(n.cfg.Dir)
	if n.public, err = n.openLog(ctx, Public); err != nil {
		return err
	}
	if n.commitments, err = n.openLog(ctx, Commitments); err != nil {
		return err
	}
	if n.witness, err = openWitness(n.cfg, &n.counters); err != nil {
		return err
	}
	if n.asker, err = openAsker(n.cfg, &n.counters); err != nil {
		return err
	}
	if err := n.checkStart(ctx); err != nil {
		return err
	}
	return n.signFirst(ctx)
}

// signFirst shows the checkpoint of a log that was never shown. From a first
// start on ticks count as missed, also before Run runs.
func (n *Notary) signFirst(ctx context.Context) error {
	first := false
	for _, l := range []*treeLog{n.public, n.commitments} {
		if l.shown().Text != "" {
			continue
		}
		first = true
		if err := l.publish(ctx, alone); err != nil {
			return err
		}
	}
	if !first || n.anew {
		return nil
	}
	return n.noteTick(n.cfg.Clock.Now().Truncate(n.cfg.Every))
}

func (n *Notary) openLog(ctx context.Context, name string) (*treeLog, error) {
	key, err := logKey(name, n.cfg.Key)
	if err != nil {
		return nil, err
	}
	l, err := LogOf(n.cfg.Authority, name, n.cfg.Key)
	if err != nil {
		return nil, err
	}
	l.URL = n.cfg.Base + "/ledger/" + name
	return openTree(ctx, filepath.Join(n.cfg.Dir, name), l, key)
}

// NodeLedger is what the node says of its ledger.
func (n *Notary) NodeLedger() ledger.NodeLedger {
	return ledger.NodeLedger{Public: n.public.log, Commitments: n.commitments.log, Witness: n.witness.self}
}

// Publish adds a fact to the public log. It is durable when Publish returns; a
// checkpoint that covers it follows within seconds.
func (n *Notary) Publish(ctx context.Context, e ledger.Entry) (index uint64, err error) {
	line, err := e.Marshal()
	if err != nil {
		return 0, fmt.Errorf("publish fact: %w", err)
	}
	if err := n.halt(); err != nil {
		return 0, fmt.Errorf("publish fact: %w", err)
	}
	at, err := n.public.append(ctx, [][]byte{line})
	if err != nil {
		n.counters.failed.Add(1)
		return 0, fmt.Errorf("publish fact: %w", err)
	}
	select {
	case n.wake <- struct{}{}:
	default:
	}
	return at[0], nil
}

// Flush signs and shows everything that was appended, with the witnesses'
// signatures. Run does so by itself.
func (n *Notary) Flush(ctx context.Context) error {
	return errors.Join(n.show(ctx, n.public), n.show(ctx, n.commitments))
}

// show makes the newest checkpoint of a log and shows it.
func (n *Notary) show(ctx context.Context, l *treeLog) error {
	if err := n.halt(); err != nil {
		return err
	}
	err := l.publish(ctx, func(ctx context.Context, c ledger.Checkpoint, show func(ledger.Checkpoint) error) error {
		return n.cosign(ctx, l, c, show)
	})
	if err != nil {
		n.counters.failed.Add(1)
		return fmt.Errorf("sign %s: %w", l.log.Origin, err)
	}
	return nil
}

// Size is how many entries the shown checkpoint of a log covers.
func (n *Notary) Size(log string) uint64 { return n.tree(log).shown().Size }

// Checkpoint is the shown checkpoint of a log, a signed note.
func (n *Notary) Checkpoint(log string) string { return n.tree(log).shown().Text }

func (n *Notary) tree(log string) *treeLog {
	if log == Commitments {
		return n.commitments
	}
	return n.public
}

// Entries reads entries of a log, max at most, whether a checkpoint covers them
// yet or not; fewer at the log's end.
func (n *Notary) Entries(ctx context.Context, log string, from uint64, limit int) ([][]byte, error) {
	var out [][]byte
	err := n.tree(log).each(ctx, from, func(_ uint64, entry []byte) error {
		if len(out) >= limit {
			return errEnough
		}
		out = append(out, entry)
		return nil
	})
	return out, err
}

// Proof is the receipt (C2SP tlog-proof) of the entry at an index of a log.
// ErrWaiting until a checkpoint covers it.
func (n *Notary) Proof(ctx context.Context, log string, index uint64) ([]byte, error) {
	r, err := n.tree(log).receipt(ctx, index)
	if err != nil {
		return nil, fmt.Errorf("prove entry: %w", err)
	}
	return r.Text(), nil
}

// ProofOf is the receipt of a leaf of the commitments log: ErrWaiting before
// its tick, ErrUnknown if it was never queued.
func (n *Notary) ProofOf(ctx context.Context, leaf [32]byte) ([]byte, error) {
	index, placed, err := n.cfg.Leaves.IndexOf(ctx, leaf)
	if err != nil {
		return nil, fmt.Errorf("prove leaf: %w", err)
	}
	if !placed {
		return nil, fmt.Errorf("prove leaf: %w", ErrWaiting)
	}
	entry, err := n.Entries(ctx, Commitments, index, 1)
	if err == nil && (len(entry) == 0 || string(entry[0]) != string(leaf[:])) {
		err = ErrUnknown // its place is in a log that was given up
	}
	if err != nil {
		return nil, fmt.Errorf("prove leaf: %w", err)
	}
	return n.Proof(ctx, Commitments, index)
}

// halt is the reason why nothing is signed any more, or nil.
func (n *Notary) halt() error {
	if f := n.halted.Load(); f != nil {
		return fmt.Errorf("%w: %w", ErrHalted, f)
	}
	return nil
}

// Close ends the writing. What was acknowledged is on disk.
func (n *Notary) Close() error {
	for _, l := range []*treeLog{n.public, n.commitments} {
		if l != nil {
			l.close()
		}
	}
	return nil
}
