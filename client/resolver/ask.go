package resolver

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"primum/internal/wire"
	"primum/thing/id"
)

// reply is what a server said.
type reply struct {
	status int
	kind   string // media type
	body   []byte
}

// get reads a public document, within bounds and without following redirects.
func (w *walk) get(ctx context.Context, address, accept string) (reply, error) {
	return w.send(ctx, http.MethodGet, address, accept)
}

func (w *walk) send(ctx context.Context, method, address, accept string) (reply, error) {
	req, err := http.NewRequestWithContext(ctx, method, address, nil)
	if err != nil {
		return reply{}, fmt.Errorf("make request: %w", err)
	}
	req.Header.Set("Accept", accept)
	req.Header.Set("User-Agent", w.r.o.Agent)
	resp, err := w.r.o.HTTP.Do(req)
	if err != nil {
		return reply{}, &SilentError{req.URL.Host, err}
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, wire.MaxAnswer+1))
	if err != nil {
		return reply{}, &SilentError{req.URL.Host, err}
	}
	if len(body) > wire.MaxAnswer {
		return reply{}, fmt.Errorf("%w: the answer has more than %d bytes", ErrUnreachable, wire.MaxAnswer)
	}
	kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type")) // none is like a wrong one
	return reply{resp.StatusCode, kind, body}, nil
}

// node asks one node and says which one is next, "" for none.
func (w *walk) node(ctx context.Context, base string) (next string, err error) {
	if err := w.addresses(ctx, base); err != nil {
		return "", w.elsewhere(ctx, base, err)
	}
	address := base + wire.ResolvePath + "?id=" + url.QueryEscape(w.name.String())
	got, err := w.get(ctx, address, "application/json")
	if err != nil {
		w.failed(StepAsk, address, err)
		return "", err
	}
	a, ok := readAnswer(got)
	if !ok {
		w.step(Step{What: StepAsk, Asked: address, Error: "HTTP " + strconv.Itoa(got.status) + ": not a node that resolves names"})
		return "", w.stock(ctx, base)
	}
	w.result.Answer = a
	w.step(Step{What: StepAsk, Asked: address, Answer: said(a)})
	if a.Answer != wire.AnswerReferral {
		return "", nil
	}
	return w.refer(a)
}

// refer takes note of a referral.
func (w *walk) refer(a wire.Resolution) (string, error) {
	next, err := w.next(a.HandledBy)
	s := Step{What: StepRefer, Asked: a.Covers, Answer: a.HandledBy}
	if err != nil {
		s.Error = err.Error()
	}
	w.step(s)
	return next, err
}

// readAnswer reads what a node says to a name: an answer, a referral, or the
// problem that it knows none.
func readAnswer(got reply) (a wire.Resolution, ok bool) {
	switch {
	case got.status == http.StatusNotFound && got.kind == "application/problem+json":
		var p wire.Problem
		if json.Unmarshal(got.body, &p) != nil || !p.Named(wire.ProbNotFound) {
			return a, false
		}
		return wire.Resolution{Answer: wire.AnswerUnknown}, true
	case got.kind != "application/json" || json.Unmarshal(got.body, &a) != nil:
		return a, false
	case got.status == http.StatusOK:
		return a, a.Answer == wire.AnswerFound
	case got.status == http.StatusTemporaryRedirect:
		return a, a.Answer == wire.AnswerReferral && a.HandledBy != ""
	}
	return a, false
}

func said(a wire.Resolution) string {
	switch {
	case a.Answer == wire.AnswerFound && a.Title != "":
		return a.Answer + ", " + a.Level + ": " + a.Title
	case a.Answer == wire.AnswerFound:
		return a.Answer + ", " + a.Level
	}
	return a.Answer
}

// addresses looks a host up. Hosts under .localhost are this machine (RFC 6761
// §6.3) and nobody is asked for them.
func (w *walk) addresses(ctx context.Context, base string) error {
	u, err := url.Parse(base)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrReferral, err)
	}
	if isLocal(base) {
		w.step(Step{What: StepDNS, Asked: u.Hostname(), Answer: "127.0.0.1"})
		return nil
	}
	list, err := w.r.o.DNS.LookupHost(ctx, u.Hostname())
	if err != nil {
		silent := &SilentError{u.Hostname(), err}
		w.failed(StepDNS, u.Hostname(), silent)
		return silent
	}
	w.step(Step{What: StepDNS, Asked: u.Hostname(), Answer: strings.Join(list, ", ")})
	return nil
}

// elsewhere is for a host without an address: DNS-SD may tell where its Thing
// Description is (W3C WoT Discovery, DNS-based; RFC 6763 §6). Else it is why there
// is none.
func (w *walk) elsewhere(ctx context.Context, base string, why error) error {
	u, err := url.Parse(base)
	if err != nil || w.name.Kind() != id.DNS {
		return why
	}
	// The first is the instance that "primum quickstart" prints for a directory.
	asked, list := "directory._wot._tcp."+u.Hostname(), []*net.SRV(nil)
	for _, asked = range []string{asked, "_wot._tcp." + u.Hostname()} {
		if _, list, err = w.r.o.DNS.LookupSRV(ctx, "", "", asked); err == nil && len(list) > 0 {
			break
		}
	}
	if err != nil || len(list) == 0 {
		w.step(Step{What: StepSRV, Asked: asked, Error: "no such record"})
		return why
	}
	path := "/.well-known/wot"
	if texts, err := w.r.o.DNS.LookupTXT(ctx, asked); err == nil {
		for _, t := range texts {
			if td, ok := strings.CutPrefix(t, "td="); ok && strings.HasPrefix(td, "/") {
				path = td
			}
		}
	}
	host := strings.TrimSuffix(list[0].Target, ".")
	w.step(Step{What: StepSRV, Asked: asked, Answer: net.JoinHostPort(host, strconv.Itoa(int(list[0].Port)))})
	if list[0].Port != 443 {
		return fmt.Errorf("%w: %s is not reached over HTTPS", ErrReferral, host)
	}
	target, err := w.hostBase(host)
	if err != nil {
		return err
	}
	return w.described(ctx, target, path)
}

// stock reads from a server that is no node of ours what others' standards say
// about a name.
func (w *walk) stock(ctx context.Context, base string) error {
	if k, ok := w.name.Key(); ok {
		return w.digitalLink(ctx, base, k)
	}
	switch w.name.Kind() {
	case id.DNS:
		return w.described(ctx, base, "/.well-known/wot")
	case id.URL:
		return w.page(ctx)
	}
	w.result.Answer = wire.Resolution{Answer: wire.AnswerUnknown}
	return nil
}

// page looks whether a URL leads to something; what it is, is not known.
func (w *walk) page(ctx context.Context) error {
	address := w.name.String()
	if !strings.HasPrefix(address, w.result.Node+"/") && address != w.result.Node {
		w.result.Answer = wire.Resolution{Answer: wire.AnswerUnknown}
		return nil // another node was to be asked: it does not know the name
	}
	got, err := w.send(ctx, http.MethodHead, address, "*/*")
	if err != nil {
		w.failed(StepRead, address, err)
		return err
	}
	w.step(Step{What: StepRead, Asked: address, Answer: "HTTP " + strconv.Itoa(got.status)})
	w.result.Answer = wire.Resolution{Answer: wire.AnswerUnknown}
	if got.status == http.StatusOK {
		w.result.Answer = wire.Resolution{
			Answer: wire.AnswerFound, Level: wire.LevelThing, ID: address, Links: []wire.NamedLink{{Rel: "about", Href: address, Type: got.kind}},
		}
	}
	return nil
}

// described reads a Thing Description.
func (w *walk) described(ctx context.Context, base, path string) error {
	got, err := w.get(ctx, base+path, "application/td+json")
	if err != nil {
		w.failed(StepRead, base+path, err)
		return err
	}
	var td struct {
		ID    string `json:"id"`
		Title string `json:"title"`
	}
	if got.status != http.StatusOK || json.Unmarshal(got.body, &td) != nil || td.Title == "" {
		w.step(Step{What: StepRead, Asked: base + path, Error: "HTTP " + strconv.Itoa(got.status) + ": no Thing Description"})
		w.result.Answer = wire.Resolution{Answer: wire.AnswerUnknown}
		return nil
	}
	w.step(Step{What: StepRead, Asked: base + path, Answer: td.Title})
	w.result.Node = base
	w.result.Answer = wire.Resolution{
		Answer: wire.AnswerFound, Level: wire.LevelThing, ID: td.ID, Title: td.Title,
		Links: []wire.NamedLink{{Rel: "describedby", Href: base + path, Title: td.Title, Type: "application/td+json"}},
	}
	return nil
}

// failed takes note of a step that ended the way.
func (w *walk) failed(what, asked string, err error) {
	s := Step{What: what, Asked: asked, Error: clip(err.Error())}
	var silent *SilentError
	if errors.As(err, &silent) {
		s.Error, s.Err = "no answer: "+cause(silent.Err), silent
	}
	w.step(s)
}

// clip bounds a text for one line of a list.
func clip(s string) string {
	if len(s) > 200 {
		s = strings.ToValidUTF8(s[:200], "") + "…"
	}
	return s
}
