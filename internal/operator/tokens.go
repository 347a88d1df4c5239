package operator

import (
	"context"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"path/filepath"
	"strings"
	"time"

	"primum/internal/clock"
	"primum/internal/durable"
	"primum/internal/store"
	"primum/internal/wire"
)

// TokenFile holds, in the data directory of a node, the token of those who are
// on its machine, mode 0600. Their changes stand in the log as the terminal's.
const TokenFile = "publisher.token"

// tokenBegin lets scanners for secrets know what they found.
const tokenBegin = "primum_pub_"

// newToken is a token's text (256 random bits) and the hash by which it is
// kept.
func newToken() (text string, hash []byte) {
	text = tokenBegin + base64.RawURLEncoding.EncodeToString(random(32))
	return text, hashOf(text)
}

// AddToken makes a token for a publisher; an earlier one of that name ends. It
// is shown here only: the node keeps its hash. Errors: ErrName.
func AddToken(ctx context.Context, st *store.Store, name string, now time.Time) (string, error) {
	if !nameForm.MatchString(name) {
		return "", ErrName
	}
	text, hash := newToken()
	act := store.Act{At: now, Who: Console, Act: actTokenAdded, About: name}
	if err := st.Tokens.Add(ctx, store.Token{Name: name, Hash: hash, Added: now}, act); err != nil {
		return "", fmt.Errorf("add token: %w", err)
	}
	return text, nil
}

// RemoveToken ends a publisher's token; store.ErrNotFound.
func RemoveToken(ctx context.Context, st *store.Store, name string, now time.Time) error {
	return st.Tokens.Remove(ctx, name, store.Act{At: now, Who: Console, Act: actTokenRemoved, About: name})
}

// Publishers are those who may change what the node shows to everybody. It is
// safe for concurrent use.
type Publishers struct {
	tokens *store.Tokens
	clock  clock.Clock
	own    []byte // hash of the machine's own token
}

// OpenPublishers reads the machine's own token, or makes it on the first start.
func OpenPublishers(st *store.Store, c clock.Clock, dataDir string) (*Publishers, error) {
	file := filepath.Join(dataDir, TokenFile)
	b, err := durable.ReadFile(file)
	text := strings.TrimSpace(string(b))
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(text) < len(tokenBegin)+43 {
		text, _ = newToken()
		err = durable.WriteFile(file, []byte(text+"\n"))
	}
	if err != nil {
		return nil, fmt.Errorf("open the publishers' tokens: %w", err)
	}
	return &Publishers{tokens: st.Tokens, clock: c, own: hashOf(text)}, nil
}

// Name tells whose token a request carries (Authorization: Bearer, RFC 6750
// §2.1). The error is a *wire.Problem of status 401 if it carries none that
// holds now, else the store's.
func (p *Publishers) Name(r *http.Request) (string, error) {
	scheme, text, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	text = strings.TrimSpace(text)
	if !strings.EqualFold(scheme, "Bearer") || !strings.HasPrefix(text, tokenBegin) || len(text) != len(tokenBegin)+43 {
		return "", needsToken("send Authorization: Bearer with a publisher's token")
	}
	hash := hashOf(text)
	if subtle.ConstantTimeCompare(hash, p.own) == 1 {
		return Console, nil
	}
	// The look-up compares hashes of what was sent: its time tells nothing that
	// helps to find a token.
	k, err := p.tokens.ByHash(r.Context(), hash)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return "", needsToken("this token is unknown, or was removed")
	case err != nil:
		return "", err
	case subtle.ConstantTimeCompare(hash, k.Hash) != 1:
		return "", needsToken("this token is unknown, or was removed")
	}
	return k.Name, nil
}

func needsToken(detail string) error {
	return &wire.Problem{
		Type: wire.ProblemPrefix + wire.ProbToken, Title: "A publisher's token is needed", Status: http.StatusUnauthorized, Detail: detail,
	}
}

// Note writes into the operators' log what a publisher is about to change:
// call it before the change, so that none is without its line. act is one of
// the store's Act… names; about says which thing, in at most 300 characters.
func (p *Publishers) Note(ctx context.Context, name, act, about string) error {
	if runes := []rune(about); len(runes) > reasonMost {
		about = string(runes[:reasonMost-1]) + "…"
	}
	return p.tokens.Act(ctx, store.Act{At: p.clock.Now(), Who: name, Act: act, About: about})
}
