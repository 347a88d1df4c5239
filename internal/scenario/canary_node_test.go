package scenario

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"primum/circle"

	"primum/identity"
	"primum/internal/node"
	"primum/internal/wire"
	"primum/thing"
)

// newCanary is 32 random characters that stand nowhere by accident.
func newCanary() string {
	b := make([]byte, 24)
	_, _ = rand.Read(b)
	return base64.RawURLEncoding.EncodeToString(b)
}

// canaries are what must stand nowhere at a node, by the way they travel.
type canaries struct {
	value   string // a property's value, thing to grantee
	command string // a command's input, grantee to thing
	home    string // a text in a thing's description, thing to owner
	title   string // what the grantee shall call the thing, in the terms
}

func (c canaries) forms() map[string][]byte {
	all := map[string][]byte{}
	for what, canary := range map[string]string{"value": c.value, "command": c.command, "home": c.home, "title": c.title} {
		for form, b := range canaryForms(canary) {
			all[what+" in "+form] = b
		}
	}
	return all
}

// TestP1CanaryNowhereAtNode (P1): what travels sealed stands nowhere at a node
// that runs as a process of its own: not in its memory, files, log, answers,
// errors or backup. The same search finds it once it was published in clear.
func TestP1CanaryNowhereAtNode(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	n := serveProgram(t, filepath.Join(dir, "data"))

	c := canaries{newCanary(), newCanary(), newCanary(), newCanary()}
	friend := tellCanaries(t, n.Authority, c)
	look := filepath.Join(dir, "look-1")
	n.takeEverything(t, look)
	for _, hit := range searchTree(t, look, c.forms()) {
		t.Errorf("found %s", strings.TrimPrefix(hit, look))
	}
	_ = os.RemoveAll(look) // a dump is large

	publishInClear(t, friend, c.value)
	look = filepath.Join(dir, "look-2")
	n.takeEverything(t, look)
	for _, where := range []string{"core", "data", "backup"} {
		if hits := searchTree(t, filepath.Join(look, where), canaryForms(c.value)); len(hits) == 0 {
			t.Errorf("positive control: the canary was published in clear and not found in %s", where)
		}
	}
}

// tellCanaries sends them all through sealed circles, and sees that they were
// opened.
func tellCanaries(t *testing.T, authority string, c canaries) *party {
	t.Helper()
	now := time.Now()
	owner := newParty(t, authority, "owner", now, prime)
	friend := newParty(t, authority, "friend", now, prime)
	friendly, owning := friend.open(t, prime, realCalls()), owner.open(t, prime, realCalls())
	told := make(chan string, 16)
	var a *bareAnchor
	a = runAnchor(t, filepath.Join(t.TempDir(), "anchor"), realCalls(), func(e circle.Event) error {
		if e.Kind != circle.EventCommand {
			return nil
		}
		told <- string(e.Value)
		return a.Answer(e.Ref, e.Value, nil)
	})
	if err := a.SetThings([]circle.Thing{writable(t, c.home)}); err != nil {
		t.Fatal(err)
	}
	home := a.claimBy(t, owning)
	eventually(t, "the owner reads the description", func() bool {
		things := owning.Owner.Things(home)
		return len(things) == 1 && strings.Contains(string(things[0].Description), c.home)
	})
	share := onChange(meter, readOps+" writeproperty", "note")
	share[0].Title = c.title
	id := giveTo(t, owning, home, friend, now.Add(24*time.Hour), share)
	givenCircle(t, owning, id, 1)
	a.feed(t, "note", c.value, time.Now())
	seen, _ := watch(t, friendly, id)
	if v := next(t, seen); string(v.Value) != fmt.Sprintf("%q", c.value) {
		t.Fatalf("the grantee opened %s, not the canary", v.Value)
	}
	target := find(t, friendly, id)
	if target.Title != c.title {
		t.Fatalf("the grantee calls the thing %q, not by the canary", target.Title)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	b, _ := json.Marshal(c.command)
	if _, err := friendly.Send(ctx, target, b, patience); err != nil {
		t.Fatalf("send the canary as a command: %v", err)
	}
	if got := <-told; got != string(b) {
		t.Fatalf("the thing was told %s, not the canary", got)
	}
	return friend
}

// writable is the meter with a text that can be written, described by words.
func writable(t *testing.T, words string) circle.Thing {
	t.Helper()
	d := thing.New("Meter")
	d.AddProperty("note", thing.Schema{Title: "Note", Text: words, Type: "string"})
	b, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	return circle.Thing{ID: meter, Title: "Meter", Description: b}
}

// served is `primum serve` as a process of its own.
type served struct {
	Authority, URL, Data string
	cmd                  *exec.Cmd
	log                  string // file with all that it wrote
}

// serveProgram builds the program, starts a node and waits until it answers.
func serveProgram(t *testing.T, data string) *served {
	t.Helper()
	s := &served{log: data + ".log"}
	s.cmd = exec.Command(buildPrimum(t), "serve", "--domain", "h.localhost", "--listen", "127.0.0.1:0", "--data", data, "--json", "--verbose")
	log, err := os.Create(s.log)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = log.Close() }()
	s.cmd.Stderr, s.cmd.Env = log, ownEnvironment(t)
	out, err := s.cmd.StdoutPipe()
	if err == nil {
		err = s.cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.cmd.Process.Kill(); _ = s.cmd.Wait() })
	if err := json.NewDecoder(out).Decode(s); err != nil {
		t.Fatalf("primum serve did not say where it is: %v", err)
	}
	page(t, s.URL+"/healthz")
	return s
}

// takeEverything lays all that a node knows into a folder: a core dump, its
// files, what it wrote, its pages, and a backup of it while it runs.
func (s *served) takeEverything(t *testing.T, into string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Join(into, "core"), 0o700); err != nil {
		t.Fatal(err)
	}
	dumpCore(t, s.cmd.Process.Pid, filepath.Join(into, "core", "dump"))
	if err := os.CopyFS(filepath.Join(into, "data"), os.DirFS(s.Data)); err != nil {
		t.Fatal(err)
	}
	log, err := os.ReadFile(s.log)
	if err != nil || len(log) == 0 {
		t.Fatalf("the node's log: %d bytes, %v", len(log), err)
	}
	files := map[string][]byte{"log": log}
	for _, path := range []string{"/", "/metrics", "/healthz", "/.well-known/primum"} {
		files["page"+strings.ReplaceAll(path, "/", "-")] = page(t, s.URL+path)
	}
	for name, b := range files {
		if err := os.WriteFile(filepath.Join(into, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := node.Backup(t.Context(), s.Data, filepath.Join(into, "backup"), time.Now()); err != nil {
		t.Fatal(err)
	}
}

// page reads a page of the node; the name leads to this machine.
func page(t *testing.T, url string) []byte {
	t.Helper()
	_, port, _ := strings.Cut(strings.TrimPrefix(url, "http://"), ":")
	resp, err := http.Get("http://127.0.0.1:" + port) //nolint:gosec // the test's own node
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK || len(b) == 0 {
		t.Fatalf("%s: status %d, %d bytes, %v", url, resp.StatusCode, len(b), err)
	}
	return b
}

// dumpCore writes all memory of a process into a file.
func dumpCore(t *testing.T, pid int, file string) {
	t.Helper()
	gcore, err := exec.LookPath("gcore")
	if err != nil {
		needAll(t, "gcore is not on this machine: no core dump of a node was searched (apt install gdb)")
	}
	out, err := exec.Command(gcore, "-o", file, fmt.Sprint(pid)).CombinedOutput()
	if err != nil {
		t.Fatalf("gcore: %v\n%s", err, out)
	}
	info, err := os.Stat(fmt.Sprintf("%s.%d", file, pid))
	if err != nil || info.Size() < 1<<20 {
		t.Fatalf("gcore wrote no dump: %v\n%s", err, out)
	}
	t.Logf("core dump of %d MB", info.Size()>>20)
}

// publishInClear lets the node know a canary: as the name that an account shows,
// and in a box that nobody sealed.
func publishInClear(t *testing.T, p *party, canary string) {
	t.Helper()
	n := p.hands[prime].node(realCalls())
	compact := p.change(t, time.Now(), func(d *identity.Document) { d.Name = canary })
	if err := n.PutIdentity(t.Context(), p.address.User, compact); err != nil {
		t.Fatal(err)
	}
	err := n.Post(t.Context(), wire.Sealed{
		Kind: wire.InboxNotice, From: p.address.String(), To: "owner@" + p.address.Authority, Expires: time.Now().Add(time.Hour),
		Copies: []wire.SealCopy{{Client: prime, Enc: make([]byte, 32), Box: []byte(canary)}},
	})
	if err != nil {
		t.Fatal(err)
	}
}
