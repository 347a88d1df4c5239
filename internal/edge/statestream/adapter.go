// Package statestream reads what Home Assistant's integration mqtt_statestream
// publishes with publish_attributes: every entity of a Home Assistant,
// whatever its integration, read-only. It is pure: topics and payloads in,
// reports out. Source: home-assistant.io/integrations/mqtt_statestream.
//
// The topics are BASE/DOMAIN/ENTITY/state, a plain text, and
// BASE/DOMAIN/ENTITY/ATTRIBUTE, JSON.
package statestream

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"primum/thing"
)

// Bounds.
const (
	maxEntities = 8192
	maxPayload  = 64 << 10
)

// Adapter knows the entities of one stream. It is not safe for concurrent use.
type Adapter struct {
	base     string
	entities map[string]*entity // by key: BASE/DOMAIN/ENTITY
}

type entity struct {
	key, domain, id string
	title, unit     string
	class           string
	numeric         bool // state_class is there
	state           *string
	told            string // hash of the description told last
	d               *thing.Description
	// names gives the affordance of "state" and of attributes.
	names map[string]string
	// attributes that are carried, with their newest value.
	attributes map[string]any
}

// New makes an adapter for a base topic.
func New(base string) *Adapter {
	return &Adapter{base: base, entities: map[string]*entity{}}
}

// Filters lists the one filter of the stream.
func (a *Adapter) Filters() []string { return []string{a.base + "/+/+/+"} }

// Write refuses: a stream can only be read.
func (a *Adapter) Write(key, affordance string, _ any) (thing.Send, error) {
	return thing.Send{}, errors.New("what comes by mqtt_statestream can only be read")
}

// Receive takes one state or attribute.
func (a *Adapter) Receive(topic string, payload []byte, at time.Time) (r thing.Report) {
	rest, ok := strings.CutPrefix(topic, a.base+"/")
	levels := strings.Split(rest, "/")
	if !ok || len(levels) != 3 || len(topic) > 512 {
		return r
	}
	e := a.entities[a.base+"/"+levels[0]+"/"+levels[1]]
	if e == nil {
		if len(payload) == 0 {
			return r
		}
		if len(a.entities) >= maxEntities {
			r.Troubles = append(r.Troubles, thing.Trouble{Place: topic, Reason: fmt.Sprintf("more than %d entities; this one was not used", maxEntities)})
			return r
		}
		e = &entity{key: a.base + "/" + levels[0] + "/" + levels[1], domain: levels[0], id: levels[1], attributes: map[string]any{}}
		a.entities[e.key] = e
	}
	if len(payload) == 0 && levels[2] == "state" {
		delete(a.entities, e.key)
		r.Gone = append(r.Gone, e.key)
		return r
	}
	if len(payload) > maxPayload {
		r.Troubles = append(r.Troubles, thing.Trouble{Key: e.key, Place: topic, Reason: fmt.Sprintf("payload of %d bytes not used, more than %d", len(payload), maxPayload)})
		return r
	}
	e.receive(&r, levels[2], payload, at)
	return r
}

func (e *entity) receive(r *thing.Report, what string, payload []byte, at time.Time) {
	trouble := func(err error) {
		r.Troubles = append(r.Troubles, thing.Trouble{Key: e.key, Affordance: e.names[what], Place: e.key + "/" + what, Reason: err.Error()})
	}
	if what == "state" {
		text := string(payload)
		e.state = &text
	} else if err := e.attribute(what, payload); err != nil {
		trouble(err)
		return
	}
	if e.state == nil {
		return // described when its state has come
	}
	if err := e.describe(r); err != nil {
		trouble(err)
		return
	}
	if name := e.names[what]; name != "" {
		if err := e.reading(r, what, name, at); err != nil {
			trouble(err)
		}
	}
}

// attribute takes one attribute: those that describe, and those that carry.
func (e *entity) attribute(name string, payload []byte) error {
	v, err := thing.DecodeValue(payload)
	if err != nil {
		return err
	}
	s, _ := v.(string)
	switch name {
	case "friendly_name":
		e.title = s
	case "unit_of_measurement":
		e.unit = thing.Unit(s)
	case "device_class":
		e.class = s
	case "state_class":
		e.numeric = s != ""
	default:
		if kind, _ := carried(name); kind != "" {
			e.attributes[name] = v
		}
	}
	return nil
}

// carried tells the attributes that are values of a device, and their units;
// the rest is Home Assistant's bookkeeping.
func carried(name string) (kind, unit string) {
	switch name {
	case "brightness", "percentage", "volume_level":
		return "number", ""
	case "current_position", "current_tilt_position", "battery_level", "humidity", "current_humidity":
		return "number", "%"
	case "current_temperature", "temperature", "target_temp_high", "target_temp_low":
		return "number", "°C"
	case "hvac_action", "preset_mode", "fan_mode":
		return "string", ""
	}
	return "", ""
}

// describe makes the description anew and reports it where it changed.
func (e *entity) describe(r *thing.Report) error {
	title := e.title
	if title == "" {
		title = e.id
	}
	e.d = thing.New(title)
	e.d.Text = "Home Assistant " + e.domain
	e.names = map[string]string{}
	main := thing.Slug(e.class)
	if main == "" {
		main = "state"
	}
	e.add("state", main, e.stateSchema())
	for name := range e.attributes {
		kind, unit := carried(name)
		e.add(name, thing.Slug(name), thing.Schema{Type: kind, Unit: unit, ReadOnly: true})
	}
	if err := e.d.Validate(); err != nil {
		return err
	}
	hash, err := e.d.Hash()
	if err != nil || hash == e.told {
		return err
	}
	e.told = hash
	r.Found = append(r.Found, thing.Found{Key: e.key, Thing: e.key, Wish: e.id, Description: e.d})
	return nil
}

func (e *entity) add(what, name string, s thing.Schema) {
	if e.d.Properties[name] != nil {
		name += "_attribute"
	}
	e.names[what] = name
	e.d.AddProperty(name, s)
}

func (e *entity) stateSchema() thing.Schema {
	s := thing.Schema{Type: "string", Unit: e.unit, ReadOnly: true}
	if e.unit != "" || e.numeric {
		s.Type = "number"
	}
	return s
}

func (e *entity) reading(r *thing.Report, what, name string, at time.Time) error {
	var v any
	if what == "state" {
		switch *e.state {
		case "unavailable", "unknown", "":
			return nil
		}
		v = stateValue(*e.state, e.d.Properties[name].Type)
	} else if v = e.attributes[what]; v == nil {
		return nil
	}
	if err := e.d.Properties[name].Check(v); err != nil {
		return err
	}
	r.Readings = append(r.Readings, thing.Reading{Key: e.key, Affordance: name, Value: v, At: at})
	return nil
}

// stateValue reads a plain text by the described type; what is no number stays
// text, which the check then refuses.
func stateValue(s, kind string) any {
	if kind != "number" {
		return s
	}
	if json.Valid([]byte(s)) {
		if _, ok := thing.Number(json.Number(s)); ok {
			return json.Number(s)
		}
	}
	if f, err := strconv.ParseFloat(s, 64); err == nil {
		return f
	}
	return s
}
