package main

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

// background runs a command until the test or stop ends it.
type background struct {
	out, err *syncBuffer
	stop     func() int
}

func (m *machine) start(args ...string) *background {
	m.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	b := &background{out: &syncBuffer{}, err: &syncBuffer{}}
	done := make(chan int, 1)
	if os.Getenv("PRIMUM_TEST_LOG") != "" {
		args = append(args, "--verbose")
	}
	go func() { done <- run(ctx, m.surroundings(b.out, b.err), args) }()
	b.stop = sync.OnceValue(func() int {
		cancel()
		return <-done
	})
	m.t.Cleanup(func() {
		b.stop()
		if m.t.Failed() && os.Getenv("PRIMUM_TEST_LOG") != "" {
			m.t.Logf("primum %s said:\n%s\n%s", strings.Join(args, " "), b.out, b.err)
		}
	})
	return b
}

func (s *syncBuffer) find(t *testing.T, pattern string) string {
	t.Helper()
	re := regexp.MustCompile(pattern)
	for range 300 {
		more := s.next() // before the look: what is written after it is not missed
		if m := re.FindStringSubmatch(s.String()); m != nil {
			return m[1]
		}
		select {
		case <-more:
		case <-time.After(30 * time.Second):
			t.Fatalf("nothing more was said after:\n%s", s)
		}
	}
	t.Fatalf("never said %s but:\n%s", pattern, s)
	return ""
}

// next is closed when something more is written.
func (s *syncBuffer) next() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.more == nil {
		s.more = make(chan struct{})
	}
	return s.more
}

// world is two nodes, a house with its edge, an owner and a friend.
type world struct {
	owner, friend         *machine
	ownerName, friendName string
	house                 *machine
	edge                  *background
}

func startServe(t *testing.T, domain string) string {
	t.Helper()
	m := newMachine(t)
	b := m.start("serve", "--domain", domain, "--listen", "127.0.0.1:0", "--data", filepath.Join(t.TempDir(), "data"), "--json")
	return b.out.find(t, `"authority":"([^"]+)"`)
}

func newWorld(t *testing.T) *world {
	t.Helper()
	h, s := startServe(t, "h.localhost"), startServe(t, "s.localhost")
	w := &world{owner: newMachine(t), friend: newMachine(t), ownerName: "owner@" + h, friendName: "friend@" + s}
	w.owner.ok("me", "init", w.ownerName, "--recovery", filepath.Join(t.TempDir(), "r.age"))
	w.friend.ok("me", "init", w.friendName, "--recovery", filepath.Join(t.TempDir(), "r.age"))
	w.house = newMachine(t)
	w.edge = w.house.start("edge", "--simulate", "--listen", "127.0.0.1:0")
	url := w.edge.err.find(t, `primum claim '([^']+)'`)
	code := w.edge.err.find(t, `this code within \d+ seconds: (\S+)`)
	if out := w.owner.ok("claim", url, "--code", code); !strings.Contains(out, "The edge is yours") {
		t.Fatalf("claim said %s", out)
	}
	return w
}

// The story of the README, from two empty nodes to both locks.
func TestStory(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	flow, lamp := w.path(t, "flow"), w.path(t, "state")
	if out := w.owner.ok("things"); !strings.Contains(out, flow) || !strings.Contains(out, lamp) {
		t.Fatalf("things: %s", out)
	}
	w.friend.want(exitRefused, "you have no grant to read "+flow, "watch", flow)
	w.friend.want(exitRefused, "you have no grant to write "+lamp, "send", lamp, "ON")

	w.owner.want(exitUsage, "run it on a terminal, or with --yes", "share", flow, w.friendName, "--every", "1s", "--for", "7d")
	w.owner.tty, w.owner.typed = true, "n\n"
	e := w.owner.want(exitFailed, "nothing was done", "share", flow, w.friendName, "--every", "1s", "--for", "7d")
	for _, words := range []string{w.friendName, "not compared", flow, "one mean per second", "sharing with a friend"} {
		if !strings.Contains(e.out, words) {
			t.Errorf("the question does not say %q:\n%s", words, e.out)
		}
	}
	w.owner.typed = "y\n"
	w.owner.want(exitDone, "receives "+flow+" from now on", "share", flow, w.friendName, "--every", "1s", "--for", "7d")
	w.owner.tty = false

	watch := w.friend.start("watch", flow, "--json")
	watch.out.find(t, `"value":([0-9.]+)`)
	// While watch holds the keys, it does what other commands ask for.
	w.friend.want(exitRefused, "you have no grant to write "+flow, "send", flow, "1")
	w.friend.want(exitDone, "is good until", "me", "renew")
	w.friend.want(exitFailed, "one process at a time", "me", "export", filepath.Join(t.TempDir(), "x"))
	w.friend.tty, w.friend.typed = true, "n\n"
	w.friend.want(exitFailed, "nothing was done", "me", "compare", w.ownerName)
	w.friend.tty = false
	for _, who := range []*machine{w.owner, w.friend} {
		id, _ := jsonLines(t, who.ok("grants", "--json"))[0]["grant"].(string)
		who.want(exitDone, "one mean per second", "grants", id)
	}
	w.friend.want(exitFailed, "there is no grant", "grants", "00000000")
	if out := jsonLines(t, w.friend.ok("grants", "--json")); out[0]["direction"] != "received" || out[0]["state"] != "Given" {
		t.Errorf("grants: %v", out)
	}

	receipt := jsonLines(t, w.owner.ok("withdraw", flow, "--json"))[0]
	if receipt["confirmed"] != true || receipt["lockOne"] == nil || receipt["lockTwo"] == nil {
		t.Errorf("receipt: %v", receipt)
	}
	watch.out.find(t, `"state":"(ended)"`)
	watch.err.find(t, `(its owner has ended the grant)`)
	w.friend.want(exitRefused, "your grant to read "+flow+" has ended (withdrawn)", "watch", flow)
}

// path finds the path of an own affordance by its end. Devices are found one
// after the other: it asks until this one is there.
func (w *world) path(t *testing.T, affordance string) string {
	t.Helper()
	for range 50 {
		for _, line := range jsonLines(t, w.owner.ok("things", "--json")) {
			if p, _ := line["thing"].(string); strings.HasSuffix(p, "/"+affordance) {
				return p
			}
		}
	}
	t.Fatalf("no thing offers %s", affordance)
	return ""
}

// The lamp: a right, a command, an answer.
func TestStorySend(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	lamp := w.path(t, "state")
	w.owner.ok("send", lamp, "ON")
	w.owner.ok("share", lamp, w.friendName, "--may", "read,write", "--change", "--for", "1d", "--yes")
	out := w.friend.ok("send", lamp, "OFF")
	if !strings.Contains(out, "OFF") && !strings.Contains(out, lamp) {
		t.Errorf("send said %s", out)
	}
}

// Energy advice asks first; the owner gives to one request and refuses another.
func TestStoryRequest(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	flow := w.path(t, "flow")
	w.friend.ok("request", flow, w.ownerName, "--every", "1s", "--for", "30d", "--purpose", "energy advice", "--notice", "to find leaks")
	out := w.owner.ok("requests")
	for _, words := range []string{w.friendName, flow, "energy advice", "to find leaks", "one mean per second"} {
		if !strings.Contains(out, words) {
			t.Errorf("requests do not say %q:\n%s", words, out)
		}
	}
	w.owner.want(exitUsage, "run it on a terminal", "give", w.friendName)
	w.owner.ok("give", w.friendName, "--yes")
	watch := w.friend.start("watch", flow, "--json", "--count", "1")
	watch.out.find(t, `"value":([0-9.]+)`)

	w.friend.ok("request", w.path(t, "volume"), w.ownerName, "--for", "7d", "--purpose", "billing")
	w.owner.want(exitDone, "may not ask again before", "refuse", w.friendName, "--yes")
	w.owner.want(exitFailed, "no request", "refuse", w.friendName, "--yes")
}

// Who was away gets the values since the grant began, and the end in words.
func TestStoryAbsence(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	flow := w.path(t, "flow")
	neighbour := newMachine(t)
	name := strings.Replace(w.friendName, "friend", "neighbour", 1)
	neighbour.ok("me", "init", name, "--recovery", filepath.Join(t.TempDir(), "r.age"))
	w.owner.ok("share", flow, w.friendName, "--every", "1s", "--for", "7d", "--yes")
	w.owner.ok("share", flow, name, "--every", "1s", "--for", "7d", "--yes")
	// While the neighbour watches three values, the friend is away.
	there := jsonLines(t, neighbour.ok("watch", flow, "--json", "--count", "3"))
	away := jsonLines(t, w.friend.ok("watch", flow, "--json", "--count", "1"))
	if first, last := away[0]["at"].(string), there[len(there)-1]["at"].(string); first > last {
		t.Errorf("the first value after the absence is of %s, later than %s", first, last)
	}
	w.owner.want(exitDone, "", "withdraw", flow, "--from", name)
	receipt := w.owner.ok("withdraw", flow)
	for _, words := range []string{"lock one", "delivers nothing more", "lock two", "seals nothing more", "They keep what they saw before."} {
		if !strings.Contains(receipt, words) {
			t.Errorf("the receipt does not say %q:\n%s", words, receipt)
		}
	}
	out := w.friend.run("watch", flow, "--json")
	if out.code != exitDone || !strings.Contains(out.err, "its owner has ended the grant") {
		t.Errorf("watch after an absence: exit %d\n%s%s", out.code, out.out, out.err)
	}
	w.owner.want(exitFailed, "nothing of that name", "withdraw", flow)
}

// Without the thing's own word the second lock is never shown.
func TestStoryUnconfirmed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	flow := w.path(t, "flow")
	w.owner.ok("share", flow, w.friendName, "--every", "1s", "--for", "7d", "--yes")
	w.edge.stop()
	e := w.owner.run("withdraw", flow)
	if e.code != exitUnreachable || !strings.Contains(e.out, "lock one") || !strings.Contains(e.out, "not confirmed by your thing") {
		t.Errorf("exit %d\n%s%s", e.code, e.out, e.err)
	}
	if strings.Contains(e.out, "has erased the circle") {
		t.Errorf("a confirmation was shown:\n%s", e.out)
	}
	if out := w.owner.ok("grants", "--all"); !strings.Contains(out, "not confirmed by your thing") {
		t.Errorf("grants: %s", out)
	}
	w.house.start("edge", "--simulate", "--listen", "127.0.0.1:0")
	confirmed := false
	for range 20 { // the thing comes back in its own time
		if line := jsonLines(t, w.owner.ok("grants", "--all", "--json"))[0]; line["confirmed"] == true {
			confirmed = true
			break
		}
	}
	if !confirmed {
		t.Error("the thing came back and the withdrawal is still unconfirmed")
	}
}

// A second client joins and is dropped; identities are compared and renewed.
func TestStoryClients(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	flow := w.path(t, "flow")
	file := filepath.Join(t.TempDir(), "id.age")
	w.owner.ok("me", "export", file)
	laptop := newMachine(t)
	laptop.ok("me", "import", file, "--client", "laptop")
	w.owner.ok("me", "renew")
	laptop.want(exitDone, "laptop", "me", "clients")
	seen := false
	for range 20 {
		if out := laptop.run("things"); strings.Contains(out.out, flow) {
			seen = true
			break
		}
		w.owner.ok("things") // the old client tells the new one about its homes
	}
	if !seen {
		t.Error("the second client never saw the things")
	}
	w.owner.ok("me", "clients", "drop", "laptop")
	if out := w.owner.ok("me", "clients"); strings.Contains(out, "laptop") {
		t.Errorf("clients: %s", out)
	}
	w.owner.want(exitUsage, "with --yes", "me", "compare", w.friendName)
	w.owner.want(exitDone, "six words", "me", "compare", w.friendName, "--yes")
	w.owner.tty, w.owner.typed = true, "n\n"
	e := w.owner.want(exitFailed, "nothing was done", "share", flow, w.friendName, "--for", "1d")
	if !strings.Contains(e.out, w.friendName+", compared") {
		t.Errorf("the comparison is not shown:\n%s", e.out)
	}
}
