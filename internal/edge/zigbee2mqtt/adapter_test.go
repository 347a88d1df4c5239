package zigbee2mqtt

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"primum/thing"
)

const devices = "zigbee2mqtt/bridge/devices"

func at() time.Time { return time.Date(2026, 11, 22, 14, 0, 0, 0, time.UTC) }

// announce wraps exposes in a list of one device.
func announce(friendly, exposes string) string {
	return `[{"ieee_address":"0x1","friendly_name":"` + friendly + `","type":"Router","definition":{"vendor":"V","model":"M","description":"D","exposes":` + exposes + `}}]`
}

const lamp = `[{"type":"light","features":[
	{"type":"binary","name":"state","property":"state","access":7,"value_on":"ON","value_off":"OFF","value_toggle":"TOGGLE"},
	{"type":"numeric","name":"brightness","property":"brightness","access":7,"value_min":0,"value_max":254},
	{"type":"composite","name":"color_xy","property":"color","access":7,"features":[
		{"type":"numeric","name":"x","property":"x","access":7},{"type":"numeric","name":"y","property":"y","access":7}]},
	{"type":"composite","name":"color_hs","property":"color","access":7,"features":[
		{"type":"numeric","name":"hue","property":"hue","access":7},{"type":"numeric","name":"saturation","property":"saturation","access":7}]}]},
	{"type":"enum","name":"effect","property":"effect","access":2,"values":["blink","blink","okay"]},
	{"type":"numeric","name":"linkquality","property":"linkquality","access":1,"unit":"lqi","value_min":0,"value_max":255},
	{"type":"numeric","name":"startup","property":"startupTemp","access":3,"unit":"mired","value_min":150,"value_max":500,"value_step":1,"presets":[{"name":"previous","value":65535}]},
	{"type":"list","name":"alarms","property":"alarms","access":1,"item_type":{"type":"enum","values":["a","b"]}},
	{"type":"text","name":"note","property":"note","access":3,"length_max":5},
	{"type":"binary","name":"contact","property":"contact","access":1,"value_on":false,"value_off":true},
	{"type":"numeric","name":"nothing","property":"nothing","access":0},
	{"type":"hologram","name":"h","property":"h","access":1}]`

func lampAdapter(t *testing.T) (*Adapter, thing.Found) {
	t.Helper()
	a := New("")
	r := a.Receive(devices, []byte(announce("Küche/Lamp", lamp)), at())
	if len(r.Found) != 1 || len(r.Troubles) != 0 {
		t.Fatalf("report %+v", r)
	}
	return a, r.Found[0]
}

func TestDescription(t *testing.T) {
	t.Parallel()
	a, f := lampAdapter(t)
	if f.Wish != "Küche/Lamp" || !slices.Equal(f.Topics, []string{"zigbee2mqtt/Küche/Lamp/set"}) {
		t.Errorf("found %+v", f)
	}
	d := f.Description
	if got := d.Affordances(); !slices.Equal(got, []string{"alarms", "brightness", "color", "contact", "effect", "linkquality", "note", "startup_temp", "state"}) {
		t.Errorf("affordances %v", got)
	}
	if p := d.Properties["color"]; len(p.Properties) != 4 {
		t.Errorf("color has %d members, want x, y, hue, saturation", len(p.Properties))
	}
	if p := d.Properties["effect"]; !p.WriteOnly || len(p.Enum) != 2 {
		t.Errorf("effect %+v", p.Schema)
	}
	if p := d.Properties["linkquality"]; !p.ReadOnly || p.Unit != "lqi" || *p.Maximum != 255 {
		t.Errorf("linkquality %+v", p.Schema)
	}
	if p := d.Properties["contact"]; p.Type != "boolean" {
		t.Errorf("contact %+v", p.Schema)
	}
	reasons := fmt.Sprint(f.Unmapped)
	if len(f.Unmapped) != 2 || !strings.Contains(reasons, "access 0") || !strings.Contains(reasons, `"hologram" is not known`) {
		t.Errorf("unmapped %v", reasons)
	}
	want := []string{"zigbee2mqtt/Küche/Lamp", devices}
	if got := a.Filters(); !slices.Contains(got, want[0]) || !slices.Contains(got, want[1]) || len(got) != 2 {
		t.Errorf("filters %v", got)
	}
	if r := a.Receive(devices, []byte(announce("Küche/Lamp", lamp)), at()); len(r.Found) != 0 {
		t.Error("the same announcement is news")
	}
	r := a.Receive(devices, []byte(announce("Hall", lamp)), at())
	if len(r.Found) != 1 || r.Found[0].Key != f.Key || slices.Contains(a.Filters(), want[0]) {
		t.Errorf("renamed: %+v, filters %v", r, a.Filters())
	}
	if r := a.Receive(devices, []byte(`[]`), at()); !slices.Equal(r.Gone, []string{f.Key}) {
		t.Errorf("gone: %+v", r)
	}
}

func TestState(t *testing.T) {
	t.Parallel()
	a, f := lampAdapter(t)
	state := func(s string) thing.Report { return a.Receive("zigbee2mqtt/Küche/Lamp", []byte(s), at()) }
	r := state(`{"state":"ON","brightness":12,"color":{"x":0.1,"y":0.2},"contact":false,"startupTemp":65535,"linkquality":null,"effect":"okay","extra":{"a":1},"alarms":["a"]}`)
	got := ""
	for _, x := range r.Readings {
		got += fmt.Sprintf("%s=%v ", x.Affordance, x.Value)
		if x.Key != f.Key || !x.At.Equal(at()) {
			t.Errorf("reading %+v", x)
		}
	}
	if want := "alarms=[a] brightness=12 color=map[x:0.1 y:0.2] contact=false startup_temp=65535 state=ON "; got != want || len(r.Troubles) != 0 {
		t.Errorf("readings %s\n   want %s; troubles %v", got, want, r.Troubles)
	}
	// Text where the description says number, and other wrongs: each counted by
	// itself, what is right still passes.
	r = state(`{"state":"PURPLE","brightness":"12","color":"red","contact":1,"startupTemp":600,"note":"too long","linkquality":7}`)
	if len(r.Readings) != 1 || r.Readings[0].Affordance != "linkquality" || len(r.Troubles) != 6 {
		t.Errorf("readings %+v, troubles %+v", r.Readings, r.Troubles)
	}
	for _, s := range []string{`[]`, `{`, `"ON"`, `{"a":1,"a":2}`, strings.Repeat("[", 1000), `{"note":"` + strings.Repeat("x", maxState) + `"}`, "\xff"} {
		if r := state(s); len(r.Readings) != 0 || len(r.Troubles) != 1 || r.Troubles[0].Key != f.Key {
			t.Errorf("%.20q: %+v", s, r)
		}
	}
	if r := state(""); len(r.Readings)+len(r.Troubles) != 0 {
		t.Errorf("cleared: %+v", r)
	}
	for _, topic := range []string{"zigbee2mqtt/bridge/logging", "zigbee2mqtt/other", "x"} {
		if r := a.Receive(topic, []byte(`{"state":"ON"}`), at()); len(r.Readings)+len(r.Troubles)+len(r.Found) != 0 {
			t.Errorf("%s: %+v", topic, r)
		}
	}
}

func TestCommands(t *testing.T) {
	t.Parallel()
	a, f := lampAdapter(t)
	for _, c := range []struct {
		name    string
		value   any
		payload string
	}{
		{"state", "ON", `{"state":"ON"}`},
		{"brightness", json.Number("5"), `{"brightness":5}`},
		{"color", map[string]any{"x": 0.5}, `{"color":{"x":0.5}}`},
		{"effect", "blink", `{"effect":"blink"}`},
		{"startup_temp", 65535.0, `{"startupTemp":65535}`},
		{"state", "TOGGLE", ""},
		{"state", true, ""},
		{"brightness", 255.0, ""},
		{"linkquality", 5.0, ""},
		{"nothing", 5.0, ""},
	} {
		send, err := a.Write(f.Key, c.name, c.value)
		if c.payload == "" {
			if err == nil {
				t.Errorf("%s = %v was taken: %+v", c.name, c.value, send)
			}
			continue
		}
		if err != nil || send.Topic != "zigbee2mqtt/Küche/Lamp/set" || string(send.Payload) != c.payload {
			t.Errorf("%s = %v: %s %s, %v", c.name, c.value, send.Topic, send.Payload, err)
		}
	}
	if _, err := a.Write("other", "state", "ON"); err == nil {
		t.Error("a device that is not announced was commanded")
	}
	if send, ok := a.Read(f.Key, "state"); !ok || send.Topic != "zigbee2mqtt/Küche/Lamp/get" || string(send.Payload) != `{"state":""}` {
		t.Errorf("read: %+v %v", send, ok)
	}
	for _, name := range []string{"linkquality", "effect", "x"} {
		if send, ok := a.Read(f.Key, name); ok {
			t.Errorf("%s can be asked for: %+v", name, send)
		}
	}
}

func TestHostileAnnouncements(t *testing.T) {
	t.Parallel()
	deep := strings.Repeat(`[{"type":"light","features":`, 20) + `[]` + strings.Repeat(`}]`, 20)
	var many strings.Builder
	for i := range 100_000 {
		fmt.Fprintf(&many, `,{"type":"numeric","property":"p%d","access":1}`, i)
	}
	for name, c := range map[string]struct {
		payload       string
		found, things int
	}{
		"not JSON":            {`[`, 0, 0},
		"an object":           {`{}`, 0, 0},
		"numbers":             {`[1,2]`, 0, 0},
		"too many devices":    {`[` + strings.Repeat(`{},`, maxDevices) + `{}]`, 0, 0},
		"nested":              {strings.Repeat(`[`, 100_000), 0, 0},
		"deep groups":         {announce("a", deep), 0, 0},
		"wildcard":            {announce("a/#", `[]`), 0, 0},
		"plus":                {announce("+", `[]`), 0, 0},
		"NUL":                 {announce(`a\u0000`, `[]`), 0, 0},
		"inside the bridge":   {announce("bridge/request", `[]`), 0, 0},
		"logging":             {announce("bridge/logging", `[]`), 0, 0},
		"another's commands":  {announce("lock/set", `[]`), 0, 0},
		"empty name":          {announce("", `[]`), 0, 0},
		"long name":           {announce(strings.Repeat("x", maxTopic+1), `[]`), 0, 0},
		"exposes text":        {announce("a", `"x"`), 0, 0},
		"type number":         {announce("a", `[{"type":1}]`), 0, 0},
		"100,000 properties":  {announce("a", `[{"type":"numeric","property":"x","access":1}`+many.String()+`]`), 1, thing.MaxAffordances},
		"no values":           {announce("a", `[{"type":"enum","property":"x","access":1}]`), 1, 0},
		"values of all kinds": {announce("a", `[{"type":"enum","property":"x","access":1,"values":[1,"1",null,[],{"a":1}]}]`), 1, 1},
		"broken range":        {announce("a", `[{"type":"numeric","property":"x","access":1,"value_min":5,"value_max":1,"value_step":-1}]`), 1, 1},
		"broken lengths":      {announce("a", `[{"type":"text","property":"x","access":1,"length_min":-5}]`), 1, 1},
		"no name left":        {announce("a", `[{"type":"text","property":"!!!","access":1}]`), 1, 0},
		"same slug":           {announce("a", `[{"type":"text","property":"a b","access":1},{"type":"text","property":"A-B","access":1}]`), 1, 2},
		"text after number":   {announce("a", `[{"type":"text","property":"a","access":1},{"type":"numeric","property":"a","access":1}]`), 1, 1},
	} {
		a := New("")
		r := a.Receive(devices, []byte(c.payload), at())
		if len(r.Found) != c.found {
			t.Errorf("%s: %d found, troubles %v", name, len(r.Found), r.Troubles)
			continue
		}
		if c.found == 0 && len(r.Troubles) == 0 {
			t.Errorf("%s: refused without a word", name)
		}
		for _, f := range r.Found {
			if n := len(f.Description.Affordances()); n != c.things {
				t.Errorf("%s: %d affordances, want %d", name, n, c.things)
			}
			if err := f.Description.Validate(); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		for _, trouble := range r.Troubles {
			if len(trouble.Reason) > 400 {
				t.Errorf("%s: a reason of %d bytes", name, len(trouble.Reason))
			}
		}
	}
}

func TestTwoDevicesOfOneTopic(t *testing.T) {
	t.Parallel()
	a := New("")
	two := strings.TrimSuffix(announce("x", lamp), "]") + "," + strings.TrimPrefix(strings.Replace(announce("x", lamp), "0x1", "0x2", 1), "[")
	if r := a.Receive(devices, []byte(two), at()); len(r.Found) != 1 || !strings.HasSuffix(r.Found[0].Key, "0x1") {
		t.Errorf("found %+v", r.Found)
	}
	if r := a.Receive(devices, []byte(two), at()); len(r.Found)+len(r.Gone) != 0 {
		t.Errorf("again: %+v", r)
	}
}

// TestCapturedDevices reads bridge/devices of an unmodified zigbee2mqtt.
func TestCapturedDevices(t *testing.T) {
	t.Parallel()
	f, err := os.Open(shared + "z2m-and-homeassistant-discovery.txt")
	if err != nil {
		missing(t, "../shared is not here: the captured devices were not tested")
	}
	defer func() { _ = f.Close() }()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	found, affordances := 0, 0
	a, schema := New(""), tdSchema(t)
	for lines.Scan() {
		topic, payload, _ := strings.Cut(lines.Text(), " ")
		r := a.Receive(topic, []byte(payload), at())
		if len(r.Troubles) != 0 {
			t.Errorf("%s: %v", topic, r.Troubles)
		}
		for _, d := range r.Found {
			found++
			affordances += len(d.Description.Affordances())
			checkSchema(t, schema, d.Description)
			for _, u := range d.Unmapped {
				t.Errorf("%s: %+v", d.Wish, u)
			}
		}
	}
	t.Logf("%d devices, %d affordances", found, affordances)
	if found != 6 {
		t.Errorf("%d devices, want 6", found)
	}
}

func FuzzAnnouncement(f *testing.F) {
	f.Add([]byte(announce("a", lamp)))
	f.Add([]byte(announce("a/set", `[{"type":"list","property":"l","access":1,"item_type":{"type":"composite","features":[{"type":"enum","values":[1,1]}]}}]`)))
	f.Fuzz(func(t *testing.T, b []byte) {
		r := New("").Receive(devices, b, at())
		for _, found := range r.Found {
			if err := found.Description.Validate(); err != nil {
				t.Fatal(err)
			}
			for _, topic := range found.Topics {
				if !strings.HasPrefix(topic, "zigbee2mqtt/") || strings.ContainsAny(topic, "+#\x00") || strings.HasPrefix(topic, "zigbee2mqtt/bridge/") {
					t.Fatalf("commands would go to %q", topic)
				}
			}
		}
	})
}

func FuzzState(f *testing.F) {
	f.Add([]byte(`{"state":"ON","brightness":12,"color":{"x":0.1},"alarms":["a"]}`))
	f.Add([]byte(`{"color":[1e300],"note":"ää"}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		a := New("")
		found := a.Receive(devices, []byte(announce("a", lamp)), at()).Found[0]
		for _, r := range a.Receive("zigbee2mqtt/a", b, at()).Readings {
			if err := found.Description.Properties[r.Affordance].Check(r.Value); err != nil {
				t.Fatalf("%s = %v passed: %v", r.Affordance, r.Value, err)
			}
		}
	})
}
