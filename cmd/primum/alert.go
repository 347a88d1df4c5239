package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"primum/client"
	"primum/client/alert"
)

// alertFlags are the limits of `primum watch`.
type alertFlags struct {
	above, below float64
	equals       string
	notify       bool
	set          []string // flags that were given
}

func (f *alertFlags) register(a *app, c *cobra.Command) {
	fl := c.Flags()
	fl.Float64Var(&f.above, "above", 0, a.words.Get("flag.above"))
	fl.Float64Var(&f.below, "below", 0, a.words.Get("flag.below"))
	fl.StringVar(&f.equals, "equals", "", a.words.Get("flag.equals"))
	fl.BoolVar(&f.notify, "notify", false, a.words.Get("flag.notify"))
}

// read notes which limits were given: 0 is one.
func (f *alertFlags) read(c *cobra.Command) {
	for _, name := range []string{"above", "below", "equals"} {
		if c.Flags().Changed(name) {
			f.set = append(f.set, name)
		}
	}
}

// bell rings when a value crosses a limit. It is judged here: no node learns of
// it.
type bell struct {
	a      *app
	notify func(context.Context, string) bool
	rules  []bellRule
}

type bellRule struct {
	name  string
	limit string
	rule  alert.Rule
	state alert.State
}

// rung is one ring, as programs see it.
type rung struct {
	Alert string          `json:"alert"` // above, below, equals
	Limit string          `json:"limit"`
	Path  string          `json:"path"`
	At    time.Time       `json:"at"`
	Value json.RawMessage `json:"value"`
	text  string
}

func (a *app) newBell(f alertFlags) (*bell, error) {
	b := &bell{a: a}
	if f.notify {
		if len(f.set) == 0 {
			return nil, errors.New(a.words.Get("alert.limit"))
		}
		b.notify = a.notification
	}
	for _, name := range f.set {
		r := bellRule{name: name}
		switch name {
		case "above":
			r.rule.Above, r.limit = &f.above, strconv.FormatFloat(f.above, 'g', -1, 64)
		case "below":
			r.rule.Below, r.limit = &f.below, strconv.FormatFloat(f.below, 'g', -1, 64)
		default:
			r.rule.Equals, r.limit = f.equals, f.equals
		}
		if err := r.rule.Check(); err != nil {
			return nil, err
		}
		b.rules = append(b.rules, r)
	}
	return b, nil
}

// value judges one value and rings, once per crossing.
func (b *bell) value(ctx context.Context, show view, t client.Target, v client.Value) {
	for i := range b.rules {
		r := &b.rules[i]
		next, ring, _ := r.rule.Next(r.state, v.At, v.Value)
		r.state = next
		if !ring {
			continue
		}
		text := b.a.words.Get("alert."+r.name, "Thing", t.Path, "Value", b.a.valueText(v), "Limit", r.limit, "At", b.a.when(v.At))
		if b.notify != nil && !b.notify(ctx, text) {
			_, _ = fmt.Fprint(b.a.errOut, "\a")
		}
		show.ring(rung{r.name, r.limit, t.Path, v.At, v.Value, text})
	}
}

// find looks for a program on the path.
func (a *app) find(name string) (string, error) {
	for _, dir := range filepath.SplitList(a.env("PATH")) {
		if path, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
			return path, nil
		}
	}
	return "", exec.ErrNotFound
}

// notifyPatience bounds how long a notification may take to be shown.
const notifyPatience = 3 * time.Second

// notification shows a text on the desktop, where there is one; else the
// terminal's bell rings. The text goes as one argument, after the end of
// options.
func (a *app) notification(ctx context.Context, text string) bool {
	path, err := a.find("notify-send")
	if err != nil {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, notifyPatience)
	defer cancel()
	return exec.CommandContext(ctx, path, "--app-name=Primum", "--", "Primum", text).Run() == nil
}
