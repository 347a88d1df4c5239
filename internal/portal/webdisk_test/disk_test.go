package webdisk_test

import (
	"strings"
	"testing"

	"primum/internal/webtest"
)

// Tests that Go programs pass on any disk pass on the sealed one, on an empty
// disk and again on what the first run left. (One worker has the disk by other
// means than a lock file: TestTabs.)
func TestSuitesOnTheSealedDisk(t *testing.T) {
	t.Parallel()
	b := bench(t)
	for _, s := range []struct{ name, pkg string }{
		{"durable", "./internal/durable"},
		{"disk", "./circle/internal/disk"},
	} {
		b.compile(t, "test", s.name, s.pkg)
	}
	server := b.serve(t)
	tab := webtest.NewTab(t)
	tab.Open(server.URL + "/none")
	for _, name := range []string{"durable", "disk", "durable", "disk"} {
		var out string
		tab.Eval(`(async () => {
			const lines = [];
			const end = await disk("/assets/`+name+`.wasm", ["test", "-test.v", "-test.skip=^(TestLockDir|TestSecondOpenIsLocked)$"], (line) => lines.push(line));
			return lines.join("\n") + "\n" + end;
		})()`, &out)
		if !strings.Contains(out, "\nPASS\n") || !strings.HasSuffix(out, "\ncode 0") {
			t.Fatalf("%s: %s", name, out)
		}
		t.Logf("%s: %d tests pass", name, strings.Count(out, "--- PASS"))
	}
}
