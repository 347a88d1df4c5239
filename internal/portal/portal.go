package portal

import (
	"context"
	"fmt"
	"html/template"
	"io/fs"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"primum/identity"
	"primum/internal/clock"
)

// Config says what a portal shows. Authority, Clock, Log and Next are needed.
type Config struct {
	// Authority is the domain of the node that serves the page.
	Authority string
	// Host is where the pages are when that is not the authority: host:port of
	// `primum app`.
	Host    string
	Version string // of the software
	TLS     bool   // reached over TLS
	Clock   clock.Clock
	Log     *slog.Logger
	// Assets are the built pages; nil: those in the program.
	Assets fs.FS
	// Next answers what is no page: the node's door.
	Next http.Handler
	// Admit limits requests of one address: how long to wait, and whether it is
	// admitted; nil admits all.
	Admit func(*http.Request) (time.Duration, bool)
	// Counts are the numbers on the start page; nil shows none.
	Counts func(context.Context) (Counts, error)
	// Since is when the node was started, for the start page.
	Since time.Time
}

// Portal is the handler of all pages. It is safe for concurrent use.
type Portal struct {
	cfg     Config
	base    string // of the node, without a final slash
	origin  string // of the pages
	mux     *http.ServeMux
	assets  *assets
	pages   *template.Template
	reports reports

	countsMu   sync.Mutex
	lastCounts Counts    // guarded by countsMu
	countsAt   time.Time // guarded by countsMu
}

// New reads the assets and builds the handler.
func New(cfg Config) (*Portal, error) {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Clock == nil {
		cfg.Clock = clock.Real()
	}
	p := &Portal{cfg: cfg, base: identity.BaseURL(cfg.Authority), mux: http.NewServeMux()}
	p.origin = p.base
	if cfg.Host != "" {
		p.origin = "http://" + cfg.Host
	}
	var err error
	if p.assets, err = loadAssets(cfg.Assets, cfg.Version); err != nil {
		return nil, fmt.Errorf("open portal: %w", err)
	}
	if p.pages, err = parsePages(); err != nil {
		return nil, fmt.Errorf("open portal: %w", err)
	}
	p.mount()
	return p, nil
}

// mount is all pages, in plain sight.
func (p *Portal) mount() {
	for pattern, h := range map[string]http.HandlerFunc{
		"GET /{$}":                     p.getStart,
		"GET /my":                      p.getMy,
		"GET /sw.js":                   p.getServiceWorker,
		"GET /manifest.webmanifest":    p.getWebManifest,
		"GET " + assetsPath + "{name}": p.getAsset,
		"GET " + ManifestPath:          p.getManifest,
		"POST " + reportPath:           p.postReport,
	} {
		p.mux.HandleFunc(pattern, p.page(h))
	}
	p.mux.Handle("/", p.cfg.Next)
}

// ServeHTTP answers a request.
func (p *Portal) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mux.ServeHTTP(w, r)
}

// page wraps what the portal itself answers: limits and headers.
func (p *Portal) page(h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		secure(w.Header(), p.cfg.TLS)
		if p.cfg.Admit != nil {
			if wait, ok := p.cfg.Admit(r); !ok {
				tooMany(w, wait)
				return
			}
		}
		h(w, r)
	}
}

// Reports is how many reports of a violated content security policy came in.
func (p *Portal) Reports() uint64 { return p.reports.count.Load() }

// host is the name of a request's host without its port, in lower case.
func host(r *http.Request) string {
	h := strings.ToLower(r.Host)
	if i := strings.LastIndexByte(h, ':'); i >= 0 && !strings.HasSuffix(h, "]") {
		h = h[:i]
	}
	return h
}
