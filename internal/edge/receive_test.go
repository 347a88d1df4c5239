package edge

import (
	"bytes"
	"context"
	"crypto/hmac"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"primum/internal/clock"
	"primum/internal/edge/mqtt"
	"primum/internal/edge/mqtt/mosquittotest"
)

func delivery(i int) Delivery {
	return Delivery{
		ID: fmt.Sprint("id-", i), Kind: DeliverValue, At: start().Add(time.Duration(i) * time.Minute), From: "ann@h.example", Grant: "g1",
		Thing: "pseudonym", Title: "water", Name: "flow", Value: json.RawMessage(fmt.Sprint(i, ".5")), Unit: "L/min",
	}
}

func deliver(t *testing.T, s Sink, d Delivery) {
	t.Helper()
	if err := s.Deliver(context.Background(), d); err != nil {
		t.Fatal(err)
	}
}

func TestFileAndWriter(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "values.jsonl")
	if err := os.WriteFile(path, []byte("{\"id\":\"torn"), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := NewFileSink(path)
	if err != nil {
		t.Fatal(err)
	}
	deliver(t, s, delivery(1))
	deliver(t, s, Delivery{ID: "e", Kind: DeliverEnded, Grant: "g1", Reason: "withdrawn"})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.Deliver(context.Background(), delivery(2)); err == nil {
		t.Error("a closed file took a value")
	}
	var w bytes.Buffer
	out, err := NewWriterSink(&w)
	if err != nil {
		t.Fatal(err)
	}
	deliver(t, out, delivery(1))
	lines := strings.Split(string(readFile(t, path)), "\n")
	if len(lines) != 4 || lines[1]+"\n" != w.String() || !strings.Contains(lines[2], `"reason":"withdrawn"`) {
		t.Errorf("lines %q", lines)
	}
	var d Delivery
	if err := json.Unmarshal([]byte(lines[1]), &d); err != nil || string(d.Value) != "1.5" || d.Unit != "L/min" {
		t.Errorf("line %q: %v", lines[1], err)
	}
	if _, err := NewFileSink(t.TempDir()); err == nil {
		t.Error("a folder was opened as a file")
	}
}

// hook is a webhook's other side.
type hook struct {
	server *httptest.Server
	got    chan *http.Request
	bodies chan []byte
	status chan int // what to answer next
}

func newHook(t *testing.T) *hook {
	t.Helper()
	h := &hook{got: make(chan *http.Request, 10), bodies: make(chan []byte, 10), status: make(chan int, 10)}
	h.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		status := <-h.status
		if status == http.StatusFound {
			w.Header().Set("Location", "/elsewhere")
		}
		if status == http.StatusServiceUnavailable {
			w.Header().Set("Retry-After", "60")
		}
		w.WriteHeader(status)
		h.got <- r
		h.bodies <- b
	}))
	t.Cleanup(h.server.Close)
	return h
}

func (h *hook) next(t *testing.T) (*http.Request, []byte) {
	t.Helper()
	select {
	case r := <-h.got:
		return r, <-h.bodies
	case <-time.After(patience):
		t.Fatal("nothing was posted")
		return nil, nil
	}
}

func TestWebhookSignsRetriesInOrder(t *testing.T) {
	t.Parallel()
	h, c, secret := newHook(t), clock.NewManual(start()), []byte("a secret of enough bytes")
	dir := filepath.Join(t.TempDir(), "hook")
	open := func() *Webhook {
		w, err := NewWebhook(WebhookOptions{URL: h.server.URL + "/in", Secret: secret, Dir: dir, Clock: c})
		if err != nil {
			t.Fatal(err)
		}
		return w
	}
	w := open()
	for _, status := range []int{500, 302, 503, 200, 200} {
		h.status <- status
	}
	deliver(t, w, delivery(1))
	deliver(t, w, Delivery{ID: "end", Kind: DeliverEnded, Grant: "g1", Reason: "withdrawn"})
	for _, wait := range []time.Duration{time.Second, 2 * time.Second} {
		if r, _ := h.next(t); r.Header.Get(HeaderIdempotency) != "id-1" || r.URL.Path != "/in" {
			t.Errorf("posted %s to %s", r.Header.Get(HeaderIdempotency), r.URL.Path)
		}
		step(t, c, 1, wait)
	}
	h.next(t) // 503 with Retry-After: 60
	step(t, c, 1, 59*time.Second)
	if waiting, _, problem := w.Waiting(); waiting != 2 || !strings.Contains(problem, "503") {
		t.Errorf("%d wait, problem %q", waiting, problem)
	}
	step(t, c, 1, time.Second)
	r, body := h.next(t)
	stamp := r.Header.Get(HeaderTimestamp)
	if want := SignWebhook(secret, stamp, body); !hmac.Equal([]byte(want), []byte(r.Header.Get(HeaderSignature))) || stamp != fmt.Sprint(c.Now().Unix()) {
		t.Errorf("signature %s over %s", r.Header.Get(HeaderSignature), stamp)
	}
	var d Delivery
	if err := json.Unmarshal(body, &d); err != nil || d.Title != "water" || string(d.Value) != "1.5" {
		t.Errorf("body %s: %v", body, err)
	}
	if r, body := h.next(t); r.Header.Get(HeaderIdempotency) != "end" || !bytes.Contains(body, []byte("withdrawn")) {
		t.Errorf("second: %s", body)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestWebhookSurvivesRestart(t *testing.T) {
	t.Parallel()
	h, c := newHook(t), clock.NewManual(start())
	o := WebhookOptions{URL: h.server.URL, Secret: make([]byte, 16), Dir: filepath.Join(t.TempDir(), "hook"), Clock: c}
	w, err := NewWebhook(o)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := NewWebhook(o); err == nil {
		t.Error("two webhooks share a queue")
	}
	h.status <- 500
	deliver(t, w, delivery(1))
	deliver(t, w, delivery(2))
	h.next(t)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	h.status <- 200
	h.status <- 200
	if w, err = NewWebhook(o); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"id-1", "id-2"} {
		if r, _ := h.next(t); r.Header.Get(HeaderIdempotency) != want {
			t.Errorf("posted %s, want %s", r.Header.Get(HeaderIdempotency), want)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	for _, bad := range []WebhookOptions{{URL: "ftp://x", Secret: make([]byte, 16)}, {URL: "http://x", Secret: make([]byte, 15)}} {
		bad.Dir = t.TempDir()
		if _, err := NewWebhook(bad); err == nil {
			t.Errorf("webhook %q with %d bytes of secret was taken", bad.URL, len(bad.Secret))
		}
	}
}

func TestQueueIsBoundedAndCompact(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "q")
	q, err := openQueue(path, 3, 100)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 5 {
		if err := q.add(fmt.Appendf(nil, "item %d", i)); err != nil {
			t.Fatal(err)
		}
	}
	first := q.head()
	if waiting, dropped := q.counts(); waiting != 3 || dropped != 2 || string(first) != "item 2" {
		t.Errorf("%d wait, %d dropped, head %s", waiting, dropped, first)
	}
	if err := q.add(make([]byte, 90)); err != nil {
		t.Fatal(err)
	}
	if err := q.done(first); err != nil { // dropped meanwhile: no other may go for it
		t.Fatal(err)
	}
	if err := q.close(); err != nil {
		t.Fatal(err)
	}
	if q, err = openQueue(path, 3, 100); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = q.close() }()
	if waiting, _ := q.counts(); waiting != 2 || string(q.head()) != "item 4" {
		t.Errorf("after opening again: %d wait, head %q", waiting, q.head())
	}
	for range 2 {
		if err := q.done(q.head()); err != nil {
			t.Fatal(err)
		}
	}
	if q.head() != nil || q.log.Size() > 100 {
		t.Errorf("head %q, %d bytes on disk", q.head(), q.log.Size())
	}
}

// listen subscribes to everything on a broker.
func listen(t *testing.T, b *mosquittotest.Broker, filters ...string) (*mqtt.Conn, <-chan mqtt.Message) {
	t.Helper()
	got := make(chan mqtt.Message, 1000)
	c, err := mqtt.New(mqtt.Options{URL: b.URL()}, func(m mqtt.Message) { got <- m })
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Subscribe(filters); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); _ = c.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-ended })
	online(t, c.Status, c.Changed)
	return c, got
}

func online(t *testing.T, status func() mqtt.Status, changed func() <-chan struct{}) {
	t.Helper()
	deadline := time.After(patience)
	for {
		c := changed()
		if status().Connected {
			return
		}
		select {
		case <-c:
		case <-deadline:
			t.Fatalf("not connected: %+v", status())
		}
	}
}

// until reads messages until one fits.
func until(t *testing.T, got <-chan mqtt.Message, what string, fits func(mqtt.Message) bool) mqtt.Message {
	t.Helper()
	deadline := time.After(patience)
	for {
		select {
		case m := <-got:
			if fits(m) {
				return m
			}
		case <-deadline:
			t.Fatalf("%s: never came", what)
		}
	}
}

func TestBorrowedSensorAppearsAndDisappears(t *testing.T) {
	t.Parallel()
	b := mosquittotest.Start(t, mosquittotest.Options{})
	dir := filepath.Join(t.TempDir(), "sink")
	s, err := NewBrokerSink(BrokerSinkOptions{Broker: mqtt.Options{URL: b.URL()}, Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	online(t, s.Status, s.conn.Changed)
	home, got := listen(t, b, "homeassistant/#", "primum/#")
	deliver(t, s, delivery(1))
	config := until(t, got, "configuration", func(m mqtt.Message) bool { return strings.HasSuffix(m.Topic, "/config") })
	var c struct {
		Name, State, Unit string
		StateTopic        string `json:"state_topic"`
		Measured          string `json:"unit_of_measurement"`
		Device            struct{ Name string }
	}
	if err := json.Unmarshal(config.Payload, &c); err != nil || c.Name != "flow" || c.Measured != "L/min" || c.Device.Name != "water of ann@h.example" {
		t.Errorf("configuration %s: %v", config.Payload, err)
	}
	if m := until(t, got, "value", func(m mqtt.Message) bool { return m.Topic == c.StateTopic }); string(m.Payload) != "1.5" {
		t.Errorf("state %s", m.Payload)
	}
	if err := home.Publish(context.Background(), "homeassistant/status", []byte("online"), false); err != nil {
		t.Fatal(err)
	}
	until(t, got, "status", func(m mqtt.Message) bool { return m.Topic == "homeassistant/status" })
	deadline := time.Now().Add(patience)
	for again := false; !again; { // the sink hears of the restart in its own time
		if time.Now().After(deadline) {
			t.Fatal("not announced again after Home Assistant's restart")
		}
		deliver(t, s, delivery(2))
		m := until(t, got, "message", func(mqtt.Message) bool { return true })
		for ; !strings.HasSuffix(m.Topic, "/state"); m = until(t, got, "message", func(mqtt.Message) bool { return true }) {
			again = again || strings.HasSuffix(m.Topic, "/config")
		}
	}
	deliver(t, s, Delivery{ID: "p", Kind: DeliverPaused, Grant: "g1"})
	until(t, got, "offline", func(m mqtt.Message) bool { return string(m.Payload) == "offline" })
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if s, err = NewBrokerSink(BrokerSinkOptions{Broker: mqtt.Options{URL: b.URL()}, Dir: dir}); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	online(t, s.Status, s.conn.Changed)
	deliver(t, s, Delivery{ID: "e", Kind: DeliverEnded, Grant: "g1", Reason: "withdrawn"})
	until(t, got, "removal", func(m mqtt.Message) bool { return m.Topic == config.Topic && len(m.Payload) == 0 })
	deliver(t, s, Delivery{ID: "e", Kind: DeliverEnded, Grant: "g1"}) // comes twice: no harm
	b.Stop()
	deadline = time.Now().Add(patience)
	for s.Deliver(context.Background(), delivery(3)) == nil {
		if time.Now().After(deadline) {
			t.Fatal("values are delivered to a broker that is down")
		}
	}
}
