package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"primum/internal/node"
)

// publicNode runs a node in a directory, for commands with --data.
func publicNode(t *testing.T, host string) (n *node.Node, data string) {
	t.Helper()
	data = filepath.Join(t.TempDir(), "node")
	n, err := node.Open(t.Context(), node.Config{Authority: host, Listen: "127.0.0.1:0", DataDir: data, Version: "test"})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- n.Serve(context.Background()) }()
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return n, data
}

func writeFile(t *testing.T, name, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// TestOpenCommands: an operator publishes and feeds a service; somebody with no
// account reads it from elsewhere.
func TestOpenCommands(t *testing.T) {
	t.Parallel()
	n, data := publicNode(t, "open.localhost")
	m := newMachine(t)
	td := writeFile(t, "station.td.json", `{"@context":"https://www.w3.org/2022/wot/td/v1.1","title":"Market square",
		"securityDefinitions":{"n":{"scheme":"nosec"}},"security":"n","properties":{"pm10":{"type":"number","unit":"ug/m3"},"state":{"type":"string"}}}`)
	m.want(exitFailed, "make it first", "open", "thing", "air/square", td, "--data", data)
	if out := m.ok("open", "publish", "air", "--title", "Air in town", "--data", data); !strings.Contains(out, n.BaseURL()+"/open/air") {
		t.Errorf("published: %s", out)
	}
	m.ok("open", "thing", "air/square", td, "--key", "(01)04012345999990(21)7", "--data", data)
	m.want(exitDone, "2 values published", "open", "send", "air/square", "pm10=21.5", "state=wet", "--data", data)
	m.want(exitFailed, "refused, number 1", "open", "send", "air/square", "pm10=high", "--data", data)
	m.want(exitUsage, "not PROPERTY=VALUE", "open", "send", "air/square", "pm10", "--data", data)
	m.want(exitUsage, "name a thing", "open", "send", "air", "pm10=1", "--data", data)
	hour := time.Now().UTC().Add(-2 * time.Hour).Truncate(time.Hour)
	table := "at,pm10,state\n"
	for i := range 700 {
		table += hour.Add(time.Duration(i)*time.Second).Format(time.RFC3339) + ",10,\n"
	}
	m.want(exitDone, "700 values published", "open", "import", "air/square", writeFile(t, "t.csv", table), "--data", data)
	m.want(exitDone, "700 known already", "open", "import", "air/square", writeFile(t, "t.csv", table), "--data", data)
	m.want(exitFailed, "begins with a row of names", "open", "import", "air/square", writeFile(t, "t.csv", "time,pm10\n"), "--data", data)
	m.want(exitFailed, "line 2", "open", "import", "air/square", writeFile(t, "t.csv", "at,pm10\nnow,1\n"), "--data", data)

	stranger := newMachine(t)
	at := []string{"--node", n.Authority()}
	read := func(args ...string) string { return stranger.ok(append(append([]string{"open"}, args...), at...)...) }
	if out := read("list"); !strings.Contains(out, "Air in town (1 thing)") {
		t.Errorf("services: %s", out)
	}
	if out := read("list", "air"); !strings.Contains(out, "Market square  01/04012345999990/21/7") {
		t.Errorf("things: %s", out)
	}
	if out := read("get", "air/square"); !strings.Contains(out, "21.5") || !strings.Contains(out, `"wet"`) {
		t.Errorf("newest: %s", out)
	}
	if out := read("get", "air/square/pm10", "--window", "1h", "--json"); len(jsonLines(t, out)) < 2 {
		t.Errorf("windows: %s", out)
	}
	if out := read("get", "air/square/pm10", "--since", "3h"); strings.Count(out, "\n") != 701 {
		t.Errorf("%d lines of history", strings.Count(out, "\n"))
	}
	if out := read("get", "air/square/pm10", "--window", "1h", "--csv"); !strings.HasPrefix(out, "at,count,mean,min,max\n") {
		t.Errorf("table: %s", out)
	}
	stranger.want(exitFailed, "no such open service", "open", "get", "air/none", "--node", n.Authority())
	stranger.want(exitUsage, "a token is needed", "open", "remove", "air", "--node", n.Authority())
	for typed, offered := range map[string]string{"": "air/", "air/": "air/square", "air/square/p": "air/square/pm10"} {
		stranger.want(exitDone, offered+"\n", "__complete", "open", "get", "--node", n.Authority(), typed)
	}
	m.want(exitDone, "air\n", "__complete", "open", "remove", "--data", data, "a")
	m.want(exitDone, `{"removed":"air"}`, "open", "remove", "air", "--json", "--data", data)
	if out := read("list"); !strings.Contains(out, "nothing is published") {
		t.Errorf("after its end: %s", out)
	}
}

// TestEdgePublishesOpenly: an edge gives what is named to everybody, and nothing
// else.
func TestEdgePublishesOpenly(t *testing.T) {
	t.Parallel()
	n, data := publicNode(t, "edge.localhost")
	m := newMachine(t)
	m.want(exitUsage, "open-things", "edge", "--simulate", "--open", "town")
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan ended, 1)
	go func() {
		done <- m.runIn(ctx, "edge", "--simulate", "--dir", t.TempDir(), "--listen", "127.0.0.1:0", "--open", "town", "--open-things", "water/flow", "--data", data)
	}()
	stranger := newMachine(t)
	deadline := time.After(20 * time.Second)
	for {
		got := stranger.run("open", "get", "town/water", "--node", n.Authority(), "--json")
		if got.code == exitDone && strings.Contains(got.out, `"flow"`) {
			if strings.Contains(got.out, "volume") {
				t.Errorf("more was published: %s", got.out)
			}
			break
		}
		select {
		case <-deadline:
			t.Fatalf("nothing was published: %+v", got)
		case e := <-done:
			t.Fatalf("the edge ended: %+v", e)
		case <-time.After(50 * time.Millisecond):
		}
	}
	cancel()
	if e := <-done; e.code != exitDone || !strings.Contains(e.out, "Published for everybody: water/flow") {
		t.Errorf("the edge: %+v", e)
	}
}
