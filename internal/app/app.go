package app

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"primum/internal/clock"
	"primum/internal/portal"
)

const (
	// DefaultPort is where the portal is unless a person chooses another: it
	// stays the same, because a browser keeps its keys by address.
	DefaultPort = 8430
	// Host is the name in the browser: passkeys work under it, and not under a
	// bare address.
	Host = "app.localhost"

	headerMax  = 16 << 10
	headerWait = 5 * time.Second
	bodyWait   = 30 * time.Second
	answerWait = 60 * time.Second
	stopWait   = 3 * time.Second
)

// Options of an App. The zero value listens on DefaultPort.
type Options struct {
	Port    int    // of 127.0.0.1; -1 takes a free one, 0 is DefaultPort
	Version string // of the software
	Clock   clock.Clock
	Log     *slog.Logger
	// Own are names of nodes in the person's own network.
	Own []string
	// TLSConfig is for nodes; nil: the system's authorities.
	TLSConfig *tls.Config
}

// App is the portal on this machine, for one person.
type App struct {
	listener net.Listener
	portal   *portal.Portal
	server   *http.Server
	host     string
}

// Open listens on 127.0.0.1 and nowhere else.
func Open(ctx context.Context, o Options) (*App, error) {
	port := o.Port
	switch port {
	case 0:
		port = DefaultPort
	case -1:
		port = 0
	}
	l, err := new(net.ListenConfig).Listen(ctx, "tcp4", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	_, have, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		return nil, errors.Join(fmt.Errorf("listen: %w", err), l.Close())
	}
	a := &App{listener: l, host: net.JoinHostPort(Host, have)}
	a.portal, err = portal.New(portal.Config{
		Host: a.host, Version: o.Version, Clock: o.Clock, Log: o.Log, Next: http.NotFoundHandler(),
		Alone: true, LAN: true, Own: o.Own, TLSConfig: o.TLSConfig,
	})
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	a.server = &http.Server{
		Handler: a, ReadHeaderTimeout: headerWait, ReadTimeout: bodyWait, WriteTimeout: answerWait, MaxHeaderBytes: headerMax,
		ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError),
	}
	return a, nil
}

// URL is the address of the portal.
func (a *App) URL() string { return "http://" + a.host + "/my" }

// Reports is how many violations of the page's policy the browser reported.
func (a *App) Reports() uint64 { return a.portal.Reports() }

// Serve answers until ctx ends; then it returns nil.
func (a *App) Serve(ctx context.Context) error {
	failed := make(chan error, 1)
	go func() { failed <- a.server.Serve(a.listener) }()
	select {
	case err := <-failed:
		a.portal.Stop()
		return fmt.Errorf("serve the portal: %w", err)
	case <-ctx.Done():
	}
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopWait)
	defer cancel()
	if err := a.server.Shutdown(stop); err != nil {
		_ = a.server.Close()
	}
	a.portal.Stop()
	return nil
}

// Close frees the port of an App that is not served.
func (a *App) Close() error {
	a.portal.Stop()
	return a.listener.Close()
}

// ServeHTTP lets in what was addressed to this portal by name, and comes from
// its own pages: another page's name that a resolver points to 127.0.0.1 (DNS
// rebinding) gets nothing, nor does another page's request.
func (a *App) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case a.byAddress(r.Host):
		u := url.URL{Scheme: "http", Host: a.host, Path: r.URL.Path}
		if r.Method != http.MethodGet {
			refuse(w, http.StatusMisdirectedRequest)
			return
		}
		http.Redirect(w, r, u.String(), http.StatusSeeOther)
	case !strings.EqualFold(r.Host, a.host):
		refuse(w, http.StatusMisdirectedRequest)
	case foreign(r, "http://"+a.host):
		refuse(w, http.StatusForbidden)
	case r.URL.Path == "/":
		http.Redirect(w, r, a.URL(), http.StatusSeeOther)
	default:
		a.portal.ServeHTTP(w, r)
	}
}

// byAddress tells whether a person typed this machine's address.
func (a *App) byAddress(host string) bool {
	_, port, err := net.SplitHostPort(a.host)
	return err == nil && (host == net.JoinHostPort("127.0.0.1", port) || host == net.JoinHostPort("localhost", port))
}

// foreign tells whether another page sent a request. Opening the portal by a
// link from elsewhere is a navigation, and is fine.
func foreign(r *http.Request, origin string) bool {
	if o := r.Header.Get("Origin"); o != "" && o != origin {
		return true
	}
	site := r.Header.Get("Sec-Fetch-Site")
	if r.Header.Get("Sec-Fetch-Mode") == "navigate" {
		return r.Method != http.MethodGet
	}
	return site == "cross-site" || site == "same-site"
}

func refuse(w http.ResponseWriter, status int) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	w.WriteHeader(status)
	_, _ = w.Write([]byte("This is primum app. It answers to its own page in this machine's browser, and to nobody else.\n"))
}
