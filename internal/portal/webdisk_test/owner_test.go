package webdisk_test

import (
	"strings"
	"testing"

	"primum/internal/webtest"
)

// A tab whose engine holds the lock but does not answer is said after some
// seconds; the person can go on in another one.
func TestSilentTab(t *testing.T) {
	t.Parallel()
	url := bench(t, "counter").serve(t).URL + "/counter"
	silent := webtest.NewTab(t)
	silent.Open(url)
	silent.Eval(`new Promise((held) => void navigator.locks.request("primum-engine", () => { held(null); return new Promise(() => {}); }).catch(() => {}))`, nil)
	tab := silent.Second()
	begin(t, tab, url)
	tab.Eval(`void (window.waits = ask("send", ""))`, nil)
	tab.WaitFor(`tab.state === "other-tab"`)
	tab.Eval("tab.takeOver()", nil)
	var got string
	tab.Eval("waits", &got)
	if got != "1" {
		t.Errorf("a call that waited: %s", got)
	}
}

// Whoever opened the disk last has it. A worker that had it before, and does
// not know yet, can't write any more, lock or no lock.
func TestOneOwner(t *testing.T) {
	t.Parallel()
	url := bench(t, "writer").serve(t).URL + "/none"
	first := webtest.NewTab(t)
	first.Open(url)
	first.Eval(`void (window.lines = [], window.end = disk("/assets/writer.wasm", ["writer"], (line) => lines.push(line)))`, nil)
	first.WaitFor(`lines.length > 10`)
	second := first.Second()
	second.Open(url)
	var out string
	second.Eval(`(async () => { const l = []; const end = await disk("/assets/writer.wasm", ["writer", "20"], (line) => l.push(line)); return l.join(" ") + " " + end; })()`, &out)
	if !strings.HasPrefix(out, "at ") || !strings.HasSuffix(out, "end code 0") {
		t.Errorf("the new owner: %.100s … %s", out, out[max(0, len(out)-100):])
	}
	var end string
	first.Eval("end", &end)
	if end != "error other-tab: another tab took the disk" {
		t.Errorf("the old owner: %s", end)
	}
	// What the new owner wrote is what stands.
	var again string
	second.Eval(`(async () => { const l = []; await disk("/assets/writer.wasm", ["writer", "1"], (line) => l.push(line)); return l[0] + " " + l[1]; })()`, &again)
	acks := strings.Fields(out)
	last := acks[len(acks)-4] // … ack N end code 0
	if !strings.HasPrefix(again, "at "+last+" ") {
		t.Errorf("found %q, the new owner ended at %s", again, last)
	}
}
