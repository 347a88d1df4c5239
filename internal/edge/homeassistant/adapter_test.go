package homeassistant

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"primum/thing"
)

// one announces one configuration and expects one part.
func one(t *testing.T, a *Adapter, topic, config string) thing.Found {
	t.Helper()
	r := a.Receive(topic, []byte(config), at())
	if len(r.Found) != 1 || len(r.Troubles) != 0 {
		t.Fatalf("%s: %+v", topic, r)
	}
	if err := r.Found[0].Description.Validate(); err != nil {
		t.Fatalf("%s: %v", topic, err)
	}
	return r.Found[0]
}

// shown writes readings as "name=value …".
func shown(r thing.Report) string {
	out := ""
	for _, x := range r.Readings {
		v, err := json.Marshal(x.Value)
		if err != nil {
			return err.Error()
		}
		out += fmt.Sprintf("%s=%s ", x.Affordance, v)
	}
	return out
}

func TestAbbreviatedWithBaseTopic(t *testing.T) {
	t.Parallel()
	a := New(Options{})
	f := one(t, a, "homeassistant/light/irrigation/config", `{"~":"home/irrigation-01","name":"Zone 1","uniq_id":"i1","cmd_t":"~/set","stat_t":"~/state",
		"stat_val_tpl":"{{ value_json.state }}","bri_cmd_t":"~/bri/set","bri_stat_t":"~/bri","bri_scl":100,"pl_on":"1","pl_off":"0",
		"dev":{"ids":["irrigation-01"],"name":"Garden","mf":"ACME","mdl":"X"}}`)
	if f.Wish != "Garden" || f.Thing != "homeassistant#irrigation-01" || f.Description.Text != "ACME X" {
		t.Errorf("found %+v", f)
	}
	if got := f.Description.Affordances(); !slices.Equal(got, []string{"zone_1", "zone_1_brightness"}) {
		t.Errorf("affordances %v", got)
	}
	if !slices.Equal(f.Topics, []string{"home/irrigation-01/bri/set", "home/irrigation-01/set"}) {
		t.Errorf("topics %v", f.Topics)
	}
	if got := shown(a.Receive("home/irrigation-01/state", []byte(`{"state":"1"}`), at())); got != `zone_1="ON" ` {
		t.Errorf("state %s", got)
	}
	if got := shown(a.Receive("home/irrigation-01/bri", []byte(` 42 `), at())); got != `zone_1_brightness=42 ` {
		t.Errorf("brightness %s", got)
	}
	for _, c := range []struct {
		name    string
		value   any
		payload string
	}{
		{"zone_1", "OFF", "0"},
		{"zone_1_brightness", 50.0, "50"},
		{"zone_1", "0", ""},
		{"zone_1_brightness", 101.0, ""},
		{"zone_1_brightness", "50", ""},
		{"x", "ON", ""},
	} {
		send, err := a.Write(f.Key, c.name, c.value)
		if c.payload == "" && err == nil || c.payload != "" && string(send.Payload) != c.payload {
			t.Errorf("%s = %v: %s, %v", c.name, c.value, send.Payload, err)
		}
	}
}

func TestDeviceForm(t *testing.T) {
	t.Parallel()
	a := New(Options{})
	topic := "homeassistant/device/0AFFD2/config"
	config := `{"dev":{"ids":"ea334450945afc","name":"Kitchen"},"o":{"name":"bla2mqtt"},
		"cmps":{"temp":{"p":"sensor","dev_cla":"temperature","unit_of_meas":"°C","val_tpl":"{{ value_json.temperature}}","uniq_id":"t"},
		        "hum":{"p":"sensor","dev_cla":"humidity","unit_of_meas":"%","val_tpl":"{{ value_json['humidity'] }}","uniq_id":"h"},
		        "relay":{"p":"switch","name":null,"stat_t":"sensorBedroom/relay","cmd_t":"sensorBedroom/relay/set","uniq_id":"r"}},
		"stat_t":"sensorBedroom/state","qos":2}`
	r := a.Receive(topic, []byte(config), at())
	if len(r.Found) != 3 || len(r.Troubles) != 0 {
		t.Fatalf("report %+v", r)
	}
	for _, f := range r.Found {
		if f.Thing != "homeassistant#ea334450945afc" || f.Wish != "Kitchen" {
			t.Errorf("found %+v", f)
		}
	}
	if got := shown(a.Receive("sensorBedroom/state", []byte(`{"temperature":21.5,"humidity":"44"}`), at())); got != "humidity=44 temperature=21.5 " {
		t.Errorf("state %s", got)
	}
	// A component with its platform alone is removed, an absent one too.
	less := strings.Replace(config, `{"p":"sensor","dev_cla":"humidity","unit_of_meas":"%","val_tpl":"{{ value_json['humidity'] }}","uniq_id":"h"}`, `{"p":"sensor"}`, 1)
	if r := a.Receive(topic, []byte(less), at()); !slices.Equal(r.Gone, []string{topic + "#hum"}) || len(r.Found) != 0 {
		t.Errorf("less: %+v", r)
	}
	if r := a.Receive(topic, nil, at()); len(r.Gone) != 2 {
		t.Errorf("removed: %+v", r)
	}
	if got := a.Filters(); len(got) != 2 {
		t.Errorf("filters %v", got)
	}
}

func TestComponents(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, topic, config, affordances, state, payload, readings string }{
		{"binary sensor", "binary_sensor/n/door", `{"stat_t":"d/door","device_class":"door","payload_on":true,"payload_off":false,"val_tpl":"{{ value_json.open }}"}`, "door", "d/door", `{"open":true}`, "door=true "},
		{"switch", "switch/n/x", `{"stat_t":"d/x","cmd_t":"d/x/set","name":null}`, "state", "d/x", "on", `state="ON" `},
		{"json light", "light/n/x", `{"schema":"json","stat_t":"d/x","cmd_t":"d/x/set","brightness":true,"supported_color_modes":["xy","color_temp"],"effect_list":["a","b"],"name":null}`, "brightness color color_temp effect state", "d/x", `{"state":"ON","brightness":5,"color":{"x":1},"color_temp":200,"effect":"b"}`, `brightness=5 color={"x":1} color_temp=200 effect="b" state="ON" `},
		{"template light", "light/n/x", `{"schema":"template","stat_t":"d/x","cmd_t":"d/x/set"}`, "", "d/x", `{}`, ""},
		{"number", "number/n/x", `{"stat_t":"d/x","cmd_t":"d/x/set","min":-5,"max":5,"step":0.5,"unit_of_meas":"C","name":"Offset"}`, "offset", "d/x", "-2.5", "offset=-2.5 "},
		{"select", "select/n/x", `{"stat_t":"d/x","cmd_t":"d/x/set","ops":["a","b","a"],"name":"Mode"}`, "mode", "d/x", "b", `mode="b" `},
		{"text", "text/n/x", `{"stat_t":"d/x","cmd_t":"d/x/set","min":1,"max":3,"name":"Note"}`, "note", "d/x", "abc", `note="abc" `},
		{"button", "button/n/x", `{"cmd_t":"d/node/x","name":"Restart"}`, "", "", "", ""},
		{"lock", "lock/n/x", `{"stat_t":"d/x","cmd_t":"d/x/set","name":null,"payload_open":"OPEN"}`, "lock open state unlock", "d/x", "LOCKED", `state="locked" `},
		{"cover", "cover/n/x", `{"stat_t":"d/x","cmd_t":"d/x/set","pos_t":"d/x/pos","set_pos_t":"d/x/pos/set","name":"Blind"}`, "blind blind_close blind_open blind_position blind_stop", "d/x/pos", "30", "blind_position=30 "},
		{"climate", "climate/n/x", `{"name":null,"curr_temp_t":"d/x/c","temp_cmd_t":"d/x/t/set","temp_stat_t":"d/x/t","min_temp":5,"max_temp":30,"mode_stat_t":"d/x/m","mode_cmd_t":"d/x/m/set","modes":["off","heat"],"act_t":"d/x/a"}`, "action current_temperature mode temperature", "d/x/t", "21", "temperature=21 "},
		{"fan", "fan/n/x", `{"name":null,"stat_t":"d/x","cmd_t":"d/x/set","pct_cmd_t":"d/x/p/set","pct_stat_t":"d/x/p","osc_stat_t":"d/x/o","osc_cmd_t":"d/x/o/set","pr_modes":["eco"],"pr_mode_cmd_t":"d/x/m/set"}`, "oscillation percentage preset_mode state", "d/x/o", "oscillate_on", `oscillation="ON" `},
		{"humidifier", "humidifier/n/x", `{"name":null,"stat_t":"d/x","cmd_t":"d/x/set","hum_cmd_t":"d/x/h/set","hum_stat_t":"d/x/h"}`, "state target_humidity", "d/x/h", "45", "target_humidity=45 "},
		{"update", "update/n/x", `{"name":null,"stat_t":"d/x","l_ver_t":"d/x/l","cmd_t":"d/x/set","payload_install":"go"}`, "install installed_version latest_version", "d/x", "1.2", `installed_version="1.2" `},
		{"vacuum", "vacuum/n/x", `{"name":null,"stat_t":"d/x","cmd_t":"d/x/set"}`, "battery_level dock fan_speed locate pause start state stop", "d/x", `{"state":"docked","battery_level":61}`, `battery_level=61 state="docked" `},
		{"event", "event/n/x", `{"name":"Bell","stat_t":"d/x","event_types":["press","hold"]}`, "bell_event", "d/x", `{"event_type":"hold"}`, `bell_event="hold" `},
		{"trigger", "device_automation/n/x", `{"topic":"d/x","type":"press","stype":"button_1","payload":"short"}`, "press_button_1", "d/x", "short", `press_button_1="short" `},
		{"trigger of another payload", "device_automation/n/x", `{"topic":"d/x","type":"press","stype":"button_1","payload":"short"}`, "press_button_1", "d/x", "long", ""},
		{"tracker", "device_tracker/n/x", `{"name":null,"stat_t":"d/x"}`, "state", "d/x", "home", `state="home" `},
		{"alarm", "alarm_control_panel/n/x", `{"name":null,"stat_t":"d/x","cmd_t":"d/x/set"}`, "state", "d/x", "armed", `state="armed" `},
		{"camera", "camera/n/x", `{"topic":"d/x"}`, "", "d/x", "x", ""},
		{"enum sensor", "sensor/n/x", `{"stat_t":"d/x","device_class":"enum","ops":["a"],"name":"S"}`, "s", "d/x", "b", ""},
		{"unknown number", "sensor/n/x", `{"stat_t":"d/x","unit_of_meas":"W","name":"Power"}`, "power", "d/x", "unknown", ""},
		{"text where number is described", "sensor/n/x", `{"stat_t":"d/x","unit_of_meas":"W","name":"Power"}`, "power", "d/x", "warm", ""},
		{"infinity", "sensor/n/x", `{"stat_t":"d/x","unit_of_meas":"W","name":"Power"}`, "power", "d/x", "Inf", ""},
	} {
		a := New(Options{})
		f := one(t, a, "homeassistant/"+c.topic+"/config", c.config)
		if got := strings.Join(f.Description.Affordances(), " "); got != c.affordances {
			t.Errorf("%s: affordances %q, want %q; unmapped %v", c.name, got, c.affordances, f.Unmapped)
		}
		r := a.Receive(c.state, []byte(c.payload), at())
		if got := shown(r); got != c.readings {
			t.Errorf("%s: readings %q, want %q; troubles %v", c.name, got, c.readings, r.Troubles)
		}
		if strings.HasPrefix(c.name, "text where") || c.name == "infinity" || c.name == "enum sensor" {
			if len(r.Troubles) != 1 || r.Troubles[0].Affordance == "" {
				t.Errorf("%s: not counted: %+v", c.name, r)
			}
		}
		if c.affordances == "" && len(f.Unmapped) == 0 {
			t.Errorf("%s: dropped in silence", c.name)
		}
	}
}

func TestActions(t *testing.T) {
	t.Parallel()
	a := New(Options{})
	f := one(t, a, "homeassistant/button/node-77/restart/config", `{"cmd_t":"d/node-77/restart","name":"Restart","pl_prs":""}`)
	send, err := a.Write(f.Key, "restart_press", nil)
	if err != nil || send.Topic != "d/node-77/restart" || len(send.Payload) != 0 {
		t.Errorf("press: %+v, %v", send, err)
	}
	f = one(t, a, "homeassistant/climate/node-77/c/config", `{"name":null,"mode_cmd_t":"d/node-77/m","mode_cmd_tpl":"{\"mode\":\"{{ value }}\"}","modes":["heat"],"temp_cmd_t":"d/node-77/t","temp_cmd_tpl":"{{ value | int }}"}`)
	if send, err := a.Write(f.Key, "mode", "heat"); err != nil || string(send.Payload) != `{"mode":"heat"}` {
		t.Errorf("mode: %s, %v", send.Payload, err)
	}
	if len(f.Unmapped) != 1 || !strings.Contains(f.Unmapped[0].Reason, "more than a path") {
		t.Errorf("unmapped %v", f.Unmapped)
	}
	f = one(t, a, "homeassistant/text/node-77/n/config", `{"name":"N","cmd_t":"d/node-77/n","cmd_tpl":"{\"n\":\"{{ value }}\"}"}`)
	if send, err := a.Write(f.Key, "n", `","admin":"1`); err == nil {
		t.Errorf("text broke out of its template: %s", send.Payload)
	}
	if _, err := a.Write("no such", "n", "x"); err == nil {
		t.Error("an entity that is not announced was commanded")
	}
}

// TestForeignCommandTopics: a configuration is not trusted; its commands go to
// the device's own topics or nowhere.
func TestForeignCommandTopics(t *testing.T) {
	t.Parallel()
	a := New(Options{Never: []string{"zigbee2mqtt/bridge/logging"}})
	one(t, a, "homeassistant/lock/front-door/lock/config", `{"stat_t":"locks/front","cmd_t":"locks/front/set","name":"L","dev":{"ids":["front-door"]}}`)
	for name, topic := range map[string]string{
		"another device":  "locks/front/set",
		"the bridge":      "lamps/bridge/request/permit_join",
		"discovery":       "homeassistant/lock/lamp-0001/x/config",
		"the broker":      "$SYS/broker/x",
		"wildcard":        "lamps/one/#",
		"elsewhere":       "garage/door",
		"NUL":             "lamps/one/\x00",
		"never":           "zigbee2mqtt/bridge/logging",
		"short id":        "x/on",
		"prefix of words": "lamps/oneandmore/set",
	} {
		config, err := json.Marshal(map[string]any{"stat_t": "lamps/one", "cmd_t": topic, "name": "Lamp", "dev": map[string]any{"ids": []string{"lamp-0001", "on"}}})
		if err != nil {
			t.Fatal(err)
		}
		fresh := New(Options{Never: a.o.Never})
		one(t, fresh, "homeassistant/lock/front-door/lock/config", `{"stat_t":"locks/front","cmd_t":"locks/front/set","name":"L","dev":{"ids":["front-door"]}}`)
		one(t, fresh, "homeassistant/switch/lamp-0002/a/config", `{"stat_t":"lamps/oneandmore","cmd_t":"lamps/oneandmore/set","name":"O","dev":{"ids":["lamp-0002"]}}`)
		f := one(t, fresh, "homeassistant/switch/lamp-0001/a/config", string(config))
		if len(f.Topics) != 0 || len(f.Unmapped) != 1 || !strings.Contains(f.Unmapped[0].Reason, "refused") {
			t.Errorf("%s: commands would go to %v; unmapped %v", name, f.Topics, f.Unmapped)
		}
		if p := f.Description.Properties["lamp"]; p == nil || !p.ReadOnly {
			t.Errorf("%s: can still be written", name)
		}
		if send, err := fresh.Write(f.Key, "lamp", "ON"); err == nil {
			t.Errorf("%s: commanded %s", name, send.Topic)
		}
	}
	// A prefix that was one device's is no longer when another reads below it.
	late := New(Options{})
	f := one(t, late, "homeassistant/switch/a/x/config", `{"stat_t":"shared/a","cmd_t":"shared/b/set","name":"X","dev":{"ids":["device-a"]}}`)
	if _, err := late.Write(f.Key, "x", "ON"); err != nil {
		t.Errorf("alone: %v", err)
	}
	one(t, late, "homeassistant/switch/b/x/config", `{"stat_t":"shared/b","cmd_t":"shared/b/set","name":"X","dev":{"ids":["device-b"]}}`)
	if send, err := late.Write(f.Key, "x", "ON"); err == nil {
		t.Errorf("commanded the neighbour: %+v", send)
	}
}

func TestHostileConfigurations(t *testing.T) {
	t.Parallel()
	var many strings.Builder
	for i := range 100_000 {
		fmt.Fprintf(&many, `,"c%d":{"p":"sensor","stat_t":"x"}`, i)
	}
	for name, c := range map[string]struct{ topic, payload string }{
		"not JSON":           {"sensor/x", `{`},
		"a list":             {"sensor/x", `[]`},
		"member twice":       {"sensor/x", `{"name":"a","name":"b"}`},
		"nested":             {"sensor/x", strings.Repeat(`{"a":`, 1000) + `1` + strings.Repeat(`}`, 1000)},
		"huge":               {"sensor/x", `{"name":"` + strings.Repeat("x", maxConfig) + `"}`},
		"not UTF-8":          {"sensor/x", "{\"name\":\"\xff\"}"},
		"unknown component":  {"toaster/x", `{"stat_t":"x"}`},
		"topic too long":     {"sensor/a/b/c/d", `{"stat_t":"x"}`},
		"no components":      {"device/x", `{"dev":{"ids":"x"}}`},
		"components list":    {"device/x", `{"cmps":[]}`},
		"component text":     {"device/x", `{"cmps":{"a":"x"}}`},
		"no platform":        {"device/x", `{"cmps":{"a":{"stat_t":"x","name":"n"}}}`},
		"100,000 components": {"device/x", `{"cmps":{"a":{"p":"sensor"}` + many.String() + `}}`},
	} {
		a := New(Options{})
		one(t, a, "homeassistant/sensor/good/config", `{"name":"good","stat_t":"good/s"}`)
		r := a.Receive("homeassistant/"+c.topic+"/config", []byte(c.payload), at())
		if len(r.Found) != 0 || len(r.Troubles) == 0 {
			t.Errorf("%s: %+v", name, r)
		}
		for _, trouble := range r.Troubles {
			if len(trouble.Reason) > 400 {
				t.Errorf("%s: a reason of %d bytes", name, len(trouble.Reason))
			}
		}
		if got := shown(a.Receive("good/s", []byte("1"), at())); got != `good="1" ` {
			t.Errorf("%s: the others suffer: %s", name, got)
		}
	}
	a := New(Options{})
	f := one(t, a, "homeassistant/sensor/odd/config", `{"stat_t":["x"],"name":{"a":1},"unit_of_meas":5,"dev":"x","ops":[1,null]}`)
	if len(f.Description.Affordances()) != 0 {
		t.Errorf("wrong types made %v", f.Description.Affordances())
	}
	// Garbage on the topic of a good configuration does not remove it.
	one(t, a, "homeassistant/sensor/good/config", `{"name":"good","stat_t":"good/s"}`)
	if r := a.Receive("homeassistant/sensor/good/config", []byte("garbage"), at()); len(r.Gone) != 0 || len(r.Troubles) != 1 {
		t.Errorf("garbage: %+v", r)
	}
	if got := shown(a.Receive("good/s", []byte("1"), at())); got != `good="1" ` {
		t.Errorf("after garbage: %s", got)
	}
	if r := a.Receive("good/s", make([]byte, maxState+1), at()); len(r.Readings) != 0 || len(r.Troubles) != 1 {
		t.Errorf("large state: %+v", r)
	}
	wild := one(t, a, "homeassistant/sensor/wild/config", `{"name":"w","stat_t":"#"}`)
	if len(wild.Description.Affordances()) != 0 || slices.Contains(a.Filters(), "#") {
		t.Errorf("a wildcard is subscribed to: %v", a.Filters())
	}
}

func TestTemplates(t *testing.T) {
	t.Parallel()
	const payloadText = `{"a":{"b c":[1,{"d":"x"}]},"t":true,"n":null}`
	for _, c := range []struct{ template, want string }{
		{"", payloadText},
		{"{{ value }}", payloadText},
		{"{{value_json.t}}", "true"},
		{"{{- value_json.n -}}", "None"},
		{"{{ value_json.a['b c'][1].d }}", "x"},
		{`{{ value_json["a"]["b c"][0] }}`, "1"},
		{"{{ value_json.a.x }}", "absent"},
		{"{{ value_json.t.x }}", "absent"},
		{"{{ value_json.a['b c'][2] }}", "absent"},
		{"{{ value_json.t[0] }}", "absent"},
		{"{{ value_json.a | int }}", "no path"},
		{"{{ states('x') }}", "no path"},
		{"{% if value %}x{% endif %}", "no path"},
		{"{{ value_json.a }}{{ value }}", "no path"},
		{"{{ value_json.}}", "no path"},
		{"{{ value_json['a }}", "no path"},
		{"{{ value_json[''] }}", "no path"},
		{"{{ value_json[-1] }}", "no path"},
		{`{{ value_json['a\'b'] }}`, "no path"},
		{"{{ value_jsonx }}", "no path"},
		{"x {{ value }}", "no path"},
		{"{{ " + strings.Repeat("x", maxTemplate) + " }}", "no path"},
	} {
		got := "no path"
		if p, err := parsePath(c.template); err == nil {
			v, err := p.eval(&payload{raw: []byte(payloadText)})
			if got = text(v); err != nil {
				got = "absent"
			}
		}
		if got != c.want {
			t.Errorf("%.60s: %q, want %q", c.template, got, c.want)
		}
	}
	p, err := parsePath("{{ value_json.a }}")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.eval(&payload{raw: []byte("not JSON")}); err == nil {
		t.Error("a path into no JSON found something")
	}
	for _, s := range []string{"{% set x %}", "{{ value | int }}", "{{ value }}{{ value }}", "text", "{{ value", strings.Repeat("x", 600)} {
		if w, err := parseWriting(s); err == nil {
			t.Errorf("%.30q was taken as %+v", s, w)
		}
	}
}

func TestAnnouncer(t *testing.T) {
	t.Parallel()
	an := Announcer{}
	s := Shared{ID: ID("ann@h.example", "Water meter", "flow"), Device: ID("ann@h.example", "Water meter"), DeviceTitle: "Water meter of Ann", Title: "Flow", Unit: "L/min", Sample: 1.5}
	if s.ID != "ann_h.example_water_meter_flow" && s.ID != "ann_h_example_water_meter_flow" {
		t.Errorf("id %q", s.ID)
	}
	messages, err := an.Announce(s)
	if err != nil || len(messages) != 2 {
		t.Fatal(messages, err)
	}
	// What we announce, we can read: round trip through the own reader.
	a := New(Options{})
	f := one(t, a, messages[0].Topic, string(messages[0].Payload))
	state := an.State(s, json.Number("7.25"))
	if got := shown(a.Receive(state.Topic, state.Payload, at())); got != "flow=7.25 " || f.Wish != "Water meter of Ann" {
		t.Errorf("read back %q of %q", got, f.Wish)
	}
	s.Sample = true
	if messages, err = an.Announce(s); err != nil || !strings.HasPrefix(messages[0].Topic, "homeassistant/binary_sensor/") {
		t.Errorf("boolean: %v %v", messages, err)
	}
	if len(an.State(s, nil).Payload) == 0 || len(an.Withdraw(s)) != 3 || len(an.Withdraw(s)[0].Payload) != 0 || string(an.Unavailable(s).Payload) != "offline" {
		t.Error("state, withdrawal or availability are wrong")
	}
	if (Announcer{Prefix: "ha", Base: "b"}).StatusTopic() != "ha/status" || New(Options{Prefix: "ha"}).StatusTopic() != "ha/status" {
		t.Error("status topic")
	}
}

func FuzzConfiguration(f *testing.F) {
	f.Add("homeassistant/light/x/config", []byte(`{"~":"a","cmd_t":"~/set","stat_t":"~","schema":"json","brightness":true,"dev":{"ids":["x"]}}`), []byte(`{"state":"ON"}`))
	f.Add("homeassistant/device/x/config", []byte(`{"cmps":{"a":{"p":"climate","mode_cmd_t":"a/b","modes":["x"]},"b":{"p":"cover","stat_t":"s"}}}`), []byte("open"))
	f.Add("homeassistant/sensor/x/config", []byte(`{"stat_t":"s","val_tpl":"{{ value_json['a'][0] }}","unit_of_meas":"W"}`), []byte(`{"a":[1]}`))
	f.Fuzz(func(t *testing.T, topic string, config, state []byte) {
		a := New(Options{Never: []string{"never"}})
		r := a.Receive(topic, config, at())
		for _, found := range r.Found {
			if err := found.Description.Validate(); err != nil {
				t.Fatal(err)
			}
			for _, s := range found.Topics {
				if strings.ContainsAny(s, "+#\x00") || strings.HasPrefix(s, "$") || s == "never" {
					t.Fatalf("commands would go to %q", s)
				}
			}
		}
		for _, filter := range a.Filters() {
			if filter == "" || strings.ContainsAny(filter, "#\x00") {
				t.Fatalf("filter %q", filter)
			}
			for _, reading := range a.Receive(filter, state, at()).Readings {
				if _, err := json.Marshal(reading.Value); err != nil {
					t.Fatal(err)
				}
			}
		}
	})
}

func FuzzTemplate(f *testing.F) {
	f.Add("{{ value_json.a['b'][0] }}", []byte(`{"a":{"b":[1]}}`))
	f.Add("{{-value-}}", []byte("x"))
	f.Fuzz(func(t *testing.T, template string, raw []byte) {
		p, err := parsePath(template)
		if err != nil {
			return
		}
		if v, err := p.eval(&payload{raw: raw}); err == nil {
			_ = text(v)
		}
	})
}
