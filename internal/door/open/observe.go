package opendoor

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"sync"
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
	writeWait         = 30 * time.Second
	catchUp           = open.MaxPage // values sent after Last-Event-ID, of all properties
)

// streams counts the open streams of each address.
type streams struct {
	mu  sync.Mutex
	all map[string]int // guarded by mu
}

func newStreams() *streams { return &streams{all: map[string]int{}} }

func (s *streams) begin(address string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all[address] >= streamsPerAddress {
		return false
	}
	s.all[address]++
	return true
}

func (s *streams) end(address string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all[address]--; s.all[address] <= 0 {
		delete(s.all, address)
	}
}

// observe streams values as server-sent events (WHATWG HTML §9.2) without
// names, as consumers of the Web of Things expect: data is the value, or an
// object of changed values where the whole thing is followed; id is its time.
// With Last-Event-ID it begins behind that time, else with the newest value.
func (d *Door) observe(w http.ResponseWriter, r *http.Request) {
	service, name, err := named(r)
	if err != nil {
		d.failed(w, err)
		return
	}
	if r.Method == http.MethodHead {
		d.headOfStream(w, r, service, name)
		return
	}
	address := d.cfg.Address(r)
	if !d.streams.begin(address) {
		d.tooManyStreams(w)
		return
	}
	defer d.streams.end(address)
	// Watch first, then read: nothing falls between.
	watch, err := d.cfg.Book.Watch(service, name)
	if err == store.ErrQuota {
		d.tooManyStreams(w)
		return
	}
	if err != nil {
		d.failed(w, err)
		return
	}
	defer watch.Stop()
	s := &stream{d: d, w: w, rc: http.NewResponseController(w), service: service, name: name, property: r.PathValue("property"), sent: map[string]time.Time{}}
	ctx, cancel := context.WithTimeout(r.Context(), streamLife)
	defer cancel()
	first, err := s.before(ctx, r.Header.Get("Last-Event-ID"))
	if err != nil {
		d.failed(w, err)
		return
	}
	s.run(ctx, first, watch)
}

// headOfStream answers HEAD, which has no end to wait for.
func (d *Door) headOfStream(w http.ResponseWriter, r *http.Request, service, name string) {
	s := &stream{d: d, w: w, service: service, name: name, property: r.PathValue("property")}
	if _, err := s.before(r.Context(), ""); err != nil {
		d.failed(w, err)
		return
	}
	streamHeaders(w.Header())
}

func streamHeaders(h http.Header) {
	answer.Open(h, "")
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no") // a proxy that would wait for more
}

func (d *Door) tooManyStreams(w http.ResponseWriter) {
	answer.Open(w.Header(), "Retry-After")
	w.Header().Set("Retry-After", "60")
	answer.Problem(w, http.StatusTooManyRequests, wire.ProbTooMany, "too many streams are open; close one, or ask for the value now and then")
}

// stream is one reader.
type stream struct {
	d                       *Door
	w                       http.ResponseWriter
	rc                      *http.ResponseController
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

func (s *stream) run(ctx context.Context, first []open.Sample, watch *open.Watch) {
	streamHeaders(s.w.Header())
	_ = s.rc.SetReadDeadline(time.Time{})
	if !s.write(": primum\n\n") {
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
		case v, more := <-watch.Samples:
			ok = more && s.send(v)
		case <-timer.C():
			ok = s.write(": \n\n")
		case <-ctx.Done():
		case <-s.d.ctx.Done():
		}
		timer.Stop()
		if !ok {
			return
		}
	}
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
	return s.write(fmt.Sprintf("id: %s\ndata: %s\n\n", stamp(v.At), data))
}

// write sends at once; false means that the reader has gone or is too slow.
func (s *stream) write(text string) bool {
	_ = s.rc.SetWriteDeadline(time.Now().Add(writeWait)) // the machine's clock: it bounds a connection
	if _, err := s.w.Write([]byte(text)); err != nil {
		return false
	}
	return s.rc.Flush() == nil
}
