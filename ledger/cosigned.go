package ledger

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

const (
	maxWitnesses = 8         // looked up for one checkpoint
	maxNodeInfo  = 256 << 10 // bytes
)

// NodePath is where a node says what it is.
const NodePath = "/.well-known/primum"

// Discover asks a node for its ledger. The logs and the witness must be those of
// the authority, and stand below its own address; base is that address.
func Discover(ctx context.Context, f Fetcher, authority, base string) (NodeLedger, error) {
	b, err := f.Get(ctx, base+NodePath)
	if err != nil {
		return NodeLedger{}, fmt.Errorf("%w: %s: %w", ErrUnreachable, authority, err)
	}
	var info struct {
		Authority string      `json:"authority"`
		Ledger    *NodeLedger `json:"ledger"`
	}
	if len(b) > maxNodeInfo || json.Unmarshal(b, &info) != nil {
		return NodeLedger{}, fmt.Errorf("%w: %s does not say what it is", ErrNoLedger, authority)
	}
	if info.Ledger == nil {
		return NodeLedger{}, fmt.Errorf("%w (%s)", ErrNoLedger, authority)
	}
	return *info.Ledger, info.Ledger.check(authority, base)
}

// check refuses to take another's log or address for the authority's own.
func (n NodeLedger) check(authority, base string) error {
	if n.Public.Origin != PublicOrigin(authority) || n.Commitments.Origin != CommitmentsOrigin(authority) ||
		n.Witness.Name != "" && n.Witness.Name != WitnessName(authority) {
		return fmt.Errorf("%w: the ledger that %s names is another's", ErrMalformed, authority)
	}
	if n.Witness.Name != "" {
		if v, err := verifier(n.Witness.Key, algCosignature); err != nil || v.Name() != n.Witness.Name {
			return fmt.Errorf("%w: the witness key that %s names", ErrMalformed, authority)
		}
	}
	for _, u := range []string{n.Public.URL, n.Commitments.URL, n.Witness.URL} {
		if u != "" && !strings.HasPrefix(u, base+"/") {
			return fmt.Errorf("%w: the ledger of %s is at %s, not below %s", ErrMalformed, authority, u, base)
		}
	}
	return nil
}

// knownWitness is a witness, or why it could not be found.
type knownWitness struct {
	Witness
	err error
}

// witness finds a witness by its name, once: its domain states its key.
func (v *verification) witness(ctx context.Context, s *state, name string) knownWitness {
	if w, ok := v.witnesses[name]; ok {
		return w
	}
	authority := Authority(name)
	counted := FetchFunc(func(ctx context.Context, url string) ([]byte, error) { return v.get(ctx, s, url) })
	n, err := Discover(ctx, counted, authority, v.o.Base(authority))
	w := knownWitness{Witness: n.Witness, err: err}
	if err == nil && n.Witness.Name != name {
		w.err = fmt.Errorf("%s has no witness of that name", authority)
	}
	v.witnesses[name] = w
	return w
}

// cosigned checks the cosignatures of the checkpoint, and that the log
// continues what its witnesses saw last.
func (v *verification) cosigned(ctx context.Context, s *state) error {
	names := v.witnessNames(s)
	known := make([]Witness, 0, len(names))
	for _, name := range names {
		w := v.witness(ctx, s, name)
		if ctx.Err() != nil {
			return fmt.Errorf("%w: %w", ErrUnreachable, ctx.Err())
		}
		if w.err == nil {
			known = append(known, w.Witness)
		}
	}
	c, err := OpenCheckpoint([]byte(s.now.Text), s.log, known...)
	if err != nil {
		return err
	}
	s.now.Cosigned, s.now.Others = c.Cosigned, c.Others
	s.out.Checkpoint = s.now
	for _, name := range names {
		word, err := v.word(ctx, s, name)
		s.out.Witnesses = append(s.out.Witnesses, word)
		if err != nil {
			return err
		}
	}
	return v.enough(s)
}

// enough demands so many cosignatures of others.
func (v *verification) enough(s *state) error {
	good := 0
	for _, w := range s.out.Witnesses {
		if w.Good {
			good++
		}
	}
	if good < v.o.MinWitnesses {
		return &Finding{
			early: true,
			Kind:  ErrWitness, Log: s.log.Origin, Evidence: []string{s.now.Text},
			Detail: fmt.Sprintf("%d of at least %d witnesses have signed", good, v.o.MinWitnesses),
		}
	}
	return nil
}

// witnessNames are all that signed this or the kept checkpoint, and those that
// the caller named; not the log's own node, whose word would be worth nothing.
func (v *verification) witnessNames(s *state) []string {
	names := make([]string, 0, maxWitnesses)
	add := func(name string) {
		own := Authority(name) == Authority(s.log.Origin)
		if !own && len(names) < maxWitnesses && !slices.Contains(names, name) && strings.Contains(name, "/") {
			names = append(names, name)
		}
	}
	for _, w := range v.o.Witnesses {
		add(w.Name)
	}
	for _, name := range slices.Concat(s.now.Others, s.kept.Others) {
		add(name)
	}
	return names
}

// word is what one witness says about the log.
func (v *verification) word(ctx context.Context, s *state, name string) (WitnessWord, error) {
	word := WitnessWord{Name: name}
	w := v.witness(ctx, s, name)
	if w.err != nil {
		word.Err = w.err.Error()
		return word, nil
	}
	for _, c := range s.now.Cosigned {
		if c.Name == name && !c.At.After(v.o.Now.Add(Grace)) {
			word.Good, word.At = true, c.At
		}
	}
	text, err := v.get(ctx, s, join(w.URL, WitnessedPath(s.log.Origin)))
	if err != nil {
		if !errors.Is(err, ErrNotFound) {
			word.Err = err.Error()
		}
		return word, nil
	}
	seen, err := OpenCheckpoint(text, s.log, w.Witness)
	if err != nil {
		word.Err = err.Error() // a witness that lies accuses nobody
		return word, nil
	}
	word.Seen = seen.Size
	err = s.follows(ctx, seen, "that "+name+" has")
	var f *Finding
	if errors.As(err, &f) && seen.Size > s.now.Size {
		f.early = true // it signed in the meantime, perhaps
	}
	return word, err
}

// FindWitnesses looks up the witnesses of the names, at most eight, at their own
// domains. Who does not answer is left out.
func FindWitnesses(ctx context.Context, f Fetcher, names []string, base func(authority string) string) []Witness {
	var found []Witness
	for _, name := range names[:min(len(names), maxWitnesses)] {
		authority := Authority(name)
		n, err := Discover(ctx, f, authority, base(authority))
		if err == nil && n.Witness.Name == name {
			found = append(found, n.Witness)
		}
	}
	return found
}
