// Package mqtt keeps one connection to a broker alive: MQTT 5, and 3.1.1 where
// the broker knows no other; TLS, user and password, back-off, subscriptions
// that are restored. It knows nothing of devices.
package mqtt

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"primum/internal/clock"
)

// Message is one publish from the broker.
type Message struct {
	Topic    string
	Payload  []byte
	Retained bool
}

// Options says which broker and how.
type Options struct {
	// URL is mqtt://host:1883 or mqtts://host:8883 (also tcp, tls, ssl).
	URL      string
	Username string
	Password string
	// CAFile is a PEM file of the roots to trust instead of the system's.
	CAFile string
	// CertFile and KeyFile are a client certificate, where the broker asks.
	CertFile, KeyFile string
	ClientID          string // empty: made up, new each time
	// Version is 5 or 4 (3.1.1); 0 tries 5 first.
	Version int
	// Never lists topics that are neither subscribed to nor passed on.
	Never []string
	Clock clock.Clock  // nil: the machine's
	Log   *slog.Logger // nil: none
}

// String leaves out the password and whatever the URL carries as one.
func (o Options) String() string {
	u, err := parseURL(o.URL)
	if err != nil {
		return "broker"
	}
	return u.Scheme + "://" + u.Host
}

// Status is how the connection is, for people.
type Status struct {
	Connected bool      `json:"connected"`
	Broker    string    `json:"broker"`
	Version   string    `json:"version,omitempty"` // "5" or "3.1.1"
	Since     time.Time `json:"since,omitzero"`
	Problem   string    `json:"problem,omitempty"` // why not, and what is done
}

// Bounds.
const (
	maxPacket    = 32 << 20 // bytes of one incoming message
	dialTimeout  = 10 * time.Second
	backOffFirst = time.Second
	backOffMost  = time.Minute
	keepAlive    = 30 // s
	inFlight     = 64
	topicMost    = 65535
	patience     = 10 * time.Second
)

// ErrOffline: there is no connection to the broker now; it is being retried.
var ErrOffline = errors.New("the broker is not reachable now")

// session is one established connection, of either protocol version.
type session interface {
	subscribe(ctx context.Context, filters []string) error
	unsubscribe(ctx context.Context, filters []string) error
	publish(ctx context.Context, topic string, payload []byte, retain bool) error
	done() <-chan struct{} // closed when the connection is gone
	close()
}

// Conn is a connection that is made again whenever it breaks. Safe for
// concurrent use.
type Conn struct {
	o       Options
	clock   clock.Clock
	log     *slog.Logger
	receive func(Message)
	version int // owned by run

	wake chan struct{} // wanted filters changed

	mu     sync.Mutex
	wanted []string // filters; under mu
	now    session  // nil: offline; under mu
	status Status   // under mu
	notify chan struct{}
}

// New makes a connection that Run then keeps. receive is called in order, one
// message at a time; while it does not return, the broker waits.
func New(o Options, receive func(Message)) (*Conn, error) {
	if _, err := parseURL(o.URL); err != nil {
		return nil, err
	}
	if o.Clock == nil {
		o.Clock = clock.Real()
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	c := &Conn{o: o, clock: o.Clock, log: o.Log, receive: receive, version: o.Version, wake: make(chan struct{}, 1), notify: make(chan struct{})}
	c.status = Status{Broker: o.String(), Problem: "not connected yet"}
	return c, nil
}

// Run connects, serves and reconnects until the context ends.
func (c *Conn) Run(ctx context.Context) error {
	failures := 0
	for ctx.Err() == nil {
		s, version, err := c.connect(ctx)
		if err == nil {
			failures = 0
			err = c.serve(ctx, s, version)
		}
		if ctx.Err() != nil {
			break
		}
		failures++
		wait := backOff(failures)
		c.setOffline(err, wait)
		timer := c.clock.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
		case <-timer.C():
		}
	}
	c.setOffline(context.Cause(ctx), 0)
	return nil
}

func backOff(failures int) time.Duration {
	wait := backOffFirst
	for i := 1; i < failures && wait < backOffMost; i++ {
		wait *= 2
	}
	return min(wait, backOffMost)
}

// connect tries MQTT 5 and, where the broker does not speak it, 3.1.1; what
// worked is kept for the next time.
func (c *Conn) connect(ctx context.Context) (session, int, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	if c.version != 4 {
		s, err := connect5(ctx, c.o, c.deliver)
		if err == nil {
			c.version = 5
			return s, 5, nil
		}
		if c.version == 5 || !errors.Is(err, errVersion) {
			return nil, 0, err
		}
	}
	s, err := connect4(ctx, c.o, c.deliver)
	if err != nil {
		return nil, 0, err
	}
	c.version = 4
	return s, 4, nil
}

// serve keeps the subscriptions of one session as wanted until it ends.
func (c *Conn) serve(ctx context.Context, s session, version int) error {
	defer s.close()
	var have []string
	c.setOnline(s, version)
	for {
		want := c.filters()
		if err := c.adjust(ctx, s, have, want); err != nil {
			select {
			case <-s.done():
				return errors.New("the broker closed the connection")
			default:
				return err
			}
		}
		have = want
		select {
		case <-ctx.Done():
			return nil
		case <-s.done():
			return errors.New("the broker closed the connection")
		case <-c.wake:
		}
	}
}

func (c *Conn) adjust(ctx context.Context, s session, have, want []string) error {
	ctx, cancel := lasting(ctx, s)
	defer cancel()
	if gone := without(have, want); len(gone) > 0 {
		if err := s.unsubscribe(ctx, gone); err != nil {
			return fmt.Errorf("unsubscribe: %w", err)
		}
	}
	for fresh := without(want, have); len(fresh) > 0; {
		n := min(len(fresh), 50) // brokers bound one SUBSCRIBE
		if err := s.subscribe(ctx, fresh[:n]); err != nil {
			return fmt.Errorf("subscribe: %w", err)
		}
		fresh = fresh[n:]
	}
	return nil
}

// lasting is a context that ends with the session: no acknowledgement comes
// over a connection that is gone.
func lasting(ctx context.Context, s session) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	go func() {
		select {
		case <-s.done():
			cancel()
		case <-ctx.Done():
		}
	}()
	return ctx, cancel
}

func without(a, b []string) (left []string) {
	for _, s := range a {
		if _, found := slices.BinarySearch(b, s); !found {
			left = append(left, s)
		}
	}
	return left
}

func (c *Conn) deliver(m Message) {
	if !slices.Contains(c.o.Never, m.Topic) {
		c.receive(m)
	}
}

// Subscribe replaces the wanted filters. A filter that would bring a topic of
// Options.Never is refused and nothing is changed.
func (c *Conn) Subscribe(filters []string) error {
	want := slices.Clone(filters)
	slices.Sort(want)
	want = slices.Compact(want)
	for _, f := range want {
		if f == "" || len(f) > topicMost || strings.ContainsRune(f, 0) {
			return errors.New("subscribe: a filter is empty or too long")
		}
		for _, never := range c.o.Never {
			if Matches(f, never) {
				return fmt.Errorf("subscribe: filter %q would bring %s, which is never received", f, never)
			}
		}
	}
	c.mu.Lock()
	same := slices.Equal(c.wanted, want)
	c.wanted = want
	c.mu.Unlock()
	if !same {
		select {
		case c.wake <- struct{}{}:
		default:
		}
	}
	return nil
}

func (c *Conn) filters() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.wanted
}

// Publish sends at QoS 1 and returns when the broker has it; ErrOffline when
// there is no connection.
func (c *Conn) Publish(ctx context.Context, topic string, payload []byte, retain bool) error {
	if topic == "" || len(topic) > topicMost || strings.ContainsAny(topic, "+#\x00") {
		return errors.New("publish: not a topic that can be published to")
	}
	c.mu.Lock()
	s := c.now
	c.mu.Unlock()
	if s == nil {
		return ErrOffline
	}
	ctx, cancel := lasting(ctx, s)
	defer cancel()
	err := s.publish(ctx, topic, payload, retain)
	select {
	case <-s.done():
		if err != nil {
			err = ErrOffline
		}
	default:
	}
	if err != nil {
		return fmt.Errorf("publish to %s: %w", topic, err)
	}
	return nil
}

// Status tells how the connection is.
func (c *Conn) Status() Status {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.status
}

// Changed is closed at the next change of Status.
func (c *Conn) Changed() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.notify
}

func (c *Conn) setOnline(s session, version int) {
	name := "5"
	if version == 4 {
		name = "3.1.1"
	}
	c.set(s, Status{Connected: true, Broker: c.o.String(), Version: name, Since: c.clock.Now()})
	c.log.Info("broker connected", "broker", c.o.String(), "mqtt", name)
}

func (c *Conn) setOffline(err error, wait time.Duration) {
	problem := explain(err)
	if wait > 0 {
		problem += fmt.Sprintf("; next try in %v", wait)
	}
	c.set(nil, Status{Broker: c.o.String(), Since: c.clock.Now(), Problem: problem})
	c.log.Warn("broker not connected", "broker", c.o.String(), "problem", problem)
}

func (c *Conn) set(s session, status Status) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now, c.status = s, status
	close(c.notify)
	c.notify = make(chan struct{})
}

// Matches says whether a topic filter matches a topic (MQTT 5 §4.7).
func Matches(filter, topic string) bool {
	if strings.HasPrefix(topic, "$") && !strings.HasPrefix(filter, "$") {
		return false // §4.7.2
	}
	f, t := strings.Split(filter, "/"), strings.Split(topic, "/")
	for i, level := range f {
		switch {
		case level == "#":
			return true
		case i >= len(t) || level != "+" && level != t[i]:
			return false
		}
	}
	return len(f) == len(t)
}
