package main

import (
	"context"
	"io"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

// startAt runs a command whose terminal the test types at.
func (m *machine) startAt(args ...string) (*background, io.Writer) {
	m.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	in, typed := io.Pipe()
	b := &background{out: &syncBuffer{}, err: &syncBuffer{}}
	s := m.surroundings(b.out, b.err)
	s.in, s.inTTY = in, true
	done := make(chan int, 1)
	go func() { done <- run(ctx, s, args) }()
	b.stop = sync.OnceValue(func() int {
		cancel()
		_ = in.Close()
		return <-done
	})
	m.t.Cleanup(func() { b.stop() })
	return b, typed
}

// freshCode presses Enter at an edge's terminal until it shows a code.
func freshCode(t *testing.T, edge *background, terminal io.Writer) (url, code string) {
	t.Helper()
	shown := regexp.MustCompile(`(?s)primum claim '([^']+)'.*this code within \d+ seconds: (\S+)`)
	for range 600 {
		// The second write is taken when the edge reads again: then the code of the
		// first Enter has been shown, and no other one is on its way.
		for _, keys := range []string{"\n", ""} {
			if _, err := io.WriteString(terminal, keys); err != nil {
				t.Fatal(err)
			}
		}
		if m := shown.FindStringSubmatch(edge.err.String()); m != nil {
			return m[1], m[2]
		}
		select {
		case <-edge.err.next():
		case <-time.After(100 * time.Millisecond): // the door is not open yet
		}
	}
	t.Fatalf("the edge shows no code:\n%s%s", edge.out, edge.err)
	return "", ""
}

// TestMoveByCommands: everything is taken from one node to another by commands,
// the friend's values go on, and the old account is erased.
func TestMoveByCommands(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	flow := w.path(t, "flow")
	w.owner.ok("share", flow, w.friendName, "--every", "1s", "--for", "7d", "--yes")
	w.owner.want(exitDone, "grants that you gave", "rights", "access")
	_, s, _ := strings.Cut(w.friendName, "@")
	mover, moverName := newMachine(t), "mover@"+s
	mover.ok("me", "init", moverName, "--recovery", filepath.Join(t.TempDir(), "r.age"))

	file := filepath.Join(t.TempDir(), "move.json")
	w.owner.want(exitDone, "may be claimed by "+moverName, "rights", "export", file, "--to", moverName)
	w.owner.want(exitFailed, "exists", "rights", "export", file) // nothing is overwritten

	w.edge.stop()
	edge, terminal := w.house.startAt("edge", "--simulate", "--listen", "127.0.0.1:0")
	url, code := freshCode(t, edge, terminal)
	mover.want(exitDone, "is not yours here yet", "rights", "import", file, "--yes")
	mover.want(exitDone, "The edge is yours", "claim", url, "--code", code, "--moved", file)
	mover.want(exitDone, "Given again to "+w.friendName, "rights", "import", file, "--yes")
	mover.want(exitDone, "it is given again already", "rights", "import", file, "--yes")

	given, _ := jsonLines(t, mover.ok("grants", "--json"))[0]["grant"].(string)
	watch := w.friend.start("watch", given, "--json")
	watch.out.find(t, `"value":([0-9.]+)`)

	w.owner.want(exitUsage, "run it on a terminal, or with --yes", "rights", "erase")
	out := w.owner.ok("rights", "erase", "--yes")
	for _, words := range []string{"is erased", "What remains, and why", "a hash of the name", "grants that you gave"} {
		if !strings.Contains(out, words) {
			t.Errorf("the erasure does not say %q:\n%s", words, out)
		}
	}
	w.owner.want(exitUsage, "there is no identity on this machine", "me", "show")
	watch.out.find(t, `(?s)(?:"value".*){4}"value":([0-9.]+)`)
}

// TestPleasByCommands: an objection needs no account; the operator answers, and
// the answer can be appealed from.
func TestPleasByCommands(t *testing.T) {
	t.Parallel()
	data := filepath.Join(t.TempDir(), "data")
	server, m := newMachine(t), newMachine(t)
	h := server.start("serve", "--domain", "h.localhost", "--listen", "127.0.0.1:0", "--data", data, "--json").out.find(t, `"authority":"([^"]+)"`)
	sent := jsonLines(t, m.ok("rights", "object", "The camera sees my door.", "--to", h, "--about", "door", "--json"))[0]
	id, _ := sent["id"].(string)
	m.want(exitDone, "waits for an answer", "rights", "cases", id, "--at", h)
	server.want(exitDone, "The camera sees my door.", "operator", "cases", "--data", data)
	server.want(exitFailed, "there is no case", "operator", "answer", "00", "x", "--data", data)
	server.want(exitDone, "is answered", "operator", "answer", id, "It was turned away.", "--data", data)
	m.want(exitDone, "It was turned away.", "rights", "cases", id, "--at", h)
	m.want(exitDone, "is looked at again", "rights", "appeal", id, "It still does.", "--at", h)
	server.want(exitDone, "is answered", "operator", "answer", id, "Not any more.", "--data", data)
	m.want(exitDone, "closed", "rights", "cases", id, "--at", h)

	m.ok("me", "init", "ada@"+h, "--recovery", filepath.Join(t.TempDir(), "r.age"))
	m.want(exitDone, "the operator answers by", "rights", "complain", "Nobody answers.")
	m.want(exitDone, "Nobody answers.", "rights", "cases")
}
