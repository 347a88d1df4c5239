package link

import (
	"context"
	"net/url"
	"strconv"
	"time"

	"primum/internal/wire"
)

// NewLink makes a link to share by; idempotent.
func (n Node) NewLink(ctx context.Context, id string, l wire.NewLink) error {
	return n.JSON(ctx, n.By, "PUT", n.url("links", id), l, nil)
}

// Link reads how far a link is. While its step is still after, the node waits
// for the next, at most for wait (whole seconds; 15 s are the most).
func (n Node) Link(ctx context.Context, id, after string, wait time.Duration) (s wire.LinkStatus, err error) {
	q := url.Values{"after": {after}, "wait": {strconv.Itoa(int(wait / time.Second))}}
	return s, n.JSON(ctx, Key{}, "GET", n.url("links", id)+"?"+q.Encode(), nil, &s)
}

// AnswerLink opens a guest's account; idempotent.
func (n Node) AnswerLink(ctx context.Context, id string, a wire.LinkAnswer) error {
	return n.JSON(ctx, Key{}, "POST", n.url("links", id, "answer"), a, nil)
}

// RevealLink shows the guest what the link's owner committed to; idempotent.
func (n Node) RevealLink(ctx context.Context, id string, r wire.LinkReveal) error {
	return n.JSON(ctx, n.By, "POST", n.url("links", id, "reveal"), r, nil)
}

// CancelLink ends a link without a grant, and its guest; idempotent.
func (n Node) CancelLink(ctx context.Context, id string) error {
	return n.JSON(ctx, n.By, "DELETE", n.url("links", id), nil, nil)
}
