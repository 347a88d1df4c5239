package browser

import (
	"context"
	"errors"
	"syscall/js"
)

// await waits for a promise. On cancellation it calls cancel and returns the
// context's error; the promise is then left to itself.
func await(ctx context.Context, promise js.Value, cancel func()) (js.Value, error) {
	type settled struct {
		v   js.Value
		err error
	}
	done := make(chan settled, 1)
	var good, bad js.Func
	good = js.FuncOf(func(_ js.Value, args []js.Value) any {
		done <- settled{v: first(args)}
		good.Release()
		bad.Release()
		return nil
	})
	bad = js.FuncOf(func(_ js.Value, args []js.Value) any {
		done <- settled{err: errors.New(textOf(first(args)))}
		good.Release()
		bad.Release()
		return nil
	})
	promise.Call("then", good, bad)
	select {
	case s := <-done:
		return s.v, s.err
	case <-ctx.Done():
		cancel()
		return js.Undefined(), ctx.Err()
	}
}

func first(args []js.Value) js.Value {
	if len(args) == 0 {
		return js.Undefined()
	}
	return args[0]
}

// textOf is what a thrown value says.
func textOf(v js.Value) string {
	if v.Type() == js.TypeObject && v.Get("message").Type() == js.TypeString {
		return v.Get("message").String()
	}
	return js.Global().Get("String").Invoke(v).String()
}

// bytesOf copies an ArrayBuffer.
func bytesOf(buffer js.Value) []byte {
	view := js.Global().Get("Uint8Array").New(buffer)
	b := make([]byte, view.Length())
	js.CopyBytesToGo(b, view)
	return b
}

// viewOf copies bytes into a Uint8Array.
func viewOf(b []byte) js.Value {
	view := js.Global().Get("Uint8Array").New(len(b))
	js.CopyBytesToJS(view, b)
	return view
}
