package node

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	httpdoor "primum/internal/door/http"
)

func TestPlacesAreBounded(t *testing.T) {
	t.Parallel()
	p := newPlaces()
	var leave []func()
	for i := range placesInAll {
		l, status := p.enter(t.Context(), fmt.Sprint("address ", i/placesOfEach))
		if status != 0 {
			t.Fatalf("place %d: %d", i, status)
		}
		leave = append(leave, l)
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	for address, want := range map[string]int{"address 0": http.StatusTooManyRequests, "another": http.StatusServiceUnavailable} {
		if _, status := p.enter(over, address); status != want {
			t.Errorf("%s: %d, not %d", address, status, want)
		}
	}
	for _, l := range leave {
		l()
	}
	if l, status := p.enter(t.Context(), "address 0"); status != 0 || len(p.each) != 1 {
		t.Errorf("after all left: %d, %d addresses", status, len(p.each))
	} else if l(); len(p.each) != 0 || len(p.free) != 0 {
		t.Errorf("%d addresses and %d places stay taken", len(p.each), len(p.free))
	}
}

// slow is a client that does not read on.
type slow struct {
	http.ResponseWriter
	began, end chan struct{}
	once       sync.Once
}

func (s *slow) Write(b []byte) (int, error) {
	s.once.Do(func() { s.began <- struct{}{} })
	<-s.end
	return len(b), nil
}

// TestSlowReadersHoldAFewAnswers asks for lists that nobody reads, from one
// address; another is answered.
func TestSlowReadersHoldAFewAnswers(t *testing.T) {
	t.Parallel()
	c := config(t)
	limits := httpdoor.DefaultLimits(false)
	c.Limits = &limits
	n := open(t, c)
	began, end := make(chan struct{}), make(chan struct{})
	request := func(address string) *http.Request {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/things", nil)
		r.Host, r.RemoteAddr = n.Authority(), address
		return r
	}
	var all sync.WaitGroup
	for range placesOfEach {
		all.Go(func() {
			n.handler().ServeHTTP(&slow{ResponseWriter: httptest.NewRecorder(), began: began, end: end}, request("192.0.2.1:7"))
		})
	}
	for range placesOfEach {
		<-began
	}
	for address, want := range map[string]int{"192.0.2.1:8": http.StatusTooManyRequests, "192.0.2.2:7": http.StatusOK} {
		w := httptest.NewRecorder()
		if n.handler().ServeHTTP(w, request(address)); w.Code != want {
			t.Errorf("%s: %d, not %d", address, w.Code, want)
		}
	}
	close(end)
	all.Wait()
}

// TestOtherMethodsAreNotAllowed asks to change what is only read: that is another
// answer than for what is not there.
func TestOtherMethodsAreNotAllowed(t *testing.T) {
	t.Parallel()
	n := open(t, config(t))
	for path, want := range map[string]int{"/resolve": 405, "/open": 405, "/.well-known/core": 405, "/v1/services": 405, "/nothing": 404} {
		w := httptest.NewRecorder()
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, path, nil)
		r.Host = n.Authority()
		if n.handler().ServeHTTP(w, r); w.Code != want || want == 405 && w.Header().Get("Allow") != "GET, HEAD" {
			t.Errorf("POST %s: %d %v", path, w.Code, w.Header())
		}
	}
}
