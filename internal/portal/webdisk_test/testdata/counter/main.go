//go:build js

// Command counter is an engine that counts: each "send" adds one to a file
// under /primum and answers the number. It stands in for cmd/engine where a
// test is about tabs, crashes and storage. Its surface is that of cmd/engine.
package main

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"syscall/js"
	"time"

	"primum/internal/durable"
)

const file = "/primum/count"

type counter struct {
	mu       sync.Mutex
	listener js.Value
}

func main() {
	c := &counter{}
	if err := durable.MakeDir("/primum"); err != nil {
		js.Global().Get("primumReady").Invoke(refusal(err))
		return
	}
	js.Global().Set("primumEngine", map[string]any{
		"call": js.FuncOf(func(_ js.Value, args []js.Value) any { return c.promise(args[0].String(), args[1].String()) }),
		"onEvent": js.FuncOf(func(_ js.Value, args []js.Value) any {
			c.listener = args[0]
			return nil
		}),
	})
	js.Global().Get("primumReady").Invoke(js.Null())
	select {}
}

func (c *counter) promise(method, params string) js.Value {
	var f js.Func
	f = js.FuncOf(func(_ js.Value, args []js.Value) any {
		go func() {
			defer f.Release()
			out, err := c.call(method, params)
			if err != nil {
				args[1].Invoke(refusal(err))
				return
			}
			args[0].Invoke(out)
		}()
		return nil
	})
	return js.Global().Get("Promise").New(f)
}

func (c *counter) call(method, params string) (string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch method {
	case "status":
		n, err := read()
		return strconv.Itoa(n), err
	case "send": // input: "slow" waits before it answers, "die" ends the program after counting
		return c.send(params)
	case "give": // writes input many bytes
		var p struct{ Input int }
		if err := json.Unmarshal([]byte(params), &p); err != nil {
			return "", err
		}
		return "{}", durable.WriteFile("/primum/big", make([]byte, p.Input))
	}
	return "", errors.New("no such method")
}

func (c *counter) send(params string) (string, error) {
	if strings.Contains(params, "die-before") {
		os.Exit(3)
	}
	n, err := read()
	if err != nil {
		return "", err
	}
	n++
	if err := durable.WriteFile(file, []byte(strconv.Itoa(n))); err != nil {
		return "", err
	}
	c.listener.Invoke(`{"kind":"status","status":{"phase":"open","online":true}}`)
	c.listener.Invoke(`{"kind":"note","text":"counted","data":{"N":"` + strconv.Itoa(n) + `"}}`)
	if strings.Contains(params, "die-after") {
		os.Exit(3)
	}
	if strings.Contains(params, "slow") {
		time.Sleep(time.Second)
	}
	return strconv.Itoa(n), nil
}

func read() (int, error) {
	b, err := durable.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(string(b))
}

func refusal(err error) string {
	code := "internal"
	if errors.Is(err, syscall.ENOSPC) {
		code = "storage-full"
	}
	b, _ := json.Marshal(map[string]string{"code": code, "detail": err.Error()})
	return string(b)
}
