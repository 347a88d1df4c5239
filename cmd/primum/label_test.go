package main

import (
	"path/filepath"
	"strings"
	"testing"
)

// A person's thing has a maker's link; from the moment that the person gives
// it a label nobody is told of it, and what an operator was asked to hush is
// answered for like it.
func TestLabelsFromTheShell(t *testing.T) {
	t.Parallel()
	h, dir := servedNode(t, "h.localhost")
	m, stranger := newMachine(t), newMachine(t)
	m.ok("me", "init", "ada@"+h.Authority(), "--recovery", filepath.Join(t.TempDir(), "r.age"))
	m.ok("linkset", "add", "01/09521234543213", "gs1:pip", "https://maker.example/lamp", "--title", "Lamp", "--description", "Lamp", "--data", dir)
	for _, serial := range []string{"A1", "A2"} {
		m.ok("linkset", "add", "01/09521234543213/21/"+serial, "gs1:pip", "https://maker.example/"+serial, "--title", serial, "--description", "Lamp "+serial, "--data", dir)
	}
	asks := func(serial, want string) {
		t.Helper()
		out := stranger.ok("resolve", "(01)09521234543213(21)"+serial, "--via", h.Authority())
		if !strings.Contains(out, want) {
			t.Errorf("%s is answered for as\n%s", serial, out)
		}
	}
	asks("A1", "https://maker.example/A1")

	m.want(exitDone, "you have no labels", "label", "list")
	// What the operator publishes is the operator's to take back.
	m.want(exitFailed, "ask the operator", "label", "add", "(01)09521234543213(21)A1")
	m.want(exitDone, "as for an unknown one", "label", "hush", "(01)09521234543213(21)A1", "--data", dir)
	label := jsonLines(t, m.ok("label", "add", "(01)09521234543213(21)A1", "--json"))[0]["label"].(string)
	m.want(exitDone, label, "label", "list")
	m.want(exitDone, "again", "label", "hush", "(01)09521234543213(21)A1", "--undo", "--data", dir)
	asks("A1", "https://maker.example/lamp")
	m.want(exitFailed, "class", "label", "add", "(01)09521234543213")
	m.want(exitDone, label+"\t", "__complete", "label", "remove", label[:3])
	m.want(exitDone, "has ended", "label", "remove", label)
	asks("A1", "https://maker.example/A1")

	m.want(exitDone, `"hushed":true`, "label", "hush", "(01)09521234543213(21)A2", "--json", "--data", dir)
	asks("A2", "https://maker.example/lamp")
	m.want(exitDone, "again", "label", "hush", "(01)09521234543213(21)A2", "--undo", "--data", dir)
	asks("A2", "https://maker.example/A2")
}
