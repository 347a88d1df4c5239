package portal

import (
	"context"
	"math"
	"net/url"
	"strings"
	"time"

	"primum/internal/open"
)

// chart is one property over time, drawn by the server: a line of means in a
// band from the lowest to the highest value. Its box is chartWidth ×
// chartHeight; labels stand beside it as text.
type chart struct {
	Title, Unit string
	Line, Band  string // paths
	Grid        []string
	Y           []string // labels, top first
	X           []string // labels, oldest first
	Low, Mean, High,
	From, To string
}

const (
	chartWidth, chartHeight = 600.0, 200.0
	gridLines               = 4
)

// chartSpan is what a chart shows: how far back, in windows of what length.
type chartSpan struct {
	name   string
	back   time.Duration
	window time.Duration
}

func chartSpans() []chartSpan {
	const day = 24 * time.Hour
	return []chartSpan{{"1d", day, 15 * time.Minute}, {"7d", 7 * day, time.Hour}, {"30d", 30 * day, 6 * time.Hour}, {"365d", 365 * day, 3 * day}}
}

// fillChart draws the property that was asked for, or the first with numbers,
// over the time that was asked for, or the shortest that has a value.
func (p *Portal) fillChart(ctx context.Context, d *openThingPage, t open.Thing, newest map[string]open.Sample, q url.Values) error {
	say, now := p.words(d.Lang), p.cfg.Clock.Now().UTC()
	property := chartProperty(t, newest, q.Get("property"))
	d.Follow = d.Self + "/observe"
	if property == "" {
		return nil
	}
	s := spanOf(q.Get("span"), newest[property].At, now)
	windows, _, err := p.cfg.Open.Windows(ctx, open.Range{
		Service: t.Service, Thing: t.Name, Property: property, From: now.Add(-s.back), To: now, Limit: open.MaxPage,
	}, s.window)
	if err != nil {
		return err
	}
	title := clean(t.PropertyTitle(property, d.Lang))
	d.Chart = drawChart(windows, s, now, d.Lang)
	d.Chart.Title, d.Chart.Unit = title, unitText(t.Description.Properties[property].Unit)
	here := openPath(t.Service, t.Name)
	for _, name := range t.Properties() {
		if _, ok := newest[name].Number(); ok && t.Numeric(name) {
			d.Choices = append(d.Choices, chartChoice{clean(t.PropertyTitle(name, d.Lang)), chartPath(here, name, s.name), name == property})
		}
	}
	if len(d.Choices) == 1 {
		d.Choices = nil // nothing to choose
	}
	for _, other := range chartSpans() {
		d.Spans = append(d.Spans, chartChoice{say("openpage.span." + other.name), chartPath(here, property, other.name), other.name == s.name})
	}
	d.CSV = d.Self + "/properties/" + url.PathEscape(property) + "/history?format=csv&limit=10000&from=" + s.name
	return nil
}

func chartPath(here, property, span string) string {
	return here + "?" + url.Values{"property": {property}, "span": {span}}.Encode() + "#chart"
}

// chartProperty is the property that was asked for, or the first with numbers.
func chartProperty(t open.Thing, newest map[string]open.Sample, asked string) string {
	first := ""
	for _, name := range t.Properties() {
		if _, ok := newest[name].Number(); !ok || !t.Numeric(name) {
			continue
		}
		if name == asked {
			return name
		}
		if first == "" {
			first = name
		}
	}
	return first
}

func spanOf(asked string, newest, now time.Time) chartSpan {
	all := chartSpans()
	for _, s := range all {
		if s.name == asked {
			return s
		}
	}
	for _, s := range all {
		if newest.After(now.Add(-s.back)) {
			return s
		}
	}
	return all[len(all)-1]
}

func drawChart(windows []open.Window, s chartSpan, now time.Time, lang string) *chart {
	c := &chart{From: moment(now.Add(-s.back)), To: moment(now), X: chartTimes(s, now)}
	if len(windows) == 0 {
		return c
	}
	low, high, total, n := windows[0].Min, windows[0].Max, 0.0, int64(0)
	for _, w := range windows {
		low, high, total, n = min(low, w.Min), max(high, w.Max), total+w.Mean*float64(w.N), n+w.N
	}
	c.Low, c.High, c.Mean = decimal(low, lang), decimal(high, lang), decimal(rounded(total/float64(n), high-low), lang)
	bottom, step := axis(low, high)
	for i := range gridLines + 1 {
		c.Y = append(c.Y, decimal(bottom+float64(gridLines-i)*step, lang))
		c.Grid = append(c.Grid, coordinate(float64(i)*chartHeight/gridLines))
	}
	a := area{from: now.Add(-s.back), span: s, bottom: bottom, height: step * gridLines}
	c.Line, c.Band = a.paths(windows)
	return c
}

// rounded leaves as many places as the range of the values gives sense to.
func rounded(v, spread float64) float64 {
	if spread <= 0 {
		return v
	}
	unit := math.Pow(10, math.Floor(math.Log10(spread))-2)
	return math.Round(v/unit) * unit
}

// axis is the lowest line of the grid, and the step from line to line: 1, 2, 2.5
// or 5 times a power of ten.
func axis(low, high float64) (bottom, step float64) {
	spread := high - low
	if spread <= 0 {
		spread = max(1, math.Abs(high)/10)
		low -= spread / 2 // one value stands in the middle
	}
	ten := math.Pow(10, math.Floor(math.Log10(spread/gridLines)))
	for _, m := range []float64{1, 2, 2.5, 5, 10, 20, 25} {
		step = m * ten
		if bottom = math.Floor(low/step) * step; bottom+step*gridLines >= high {
			break
		}
	}
	return bottom, step
}

// area brings times and values to the box.
type area struct {
	from           time.Time
	span           chartSpan
	bottom, height float64
}

func (a area) x(at time.Time) float64 {
	return min(max(0, float64(at.Add(a.span.window/2).Sub(a.from))/float64(a.span.back)*chartWidth), chartWidth)
}

func (a area) y(v float64) string {
	return coordinate(chartHeight - (v-a.bottom)/a.height*chartHeight)
}

// paths are the line of means and the band; a gap in the values is one in both.
func (a area) paths(windows []open.Window) (line, band string) {
	var l, b strings.Builder
	for len(windows) > 0 {
		n := 1
		for n < len(windows) && windows[n].At.Sub(windows[n-1].At) <= 2*a.span.window {
			n++
		}
		a.piece(&l, &b, windows[:n])
		windows = windows[n:]
	}
	return l.String(), b.String()
}

// piece draws windows without a gap; a single one is a short line.
func (a area) piece(line, band *strings.Builder, windows []open.Window) {
	for i, w := range windows {
		mark := "L"
		if i == 0 {
			mark = "M"
		}
		x := coordinate(a.x(w.At))
		line.WriteString(mark + x + " " + a.y(w.Mean))
		band.WriteString(mark + x + " " + a.y(w.Max))
	}
	if len(windows) == 1 {
		line.WriteString("h-6")
	}
	for i := len(windows) - 1; i >= 0; i-- {
		band.WriteString("L" + coordinate(a.x(windows[i].At)) + " " + a.y(windows[i].Min))
	}
	band.WriteString("z")
}

// chartTimes are the labels below: begin, middle, end.
func chartTimes(s chartSpan, now time.Time) (all []string) {
	layout := "2006-01-02"
	if s.back <= 24*time.Hour {
		layout = "15:04"
	}
	for _, back := range []time.Duration{s.back, s.back / 2, 0} {
		all = append(all, now.Add(-back).Format(layout))
	}
	return all
}
