package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestSeen: a friend watches; the owner sees who got what, takes it along, and
// the file is checked on a machine that knows nobody.
func TestSeen(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	flow := w.path(t, "flow")
	if out := w.owner.ok("seen"); !strings.Contains(out, "Nothing was delivered to anybody") {
		t.Errorf("before any grant: %s", out)
	}
	w.owner.ok("share", flow, w.friendName, "--every", "1s", "--for", "7d", "--purpose", "care", "--yes")
	w.friend.ok("watch", flow, "--json", "--count", "2")
	row := jsonLines(t, w.owner.ok("seen", "--json"))[0]
	if row["who"] != w.friendName || row["state"] != "open" || row["things"] != flow || row["device"] == "" || row["purpose"] == "" {
		t.Errorf("seen: %v", row)
	}
	if n, _ := row["deliveries"].(float64); n < 2 {
		t.Errorf("two values were watched: %v", row)
	}
	for _, arg := range []string{w.friendName, "friend", flow} {
		if out := w.owner.ok("seen", arg); !strings.Contains(out, w.friendName) || !strings.Contains(out, "not over yet") {
			t.Errorf("seen %s: %s", arg, out)
		}
	}
	if out := jsonLines(t, w.friend.ok("seen", "--json")); len(out) != 0 {
		t.Errorf("the friend is told %v", out)
	}
	w.owner.want(exitDone, "noticed nothing", "check")
	w.friend.want(exitDone, "noticed nothing", "check")
	w.owner.want(exitUsage, "nothing you share is about", "seen", "nobody@x.example")
	w.owner.want(exitUsage, "is no day like", "seen", "--day", "yesterday")
	w.owner.want(exitUsage, "is no day like", "seen", "--since", time.Now().AddDate(0, 0, 3).Format("2006-01-02"))

	file := filepath.Join(t.TempDir(), "seen.json")
	w.owner.want(exitDone, "1 day with its proofs", "seen", "--since", time.Now().AddDate(0, 0, -60).UTC().Format("2006-01-02"), "--export", file)
	newMachine(t).want(exitDone, "not over yet", "seen", "--check", file)
	b, err := os.ReadFile(file)
	if err != nil || !strings.Contains(string(b), w.friendName) {
		t.Errorf("the file says %s, %v", b, err)
	}
	if err := os.WriteFile(file, []byte(`{"format":"another"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	newMachine(t).want(exitFailed, "format", "seen", "--check", file)
	newMachine(t).want(exitUsage, "no such file", "seen", "--check", file+".none")
}
