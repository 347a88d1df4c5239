package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/guptarohit/asciigraph"

	"primum/client"
)

const (
	plotHeight = 12
	plotMost   = 240 // values kept for drawing
	plotMargin = 12  // columns of the axis
)

// plot is the live picture on a terminal: it draws over itself.
type plot struct {
	a      *app
	target client.Target
	values []float64
	times  []time.Time
	last   client.Value
	note   string
	drawn  int // lines on the screen
}

func newPlot(a *app, t client.Target) *plot {
	p := &plot{a: a, target: t, note: a.words.Get("watch.waiting")}
	p.draw()
	return p
}

func (p *plot) value(v client.Value) {
	switch {
	case v.Ended():
		p.note = p.a.words.Get("watch.ended", "Thing", p.target.Path, "Why", p.a.reason(v.Reason), "At", p.a.when(v.At))
	case v.State == "paused":
		p.note = p.a.words.Get("watch.paused", "Why", p.a.reason(v.Reason))
	case v.State == "resumed":
		p.note = p.a.words.Get("watch.resumed")
	default:
		p.add(v)
	}
	p.draw()
}

func (p *plot) add(v client.Value) {
	p.last, p.note = v, ""
	f, ok := v.Number()
	if !ok {
		return
	}
	p.values, p.times = append(p.values, f), append(p.times, v.At)
	if n := len(p.values) - plotMost; n > 0 {
		p.values, p.times = p.values[n:], p.times[n:]
	}
}

// draw moves up over the last picture and paints the next.
func (p *plot) draw() {
	text := p.text()
	up := ""
	if p.drawn > 0 {
		up = fmt.Sprintf("\x1b[%dA\x1b[J", p.drawn)
	}
	_, _ = fmt.Fprint(p.a.out, up+text)
	p.drawn = strings.Count(text, "\n")
}

func (p *plot) text() string {
	var b strings.Builder
	width := max(20, p.a.width()-plotMargin)
	if len(p.values) > 1 {
		from := max(0, len(p.values)-width)
		b.WriteString(asciigraph.Plot(p.values[from:], asciigraph.Height(plotHeight)))
		b.WriteString("\n" + p.a.words.Get("watch.span", "From", p.a.when(p.times[from]), "To", p.a.when(p.times[len(p.times)-1])) + "\n")
	}
	if !p.last.At.IsZero() {
		b.WriteString(p.a.words.Get("watch.last", "Thing", p.target.Path, "Value", p.a.valueText(p.last), "At", p.a.when(p.last.At)) + "\n")
	}
	if p.note != "" {
		b.WriteString(p.note + "\n")
	}
	return b.String()
}

// ring leaves a line above the picture, which begins anew below it.
func (p *plot) ring(r rung) {
	_, _ = fmt.Fprintln(p.a.out, r.text)
	p.drawn = 0
	p.draw()
}

func (p *plot) close() {}
