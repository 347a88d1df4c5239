package notary

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"primum/internal/durable"
	"primum/ledger"
)

// How many witnesses are asked, and how many signatures are wanted.
const (
	MaxWitnesses  = 5
	WantWitnesses = 2
	moreWait      = 500 * time.Millisecond // for further signatures when there are enough
	askTries      = 4                      // a witness that names another size each time is no use
	// WitnessesFile is the file of a ledger's folder that says who has cosigned.
	WitnessesFile = "witnesses.json"
)

// asker gets cosignatures. It remembers who has cosigned, so that the next start
// can ask them what they saw.
type asker struct {
	cfg      Config
	counters *counters

	mu    sync.Mutex
	known []ledger.Witness  // guarded by mu; have cosigned before; also in WitnessesFile
	sizes map[string]uint64 // guarded by mu; origin + witness: size it cosigned last
}

func openAsker(cfg Config, c *counters) (*asker, error) {
	a := &asker{cfg: cfg, counters: c, sizes: map[string]uint64{}}
	b, err := durable.ReadFile(filepath.Join(cfg.Dir, WitnessesFile))
	if errors.Is(err, fs.ErrNotExist) {
		return a, nil
	}
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(b, &a.known); err != nil {
		return nil, fmt.Errorf("%w: %s can't be read; delete it to forget the witnesses: %w", ErrDamaged, filepath.Join(cfg.Dir, WitnessesFile), err)
	}
	return a, nil
}

// answer is what one witness said.
type answer struct {
	witness ledger.Witness
	line    string          // its signature line
	finding *ledger.Finding // it holds another history of this log
	err     error
}

// cosign asks the witnesses and shows the checkpoint as their signatures come
// in. Missing ones stop nothing; a proven fork does.
func (n *Notary) cosign(ctx context.Context, l *treeLog, c ledger.Checkpoint, show func(ledger.Checkpoint) error) error {
	witnesses := n.asker.neighbours(ctx)
	asking, cancel := context.WithTimeout(ctx, n.cfg.AskWait)
	defer cancel()
	answers := make(chan answer, len(witnesses))
	bare := c
	for _, w := range witnesses {
		go func() { answers <- n.asker.ask(asking, l, bare, w) }()
	}
	var good []ledger.Witness
	for range witnesses {
		a := <-answers
		if err := n.weigh(l, a); err != nil {
			return err
		}
		if a.line == "" {
			continue
		}
		c.Text += a.line
		if err := show(c); err != nil {
			return err
		}
		if good = append(good, a.witness); len(good) == WantWitnesses {
			time.AfterFunc(moreWait, cancel)
		}
	}
	n.counters.cosigned.Store(int64(len(good)))
	n.asker.remember(good)
	if len(good) > 0 {
		return nil
	}
	return show(c)
}

// weigh counts an answer without a signature; a proof of another history ends
// the signing.
func (n *Notary) weigh(l *treeLog, a answer) error {
	if a.finding != nil && !n.anew {
		n.stopSigning(l, a.finding)
		return n.halt()
	}
	if a.line == "" {
		if a.finding != nil {
			a.err = a.finding // it remembers the log that was given up
		}
		n.counters.unwitnessed.Add(1)
		n.cfg.Log.Warn("witness did not cosign", "log", l.log.Origin, "witness", a.witness.Name, "error", a.err)
	}
	return nil
}

// neighbours are the witnesses to ask.
func (a *asker) neighbours(ctx context.Context) []ledger.Witness {
	if a.cfg.Peers == nil || a.cfg.Neighbours == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, a.cfg.AskWait)
	defer cancel()
	ws, err := a.cfg.Neighbours(ctx)
	if err != nil {
		a.cfg.Log.Warn("neighbours not found", "error", err)
	}
	return ws[:min(len(ws), MaxWitnesses)]
}

// ask has a checkpoint cosigned by one witness.
func (a *asker) ask(ctx context.Context, l *treeLog, c ledger.Checkpoint, w ledger.Witness) (out answer) {
	out.witness = w
	old := min(a.size(l, w), c.Size)
	defer func() {
		if out.line == "" && out.finding == nil && out.err == nil {
			out.err = errors.New("it refuses, but shows no other history")
		}
	}()
	for range askTries {
		status, kind, body, err := a.submit(ctx, l, c, w, old)
		if err != nil {
			out.err = err
			return out
		}
		switch {
		case status == http.StatusOK:
			out.line, out.err = a.line(l, c, w, body)
			return out
		case status == http.StatusConflict && strings.HasPrefix(kind, ledger.SizeType):
			said, err := strconv.ParseUint(strings.TrimSpace(string(body)), 10, 63)
			if err != nil || said == old {
				out.err = fmt.Errorf("it names no size that helps: %.30q", body)
				return out
			}
			if said <= c.Size {
				old = said
				continue
			}
			out.finding, out.err = a.judge(ctx, l, c, w)
			return out
		case status == http.StatusConflict, status == http.StatusUnprocessableEntity:
			out.finding, out.err = a.judge(ctx, l, c, w)
			return out
		}
		out.err = fmt.Errorf("it answered with status %d", status)
		return out
	}
	out.err = errors.New("it named another size each time")
	return out
}

func (a *asker) submit(ctx context.Context, l *treeLog, c ledger.Checkpoint, w ledger.Witness, old uint64) (int, string, []byte, error) {
	hashes, err := l.consistency(ctx, old, c.Size)
	if err != nil {
		return 0, "", nil, err
	}
	s := ledger.Submission{Old: old, Hashes: hashes, Checkpoint: c.Text}
	return a.cfg.Peers.Ask(ctx, w.URL+ledger.AddCheckpoint, s.Text())
}

// line is the witness's signature line, checked.
func (a *asker) line(l *treeLog, c ledger.Checkpoint, w ledger.Witness, body []byte) (string, error) {
	whole, err := ledger.AddCosignatures(c.Text, body, l.log, w)
	if err != nil {
		return "", err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.sizes[l.log.Origin+" "+w.Key] = c.Size
	return strings.TrimPrefix(whole, c.Text), nil
}

func (a *asker) size(l *treeLog, w ledger.Witness) uint64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.sizes[l.log.Origin+" "+w.Key]
}

// judge asks a witness for the checkpoint that it cosigned last and compares it
// with the log. Without a note signed by this node's own key nothing is
// believed: a witness may lie.
func (a *asker) judge(ctx context.Context, l *treeLog, own ledger.Checkpoint, w ledger.Witness) (*ledger.Finding, error) {
	status, _, body, err := a.cfg.Peers.Ask(ctx, w.URL+ledger.WitnessedPath(l.log.Origin), nil)
	if err != nil {
		return nil, err
	}
	if status == http.StatusNotFound {
		return nil, nil
	}
	if status != http.StatusOK {
		return nil, fmt.Errorf("it answered with status %d", status)
	}
	theirs, err := ledger.OpenCheckpoint(body, l.log)
	if err != nil {
		a.counters.liars.Add(1)
		return nil, fmt.Errorf("it shows a checkpoint that this node never signed: %w", err)
	}
	return l.compare(ctx, own, theirs)
}

// compare finds a checkpoint signed by this log's key that the log on disk does
// not continue.
func (l *treeLog) compare(ctx context.Context, own, theirs ledger.Checkpoint) (*ledger.Finding, error) {
	f := &ledger.Finding{Log: l.log.Origin, Evidence: []string{theirs.Text, own.Text}}
	if theirs.Size > own.Size {
		f.Kind = ledger.ErrRollback
		f.Detail = fmt.Sprintf("a checkpoint of %d entries was signed before, there are %d on disk", theirs.Size, own.Size)
		return f, nil
	}
	err := l.continues(ctx, theirs, own.Size, own.Root)
	if errors.Is(err, ledger.ErrFork) {
		f.Kind = ledger.ErrFork
		f.Detail = fmt.Sprintf("two trees that exclude each other were signed, of %d and of %d entries", theirs.Size, own.Size)
		return f, nil
	}
	return nil, err
}

// remember keeps who has cosigned, on disk when somebody is new.
func (a *asker) remember(good []ledger.Witness) {
	a.mu.Lock()
	defer a.mu.Unlock()
	changed := false
	for _, w := range good {
		known := false
		for _, k := range a.known {
			known = known || k == w
		}
		if !known {
			a.known, changed = append(a.known, w), true
		}
	}
	if over := len(a.known) - 2*MaxWitnesses; over > 0 {
		a.known = a.known[over:]
	}
	if !changed {
		return
	}
	b, err := json.Marshal(a.known)
	if err == nil {
		err = durable.WriteFile(filepath.Join(a.cfg.Dir, WitnessesFile), b)
	}
	if err != nil {
		a.cfg.Log.Warn("witnesses not remembered", "error", err)
	}
}

// stopSigning ends the signing of this node's logs and keeps the proof why.
func (n *Notary) stopSigning(l *treeLog, f *ledger.Finding) {
	if !n.halted.CompareAndSwap(nil, f) {
		return
	}
	n.counters.halted.Store(1)
	n.cfg.Log.Error("the ledger signs no more", "log", f.Log, "finding", f.Kind, "detail", f.Detail, "help", helpOf(f, n.cfg.Dir))
	if err := durable.WriteFile(filepath.Join(n.cfg.Dir, evidenceFile), joinNotes(f.Evidence)); err != nil {
		n.cfg.Log.Error("proof of the other history not kept", "log", l.log.Origin, "error", err)
	}
}
