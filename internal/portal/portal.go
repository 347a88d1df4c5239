package portal

import (
	"context"
	"crypto/tls"
	"fmt"
	"html/template"
	"io/fs"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"primum/identity"
	"primum/internal/answer"
	"primum/internal/clock"
	"primum/internal/open"
	"primum/internal/wire"
	"primum/internal/words"
	"primum/thing/id"
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
	// Notice reads a thing's public page; its error is store.ErrNotFound where
	// there is none. nil: this portal has none.
	Notice func(ctx context.Context, id string) (wire.Notice, error)
	// Contact is how to reach the operator: mailto: or https:, or empty.
	Contact string

	// Session names the account whose page sent a request; nil: nobody has one.
	Session func(*http.Request) (account string, ok bool)
	// MayCarry limits what is carried for one account; nil does not limit.
	MayCarry func(account string) (time.Duration, bool)
	// Loopback allows to carry to this machine and private networks: a node
	// under .localhost.
	Loopback bool
	// Alone is `primum app`: one person's own machine, where no session is
	// needed and no node is at home.
	Alone bool
	// Own are host names that may have private addresses, for Alone.
	Own []string
	// LAN carries to edges on the local network.
	LAN bool
	// TLSConfig is for carried requests; nil: the system's authorities.
	TLSConfig *tls.Config
	// Since is when the node was started, for the start page.
	Since time.Time

	// Facts are the node's public documents; nil: this portal has no page about
	// an operator.
	Facts FactSource
	// Measurements are what published results of checks say; nil: none.
	Measurements func(context.Context) (wire.Measurements, error)
	// LogState is the state of the public log; nil: nothing is said of it.
	LogState func() LogState
	// Services is what accounts of this node offer; nil: no such page.
	Services ServiceSource
	// Sworn reads an oath's document; nil: none is shown.
	Sworn func(doc []byte) (Oath, error)

	// Open are the node's open services; nil: there are no pages about them.
	Open OpenSource
	// Class tells what is known of a product code, or open.ErrUnknown; nil: there
	// are no pages about product codes.
	Class func(ctx context.Context, class id.Key, language string) (open.Class, error)
}

// Portal is the handler of all pages. It is safe for concurrent use.
type Portal struct {
	cfg     Config
	base    string // of the node, without a final slash
	origin  string // of the pages
	mux     *http.ServeMux
	link    *http.ServeMux // of the link pages' origin
	assets  *assets
	pages   *template.Template
	reports reports
	carrier *carrier
	said    *words.Book
	sockets sync.WaitGroup
	ctx     context.Context // ends at Stop
	cancel  context.CancelFunc

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
	p := &Portal{cfg: cfg, base: identity.BaseURL(cfg.Authority), mux: http.NewServeMux(), carrier: newCarrier(cfg)}
	p.origin = p.base
	if cfg.Host != "" {
		p.origin = "http://" + cfg.Host
	}
	var err error
	if p.assets, err = loadAssets(cfg.Assets, cfg.Version); err != nil {
		return nil, fmt.Errorf("open portal: %w", err)
	}
	if p.assets.broken != nil {
		cfg.Log.Error("the pages are not whole; build them again (make web)", "error", p.assets.broken)
	}
	if p.pages, err = parsePages(); err != nil {
		return nil, fmt.Errorf("open portal: %w", err)
	}
	p.said = words.NewBook("*")
	p.ctx, p.cancel = context.WithCancel(context.Background())
	p.mount()
	p.mountLink()
	return p, nil
}

// Stop ends the carried sockets and waits for them.
func (p *Portal) Stop() {
	p.cancel()
	p.sockets.Wait()
	p.carrier.nodes.CloseIdleConnections()
	p.carrier.lan.CloseIdleConnections()
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
		"GET /thing/{id}":              answer.ForAll(http.HandlerFunc(p.getThing), p.getNotice),
	} {
		p.mux.HandleFunc(pattern, p.page(h))
	}
	p.mux.HandleFunc("GET "+wire.NodePath, p.forBrowsers(p.showFacts))
	p.mux.HandleFunc("GET "+wire.FactPath("{sha256}"), p.forBrowsers(p.showDocument))
	p.mux.Handle("/", p.cfg.Next)
}

// ServeHTTP answers a request. What is carried is read as it was sent, before
// the mux would clean its path.
func (p *Portal) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case strings.HasPrefix(r.RequestURI, viaPath):
		p.getVia(w, r)
	case strings.HasPrefix(r.RequestURI, lanPath):
		p.getLAN(w, r)
	case p.isLink(r):
		p.link.ServeHTTP(w, r)
	default:
		p.mux.ServeHTTP(w, r)
	}
}

// page wraps what the portal itself answers: limits and headers.
func (p *Portal) page(h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		secure(w.Header(), p.cfg.TLS)
		if p.admit(w, r) {
			h(w, r)
		}
	}
}

// admit counts a request towards its address's limit, and answers where that is
// reached.
func (p *Portal) admit(w http.ResponseWriter, r *http.Request) bool {
	if p.cfg.Admit == nil {
		return true
	}
	wait, ok := p.cfg.Admit(r)
	if !ok {
		tooMany(w, wait)
	}
	return ok
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
