package webdisk_test

import (
	"fmt"
	"strings"
	"testing"

	"primum/internal/webtest"
)

// ofOS are those tests of Go's own package os that need nothing but files and
// directories: no links, no permissions that are enforced, no files of the
// system.
const ofOS = "Append|AppendDoesntOverwrite|Chmod|Chtimes|ChtimesDir|ChtimesToUnixZero|CreateTemp|CreateTempBadPattern|CreateTempPattern|" +
	"DirSeek|FTruncate|FileChdir|MkdirAll|MkdirAllAbsPath|MkdirTemp|MkdirTempBadDir|MkdirTempBadPattern|NilFileMethods|OpenError|" +
	"OpenFileKeepsPermissions|OpenNoName|ProgWideChdir|ReadAt|ReadAtEOF|ReadAtNegativeOffset|ReadAtOffset|ReadFileContents|ReaddirOfFile|" +
	"ReaddirRemoveRace|ReaddirStatFailures|RemoveAll|RemoveAllDot|RemoveAllDotDot|RemoveAllRace|RemoveAllTrailingSlash|RemoveReadOnlyDir|" +
	"RemoveReadOnlyFile|Rename|RenameCaseDifference|RenameFailed|RenameNotExisting|RenameOverwriteDest|RenameToDirFailed|SameFile|Seek|" +
	"StatDirModeExec|StatDirWithTrailingSlash|StatNotExist|Truncate|TruncateNonexistentFile|WriteAt|WriteAtConcurrent|WriteAtInAppendMode|" +
	"WriteAtNegativeOffset|WriteFile"

// Tests that Go programs pass on any disk pass on the sealed one, on an empty
// disk and again on what the first run left. (One worker has the disk by other
// means than a lock file: TestOneOwner.)
func TestSuitesOnTheSealedDisk(t *testing.T) {
	t.Parallel()
	b := bench(t)
	suites := []struct{ name, pkg, run string }{
		{"durable", "./internal/durable", "."},
		{"disk", "./circle/internal/disk", "."},
		{"os", "os", "^Test(" + ofOS + ")$"},
	}
	for _, s := range suites {
		b.compile(t, "test", s.name, s.pkg)
	}
	server := b.serve(t)
	tab := webtest.NewTab(t)
	tab.MayLog("Go program has already exited") // a timer of a program that ended
	tab.Open(server.URL + "/none")
	for _, s := range append(suites, suites...) {
		var out string
		tab.Eval(fmt.Sprintf(`(async () => {
			const lines = [];
			const end = await disk("/assets/%s.wasm", ["test", "-test.v", "-test.short", %q, "-test.skip=^(TestLockDir|TestSecondOpenIsLocked)$"], (line) => lines.push(line));
			return lines.join("\n") + "\n" + end;
		})()`, s.name, "-test.run="+s.run), &out)
		if !strings.Contains(out, "\nPASS\n") || !strings.HasSuffix(out, "\ncode 0") {
			t.Fatalf("%s: %s", s.name, out)
		}
		t.Logf("%s: %d tests pass", s.name, strings.Count(out, "\n--- PASS"))
	}
}
