package main

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"primum/circle"
	"primum/client"
	"primum/grant"
)

type watchFlags struct {
	since  string
	count  int
	alerts alertFlags
}

func watchCommand(a *app) *cobra.Command {
	var f watchFlags
	c := a.command("watch THING", "watch", cobra.ExactArgs(1), func(cmd *cobra.Command, args []string) error {
		f.alerts.read(cmd)
		return a.watch(cmd, args[0], f)
	})
	c.Flags().StringVar(&f.since, "since", "", a.words.Get("flag.since"))
	c.Flags().IntVar(&f.count, "count", 0, a.words.Get("flag.count"))
	f.alerts.register(a, c)
	c.ValidArgsFunction = a.completeWatch
	return c
}

func (a *app) watch(cmd *cobra.Command, what string, f watchFlags) (err error) {
	ctx := cmd.Context()
	bell, err := a.newBell(f.alerts)
	if err != nil {
		return usage(err)
	}
	a.stays.Store(true)
	o, err := a.open(ctx, cmd)
	if err != nil {
		return err
	}
	defer o.close(&err)
	defer a.serveControl(o)()
	t, err := a.watched(ctx, o, what)
	if err != nil {
		return err
	}
	show, err := a.newView(t)
	if err != nil {
		return err
	}
	if f.since != "" {
		if err := a.showHistory(ctx, o, t, f.since, show); err != nil {
			return err
		}
	}
	n := 0
	for v := range o.WatchTarget(ctx, t) {
		show.value(v)
		bell.value(ctx, show, t, v)
		if v.Value != nil {
			n++
		}
		if v.Ended() || f.count > 0 && n >= f.count {
			o.Seen(t, v)
			show.close()
			return nil
		}
	}
	show.close()
	return ctx.Err()
}

// watched finds what to watch. What is known here is watched at once, also
// while its node is away; else the nodes are asked first.
func (a *app) watched(ctx context.Context, o *opened, what string) (client.Target, error) {
	t, err := o.Find(what)
	if err == nil && (t.Grant == nil || !t.Grant.State.Terminal()) {
		return t, nil
	}
	if syncErr := a.sync(ctx, o); syncErr != nil {
		if err == nil {
			return t, nil
		}
		return t, syncErr
	}
	t, err = o.Find(what)
	switch {
	case errors.Is(err, client.ErrNoSuch):
		return t, a.missing(what, "read")
	case err == nil && t.Grant != nil && t.Grant.State.Terminal() && !o.Waits(t):
		return t, a.said(exitRefused, "missing.ended", "Thing", what, "State", a.state(t.Grant.State))
	}
	return t, err
}

// missing is the refusal of who has no grant: it says which one is missing.
func (a *app) missing(what, may string) error {
	return a.said(exitRefused, "missing."+may, "Thing", what)
}

// showHistory asks the thing's end for what was before.
func (a *app) showHistory(ctx context.Context, o *opened, t client.Target, since string, show view) error {
	from, err := a.parseSince(since)
	if err != nil {
		return usage(err)
	}
	if err := a.sync(ctx, o); err != nil {
		return err
	}
	return a.progress(ctx, "progress.history", func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, syncPatience)
		defer cancel()
		return o.History(ctx, t, from, func(page []circle.Reading) error {
			for _, r := range page {
				show.value(client.Value{Thing: t.Thing, Name: t.Name, At: r.At, Value: r.Value})
			}
			return nil
		})
	})
}

// parseSince reads "2h", "7d" (ago) or a time.
func (a *app) parseSince(s string) (time.Time, error) {
	if t, err := time.Parse(time.RFC3339, s); err == nil {
		return t, nil
	}
	d, err := grant.ParseFor(s)
	return a.clock.Now().Add(-d.D()), err
}

// view shows values: a plot for people, JSON lines for programs.
type view interface {
	value(client.Value)
	ring(rung)
	close()
}

func (a *app) newView(t client.Target) (view, error) {
	if a.json || !a.outTTY {
		return &lines{a: a, path: t.Path}, nil
	}
	return newPlot(a, t), nil
}

// lines prints one JSON object a line.
type lines struct {
	a    *app
	path string
}

func (l *lines) value(v client.Value) {
	if v.Ended() {
		l.a.hint("watch.ended", "Thing", l.path, "Why", l.a.reason(v.Reason), "At", l.a.when(v.At))
	}
	l.a.line(struct {
		Path string `json:"path"`
		client.Value
	}{l.path, v})
}

func (l *lines) ring(r rung) { l.a.line(r) }

func (l *lines) close() {}

// reason says in words why a grant ended or pauses.
func (a *app) reason(r string) string {
	if id := "reason." + r; a.words.Has(id) {
		return a.words.Get(id)
	}
	return r
}
