package ledger

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"time"
)

const (
	defaultEntries  = 64 << 10
	defaultPatience = 6 * time.Second
	maxFacts        = 1024 // kept facts; the oldest go first
	maxNamed        = 8    // checkpoints that the public log names, the newest, unless Full
)

// Verify checks both logs of a node against what the reader kept of them and
// against what their witnesses saw. What it finds comes back in the report and,
// joined, as the error; an error that wraps ErrUnreachable says that something
// could not be read, which is no finding. Requests are made one after another.
//
// Checked are: the signatures of checkpoints, cosignatures under the keys that
// the witnesses state, that the logs continue the kept checkpoints and those
// that the witnesses hold, that tiles lead to the signed roots, that the public
// entries that are new (or all: Options.Full) have the form, and that each
// checkpoint of the commitments log that the public log names (the newest eight
// of what was read, or all) is one of it.
func Verify(ctx context.Context, f Fetcher, n NodeLedger, k Kept, o Options) (Report, error) {
	if n.Public.Origin == "" || n.Commitments.Origin == "" {
		return Report{Kept: k}, ErrNoLedger
	}
	v := newVerification(f, n, k, o)
	// The public log first: what it names of the other one must be there then.
	errPublic := v.log(ctx, &v.report.Public, n.Public, v.public)
	errOther := v.log(ctx, &v.report.Commitments, n.Commitments, v.commitments)
	if len(v.report.Findings) == 0 && errPublic == nil && errOther == nil {
		v.report.Kept.Facts = v.facts
	}
	errs := []error{errPublic, errOther}
	for _, finding := range v.report.Findings {
		errs = append(errs, finding)
	}
	return v.report, errors.Join(errs...)
}

type verification struct {
	fetch     Fetcher
	node      NodeLedger
	o         Options
	kept      Kept
	report    Report
	facts     map[string]Entry
	named     []Entry // entries of type commitments that were read, oldest first
	witnesses map[string]knownWitness
}

func newVerification(f Fetcher, n NodeLedger, k Kept, o Options) *verification {
	if o.Now.IsZero() {
		o.Now = time.Now()
	}
	if o.MaxEntries <= 0 {
		o.MaxEntries = defaultEntries
	}
	if o.Base == nil {
		o.Base = func(authority string) string { return "https://" + authority }
	}
	v := &verification{fetch: f, node: n, o: o, kept: k, witnesses: map[string]knownWitness{}}
	v.facts = maps.Clone(k.Facts)
	if v.facts == nil {
		v.facts = map[string]Entry{}
	}
	v.report.Kept = Kept{Facts: k.Facts, Logs: maps.Clone(k.Logs)}
	if v.report.Kept.Logs == nil {
		v.report.Kept.Logs = map[string]KeptLog{}
	}
	for _, w := range o.Witnesses {
		v.witnesses[w.Name] = knownWitness{Witness: w}
	}
	return v
}

// state is one log in the course of its verification.
type state struct {
	log    Log
	out    *LogReport
	kept   Checkpoint // zero: none
	before Checkpoint // of the attempt before this one; zero: none
	now    Checkpoint
	tree   *Tree
}

// log verifies one log; content checks its entries. A finding is put into the
// report; the error is for what could not be read.
func (v *verification) log(ctx context.Context, out *LogReport, l Log, content func(context.Context, *state) error) error {
	var before Checkpoint
	for _, pause := range append(v.pauses(), -1) {
		s := &state{log: l, out: out, before: before}
		err := v.steps(ctx, s, content)
		var f *Finding
		if pause >= 0 && errors.As(err, &f) && f.early && wait(ctx, pause) {
			before = s.now
			*out = LogReport{Fetched: out.Fetched, Bytes: out.Bytes}
			continue
		}
		if err != nil {
			return v.found(l, err, s)
		}
		v.report.Kept.Logs[l.Origin] = KeptLog{Key: l.Key, Checkpoint: s.now.Text, Seen: v.o.Now.UTC().Truncate(time.Second)}
		return nil
	}
	return nil
}

func (v *verification) steps(ctx context.Context, s *state, content func(context.Context, *state) error) error {
	for _, step := range []func(context.Context, *state) error{
		v.checkKept, v.head, v.continues, v.cosigned, content,
	} {
		if err := step(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

// pauses are how long to wait before a log is asked again that seems to be
// behind others: it may be about to show what its witnesses have signed.
func (v *verification) pauses() []time.Duration {
	left := v.o.Patience
	if left == 0 {
		left = defaultPatience
	}
	if left < 0 {
		return nil
	}
	all := []time.Duration{0}
	for d := 250 * time.Millisecond; left > 0; d = min(2*d, 2*time.Second) {
		d = min(d, left)
		all, left = append(all, d), left-d
	}
	return all
}

// wait reports whether the whole time went by.
func wait(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}

// found sorts an error into findings and what could not be read.
func (v *verification) found(l Log, err error, s *state) error {
	var f *Finding
	if errors.As(err, &f) {
		s.out.Findings++
		v.report.Findings = append(v.report.Findings, f)
		return nil
	}
	for _, kind := range []error{
		ErrRollback, ErrFork, ErrTampered, ErrOmitted, ErrWitness, ErrKey, ErrSignature, ErrProof, ErrMalformed,
	} {
		if errors.Is(err, kind) {
			f := &Finding{Kind: kind, Log: l.Origin, Detail: strings.TrimPrefix(err.Error(), kind.Error()+": ")}
			if s.now.Text != "" {
				f.Evidence = []string{s.now.Text}
			}
			s.out.Findings++
			v.report.Findings = append(v.report.Findings, f)
			return nil
		}
	}
	return err
}

// get fetches below a log's address and counts.
func (v *verification) get(ctx context.Context, s *state, url string) ([]byte, error) {
	b, err := v.fetch.Get(ctx, url)
	s.out.Fetched++
	s.out.Bytes += int64(len(b))
	if err == nil && len(b) > MaxFetch {
		return nil, fmt.Errorf("%w: %s is longer than %d bytes", ErrMalformed, url, MaxFetch)
	}
	return b, err
}

// checkKept opens what was kept of the log.
func (v *verification) checkKept(_ context.Context, s *state) error {
	k, ok := v.kept.Logs[s.log.Origin]
	if !ok {
		return nil
	}
	if k.Key != s.log.Key {
		return &Finding{
			Kind: ErrKey, Log: s.log.Origin, Evidence: []string{k.Checkpoint},
			Detail: fmt.Sprintf("its key was %s and is now %s", k.Key, s.log.Key),
		}
	}
	c, err := OpenCheckpoint([]byte(k.Checkpoint), s.log)
	if err != nil {
		return fmt.Errorf("kept checkpoint of %s is damaged: %v", s.log.Origin, err)
	}
	s.kept, s.out.Known, s.out.Since = c, true, c.Size
	return nil
}

// head fetches the checkpoint and the tiles at the tree's end.
func (v *verification) head(ctx context.Context, s *state) error {
	text, err := v.get(ctx, s, join(s.log.URL, CheckpointPath))
	if err != nil {
		return fmt.Errorf("%w: checkpoint of %s: %w", ErrUnreachable, s.log.Origin, err)
	}
	if s.now, err = OpenCheckpoint(text, s.log); err != nil {
		return err
	}
	s.out.Checkpoint = s.now
	s.tree, err = OpenTree(ctx, v.tiles(s), s.now.Size, s.now.Root)
	return err
}

// tiles reads below a log's address.
func (v *verification) tiles(s *state) TileFunc {
	return func(ctx context.Context, path string) ([]byte, error) { return v.get(ctx, s, join(s.log.URL, path)) }
}

// continues checks the checkpoint against the kept one.
func (v *verification) continues(ctx context.Context, s *state) error {
	if s.kept.Text != "" {
		if err := s.follows(ctx, s.kept, "that was seen before"); err != nil {
			return err
		}
	}
	if s.before.Text != "" {
		return s.follows(ctx, s.before, "that it gave a moment before")
	}
	return nil
}

// follows checks that the log continues another checkpoint that it signed.
func (s *state) follows(ctx context.Context, c Checkpoint, which string) error {
	evidence := []string{c.Text, s.now.Text}
	if c.Size > s.now.Size {
		return &Finding{
			Kind: ErrRollback, Log: s.log.Origin, Evidence: evidence,
			Detail: fmt.Sprintf("it has %d entries; the checkpoint %s has %d", s.now.Size, which, c.Size),
		}
	}
	root, err := s.tree.RootAt(ctx, c.Size)
	if err != nil {
		return err
	}
	if root != c.Root {
		return &Finding{
			Kind: ErrFork, Log: s.log.Origin, Evidence: evidence,
			Detail: fmt.Sprintf("its first %d entries are others than in the checkpoint %s", c.Size, which),
		}
	}
	return nil
}

// from is the first entry to read: what is new, at most so many.
func (v *verification) from(s *state) uint64 {
	from := s.kept.Size
	if v.o.Full {
		return 0
	}
	if n := uint64(v.o.MaxEntries); s.now.Size > n {
		from = max(from, s.now.Size-n)
	}
	return from
}

// public reads the entries of the public log.
func (v *verification) public(ctx context.Context, s *state) error {
	from := v.from(s)
	return s.tree.Entries(ctx, from, s.now.Size, func(i uint64, line []byte) error {
		e, err := ParseEntry(line)
		if err != nil {
			return fmt.Errorf("entry %d: %w", i, err)
		}
		s.out.Read++
		v.note(e)
		return nil
	})
}

// note keeps what the newest entries say.
func (v *verification) note(e Entry) {
	if e.T == TypeCommitments {
		v.named = append(v.named, e)
	}
	v.facts[FactName(e.T, e.Ref)] = e
	if len(v.facts) > maxFacts {
		delete(v.facts, oldest(v.facts))
	}
}

func oldest(facts map[string]Entry) (name string) {
	for n, e := range facts {
		if name == "" || e.At.Before(facts[name].At) {
			name = n
		}
	}
	return name
}

// commitments checks the newest bundle of leaves, or all of them, and the
// checkpoints of this log that the public one names.
func (v *verification) commitments(ctx context.Context, s *state) error {
	from := v.from(s)
	if !v.o.Full && s.now.Size > 0 {
		from = max(from, (s.now.Size-1)/TileWidth*TileWidth)
	}
	err := s.tree.Entries(ctx, from, s.now.Size, func(i uint64, leaf []byte) error {
		if len(leaf) != LeafSize {
			return fmt.Errorf("%w leaf %d: it has %d bytes", ErrMalformed, i, len(leaf))
		}
		s.out.Read++
		return nil
	})
	if err != nil {
		return err
	}
	named := v.named
	if e, ok := v.facts[FactName(TypeCommitments, "")]; ok && len(named) == 0 {
		named = []Entry{e}
	}
	if !v.o.Full {
		named = named[max(0, len(named)-maxNamed):]
	}
	for _, e := range named {
		if err := s.named(ctx, e); err != nil {
			return err
		}
	}
	return nil
}

// named checks one checkpoint that the public log names.
func (s *state) named(ctx context.Context, e Entry) error {
	size, err := strconv.ParseUint(e.Ref, 10, 63)
	if err != nil {
		return fmt.Errorf("%w entry of type %s: ref must be a size", ErrMalformed, e.T)
	}
	if size > s.now.Size {
		return &Finding{
			early: true,
			Kind:  ErrRollback, Log: s.log.Origin, Evidence: []string{s.now.Text},
			Detail: fmt.Sprintf("it has %d entries; the public log says it had %d", s.now.Size, size),
		}
	}
	root, err := s.tree.RootAt(ctx, size)
	if err != nil {
		return err
	}
	if (Checkpoint{Origin: s.log.Origin, Size: size, Root: root}).BodyHash() != e.SHA256 {
		return &Finding{
			Kind: ErrFork, Log: s.log.Origin, Evidence: []string{s.now.Text},
			Detail: fmt.Sprintf("its first %d entries are others than the public log says", size),
		}
	}
	return nil
}
