package opendoor

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"time"

	"primum/internal/answer"
	"primum/internal/open"
	"primum/internal/store"
	"primum/internal/wire"
)

// Bounds of what streams cost.
const (
	streamsPerAddress = 32
	streamLife        = time.Hour // then the reader connects again
	beat              = 20 * time.Second
	catchUp           = open.MaxPage // values sent after Last-Event-ID, of all properties
)

// observe streams values as server-sent events (WHATWG HTML §9.2) without
// names, as consumers of the Web of Things expect: data is the value, or an
// object of changed values where the whole thing is followed; id is its time.
// With Last-Event-ID it begins behind that time, else with the newest value.
func (d *Door) observe(w http.ResponseWriter, r *http.Request) error {
	service, name, err := named(r)
	if err != nil {
		return err
	}
	if r.Method == http.MethodHead {
		return d.headOfStream(w, r, service, name)
	}
	address := d.cfg.Address(r)
	if !d.streams.Begin(address) {
		d.tooManyStreams(w)
		return nil
	}
	defer d.streams.End(address)
	// Watch first, then read: nothing falls between.
	watch, err := d.cfg.Book.Watch(service, name)
	if err == store.ErrQuota {
		d.tooManyStreams(w)
		return nil
	}
	if err != nil {
		return err
	}
	defer watch.Stop()
	s := &stream{d: d, service: service, name: name, property: r.PathValue("property"), sent: map[string]time.Time{}}
	ctx, cancel := context.WithTimeout(r.Context(), streamLife)
	defer cancel()
	first, err := s.before(ctx, r.Header.Get("Last-Event-ID"))
	if err != nil {
		return err
	}
	s.run(ctx, w, first, watch)
	return nil
}

// headOfStream answers HEAD, which has no end to wait for.
func (d *Door) headOfStream(w http.ResponseWriter, r *http.Request, service, name string) error {
	s := &stream{d: d, service: service, name: name, property: r.PathValue("property")}
	if _, err := s.before(r.Context(), ""); err != nil {
		return err
	}
	streamHeaders(w.Header())
	return nil
}

func streamHeaders(h http.Header) {
	answer.Open(h, "")
	answer.StreamHeaders(h)
}

func (d *Door) tooManyStreams(w http.ResponseWriter) {
	answer.Open(w.Header(), "Retry-After")
	w.Header().Set("Retry-After", "60")
	answer.Problem(w, http.StatusTooManyRequests, wire.ProbTooMany, "too many streams are open; close one, or ask for the value now and then")
}

// stream is one reader.
type stream struct {
	d                       *Door
	out                     *answer.Stream       // from run on
	service, name, property string               // property is empty where all are followed
	sent                    map[string]time.Time // newest that was sent, by property
}

// before is what a reader gets first.
func (s *stream) before(ctx context.Context, last string) ([]open.Sample, error) {
	book := s.d.cfg.Book
	newest := map[string]open.Sample{}
	if s.property == "" {
		var err error
		if newest, err = book.NewestOf(ctx, s.service, s.name); err != nil {
			return nil, err
		}
	} else if v, ok, err := book.Newest(ctx, s.service, s.name, s.property); err != nil {
		return nil, err
	} else if ok {
		newest[s.property] = v
	}
	since, err := time.Parse(time.RFC3339, last)
	var all []open.Sample
	for property, v := range newest {
		if err != nil { // no id, or none of ours
			all = append(all, v)
			continue
		}
		missed, _, err := book.History(ctx, open.Range{
			Service: s.service, Thing: s.name, Property: property, From: since.Add(time.Millisecond), To: v.At.Add(time.Millisecond), Limit: max(1, catchUp/len(newest)),
		})
		if err != nil {
			return nil, err
		}
		for i := range missed {
			missed[i].Property = property
		}
		all = append(all, missed...)
	}
	// By their times: a reader that is cut off goes on from the last id.
	slices.SortStableFunc(all, func(a, b open.Sample) int { return a.At.Compare(b.At) })
	return all, nil
}

func (s *stream) run(ctx context.Context, w http.ResponseWriter, first []open.Sample, watch *open.Watch) {
	streamHeaders(w.Header())
	s.out = answer.NewStream(w)
	if !s.out.Write([]byte(": primum\n\n")) {
		return
	}
	for _, v := range first {
		if !s.send(v) {
			return
		}
	}
	for {
		timer := s.d.cfg.Clock.NewTimer(beat)
		ok := false
		select {
		case <-watch.Woken:
			ok = s.take(watch)
		case <-timer.C():
			ok = s.out.Write([]byte(": \n\n"))
		case <-ctx.Done():
		case <-s.d.ctx.Done():
		}
		timer.Stop()
		if !ok {
			return
		}
	}
}

// take writes what waits; false means that no more comes, or the reader has gone.
func (s *stream) take(watch *open.Watch) bool {
	all, more := watch.Take()
	for _, v := range all {
		if !s.send(v) {
			return false
		}
	}
	return more
}

// send writes a value, unless it was sent or another property is followed.
func (s *stream) send(v open.Sample) bool {
	if s.property != "" && v.Property != s.property {
		return true
	}
	if !v.At.After(s.sent[v.Property]) {
		return true // it came by both ways, or later than a newer one
	}
	s.sent[v.Property] = v.At
	data := v.Value
	if s.property == "" {
		b, err := json.Marshal(map[string]json.RawMessage{v.Property: v.Value})
		if err != nil {
			return false
		}
		data = b
	}
	return s.out.Write(fmt.Appendf(nil, "id: %s\ndata: %s\n\n", stamp(v.At), data))
}
