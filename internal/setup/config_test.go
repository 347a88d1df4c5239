package setup

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"primum/internal/node"
	"primum/internal/words"
)

func chosen(dir string) node.Config {
	return node.Config{
		Authority: "things.example.org", DataDir: filepath.Join(dir, "data"), Listen: ":443", Invite: true,
		ACME: &node.ACME{Email: "me@example.org", Agreed: true},
	}
}

var today = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// What is written is what was chosen, in every language, every line that is
// off can be switched on, and every member of a configuration has one.
func TestConfigurationIsWhole(t *testing.T) {
	t.Parallel()
	for _, lang := range []string{"en", "de", "ar"} {
		w, err := words.New(lang)
		if err != nil {
			t.Fatal(err)
		}
		text, err := ConfigText(w, chosen("/srv"), today)
		if err != nil || strings.Contains(string(text), "[setup.") {
			t.Fatalf("%v\n%s", err, text)
		}
		c := read(t, string(text))
		if c.Authority != "things.example.org" || c.DataDir != "/srv/data" || c.Listen != ":443" || !c.Invite ||
			!c.ACME.Agreed || c.ACME.Email != "me@example.org" || c.ACME.HTTP != ":80" || !strings.HasPrefix(c.ACME.CA, "https://") || c.Contact != "" {
			t.Errorf("%s: %+v %+v", lang, c, c.ACME)
		}
		if _, ok, err := c.Certs(); err != nil || !ok {
			t.Errorf("%s: %v", lang, err)
		}
		on := regexp.MustCompile(`(?m)^( *)// "`).ReplaceAllString(string(text), `$1"`)
		if c := read(t, on); c.Contact == "" || !c.Proxy || len(c.Witnesses) != 1 || c.Quotas["requests"] == 0 || c.TLSKey == "" {
			t.Errorf("%s, all on: %+v", lang, c)
		}
		for _, kind := range []reflect.Type{reflect.TypeFor[node.Config](), reflect.TypeFor[node.ACME]()} {
			everyMember(t, kind, string(text))
		}
	}
}

func everyMember(t *testing.T, kind reflect.Type, text string) {
	t.Helper()
	for i := range kind.NumField() {
		name, _, _ := strings.Cut(kind.Field(i).Tag.Get("json"), ",")
		if name != "" && name != "-" && !strings.Contains(text, `"`+name+`": `) {
			t.Errorf("%s has no line", name)
		}
	}
}

func read(t *testing.T, text string) node.Config {
	t.Helper()
	file := filepath.Join(t.TempDir(), "node.jsonc")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := node.LoadConfig(file)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return c
}

func TestWriteKeepsWhatIsThere(t *testing.T) {
	t.Parallel()
	w, err := words.New("en")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	file, c, records := filepath.Join(dir, "etc", "primum.jsonc"), chosen(dir), plan(t).Records()
	_, placed, err := Write(w, file, c, records, today)
	if err != nil || placed.Kept || placed.Zone != filepath.Join(dir, "etc", "things.example.org.zone") {
		t.Fatalf("%+v, %v", placed, err)
	}
	key, err := os.ReadFile(filepath.Join(c.DataDir, "node.key"))
	if err != nil {
		t.Fatal(err)
	}
	own := []byte(`{"authority": "Things.example.org", "dataDir": "` + c.DataDir + `", "acme": {"agreed": true, "email": "other@example.org"}}`)
	if err := os.WriteFile(file, own, 0o600); err != nil {
		t.Fatal(err)
	}
	kept, placed, err := Write(w, file, c, records, today)
	if err != nil || !placed.Kept || kept.ACME.Email != "other@example.org" {
		t.Errorf("%+v, %+v, %v", kept, placed, err)
	}
	if b, err := os.ReadFile(file); err != nil || string(b) != string(own) {
		t.Errorf("the configuration was changed: %s, %v", b, err)
	}
	if b, err := os.ReadFile(filepath.Join(c.DataDir, "node.key")); err != nil || string(b) != string(key) {
		t.Errorf("the key was changed: %v", err)
	}
	if read, err := ReadRecords(placed.Zone, "things.example.org"); err != nil || len(read) != len(records) {
		t.Errorf("%v, %v", read, err)
	}
	c.Authority = "other.example.org"
	if _, _, err := Write(w, file, c, records, today); !errors.Is(err, ErrOther) {
		t.Errorf("another domain: %v", err)
	}
}
