package httpdoor

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/http"
	"time"

	"primum/client/guest"
	"primum/client/keys"
	"primum/internal/store"
	"primum/internal/wire"
)

// overlap is how long a session holds after a newer one of the same client, for
// the requests that are under way.
const overlap = time.Minute

// forPersons refuses guests by link, who have their one grant and nothing else.
func (d *Door) forPersons(handle func(context.Context, *call) (any, error)) func(context.Context, *call) (any, error) {
	return func(ctx context.Context, c *call) (any, error) {
		if guest.IsGuest(c.who.account) {
			return nil, problem(wire.ProbForbidden, "a guest by link has no portal here")
		}
		return handle(ctx, c)
	}
}

// postSession gives a page the cookie with which this node carries its requests
// to other nodes. Each call makes a new one; the one before ends.
func (d *Door) postSession(ctx context.Context, c *call) (any, error) {
	var secret [32]byte
	_, _ = rand.Read(secret[:]) // never fails (crypto/rand)
	token := base64.RawURLEncoding.EncodeToString(secret[:])
	hash := sha256.Sum256([]byte(token))
	s := store.PageSession{
		Hash: hash[:], Account: c.who.accountName(), Client: c.who.client, Opened: c.now, Until: c.now.Add(wire.SessionLife),
	}
	if err := d.cfg.Store.Sessions.Open(ctx, s, c.now.Add(overlap)); err != nil {
		return nil, err
	}
	http.SetCookie(c.w, d.cookie(token, int(wire.SessionLife/time.Second)))
	return nil, nil
}

// deleteSession ends the calling client's sessions.
func (d *Door) deleteSession(ctx context.Context, c *call) (any, error) {
	if err := d.cfg.Store.Sessions.End(ctx, c.who.accountName(), c.who.client); err != nil {
		return nil, err
	}
	http.SetCookie(c.w, d.cookie("", -1))
	return nil, nil
}

// cookie is for this host alone and for requests of its own pages (RFC 6265bis
// §4.1.3, §5.6.7).
func (d *Door) cookie(value string, maxAge int) *http.Cookie {
	return &http.Cookie{
		Name: d.cookieName(), Value: value, Path: "/", MaxAge: maxAge, Secure: d.cfg.TLS, HttpOnly: true, SameSite: http.SameSiteStrictMode,
	}
}

func (d *Door) cookieName() string {
	if d.cfg.TLS {
		return "__Host-" + wire.SessionCookie
	}
	return wire.SessionCookie
}

// PageSession names the account whose page sent a request, by its cookie. It is
// false without a session that still holds.
func (d *Door) PageSession(r *http.Request) (account string, ok bool) {
	c, err := r.Cookie(d.cookieName())
	if err != nil || c.Value == "" {
		return "", false
	}
	hash := sha256.Sum256([]byte(c.Value))
	s, err := d.cfg.Store.Sessions.Get(r.Context(), hash[:], d.cfg.Clock.Now())
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		d.cfg.Log.Error("session not read", "error", err)
	}
	return s.Account, err == nil
}

// putKeep stores the wrapped copies of an account's identity key.
func (d *Door) putKeep(ctx context.Context, c *call) (any, error) {
	k, err := keys.ParseKeep(c.body)
	if err != nil {
		return nil, problem(wire.ProbMalformed, "the body is no keep")
	}
	if k.Account != c.who.account {
		return nil, at(problem(wire.ProbForbidden, "the keep is another account's"), "/account")
	}
	err = d.cfg.Store.Keeps.Put(ctx, store.Keep{Account: c.who.accountName(), Serial: k.Serial, Changed: c.now, Document: c.body})
	if errors.Is(err, store.ErrConflict) {
		return nil, at(problem(wire.ProbConflict, "a keep of this or a later serial is stored"), "/serial")
	}
	return nil, err
}

// getKeep gives anyone the wrapped copies: without the person's secret they are
// noise. An account without any is answered with noise of the same form, which
// stays the same, so that asking tells nothing.
func (d *Door) getKeep(ctx context.Context, c *call) (any, error) {
	account, err := d.localAccount(c.r.PathValue("user"))
	if err != nil {
		return nil, err
	}
	if wait, ok := d.keeps.take(d.addressOf(c.r)); !ok {
		return nil, tooMany(wait, "keeps asked for from your address")
	}
	answer, err := d.decoy(account)
	if err != nil {
		return nil, err
	}
	kept, err := d.cfg.Store.Keeps.Get(ctx, account.String())
	if err == nil {
		answer = kept.Document
	}
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return nil, err
	}
	return raw{kind: typeJSON, bytes: answer}, nil
}
