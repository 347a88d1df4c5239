package webdisk_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode/utf16"

	"primum/internal/webtest"
)

// writerPage runs the writer as soon as it is opened and tells the server each
// line, in order.
const writerPage = `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Writer</title>
<link rel="icon" href="data:,"><script src="/assets/page.js"></script><script src="/run.js"></script></head><body></body></html>`

const writerScript = `
const say = (line) => fetch("/say?line=" + encodeURIComponent(line), { method: "POST" });
let last = Promise.resolve();
const next = (line) => { last = last.then(() => say(line)); };
disk("/assets/writer.wasm", ["writer"], next).then((end) => next("end " + end));
// What the search must find, or it proves nothing: the same kind of place, in clear.
const open = indexedDB.open("control");
open.onupgradeneeded = () => open.result.createObjectStore("clear");
open.onsuccess = () => open.result.transaction("clear", "readwrite").objectStore("clear").put(["CONTROL-that-lies-in-clear"], 1);`

// life is one run of a browser on a profile, from its start to its kill.
type life struct {
	first int64 // what the writer found, -1: nothing
	acked int64
	lines int
	bad   string
}

// Killed at a random instant, browser and all, again and again on the same
// profile: nothing that was acknowledged is lost, nothing is damaged, and what
// lies on the disk shows neither names nor contents.
func TestKillNine(t *testing.T) {
	t.Parallel()
	b := bench(t, "writer")
	server := b.serve(t)
	profile := t.TempDir()
	seed := uint64(time.Now().UnixNano())
	random := rand.New(rand.NewPCG(seed, 0))
	t.Logf("seed %d", seed)
	rounds := 5
	if os.Getenv("PRIMUM_SOAK") == "1" {
		rounds = 100
	}
	acked, total := int64(-1), 0
	for round := range rounds {
		l := b.live(t, server.URL+"/writer-page", profile, 3+random.IntN(60), time.Duration(random.IntN(8000))*time.Microsecond)
		if l.bad != "" {
			t.Fatalf("round %d: the writer says %q", round, l.bad)
		}
		// It may have written more than the server heard of.
		if l.first < acked {
			t.Fatalf("round %d: acknowledged %d, found %d", round, acked, l.first)
		}
		acked = l.acked
		total += l.lines
	}
	t.Logf("%d kills, %d acknowledged writes, none lost", rounds, total)
	searchClear(t, profile)
}

func withWriter(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/writer-page":
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			_, _ = w.Write([]byte(writerPage))
		case "/run.js":
			w.Header().Set("Content-Type", "text/javascript; charset=utf-8")
			_, _ = w.Write([]byte(writerScript))
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// live runs the browser until the writer acknowledged n writes and a little
// later, and kills it.
func (b *trial) live(t *testing.T, url, profile string, n int, later time.Duration) life {
	t.Helper()
	l := life{first: -2, acked: -1}
	enough := make(chan struct{})
	b.mu.Lock()
	b.said = func(line string) {
		var number int64
		switch {
		case l.bad != "":
			return
		case scan(line, "at %d", &number):
			l.first, l.acked = number, number
			return
		case scan(line, "ack %d", &number):
			l.acked, l.lines = number, l.lines+1
		default:
			l.bad = line
		}
		if l.lines == n || l.bad != "" {
			close(enough)
		}
	}
	b.mu.Unlock()
	kill := launch(t, url, profile)
	select {
	case <-enough:
	case <-time.After(90 * time.Second):
		kill()
		t.Fatal("the browser did not write")
	}
	dead := make(chan struct{})
	// The instant is random on purpose; nothing waits for it.
	time.AfterFunc(later, func() { kill(); close(dead) })
	<-dead
	b.mu.Lock()
	defer b.mu.Unlock()
	b.said = nil
	return l
}

func scan(line, format string, into *int64) bool {
	n, err := fmt.Sscanf(line, format, into)
	return err == nil && n == 1
}

// launch starts a browser with a process group of its own; kill ends all of it.
func launch(t *testing.T, url, profile string) (kill func()) {
	t.Helper()
	c := exec.Command(webtest.Path(), "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", //nolint:gosec // the tests' own browser
		"--disable-component-update", "--disable-background-networking", "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
		"--user-data-dir="+profile, url)
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	kill = func() {
		_ = syscall.Kill(-c.Process.Pid, syscall.SIGKILL)
		_ = c.Wait() // killed: an error by design
		for _, lock := range []string{"SingletonLock", "SingletonSocket", "SingletonCookie"} {
			_ = os.Remove(filepath.Join(profile, lock))
		}
	}
	t.Cleanup(kill)
	return kill
}

// searchClear looks for the canary in every file of a profile, as it is and in
// the encodings that a browser uses.
func searchClear(t *testing.T, profile string) {
	t.Helper()
	const canary, control = "CANARY-that-must-not-lie-in-clear", "CONTROL-that-lies-in-clear"
	forms := [][]byte{[]byte(canary), wide(canary)}
	for shift := range 3 { // base64 at each of its three positions
		s := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("x", shift) + canary))
		forms = append(forms, []byte(s[4:len(s)-4]))
	}
	found, size, seen := 0, 0, false
	err := filepath.WalkDir(profile, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || strings.Contains(path, "Cache") {
			return err // caches hold the program itself, in which the canary is written
		}
		b, err := os.ReadFile(path) //nolint:gosec // the test's own directory
		if err != nil {
			return err
		}
		if strings.Contains(path, "IndexedDB") {
			size += len(b)
			seen = seen || bytes.Contains(b, []byte(control)) || bytes.Contains(b, wide(control))
		}
		for _, f := range forms {
			if bytes.Contains(b, f) {
				found++
				t.Errorf("%s holds the canary", strings.TrimPrefix(path, profile))
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if !seen {
		t.Error("what was kept in clear is not found either: this looked in the wrong place")
	}
	t.Logf("%d bytes of IndexedDB on disk, the canary %d times", size, found)
}

func wide(s string) []byte {
	var b []byte
	for _, u := range utf16.Encode([]rune(s)) {
		b = append(b, byte(u), byte(u>>8))
	}
	return b
}
