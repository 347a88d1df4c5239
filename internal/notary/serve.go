package notary

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/transparency-dev/tessera/api/layout"

	"primum/ledger"
)

const (
	forEver  = "public, max-age=31536000, immutable"
	maxServe = 64 // readers at a time, and as many logs; the next ones are told to come back
)

// Handler serves the logs below /ledger/ and the witness below /witness/, with
// the addresses of C2SP tlog-tiles and tlog-witness. It shows nothing of a tree
// that no checkpoint covers yet.
func (n *Notary) Handler() http.Handler {
	mux := http.NewServeMux()
	for _, name := range []string{Public, Commitments} {
		l := n.tree(name)
		mux.HandleFunc("GET /ledger/"+name+"/checkpoint", func(w http.ResponseWriter, _ *http.Request) { l.serveCheckpoint(w) })
		mux.HandleFunc("GET /ledger/"+name+"/tile/{rest...}", func(w http.ResponseWriter, r *http.Request) { l.serveTile(w, r.PathValue("rest")) })
	}
	mux.HandleFunc("GET /witness/checkpoint/{origin}", n.serveWitnessed)
	all := http.NewServeMux()
	all.Handle("/", few(mux))
	all.Handle("POST /witness"+ledger.AddCheckpoint, whole(few(http.HandlerFunc(n.serveAdd))))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		open(w.Header())
		all.ServeHTTP(w, r)
	})
}

// few serves maxServe requests at a time.
func few(h http.Handler) http.Handler {
	slots := make(chan struct{}, maxServe)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case slots <- struct{}{}:
			defer func() { <-slots }()
			h.ServeHTTP(w, r)
		default:
			w.Header().Set("Retry-After", "1")
			http.Error(w, "too many readers of the ledger", http.StatusServiceUnavailable)
		}
	})
}

// whole reads a submission before it takes anybody's place: nobody holds the
// ledger up by sending slowly.
func whole(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, ledger.MaxSubmission))
		if err != nil {
			http.Error(w, "the request is too long, or ended early", http.StatusRequestEntityTooLarge)
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		h.ServeHTTP(w, r)
	})
}

// open lets pages of any origin read: everything here is public.
func open(h http.Header) {
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("Cross-Origin-Resource-Policy", "cross-origin")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	h.Set("Referrer-Policy", "no-referrer")
}

func (l *treeLog) serveCheckpoint(w http.ResponseWriter) {
	c := l.shown()
	if c.Text == "" {
		http.Error(w, "no checkpoint has been signed yet", http.StatusNotFound)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-cache")
	_, _ = io.WriteString(w, c.Text)
}

// serveTile serves a tile or bundle of entries that the shown checkpoint covers.
func (l *treeLog) serveTile(w http.ResponseWriter, rest string) {
	level, path, ok := strings.Cut(rest, "/")
	if !ok || !l.covers(level, path) {
		http.Error(w, "the log has no such tile", http.StatusNotFound)
		return
	}
	b, err := os.ReadFile(filepath.Join(l.dir, "tile", filepath.FromSlash(rest)))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		http.Error(w, "the log has no such tile; take the full one", http.StatusNotFound)
	case err != nil:
		http.Error(w, "the tile can't be read now", http.StatusInternalServerError)
	default:
		w.Header().Set("Content-Type", "application/octet-stream")
		w.Header().Set("Cache-Control", forEver)
		w.Header().Set("Content-Length", strconv.Itoa(len(b)))
		_, _ = w.Write(b)
	}
}

// covers tells whether a path of a tile is well formed and within the shown
// checkpoint.
func (l *treeLog) covers(level, path string) bool {
	of := uint64(0)
	if level != "entries" {
		n, err := layout.ParseTileLevel(level)
		if err != nil || strconv.FormatUint(n, 10) != level || n > 7 {
			return false
		}
		of = n
	}
	index, partial, err := layout.ParseTileIndexPartial(path)
	if err != nil || layout.NWithSuffix(of, index, partial) != path {
		return false
	}
	nodes := l.shown().Size >> (8 * of)
	width := uint64(partial)
	if width == 0 {
		width = layout.TileWidth
	}
	first := index * layout.TileWidth
	return index <= nodes/layout.TileWidth && first+width <= nodes
}

// serveAdd is add-checkpoint of C2SP tlog-witness.
func (n *Notary) serveAdd(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body) // see whole
	if err != nil {
		http.Error(w, "the request ended early", http.StatusBadRequest)
		return
	}
	line, err := n.witness.add(r.Context(), body)
	var no *refusal
	switch {
	case err == nil:
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = w.Write(line)
	case errors.As(err, &no):
		n.counters.refused.Add(1)
		w.Header().Set("Content-Type", no.kind)
		w.WriteHeader(no.status)
		_, _ = io.WriteString(w, no.text)
	default:
		n.counters.refused.Add(1)
		n.cfg.Log.Error("witness failed", "error", err)
		http.Error(w, "the witness can't keep the checkpoint now", http.StatusInternalServerError)
	}
}

// serveWitnessed shows the last checkpoint cosigned of a log.
func (n *Notary) serveWitnessed(w http.ResponseWriter, r *http.Request) {
	text, err := n.witness.latest(r.PathValue("origin"))
	if err != nil {
		http.Error(w, "this witness has cosigned nothing of that log", http.StatusNotFound)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-cache")
	_, _ = io.WriteString(w, text)
}
