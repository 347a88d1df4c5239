package browser

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall/js"
	"time"

	"primum/client"
)

const (
	defaultMax = 2 << 20
	timeout    = 30 * time.Second
)

// Transport implements client.Transport by the browser's fetch and WebSocket.
// Safe for concurrent use.
type Transport struct{ origin Origin }

// New makes a transport of an origin.
func New(o Origin) *Transport {
	o.Base = strings.TrimSuffix(o.Base, "/")
	return &Transport{origin: o}
}

// Do implements client.Transport. Redirects are not followed: a signature is
// over the address that was asked.
func (t *Transport) Do(ctx context.Context, r client.Request) (client.Response, error) {
	address, err := t.origin.Carry(r.URL)
	if err != nil {
		return client.Response{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	abort := js.Global().Get("AbortController").New()
	stop := func() { abort.Call("abort") }
	resp, err := await(ctx, js.Global().Call("fetch", address, options(r, abort)), stop)
	if err != nil {
		return client.Response{}, unreachable(err)
	}
	if resp.Get("type").String() == "opaqueredirect" {
		return client.Response{Status: 302, Header: map[string]string{}}, nil
	}
	body, err := readBody(ctx, resp, r.Max, stop)
	if err != nil {
		return client.Response{}, err
	}
	return client.Response{Status: resp.Get("status").Int(), Header: headersOf(resp), Body: body}, nil
}

func options(r client.Request, abort js.Value) map[string]any {
	h := make(map[string]any, len(r.Header))
	for k, v := range r.Header {
		h[k] = v
	}
	o := map[string]any{
		"method": r.Method, "headers": h, "redirect": "manual", "credentials": "same-origin", "cache": "no-store",
		"referrerPolicy": "no-referrer", "signal": abort.Get("signal"),
	}
	if len(r.Body) > 0 {
		o["body"] = viewOf(r.Body)
	}
	return o
}

// readBody reads at most limit bytes, piece by piece: who answers does not
// decide how much memory that takes.
func readBody(ctx context.Context, resp js.Value, limit int64, stop func()) ([]byte, error) {
	if limit == 0 {
		limit = defaultMax
	}
	stream := resp.Get("body")
	if !stream.Truthy() {
		return nil, nil
	}
	reader := stream.Call("getReader")
	var body []byte
	for {
		piece, err := await(ctx, reader.Call("read"), stop)
		if err != nil {
			return nil, unreachable(fmt.Errorf("read answer: %w", err))
		}
		if piece.Get("done").Bool() {
			return body, nil
		}
		v := piece.Get("value")
		if n := int64(v.Length()); n > limit-int64(len(body)) {
			stop()
			return nil, fmt.Errorf("read answer: more than %d bytes", limit)
		}
		at := len(body)
		body = append(body, make([]byte, v.Length())...)
		js.CopyBytesToGo(body[at:], v)
	}
}

func headersOf(resp js.Value) map[string]string {
	h := make(map[string]string)
	each := js.FuncOf(func(_ js.Value, args []js.Value) any {
		h[strings.ToLower(args[1].String())] = args[0].String()
		return nil
	})
	defer each.Release()
	resp.Get("headers").Call("forEach", each)
	return h
}

// unreachable marks err as client.ErrUnreachable, except where the caller gave
// up by itself.
func unreachable(err error) error {
	if errors.Is(err, context.Canceled) {
		return err
	}
	return fmt.Errorf("%w: %w", client.ErrUnreachable, err)
}
