package notary

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/transparency-dev/tessera"
	"github.com/transparency-dev/tessera/storage/posix"
	"golang.org/x/mod/sumdb/note"

	"primum/ledger"
)

func TestNeighboursWitnessEachOther(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	a, b := w.home("a"), w.home("b")
	a.asksOf(b)
	b.asksOf(a)
	a.mustOpen()
	b.mustOpen()
	for round := range 3 {
		for _, h := range []*home{a, b} {
			h.mustPublish(fmt.Sprint("policies/", round))
			h.mustTick()
		}
	}
	for _, pair := range [][2]*home{{a, b}, {b, a}} {
		for _, log := range []string{Public, Commitments} {
			c := pair[0].checkpoint(log, pair[1])
			if len(c.Cosigned) != 1 || !c.Cosigned[0].At.Equal(start()) {
				t.Errorf("%s of %s: cosigned %v", log, pair[0].cfg.Authority, c.Cosigned)
			}
		}
	}
	// The witness shows what it saw, to anyone.
	status, _, body, err := a.cfg.Peers.Ask(t.Context(), b.NodeLedger().Witness.URL+ledger.WitnessedPath(a.NodeLedger().Public.Origin), nil)
	if err != nil || status != http.StatusOK {
		t.Fatalf("status %d: %v", status, err)
	}
	c, err := ledger.OpenCheckpoint(body, a.NodeLedger().Public, b.NodeLedger().Witness)
	if err != nil || c.Size != a.Size(Public) || len(c.Cosigned) != 1 {
		t.Errorf("witnessed %d of %d, %d signatures: %v", c.Size, a.Size(Public), len(c.Cosigned), err)
	}
	if n := b.Counts(); n.Witnessed == 0 || n.Refused != 0 && n.Refused > n.Witnessed {
		t.Errorf("counts %+v", n)
	}
}

// A witness that lies or stalls stops nothing, and nothing it says is believed
// without a note of this node's own key.
func TestLyingWitness(t *testing.T) {
	t.Parallel()
	for name, lie := range map[string]func(good http.Handler) http.HandlerFunc{
		"silence": func(http.Handler) http.HandlerFunc {
			return func(_ http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body) // so that the server sees the caller leave
				<-r.Context().Done()
			}
		},
		"a larger size": func(http.Handler) http.HandlerFunc {
			return func(w http.ResponseWriter, r *http.Request) {
				if r.Method == http.MethodGet {
					http.NotFound(w, r)
					return
				}
				w.Header().Set("Content-Type", ledger.SizeType)
				w.WriteHeader(http.StatusConflict)
				_, _ = io.WriteString(w, "1000000\n")
			}
		},
		"another size each time": func(http.Handler) http.HandlerFunc {
			n := 0
			return func(w http.ResponseWriter, _ *http.Request) {
				n++
				w.Header().Set("Content-Type", ledger.SizeType)
				w.WriteHeader(http.StatusConflict)
				_, _ = fmt.Fprintln(w, n%2)
			}
		},
		"another history": func(http.Handler) http.HandlerFunc {
			return func(w http.ResponseWriter, r *http.Request) {
				if r.Method == http.MethodGet {
					_, _ = io.WriteString(w, forged())
					return
				}
				w.WriteHeader(http.StatusConflict)
			}
		},
		"a wrong signature": func(http.Handler) http.HandlerFunc {
			return func(w http.ResponseWriter, _ *http.Request) {
				_, _ = io.WriteString(w, "— b.example/witness "+strings.Repeat("A", 104)+"\n")
			}
		},
		"endless": func(http.Handler) http.HandlerFunc {
			return func(w http.ResponseWriter, _ *http.Request) {
				for {
					if _, err := w.Write(bytes.Repeat([]byte("— b.example/witness AAAA\n"), 1000)); err != nil {
						return
					}
				}
			}
		},
		"an error": func(http.Handler) http.HandlerFunc {
			return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) }
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newTown(t)
			a, b, c := w.home("a"), w.home("b"), w.home("c")
			a.asksOf(b, c)
			if name == "silence" {
				a.cfg.AskWait = 300 * time.Millisecond
			}
			b.mustOpen()
			c.mustOpen()
			a.mustOpen()
			b.serve(lie(b.Handler()))
			at := a.mustPublish("policies/a")
			a.mustFlush()
			if got := a.checkpoint(Public, c); got.Size != at+1 || len(got.Cosigned) != 1 || len(got.Others) != 0 {
				t.Errorf("size %d, cosigned %v, others %v", got.Size, got.Cosigned, got.Others)
			}
			if n := a.Counts(); n.Unwitnessed == 0 || n.Halted != 0 {
				t.Errorf("counts %+v", n)
			}
			if err := a.halt(); err != nil {
				t.Error(err)
			}
		})
	}
}

// forged is a checkpoint of a's public log that a never signed.
func forged() string {
	s, err := ledger.NewSigner("a.example/ledger/public", keyOf("mallory"))
	if err != nil {
		return ""
	}
	b, _ := note.Sign(&note.Note{Text: ledger.Body("a.example/ledger/public", 99, [32]byte{1})}, s)
	return string(b)
}

// The order and the answers of C2SP tlog-witness, add-checkpoint.
func TestWitnessAnswers(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	a, b := w.home("a").mustOpen(), w.home("b").mustOpen()
	first := a.grown(3)
	second := a.grown(5)
	third := a.grown(9)
	signer := func(key string, origin string) note.Signer {
		s, err := ledger.NewSigner(origin, keyOf(key))
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	sign := func(body string, s note.Signer) string {
		n, err := note.Sign(&note.Note{Text: body}, s)
		if err != nil {
			t.Fatal(err)
		}
		return string(n)
	}
	other := ledger.Body(second.Origin, second.Size, [32]byte{7})
	for _, c := range []struct {
		name   string
		s      ledger.Submission
		status int
		answer string
	}{
		{"unknown authority", ledger.Submission{Checkpoint: sign(ledger.Body("x.example/ledger/public", 1, [32]byte{}), signer("x", "x.example/ledger/public"))}, 404, ""},
		{"no log of it", ledger.Submission{Checkpoint: sign(ledger.Body("a.example/ledger/gossip", 1, [32]byte{}), signer("a", "a.example/ledger/gossip"))}, 404, ""},
		{"its own", ledger.Submission{Checkpoint: b.Checkpoint(Public)}, 404, ""},
		{"another key", ledger.Submission{Checkpoint: sign(first.Body(), signer("mallory", first.Origin))}, 403, ""},
		{"old larger than new", ledger.Submission{Old: 9, Checkpoint: first.Text}, 400, ""},
		{"old not known", ledger.Submission{Old: 2, Checkpoint: first.Text}, 409, "0\n"},
		{"first with a proof", ledger.Submission{Hashes: make([][32]byte, 1), Checkpoint: first.Text}, 422, ""},
		{"first", ledger.Submission{Checkpoint: first.Text}, 200, "— b.example/witness "},
		{"stale old", ledger.Submission{Checkpoint: second.Text}, 409, "3\n"},
		{"wrong proof", ledger.Submission{Old: 3, Hashes: make([][32]byte, 3), Checkpoint: second.Text}, 422, ""},
		{"no proof", ledger.Submission{Old: 3, Checkpoint: second.Text}, 422, ""},
		{"second", ledger.Submission{Old: 3, Hashes: a.proof(3, 5), Checkpoint: second.Text}, 200, "— b.example/witness "},
		{"second again", ledger.Submission{Old: 5, Checkpoint: second.Text}, 200, "— b.example/witness "},
		{"another tree of that size", ledger.Submission{Old: 5, Checkpoint: sign(other, a.public.signer)}, 409, ""},
		{"third after that", ledger.Submission{Old: 5, Hashes: a.proof(5, 9), Checkpoint: third.Text}, 200, "— b.example/witness "},
	} {
		status, kind, body, err := a.cfg.Peers.Ask(t.Context(), b.NodeLedger().Witness.URL+ledger.AddCheckpoint, c.s.Text())
		if err != nil || status != c.status || !strings.HasPrefix(string(body), c.answer) {
			t.Errorf("%s: status %d, want %d: %q %v", c.name, status, c.status, body, err)
		}
		if (kind == ledger.SizeType) != (status == 409 && c.answer != "") {
			t.Errorf("%s: media type %q", c.name, kind)
		}
	}
	if b.Counts().Forks != 1 {
		t.Errorf("counts %+v", b.Counts())
	}
	// It remembers over a restart, and keeps both notes of the fork.
	b.mustClose()
	b.mustOpen()
	status, _, body, err := a.cfg.Peers.Ask(t.Context(), b.NodeLedger().Witness.URL+ledger.AddCheckpoint, ledger.Submission{Checkpoint: first.Text}.Text())
	if err != nil || status != 409 || string(body) != "9\n" {
		t.Errorf("after a restart: %d %q %v", status, body, err)
	}
	kept, err := os.ReadFile(filepath.Join(b.cfg.Dir, WitnessFolder, hashName(first.Origin)))
	if err != nil || !strings.Contains(string(kept), `"forks":[`) {
		t.Errorf("proof of the fork: %s %v", kept, err)
	}
}

// grown grows the public log to a size and returns its checkpoint.
func (h *home) grown(size uint64) ledger.Checkpoint {
	h.town.t.Helper()
	var lines [][]byte
	for i := h.Size(Public); i < size; i++ {
		line, err := fact(fmt.Sprint("policies/", i)).Marshal()
		if err != nil {
			h.town.t.Fatal(err)
		}
		lines = append(lines, line)
	}
	if _, err := h.public.append(h.town.t.Context(), lines); err != nil {
		h.town.t.Fatal(err)
	}
	h.mustFlush()
	return h.checkpoint(Public)
}

func (h *home) proof(from, to uint64) [][32]byte {
	h.town.t.Helper()
	p, err := h.public.consistency(h.town.t.Context(), from, to)
	if err != nil {
		h.town.t.Fatal(err)
	}
	return p
}

// Tessera's own log asks our witness: another implementation of the client.
func TestWitnessOfTessera(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	b := w.home("b").mustOpen()
	origin := "c.example/ledger/public"
	log, err := LogOf("c.example", Public, keyOf("c"))
	if err != nil {
		t.Fatal(err)
	}
	s, err := ledger.NewSigner(origin, mustKey(t, "c"))
	if err != nil {
		t.Fatal(err)
	}
	b.witness.cfg.Logs = func(context.Context, string) (ledger.NodeLedger, error) {
		return ledger.NodeLedger{Public: log}, nil
	}
	root, err := url.Parse(b.NodeLedger().Witness.URL)
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := tessera.NewWitness(b.NodeLedger().Witness.Key, root)
	if err != nil {
		t.Fatal(err)
	}
	driver, err := posix.New(t.Context(), posix.Config{Path: t.TempDir(), HTTPClient: b.server.Client()})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	opts := tessera.NewAppendOptions().WithCheckpointSigner(s).WithCheckpointInterval(minInterval).WithBatching(1, batchAge).
		WithWitnesses(tessera.NewWitnessGroup(1, theirs), &tessera.WitnessOptions{})
	app, shutdown, reader, err := tessera.NewAppender(ctx, driver, opts)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 5 {
		if _, err := app.Add(ctx, tessera.NewEntry(fmt.Append(nil, i)))(); err != nil {
			t.Fatal(err)
		}
	}
	if err := shutdown(ctx); err != nil {
		t.Fatal(err)
	}
	text, err := reader.ReadCheckpoint(ctx)
	if err != nil {
		t.Fatal(err)
	}
	c, err := ledger.OpenCheckpoint(text, log, b.NodeLedger().Witness)
	if err != nil || c.Size != 5 || len(c.Cosigned) != 1 {
		t.Errorf("size %d, cosigned %v: %v", c.Size, c.Cosigned, err)
	}
}

const minInterval = 100 * 1000 * 1000 // 100 ms, the least that Tessera takes

func mustKey(t *testing.T, name string) []byte {
	t.Helper()
	k, err := logKey(Public, keyOf(name))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// Neither one log nor many unknown ones keep a witness from the others.
func TestWitnessLimits(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	a, b := w.home("a").mustOpen(), w.home("b").mustOpen()
	status := func(s ledger.Submission) int {
		_, err := b.witness.add(t.Context(), s.Text())
		var no *refusal
		if errors.As(err, &no) {
			return no.status
		}
		return http.StatusOK
	}
	known := a.grown(3)
	if got := status(ledger.Submission{Checkpoint: known.Text}); got != http.StatusOK {
		t.Fatalf("status %d", got)
	}
	junk := func(i int) ledger.Submission {
		return ledger.Submission{Checkpoint: fmt.Sprintf("x%d.example/ledger/public\n1\nAAAA\n\n— x y\n", i)}
	}
	for i := range maxMeets {
		_ = status(junk(i))
	}
	if got := status(junk(maxMeets)); got != http.StatusTooManyRequests {
		t.Errorf("unknown logs: status %d", got)
	}
	forged := known.Body() + "\n— " + known.Origin + known.Text[strings.LastIndex(strings.TrimSuffix(known.Text, "=\n"), " "):len(known.Text)-8] + "AAAAAA=\n"
	for range 2 * maxSubmits { // what strangers send in the log's name does not count
		if got := status(ledger.Submission{Old: 3, Checkpoint: forged}); got != http.StatusForbidden {
			t.Fatalf("forged: status %d", got)
		}
	}
	for range maxSubmits {
		if got := status(ledger.Submission{Old: 3, Checkpoint: known.Text}); got != http.StatusOK {
			t.Fatalf("a known log meanwhile: status %d", got)
		}
	}
	if got := status(ledger.Submission{Old: 3, Checkpoint: known.Text}); got != http.StatusTooManyRequests {
		t.Errorf("one log too often: status %d", got)
	}
	grown := a.grown(5)
	if got := status(ledger.Submission{Old: 3, Hashes: a.proof(3, 5), Checkpoint: grown.Text}); got != http.StatusOK {
		t.Errorf("a log that grew, after others had sent its last checkpoint often: status %d", got)
	}
	w.clock.Advance(time.Minute)
	if got := status(ledger.Submission{Old: 5, Checkpoint: grown.Text}); got != http.StatusOK {
		t.Errorf("a minute later: status %d", got)
	}
}

func FuzzWitness(f *testing.F) {
	w := newTown(f)
	a, b := w.home("a").mustOpen(), w.home("b").mustOpen()
	f.Add(ledger.Submission{Checkpoint: a.grown(3).Text}.Text())
	f.Add(ledger.Submission{Old: 3, Hashes: make([][32]byte, 3), Checkpoint: a.grown(5).Text}.Text())
	f.Add([]byte("old 0\n\na.example/ledger/public\n1\nAAAA\n\n— x y\n"))
	f.Fuzz(func(t *testing.T, body []byte) {
		_, err := b.witness.add(t.Context(), body)
		var no *refusal
		if err != nil && !errors.As(err, &no) {
			t.Errorf("%q: %v", body, err)
		}
	})
}
