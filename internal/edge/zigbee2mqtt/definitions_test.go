package zigbee2mqtt

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"primum/thing"
)

const (
	converters        = "zigbee-herdsman-converters"
	convertersVersion = "26.112.0"
	shared            = "../../../../shared/data/"
)

// missing skips, or fails where PRIMUM_NEED_ALL=1 demands everything.
func missing(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("PRIMUM_NEED_ALL") == "1" {
		t.Fatal(what + " (and PRIMUM_NEED_ALL=1)")
	}
	t.Skip(what)
}

// definitionLines installs the package once into the user's cache, outside
// the repository, and gives its definitions as JSON lines.
func definitionLines(t *testing.T) []byte {
	t.Helper()
	for _, tool := range []string{"npm", "node"} {
		if _, err := exec.LookPath(tool); err != nil {
			missing(t, tool+" is not on this machine: the zigbee definitions were not tested")
		}
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		missing(t, "no cache folder: the zigbee definitions were not tested")
	}
	dir := filepath.Join(cache, "primum-test", converters+"-"+convertersVersion)
	if _, err := os.Stat(filepath.Join(dir, "node_modules", converters)); err != nil {
		install(t, dir)
	}
	cmd := exec.Command("node", "testdata/definitions.js", dir)
	var out, problems bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &problems
	if err := cmd.Run(); err != nil {
		t.Fatalf("node testdata/definitions.js: %v\n%s", err, problems.String())
	}
	return out.Bytes()
}

func install(t *testing.T, dir string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		t.Fatal(err)
	}
	tmp, err := os.MkdirTemp(filepath.Dir(dir), "install")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(tmp) }()
	if err := os.WriteFile(filepath.Join(tmp, "package.json"), []byte(`{"private":true}`), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", converters+"@"+convertersVersion)
	cmd.Dir = tmp
	if out, err := cmd.CombinedOutput(); err != nil {
		missing(t, "npm can't install "+converters+" (no network?): the zigbee definitions were not tested: "+lastLine(out))
	}
	// Another test process may have been faster; its copy is as good.
	if err := os.Rename(tmp, dir); err != nil && !errors.Is(err, os.ErrExist) {
		if _, err := os.Stat(filepath.Join(dir, "node_modules", converters)); err != nil {
			t.Fatal(err)
		}
	}
}

func lastLine(b []byte) string {
	lines := strings.Split(strings.TrimSpace(string(b)), "\n")
	return lines[len(lines)-1]
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

type definition struct {
	File, Vendor, Model, Description string
	Exposes                          []expose
}

func eachDefinition(t *testing.T, use func(definition)) {
	t.Helper()
	lines := bufio.NewScanner(bytes.NewReader(definitionLines(t)))
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var d definition
		if err := json.Unmarshal(lines.Bytes(), &d); err != nil {
			t.Fatalf("definition: %v", err)
		}
		use(d)
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
}

// TestEveryDefinition is "must show 6": every definition gives a schema-valid
// Thing Description, at least 95 % of exposes are mapped, the rest is listed,
// and the sum is right.
func TestEveryDefinition(t *testing.T) {
	t.Parallel()
	schema := tdSchema(t)
	var definitions, without, duplicates, total, ok int
	reasons := map[string]int{}
	vendors := map[string]bool{}
	eachDefinition(t, func(d definition) {
		definitions++
		vendors[d.Vendor] = true
		if len(d.Exposes) == 0 {
			without++
		}
		if hasDuplicates(d.Exposes) {
			duplicates++
		}
		td := thing.New(d.Vendor + " " + d.Model)
		td.Text = d.Description
		m := mapExposes(td, d.Exposes)
		total += m.total
		ok += m.mapped
		for _, u := range m.unmapped {
			reasons[u.Reason]++
			t.Logf("not mapped: %s %s %s: %s", d.Vendor, d.Model, u.Place, u.Reason)
		}
		if want := leaves(d.Exposes); m.total != want || m.mapped+len(m.unmapped) != want {
			t.Errorf("%s %s: %d mapped + %d not mapped of %d, want %d", d.Vendor, d.Model, m.mapped, len(m.unmapped), m.total, want)
		}
		checkSchema(t, schema, td)
	})
	listed := 0
	for reason, n := range reasons {
		listed += n
		t.Logf("%6d × %s", n, reason)
	}
	t.Logf("%s %s: %d definitions of %d vendors, %d without exposes, %d with duplicate enum values; %d exposes = %d mapped (%.3f %%) + %d listed",
		converters, convertersVersion, definitions, len(vendors), without, duplicates, total, ok, 100*float64(ok)/float64(total), listed)
	if ok+listed != total {
		t.Errorf("the sum is wrong: %d mapped + %d listed ≠ %d", ok, listed, total)
	}
	if definitions < 4478 || without != 28 {
		t.Errorf("%d definitions, %d without exposes; want at least 4478, 28", definitions, without)
	}
	if float64(ok) < 0.95*float64(total) {
		t.Errorf("%d of %d exposes mapped, fewer than 95 %%", ok, total)
	}
}

func checkSchema(t *testing.T, schema *jsonschema.Schema, td *thing.Description) {
	t.Helper()
	if err := td.Validate(); err != nil {
		t.Errorf("%s: %v", td.Title, err)
	}
	b, err := json.Marshal(td)
	if err != nil {
		t.Fatalf("%s: %v", td.Title, err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(b))
	if err != nil {
		t.Fatalf("%s: %v", td.Title, err)
	}
	if err := schema.Validate(doc); err != nil {
		t.Errorf("%s: %v", td.Title, err)
	}
}

func leaves(list []expose) (n int) {
	for _, e := range list {
		if len(e.Features) > 0 && e.Type != "composite" && e.Type != "list" && e.Property == "" {
			n += leaves(e.Features)
			continue
		}
		n++
	}
	return n
}

func hasDuplicates(list []expose) bool {
	for _, e := range list {
		seen := map[string]bool{}
		for _, v := range e.Values {
			if seen[string(v)] {
				return true
			}
			seen[string(v)] = true
		}
		if hasDuplicates(e.Features) {
			return true
		}
	}
	return false
}

// TestAgainstOtherMapping compares the names with another mapping of the same
// package: whatever that one has, ours has.
func TestAgainstOtherMapping(t *testing.T) {
	t.Parallel()
	other := otherMapping(t)
	var models, same, theirs, ours, missed int
	var examples []string
	eachDefinition(t, func(d definition) {
		want, ok := other[d.Model]
		if !ok {
			return
		}
		models++
		td := thing.New(d.Model)
		m := mapExposes(td, d.Exposes)
		have := map[string]bool{}
		for _, a := range m.affordances {
			have[a.property] = true
		}
		theirs += len(want)
		ours += len(have)
		lost := 0
		for _, name := range want {
			if !have[name] {
				lost++
				examples = append(examples, d.Model+"/"+name)
			}
		}
		if lost == 0 {
			same++
		}
		missed += lost
	})
	sort.Strings(examples)
	t.Logf("%d models in both; properties: %d there, %d here, %d there and not here (%d models lose none); %.300s", models, theirs, ours, missed, same, strings.Join(examples, " "))
	if models < 4000 || missed*20 > theirs {
		t.Errorf("%d models compared, %d of %d properties are missing here", models, missed, theirs)
	}
}

func otherMapping(t *testing.T) map[string][]string {
	t.Helper()
	f, err := os.Open(shared + "zigbee-td.jsonl.gz")
	if err != nil {
		missing(t, "../shared is not here: the other mapping was not compared")
	}
	defer func() { _ = f.Close() }()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string][]string{}
	dec := json.NewDecoder(z)
	for dec.More() {
		var line struct {
			File string
			Td   struct{ Properties map[string]json.RawMessage }
		}
		if err := dec.Decode(&line); err != nil {
			t.Fatal(err)
		}
		names := []string{}
		for n := range line.Td.Properties {
			names = append(names, n)
		}
		all[line.File] = names
	}
	return all
}
