package portal

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"path"
	"strings"
	"sync"
	"time"

	"primum/identity"
	"primum/internal/peer"
	"primum/internal/wire"
)

const (
	viaPath = "/via/"
	lanPath = "/via-lan/"

	viaBody    = 1 << 20 // bytes of a request: a commit and its Welcome in base64
	viaAnswer  = 4 << 20
	viaWait    = 20 * time.Second
	viaHeaders = 32 << 10
	viaAtOnce  = 64   // requests and sockets of one person under way
	viaAll     = 4096 // of all persons
)

// carrier brings requests of a page to other nodes. The page signs them for
// their real address, so that whoever carries them can't change them.
type carrier struct {
	nodes, lan *http.Client

	mu  sync.Mutex
	of  map[string]int // guarded by mu; under way, by account
	all int            // guarded by mu
}

func newCarrier(c Config) *carrier {
	return &carrier{
		nodes: viaClient(peer.Dialer{Loopback: c.Loopback, Local: c.Alone, Own: c.Own}, c),
		lan:   viaClient(peer.Dialer{Private: true}, c),
		of:    map[string]int{},
	}
}

// viaClient follows no redirect: a signature is for the address that was asked.
// It never takes a cookie or a proxy's word.
func viaClient(d peer.Dialer, c Config) *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			DialContext: d.DialContext, TLSClientConfig: c.TLSConfig.Clone(), TLSHandshakeTimeout: 5 * time.Second, ResponseHeaderTimeout: viaWait,
			MaxIdleConns: 64, MaxIdleConnsPerHost: 4, MaxConnsPerHost: 32, IdleConnTimeout: time.Minute, MaxResponseHeaderBytes: viaHeaders,
			ForceAttemptHTTP2: true, DisableCompression: true,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// begin takes a place; end gives it back.
func (c *carrier) begin(account string) (end func(), ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.all >= viaAll || c.of[account] >= viaAtOnce {
		return nil, false
	}
	c.all++
	c.of[account]++
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.all--
		if c.of[account]--; c.of[account] <= 0 {
			delete(c.of, account)
		}
	}, true
}

// target is what a page wants to have asked.
type target struct {
	authority string // of a node, or host:port of an edge
	uri       string // path and query, exactly as the page sent them
	path      string
	base      string
}

// parseTarget reads /via/AUTHORITY/PATH as it was sent, not as it was cleaned.
func parseTarget(requestURI, prefix string) (t target, err error) {
	rest, ok := strings.CutPrefix(requestURI, prefix)
	name, uri, more := strings.Cut(rest, "/")
	if !ok || !more {
		return t, errors.New("no path is given")
	}
	if name, err = url.PathUnescape(name); err != nil {
		return t, errors.New("the authority can't be read")
	}
	t.authority, t.uri = name, "/"+uri
	u, err := url.ParseRequestURI(t.uri)
	if err != nil || u.Host != "" || u.Path != path.Clean(u.Path) {
		return t, errors.New("the path is not in its one form")
	}
	t.path = u.Path
	return t, nil
}

// errNoSession tells a page that there is no session to be had by this way: a
// node's is for its own pages, and `primum app` needs none.
var errNoSession = errors.New("a session is opened at its own node, by its own pages")

// forNode checks that a node's interface is meant, and nothing else on its host.
func (t target) forNode() (target, error) {
	authority, err := identity.ParseAuthority(t.authority)
	if err != nil || authority != t.authority {
		return t, errors.New("the authority is none, or not in its one form")
	}
	switch {
	case t.path == "/v1/session":
		return t, errNoSession
	case strings.HasPrefix(t.path, "/v1/"), t.path == wire.WebFingerPath, t.path == wire.NodePath:
	case strings.HasPrefix(t.path, "/ledger/"), strings.HasPrefix(t.path, "/witness/checkpoint/"):
	default:
		return t, errors.New("only a node's interface is asked")
	}
	t.base = identity.BaseURL(authority)
	return t, nil
}

// forEdge checks that the door of an edge is meant (docs/spec/door.md).
func (t target) forEdge() (target, error) {
	u, err := url.Parse("http://" + t.authority)
	if err != nil || u.Host != t.authority || u.Hostname() == "" || u.User != nil {
		return t, errors.New("the edge's address is not host:port")
	}
	if t.path != wire.DoorHello && !strings.HasPrefix(t.path, wire.DoorHello+"/") {
		return t, errors.New("only an edge's door is asked")
	}
	t.base = "http://" + t.authority
	return t, nil
}

// getVia carries a request, or a live socket, to another node. The own node
// needs no carrying: it answers itself.
func (p *Portal) getVia(w http.ResponseWriter, r *http.Request) {
	t, err := parseTarget(r.RequestURI, viaPath)
	if err == nil {
		t, err = t.forNode()
	}
	switch {
	case !p.admit(w, r):
	case errors.Is(err, errNoSession):
		refuse(w, http.StatusNotFound, wire.ProbNotFound, err.Error())
	case err != nil:
		refuse(w, http.StatusBadRequest, wire.ProbMalformed, err.Error())
	case !ownPage(r, p.originOf(r)):
		refuse(w, http.StatusForbidden, wire.ProbForbidden, "only this portal's own pages are served here")
	case t.authority == p.cfg.Authority && !p.cfg.Alone:
		p.own(w, r, t)
	case p.isLink(r):
		refuse(w, http.StatusForbidden, wire.ProbForbidden, "a link page speaks to its own node only")
	default:
		p.carry(w, r, t, p.carrier.nodes)
	}
}

// getLAN carries a request to an edge on the local network.
func (p *Portal) getLAN(w http.ResponseWriter, r *http.Request) {
	t, err := parseTarget(r.RequestURI, lanPath)
	if err == nil {
		t, err = t.forEdge()
	}
	switch {
	case !p.admit(w, r):
	case !p.cfg.LAN || p.isLink(r):
		refuse(w, http.StatusNotFound, wire.ProbNotFound, "this node reaches no local network; use primum app, or claim on the command line")
	case err != nil:
		refuse(w, http.StatusBadRequest, wire.ProbMalformed, err.Error())
	case !ownPage(r, p.originOf(r)):
		refuse(w, http.StatusForbidden, wire.ProbForbidden, "only this portal's own pages are served here")
	default:
		p.carry(w, r, t, p.carrier.lan)
	}
}

// ownPage tells whether a script of an own page sent a request: by Fetch
// Metadata, which a page can't change, else by Origin. A page of another
// subdomain has the cookie, too (it is of the same site), and is refused; so is
// a navigation, and what would be run or shown as an answer.
func ownPage(r *http.Request, origin string) bool {
	from := r.Header.Get("Origin")
	if from != "" && from != origin {
		return false
	}
	switch r.Header.Get("Sec-Fetch-Dest") {
	case "", "empty", "websocket":
	default:
		return false
	}
	if site := r.Header.Get("Sec-Fetch-Site"); site != "" {
		return site == "same-origin"
	}
	return from == origin
}

// own lets the node answer itself, as if it had been asked directly.
func (p *Portal) own(w http.ResponseWriter, r *http.Request, t target) {
	u, err := url.ParseRequestURI(t.uri)
	if err != nil {
		refuse(w, http.StatusBadRequest, wire.ProbMalformed, "the path can't be read")
		return
	}
	inner := r.Clone(r.Context())
	inner.URL, inner.RequestURI, inner.Host = u, t.uri, p.cfg.Authority
	inner.Header.Del("Cookie")
	p.cfg.Next.ServeHTTP(w, inner)
}

// carry checks who asks, takes a place, and carries.
func (p *Portal) carry(w http.ResponseWriter, r *http.Request, t target, client *http.Client) {
	account := ""
	if !p.cfg.Alone {
		var ok bool
		if account, ok = p.session(r); !ok {
			refuse(w, http.StatusUnauthorized, wire.ProbUnsigned, "open a session first: POST /v1/session")
			return
		}
	}
	if wait, ok := p.mayCarry(account); !ok {
		w.Header().Set("Retry-After", seconds(wait))
		refuse(w, http.StatusTooManyRequests, wire.ProbTooMany, "too many requests of your account")
		return
	}
	end, ok := p.carrier.begin(account)
	if !ok {
		w.Header().Set("Retry-After", "2")
		refuse(w, http.StatusTooManyRequests, wire.ProbTooMany, "too many requests are under way")
		return
	}
	if strings.EqualFold(r.Header.Get("Upgrade"), "websocket") {
		p.carrySocket(w, r, t, client, end)
		return
	}
	defer end()
	p.carryRequest(w, r, t, client)
}

func (p *Portal) session(r *http.Request) (string, bool) {
	if p.cfg.Session == nil {
		return "", false
	}
	return p.cfg.Session(r)
}

func (p *Portal) mayCarry(account string) (time.Duration, bool) {
	if p.cfg.MayCarry == nil {
		return 0, true
	}
	return p.cfg.MayCarry(account)
}

// carried are the headers that go out: what a signed request consists of.
// Never a cookie, an address or a name of the person's browser.
func carried() []string {
	return []string{"Accept", "Content-Type", "Content-Digest", "Signature", "Signature-Input"}
}

func (p *Portal) carryRequest(w http.ResponseWriter, r *http.Request, t target, client *http.Client) {
	ctx, cancel := context.WithTimeout(r.Context(), viaWait)
	defer cancel()
	switch r.Method {
	case http.MethodGet, http.MethodPost, http.MethodPut, http.MethodDelete:
	default:
		refuse(w, http.StatusMethodNotAllowed, wire.ProbMalformed, "only GET, POST, PUT and DELETE are carried")
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, viaBody))
	if err != nil {
		refuse(w, http.StatusRequestEntityTooLarge, wire.ProbTooLarge, "at most 1 MiB is carried")
		return
	}
	out, err := http.NewRequestWithContext(ctx, r.Method, t.base+t.uri, strings.NewReader(string(body)))
	if err != nil {
		refuse(w, http.StatusBadRequest, wire.ProbMalformed, "the address can't be read")
		return
	}
	for _, name := range carried() {
		if v := r.Header.Values(name); len(v) > 0 {
			out.Header[name] = v
		}
	}
	out.Header.Set("User-Agent", "primum/"+p.cfg.Version)
	resp, err := client.Do(out)
	if err != nil {
		p.unreachable(w, err)
		return
	}
	defer func() { _ = resp.Body.Close() }()
	carryBack(w, resp)
}

// carryBack hands the other node's answer on: its status, its body, and of its
// headers those that mean something to the engine. Nothing of it can become a
// page or a script of this origin.
func carryBack(w http.ResponseWriter, resp *http.Response) {
	body, err := io.ReadAll(io.LimitReader(resp.Body, viaAnswer+1))
	switch {
	case err != nil:
		refuse(w, http.StatusBadGateway, wire.ProbUnreachable, "the answer ended early")
		return
	case len(body) > viaAnswer:
		refuse(w, http.StatusBadGateway, wire.ProbUnreachable, "the answer has more than 4 MiB")
		return
	case resp.StatusCode < 200 || resp.StatusCode/100 == 3 || resp.StatusCode > 599:
		refuse(w, http.StatusBadGateway, wire.ProbUnreachable, "the answer leads elsewhere, or has no status that there is")
		return
	}
	carriedHeaders(w.Header())
	w.Header().Set("Content-Type", harmless(resp.Header.Get("Content-Type")))
	for _, name := range []string{"Retry-After", "Date"} {
		if v := resp.Header.Get(name); v != "" {
			w.Header().Set(name, v)
		}
	}
	w.WriteHeader(resp.StatusCode)
	_, _ = w.Write(body)
}

func carriedHeaders(h http.Header) {
	h.Set("Content-Security-Policy", "default-src 'none'; sandbox; frame-ancestors 'none'")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Content-Disposition", "attachment")
	h.Set("Cache-Control", "no-store")
}

// harmless keeps the types of the interface; all else is bytes.
func harmless(kind string) string {
	kind, _, _ = strings.Cut(kind, ";")
	switch kind = strings.ToLower(strings.TrimSpace(kind)); kind {
	case "application/json", "application/problem+json", "application/jrd+json", wire.JOSE, "message/mls":
		return kind
	}
	return "application/octet-stream"
}

func (p *Portal) unreachable(w http.ResponseWriter, err error) {
	switch {
	case errors.Is(err, peer.ErrPrivateAddress):
		refuse(w, http.StatusForbidden, wire.ProbForbidden, "the name leads into a private network")
	case errors.Is(err, peer.ErrPublicAddress):
		refuse(w, http.StatusForbidden, wire.ProbForbidden, "the address is not on the local network")
	default:
		refuse(w, http.StatusBadGateway, wire.ProbUnreachable, "the other node can't be reached")
	}
}
