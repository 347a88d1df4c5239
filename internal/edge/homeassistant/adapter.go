package homeassistant

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"primum/thing"
)

// Bounds of what discovery may announce.
const (
	maxConfig     = 256 << 10 // bytes of one configuration
	maxComponents = 512       // in one device-based configuration
	maxParts      = 8192      // entities in all
	maxOptions    = 512
	maxState      = 64 << 10 // bytes of one state
	maxTopicBytes = 1024
)

// Options of an adapter.
type Options struct {
	Prefix string // of discovery; "" is "homeassistant"
	// Elsewhere lists base topics whose devices another adapter reads; their
	// configurations are passed over.
	Elsewhere []string
	// Never lists topics that are never read.
	Never []string
}

// Adapter knows the entities announced on one broker. It is not safe for
// concurrent use: the edge's one loop owns it.
type Adapter struct {
	o         Options
	expand    expander
	mappings  map[string]mapping
	parts     map[string]*part           // by key
	byTopic   map[string]map[string]bool // state topic to keys
	configs   map[string][]string        // discovery topic to keys
	territory map[string]string          // topic prefix to the device that reads below it; "*" for several
}

// part is one entity.
type part struct {
	key, device, wish string
	topic             string // discovery topic
	ids               []string
	entity            *entity
	hash              string
}

// New makes an adapter.
func New(o Options) *Adapter {
	if o.Prefix == "" {
		o.Prefix = "homeassistant"
	}
	a := &Adapter{o: o, expand: newExpander(), mappings: mappings()}
	a.parts, a.byTopic, a.configs = map[string]*part{}, map[string]map[string]bool{}, map[string][]string{}
	a.territory = map[string]string{}
	return a
}

// Filters lists the topics to subscribe to now; they change with each report
// that has Found or Gone.
func (a *Adapter) Filters() []string {
	filters := []string{a.o.Prefix + "/+/+/config", a.o.Prefix + "/+/+/+/config"}
	for topic := range a.byTopic {
		filters = append(filters, topic)
	}
	slices.Sort(filters)
	return filters
}

// StatusTopic is where Home Assistant says that it was started: publishing
// sides then announce again.
func (a *Adapter) StatusTopic() string { return a.o.Prefix + "/status" }

// Receive takes one message: a configuration or a state.
func (a *Adapter) Receive(topic string, raw []byte, at time.Time) thing.Report {
	if strings.HasPrefix(topic, a.o.Prefix+"/") && strings.HasSuffix(topic, "/config") {
		return a.announced(topic, raw)
	}
	return a.state(topic, raw, at)
}

func (a *Adapter) announced(topic string, raw []byte) (r thing.Report) {
	parts, troubles := a.parse(topic, raw)
	r.Troubles = troubles
	if len(troubles) > 0 && len(parts) == 0 {
		return r // garbage does not remove what is there
	}
	seen := map[string]bool{}
	var added []*part
	renew := false
	for _, p := range parts {
		seen[p.key] = true
		old := a.parts[p.key]
		switch {
		case old != nil && old.hash == p.hash:
			continue
		case old == nil && len(a.parts) >= maxParts:
			r.Troubles = append(r.Troubles, thing.Trouble{Place: topic, Reason: fmt.Sprintf("more than %d entities; this one was not used", maxParts)})
			continue
		}
		renew = renew || old != nil
		a.parts[p.key] = p
		added = append(added, p)
		r.Found = append(r.Found, p.found())
	}
	for _, key := range a.configs[topic] {
		if !seen[key] {
			delete(a.parts, key)
			r.Gone = append(r.Gone, key)
			renew = true
		}
	}
	a.remember(topic, parts)
	if renew {
		a.reindex()
	} else {
		a.index(added)
	}
	return r
}

// remember keeps which parts a discovery topic announces.
func (a *Adapter) remember(topic string, parts []*part) {
	var keys []string
	for _, p := range parts {
		if a.parts[p.key] != nil {
			keys = append(keys, p.key)
		}
	}
	if len(keys) == 0 {
		delete(a.configs, topic)
		return
	}
	a.configs[topic] = keys
}

// reindex renews what is looked up by topic, after a change or removal.
func (a *Adapter) reindex() {
	clear(a.byTopic)
	clear(a.territory)
	a.index(slices.Collect(maps.Values(a.parts)))
}

// index enters parts where they are looked up by topic.
func (a *Adapter) index(parts []*part) {
	for _, p := range parts {
		for _, b := range p.entity.bound {
			if b.stateTopic == "" {
				continue
			}
			if a.byTopic[b.stateTopic] == nil {
				a.byTopic[b.stateTopic] = map[string]bool{}
			}
			a.byTopic[b.stateTopic][p.key] = true
			a.claim(b.stateTopic, p.device)
		}
	}
}

func (a *Adapter) claim(topic, device string) {
	for prefix := topic; prefix != ""; prefix = parent(prefix) {
		switch a.territory[prefix] {
		case "", device:
			a.territory[prefix] = device
		default:
			a.territory[prefix] = "*"
		}
	}
}

func parent(topic string) string {
	i := strings.LastIndexByte(topic, '/')
	if i < 0 {
		return ""
	}
	return topic[:i]
}

// own says whether a command topic is the device's: one of its levels is an id
// of the device, or it lies below a prefix that only this device's states use.
func (a *Adapter) own(p *part, topic string) error {
	if err := a.readable(topic); err != nil {
		return err
	}
	levels := strings.Split(topic, "/")
	if strings.HasPrefix(topic, a.o.Prefix+"/") && levels[len(levels)-1] == "config" {
		return errors.New("it is a topic of discovery itself")
	}
	if slices.Contains(levels, "bridge") && slices.Contains(levels, "request") {
		return errors.New("it commands the bridge, not the device")
	}
	for _, id := range p.ids {
		if slices.Contains(levels, id) {
			return nil
		}
	}
	for prefix := topic; prefix != ""; prefix = parent(prefix) {
		owner := a.territory[prefix]
		if owner == p.device || owner == "" && p.reads(prefix) {
			return nil
		}
	}
	return errors.New("it is outside the device's own topics")
}

// reads says whether one of the part's states lies at or below a prefix.
func (p *part) reads(prefix string) bool {
	for _, b := range p.entity.bound {
		if b.stateTopic == prefix || strings.HasPrefix(b.stateTopic, prefix+"/") {
			return true
		}
	}
	return false
}

// readable refuses topics that are none, or that are never to be touched.
func (a *Adapter) readable(topic string) error {
	switch {
	case topic == "" || len(topic) > maxTopicBytes || strings.ContainsAny(topic, "+#\x00"):
		return errors.New("it is not a topic")
	case strings.HasPrefix(topic, "$"):
		return errors.New("it is the broker's own topic")
	case slices.Contains(a.o.Never, topic):
		return errors.New("it is never used")
	}
	return nil
}

func (p *part) found() thing.Found {
	f := thing.Found{Key: p.key, Thing: p.device, Wish: p.wish, Description: p.entity.d, Unmapped: p.entity.unmapped}
	for _, b := range p.entity.bound {
		if b.commandTopic != "" {
			f.Topics = append(f.Topics, b.commandTopic)
		}
	}
	slices.Sort(f.Topics)
	f.Topics = slices.Compact(f.Topics)
	return f
}

func (a *Adapter) state(topic string, raw []byte, at time.Time) (r thing.Report) {
	keys := a.byTopic[topic]
	if len(keys) == 0 || len(raw) == 0 {
		return r
	}
	if len(raw) > maxState {
		r.Troubles = append(r.Troubles, thing.Trouble{Place: topic, Reason: fmt.Sprintf("state of %d bytes not used, more than %d", len(raw), maxState)})
		return r
	}
	m := &payload{raw: raw}
	for key := range keys {
		p := a.parts[key]
		for name, b := range p.entity.bound {
			if b.stateTopic == topic {
				p.read(&r, name, b, m, at)
			}
		}
	}
	slices.SortFunc(r.Readings, func(x, y thing.Reading) int {
		return strings.Compare(x.Key+"\x00"+x.Affordance, y.Key+"\x00"+y.Affordance)
	})
	return r
}

func (p *part) read(r *thing.Report, name string, b *affordance, m *payload, at time.Time) {
	trouble := func(err error) {
		r.Troubles = append(r.Troubles, thing.Trouble{Key: p.key, Affordance: name, Place: b.stateTopic, Reason: err.Error()})
	}
	v, err := b.state.eval(m)
	if errors.Is(err, errAbsent) {
		return // devices publish what has changed
	}
	if err != nil {
		trouble(err)
		return
	}
	value, ok, err := b.decode(v)
	if err == nil && !ok {
		return
	}
	if err == nil {
		err = p.check(name, value)
	}
	if err != nil {
		trouble(err)
		return
	}
	r.Readings = append(r.Readings, thing.Reading{Key: p.key, Affordance: name, Value: value, At: at})
}

func (p *part) check(name string, value any) error {
	if property := p.entity.d.Properties[name]; property != nil {
		return property.Check(value)
	}
	if e := p.entity.d.Events[name]; e != nil && e.Data != nil {
		return e.Data.Check(value)
	}
	return nil
}

// Write makes the message that sets a property or invokes an action; the value
// must keep to the description (nil for an action without input).
func (a *Adapter) Write(key, name string, value any) (thing.Send, error) {
	p := a.parts[key]
	if p == nil {
		return thing.Send{}, errors.New("the device is not announced any more")
	}
	b := p.entity.bound[name]
	if b == nil || b.commandTopic == "" {
		return thing.Send{}, fmt.Errorf("%s of %s can't be set", name, p.wish)
	}
	if err := a.own(p, b.commandTopic); err != nil {
		return thing.Send{}, fmt.Errorf("%s of %s: its command topic is refused: %w", name, p.wish, err)
	}
	if err := p.check(name, value); err != nil {
		return thing.Send{}, fmt.Errorf("set %s of %s: %w", name, p.wish, err)
	}
	payload, err := b.encode(value)
	if err != nil {
		return thing.Send{}, fmt.Errorf("set %s of %s: %w", name, p.wish, err)
	}
	return thing.Send{Topic: b.commandTopic, Payload: payload}, nil
}
