package notary

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/transparency-dev/merkle/rfc6962"
	"github.com/transparency-dev/tessera/api"
	"github.com/transparency-dev/tessera/api/layout"
	"github.com/transparency-dev/tessera/fsck"
	"golang.org/x/mod/sumdb/note"

	"primum/ledger"
)

func (h *home) get(path string) (status int, header http.Header, body []byte) {
	h.town.t.Helper()
	resp, err := h.server.Client().Get(h.server.URL + path)
	if err != nil {
		h.town.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	b := make([]byte, 0, 1<<16)
	for {
		n, err := resp.Body.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		if err != nil || len(b) == cap(b) {
			return resp.StatusCode, resp.Header, b
		}
	}
}

func TestServedFiles(t *testing.T) {
	t.Parallel()
	h := newTown(t).home("a").mustOpen()
	h.grown(300)
	h.mustPublish("not-signed-yet")
	for _, c := range []struct {
		path   string
		status int
		cache  string
	}{
		{"/ledger/public/checkpoint", 200, "no-cache"},
		{"/ledger/commitments/checkpoint", 200, "no-cache"},
		{"/ledger/public/tile/0/000", 200, forEver},
		{"/ledger/public/tile/0/001.p/44", 200, forEver},
		{"/ledger/public/tile/1/000.p/1", 200, forEver},
		{"/ledger/public/tile/entries/000", 200, forEver},
		{"/ledger/public/tile/entries/001.p/44", 200, forEver},
		{"/ledger/public/tile/0/001.p/45", 404, ""}, // no checkpoint covers it yet
		{"/ledger/public/tile/entries/001.p/45", 404, ""},
		{"/ledger/public/tile/0/001", 404, ""},
		{"/ledger/public/tile/0/002.p/1", 404, ""},
		{"/ledger/public/tile/2/000.p/1", 404, ""},
		{"/ledger/public/tile/00/000", 404, ""},
		{"/ledger/public/tile/0/x000/000", 404, ""},
		{"/ledger/public/tile/0/0", 404, ""},
		{"/ledger/public/tile/9/000", 404, ""},
		{"/ledger/public/tile/0/..%2f..%2f.state%2ftreeState", 404, ""},
		{"/ledger/public/.state/treeState", 404, ""},
		{"/ledger/public/cosigned", 404, ""},
		{"/ledger/witness/x", 404, ""},
		{"/witness/checkpoint/xyz", 404, ""},
		{"/witness/checkpoint/" + hashName("nobody"), 404, ""},
	} {
		status, header, _ := h.get(c.path)
		if status != c.status || header.Get("Cache-Control") != c.cache {
			t.Errorf("%s: %d %q, want %d %q", c.path, status, header.Get("Cache-Control"), c.status, c.cache)
		}
		if header.Get("Access-Control-Allow-Origin") != "*" || header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: headers %v", c.path, header)
		}
	}
}

// Tessera's own checker reads the whole log over HTTP.
func TestServedLogIsWhole(t *testing.T) {
	t.Parallel()
	h := newTown(t).home("a").mustOpen()
	h.grown(600)
	log := h.NodeLedger().Public
	v, err := note.NewVerifier(log.Key)
	if err != nil {
		t.Fatal(err)
	}
	check := fsck.New(log.Origin, v, overHTTP{h}, leafHashes, fsck.Opts{N: 2})
	if err := check.Check(t.Context()); err != nil {
		t.Error(err)
	}
}

func leafHashes(b []byte) (out [][]byte, err error) {
	var bundle api.EntryBundle
	if err := bundle.UnmarshalText(b); err != nil {
		return nil, err
	}
	for _, e := range bundle.Entries {
		out = append(out, rfc6962.DefaultHasher.HashLeaf(e))
	}
	return out, nil
}

// overHTTP is fsck's way to a served log.
type overHTTP struct{ h *home }

func (o overHTTP) read(path string) ([]byte, error) {
	status, _, b := o.h.get("/ledger/public/" + path)
	if status == http.StatusNotFound {
		return nil, fmt.Errorf("%s: %w", path, os.ErrNotExist)
	}
	if status != http.StatusOK {
		return nil, errors.New("not served")
	}
	return b, nil
}

func (o overHTTP) ReadCheckpoint(context.Context) ([]byte, error) { return o.read("checkpoint") }

func (o overHTTP) ReadTile(_ context.Context, l, i uint64, p uint8) ([]byte, error) {
	return o.read(layout.TilePath(l, i, p))
}

func (o overHTTP) ReadEntryBundle(_ context.Context, i uint64, p uint8) ([]byte, error) {
	return o.read(layout.EntriesPath(i, p))
}

func TestTooLongSubmission(t *testing.T) {
	t.Parallel()
	h := newTown(t).home("a").mustOpen()
	resp, err := h.server.Client().Post(h.server.URL+"/witness"+ledger.AddCheckpoint, "text/plain", strings.NewReader(strings.Repeat("a", ledger.MaxSubmission+1)))
	if err != nil {
		t.Fatal(err)
	}
	if err := resp.Body.Close(); err != nil || resp.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("status %d: %v", resp.StatusCode, err)
	}
}

func FuzzTilePath(f *testing.F) {
	h := newTown(f).home("a").mustOpen()
	h.grown(70)
	for _, s := range []string{"0|000.p/70", "entries|x001/x234/067", "7|x018/446/744/073.p/255", "0|.p/1", "|"} {
		level, path, _ := strings.Cut(s, "|")
		f.Add(level, path)
	}
	f.Fuzz(func(t *testing.T, level, path string) {
		if h.public.covers(level, path) && (strings.Contains(path, "..") || strings.Contains(path, "\x00")) {
			t.Errorf("%q/%q is served", level, path)
		}
	})
}
