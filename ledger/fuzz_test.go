package ledger

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
)

func FuzzParseEntry(f *testing.F) {
	f.Add(fact(f, Entry{T: TypeOath, Ref: "/.well-known/primum/oath"}))
	f.Add(fact(f, Entry{T: TypeLegalDemand, Counts: map[string]int{"received": 1, "refused": 1}}))
	f.Add(fact(f, Entry{T: TypeMisuse, Domains: []string{"shop.example", "b.example"}}))
	f.Add([]byte(`{"v":1}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		e, err := ParseEntry(line)
		if err != nil {
			return
		}
		if again, err := e.Marshal(); err != nil || !bytes.Equal(again, line) {
			t.Fatalf("%s is written %s (%v)", line, again, err)
		}
		if bytes.ContainsRune(line, '@') || bytes.ContainsAny(line, "\r\n") {
			t.Fatalf("taken: %s", line)
		}
	})
}

func FuzzOpenCheckpoint(f *testing.F) {
	n := newTestNet()
	a, w := n.node(f, "a.example", 1), n.node(f, "w.example", 2)
	n.tick(f, a, w)
	good := n.files[a.public.URL+CheckpointPath]
	f.Add(good)
	f.Add(n.files[a.commitments.URL+CheckpointPath])
	f.Add([]byte(a.public.checkpoint(f)))
	body, _, _ := strings.Cut(string(good), "\n\n")
	f.Fuzz(func(t *testing.T, text []byte) {
		_, _ = PeekOrigin(text)
		c, err := OpenCheckpoint(text, a.public.Log, w.witness)
		if err == nil && strings.TrimSuffix(c.Body(), "\n") != body {
			t.Fatalf("a checkpoint that nobody signed: %q", text)
		}
	})
}

func FuzzParseReceipt(f *testing.F) {
	n := newTestNet()
	a := n.node(f, "a.example", 1)
	n.tick(f, a)
	n.tick(f, a)
	r := receipt(f, n, a.commitments, 70)
	f.Add(r.Text())
	r.Extra = []byte("extra")
	f.Add(r.Text())
	f.Add([]byte("c2sp.org/tlog-proof@v1\nindex 0\n\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		r, err := ParseReceipt(text)
		if err != nil {
			return
		}
		if !bytes.Equal(r.Text(), text) {
			t.Fatalf("%q is written %q", text, r.Text())
		}
		c, err := r.Verify(a.commitments.entries[70], a.commitments.Log)
		if err == nil && (r.Index != 70 || c.Size != 128) {
			t.Fatalf("proved by %q", text)
		}
	})
}

func FuzzParseSubmission(f *testing.F) {
	f.Add(Submission{Old: 1, Hashes: [][32]byte{{1}}, Checkpoint: "a\n1\nx\n\n— a b\n"}.Text())
	f.Add([]byte("old 0\n\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if s, err := ParseSubmission(text); err == nil && !bytes.Equal(s.Text(), text) {
			t.Fatalf("%q is written %q", text, s.Text())
		}
	})
}

func FuzzReadPromise(f *testing.F) {
	n := newTestNet()
	a := n.node(f, "a.example", 1)
	leaf := GrantLeaf([]byte("k"), EventGiven)
	good := must(Promise{Origin: a.commitments.Origin, Leaf: leaf[:], By: testNow()}.Sign("n1", a.node))(f)
	f.Add(good)
	f.Add("a.b.c")
	public := public(a.node)
	f.Fuzz(func(t *testing.T, compact string) {
		_, _, _ = PeekPromise(compact)
		if _, err := ReadPromise(compact, public); err == nil && compact != good {
			t.Fatalf("a promise that nobody signed: %q", compact)
		}
	})
}

func FuzzParseBundle(f *testing.F) {
	f.Add([]byte{0, 1, 'x', 0, 0})
	f.Add(bytes.Repeat([]byte{0, 2, 1, 2}, TileWidth))
	f.Fuzz(func(t *testing.T, b []byte) {
		entries, err := ParseBundle(b)
		n := 0
		for _, e := range entries {
			n += 2 + len(e)
		}
		if err == nil && n != len(b) {
			t.Fatalf("%d bytes of %d", n, len(b))
		}
	})
}

// FuzzVerifyHostile lets a server answer one address with bytes of the fuzzer:
// Verify must end, within few requests, and must not take other content.
func FuzzVerifyHostile(f *testing.F) {
	for _, which := range []uint8{0, 1, 2, 3, 4, 5, 6, 7, 8, 9} {
		f.Add(which, []byte("x"))
		f.Add(which, make([]byte, 32))
		f.Add(which, make([]byte, 8192))
	}
	n := newTestNet()
	a, w := n.node(f, "a.example", 1), n.node(f, "w.example", 2)
	for range 5 {
		n.tick(f, a, w)
	}
	f.Fuzz(func(t *testing.T, which uint8, b []byte) {
		asked := 0
		get := FetchFunc(func(ctx context.Context, url string) ([]byte, error) {
			good, err := n.Get(ctx, url)
			if asked++; asked == int(which)+1 {
				return b, nil
			}
			return good, err
		})
		r, err := Verify(context.Background(), get, a.ledger(), Kept{}, Options{Now: testNow(), Patience: -1})
		if asked > 40 {
			t.Fatalf("%d requests", asked)
		}
		if err == nil && (r.Public.Checkpoint.Root != a.public.root() || r.Commitments.Checkpoint.Root != a.commitments.root()) {
			t.Fatal("another root was taken")
		}
	})
}

func FuzzDiscover(f *testing.F) {
	n := newTestNet()
	n.node(f, "a.example", 1)
	f.Add(n.files["https://a.example"+NodePath])
	f.Add([]byte(`{"ledger":{"public":{}}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		get := FetchFunc(func(context.Context, string) ([]byte, error) { return b, nil })
		l, err := Discover(context.Background(), get, "a.example", "https://a.example")
		if err == nil && (l.Public.Origin != "a.example/ledger/public" || !errors.Is(l.check("b.example", "https://b.example"), ErrMalformed)) {
			t.Fatalf("taken: %+v", l)
		}
	})
}
