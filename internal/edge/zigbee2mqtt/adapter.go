// Package zigbee2mqtt reads the devices that a zigbee2mqtt bridge announces
// (bridge/devices, "exposes") as Thing Descriptions, their published state as
// values, and writes commands for them. It is pure: topics and payloads in,
// reports and payloads out. Source: zigbee2mqtt.io, guide/usage/exposes and
// guide/usage/mqtt_topics_and_messages.
package zigbee2mqtt

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"primum/thing"
)

// Bounds of what a bridge may announce.
const (
	maxAnnouncement = 32 << 20 // bytes of bridge/devices
	maxDevices      = 2048
	maxState        = 64 << 10 // bytes of a device's state
	maxTopic        = 512      // bytes of a friendly name
)

// Adapter knows the devices of one bridge. It is not safe for concurrent use:
// the edge's one loop owns it.
type Adapter struct {
	base    string
	devices map[string]*device // by key
	byTopic map[string]*device // by state topic
}

type device struct {
	key         string
	friendly    string
	topic       string
	description *thing.Description
	mapped      mapped
	hash        string
}

// New makes an adapter for the bridge at a base topic; "" is "zigbee2mqtt".
func New(base string) *Adapter {
	if base == "" {
		base = "zigbee2mqtt"
	}
	return &Adapter{base: base, devices: map[string]*device{}, byTopic: map[string]*device{}}
}

// Base is the bridge's base topic.
func (a *Adapter) Base() string { return a.base }

// Filters lists the topics to subscribe to now. They change with each report
// that has Found or Gone. Device topics are named one by one, so that
// bridge/logging is never received.
func (a *Adapter) Filters() []string {
	filters := []string{a.base + "/bridge/devices"}
	for topic := range a.byTopic {
		filters = append(filters, topic)
	}
	slices.Sort(filters)
	return filters
}

// Receive takes one message. Messages that are not the bridge's or a known
// device's give an empty report.
func (a *Adapter) Receive(topic string, payload []byte, at time.Time) thing.Report {
	if topic == a.base+"/bridge/devices" {
		return a.announced(topic, payload)
	}
	if d := a.byTopic[topic]; d != nil {
		return d.state(payload, at)
	}
	return thing.Report{}
}

// announcement is the part of an element of bridge/devices that is used.
type announcement struct {
	IEEE       string `json:"ieee_address"`
	Friendly   string `json:"friendly_name"`
	Type       string `json:"type"`
	Disabled   bool   `json:"disabled"`
	Definition *struct {
		Description string   `json:"description"`
		Vendor      string   `json:"vendor"`
		Model       string   `json:"model"`
		Exposes     []expose `json:"exposes"`
	} `json:"definition"`
}

func (a *Adapter) announced(topic string, payload []byte) (r thing.Report) {
	refuse := func(place, reason string) {
		r.Troubles = append(r.Troubles, thing.Trouble{Place: place, Reason: reason})
	}
	if _, err := thing.DecodeLarge(payload, maxAnnouncement); err != nil {
		refuse(topic, "the list of devices was not used: "+err.Error())
		return r
	}
	var list []json.RawMessage
	if err := json.Unmarshal(payload, &list); err != nil || len(list) > maxDevices {
		refuse(topic, fmt.Sprintf("the list of devices was not used: it is not a list of at most %d devices", maxDevices))
		return r
	}
	seen := map[string]bool{}
	for i, raw := range list {
		place := fmt.Sprintf("%s#/%d", topic, i)
		d, err := a.describe(raw)
		if err != nil {
			refuse(place, err.Error())
			continue
		}
		if d == nil || seen[d.key] {
			continue
		}
		seen[d.key] = true
		if a.enter(d) {
			r.Found = append(r.Found, d.found())
		}
	}
	for key := range a.devices {
		if !seen[key] {
			a.drop(key)
			r.Gone = append(r.Gone, key)
		}
	}
	slices.Sort(r.Gone)
	return r
}

// describe reads one announced device; nil without error is one that is no
// thing: the coordinator, a disabled or an unknown device.
func (a *Adapter) describe(raw json.RawMessage) (*device, error) {
	var n announcement
	if err := json.Unmarshal(raw, &n); err != nil {
		return nil, fmt.Errorf("device not used: %s", decodeReason(err))
	}
	if n.Type == "Coordinator" || n.Disabled || n.Definition == nil {
		return nil, nil
	}
	if err := checkFriendly(n.Friendly); err != nil {
		return nil, err
	}
	if n.IEEE == "" || len(n.IEEE) > 32 {
		return nil, errors.New("device not used: it has no ieee_address")
	}
	def := n.Definition
	d := &device{
		key:      a.base + "/bridge/devices#" + n.IEEE,
		friendly: n.Friendly,
		topic:    a.base + "/" + n.Friendly,
	}
	d.description = thing.New(n.Friendly)
	d.description.Text = strings.TrimSpace(def.Vendor + " " + def.Model + ": " + def.Description)
	d.mapped = mapExposes(d.description, def.Exposes)
	if err := d.description.Validate(); err != nil {
		return nil, fmt.Errorf("device not used: its description: %w", err)
	}
	hash, err := d.description.Hash()
	d.hash = hash + " " + d.topic
	return d, err
}

// checkFriendly refuses names that would reach beyond the device's own topic.
func checkFriendly(name string) error {
	switch {
	case name == "" || len(name) > maxTopic:
		return fmt.Errorf("device not used: its friendly name is empty or longer than %d bytes", maxTopic)
	case strings.ContainsAny(name, "+#\x00"):
		return errors.New("device not used: its friendly name has a wildcard")
	case name == "bridge" || strings.HasPrefix(name, "bridge/"):
		return errors.New("device not used: its friendly name is inside the bridge's own topics")
	}
	last := name[strings.LastIndexByte(name, '/')+1:]
	if last == "set" || last == "get" || last == "availability" {
		return errors.New("device not used: its friendly name ends like a command topic")
	}
	return nil
}

// decodeReason names the place of a JSON type error without the content.
func decodeReason(err error) string {
	var wrongType *json.UnmarshalTypeError
	if errors.As(err, &wrongType) {
		return fmt.Sprintf("member %.80s is %s", wrongType.Field, wrongType.Value)
	}
	return "not JSON as announced"
}

// enter keeps a device and says whether it is new or changed.
func (a *Adapter) enter(d *device) bool {
	old := a.devices[d.key]
	if old != nil && old.hash == d.hash {
		return false
	}
	if other := a.byTopic[d.topic]; other != nil && other.key != d.key {
		return false // two devices can't share a topic; the first stays
	}
	if old != nil {
		delete(a.byTopic, old.topic)
	}
	a.devices[d.key], a.byTopic[d.topic] = d, d
	return true
}

func (a *Adapter) drop(key string) {
	delete(a.byTopic, a.devices[key].topic)
	delete(a.devices, key)
}

func (d *device) found() thing.Found {
	f := thing.Found{Key: d.key, Thing: d.key, Wish: d.friendly, Description: d.description, Unmapped: d.mapped.unmapped}
	for _, m := range d.mapped.affordances {
		if m.access&accessSet != 0 {
			f.Topics = []string{d.topic + "/set"}
		}
	}
	return f
}

// state reads a device's published state: a JSON object by property.
func (d *device) state(payload []byte, at time.Time) (r thing.Report) {
	trouble := func(affordance, reason string) {
		r.Troubles = append(r.Troubles, thing.Trouble{Key: d.key, Affordance: affordance, Place: d.topic, Reason: reason})
	}
	if len(payload) == 0 {
		return r // a retained state was cleared
	}
	v, err := thing.DecodeLarge(payload, maxState)
	if err != nil {
		trouble("", "state not used: "+err.Error())
		return r
	}
	all, ok := v.(map[string]any)
	if !ok {
		trouble("", "state not used: it is not an object")
		return r
	}
	for name, m := range d.mapped.affordances {
		v, ok := all[m.property]
		if !ok || v == nil || m.access&(accessPublished|accessGet) == 0 {
			continue // null says "not known yet"
		}
		if text, ok := v.(string); ok && text == "" && m.property == "action" {
			continue // the end of an action, not one
		}
		if err := d.description.Properties[name].Check(v); err != nil {
			trouble(name, err.Error())
			continue
		}
		r.Readings = append(r.Readings, thing.Reading{Key: d.key, Affordance: name, Value: v, At: at})
	}
	slices.SortFunc(r.Readings, func(x, y thing.Reading) int { return strings.Compare(x.Affordance, y.Affordance) })
	slices.SortFunc(r.Troubles, func(x, y thing.Trouble) int { return strings.Compare(x.Affordance, y.Affordance) })
	return r
}

// Write makes the message that sets an affordance. The value must keep to the
// description.
func (a *Adapter) Write(key, name string, value any) (thing.Send, error) {
	d := a.devices[key]
	if d == nil {
		return thing.Send{}, errors.New("the device is not announced by its bridge any more")
	}
	m, ok := d.mapped.affordances[name]
	if !ok || m.access&accessSet == 0 {
		return thing.Send{}, fmt.Errorf("%s of %s can't be set", name, d.friendly)
	}
	if err := d.description.Properties[name].Check(value); err != nil {
		return thing.Send{}, fmt.Errorf("set %s of %s: %w", name, d.friendly, err)
	}
	payload, err := json.Marshal(map[string]any{m.property: value})
	if err != nil {
		return thing.Send{}, fmt.Errorf("set %s of %s: %w", name, d.friendly, err)
	}
	return thing.Send{Topic: d.topic + "/set", Payload: payload}, nil
}

// Read makes the message that asks the device for an affordance; ok is false
// where the device can't be asked and its last published value must do.
func (a *Adapter) Read(key, name string) (send thing.Send, ok bool) {
	d := a.devices[key]
	if d == nil {
		return send, false
	}
	m, ok := d.mapped.affordances[name]
	if !ok || m.access&accessGet == 0 {
		return send, false
	}
	payload, err := json.Marshal(map[string]string{m.property: ""})
	if err != nil {
		return send, false
	}
	return thing.Send{Topic: d.topic + "/get", Payload: payload}, true
}
