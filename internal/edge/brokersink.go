package edge

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"sync"

	"primum/internal/durable"
	"primum/internal/edge/homeassistant"
	"primum/internal/edge/mqtt"
	"primum/thing"
)

// maxShared bounds the affordances of one grant that are announced.
const maxShared = 256

// BrokerSinkOptions says on which broker shared values appear.
type BrokerSinkOptions struct {
	Broker mqtt.Options
	Dir    string // remembers what was announced
	Prefix string // of Home Assistant discovery; "" is "homeassistant"
	Base   string // of the values; "" is "primum"
}

// BrokerSink puts shared values on one's own broker, where Home Assistant
// shows each as a sensor: thing to thing. A value is the retained payload of
// BASE/ID/state. When a grant ends its sensors disappear.
type BrokerSink struct {
	announcer homeassistant.Announcer
	conn      *mqtt.Conn
	path      string
	cancel    context.CancelFunc
	ended     sync.WaitGroup

	mu    sync.Mutex
	known map[string]map[string]homeassistant.Shared // by grant, by id
	fresh map[string]bool                            // announced on this connection, by id
}

// NewBrokerSink connects; while the broker is down Deliver fails.
func NewBrokerSink(o BrokerSinkOptions) (*BrokerSink, error) {
	s := &BrokerSink{
		announcer: homeassistant.Announcer{Prefix: o.Prefix, Base: o.Base},
		path:      filepath.Join(o.Dir, "shared.json"),
		known:     map[string]map[string]homeassistant.Shared{},
		fresh:     map[string]bool{},
	}
	if err := durable.MakeDir(o.Dir); err != nil {
		return nil, fmt.Errorf("open broker sink: %w", err)
	}
	b, err := durable.ReadFile(s.path)
	if err == nil {
		err = json.Unmarshal(b, &s.known)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("open broker sink: %w", err)
	}
	if s.conn, err = mqtt.New(o.Broker, s.receive); err != nil {
		return nil, err
	}
	if err := s.conn.Subscribe([]string{s.announcer.StatusTopic()}); err != nil {
		return nil, err
	}
	var ctx context.Context
	ctx, s.cancel = context.WithCancel(context.Background())
	s.ended.Go(func() { _ = s.conn.Run(ctx) })
	return s, nil
}

// receive hears that Home Assistant was started: announce again.
func (s *BrokerSink) receive(m mqtt.Message) {
	if m.Topic == s.announcer.StatusTopic() && string(m.Payload) == "online" && !m.Retained {
		s.mu.Lock()
		clear(s.fresh)
		s.mu.Unlock()
	}
}

// Status tells how the connection to the broker is.
func (s *BrokerSink) Status() mqtt.Status { return s.conn.Status() }

// Close disconnects; the sensors stay as they are.
func (s *BrokerSink) Close() error {
	s.cancel()
	s.ended.Wait()
	return nil
}

// Deliver publishes a value or what became of a grant.
func (s *BrokerSink) Deliver(ctx context.Context, d Delivery) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch d.Kind {
	case DeliverValue:
		return s.value(ctx, d)
	case DeliverEnded:
		return s.end(ctx, d.Grant)
	case DeliverPaused:
		return s.each(ctx, d.Grant, func(sh homeassistant.Shared) []thing.Send {
			delete(s.fresh, sh.ID) // its next value announces it again
			return []thing.Send{s.announcer.Unavailable(sh)}
		})
	}
	return nil
}

func (s *BrokerSink) value(ctx context.Context, d Delivery) error {
	value, err := thing.DecodeValue(orNull(d.Value))
	if err != nil {
		return nil // a member sends garbage; coming again does not mend it
	}
	shared := sharedOf(d, value)
	if old, known := s.known[d.Grant][shared.ID]; known {
		shared.Sample = old.Sample // a sensor stays the kind it was announced as
	} else if value == nil {
		return nil // its kind is not known yet
	}
	if err := s.remember(d.Grant, shared); err != nil {
		return err
	}
	if !s.fresh[shared.ID] && value != nil {
		messages, err := s.announcer.Announce(shared)
		if err != nil {
			return err
		}
		if err := s.publish(ctx, messages); err != nil {
			return err
		}
		s.fresh[shared.ID] = true
	}
	return s.publish(ctx, []thing.Send{s.announcer.State(shared, value)})
}

func orNull(raw json.RawMessage) json.RawMessage {
	if len(raw) == 0 {
		return json.RawMessage("null")
	}
	return raw
}

// sharedOf names the sensor: the same for a renewed grant of the same owner.
func sharedOf(d Delivery, value any) homeassistant.Shared {
	who, what := d.From, d.Title
	if who == "" {
		who = d.Grant
	}
	if what == "" {
		what = d.Thing
	}
	title := what
	if d.From != "" {
		title += " of " + d.From
	}
	return homeassistant.Shared{
		ID: homeassistant.ID(who, what, d.Name), Device: homeassistant.ID(who, what),
		DeviceTitle: title, Title: d.Name, Unit: d.Unit, Sample: value,
	}
}

// remember keeps which sensors belong to a grant, to take them away one day.
func (s *BrokerSink) remember(grant string, sh homeassistant.Shared) error {
	all := s.known[grant]
	if _, ok := all[sh.ID]; ok {
		return nil
	}
	if len(all) >= maxShared {
		return fmt.Errorf("announce %s: the grant has more than %d affordances", sh.Title, maxShared)
	}
	if all == nil {
		all = map[string]homeassistant.Shared{}
		s.known[grant] = all
	}
	all[sh.ID] = sh
	return s.save()
}

func (s *BrokerSink) save() error {
	b, err := json.Marshal(s.known)
	if err != nil {
		return fmt.Errorf("remember sensors: %w", err)
	}
	return durable.WriteFile(s.path, b)
}

func (s *BrokerSink) end(ctx context.Context, grant string) error {
	err := s.each(ctx, grant, func(sh homeassistant.Shared) []thing.Send {
		if s.elsewhere(grant, sh.ID) {
			return nil // a renewal carries it on
		}
		delete(s.fresh, sh.ID)
		return s.announcer.Withdraw(sh)
	})
	if err != nil || s.known[grant] == nil {
		return err
	}
	delete(s.known, grant)
	return s.save()
}

func (s *BrokerSink) elsewhere(grant, id string) bool {
	for other, all := range s.known {
		if _, ok := all[id]; ok && other != grant {
			return true
		}
	}
	return false
}

// each publishes what is to be said of each sensor of a grant.
func (s *BrokerSink) each(ctx context.Context, grant string, what func(homeassistant.Shared) []thing.Send) error {
	ids := []string{}
	for id := range s.known[grant] {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	for _, id := range ids {
		if err := s.publish(ctx, what(s.known[grant][id])); err != nil {
			return err
		}
	}
	return nil
}

func (s *BrokerSink) publish(ctx context.Context, messages []thing.Send) error {
	for _, m := range messages {
		if err := s.conn.Publish(ctx, m.Topic, m.Payload, true); err != nil {
			return err
		}
	}
	return nil
}
