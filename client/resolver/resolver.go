package resolver

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"

	"primum/identity"
	"primum/internal/wire"
	"primum/thing/id"
)

// MaxNodes is how many nodes one name leads through at most.
const MaxNodes = 8

// Errors of this package.
var (
	// ErrNobody: the name does not say whom to ask, and no domain was given.
	ErrNobody = errors.New("the name does not say whom to ask")
	// ErrLoop: nodes refer to one another, or through too many others.
	ErrLoop = errors.New("the nodes refer to one another without an end")
	// ErrReferral: a node refers to a place that a name can't lead to.
	ErrReferral = errors.New("a node refers to a place that is not allowed")
	// ErrLocal: the name leads to the caller's own machine, and nobody said that
	// this is meant.
	ErrLocal = errors.New("this machine itself, which is not asked on a name's word")
	// ErrUnreachable: a node can't be asked, or answers what can't be read.
	ErrUnreachable = errors.New("a node could not be asked")
)

// SilentError names a host that gave no answer. It is ErrUnreachable.
type SilentError struct {
	Host string
	Err  error // why
}

// Error is for programmers.
func (e *SilentError) Error() string { return e.Host + " did not answer: " + cause(e.Err) }

// Is makes it an ErrUnreachable.
func (e *SilentError) Is(target error) bool { return target == ErrUnreachable }

// Unwrap returns the network's error.
func (e *SilentError) Unwrap() error { return e.Err }

// DNS is what is asked of ordinary DNS. *net.Resolver does it.
type DNS interface {
	LookupHost(ctx context.Context, host string) ([]string, error)
	LookupAddr(ctx context.Context, addr string) ([]string, error)
	LookupSRV(ctx context.Context, service, proto, name string) (string, []*net.SRV, error)
	LookupTXT(ctx context.Context, name string) ([]string, error)
}

// Options of a resolver.
type Options struct {
	// HTTP makes the requests: it follows no redirects, sends no cookies, and
	// keeps to the dial rules (nethttp.Dialer).
	HTTP *http.Client
	DNS  DNS
	// Via is the domain of the node to ask first; "" for the one that the name
	// points to.
	Via string
	// Local tells whether a name may lead to an authority under .localhost: the
	// caller's own node, not any service of the caller's machine that somebody
	// printed on a thing. nil: to none. Via may be any.
	Local func(authority string) bool
	Agent string // User-Agent
	// Step, if any, is told every step when it is made.
	Step func(Step)
}

// What a step did.
const (
	StepDNS   = "dns"   // addresses of a host
	StepPTR   = "ptr"   // host of an address, confirmed the other way
	StepSRV   = "srv"   // where a host's directory of things is (DNS-SD)
	StepAsk   = "ask"   // a node was asked for the name
	StepRead  = "read"  // a public document was read
	StepRefer = "refer" // the node refers to another
)

// Step is one step on the way, as it is shown to people.
type Step struct {
	What   string `json:"what"`
	Asked  string `json:"asked"`           // host or URL
	Answer string `json:"answer"`          // in short
	Error  string `json:"error,omitempty"` // why it led nowhere
	// Err, if any, ends the way: *SilentError, ErrLocal.
	Err error `json:"-"`
}

// Result is where a name led.
type Result struct {
	Name   string          `json:"name"` // canonical
	Kind   string          `json:"kind"` // of name: "gs1", "dns" …
	Node   string          `json:"node"` // that answered last: base URL
	Answer wire.Resolution `json:"result"`
	Steps  []Step          `json:"steps"`
}

// Resolver follows names. It keeps nothing; its methods may be called
// concurrently.
type Resolver struct{ o Options }

// New makes a resolver.
func New(o Options) *Resolver { return &Resolver{o} }

// Resolve follows a name. An unknown name is no error. With an error the result
// holds the steps that were made. Errors: *id.Error, ErrNobody, ErrLoop,
// ErrReferral, ErrLocal, ErrUnreachable (*SilentError).
func (r *Resolver) Resolve(ctx context.Context, text string) (Result, error) {
	name, err := id.Parse(text)
	if err != nil {
		return Result{}, fmt.Errorf("read name: %w", err)
	}
	w := &walk{r: r, name: name, result: Result{Name: name.String(), Kind: string(name.Kind()), Steps: []Step{}}}
	err = w.run(ctx)
	return w.result, err
}

// walk is one resolution on its way.
type walk struct {
	r       *Resolver
	name    id.ID
	local   bool     // it began under .localhost, and may go there
	visited []string // base URLs
	result  Result
}

func (w *walk) step(s Step) {
	w.result.Steps = append(w.result.Steps, s)
	if w.r.o.Step != nil {
		w.r.o.Step(s)
	}
}

func (w *walk) run(ctx context.Context) error {
	first, err := w.first(ctx)
	if err != nil {
		return err
	}
	if first == "" { // a document has answered
		return nil
	}
	w.local = isLocal(first)
	for base := first; base != ""; {
		if slices.Contains(w.visited, base) || len(w.visited) == MaxNodes {
			return ErrLoop
		}
		w.visited = append(w.visited, base)
		w.result.Node = base
		if base, err = w.node(ctx, base); err != nil {
			return err
		}
	}
	return nil
}

// first is the node to begin with.
func (w *walk) first(ctx context.Context) (base string, err error) {
	if w.r.o.Via != "" {
		authority, err := identity.ParseAuthority(w.r.o.Via)
		if err != nil {
			return "", fmt.Errorf("read domain: %w", err)
		}
		return identity.BaseURL(authority), nil
	}
	switch {
	case w.name.Kind() == id.DIDWeb:
		return w.document(ctx)
	case w.name.Kind() == id.IP:
		return w.reverse(ctx)
	case w.name.Host() != "":
		return w.hostBase(w.name.Host())
	}
	return "", ErrNobody
}

// hostBase is the address of a host that a name or a record names. A port stands
// only under .localhost: what a stranger printed on a thing leads to web servers
// alone, and to none of the caller's own machine.
func (w *walk) hostBase(host string) (string, error) {
	authority, err := identity.ParseAuthority(host)
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrReferral, err)
	}
	base := identity.BaseURL(authority)
	if isLocal(base) && (w.r.o.Local == nil || !w.r.o.Local(authority)) {
		w.step(Step{What: StepAsk, Asked: base, Error: ErrLocal.Error(), Err: ErrLocal})
		return "", ErrLocal
	}
	return base, nil
}

// reverse asks DNS for the host of an address, and believes it only if that
// host has this address.
func (w *walk) reverse(ctx context.Context) (string, error) {
	addr := w.name.Addr().String()
	hosts, err := w.r.o.DNS.LookupAddr(ctx, addr)
	if err != nil {
		w.step(Step{What: StepPTR, Asked: addr, Error: plain(err)})
		return "", ErrNobody
	}
	for _, host := range hosts[:min(len(hosts), 4)] {
		host = strings.TrimSuffix(host, ".")
		back, err := w.r.o.DNS.LookupHost(ctx, host)
		if err == nil && slices.Contains(back, addr) {
			w.step(Step{What: StepPTR, Asked: addr, Answer: host})
			return w.hostBase(host)
		}
	}
	w.step(Step{What: StepPTR, Asked: addr, Error: "no host that has this address names it"})
	return "", ErrNobody
}

// next is the node that another refers to: https, or under .localhost where the
// way began there, so that no stranger's node sends a caller to services of
// the caller's own machine.
func (w *walk) next(handledBy string) (string, error) {
	u, err := url.Parse(handledBy)
	switch {
	case err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || len(handledBy) > 2048:
		return "", fmt.Errorf("%w: it is no address of a node", ErrReferral)
	case u.Scheme == "https" && !isLocal(handledBy):
		return strings.TrimSuffix(handledBy, "/"), nil
	case u.Scheme == "http" && isLocal(handledBy) && w.local:
		return strings.TrimSuffix(handledBy, "/"), nil
	}
	return "", fmt.Errorf("%w: %s", ErrReferral, u.Redacted())
}

func isLocal(base string) bool {
	u, err := url.Parse(base)
	return err == nil && identity.IsLoopback(strings.ToLower(strings.TrimSuffix(u.Hostname(), ".")))
}

// cause is the network's error without the addresses before it.
func cause(err error) string {
	var u *url.Error
	var op *net.OpError
	var call *os.SyscallError
	if errors.As(err, &u) {
		err = u.Err
	}
	if errors.As(err, &op) {
		err = op.Err
	}
	if errors.As(err, &call) {
		err = call.Err
	}
	return clip(plain(err))
}

// plain is an error of DNS without the address of the server that was asked.
func plain(err error) string {
	var d *net.DNSError
	if errors.As(err, &d) {
		return d.Err
	}
	return err.Error()
}
