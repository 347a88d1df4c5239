package link

import (
	"context"
	"crypto"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"strings"

	"primum/internal/clock"
	"primum/internal/sign"
	"primum/internal/wire"
)

// Key is who signs a request: an account's client ("acct:a@h#phone"), an
// anchor's leaf ("circle:HEX"). The zero Key leaves a request unsigned.
type Key struct {
	ID     string
	Signer crypto.Signer
}

// Calls makes single requests to nodes. It has no state; safe for concurrent
// use. Clock, Rand and Log may be nil.
type Calls struct {
	Transport Transport
	Clock     clock.Clock
	Rand      io.Reader
	Log       *slog.Logger
}

func (c Calls) WithDefaults() Calls {
	if c.Clock == nil {
		c.Clock = clock.Real()
	}
	if c.Rand == nil {
		c.Rand = rand.Reader
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

// BaseURL is where the node of an authority answers: plain HTTP under
// .localhost, TLS everywhere else.
func BaseURL(authority string) string {
	host, _, _ := strings.Cut(authority, ":")
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return "http://" + authority
	}
	return "https://" + authority
}

// Send makes one signed request and returns the answer. An answer that is no
// 2xx is a *wire.Problem, also where the node sent none.
func (c Calls) Send(ctx context.Context, by Key, r Request) (Response, error) {
	c = c.WithDefaults()
	if by.Signer != nil {
		if err := c.sign(&r, by); err != nil {
			return Response{}, err
		}
	}
	resp, err := c.Transport.Do(ctx, r)
	if err != nil {
		return Response{}, fmt.Errorf("ask %s: %w", hostOf(r.URL), err)
	}
	if resp.Status/100 != 2 {
		return resp, problemOf(resp, hostOf(r.URL))
	}
	return resp, nil
}

func (c Calls) sign(r *Request, by Key) error {
	sr := sign.Request{Method: r.Method, TargetURI: r.URL, Body: r.Body}
	h, err := sign.Headers(sr, by.ID, by.Signer, c.Clock.Now(), sign.NewNonce())
	if err != nil {
		return fmt.Errorf("sign request to %s: %w", hostOf(r.URL), err)
	}
	if r.Header == nil {
		r.Header = make(map[string]string, len(h))
	}
	for k, v := range h {
		r.Header[k] = v
	}
	return nil
}

// JSON sends in as JSON (nil for no body) and reads the answer into out (nil
// to ignore it).
func (c Calls) JSON(ctx context.Context, by Key, method, address string, in, out any) error {
	r := Request{Method: method, URL: address}
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return fmt.Errorf("encode request: %w", err)
		}
		r.Body, r.Header = b, map[string]string{"Content-Type": "application/json"}
	}
	resp, err := c.Send(ctx, by, r)
	if err != nil || out == nil {
		return err
	}
	if err := json.Unmarshal(resp.Body, out); err != nil {
		return fmt.Errorf("read answer of %s: %w", hostOf(address), err)
	}
	return nil
}

// problemOf reads an RFC 9457 problem, or makes one of a bare status.
func problemOf(resp Response, host string) error {
	var p wire.Problem
	ok := strings.HasPrefix(resp.Header["content-type"], "application/problem+json") &&
		json.Unmarshal(resp.Body, &p) == nil && p.Type != ""
	if !ok {
		p = wire.Problem{Type: "about:blank", Title: fmt.Sprintf("%s answered with status %d", host, resp.Status)}
	}
	p.Status = resp.Status
	if resp.Status/100 == 5 {
		return fmt.Errorf("%w: %w", ErrUnreachable, &p)
	}
	return &p
}

// IsProblem tells whether err is or wraps the named problem (wire.Prob…).
func IsProblem(err error, name string) bool {
	var p *wire.Problem
	return errors.As(err, &p) && p.Named(name)
}

func hostOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return "the node"
	}
	return u.Host
}
