package engine

import (
	"encoding/json"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"primum/circle"
	"primum/client"
	"primum/internal/clock"
	"primum/thing"
)

// bareSession is a session without a client: what needs none can be asked.
func bareSession(t *testing.T) (*session, *clock.Manual) {
	t.Helper()
	c := clock.NewManual(time.Date(2026, 11, 22, 14, 0, 0, 0, time.UTC))
	e := &Engine{o: Options{Dir: t.TempDir(), Clock: c}, events: newQueue()}
	t.Cleanup(e.events.close)
	r, err := openRecent(filepath.Join(e.o.Dir, recentValues), "ada@h.example")
	if err != nil {
		t.Fatal(err)
	}
	rules, err := openAlerts(e.o.Dir)
	if err != nil {
		t.Fatal(err)
	}
	return &session{e: e, recent: r, alerts: rules, shapes: newShapes(), sandbox: newSandbox(e)}, c
}

func bareHome() circle.HomeInfo {
	return circle.HomeInfo{Circle: circle.ID{1}, Joined: true, Ready: true}
}

// A description by somebody who means harm: its texts are texts of a bounded
// length in one direction, and choices that would not be what they look like
// can't be chosen.
func TestHostileDescription(t *testing.T) {
	t.Parallel()
	s, _ := bareSession(t)
	d := thing.New("x")
	d.Title = "<img src=x onerror=alert(1)>\u202e" + strings.Repeat("long ", 1000)
	d.AddProperty("state", thing.Schema{
		Title: "</script><script>alert(1)</script>", Type: "string", Unit: "\u202e" + strings.Repeat("W", 200),
		Enum: []any{"ON", "O\u200bFF", "\u202eNO", strings.Repeat("x", 100)},
	})
	d.AddAction("boom", "\u2066\u2067\u2068", "", nil)
	raw, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	got := s.ownThing(bareHome(), circle.Thing{ID: "lamp", Title: d.Title, Description: raw}, nil)
	if n := len([]rune(got.Title)); n != maxTitle || strings.ContainsRune(got.Title, '\u202e') || got.Reason != "" || len(got.Affordances) != 2 {
		t.Fatalf("thing %+v", got)
	}
	boom, state := got.Affordances[0], got.Affordances[1]
	if boom.Title != "boom" || boom.Kind != "action" {
		t.Errorf("a title of nothing: %+v", boom)
	}
	if state.Title != "</script><script>alert(1)</script>" || len([]rune(state.Unit)) > 16 || len(state.Enum) != 1 || state.Enum[0] != "ON" {
		t.Errorf("state %+v", state)
	}
}

// Ten megabytes, or something that is no description: the thing stays, by the
// values that came of it.
func TestUnreadableDescription(t *testing.T) {
	t.Parallel()
	for name, raw := range map[string]string{
		"10 MB":     `{"title":"` + strings.Repeat("x", 10<<20) + `"}`,
		"deep":      strings.Repeat(`{"properties":`, 100_000),
		"no JSON":   "\x00\x01",
		"a number":  "7",
		"wrong":     `{"title":7,"properties":[]}`,
		"duplicate": `{"title":"a","title":"b"}`,
	} {
		s, c := bareSession(t)
		home := bareHome()
		s.takeValue(client.Stream{Home: home.Circle}, client.Value{Thing: "lamp", Name: "state", At: c.Now(), Value: json.RawMessage(`"ON"`)})
		s.takeValue(client.Stream{Home: home.Circle}, client.Value{Thing: "lamps", Name: "other", At: c.Now(), Value: json.RawMessage(`1`)})
		got := s.ownThing(home, circle.Thing{ID: "lamp", Title: "Lamp", Description: json.RawMessage(raw)}, nil)
		if got.Title != "Lamp" || got.Reason != "description" || len(got.Affordances) != 1 || got.Affordances[0].Latest == nil || got.Affordances[0].Type != "string" {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// What ten thousand values leave in memory is what sixty leave.
// TestTenThousandValues measures the heap, so nothing else runs beside it.
func TestTenThousandValues(t *testing.T) {
	s, c := bareSession(t)
	stream := client.Stream{Home: bareHome().Circle}
	feed := func(n int) {
		for range n {
			c.Advance(time.Second)
			v := json.RawMessage(`21.5`)
			s.takeValue(stream, client.Value{Thing: "hall", Name: "temperature", At: c.Now(), Value: v, Unit: "°C"})
		}
	}
	feed(60)
	before := heap()
	feed(10_000)
	after := heap()
	got := s.recent.get(seriesKey(stream, "hall", "temperature"))
	if len(got.Recent) != maxRecent || !got.Latest.At.Equal(c.Now()) || *got.Latest.Number != 21.5 {
		t.Errorf("kept: %d, latest %v", len(got.Recent), got.Latest)
	}
	s.e.events.mu.Lock()
	waiting := len(s.e.events.waiting)
	s.e.events.mu.Unlock()
	if waiting > maxWaiting {
		t.Errorf("%d events wait for a reader that is not there", waiting)
	}
	// A point is some 100 bytes; the bound is that of the queue, not of the values.
	if grown := int64(after) - int64(before); grown > 4<<20 {
		t.Errorf("10,000 values left %d bytes", grown)
	}
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// The last values are there again after a reload, of the same account only.
func TestRecentSurvives(t *testing.T) {
	t.Parallel()
	s, c := bareSession(t)
	stream := client.Stream{Grant: "g"}
	for i := range 70 {
		c.Advance(time.Minute)
		s.takeValue(stream, client.Value{Thing: "t", Name: "n", At: c.Now(), Value: json.RawMessage(`1`)})
		if i == 69 {
			s.takeValue(stream, client.Value{Thing: "t", Name: "n", At: c.Now().Add(-time.Hour), Value: json.RawMessage(`2`)}) // came before
		}
	}
	s.recent.done(stream, 70)
	shown, err := s.recent.save()
	if err != nil || shown[stream] != 70 {
		t.Fatalf("%v, %v", shown, err)
	}
	again, err := openRecent(s.recent.file, "ada@h.example")
	if err != nil {
		t.Fatal(err)
	}
	got := again.get(seriesKey(stream, "t", "n"))
	if len(got.Recent) != maxRecent || got.Latest == nil || string(got.Latest.Value) != "1" || got.usual() != time.Minute {
		t.Errorf("%+v", got)
	}
	other, err := openRecent(s.recent.file, "ben@h.example")
	if err != nil || len(other.series) != 0 {
		t.Errorf("another account sees %d series, %v", len(other.series), err)
	}
}

func TestStale(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 22, 14, 0, 0, 0, time.UTC)
	at := func(ago time.Duration, value string) series {
		p := pointOf(now.Add(-ago), json.RawMessage(value))
		return series{Latest: &p}
	}
	for name, c := range map[string]struct {
		s     series
		every time.Duration
		want  bool
	}{
		"nothing yet":                {series{}, 0, false},
		"a number of now":            {at(time.Second, "1"), 0, false},
		"three minutes":              {at(3*time.Minute, "1"), 0, false},
		"older":                      {at(3*time.Minute+1, "1"), 0, true},
		"a state comes by change":    {at(48*time.Hour, `"ON"`), 0, false},
		"a grant's clock":            {at(2*time.Hour, "1"), time.Hour, false},
		"past a grant's clock":       {at(4*time.Hour, "1"), time.Hour, true},
		"a state by a grant's clock": {at(4*time.Hour, "true"), time.Hour, true},
	} {
		if got := c.s.stale(now, c.every); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
