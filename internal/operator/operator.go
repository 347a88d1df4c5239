package operator

import (
	"embed"
	"errors"
	"fmt"
	"html/template"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"
	"github.com/prometheus/client_golang/prometheus"

	"primum/internal/clock"
	"primum/internal/store"
	"primum/internal/words"
)

//go:embed templates/*.html
var templateFiles embed.FS

const root = "/operator"

// Pages is what the portal lends: the headers of its pages, the paths of its
// assets, and the visitor's language.
type Pages interface {
	Secure(http.Header)
	Asset(name string) string
	Language(http.ResponseWriter, *http.Request) string
}

// Config says what an operator sees. All but Metrics, Reports and Admit is
// needed.
type Config struct {
	Authority string
	Base      string // of every address of the node, without a final slash
	Version   string
	DataDir   string
	Invite    bool // accounts are by invitation
	Limits    []Limit
	Since     time.Time // when the node was started
	Clock     clock.Clock
	Log       *slog.Logger
	Store     *store.Store
	Pages     Pages
	// Metrics are the node's counters: refusals and sockets.
	Metrics prometheus.Gatherer
	// Reports is how many reports of a violated content security policy came.
	Reports func() uint64
	// Admit limits requests of one address; nil admits all.
	Admit func(*http.Request) (time.Duration, bool)
	// Next answers what is not below /operator.
	Next http.Handler
}

// Operator is the handler of the operators' page. It is safe for concurrent
// use.
type Operator struct {
	cfg      Config
	mux      *http.ServeMux
	pages    *template.Template
	passkeys *webauthn.WebAuthn
	host     string // name of the node, without a port
	tries    *tries
	speaks   *words.Book
}

// New builds the handler.
func New(cfg Config) (*Operator, error) {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	o := &Operator{cfg: cfg, mux: http.NewServeMux(), speaks: words.NewBook("operator")}
	var err error
	if o.passkeys, err = newPasskeys(cfg); err != nil {
		return nil, fmt.Errorf("open the operators' page: %w", err)
	}
	if o.tries, err = newTries(); err != nil {
		return nil, fmt.Errorf("open the operators' page: %w", err)
	}
	if o.pages, err = parsePages(); err != nil {
		return nil, fmt.Errorf("open the operators' page: %w", err)
	}
	o.host = o.passkeys.Config.RPID
	o.mount()
	return o, nil
}

func newPasskeys(cfg Config) (*webauthn.WebAuthn, error) {
	u, err := url.Parse(cfg.Base)
	if err != nil || u.Host == "" {
		return nil, errors.New("the node's address is no URL")
	}
	yes := true
	return webauthn.New(&webauthn.Config{
		RPID: hostOf(u.Host), RPDisplayName: "Primum " + cfg.Authority, RPOrigins: []string{u.Scheme + "://" + u.Host},
		AttestationPreference: protocol.PreferNoAttestation,
		AuthenticatorSelection: protocol.AuthenticatorSelection{
			RequireResidentKey: &yes, ResidentKey: protocol.ResidentKeyRequirementRequired,
			UserVerification: protocol.VerificationRequired,
		},
	})
}

// hostOf is the name in an authority, without a port.
func hostOf(authority string) string {
	if h, _, err := net.SplitHostPort(authority); err == nil {
		return h
	}
	return authority
}

// mount is all there is below /operator, in plain sight: what every operator
// reads, what a role may do, and how one logs in.
func (o *Operator) mount() {
	for pattern, h := range map[string]http.HandlerFunc{
		"GET " + root:                   o.read(o.getOverview),
		"GET " + root + "/accounts":     o.read(o.getAccounts),
		"GET " + root + "/invitations":  o.read(o.getInvitations),
		"GET " + root + "/notices":      o.read(o.getNotices),
		"GET " + root + "/operators":    o.read(o.getOperators),
		"GET " + root + "/log":          o.read(o.getLog),
		"POST " + root + "/invitations": o.write(Admin, o.postInvitation),
		"POST " + root + "/revoke":      o.write(Admin, o.postRevoke),
		"POST " + root + "/notices":     o.write(Publisher, o.postTakeDown),
		"POST " + root + "/logout":      o.write(Auditor, o.postLogout),
		"GET " + root + "/login":        o.getLogin,
		"POST " + root + "/login/begin": o.postLoginBegin,
		"POST " + root + "/login":       o.postLogin,
		"GET " + root + "/new":          o.getNew,
		"POST " + root + "/new/begin":   o.postNewBegin,
		"POST " + root + "/new":         o.postNew,
	} {
		o.mux.HandleFunc(pattern, h)
	}
	o.mux.HandleFunc(root+"/", o.missing)
}

// ServeHTTP answers what is below /operator, and hands on the rest.
func (o *Operator) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	below := r.URL.Path == root || strings.HasPrefix(r.URL.Path, root+"/")
	if !below || !strings.EqualFold(hostOf(r.Host), o.host) { // other names of this node have other pages
		o.cfg.Next.ServeHTTP(w, r)
		return
	}
	o.cfg.Pages.Secure(w.Header())
	w.Header().Set("Content-Security-Policy", policy("'none'"))
	if o.cfg.Admit != nil {
		if _, ok := o.cfg.Admit(r); !ok {
			w.Header().Set("Retry-After", "10")
			o.fail(w, r, http.StatusTooManyRequests, "operator.failed.often")
			return
		}
	}
	// A form or script of another site is refused before anything is read (the
	// cookie would not be sent with it either).
	if err := http.NewCrossOriginProtection().Check(r); err != nil {
		o.fail(w, r, http.StatusForbidden, "operator.failed.elsewhere")
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
	o.mux.ServeHTTP(w, r)
}

// policy is what an operator's page may do (CSP 3). Only the pages that use a
// passkey have a script.
func policy(script string) string {
	return "default-src 'none'; script-src " + script + "; style-src 'self'; img-src 'self' data:; connect-src 'self'; form-action 'self'; " +
		"frame-ancestors 'none'; base-uri 'none'; require-trusted-types-for 'script'; trusted-types 'none'; report-uri /csp; report-to primum"
}
