package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"primum/client"
	"primum/internal/edge"
)

type receiveFlags struct {
	webhook, secretFile, file, mqtt, mqttUser, mqttPasswordFile string
	stdout                                                      bool
}

func receiveCommand(a *app) *cobra.Command {
	var f receiveFlags
	c := a.command("receive [THING]", "receive", cobra.MaximumNArgs(1), func(cmd *cobra.Command, args []string) error {
		what := ""
		if len(args) == 1 {
			what = args[0]
		}
		return a.receive(cmd, what, f)
	})
	fl := c.Flags()
	fl.StringVar(&f.webhook, "webhook", "", a.words.Get("flag.webhook"))
	fl.StringVar(&f.secretFile, "secret-file", "", a.words.Get("flag.secret-file"))
	fl.StringVar(&f.file, "file", "", a.words.Get("flag.file"))
	fl.StringVar(&f.mqtt, "mqtt", "", a.words.Get("flag.mqtt"))
	fl.StringVar(&f.mqttUser, "mqtt-user", "", a.words.Get("flag.mqtt-user"))
	fl.StringVar(&f.mqttPasswordFile, "mqtt-password-file", "", a.words.Get("flag.mqtt-password-file"))
	fl.BoolVar(&f.stdout, "stdout", false, a.words.Get("flag.stdout"))
	c.MarkFlagsMutuallyExclusive("webhook", "file", "mqtt", "stdout")
	c.MarkFlagsOneRequired("webhook", "file", "mqtt", "stdout")
	c.ValidArgsFunction = a.completeWatch
	return c
}

func (a *app) receive(cmd *cobra.Command, what string, f receiveFlags) (err error) {
	ctx := cmd.Context()
	a.stays.Store(true)
	o, err := a.open(ctx, cmd)
	if err != nil {
		return err
	}
	defer o.close(&err)
	sink, err := a.sink(o, f)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, sink.Close()) }()
	defer a.serveControl(o)()
	if !f.stdout {
		a.say("receive.started")
	}
	return o.Receive(ctx, what, func(ctx context.Context, t client.Target, v client.Value) error {
		return a.deliver(ctx, sink, delivery(t, v))
	})
}

// deliver repeats until the sink has taken the delivery; between attempts it
// waits longer and longer.
func (a *app) deliver(ctx context.Context, sink edge.Sink, d edge.Delivery) error {
	for pause := time.Second; ; pause = min(2*pause, 5*time.Minute) {
		err := sink.Deliver(ctx, d)
		if err == nil || ctx.Err() != nil {
			return ctx.Err()
		}
		a.hint("receive.retry", "Why", err.Error(), "Pause", pause)
		t := time.NewTimer(pause)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return ctx.Err()
		}
	}
}

func delivery(t client.Target, v client.Value) edge.Delivery {
	kind := v.State
	if kind == "" {
		kind = "value"
	}
	d := edge.Delivery{
		ID: t.Circle.String() + "-" + strconv.FormatUint(v.ID, 10), Kind: kind, At: v.At, From: t.Owner, Grant: v.Grant,
		Thing: t.Thing, Title: t.Title, Name: v.Name, Value: v.Value, Unit: v.Unit, Reason: v.Reason,
	}
	if d.Name == "" {
		d.Name = t.Name
	}
	return d
}

// readSecret reads a secret from a file, without the line's end.
func readSecret(path string) ([]byte, error) {
	if path == "" {
		return nil, nil
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read secret: %w", err)
	}
	for len(b) > 0 && (b[len(b)-1] == '\n' || b[len(b)-1] == '\r') {
		b = b[:len(b)-1]
	}
	return b, nil
}
