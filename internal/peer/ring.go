package peer

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync"
	"time"

	"primum/identity"
	"primum/internal/store"
)

const (
	// ringPause is how seldom one client is rung.
	ringPause   = 10 * time.Minute
	ringBatch   = 64
	ringTries   = 20 // failures in a row until a subscription is forgotten
	ringAtATime = 8
	ringAnswer  = 16 << 10       // bytes of an answer that are read away
	tokenLife   = 12 * time.Hour // at most 24 (RFC 8292 §2)
	ringLife    = "86400"        // seconds that a push service keeps a push (RFC 8030 §5.2)
	maxEndpoint = 1024
)

// ErrEndpoint means that a push would not be sent to such an address.
var ErrEndpoint = errors.New("a push endpoint is an https address of at most 1,024 bytes")

// CheckEndpoint tells whether pushes are sent to an address.
func (p *Peer) CheckEndpoint(endpoint string) error {
	u, err := url.Parse(endpoint)
	if err != nil || len(endpoint) > maxEndpoint || u.Host == "" || u.User != nil || u.Fragment != "" {
		return ErrEndpoint
	}
	local := p.cfg.Loopback && u.Scheme == "http" && isLocalName(u.Hostname())
	if u.Scheme != "https" && !local {
		return ErrEndpoint
	}
	return nil
}

// PushKey is the node's public key for Web Push (RFC 8292 §3.2), in base64url.
func (p *Peer) PushKey(ctx context.Context) (string, error) {
	key, err := p.pushKey(ctx)
	if err != nil {
		return "", err
	}
	return publicKey(key)
}

func (p *Peer) pushKey(ctx context.Context) (*ecdsa.PrivateKey, error) {
	raw, err := p.cfg.Store.Pushes.Key(ctx, func() ([]byte, error) {
		k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return nil, err
		}
		return k.Bytes()
	})
	if err != nil {
		return nil, err
	}
	return ecdsa.ParseRawPrivateKey(elliptic.P256(), raw)
}

func publicKey(key *ecdsa.PrivateKey) (string, error) {
	b, err := key.PublicKey.Bytes()
	if err != nil {
		return "", fmt.Errorf("encode push key: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(b), nil
}

// Ring has the subscribed clients of an account rung: a push without content,
// soon, and each client at most once in ten minutes.
func (p *Peer) Ring(ctx context.Context, account string) {
	any, err := p.cfg.Store.Pushes.Ring(context.WithoutCancel(ctx), account)
	if err != nil {
		p.cfg.Log.Error("push not noted", "error", err)
		return
	}
	if any {
		select {
		case p.ring <- struct{}{}:
		default:
		}
	}
}

// RunRings rings who is due, until ctx ends.
func (p *Peer) RunRings(ctx context.Context) {
	for ctx.Err() == nil {
		wait, err := p.ringDue(ctx)
		if err != nil && ctx.Err() == nil {
			p.cfg.Log.Error("pushes not read", "error", err)
			wait = firstRetry
		}
		t := p.cfg.Clock.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-p.ring:
		case <-t.C():
		}
		t.Stop()
	}
}

// ringDue rings all that are due and says how long nobody will be.
func (p *Peer) ringDue(ctx context.Context) (time.Duration, error) {
	for ctx.Err() == nil {
		due, err := p.cfg.Store.Pushes.Due(ctx, p.cfg.Clock.Now(), ringPause, ringBatch)
		if err != nil {
			return 0, err
		}
		p.ringAll(ctx, due)
		if len(due) < ringBatch {
			break
		}
	}
	next, err := p.cfg.Store.Pushes.NextDue(ctx)
	if err != nil || next.IsZero() {
		return idleLook, err
	}
	return min(max(next.Sub(p.cfg.Clock.Now()), time.Second), idleLook), nil
}

func (p *Peer) ringAll(ctx context.Context, due []store.Push) {
	var all sync.WaitGroup
	places := make(chan struct{}, ringAtATime)
	for _, to := range due {
		places <- struct{}{}
		all.Go(func() {
			defer func() { <-places }()
			if err := p.ringOne(ctx, to); err != nil && ctx.Err() == nil {
				p.cfg.Log.Info("push not taken", "why", plain(err).Error())
			}
		})
	}
	all.Wait()
}

// ringOne sends one push (RFC 8030 §5) and keeps what came of it.
func (p *Peer) ringOne(ctx context.Context, to store.Push) error {
	status, err := p.push(ctx, to.Endpoint)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	pushes := p.cfg.Store.Pushes
	switch {
	case err == nil && status/100 == 2:
		return pushes.Rung(ctx, to, true, ringTries)
	case status == http.StatusNotFound, status == http.StatusGone: // RFC 8030 §7.3
		return pushes.Remove(ctx, to.Account, to.Client, to.Endpoint)
	case err == nil:
		err = fmt.Errorf("the push service answered with status %d", status)
	}
	return errors.Join(err, pushes.Rung(ctx, to, false, ringTries))
}

// push sends nothing but the wish to ring. The answer's body is not read.
func (p *Peer) push(ctx context.Context, endpoint string) (status int, err error) {
	if err := p.CheckEndpoint(endpoint); err != nil {
		return 0, err
	}
	authorization, err := p.vapid(ctx, endpoint)
	if err != nil {
		return 0, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint, http.NoBody)
	if err != nil {
		return 0, plain(err)
	}
	for name, value := range map[string]string{
		"Authorization": authorization, "TTL": ringLife, "Urgency": "normal", "Topic": "primum", "User-Agent": "primum/" + p.cfg.Version,
	} {
		req.Header.Set(name, value)
	}
	resp, err := p.client.Do(req)
	if err != nil {
		return 0, plain(err)
	}
	_, _ = io.CopyN(io.Discard, resp.Body, ringAnswer)
	return resp.StatusCode, resp.Body.Close()
}

// vapid is the value of Authorization with which a push service knows this
// node again (RFC 8292 §3).
func (p *Peer) vapid(ctx context.Context, endpoint string) (string, error) {
	key, err := p.pushKey(ctx)
	if err != nil {
		return "", err
	}
	u, err := url.Parse(endpoint)
	if err != nil {
		return "", ErrEndpoint
	}
	token, err := p.token(key, u.Scheme+"://"+u.Host)
	if err != nil {
		return "", err
	}
	public, err := publicKey(key)
	return "vapid t=" + token + ", k=" + public, err
}

// token is a JWT, signed ES256 (RFC 7515 §3.4: r and s, 32 bytes each).
func (p *Peer) token(key *ecdsa.PrivateKey, audience string) (string, error) {
	claims, err := json.Marshal(map[string]any{
		"aud": audience, "exp": p.cfg.Clock.Now().Add(tokenLife).Unix(), "sub": identity.BaseURL(p.cfg.Authority),
	})
	if err != nil {
		return "", fmt.Errorf("make push token: %w", err)
	}
	b64 := base64.RawURLEncoding
	text := b64.EncodeToString([]byte(`{"typ":"JWT","alg":"ES256"}`)) + "." + b64.EncodeToString(claims)
	sum := sha256.Sum256([]byte(text))
	r, s, err := ecdsa.Sign(rand.Reader, key, sum[:])
	if err != nil {
		return "", fmt.Errorf("sign push token: %w", err)
	}
	var signature [64]byte
	r.FillBytes(signature[:32])
	s.FillBytes(signature[32:])
	return text + "." + b64.EncodeToString(signature[:]), nil
}
