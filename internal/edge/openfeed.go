package edge

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"primum/circle"
	"primum/internal/clock"
	"primum/internal/wire"
	"primum/thing"
)

// OpenFeed publishes values of named things, and of no other, in an open
// service: whoever asks its node reads them. It is for values that concern
// nobody.
type OpenFeed struct {
	Service string
	// Things are what is published: "station" with all its properties, or
	// "station/pm10" alone. At least one.
	Things []thing.Name
	// Do sends a request to the node with a publisher's token, as the command's
	// publisher does: an answer of 400 and more is a *wire.Problem.
	Do func(ctx context.Context, method, path, contentType string, body io.Reader) (*http.Response, error)
}

// Bounds and rhythm of a feed: what waits while the node is away lies on disk.
const (
	feedFile  = "open.log"
	feedItems = 100_000
	feedBytes = 64 << 20
	feedFirst = time.Second
	feedMost  = 5 * time.Minute
	feedBatch = 500 // values in one request
	feedWait  = 30 * time.Second
)

// openFeed is a feed at work.
type openFeed struct {
	o     OpenFeed
	clock clock.Clock
	log   *slog.Logger
	queue *queue
	note  func(what string, err error)

	mu      sync.Mutex
	begun   bool              // things were announced: values may go; under mu
	known   map[string][]byte // descriptions of the chosen things, by name; under mu
	pending map[string][]byte // those that the node has not been told; under mu
}

func newOpenFeed(c Config, note func(string, error)) (f *openFeed, err error) {
	if len(c.Open.Things) == 0 {
		return nil, errors.New("publish openly: no thing is named")
	}
	f = &openFeed{o: *c.Open, clock: c.Clock, log: c.Log, note: note, known: map[string][]byte{}, pending: map[string][]byte{}}
	f.queue, err = openQueue(filepath.Join(c.Dir, feedFile), feedItems, feedBytes)
	return f, err
}

// chosen tells whether a property of a thing is published.
func (f *openFeed) chosen(name, affordance string) bool {
	return slices.ContainsFunc(f.o.Things, func(n thing.Name) bool {
		return n.Thing == name && (n.Affordance == "" || n.Affordance == affordance)
	})
}

// announce takes the things that there are; the chosen ones are described to
// the node before their next values.
func (f *openFeed) announce(things []circle.Thing) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, t := range things {
		d, err := f.publicPart(t)
		if err != nil {
			f.note("publish openly", err)
			continue
		}
		if d == nil {
			continue
		}
		if b, err := json.Marshal(d); err == nil && !bytes.Equal(f.known[t.ID], b) {
			f.known[t.ID], f.pending[t.ID] = b, b
		}
	}
	f.begun = true
	f.wake()
}

// publicPart is what of a thing's description is published, nil for nothing.
func (f *openFeed) publicPart(t circle.Thing) (*thing.Description, error) {
	var d thing.Description
	if err := json.Unmarshal(t.Description, &d); err != nil {
		return nil, fmt.Errorf("read the description of %s: %w", t.ID, err)
	}
	var names []string
	for name := range d.Properties {
		if f.chosen(t.ID, name) {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return nil, nil
	}
	only := d.Only(names...)
	only.Actions, only.Events, only.ID = nil, nil, ""
	only.Context = json.RawMessage(`"` + thing.Context + `"`)
	return only, nil
}

func (f *openFeed) wake() {
	select {
	case f.queue.wake <- struct{}{}:
	default:
	}
}

// keep puts the chosen of some values into the queue.
func (f *openFeed) keep(samples []circle.Sample) error {
	type value struct {
		Thing    string          `json:"thing"`
		Property string          `json:"property"`
		At       time.Time       `json:"at"`
		Value    json.RawMessage `json:"value"`
	}
	var all []value
	for _, s := range samples {
		if !s.Event && f.chosen(s.Thing, s.Name) {
			all = append(all, value{s.Thing, s.Name, s.At, s.Value})
		}
	}
	for part := range slices.Chunk(all, feedBatch) {
		b, err := json.Marshal(map[string]any{"values": part})
		if err != nil {
			return fmt.Errorf("publish openly: %w", err)
		}
		if err := f.queue.add(b); err != nil {
			return err
		}
	}
	return nil
}

// run sends what waits until the context ends; while the node is away it waits
// longer and longer.
func (f *openFeed) run(ctx context.Context) error {
	for pause := feedFirst; ctx.Err() == nil; {
		sent, err := f.step(ctx)
		if err != nil && ctx.Err() != nil {
			return nil
		}
		f.note("publish openly", err)
		switch {
		case err != nil:
			timer := f.clock.NewTimer(pause)
			select {
			case <-timer.C():
			case <-ctx.Done():
			}
			timer.Stop()
			pause = min(2*pause, feedMost)
		case sent:
			pause = feedFirst
		default:
			select {
			case <-f.queue.wake:
			case <-ctx.Done():
			}
		}
	}
	return nil
}

// step sends one thing: a description before all values.
func (f *openFeed) step(ctx context.Context) (sent bool, err error) {
	if name, b := f.nextDescription(); name != "" {
		if err := f.describe(ctx, name, b); err != nil {
			return false, err
		}
		f.described(name, b)
		return true, nil
	}
	item := f.next()
	if item == nil {
		return false, nil
	}
	err = f.post(ctx, item)
	var p *wire.Problem
	switch {
	case errors.As(err, &p) && p.Status == http.StatusBadRequest:
		f.log.Warn("open values refused", "service", f.o.Service, "why", p.Detail, "at", p.Pointer)
		err = nil // repeating mends nothing
	case errors.As(err, &p) && p.Status == http.StatusNotFound:
		f.describeAgain()
	}
	if err != nil {
		return false, err
	}
	return true, f.queue.done(item)
}

// next is the oldest item, once it is known what there is.
func (f *openFeed) next() []byte {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.begun {
		return nil
	}
	return f.queue.head()
}

// describeAgain is for a node that has lost the service.
func (f *openFeed) describeAgain() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.pending = maps.Clone(f.known)
}

func (f *openFeed) nextDescription() (name string, b []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for name, b := range f.pending {
		return name, b
	}
	return "", nil
}

// described forgets a description that was put, unless a newer one came.
func (f *openFeed) described(name string, b []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if bytes.Equal(f.pending[name], b) {
		delete(f.pending, name)
	}
}

// describe puts a thing; a service that does not exist yet is made.
func (f *openFeed) describe(ctx context.Context, name string, b []byte) error {
	err := f.send(ctx, http.MethodPut, f.path(name), b)
	var p *wire.Problem
	if !errors.As(err, &p) || p.Status != http.StatusNotFound {
		return err
	}
	service, err := json.Marshal(map[string]string{"title": f.o.Service})
	if err != nil {
		return err
	}
	if err := f.send(ctx, http.MethodPut, f.path(""), service); err != nil {
		return err
	}
	return f.send(ctx, http.MethodPut, f.path(name), b)
}

func (f *openFeed) path(name string) string {
	path := "/v1/open/" + url.PathEscape(f.o.Service)
	if name != "" {
		path += "/" + url.PathEscape(name)
	}
	return path
}

func (f *openFeed) send(ctx context.Context, method, path string, body []byte) error {
	ctx, cancel := context.WithTimeout(ctx, feedWait)
	defer cancel()
	resp, err := f.o.Do(ctx, method, path, "application/json", bytes.NewReader(body))
	if err != nil {
		return err
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<20))
	return resp.Body.Close()
}

// post sends values, and notes those that the node did not take.
func (f *openFeed) post(ctx context.Context, item []byte) error {
	ctx, cancel := context.WithTimeout(ctx, feedWait)
	defer cancel()
	resp, err := f.o.Do(ctx, http.MethodPost, f.path(""), "application/json", bytes.NewReader(item))
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	var added struct {
		Refused []struct{ Reason string } `json:"refused"`
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, 1<<20)).Decode(&added); err != nil {
		return fmt.Errorf("publish openly: read the node's answer: %w", err)
	}
	if len(added.Refused) > 0 {
		f.log.Warn("open values refused", "service", f.o.Service, "values", len(added.Refused), "why", added.Refused[0].Reason)
	}
	return nil
}

func (f *openFeed) close() error { return f.queue.close() }
