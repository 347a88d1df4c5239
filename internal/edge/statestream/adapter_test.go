package statestream

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"primum/thing"
)

func at() time.Time { return time.Date(2026, 11, 22, 14, 0, 0, 0, time.UTC) }

// play feeds "topic payload" lines below the base and joins the reports.
func play(a *Adapter, lines ...string) (all thing.Report) {
	for _, line := range lines {
		topic, payload, _ := strings.Cut(line, " ")
		r := a.Receive("ha/"+topic, []byte(payload), at())
		all.Found = append(all.Found, r.Found...)
		all.Gone = append(all.Gone, r.Gone...)
		all.Readings = append(all.Readings, r.Readings...)
		all.Troubles = append(all.Troubles, r.Troubles...)
	}
	return all
}

func shown(r thing.Report) string {
	out := ""
	for _, x := range r.Readings {
		out += fmt.Sprintf("%s=%v ", x.Affordance, x.Value)
	}
	return out
}

func TestEntity(t *testing.T) {
	t.Parallel()
	a := New("ha")
	r := play(a,
		`sensor/kitchen_temperature/unit_of_measurement "C"`,
		`sensor/kitchen_temperature/device_class "temperature"`,
		`sensor/kitchen_temperature/friendly_name "Kitchen"`,
		`sensor/kitchen_temperature/icon "mdi:x"`,
		`sensor/kitchen_temperature/state 21.5`)
	if len(r.Found) != 1 || len(r.Troubles) != 0 || shown(r) != "temperature=21.5 " {
		t.Fatalf("report %+v", r)
	}
	f := r.Found[0]
	p := f.Description.Properties["temperature"]
	if f.Wish != "kitchen_temperature" || f.Description.Title != "Kitchen" || p.Unit != "°C" || p.Type != "number" || !p.ReadOnly {
		t.Errorf("found %+v, %+v", f, p)
	}
	if err := f.Description.Validate(); err != nil {
		t.Error(err)
	}
	// Text where the description says number: counted; "unavailable" is no value.
	r = play(a, "sensor/kitchen_temperature/state warm", "sensor/kitchen_temperature/state unavailable", "sensor/kitchen_temperature/state 1e999", "sensor/kitchen_temperature/state NaN")
	if len(r.Readings) != 0 || len(r.Troubles) != 3 || r.Troubles[0].Affordance != "temperature" {
		t.Errorf("report %+v", r)
	}
	if _, err := a.Write(f.Key, "temperature", 1.0); err == nil {
		t.Error("a stream can be written")
	}
	if r := play(a, "sensor/kitchen_temperature/state "); len(r.Gone) != 1 || r.Gone[0] != f.Key {
		t.Errorf("gone: %+v", r)
	}
}

func TestAttributesAreValues(t *testing.T) {
	t.Parallel()
	a := New("ha")
	r := play(a, `light/lamp/state on`, `light/lamp/brightness 120`, `light/lamp/brightness null`, `climate/hall/state heat`, `climate/hall/current_temperature 20.5`, `climate/hall/hvac_action "idle"`)
	if got := shown(r); got != "state=on brightness=120 state=heat current_temperature=20.5 hvac_action=idle " {
		t.Errorf("readings %s", got)
	}
	if r := play(a, `light/lamp/brightness "full"`, `light/lamp/brightness {`); len(r.Readings) != 0 || len(r.Troubles) != 2 {
		t.Errorf("wrong attributes: %+v", r)
	}
	if r := play(a, `sensor/t/device_class "temperature"`, `sensor/t/temperature 5`, `sensor/t/state 6`); len(r.Found) != 1 || len(r.Found[0].Description.Affordances()) != 2 {
		t.Errorf("two of one name: %+v", r.Found)
	}
}

func TestHostile(t *testing.T) {
	t.Parallel()
	a := New("ha")
	for _, topic := range []string{"ha/x", "ha/a/b", "ha/a/b/c/d", "other/a/b/state", "ha/" + strings.Repeat("x", 600) + "/b/state"} {
		if r := a.Receive(topic, []byte("1"), at()); len(r.Found)+len(r.Readings)+len(r.Troubles) != 0 {
			t.Errorf("%.40s: %+v", topic, r)
		}
	}
	if r := play(a, "a/b/state "+strings.Repeat("x", maxPayload+1)); len(r.Troubles) != 1 || len(r.Found) != 0 {
		t.Errorf("large: %+v", r)
	}
	if r := a.Receive("ha/sensor/x/state", []byte("\xff\xfe"), at()); len(r.Readings) != 0 {
		t.Errorf("not UTF-8: %+v", r)
	}
	for i := len(a.entities); i < maxEntities; i++ {
		a.entities[fmt.Sprint(i)] = &entity{}
	}
	if r := play(a, "sensor/more/state 1"); len(r.Found) != 0 || len(r.Troubles) != 1 || len(a.entities) != maxEntities {
		t.Errorf("one too many: %+v", r)
	}
	if got := a.Filters(); len(got) != 1 || got[0] != "ha/+/+/+" {
		t.Errorf("filters %v", got)
	}
}

func FuzzStream(f *testing.F) {
	f.Add("sensor/x/unit_of_measurement", []byte(`"W"`), "sensor/x/state", []byte("1"))
	f.Add("light/x/state", []byte("on"), "light/x/brightness", []byte("[1]"))
	f.Fuzz(func(t *testing.T, topic1 string, payload1 []byte, topic2 string, payload2 []byte) {
		a := New("ha")
		for _, r := range []thing.Report{a.Receive("ha/"+topic1, payload1, at()), a.Receive("ha/"+topic2, payload2, at())} {
			for _, found := range r.Found {
				if err := found.Description.Validate(); err != nil {
					t.Fatal(err)
				}
			}
			for _, reading := range r.Readings {
				if _, err := thing.RawValue(reading.Value); err != nil {
					t.Fatal(err)
				}
			}
		}
	})
}
