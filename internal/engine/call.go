package engine

import (
	"bytes"
	"context"
	"encoding/json"
	"maps"
	"reflect"
)

// maxParams bounds what a page may hand over in one call.
const maxParams = 4 << 20

// handler is one method: JSON in, something to be written as JSON out.
type handler func(context.Context, json.RawMessage) (any, error)

// handle makes a handler of a typed function.
func handle[In, Out any](f func(context.Context, In) (Out, error)) handler { return reflected(f) }

// reflected is handle for every type at once: written out for each, it would be
// a large part of what a browser loads. f is a function as handle takes it.
func reflected(f any) handler {
	v := reflect.ValueOf(f)
	params := v.Type().In(1)
	return func(ctx context.Context, raw json.RawMessage) (any, error) {
		in := reflect.New(params)
		if err := decode(raw, in.Interface()); err != nil {
			return nil, err
		}
		out := v.Call([]reflect.Value{reflect.ValueOf(ctx), in.Elem()})
		err, _ := out[1].Interface().(error)
		return out[0].Interface(), err
	}
}

func decode(raw json.RawMessage, in any) error {
	raw = bytes.TrimSpace(raw)
	if len(raw) == 0 || bytes.Equal(raw, []byte("null")) {
		return nil
	}
	if len(raw) > maxParams {
		return &Error{Code: "too-large"}
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if err := d.Decode(in); err != nil {
		return &Error{Code: "params", Detail: err.Error()}
	}
	return nil
}

// handlers is the table of all methods.
func (e *Engine) handlers() map[string]handler {
	all := make(map[string]handler)
	for _, part := range []map[string]handler{
		e.statusHandlers(), e.thingHandlers(), e.consentHandlers(), e.noticeHandlers(),
		e.accountHandlers(), e.linkHandlers(), e.alertHandlers(), e.ledgerHandlers(), e.seenHandlers(), e.rightsHandlers(),
	} {
		maps.Copy(all, part)
	}
	return all
}

// Call does what a page asks. The error is always an *Error.
func (e *Engine) Call(ctx context.Context, method string, params json.RawMessage) (json.RawMessage, error) {
	h, ok := e.table[method]
	if !ok {
		return nil, &Error{Code: "not-here", Detail: method}
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(e.ctx, cancel)()
	out, err := h(ctx, params)
	if err != nil {
		return nil, errorOf(err)
	}
	b, err := json.Marshal(out)
	if err != nil {
		return nil, &Error{Code: "internal", Detail: err.Error()}
	}
	return b, nil
}
