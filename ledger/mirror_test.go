package ledger

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"
)

// shelf is a copy in memory.
type shelf map[string][]byte

func (s shelf) Read(path string) ([]byte, error) {
	b, ok := s[path]
	if !ok {
		return nil, fmt.Errorf("%s: %w", path, ErrNotFound)
	}
	return b, nil
}

func (s shelf) Write(path string, b []byte) error {
	s[path] = b
	return nil
}

func TestMirror(t *testing.T) {
	t.Parallel()
	n := newTestNet()
	a := n.node(t, "a.example", 1)
	l, copied := a.commitments, shelf{}
	get := func(_ context.Context, path string) ([]byte, error) { return l.read(path) }
	mirror := func() (int, error) {
		return Mirror(context.Background(), get, l.Log, string(n.files[l.URL+CheckpointPath]), copied)
	}
	for round := range 12 { // through a full tile, and on
		n.tick(t, a)
		wrote, err := mirror()
		if err != nil || wrote < 2 {
			t.Fatalf("round %d: wrote %d: %v", round, wrote, err)
		}
		if wrote, err = mirror(); err != nil || wrote != 0 {
			t.Fatalf("round %d, again: wrote %d: %v", round, wrote, err)
		}
	}
	// The copy is a log by itself.
	read := func(_ context.Context, path string) ([]byte, error) { return copied.Read(path) }
	c := must(OpenCheckpoint(copied[CheckpointPath], l.Log))(t)
	tree := must(OpenTree(context.Background(), read, c.Size, c.Root))(t)
	if err := tree.Entries(context.Background(), 0, c.Size, func(i uint64, e []byte) error {
		if !bytes.Equal(e, l.entries[i]) {
			t.Errorf("entry %d", i)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	old := bytes.Clone(copied[CheckpointPath])
	for name, bad := range map[string]struct {
		log  *testLog
		want error
	}{"fork": {l.fork(300), ErrFork}, "rollback": {l.fork(300), ErrRollback}} {
		if name == "fork" {
			for i := range 600 {
				leaf := Leaf([]byte("other"), fmt.Sprint(i))
				bad.log.add(leaf[:])
			}
		}
		from := func(_ context.Context, path string) ([]byte, error) { return bad.log.read(path) }
		if _, err := Mirror(context.Background(), from, l.Log, bad.log.checkpoint(t), copied); !errors.Is(err, bad.want) {
			t.Errorf("%s: %v", name, err)
		}
		if !bytes.Equal(copied[CheckpointPath], old) {
			t.Errorf("%s: the copy changed", name)
		}
	}
}

func TestKeptFacts(t *testing.T) {
	t.Parallel()
	n := newTestNet()
	a := n.node(t, "a.example", 1)
	for i := range maxFacts + 20 {
		a.public.add(fact(t, Entry{T: TypePolicy, Ref: fmt.Sprint("p", i), At: testNow().AddDate(0, 0, i)}))
	}
	doc := []byte("the rules")
	a.public.add(fact(t, Entry{T: TypeMeterCatalogue, SHA256: fmt.Sprintf("%x", sha(doc)), At: testNow().AddDate(9, 0, 0)}))
	n.publish(t, a.public)
	n.publish(t, a.commitments)
	r, err := Verify(context.Background(), n, a.ledger(), Kept{}, Options{Now: testNow()})
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Kept.Facts) != maxFacts {
		t.Errorf("%d facts are kept", len(r.Kept.Facts))
	}
	if _, ok := r.Kept.Fact(TypePolicy, "p0"); ok {
		t.Error("the oldest is kept")
	}
	if all := r.Kept.About(TypePolicy); len(all) != maxFacts-1 {
		t.Errorf("%d policies", len(all))
	}
	if err := r.Kept.Check(TypeMeterCatalogue, "", doc); err != nil {
		t.Error(err)
	}
	if err := r.Kept.Check(TypeMeterCatalogue, "", []byte("others")); !errors.Is(err, ErrTampered) {
		t.Errorf("another document: %v", err)
	}
	if err := r.Kept.Check(TypeOath, "", doc); !errors.Is(err, ErrOmitted) {
		t.Errorf("no entry: %v", err)
	}
}
