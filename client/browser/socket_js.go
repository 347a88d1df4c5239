package browser

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"syscall/js"
	"time"

	"primum/client"
)

const (
	// maxFrame is the largest frame that a node sends.
	maxFrame = 1 << 20
	// maxQueued bounds frames that nobody has read: a browser can't ask the
	// other side to wait, so that a flood ends the socket.
	maxQueued = 4096
	// maxUnsent bounds what the browser holds of what was written.
	maxUnsent = 8 << 20
	// silence is how long a socket may be silent before it counts as lost. A
	// browser hides pings, so it is longer than a quiet node's own limit: what
	// ends a dead connection sooner is the browser.
	silence = 30 * time.Minute
)

var errClosed = errors.New("the socket is closed")

type socket struct {
	ws     js.Value
	on     map[string]js.Func
	frames chan frame
	opened chan struct{}
	ended  chan struct{}
	deaf   *time.Timer
	once   sync.Once
	err    error // why it ended; after ended
}

type frame struct {
	binary bool
	data   []byte
}

// Open implements client.Transport.
func (t *Transport) Open(ctx context.Context, address string, subprotocols []string) (client.Socket, error) {
	carried, err := t.origin.Carry(address)
	if err != nil {
		return nil, err
	}
	offers := make([]any, len(subprotocols))
	for i, p := range subprotocols {
		offers[i] = p
	}
	s, err := dial("ws"+strings.TrimPrefix(carried, "http"), offers)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	select {
	case <-s.opened:
		return s, nil
	case <-s.ended:
		return nil, unreachable(s.err)
	case <-ctx.Done():
		s.end(ctx.Err())
		return nil, unreachable(ctx.Err())
	}
}

func dial(address string, offers []any) (s *socket, err error) {
	defer func() {
		if r := recover(); r != nil { // the constructor throws on a bad address
			s, err = nil, fmt.Errorf("open socket: %v", r)
		}
	}()
	s = &socket{
		ws:     js.Global().Get("WebSocket").New(address, offers),
		frames: make(chan frame, maxQueued), opened: make(chan struct{}), ended: make(chan struct{}),
	}
	s.ws.Set("binaryType", "arraybuffer")
	s.deaf = time.AfterFunc(silence, func() { s.end(errors.New("nothing was heard for too long")) })
	s.on = map[string]js.Func{
		"open":    js.FuncOf(func(js.Value, []js.Value) any { close(s.opened); return nil }),
		"message": js.FuncOf(func(_ js.Value, args []js.Value) any { s.message(first(args).Get("data")); return nil }),
		"close":   js.FuncOf(func(_ js.Value, args []js.Value) any { s.end(closed(first(args))); return nil }),
	}
	for name, f := range s.on {
		s.ws.Call("addEventListener", name, f)
	}
	return s, nil
}

func closed(e js.Value) error {
	return fmt.Errorf("the socket was closed with code %d", e.Get("code").Int())
}

// message runs in the browser's event loop and must not wait.
func (s *socket) message(data js.Value) {
	f := frame{binary: data.Type() != js.TypeString}
	if f.binary {
		f.data = bytesOf(data)
	} else {
		f.data = []byte(data.String())
	}
	if len(f.data) > maxFrame {
		s.end(errors.New("a frame is too large"))
		return
	}
	s.deaf.Reset(silence)
	select {
	case s.frames <- f:
	default:
		s.end(errors.New("more frames than can be read"))
	}
}

// end closes the socket, once.
func (s *socket) end(why error) {
	s.once.Do(func() {
		s.err = why
		s.deaf.Stop()
		for name, f := range s.on {
			s.ws.Call("removeEventListener", name, f)
		}
		s.ws.Call("close")
		close(s.ended)
		// A listener may be what runs just now: it is released after it.
		time.AfterFunc(0, func() {
			for _, f := range s.on {
				f.Release()
			}
		})
	})
}

func (s *socket) Read(ctx context.Context) (bool, []byte, error) {
	select {
	case f := <-s.frames:
		return f.binary, f.data, nil
	default:
	}
	select {
	case f := <-s.frames:
		return f.binary, f.data, nil
	case <-s.ended:
		return false, nil, unreachable(s.err)
	case <-ctx.Done():
		return false, nil, ctx.Err()
	}
}

func (s *socket) Write(ctx context.Context, binary bool, data []byte) error {
	select {
	case <-s.ended:
		return unreachable(s.err)
	case <-ctx.Done():
		return ctx.Err()
	default:
	}
	if s.ws.Get("bufferedAmount").Int() > maxUnsent {
		s.end(errors.New("the node takes nothing"))
		return unreachable(s.err)
	}
	if binary {
		s.ws.Call("send", viewOf(data))
	} else {
		s.ws.Call("send", string(data))
	}
	return nil
}

func (s *socket) Close() error {
	s.end(errClosed)
	return nil
}
