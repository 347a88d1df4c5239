package engine

import (
	"context"
	"encoding/json"
	"net/url"

	"primum/client/link"
)

func (e *Engine) noticeHandlers() map[string]handler {
	return map[string]handler{
		"notice.put":    handle(e.noticePut),
		"notice.list":   handle(e.noticeList),
		"notice.remove": handle(e.noticeRemove),
		"push.key":      handle(e.pushKey),
		"push.set":      handle(e.pushSet),
	}
}

// own asks the own node as this client.
func (e *Engine) own(ctx context.Context, method, path string, in, out any) error {
	c, err := e.client()
	if err != nil {
		return err
	}
	return c.Home.JSON(ctx, c.Home.By, method, link.BaseURL(c.Home.Authority)+"/v1/"+path, in, out)
}

// noticePut publishes a thing's public page.
func (e *Engine) noticePut(ctx context.Context, n Notice) (out NoticeResult, err error) {
	if n.ID == "" {
		if n.ID, err = e.label(); err != nil {
			return out, err
		}
	}
	err = e.own(ctx, "PUT", "notices/"+url.PathEscape(n.ID), n, &out)
	return out, err
}

// noticeList lists the own public pages.
func (e *Engine) noticeList(ctx context.Context, _ Empty) ([]Notice, error) {
	var out struct {
		Notices []Notice `json:"notices"`
	}
	if err := e.own(ctx, "GET", "notices", nil, &out); err != nil {
		return nil, err
	}
	if out.Notices == nil {
		out.Notices = []Notice{}
	}
	return out.Notices, nil
}

// noticeRemove takes one down.
func (e *Engine) noticeRemove(ctx context.Context, p AlertParams) (Empty, error) {
	return Empty{}, e.own(ctx, "DELETE", "notices/"+url.PathEscape(p.ID), nil, nil)
}

// pushKey is the node's key for Web Push.
func (e *Engine) pushKey(ctx context.Context, _ Empty) (out PushKey, err error) {
	err = e.own(ctx, "GET", "push", nil, &out)
	return out, err
}

// pushSet switches Web Push on or, without a subscription, off.
func (e *Engine) pushSet(ctx context.Context, p PushParams) (Empty, error) {
	if len(p.Subscription) == 0 || string(p.Subscription) == "null" {
		return Empty{}, e.own(ctx, "DELETE", "push", nil, nil)
	}
	if !json.Valid(p.Subscription) {
		return Empty{}, &Error{Code: "params", Detail: "subscription"}
	}
	return Empty{}, e.own(ctx, "PUT", "push", p.Subscription, nil)
}
