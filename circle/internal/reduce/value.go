package reduce

import (
	"bytes"
	"encoding/json"
	"math"
	"strconv"
	"strings"

	"github.com/golang/geo/s2"
)

// value is a parsed JSON value.
type value struct {
	number bool
	f      float64
	raw    json.RawMessage // not a number
}

// parse reads a value and coarsens a position in it.
func parse(raw json.RawMessage, place int) (value, bool) {
	raw = bytes.TrimSpace(raw)
	if len(raw) == 0 || !json.Valid(raw) {
		return value{}, false
	}
	if raw[0] == '-' || (raw[0] >= '0' && raw[0] <= '9') {
		f, err := strconv.ParseFloat(string(raw), 64)
		if err != nil || math.IsInf(f, 0) || math.IsNaN(f) {
			return value{}, false
		}
		return value{number: true, f: f}, true
	}
	if raw[0] == '{' || raw[0] == '[' {
		return coarsen(raw, place)
	}
	return value{raw: compact(raw)}, true
}

func compact(raw json.RawMessage) json.RawMessage {
	var b bytes.Buffer
	if json.Compact(&b, raw) != nil {
		return nil
	}
	return b.Bytes()
}

// coarsen applies place to every object with a latitude and a longitude, at any
// depth: a position must not slip through inside another object.
func coarsen(raw json.RawMessage, place int) (value, bool) {
	if place == PlaceExact {
		return value{raw: compact(raw)}, true
	}
	var v any
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	if d.Decode(&v) != nil {
		return value{}, false
	}
	out, err := json.Marshal(coarse(v, place))
	return value{raw: out}, err == nil
}

func coarse(v any, place int) any {
	switch v := v.(type) {
	case []any:
		for i := range v {
			v[i] = coarse(v[i], place)
		}
	case map[string]any:
		coarsePosition(v, place)
		for k := range v {
			v[k] = coarse(v[k], place)
		}
	}
	return v
}

// coarsePosition replaces latitude and longitude of an object by the middle of
// the cell, and drops what else says where and how it moves.
func coarsePosition(m map[string]any, place int) {
	lat, latName, okLat := coordinate(m, "latitude", "lat")
	lon, lonName, okLon := coordinate(m, "longitude", "lon", "lng", "long")
	if !okLat && !okLon {
		delete(m, "coordinates") // GeoJSON: of any depth, so not at all
		return
	}
	for k := range m {
		switch strings.ToLower(k) {
		case "altitude", "accuracy", "gps_accuracy", "vertical_accuracy", "heading", "course", "bearing", "speed",
			"elevation", "coordinates", "latitude", "lat", "longitude", "lon", "lng", "long":
			delete(m, k)
		}
	}
	if place < 0 || !okLat || !okLon || math.IsNaN(lat+lon) || math.Abs(lat) > 90 || math.Abs(lon) > 180 {
		return
	}
	cell := s2.CellIDFromLatLng(s2.LatLngFromDegrees(lat, lon)).Parent(min(place, s2.MaxLevel))
	mid := cell.LatLng()
	m[latName] = json.Number(strconv.FormatFloat(mid.Lat.Degrees(), 'f', 6, 64))
	m[lonName] = json.Number(strconv.FormatFloat(mid.Lng.Degrees(), 'f', 6, 64))
	m["cell"] = cell.ToToken()
}

func coordinate(m map[string]any, names ...string) (f float64, name string, ok bool) {
	for k, v := range m {
		for _, n := range names {
			if !strings.EqualFold(k, n) {
				continue
			}
			num, isNumber := v.(json.Number)
			f, err := strconv.ParseFloat(string(num), 64)
			if isNumber && err == nil {
				return f, k, true
			}
			return math.NaN(), k, true
		}
	}
	return 0, "", false
}

// json writes the value, a number in steps of round.
func (v value) json(round float64) json.RawMessage {
	if !v.number {
		return v.raw
	}
	if round <= 0 {
		return json.RawMessage(strconv.FormatFloat(clean(v.f), 'g', -1, 64))
	}
	steps := math.Round(v.f / round)
	if math.IsInf(steps, 0) || math.IsNaN(steps) {
		return json.RawMessage("0")
	}
	s := strconv.FormatFloat(steps*round, 'f', decimals(round), 64)
	if s == "-0" || strings.Trim(s, "-0.") == "" {
		s = "0"
	}
	return json.RawMessage(s)
}

// clean cuts the noise of binary arithmetic: 15 significant digits.
func clean(f float64) float64 {
	g, err := strconv.ParseFloat(strconv.FormatFloat(f, 'g', 15, 64), 64)
	if err != nil || g == 0 {
		return 0
	}
	return g
}

// decimals is how many digits behind the point a step has.
func decimals(step float64) int {
	s := strconv.FormatFloat(step, 'f', -1, 64)
	if i := strings.IndexByte(s, '.'); i >= 0 {
		return min(len(s)-i-1, 15)
	}
	return 0
}
