package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestThingsArePublishedFromTheShell(t *testing.T) {
	t.Parallel()
	m, dir := published(t)
	file := filepath.Join(t.TempDir(), "things.json")
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	thing := func(id, title string) string {
		return `{"@context":"https://www.w3.org/2022/wot/td/v1.1",` + id + `"title":"` + title + `","@type":"Lamp",` +
			`"securityDefinitions":{"none":{"scheme":"nosec"}},"security":"none"}`
	}
	m.want(exitDone, "no things yet", "directory", "list", "--data", dir)
	write(`[` + thing(`"id":"urn:a",`, "Kitchen") + `]` + thing(``, "Hall"))
	m.want(exitDone, "urn:a added", "directory", "add", file, "--data", dir)
	m.want(exitDone, "urn:a changed", "directory", "add", file, "--data", dir)
	m.want(exitDone, "urn:a  Kitchen", "directory", "list", "--data", dir)
	m.want(exitDone, `"title": "Kitchen"`, "directory", "get", "urn:a", "--data", dir)
	m.want(exitDone, "Hall", "directory", "search", `$[?@.title=='Hall']`, "--data", dir)
	m.want(exitDone, `"Kitchen"`, "directory", "search", `$[?@.id=='urn:a'].title`, "--data", dir)
	m.want(exitDone, "nothing found", "directory", "search", `$[?@.title=='Attic']`, "--data", dir)
	m.want(exitFailed, "query is not JSONPath", "directory", "search", `*/title`, "--data", dir)
	write(strings.Replace(thing(`"id":"urn:b",`, "B"), `"security":"none"`, `"security":"other"`, 1))
	m.want(exitFailed, "description 1, /security", "directory", "add", file, "--data", dir)
	write(`{"a"`)
	m.want(exitFailed, "description 1 is no JSON", "directory", "add", file, "--data", dir)
	m.want(exitUsage, "public, grantees or private", "directory", "add", file, "--visibility", "all", "--data", dir)
	m.want(exitUsage, "--node DOMAIN", "directory", "list")
	m.want(exitDone, "urn:a removed", "directory", "remove", "urn:a", "--data", dir)
	m.want(exitFailed, "no such thing", "directory", "get", "urn:a", "--data", dir)
	if err := os.Remove(filepath.Join(dir, "publisher.token")); err != nil {
		t.Fatal(err)
	}
	m.want(exitDone, "Hall", "directory", "list", "--data", dir) // reading needs no token
	m.want(exitFailed, "can't be read", "directory", "add", file, "--data", dir)
}
