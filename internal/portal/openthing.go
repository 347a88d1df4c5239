package portal

import (
	"encoding/json"
	"math"
	"net/http"
	"strconv"
	"strings"

	"primum/internal/open"
	"primum/thing/id"
)

// openThingPage is a thing of an open service for people.
type openThingPage struct {
	frame
	Heading, Text    string
	Service, Up      string
	Values           []openValue
	Chart            *chart
	Choices          []chartChoice // other charts of this thing
	Spans            []chartChoice
	Address          string // what the QR code says
	QR               open.QR
	Key, Class       string // GS1 key as element string, and page of its class
	Self, CSV        string
	Keep             int64
	License, Contact string
	ContactText      string
	Follow           string // address of the stream
}

// chartChoice is a link to another chart of the same thing.
type chartChoice struct {
	Text, Href string
	Here       bool
}

func (p *Portal) getOpenThing(w http.ResponseWriter, r *http.Request) {
	ctx := r.Context()
	t, err := p.cfg.Open.Thing(ctx, r.PathValue("service"), r.PathValue("thing"))
	if err != nil {
		p.openFailed(w, r, err)
		return
	}
	s, err := p.cfg.Open.Service(ctx, t.Service)
	if err != nil {
		p.openFailed(w, r, err)
		return
	}
	newest, err := p.cfg.Open.NewestOf(ctx, t.Service, t.Name)
	if err != nil {
		p.openFailed(w, r, err)
		return
	}
	f := p.frame(w, r)
	d := openThingPage{
		frame: f, Heading: clean(t.TitleIn(f.Lang)), Text: cleanLines(t.TextIn(f.Lang)), Service: clean(s.TitleIn(f.Lang)), Up: openPath(s.Name, ""),
		Values: p.openValues(t, newest, f.Lang), Address: t.Address(p.base), Self: p.base + openPath(t.Service, t.Name), Keep: int64(s.KeepDays),
		License: contact(s.License), Contact: contact(s.Contact),
	}
	d.Title, d.ContactText = d.Heading, shown(d.Contact)
	if k, err := id.ParseDigitalLink("/"+t.Key, "", id.Options{}); err == nil && t.Key != "" {
		d.Key = k.ElementString()
		if t.Class != "" {
			d.Class = "/class/" + t.Class
		}
	}
	if d.QR, err = open.DrawQR(d.Address); err != nil {
		p.openFailed(w, r, err)
		return
	}
	if err := p.fillChart(ctx, &d, t, newest, r.URL.Query()); err != nil {
		p.openFailed(w, r, err)
		return
	}
	p.show(w, http.StatusOK, "openthing.html", f.Lang, d)
}

// valueText is a value as people read it.
func valueText(s open.Sample, lang string, say func(string, ...any) string) string {
	if f, ok := s.Number(); ok {
		return decimal(f, lang)
	}
	if lat, lon, ok := place(s); ok {
		return decimal(lat, lang) + " / " + decimal(lon, lang)
	}
	var v any
	if json.Unmarshal(s.Value, &v) != nil {
		return ""
	}
	switch v := v.(type) {
	case bool:
		return say("openpage.bool." + strconv.FormatBool(v))
	case string:
		return clean(v)
	}
	return clean(string(s.Value))
}

// place reads {"latitude": …, "longitude": …}, also as lat and lon.
func place(s open.Sample) (lat, lon float64, ok bool) {
	var in struct {
		Latitude, Longitude, Lat, Lon *float64
	}
	if json.Unmarshal(s.Value, &in) != nil {
		return 0, 0, false
	}
	if in.Latitude == nil {
		in.Latitude, in.Longitude = in.Lat, in.Lon
	}
	if in.Latitude == nil || in.Longitude == nil || *in.Latitude < -90 || *in.Latitude > 90 || *in.Longitude < -180 || *in.Longitude > 180 {
		return 0, 0, false
	}
	return *in.Latitude, *in.Longitude, true
}

// placeLink shows a place on a map, or is empty.
func placeLink(s open.Sample) string {
	lat, lon, ok := place(s)
	if !ok {
		return ""
	}
	at := strconv.FormatFloat(lat, 'f', 5, 64) + "&mlon=" + strconv.FormatFloat(lon, 'f', 5, 64)
	return "https://www.openstreetmap.org/?mlat=" + at
}

// unitText is a unit as people write it; what is not known is shown as it is.
func unitText(unit string) string {
	known := map[string]string{
		"celsius": "°C", "degree_celsius": "°C", "Cel": "°C", "percent": "%", "ug/m3": "µg/m³", "µg/m3": "µg/m³", "m3/s": "m³/s", "m/s2": "m/s²", "meter": "m",
		"degree": "°", "deg": "°",
	}
	if s := known[unit]; s != "" {
		return s
	}
	return clean(unit)
}

// decimal writes a value for people: at most three places behind the point,
// and powers of ten for what would have too many.
func decimal(f float64, language string) string {
	if size := math.Abs(f); size >= 1e15 || size < 0.001 && size > 0 {
		return strings.Replace(strconv.FormatFloat(f, 'g', 4, 64), ".", point(language), 1)
	}
	s := strconv.FormatFloat(f, 'f', 3, 64)
	s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
	if s == "-0" {
		s = "0"
	}
	whole, part, fraction := strings.Cut(s, ".")
	if n, err := strconv.ParseInt(whole, 10, 64); err == nil && n != 0 {
		whole = grouped(n, language)
	}
	if !fraction {
		return whole
	}
	return whole + point(language) + part
}

// point is what stands before the fraction.
func point(language string) string {
	if language == "de" {
		return ","
	}
	return "."
}
