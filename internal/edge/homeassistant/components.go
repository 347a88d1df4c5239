package homeassistant

import (
	"encoding/json"
	"errors"
	"strconv"
	"strings"

	"primum/thing"
)

// mapping makes affordances of an entity's configuration.
type mapping func(e *entity)

// mappings is the table of components; those with a reason instead are known
// and not carried.
func mappings() map[string]mapping {
	return map[string]mapping{
		"sensor":              sensor,
		"binary_sensor":       binarySensor,
		"switch":              onOff,
		"siren":               onOff,
		"light":               light,
		"number":              numberEntity,
		"select":              selectEntity,
		"text":                textEntity,
		"button":              button,
		"scene":               scene,
		"lock":                lock,
		"cover":               cover,
		"valve":               cover,
		"climate":             climate,
		"water_heater":        climate,
		"fan":                 fan,
		"humidifier":          humidifier,
		"update":              update,
		"vacuum":              vacuum,
		"lawn_mower":          lawnMower,
		"event":               event,
		"device_automation":   deviceAutomation,
		"device_tracker":      tracker,
		"alarm_control_panel": alarm,
		"notify":              notify,
		"camera":              notCarried("pictures are not carried"),
		"image":               notCarried("pictures are not carried"),
		"tag":                 notCarried("tag readers are not carried"),
	}
}

func notCarried(why string) mapping { return func(e *entity) { e.skip("", why) } }

func sensor(e *entity) {
	s := thing.Schema{Type: "string", Unit: thing.Unit(e.str("unit_of_measurement"))}
	switch class := e.str("device_class"); {
	case class == "enum" || len(e.list("options")) > 0:
		s.Enum = e.list("options")
	case s.Unit != "" || e.str("state_class") != "":
		s.Type = "number"
	}
	e.add(property{name: "", state: "state_topic", value: "value_template", schema: s})
}

func binarySensor(e *entity) {
	on, off := e.or("payload_on", "ON"), e.or("payload_off", "OFF")
	names := decodeChoice([]choice{{"on", on}, {"off", off}})
	e.add(property{
		name: "", state: "state_topic", value: "value_template", schema: thing.Schema{Type: "boolean"},
		decode: func(v any) (any, bool, error) {
			name, ok, err := names(v)
			return name == "on", ok, err
		},
	})
}

// onOffChoices tells what a device shows and takes for ON and OFF.
func (e *entity) onOffChoices() (shown, taken []choice) {
	on, off := e.or("payload_on", "ON"), e.or("payload_off", "OFF")
	taken = []choice{{"ON", on}, {"OFF", off}}
	shown = []choice{{"ON", e.or("state_on", on)}, {"OFF", e.or("state_off", off)}}
	return shown, taken
}

func (e *entity) addOnOff(value string) {
	shown, taken := e.onOffChoices()
	e.add(property{
		name: "state", state: "state_topic", value: value, command: "command_topic", write: "command_template",
		schema: thing.Schema{Type: "string", Enum: enumOf(taken)},
		decode: decodeChoice(shown), encode: encodeChoice(taken),
	})
}

func onOff(e *entity) { e.addOnOff("value_template") }

func numberEntity(e *entity) {
	s := thing.Schema{Type: "number", Unit: thing.Unit(e.str("unit_of_measurement")), Minimum: e.numberOr("min", 1), Maximum: e.numberOr("max", 100)}
	if step := e.number("step"); step != nil && *step > 0 {
		s.MultipleOf = step
	}
	if *s.Minimum > *s.Maximum {
		s.Minimum, s.Maximum = nil, nil
	}
	e.add(property{name: "", state: "state_topic", value: "value_template", command: "command_topic", write: "command_template", schema: s})
}

func selectEntity(e *entity) {
	s := thing.Schema{Type: "string", Enum: e.list("options")}
	e.add(property{name: "", state: "state_topic", value: "value_template", command: "command_topic", write: "command_template", schema: s})
}

func textEntity(e *entity) {
	e.add(property{
		name: "", state: "state_topic", value: "value_template", command: "command_topic", write: "command_template",
		schema: thing.Schema{Type: "string", MinLength: length(e.number("min")), MaxLength: length(e.number("max"))},
	})
}

func length(f *float64) *int {
	if f == nil || *f < 0 || *f > 1<<20 {
		return nil
	}
	n := int(*f)
	return &n
}

func button(e *entity) {
	if how, err := parseWriting(e.str("command_template")); err != nil || how != (writing{}) {
		e.skip("command", errNotPath.Error())
		return
	}
	e.action("press", e.or("name", "Press"), "command_topic", e.or("payload_press", "PRESS"))
}

func scene(e *entity) {
	e.action("on", e.or("name", "Activate"), "command_topic", e.or("payload_on", "ON"))
}

func notify(e *entity) {
	if _, err := parseWriting(e.str("command_template")); err != nil {
		e.skip("command", err.Error())
		return
	}
	e.add(property{name: "message", command: "command_topic", write: "command_template", schema: thing.Schema{Type: "string"}})
}

func lock(e *entity) {
	states := []choice{
		{"locked", e.or("state_locked", "LOCKED")},
		{"unlocked", e.or("state_unlocked", "UNLOCKED")},
		{"locking", e.or("state_locking", "LOCKING")},
		{"unlocking", e.or("state_unlocking", "UNLOCKING")},
		{"jammed", e.or("state_jammed", "JAMMED")},
	}
	e.add(property{
		name: "state", state: "state_topic", value: "value_template",
		schema: thing.Schema{Type: "string", Enum: enumOf(states)}, decode: decodeChoice(states),
	})
	e.action("lock", "Lock", "command_topic", e.or("payload_lock", "LOCK"))
	e.action("unlock", "Unlock", "command_topic", e.or("payload_unlock", "UNLOCK"))
	if e.str("payload_open") != "" {
		e.action("open", "Open", "command_topic", e.str("payload_open"))
	}
}

// cover is also valve: the members are the same.
func cover(e *entity) {
	states := []choice{
		{"open", e.or("state_open", "open")},
		{"opening", e.or("state_opening", "opening")},
		{"closed", e.or("state_closed", "closed")},
		{"closing", e.or("state_closing", "closing")},
		{"stopped", e.or("state_stopped", "stopped")},
	}
	e.add(property{
		name: "state", state: "state_topic", value: "value_template",
		schema: thing.Schema{Type: "string", Enum: enumOf(states)}, decode: decodeChoice(states),
	})
	lowest, highest := ordered(e.numberOr("position_closed", 0), e.numberOr("position_open", 100))
	e.add(property{
		name: "position", state: "position_topic", value: "position_template", command: "set_position_topic", write: "set_position_template",
		schema: thing.Schema{Type: "number", Unit: "%", Minimum: lowest, Maximum: highest},
	})
	lowest, highest = ordered(e.numberOr("tilt_min", 0), e.numberOr("tilt_max", 100))
	e.add(property{
		name: "tilt", state: "tilt_status_topic", value: "tilt_status_template", command: "tilt_command_topic", write: "tilt_command_template",
		schema: thing.Schema{Type: "number", Minimum: lowest, Maximum: highest},
	})
	e.action("open", "Open", "command_topic", e.or("payload_open", "OPEN"))
	e.action("close", "Close", "command_topic", e.or("payload_close", "CLOSE"))
	e.action("stop", "Stop", "command_topic", e.or("payload_stop", "STOP"))
}

func ordered(a, b *float64) (low, high *float64) {
	if *a > *b {
		return b, a
	}
	return a, b
}

func update(e *entity) {
	e.add(property{name: "installed_version", state: "state_topic", value: "value_template", schema: thing.Schema{Type: "string"}})
	e.add(property{name: "latest_version", state: "latest_version_topic", value: "latest_version_template", schema: thing.Schema{Type: "string"}})
	if payload := e.str("payload_install"); payload != "" {
		e.action("install", "Install", "command_topic", payload)
	}
}

func lawnMower(e *entity) {
	e.add(property{name: "activity", state: "activity_state_topic", value: "activity_value_template", schema: thing.Schema{Type: "string"}})
	e.action("start", "Start mowing", "start_mowing_command_topic", "start_mowing")
	e.action("pause", "Pause", "pause_command_topic", "pause")
	e.action("dock", "Dock", "dock_command_topic", "dock")
}

// vacuum publishes {"state":…,"battery_level":…,"fan_speed":…}.
func vacuum(e *entity) {
	for _, m := range []struct{ name, kind, unit string }{{"state", "string", ""}, {"battery_level", "number", "%"}, {"fan_speed", "string", ""}} {
		e.addMember("state_topic", m.name, thing.Schema{Type: m.kind, Unit: thing.Unit(m.unit)}, nil)
	}
	for _, a := range []struct{ name, title, payload string }{
		{"start", "Start", e.or("payload_start", "start")},
		{"pause", "Pause", e.or("payload_pause", "pause")},
		{"stop", "Stop", e.or("payload_stop", "stop")},
		{"dock", "Return to base", e.or("payload_return_to_base", "return_to_base")},
		{"locate", "Locate", e.or("payload_locate", "locate")},
	} {
		e.action(a.name, a.title, "command_topic", a.payload)
	}
}

// addMember maps a member of a JSON state, with an optional way to set it.
func (e *entity) addMember(topic, member string, s thing.Schema, set func(value any) ([]byte, error)) {
	stateTopic, commandTopic := e.str(topic), e.str("command_topic")
	if set == nil {
		commandTopic = ""
	}
	if stateTopic == "" && commandTopic == "" {
		return
	}
	s.ReadOnly, s.WriteOnly = commandTopic == "", stateTopic == ""
	name := thing.Slug(e.sub(member))
	if name == "" || e.bound[name] != nil {
		e.skip(member, "makes no name of its own")
		return
	}
	e.d.AddProperty(name, s)
	e.bound[name] = &affordance{
		stateTopic: stateTopic, state: path{json: true, steps: []any{member}}, decode: decoder(s),
		commandTopic: commandTopic, encode: set,
	}
}

func event(e *entity) {
	types := e.list("event_types")
	where, err := parsePath(e.str("value_template"))
	if topic := e.str("state_topic"); topic != "" && err == nil {
		name := thing.Slug(e.sub("event"))
		if name == "" {
			e.skip("", "makes no name of its own")
			return
		}
		where.json, where.steps = true, append(where.steps, "event_type")
		s := thing.Schema{Type: "string", Enum: types}
		e.d.AddEvent(name, e.or("name", "Event"), "", &s)
		e.bound[name] = &affordance{stateTopic: topic, state: where, decode: decoder(s)}
		return
	}
	e.skip("", errNotPath.Error())
}

// deviceAutomation is a trigger: a payload on a topic.
func deviceAutomation(e *entity) {
	where, err := parsePath(e.str("value_template"))
	name := thing.Slug(strings.Trim(e.str("type")+"_"+e.str("subtype"), "_"))
	if err != nil || name == "" || e.str("topic") == "" {
		e.skip(e.str("type"), "is no trigger with a type, a topic and a plain template")
		return
	}
	want := e.str("payload")
	s := thing.Schema{Type: "string"}
	e.d.AddEvent(name, strings.TrimSpace(e.str("subtype")+" "+e.str("type")), "", &s)
	e.bound[name] = &affordance{stateTopic: e.str("topic"), state: where, decode: func(v any) (any, bool, error) {
		return text(v), want == "" || text(v) == want, nil
	}}
}

func tracker(e *entity) {
	e.add(property{name: "state", state: "state_topic", value: "value_template", schema: thing.Schema{Type: "string"}})
}

func alarm(e *entity) {
	e.add(property{name: "state", state: "state_topic", value: "value_template", schema: thing.Schema{Type: "string"}})
	if e.str("command_topic") != "" {
		e.skip("command", "an alarm's code is not carried")
	}
}

func encodeJSON(member string, v any) ([]byte, error) {
	return json.Marshal(map[string]any{member: v})
}

// encodeWhole writes a number without a fraction.
func encodeWhole(v any) (string, error) {
	f, ok := thing.Number(v)
	if !ok {
		return "", errors.New("not a number")
	}
	return strconv.FormatFloat(f, 'f', 0, 64), nil
}
