package edge

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"primum/circle"
	"primum/internal/clock"
	opendoor "primum/internal/door/open"
	"primum/internal/edge/simulated"
	"primum/internal/open"
	"primum/internal/wire"
	"primum/thing"
)

// openNode is a node's door for open services, that may be away.
type openNode struct {
	book *open.Book
	mux  *http.ServeMux

	mu    sync.Mutex
	away  bool     // under mu
	asked []string // under mu: method and path
	told  chan struct{}
}

func newOpenNode(t *testing.T, c clock.Clock) *openNode {
	t.Helper()
	book, err := open.Open(t.Context(), t.TempDir(), open.Options{Clock: c})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = book.Close() })
	n := &openNode{book: book, mux: http.NewServeMux(), told: make(chan struct{}, 1000)}
	d := opendoor.New(opendoor.Config{Base: "https://h.example", Book: book, Clock: c, Publisher: func(*http.Request) (string, error) { return "edge", nil }})
	for pattern, h := range d.Routes() {
		n.mux.Handle(pattern, h)
	}
	return n
}

func (n *openNode) do(ctx context.Context, method, path, _ string, body io.Reader) (*http.Response, error) {
	n.mu.Lock()
	away := n.away
	n.asked = append(n.asked, method+" "+path)
	n.mu.Unlock()
	defer func() { n.told <- struct{}{} }()
	if away {
		return nil, errors.New("no route to host")
	}
	r := httptest.NewRequestWithContext(ctx, method, path, body)
	w := httptest.NewRecorder()
	n.mux.ServeHTTP(w, r)
	if w.Code < 400 {
		return w.Result(), nil
	}
	p := wire.Problem{Status: w.Code}
	if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil {
		return nil, err
	}
	return nil, &p
}

func (n *openNode) set(away bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.away = away
}

// await waits until ok holds after a request.
func (n *openNode) await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.After(patience)
	for !ok() {
		select {
		case <-n.told:
		case <-deadline:
			n.mu.Lock()
			defer n.mu.Unlock()
			t.Fatalf("%s: never; asked %v", what, n.asked)
		}
	}
}

// TestOpenFeedPublishesTheChosenAlone: a service is made, one property of one
// thing is described and fed; nothing else of the house is ever told.
func TestOpenFeedPublishesTheChosenAlone(t *testing.T) {
	t.Parallel()
	c := clock.NewManual(start())
	n := newOpenNode(t, c)
	feed := &OpenFeed{Service: "town", Things: []thing.Name{{Thing: "water", Affordance: "flow"}, {Thing: "none"}}, Do: n.do}
	run(t, Config{Clock: c, Simulated: simulated.New(c, 0, 1), Open: feed}, newAnchor(t))
	for range 5 {
		step(t, c, 3, time.Second)
	}
	n.await(t, "values", func() bool {
		s, ok, err := n.book.Newest(t.Context(), "town", "water", "flow")
		return err == nil && ok && !s.At.Before(start().Add(4*time.Second))
	})
	things, err := n.book.Things(t.Context(), "town", "", 10)
	if err != nil || len(things) != 1 || things[0].Name != "water" {
		t.Fatalf("things: %v %v", things, err)
	}
	if p := things[0].Properties(); len(p) != 1 || p[0] != "flow" {
		t.Errorf("properties: %v", p)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if all := strings.Join(n.asked, ","); strings.Contains(all, "lamp") || strings.Contains(all, "hall") {
		t.Errorf("asked %s", all)
	}
}

// TestOpenFeedWaitsForItsNode: while the node is away values wait on disk, also
// over a restart, and come once it is back.
func TestOpenFeedWaitsForItsNode(t *testing.T) {
	t.Parallel()
	c := clock.NewManual(start())
	n := newOpenNode(t, c)
	n.set(true)
	cfg := Config{Dir: filepath.Join(t.TempDir(), "edge"), Clock: c, Open: &OpenFeed{Service: "town", Things: []thing.Name{{Thing: "station"}}, Do: n.do}}
	a := newAnchor(t)
	e, err := openWith(cfg, a, a)
	if err != nil {
		t.Fatal(err)
	}
	d := thing.New("Station")
	d.AddProperty("pm10", thing.Schema{Type: "number", ReadOnly: true})
	d.AddAction("reset", "Reset", "", nil)
	b, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	station := []circle.Thing{{ID: "station", Title: "Station", Description: b}}
	sample := func(value string, at time.Time) circle.Sample {
		return circle.Sample{Thing: "station", Name: "pm10", At: at, Value: json.RawMessage(value)}
	}
	e.announce(station)
	e.keep([]circle.Sample{sample("1", start()), sample("2", start().Add(time.Second))})
	if sent, err := e.public.step(t.Context()); sent || err == nil {
		t.Errorf("sent to a node that is away: %v", err)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	n.set(false)
	e = run(t, cfg, a)
	e.announce(station)
	e.keep([]circle.Sample{sample("3", start().Add(2*time.Second)), sample(`"much"`, start().Add(3*time.Second))})
	there := func(want int) func() bool {
		return func() bool {
			all, _, err := n.book.History(t.Context(), open.Range{Service: "town", Thing: "station", Property: "pm10", To: start().Add(time.Hour), Limit: 10})
			return err == nil && len(all) == want
		}
	}
	n.await(t, "all values", there(3))
	e.keep([]circle.Sample{sample("4", start().Add(4*time.Second))})
	n.await(t, "the next value", there(4))
	if waiting, dropped := e.public.queue.counts(); waiting > 1 || dropped > 0 {
		t.Errorf("%d values wait, %d were dropped", waiting, dropped)
	}
}

func TestOpenFeedNamesWhatItPublishes(t *testing.T) {
	t.Parallel()
	a := newAnchor(t)
	if _, err := openWith(Config{Dir: filepath.Join(t.TempDir(), "edge"), Open: &OpenFeed{Service: "town"}}, a, a); err == nil {
		t.Error("a feed without a thing was opened")
	}
}
