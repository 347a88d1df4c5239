package open_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"primum/internal/clock"
	"primum/internal/open"
	"primum/internal/store"
)

func start() time.Time { return time.Date(2026, 11, 23, 6, 0, 0, 0, time.UTC) }

// air is a station's description as a publisher sends it.
const air = `{"@context":"https://www.w3.org/2022/wot/td/v1.1","title":"Market square","titles":{"de":"Marktplatz"},
	"securityDefinitions":{"basic":{"scheme":"basic","in":"header"}},"security":"basic","base":"http://10.0.0.7/","x-kept":"yes",
	"properties":{
		"pm10":{"title":"Fine dust","titles":{"de":"Feinstaub"},"type":"number","unit":"ug/m3","minimum":0,"forms":[{"href":"pm10"}]},
		"state":{"type":"string","forms":[{"href":"state"}]},
		"place":{"type":"object","forms":[{"href":"place"}]},
		"secret":{"type":"string","writeOnly":true,"forms":[{"href":"s","op":"writeproperty"}]}},
	"actions":{"reset":{"forms":[{"href":"reset"}]}}}`

type room struct {
	*open.Book
	clock *clock.Manual
	t     *testing.T
}

func newRoom(t *testing.T, change ...func(*open.Options)) *room {
	t.Helper()
	c := clock.NewManual(start())
	o := open.Options{Clock: c}
	for _, f := range change {
		f(&o)
	}
	b, err := open.Open(t.Context(), t.TempDir(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	r := &room{b, c, t}
	if _, err := b.PutService(t.Context(), open.Service{Name: "air", Title: "Air", KeepDays: 30}); err != nil {
		t.Fatal(err)
	}
	r.put("square", "")
	return r
}

func (r *room) put(name, key string) {
	r.t.Helper()
	d, err := open.ReadDescription([]byte(air))
	if err != nil {
		r.t.Fatal(err)
	}
	if _, err := r.PutThing(r.t.Context(), open.Thing{Service: "air", Name: name, Description: d, Key: key, Class: strings.Split(key, "/21/")[0]}); err != nil {
		r.t.Fatal(err)
	}
}

func sample(property, value string, at time.Time) open.Sample {
	return open.Sample{Thing: "square", Property: property, At: at, Value: json.RawMessage(value)}
}

func (r *room) add(samples ...open.Sample) open.Added {
	r.t.Helper()
	a, err := r.Add(r.t.Context(), "air", samples)
	if err != nil {
		r.t.Fatal(err)
	}
	return a
}

func (r *room) history(from, to time.Time, limit int) ([]open.Sample, time.Time) {
	r.t.Helper()
	all, next, err := r.History(r.t.Context(), open.Range{Service: "air", Thing: "square", Property: "pm10", From: from, To: to, Limit: limit})
	if err != nil {
		r.t.Fatal(err)
	}
	return all, next
}

func TestDescriptionIsBaredAndServed(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	one, err := r.Thing(t.Context(), "air", "square")
	if err != nil {
		t.Fatal(err)
	}
	served := one.Served("https://h.example/open/air/square")
	if err := served.Validate(); err != nil {
		t.Errorf("what is served is no valid description: %v", err)
	}
	b, err := json.Marshal(served)
	if err != nil {
		t.Fatal(err)
	}
	text := string(b)
	for _, want := range []string{
		`"id":"https://h.example/open/air/square"`, `"href":"https://h.example/open/air/square/properties/pm10"`, `"subprotocol":"sse"`,
		`"readallproperties"`, `"observeallproperties"`, `"scheme":"nosec"`, `"x-kept":"yes"`, `"rel":"archives"`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the description lacks %s", want)
		}
	}
	for _, never := range []string{"10.0.0.7", "basic", "reset", "secret"} {
		if strings.Contains(text, never) {
			t.Errorf("the description holds %s", never)
		}
	}
	if one.TitleIn("de") != "Marktplatz" || one.TitleIn("fr") != "Market square" || one.PropertyTitle("pm10", "de") != "Feinstaub" || one.PropertyTitle("state", "de") != "state" {
		t.Error("titles are not in the visitor's language")
	}
}

func TestBadDescriptionsAreRefusedWithTheirPlace(t *testing.T) {
	t.Parallel()
	for text, pointer := range map[string]string{
		`{"@context":"https://www.w3.org/2022/wot/td/v1.1","title":"x"}`:                                            "/properties",
		`{"@context":"https://www.w3.org/2022/wot/td/v1.1","title":"x","properties":{"a/b":{"type":"number"}}}`:     "/properties",
		`{"@context":"https://www.w3.org/2022/wot/td/v1.1","title":"x","properties":{"a":{"type":"float"}}}`:        "/properties/a/type",
		`{"@context":"https://www.w3.org/2022/wot/td/v1.1","title":"x\u202e","properties":{"a":{"type":"number"}}}`: "/title",
		`{"title":"x","properties":{"a":{"type":"number"}}}`:                                                        "",
		`[]`: "",
		`{"@context":"https://www.w3.org/2022/wot/td/v1.1","title":"x","title":"y","properties":{"a":{"type":"number"}}}`: "/title",
		`{"@context":"https://www.w3.org/2022/wot/td/v1.1","title":"x","properties":{"a":null}}`:                          "/properties",
	} {
		_, err := open.ReadDescription([]byte(text))
		var no *open.Invalid
		if !errors.As(err, &no) {
			t.Errorf("%s: %v", text, err)
		} else if no.Pointer != pointer {
			t.Errorf("%s: refused at %q (%s), want %q", text, no.Pointer, no.Reason, pointer)
		}
	}
}

func TestValuesAreCheckedKeptAndTold(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	w, err := r.Watch("air", "square")
	if err != nil {
		t.Fatal(err)
	}
	defer w.Stop()
	now := start()
	got := r.add(
		sample("pm10", "21.50", now.Add(-time.Minute)),
		sample("pm10", "-1", now),                      // below its minimum
		sample("pm10", `"much"`, now),                  // no number
		sample("nox", "1e308", now),                    // no such property
		sample("state", `"wet"`, time.Time{}),          // now
		sample("pm10", "1", now.Add(time.Hour)),        // of tomorrow
		sample("pm10", "1", now.Add(-31*24*time.Hour)), // older than is kept
		open.Sample{Thing: "none", Property: "pm10", Value: json.RawMessage("1")},
		sample("place", `{"lat": 52.5, "lon": 13.4}`, now),
	)
	if got.Kept != 3 || got.Known != 0 || len(got.Refused) != 6 {
		t.Fatalf("added: %+v", got)
	}
	for i, index := range []int{1, 2, 3, 5, 6, 7} {
		if got.Refused[i].Index != index {
			t.Errorf("refused: %+v", got.Refused)
		}
	}
	<-w.Woken
	told, more := w.Take()
	if len(told) != 3 || !more {
		t.Fatalf("told %+v, %v", told, more)
	}
	for i, want := range []string{"21.5", `"wet"`, `{"lat":52.5,"lon":13.4}`} {
		if s := told[i]; string(s.Value) != want {
			t.Errorf("told %s, want %s", s.Value, want)
		}
	}
	// Again: nothing changes, nobody is told.
	if again := r.add(sample("pm10", "99", now.Add(-time.Minute)), sample("pm10", "30", now)); again.Kept != 1 || again.Known != 1 {
		t.Errorf("added again: %+v", again)
	}
	if told, _ := w.Take(); len(told) != 1 || string(told[0].Value) != "30" {
		t.Errorf("told %+v", told)
	}
	all, next := r.history(now.Add(-time.Hour), now.Add(time.Hour), 10)
	if len(all) != 2 || string(all[0].Value) != "21.5" || !all[0].At.Equal(now.Add(-time.Minute)) || !next.IsZero() {
		t.Errorf("history: %v %v", all, next)
	}
	newest, err := r.NewestOf(t.Context(), "air", "square")
	if err != nil || len(newest) != 3 || string(newest["pm10"].Value) != "30" {
		t.Errorf("newest: %v %v", newest, err)
	}
}

func TestNumbersKeepTheirDigits(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	for i, want := range []string{"0", "1e-7", "12345678901234567890", "0.1", "9007199254740993", "1e+300"} {
		at := start().Add(time.Duration(i) * time.Millisecond)
		r.add(sample("pm10", want, at))
		s, ok, err := r.Newest(t.Context(), "air", "square", "pm10")
		if err != nil || !ok || string(s.Value) != want {
			t.Errorf("%s came back as %s (%v)", want, s.Value, err)
		}
	}
}

func TestHistoryPages(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	for i := range 10 {
		r.add(sample("pm10", fmt.Sprint(i), start().Add(time.Duration(i-10)*time.Minute)))
	}
	var seen []string
	from := start().Add(-time.Hour)
	for pages := 0; ; pages++ {
		all, next := r.history(from, start(), 4)
		for _, s := range all {
			seen = append(seen, string(s.Value))
		}
		if next.IsZero() {
			break
		}
		if from = next; pages > 3 {
			t.Fatal("the pages have no end")
		}
	}
	if strings.Join(seen, " ") != "0 1 2 3 4 5 6 7 8 9" {
		t.Errorf("seen: %v", seen)
	}
	for _, bad := range []open.Range{
		{Service: "air", Thing: "square", Property: "pm10", From: start(), To: start().Add(-1), Limit: 1},
		{Service: "air", Thing: "square", Property: "pm10", To: start(), Limit: open.MaxPage + 1},
	} {
		if _, _, err := r.History(t.Context(), bad); !errors.As(err, new(*open.Invalid)) {
			t.Errorf("%+v: %v", bad, err)
		}
	}
	for _, unknown := range []open.Range{
		{Service: "air", Thing: "square", Property: "nox", To: start(), Limit: 1},
		{Service: "air", Thing: "none", Property: "pm10", To: start(), Limit: 1},
		{Service: "none", Thing: "square", Property: "pm10", To: start(), Limit: 1},
	} {
		if _, _, err := r.History(t.Context(), unknown); !errors.Is(err, open.ErrUnknown) {
			t.Errorf("%+v: %v", unknown, err)
		}
	}
}

// TestWindowsAgree: hours that were summed up say what the values say.
func TestWindowsAgree(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	var all []open.Sample
	from := start().Add(-20 * time.Hour)
	for i := range 900 { // some 20 hours, in no order, with a gap
		k := i * 617 % 900
		if k >= 300 && k < 420 {
			continue
		}
		all = append(all, sample("pm10", fmt.Sprint(k%97), from.Add(time.Duration(k)*80*time.Second)))
	}
	r.add(all...)
	ask := func(every time.Duration, limit int) []open.Window {
		t.Helper()
		var out []open.Window
		begin := from
		for {
			w, next, err := r.Windows(t.Context(), open.Range{Service: "air", Thing: "square", Property: "pm10", From: begin, To: start(), Limit: limit}, every)
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, w...)
			if begin = next; next.IsZero() {
				return out
			}
		}
	}
	for _, every := range []time.Duration{time.Hour, 2 * time.Hour, 24 * time.Hour, 15 * time.Minute, time.Second} {
		want := map[int64]*open.Window{}
		for _, s := range all {
			f, _ := s.Number()
			at := s.At.Truncate(every).UnixMilli()
			w := want[at]
			if w == nil {
				w = &open.Window{Min: f, Max: f}
				want[at] = w
			}
			w.Mean = (w.Mean*float64(w.N) + f) / float64(w.N+1)
			w.N, w.Min, w.Max = w.N+1, min(w.Min, f), max(w.Max, f)
		}
		for _, limit := range []int{7, open.MaxPage} {
			got := ask(every, limit)
			if len(got) != len(want) {
				t.Errorf("%v: %d windows, want %d", every, len(got), len(want))
			}
			for _, g := range got {
				w := want[g.At.UnixMilli()]
				if w == nil || g.N != w.N || g.Min != w.Min || g.Max != w.Max || g.Mean-w.Mean > 1e-9 || w.Mean-g.Mean > 1e-9 {
					t.Fatalf("%v: %+v, want %+v", every, g, w)
				}
			}
		}
	}
}

func TestMeansHaveNoNoise(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	for i, value := range []string{"12.3", "12.33", "12.33", "12.32"} {
		r.add(sample("pm10", value, start().Add(-time.Duration(i+1)*time.Minute)))
	}
	for _, every := range []time.Duration{time.Hour, 30 * time.Minute} {
		w, _, err := r.Windows(t.Context(), open.Range{Service: "air", Thing: "square", Property: "pm10", To: start(), Limit: 1}, every)
		if err != nil || len(w) != 1 || w[0].Mean != 12.32 {
			t.Errorf("%v: %+v %v", every, w, err)
		}
	}
}

func TestRetention(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	old, young := start().Add(-29*24*time.Hour), start().Add(-time.Hour)
	r.add(sample("pm10", "1", old), sample("pm10", "2", young))
	r.clock.Advance(2 * 24 * time.Hour)
	if err := r.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	all, _ := r.history(old.Add(-time.Hour), r.clock.Now(), 10)
	if len(all) != 1 || string(all[0].Value) != "2" {
		t.Errorf("kept: %v", all)
	}
	w, _, err := r.Windows(t.Context(), open.Range{Service: "air", Thing: "square", Property: "pm10", From: old, To: r.clock.Now(), Limit: 10}, time.Hour)
	if err != nil || len(w) != 1 || w[0].Mean != 2 {
		t.Errorf("hours kept: %v %v", w, err)
	}
	// A property that the description has no more goes with its values.
	d, err := open.ReadDescription([]byte(strings.Replace(air, `"pm10"`, `"pm25"`, 1)))
	if err != nil {
		t.Fatal(err)
	}
	if created, err := r.PutThing(t.Context(), open.Thing{Service: "air", Name: "square", Description: d}); err != nil || created {
		t.Fatal(created, err)
	}
	if newest, err := r.NewestOf(t.Context(), "air", "square"); err != nil || len(newest) != 0 {
		t.Errorf("left: %v %v", newest, err)
	}
	if err := r.RemoveService(t.Context(), "air"); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Thing(t.Context(), "air", "square"); !errors.Is(err, open.ErrUnknown) {
		t.Errorf("the thing is still there: %v", err)
	}
}

func TestLinksAreTold(t *testing.T) {
	t.Parallel()
	var told []string
	r := newRoom(t, func(o *open.Options) {
		o.Linked = func(_ context.Context, one open.Thing, gone bool) error {
			told = append(told, fmt.Sprint(one.Key, " ", gone))
			return nil
		}
	})
	r.put("square", "01/04012345999990/21/7")
	r.put("square", "01/04012345999990/21/8")
	r.put("bridge", "01/04012345999990/10/a/21/1")
	if err := r.RemoveThing(t.Context(), "air", "square"); err != nil {
		t.Fatal(err)
	}
	want := " false, true,01/04012345999990/21/7 false,01/04012345999990/21/7 true,01/04012345999990/21/8 false,01/04012345999990/10/a/21/1 false,01/04012345999990/21/8 true"
	if got := strings.Join(told, ","); got != want {
		t.Errorf("told %s", got)
	}
	r.put("square", "01/04012345999990/21/8")
	for class, n := range map[string]int{"01/04012345999990": 2, "01/04012345999990/10/a": 1, "01/0401234599999": 0, "01/04012345999991": 0, "": 0} {
		all, err := r.OfClass(t.Context(), class, 10)
		if err != nil || len(all) != n {
			t.Errorf("%s has %d things (%v), want %d", class, len(all), err, n)
		}
	}
}

// TestRemovalThatStopsHalfWay: a thing stays until nobody else keeps anything of
// it, so that it can be removed again.
func TestRemovalThatStopsHalfWay(t *testing.T) {
	t.Parallel()
	broken := errors.New("the disk is full")
	var stop error
	r := newRoom(t, func(o *open.Options) {
		o.Linked = func(context.Context, open.Thing, bool) error { return stop }
	})
	r.put("square", "01/04012345999990/21/7")
	stop = broken
	if err := r.RemoveThing(t.Context(), "air", "square"); !errors.Is(err, broken) {
		t.Fatal(err)
	}
	if _, err := r.Thing(t.Context(), "air", "square"); err != nil {
		t.Fatalf("nobody can remove it again: %v", err)
	}
	stop = nil
	if err := r.RemoveThing(t.Context(), "air", "square"); err != nil {
		t.Fatal(err)
	}
}

func TestSlowReadersAreCutOff(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	slow, err := r.Watch("air", "square")
	if err != nil {
		t.Fatal(err)
	}
	var all []open.Sample
	for i := range 500 {
		all = append(all, sample("pm10", fmt.Sprint(i), start().Add(-time.Duration(i)*time.Second)))
	}
	if a := r.add(all...); a.Kept != 500 {
		t.Fatalf("%+v", a)
	}
	<-slow.Woken
	got, more := slow.Take()
	if len(got) != 256 || more {
		t.Fatalf("the slow reader got %d values, and more: %v", len(got), more)
	}
	for i, s := range got {
		if string(s.Value) != fmt.Sprint(i) {
			t.Fatalf("value %d is %s", i, s.Value)
		}
	}
	slow.Stop() // again
	later, err := r.Watch("air", "square")
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	<-later.Woken
	if all, more := later.Take(); more || len(all) > 0 {
		t.Error("a watch outlived the book")
	}
	if _, err := r.Watch("air", "square"); !errors.Is(err, store.ErrClosed) {
		t.Errorf("watching a closed book: %v", err)
	}
}

func TestServicesAreChecked(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	for pointer, s := range map[string]open.Service{
		"/name":            {Name: "Air Quality", Title: "x"},
		"/title":           {Name: "a"},
		"/keepDays":        {Name: "a", Title: "x", KeepDays: -1},
		"/license":         {Name: "a", Title: "x", License: "javascript:alert(1)"},
		"/contact":         {Name: "a", Title: "x", Contact: "http://h.example"},
		"/titles":          {Name: "a", Title: "x", Titles: map[string]string{`"><b>`: "x"}},
		"/descriptions/de": {Name: "a", Title: "x", Texts: map[string]string{"de": "\u202e"}},
	} {
		_, err := r.PutService(t.Context(), s)
		var no *open.Invalid
		if !errors.As(err, &no) || no.Pointer != pointer {
			t.Errorf("%+v: %v, want a refusal at %s", s, err, pointer)
		}
	}
	if created, err := r.PutService(t.Context(), open.Service{Name: "air", Title: "Air, new"}); err != nil || created {
		t.Error(created, err)
	}
	s, err := r.Service(t.Context(), "air")
	if err != nil || s.Title != "Air, new" || s.KeepDays != open.DefaultKeep {
		t.Errorf("%+v %v", s, err)
	}
	if _, err := open.Open(t.Context(), filepath.Join(t.TempDir(), "none"), open.Options{}); err == nil {
		t.Error("opened in a directory that does not exist")
	}
}

func TestFullDiskKeepsWhatWasSaid(t *testing.T) {
	t.Parallel()
	r := newRoom(t, func(o *open.Options) { o.MaxPages = 40 })
	kept := 0
	for i := range 100 {
		var all []open.Sample
		for k := range 200 {
			all = append(all, sample("state", `"`+strings.Repeat("x", 200)+`"`, start().Add(-time.Duration(i*200+k)*time.Second)))
		}
		a, err := r.Add(t.Context(), "air", all)
		if errors.Is(err, store.ErrDiskFull) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		kept += a.Kept
	}
	got, _, err := r.History(t.Context(), open.Range{Service: "air", Thing: "square", Property: "state", To: start().Add(time.Hour), Limit: open.MaxPage})
	if err != nil || len(got) != kept || kept == 20_000 {
		t.Errorf("%d values are there, %d were acknowledged (%v)", len(got), kept, err)
	}
}

func FuzzDescription(f *testing.F) {
	f.Add([]byte(air))
	f.Add([]byte(`{"@context":["https://www.w3.org/2019/wot/td/v1"],"title":"x","properties":{"a":{"oneOf":[{}]}},"links":[{"href":"x"}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		d, err := open.ReadDescription(b)
		if err != nil {
			if !errors.As(err, new(*open.Invalid)) {
				t.Fatalf("an error of another kind: %v", err)
			}
			return
		}
		served := open.Thing{Description: d}.Served("https://h.example/open/a/b")
		if err := served.Validate(); err != nil {
			t.Fatalf("taken, but what is served is not valid: %v", err)
		}
		if len(served.Actions)+len(served.Events) > 0 {
			t.Fatal("an open service takes orders")
		}
	})
}

func FuzzService(f *testing.F) {
	f.Add([]byte(`{"name":"air","title":"Air","titles":{"de":"Luft"},"keepDays":30,"license":"https://h.example/terms"}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := open.ReadService(b)
		if err != nil && !errors.As(err, new(*open.Invalid)) {
			t.Fatalf("an error of another kind: %v", err)
		}
		_ = s.Check()
	})
}
