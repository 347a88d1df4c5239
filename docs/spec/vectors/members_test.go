package vectors

import (
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"primum/grant"
	"primum/identity"
	"primum/internal/edge"
	"primum/internal/wire"
)

func page(t *testing.T, path ...string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(append([]string{"..", "..", ".."}, path...)...))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// members are the JSON names of a type, and of the types inside it.
func members(v reflect.Type, into map[string]bool) {
	for v.Kind() == reflect.Pointer || v.Kind() == reflect.Slice {
		v = v.Elem()
	}
	if v.Kind() != reflect.Struct || v == reflect.TypeFor[time.Time]() {
		return
	}
	for i := range v.NumField() {
		name, _, _ := strings.Cut(v.Field(i).Tag.Get("json"), ",")
		if name == "" || into[name] {
			continue
		}
		into[name] = true
		members(v.Field(i).Type, into)
	}
}

// words are all words that stand in code on a page.
func words(text string) map[string]bool {
	all := map[string]bool{}
	for _, code := range regexp.MustCompile("`[^`\n]+`").FindAllString(text, -1) {
		for _, word := range regexp.MustCompile(`[@A-Za-z][@A-Za-z_:]*`).FindAllString(code, -1) {
			all[strings.TrimRight(word, ":")] = true
		}
	}
	return all
}

// nameAll demands that a page of the specification names every member of types.
func nameAll(t *testing.T, name string, types ...any) {
	t.Helper()
	on := words(page(t, "docs", "spec", name))
	for _, v := range types {
		all := map[string]bool{}
		members(reflect.TypeOf(v), all)
		for member := range all {
			if !on[member] {
				t.Errorf("docs/spec/%s does not name %s of %T", name, member, v)
			}
		}
	}
}

func TestDocumentsPageNamesEveryMember(t *testing.T) {
	nameAll(
		t, "documents.md",
		identity.Document{},
		identity.Suspension{},
		grant.Terms{},
		grant.Opening{},
		grant.Closing{},
		grant.Envelope{},
		grant.Countersignature{},
		grant.Statement{},
		grant.NodeReceipt{},
		grant.Request{},
		grant.Refusal{},
		grant.Claim{},
		grant.Active{},
	)
}

func TestWirePageNamesEveryMember(t *testing.T) {
	nameAll(
		t, "wire.md",
		wire.NodeInfo{},
		wire.NewAccount{},
		wire.KeyPackages{},
		wire.KeyPackageCount{},
		wire.ClaimKeyPackages{},
		wire.ClaimedPackages{},
		wire.Sealed{},
		wire.Inbox{},
		wire.NewEnvelope{},
		wire.NewRefusal{},
		wire.Receipt{},
		wire.GrantStatus{},
		wire.NewHome{},
		wire.NewCircle{},
		wire.ActiveSet{},
		wire.CircleInfo{},
		wire.Ticket{},
		wire.Control{},
		wire.Problem{},
		edge.Delivery{},
	)
}

func TestDoorPageNamesEveryMember(t *testing.T) {
	nameAll(t, "door.md", wire.DoorInfo{}, wire.DoorClaim{}, wire.DoorOffer{}, wire.DoorSigned{}, wire.DoorWelcome{}, wire.DoorStatement{})
}

// TestWirePageNamesEveryRoute reads the node's own table of routes.
func TestWirePageNamesEveryRoute(t *testing.T) {
	text := page(t, "docs", "spec", "wire.md")
	table := page(t, "internal", "door", "http", "routes.go")
	table = strings.NewReplacer("wire.WebFingerPath", `"`+wire.WebFingerPath+`"`, "wire.NodePath", `"`+wire.NodePath+`"`, "/{$}", "/").Replace(table)
	routes := regexp.MustCompile(`method: (get|post|put), path: "([^"]+)"`).FindAllStringSubmatch(table, -1)
	if len(routes) < 25 {
		t.Fatalf("%d routes were read", len(routes))
	}
	for _, r := range routes {
		want := regexp.MustCompile("`" + strings.ToUpper(r[1]) + " " + regexp.QuoteMeta(r[2]) + "[`?]")
		if !want.MatchString(text) {
			t.Errorf("docs/spec/wire.md does not name %s %s", strings.ToUpper(r[1]), r[2])
		}
	}
}

// TestWirePageNamesEveryProblem reads names and statuses from the code.
func TestWirePageNamesEveryProblem(t *testing.T) {
	text := page(t, "docs", "spec", "wire.md")
	names := map[string]string{}
	for _, m := range regexp.MustCompile(`(Prob\w+)\s+= "([a-z-]+)"`).FindAllStringSubmatch(page(t, "internal", "wire", "frame.go"), -1) {
		names[m[1]] = m[2]
	}
	statuses := map[string]string{
		"BadRequest": "400", "Unauthorized": "401", "Forbidden": "403", "NotFound": "404", "Conflict": "409", "Gone": "410",
		"RequestEntityTooLarge": "413", "TooManyRequests": "429", "InternalServerError": "500", "BadGateway": "502", "InsufficientStorage": "507",
	}
	kinds := regexp.MustCompile(`wire\.(Prob\w+):\s+\{http\.Status(\w+),`).FindAllStringSubmatch(page(t, "internal", "door", "http", "problem.go"), -1)
	if len(kinds) != len(names) || len(kinds) < 20 {
		t.Fatalf("%d names, %d statuses were read", len(names), len(kinds))
	}
	for _, k := range kinds {
		if row := "| `" + names[k[1]] + "` | " + statuses[k[2]] + " |"; !strings.Contains(text, row) {
			t.Errorf("docs/spec/wire.md has no row %q", row)
		}
	}
}
