package homeassistant

import "primum/thing"

// light has three schemas: "json" (one topic), the default (a topic per
// feature) and "template" (Jinja, not mapped).
func light(e *entity) {
	switch schema := e.or("schema", "basic"); schema {
	case "json":
		jsonLight(e)
	case "basic", "default":
		basicLight(e)
	default:
		e.skip("", "its schema "+clip(schema)+" is made of templates")
	}
}

func jsonLight(e *entity) {
	_, taken := e.onOffChoices()
	state := thing.Schema{Type: "string", Enum: enumOf(taken)}
	set := func(member string) func(any) ([]byte, error) {
		return func(v any) ([]byte, error) { return encodeJSON(member, v) }
	}
	e.addMember("state_topic", "state", state, set("state"))
	if e.config["brightness"] == true {
		low := 0.0
		e.addMember("state_topic", "brightness", thing.Schema{Type: "number", Minimum: &low, Maximum: e.numberOr("brightness_scale", 255)}, setLit("brightness"))
	}
	modes := e.list("supported_color_modes")
	for _, mode := range modes {
		switch mode {
		case "color_temp":
			low, high := ordered(e.numberOr("min_mireds", 153), e.numberOr("max_mireds", 500))
			e.addMember("state_topic", "color_temp", thing.Schema{Type: "number", Unit: "mired", Minimum: low, Maximum: high}, setLit("color_temp"))
		case "onoff", "brightness", "white":
		default:
			if e.bound[thing.Slug(e.sub("color"))] == nil {
				e.addMember("state_topic", "color", thing.Schema{Type: "object"}, setLit("color"))
			}
		}
	}
	if effects := e.list("effect_list"); len(effects) > 0 {
		e.addMember("state_topic", "effect", thing.Schema{Type: "string", Enum: effects}, setLit("effect"))
	}
}

// setLit sets a feature of a JSON light, which also lights it.
func setLit(member string) func(any) ([]byte, error) {
	return func(v any) ([]byte, error) { return encodeTwo("state", "ON", member, v) }
}

func encodeTwo(a string, x any, b string, y any) ([]byte, error) {
	return thing.RawValue(map[string]any{a: x, b: y})
}

func basicLight(e *entity) {
	e.addOnOff("state_value_template")
	low := 0.0
	e.add(property{
		name: "brightness", state: "brightness_state_topic", value: "brightness_value_template",
		command: "brightness_command_topic", write: "brightness_command_template",
		schema: thing.Schema{Type: "number", Minimum: &low, Maximum: e.numberOr("brightness_scale", 255)}, encode: encodeWhole,
	})
	low2, high := ordered(e.numberOr("min_mireds", 153), e.numberOr("max_mireds", 500))
	e.add(property{
		name: "color_temp", state: "color_temp_state_topic", value: "color_temp_value_template",
		command: "color_temp_command_topic", write: "color_temp_command_template",
		schema: thing.Schema{Type: "number", Unit: "mired", Minimum: low2, Maximum: high}, encode: encodeWhole,
	})
	e.add(property{
		name: "effect", state: "effect_state_topic", value: "effect_value_template",
		command: "effect_command_topic", write: "effect_command_template",
		schema: thing.Schema{Type: "string", Enum: e.list("effect_list")},
	})
	e.add(property{
		name: "rgb", state: "rgb_state_topic", value: "rgb_value_template", command: "rgb_command_topic", write: "rgb_command_template",
		schema: thing.Schema{Type: "string", Text: "red,green,blue, each 0 to 255"},
	})
}

func climate(e *entity) {
	unit := "°C"
	if e.str("temperature_unit") == "F" {
		unit = "°F"
	}
	bounded := thing.Schema{Type: "number", Unit: unit, Minimum: e.number("min_temp"), Maximum: e.number("max_temp")}
	e.add(property{name: "current_temperature", state: "current_temperature_topic", value: "current_temperature_template", schema: thing.Schema{Type: "number", Unit: unit}})
	e.add(property{name: "current_humidity", state: "current_humidity_topic", value: "current_humidity_template", schema: thing.Schema{Type: "number", Unit: "%"}})
	for _, name := range []string{"temperature", "temperature_high", "temperature_low"} {
		e.add(property{
			name: name, state: name + "_state_topic", value: name + "_state_template",
			command: name + "_command_topic", write: name + "_command_template", schema: bounded,
		})
	}
	e.add(property{
		name: "target_humidity", state: "target_humidity_state_topic", value: "target_humidity_state_template",
		command: "target_humidity_command_topic", write: "target_humidity_command_template",
		schema: thing.Schema{Type: "number", Unit: "%", Minimum: e.number("min_humidity"), Maximum: e.number("max_humidity")},
	})
	for _, m := range []struct{ name, list, value string }{
		{"mode", "modes", "mode_state_template"},
		{"fan_mode", "fan_modes", "fan_mode_state_template"},
		{"swing_mode", "swing_modes", "swing_mode_state_template"},
		{"preset_mode", "preset_modes", "preset_mode_value_template"},
	} {
		e.add(property{
			name: m.name, state: m.name + "_state_topic", value: m.value,
			command: m.name + "_command_topic", write: m.name + "_command_template",
			schema: thing.Schema{Type: "string", Enum: e.list(m.list)},
		})
	}
	e.add(property{name: "action", state: "action_topic", value: "action_template", schema: thing.Schema{Type: "string"}})
}

func fan(e *entity) {
	e.addOnOff("state_value_template")
	low := 0.0
	e.add(property{
		name: "percentage", state: "percentage_state_topic", value: "percentage_value_template",
		command: "percentage_command_topic", write: "percentage_command_template",
		schema: thing.Schema{Type: "number", Minimum: &low, Maximum: e.numberOr("speed_range_max", 100)}, encode: encodeWhole,
	})
	e.add(property{
		name: "preset_mode", state: "preset_mode_state_topic", value: "preset_mode_value_template",
		command: "preset_mode_command_topic", write: "preset_mode_command_template",
		schema: thing.Schema{Type: "string", Enum: e.list("preset_modes")},
	})
	turning := []choice{{"ON", e.or("payload_oscillation_on", "oscillate_on")}, {"OFF", e.or("payload_oscillation_off", "oscillate_off")}}
	e.add(property{
		name: "oscillation", state: "oscillation_state_topic", value: "oscillation_value_template",
		command: "oscillation_command_topic", write: "oscillation_command_template",
		schema: thing.Schema{Type: "string", Enum: enumOf(turning)}, decode: decodeChoice(turning), encode: encodeChoice(turning),
	})
	e.add(property{
		name: "direction", state: "direction_state_topic", value: "direction_value_template",
		command: "direction_command_topic", write: "direction_command_template",
		schema: thing.Schema{Type: "string", Enum: []any{"forward", "reverse"}},
	})
}

func humidifier(e *entity) {
	e.addOnOff("state_value_template")
	e.add(property{name: "current_humidity", state: "current_humidity_topic", value: "current_humidity_template", schema: thing.Schema{Type: "number", Unit: "%"}})
	e.add(property{
		name: "target_humidity", state: "target_humidity_state_topic", value: "target_humidity_state_template",
		command: "target_humidity_command_topic", write: "target_humidity_command_template",
		schema: thing.Schema{Type: "number", Unit: "%", Minimum: e.numberOr("min_humidity", 0), Maximum: e.numberOr("max_humidity", 100)}, encode: encodeWhole,
	})
	e.add(property{
		name: "mode", state: "mode_state_topic", value: "mode_state_template", command: "mode_command_topic", write: "mode_command_template",
		schema: thing.Schema{Type: "string", Enum: e.list("modes")},
	})
	e.add(property{name: "action", state: "action_topic", value: "action_template", schema: thing.Schema{Type: "string"}})
}
