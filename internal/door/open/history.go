package opendoor

import (
	"encoding/csv"
	"encoding/json"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"primum/grant"
	"primum/internal/answer"
	"primum/internal/open"
)

// historyDays and pageRows are what a history has when nothing else is asked.
const (
	historyDefault = 24 * time.Hour
	pageRows       = 1000
)

// asked is what a request for a history wants.
type asked struct {
	open.Range
	window time.Duration
	csv    bool
}

// page is a history as JSON.
type page struct {
	Thing    string    `json:"thing"`
	Property string    `json:"property"`
	Unit     string    `json:"unit,omitempty"`
	From     time.Time `json:"from"`
	To       time.Time `json:"to"`
	Window   string    `json:"window,omitempty"`
	Values   any       `json:"values"`
	Next     string    `json:"next,omitempty"`
}

func (d *Door) getHistory(w http.ResponseWriter, r *http.Request) error {
	a, err := d.asked(r)
	if err != nil {
		return err
	}
	t, err := d.cfg.Book.Thing(r.Context(), a.Service, a.Thing)
	if err != nil {
		return err
	}
	p := t.Description.Properties[a.Property]
	if p == nil {
		return open.ErrUnknown
	}
	var samples []open.Sample
	var windows []open.Window
	var rest time.Time
	switch {
	case a.window == 0:
		samples, rest, err = d.cfg.Book.History(r.Context(), a.Range)
	case !t.Numeric(a.Property):
		err = &open.Invalid{Pointer: "window", Reason: "the values of this property are no numbers: there is no mean"}
	default:
		windows, rest, err = d.cfg.Book.Windows(r.Context(), a.Range, a.window)
	}
	if err != nil {
		return err
	}
	public(w, keepValue)
	w.Header().Add("Vary", "Accept")
	link := ""
	if !rest.IsZero() {
		link = d.historyURL(a, r.URL.Query(), rest)
		next(w, link)
	}
	if a.csv {
		writeCSV(w, a, samples, windows)
		return nil
	}
	out := page{
		Thing: d.thingURL(a.Service, a.Thing), Property: a.Property, Unit: p.Unit,
		From: a.From, To: a.To, Window: r.URL.Query().Get("window"), Values: values(samples), Next: link,
	}
	if a.window > 0 {
		out.Values = append([]open.Window{}, windows...)
	}
	answer.JSON(w, http.StatusOK, jsonType, out)
	return nil
}

// moment is a value in a history.
type moment struct {
	At    time.Time       `json:"at"`
	Value json.RawMessage `json:"value"`
}

func values(samples []open.Sample) []moment {
	all := make([]moment, 0, len(samples))
	for _, s := range samples {
		all = append(all, moment{s.At, s.Value})
	}
	return all
}

// historyURL is where a history goes on.
func (d *Door) historyURL(a asked, q url.Values, from time.Time) string {
	q.Set("from", from.Format(time.RFC3339Nano))
	q.Set("to", a.To.Format(time.RFC3339Nano))
	return d.thingURL(a.Service, a.Thing) + "/properties/" + url.PathEscape(a.Property) + "/history?" + q.Encode()
}

// asked reads the query: from and to are times or spans before now ("7d"),
// window a span ("15m").
func (d *Door) asked(r *http.Request) (a asked, err error) {
	q := r.URL.Query()
	if a.Service, a.Thing, err = named(r); err != nil {
		return a, err
	}
	a.Property = r.PathValue("property")
	now := d.cfg.Clock.Now().UTC().Truncate(time.Millisecond)
	if a.To, err = timeOf(q, "to", now, now.Add(time.Millisecond)); err != nil {
		return a, err
	}
	if a.From, err = timeOf(q, "from", now, a.To.Add(-historyDefault)); err != nil {
		return a, err
	}
	a.Limit = pageRows
	if s := q.Get("limit"); s != "" {
		if a.Limit, err = strconv.Atoi(s); err != nil || a.Limit < 1 || a.Limit > open.MaxPage {
			return a, &open.Invalid{Pointer: "limit", Reason: "not a number between 1 and " + strconv.Itoa(open.MaxPage)}
		}
	}
	if s := q.Get("window"); s != "" {
		w, err := grant.ParseFor(s)
		if err != nil {
			return a, &open.Invalid{Pointer: "window", Reason: `not a span like "15m", "1h" or "1d"`}
		}
		a.window = w.D()
	}
	switch s := q.Get("format"); s {
	case "":
		a.csv = strings.HasPrefix(r.Header.Get("Accept"), "text/csv")
	case "csv", "json":
		a.csv = s == "csv"
	default:
		return a, &open.Invalid{Pointer: "format", Reason: "neither csv nor json"}
	}
	return a, nil
}

func timeOf(q url.Values, name string, now, otherwise time.Time) (time.Time, error) {
	s := q.Get(name)
	if s == "" {
		return otherwise, nil
	}
	if t, err := time.Parse(time.RFC3339, s); err == nil {
		return t.UTC(), nil
	}
	ago, err := grant.ParseFor(s)
	if err != nil {
		return now, &open.Invalid{Pointer: name, Reason: `neither a time of RFC 3339 nor a span before now like "7d"`}
	}
	return now.Add(-ago.D()), nil
}

// writeCSV writes a history as RFC 4180 has it.
func writeCSV(w http.ResponseWriter, a asked, samples []open.Sample, windows []open.Window) {
	w.Header().Set("Content-Type", "text/csv; charset=utf-8; header=present")
	w.Header().Set("Content-Disposition", `attachment; filename="`+asciiName(a.Thing+"-"+a.Property)+`.csv"`)
	out := csv.NewWriter(w)
	if a.window > 0 {
		_ = out.Write([]string{"at", "count", "mean", "min", "max"})
		for _, v := range windows {
			_ = out.Write([]string{stamp(v.At), strconv.FormatInt(v.N, 10), number(v.Mean), number(v.Min), number(v.Max)})
		}
	} else {
		_ = out.Write([]string{"at", "value"})
		for _, s := range samples {
			_ = out.Write([]string{stamp(s.At), cell(s)})
		}
	}
	out.Flush()
}

func stamp(t time.Time) string { return t.Format("2006-01-02T15:04:05.000Z07:00") }

func number(f float64) string {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return ""
	}
	return strconv.FormatFloat(f, 'g', -1, 64)
}

// cell is a value as a table has it. A text that a spreadsheet would take for a
// formula begins with an apostrophe.
func cell(s open.Sample) string {
	var text string
	if json.Unmarshal(s.Value, &text) != nil {
		return string(s.Value)
	}
	if text != "" && strings.ContainsRune("=+-@\t\r", rune(text[0])) {
		return "'" + text
	}
	return text
}

// asciiName is a name of a file that nobody reads otherwise.
func asciiName(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z' || r == '-' || r == '.' {
			return r
		}
		return '_'
	}, s)
}
