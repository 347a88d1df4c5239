package homeassistant

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"primum/thing"
)

const shared = "../../../../shared/data/"

// missing skips, or fails where PRIMUM_NEED_ALL=1 demands everything.
func missing(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("PRIMUM_NEED_ALL") == "1" {
		t.Fatal(what + " (and PRIMUM_NEED_ALL=1)")
	}
	t.Skip(what)
}

func tdSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	f, err := os.Open(shared + "td-1.1-schema.json")
	if err != nil {
		missing(t, "../shared is not here: descriptions were not validated against the W3C schema")
	}
	defer func() { _ = f.Close() }()
	doc, err := jsonschema.UnmarshalJSON(f)
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("td.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("td.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func checkSchema(t *testing.T, schema *jsonschema.Schema, td *thing.Description) {
	t.Helper()
	if err := td.Validate(); err != nil {
		t.Errorf("%s: %v", td.Title, err)
	}
	b, err := json.Marshal(td)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	if err := schema.Validate(doc); err != nil {
		t.Errorf("%s: %v", td.Title, err)
	}
}

type captured struct {
	topic   string
	payload []byte
}

func capture(t *testing.T) (configs []captured) {
	t.Helper()
	f, err := os.Open(shared + "z2m-and-homeassistant-discovery.txt")
	if err != nil {
		missing(t, "../shared is not here: the captured configurations were not tested")
	}
	defer func() { _ = f.Close() }()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		topic, payload, ok := strings.Cut(lines.Text(), " ")
		if ok && strings.HasPrefix(topic, "homeassistant/") {
			configs = append(configs, captured{topic, []byte(payload)})
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return configs
}

func at() time.Time { return time.Date(2026, 11, 22, 14, 0, 0, 0, time.UTC) }

// TestCapturedConfigurations is "must show 6" for Home Assistant: all 48
// configurations give schema-valid descriptions; what is not mapped is listed.
func TestCapturedConfigurations(t *testing.T) {
	t.Parallel()
	schema := tdSchema(t)
	a := New(Options{})
	configs := capture(t)
	affordances, listed := 0, 0
	things := map[string]bool{}
	for _, c := range configs {
		r := a.Receive(c.topic, c.payload, at())
		if len(r.Found) != 1 || len(r.Troubles) != 0 {
			t.Errorf("%s: %d found, troubles %v", c.topic, len(r.Found), r.Troubles)
			continue
		}
		f := r.Found[0]
		things[f.Thing] = true
		checkSchema(t, schema, f.Description)
		affordances += len(f.Description.Affordances())
		listed += len(f.Unmapped)
		for _, u := range f.Unmapped {
			t.Logf("not mapped: %s: %s: %s", c.topic, u.Place, u.Reason)
		}
		if len(f.Description.Affordances())+len(f.Unmapped) == 0 {
			t.Errorf("%s: neither mapped nor listed", c.topic)
		}
		for _, topic := range f.Topics {
			if !strings.HasPrefix(topic, "zigbee2mqtt/0x") || strings.Contains(topic, "bridge") {
				t.Errorf("%s: commands would go to %s", c.topic, topic)
			}
		}
	}
	t.Logf("%d configurations of %d devices: %d affordances, %d pieces listed as not mapped", len(configs), len(things), affordances, listed)
	if len(configs) != 48 {
		t.Errorf("%d configurations, want 48", len(configs))
	}
	if r := a.Receive(configs[0].topic, configs[0].payload, at()); len(r.Found) != 0 {
		t.Error("the same configuration again is news")
	}
}

func TestCapturedDevicesElsewhere(t *testing.T) {
	t.Parallel()
	a := New(Options{Elsewhere: []string{"zigbee2mqtt"}})
	for _, c := range capture(t) {
		if r := a.Receive(c.topic, c.payload, at()); len(r.Found)+len(r.Troubles) > 0 {
			t.Errorf("%s: %+v", c.topic, r)
		}
	}
	if n := len(a.Filters()); n != 2 {
		t.Errorf("%d filters, want the two of discovery", n)
	}
}
