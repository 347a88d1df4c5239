package peer

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"primum/identity"
	"primum/internal/sign"
	"primum/internal/wire"
)

// ErrUnreachable means that another domain's node gave no usable answer. It
// may do so later.
var ErrUnreachable = errors.New("the other domain's node can't be reached")

const (
	fetchTimeout = 10 * time.Second
	maxAnswer    = 1 << 20 // bytes of any answer of another node
	maxHeader    = 32 << 10
	maxRedirects = 2
)

func newClient(d Dialer, o Config) *http.Client {
	t := &http.Transport{
		DialContext:            d.DialContext,
		TLSClientConfig:        o.TLS,
		TLSHandshakeTimeout:    5 * time.Second,
		ResponseHeaderTimeout:  fetchTimeout,
		MaxIdleConns:           32,
		MaxIdleConnsPerHost:    2,
		MaxConnsPerHost:        8,
		IdleConnTimeout:        60 * time.Second,
		MaxResponseHeaderBytes: maxHeader,
		ForceAttemptHTTP2:      true,
	}
	return &http.Client{Transport: t, Timeout: fetchTimeout, CheckRedirect: sameHost}
}

// sameHost follows a redirect only within the host that was asked: a stranger
// must not choose whom this node contacts.
func sameHost(req *http.Request, via []*http.Request) error {
	first := via[0].URL
	if len(via) > maxRedirects || req.URL.Scheme != first.Scheme || req.URL.Host != first.Host {
		return errors.New("redirect to another host")
	}
	return nil
}

// request is one question to another node.
type request struct {
	method, authority, path, kind string // path begins with a slash
	body                          []byte
	signed                        bool
	max                           int64
}

// do asks another node, within the limits of its domain. Refusals are
// *wire.Problem; everything else is ErrUnreachable.
func (p *Peer) do(ctx context.Context, q request) ([]byte, error) {
	if err := p.may(q.authority); err != nil {
		return nil, err
	}
	select {
	case p.asking <- struct{}{}:
		defer func() { <-p.asking }()
	default:
		return nil, fmt.Errorf("%w: too many other nodes are being asked", ErrUnreachable)
	}
	req, err := p.build(ctx, q)
	if err != nil {
		return nil, err
	}
	resp, err := p.client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnreachable, plain(err))
	}
	defer func() { _ = resp.Body.Close() }()
	return readAnswer(resp, q.max)
}

func (p *Peer) build(ctx context.Context, q request) (*http.Request, error) {
	target := identity.BaseURL(q.authority) + q.path
	req, err := http.NewRequestWithContext(ctx, q.method, target, bytes.NewReader(q.body))
	if err != nil {
		return nil, fmt.Errorf("make request: %w", plain(err))
	}
	req.Header.Set("User-Agent", "primum/"+p.cfg.Version)
	if q.kind != "" {
		req.Header.Set("Content-Type", q.kind)
	}
	if !q.signed {
		return req, nil
	}
	sr := sign.Request{Method: q.method, TargetURI: target, Body: q.body}
	h, err := sign.Headers(sr, identity.NodeKeyID(p.cfg.Authority, KeyName), p.cfg.Key, p.cfg.Clock.Now(), sign.NewNonce())
	if err != nil {
		return nil, fmt.Errorf("sign request: %w", err)
	}
	for k, v := range h {
		req.Header.Set(k, v)
	}
	return req, nil
}

func readAnswer(resp *http.Response, limit int64) ([]byte, error) {
	if limit == 0 {
		limit = maxAnswer
	}
	b, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnreachable, plain(err))
	}
	if int64(len(b)) > limit {
		return nil, fmt.Errorf("%w: its answer has more than %d bytes", ErrUnreachable, limit)
	}
	if resp.StatusCode/100 == 2 {
		return b, nil
	}
	return nil, refusal(resp, b)
}

// refusal reads the problem of an answer, if it is one of ours.
func refusal(resp *http.Response, b []byte) error {
	var pr wire.Problem
	kind := strings.HasPrefix(resp.Header.Get("Content-Type"), "application/problem+json")
	if kind && json.Unmarshal(b, &pr) == nil && strings.HasPrefix(pr.Type, wire.ProblemPrefix) {
		pr.Status = resp.StatusCode
		pr.Title, pr.Detail = clip(pr.Title), clip(pr.Detail)
		return &pr
	}
	if resp.StatusCode == http.StatusNotFound {
		return &wire.Problem{Type: wire.ProblemPrefix + wire.ProbNotFound, Title: "Not found at the other domain", Status: http.StatusNotFound}
	}
	return fmt.Errorf("%w: it answered with status %d", ErrUnreachable, resp.StatusCode)
}

// plain takes the URL, which names people, out of an error of net/http.
func plain(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

// clip bounds what is passed on of a foreign node's words.
func clip(s string) string {
	if len(s) > 300 {
		s = s[:300]
	}
	if !identity.PlainText(s, 300) {
		return ""
	}
	return s
}
