package node

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"primum/internal/certs"
)

func TestConfigWithComments(t *testing.T) {
	t.Parallel()
	const text = "// a comment\n{\n  // another, with \"quotes\"\n  \"authority\": \"things.example.org\", \"dataDir\": \"/d//e\",\n" +
		"  // \"proxy\": true,\n  \"acme\": {\"agreed\": true, \"http\": \"off\"}\n}\n"
	c, err := loadText(t, "node.jsonc", text)
	if err != nil || c.Authority != "things.example.org" || c.DataDir != "/d//e" || c.Proxy || c.ACME == nil || c.ACME.HTTP != "off" {
		t.Errorf("%+v, %v", c, err)
	}
	for name, bad := range map[string]struct{ file, text, want string }{
		"comments in strict JSON": {"node.json", text, "invalid character"},
		"an unknown member":       {"node.jsonc", "{\n// x\n\"authorty\": 1}", "authorty"},
		"its line":                {"node.jsonc", "{\n// x\n\"authority\": !}", "line 3"},
		"more after it":           {"node.jsonc", "{}\n{}", "something follows"},
		"too long":                {"node.jsonc", "{" + strings.Repeat(" ", configMost) + "}", "more than"},
	} {
		if _, err := loadText(t, bad.file, bad.text); err == nil || !strings.Contains(err.Error(), bad.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func loadText(t *testing.T, name, text string) (Config, error) {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return LoadConfig(file)
}

func FuzzUncommented(f *testing.F) {
	f.Add("// a\n{\"b\": \"//\"}\n")
	f.Add("\t //\r\n\n{")
	f.Fuzz(func(t *testing.T, s string) {
		got := string(uncommented([]byte(s)))
		if strings.Count(got, "\n") != strings.Count(s, "\n") {
			t.Error("lines were lost")
		}
		if again := string(uncommented([]byte(got))); again != got {
			t.Error("a comment was left")
		}
	})
}

func TestACMEStandsAlone(t *testing.T) {
	t.Parallel()
	base := Config{Authority: "Things.Example.org", DataDir: "/d", Listen: "192.0.2.1:8443", ACME: &ACME{Agreed: true}}
	k, ok, err := base.Certs()
	if err != nil || !ok || k.Domain != "things.example.org" || k.Host != "192.0.2.1" || k.TLSPort != 8443 || k.HTTPPort != 80 || k.Dir != "/d/acme" {
		t.Errorf("%+v, %v, %v", k, ok, err)
	}
	for name, change := range map[string]func(*Config){
		"certificate files": func(c *Config) { c.TLSCert, c.TLSKey = "a", "b" },
		"a proxy":           func(c *Config) { c.Proxy = true },
		".localhost":        func(c *Config) { c.Authority = "h.localhost" },
	} {
		c := base
		change(&c)
		if _, _, err := c.Certs(); err == nil || !strings.Contains(err.Error(), "acme") {
			t.Errorf("%s: %v", name, err)
		}
	}
	base.ACME.HTTP = "off"
	if k, _, _ := base.Certs(); k.HTTPPort != -1 {
		t.Errorf("port %d", k.HTTPPort)
	}
	if _, err := certs.New(certs.Config{Domain: "a.example.org"}); err == nil {
		t.Error("terms were agreed to by nobody")
	}
}

func TestPrepareKeepsWhatIsThere(t *testing.T) {
	t.Parallel()
	c := Config{Authority: "things.example.org", DataDir: filepath.Join(t.TempDir(), "new")}
	var key [2]string
	for i := range key {
		if err := Prepare(c); err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(filepath.Join(c.DataDir, keyFile))
		if err != nil {
			t.Fatal(err)
		}
		key[i] = string(b)
	}
	if key[0] != key[1] {
		t.Error("the key was made anew")
	}
	c.Authority = "other.example.org"
	if err := Prepare(c); err == nil || !strings.Contains(err.Error(), "belongs to the node of things.example.org") {
		t.Errorf("%v", err)
	}
}
