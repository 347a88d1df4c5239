package main

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"primum/circle"
	"primum/client"
	"primum/grant"
)

func sendCommand(a *app) *cobra.Command {
	timeout := 20 * time.Second
	c := a.command("send THING VALUE", "send", cobra.ExactArgs(2), func(cmd *cobra.Command, args []string) error {
		return a.send(cmd, args[0], args[1], timeout)
	})
	c.Flags().DurationVar(&timeout, "timeout", timeout, a.words.Get("flag.timeout"))
	c.ValidArgsFunction = a.completeWatch
	return c
}

func (a *app) send(cmd *cobra.Command, what, value string, timeout time.Duration) (err error) {
	o, err := a.synced(cmd.Context(), cmd)
	if err != nil {
		return err
	}
	defer o.close(&err)
	t, err := o.Find(what)
	if errors.Is(err, client.ErrNoSuch) {
		return a.missing(what, "write")
	}
	if err != nil {
		return err
	}
	if !strings.Contains(a.may(t.Ops), a.words.Get("may.write")) {
		return a.missing(what, "write")
	}
	var answer json.RawMessage
	err = a.progress(cmd.Context(), "progress.send", func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, timeout+syncPatience)
		defer cancel()
		answer, err = o.Send(ctx, t, jsonOf(value), timeout)
		return err
	})
	if err != nil {
		return a.sendFailed(err, what)
	}
	if a.json {
		a.line(map[string]any{"thing": t.Path, "answer": answer})
		return nil
	}
	if len(answer) == 0 || string(answer) == "null" {
		a.say("send.done", "Thing", t.Path, "Value", value)
		return nil
	}
	a.say("send.answer", "Thing", t.Path, "Answer", strings.Trim(string(answer), `"`))
	return nil
}

// jsonOf is what a person typed as JSON: 21, true, {"x":1}; anything else is
// text.
func jsonOf(value string) json.RawMessage {
	if json.Valid([]byte(value)) {
		return json.RawMessage(value)
	}
	b, err := json.Marshal(value)
	if err != nil {
		return json.RawMessage("null") // strings always encode
	}
	return b
}

func (a *app) sendFailed(err error, what string) error {
	var denied *grant.Denied
	var p *circle.Problem
	switch {
	case errors.Is(err, client.ErrTimeout), errors.Is(err, context.DeadlineExceeded):
		return a.said(exitUnreachable, "send.timeout", "Thing", what)
	case errors.As(err, &denied):
		return a.missing(what, "write")
	case errors.As(err, &p) && p.Kind == "grant-required":
		return a.missing(what, "write")
	case errors.As(err, &p):
		return a.said(exitFailed, "send.refused", "Thing", what, "Why", p.Error())
	}
	return err
}
