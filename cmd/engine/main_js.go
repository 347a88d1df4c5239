// Command engine is what pages run in a worker, as WebAssembly. The worker sets
// globalThis.primumOrigin and globalThis.fs first, then runs it; it sets
// globalThis.primumEngine and resolves globalThis.primumReady where that is a
// function.
package main

import (
	"context"
	"encoding/json"
	"syscall/js"

	"primum/client"
	"primum/client/browser"
	"primum/internal/engine"
)

// home is the engine's directory in the worker's file system.
const home = "/primum"

func main() {
	origin := js.Global().Get("primumOrigin").String()
	o := engine.Options{Dir: home, Transport: browser.New(browser.Origin{Base: origin}), Origin: origin}
	if js.Global().Get("primumLAN").Truthy() {
		o.LAN = client.Transport(browser.New(browser.Origin{Base: origin, LAN: true}))
	}
	e, err := engine.New(o)
	if err != nil {
		ready(js.ValueOf(engine.Shown(err)))
		return
	}
	publish(e)
	ready(js.Null())
	select {}
}

// ready tells the worker that the engine can be called, or why not.
func ready(failure js.Value) {
	if f := js.Global().Get("primumReady"); f.Type() == js.TypeFunction {
		f.Invoke(failure)
	}
}

// publish sets globalThis.primumEngine = {call(method, json), onEvent(f)}.
func publish(e *engine.Engine) {
	listen := make(chan js.Value, 1)
	js.Global().Set("primumEngine", map[string]any{
		"call": js.FuncOf(func(_ js.Value, args []js.Value) any {
			return promise(func() (string, error) {
				out, err := e.Call(context.Background(), args[0].String(), json.RawMessage(args[1].String()))
				return string(out), err
			})
		}),
		"onEvent": js.FuncOf(func(_ js.Value, args []js.Value) any {
			listen <- args[0]
			return nil
		}),
	})
	go forward(e, listen)
}

// forward hands events to the newest listener; before there is one they wait.
func forward(e *engine.Engine, listen <-chan js.Value) {
	f := <-listen
	for {
		select {
		case f = <-listen:
		case v, ok := <-e.Events():
			if !ok {
				return
			}
			if b, err := json.Marshal(v); err == nil {
				f.Invoke(string(b))
			}
		}
	}
}

// promise runs work aside; it rejects with the JSON of an engine.Error.
func promise(work func() (string, error)) js.Value {
	var run js.Func
	run = js.FuncOf(func(_ js.Value, args []js.Value) any {
		resolve, reject := args[0], args[1]
		go func() {
			defer run.Release()
			out, err := work()
			if err != nil {
				reject.Invoke(engine.Shown(err))
				return
			}
			resolve.Invoke(out)
		}()
		return nil
	})
	return js.Global().Get("Promise").New(run)
}
