package webdisk_test

import (
	"strconv"
	"strings"
	"testing"

	"primum/internal/webtest"
)

// Each bad situation of a browser is a code that the pages have a sentence for.
func TestFaults(t *testing.T) {
	t.Parallel()
	b := bench(t, "counter")
	server := b.serve(t)
	for _, c := range []struct{ name, path, want string }{
		{"storage denied", "/counter?worker=denied", "storage-denied"},
		{"a private window that keeps no keys", "/counter?worker=private", "storage-private"},
		{"no engine", "/nothing", "engine-missing"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			tab := webtest.NewTab(t)
			tab.MayLog("404")
			begin(t, tab, server.URL+c.path)
			tab.WaitFor("tab.state.failed")
			var got string
			tab.Eval("tab.state.failed", &got)
			if got != c.want {
				t.Errorf("state %q, want %q", got, c.want)
			}
			if got := ask(tab, "status", ""); got != "refused "+c.want {
				t.Errorf("a call: %s", got)
			}
		})
	}
}

// records reads or changes what lies in IndexedDB, past the engine.
const records = `window.records = (change) => new Promise((resolve, reject) => {
	const open = indexedDB.open("primum");
	open.onerror = () => reject(open.error);
	open.onsuccess = () => {
		const tx = open.result.transaction("records", "readwrite");
		const all = tx.objectStore("records");
		const keys = all.getAllKeys();
		const values = all.getAll();
		values.onsuccess = () => change(all, keys.result, values.result);
		tx.oncomplete = () => { open.result.close(); resolve(keys.result.length); };
		tx.onerror = () => reject(tx.error);
	};
})`

// A copy of the disk that the browser threw away, or that a kill left behind, is
// made anew from the other one.
func TestHeals(t *testing.T) {
	t.Parallel()
	url := bench(t, "counter").serve(t).URL + "/counter"
	tab := webtest.NewTab(t)
	begin(t, tab, url)
	ask(tab, "send", "")
	for i, loss := range []string{
		`new Promise((resolve) => { indexedDB.deleteDatabase("primum").onsuccess = () => resolve(null); })`,
		`navigator.storageBuckets.delete("second")`,
		`new Promise((resolve) => { indexedDB.deleteDatabase("primum").onsuccess = () => resolve(null); })`,
	} {
		tab.Open(url)
		tab.Eval(loss, nil)
		tab.Eval("begin()", nil)
		if got, want := ask(tab, "send", ""), strconv.Itoa(i+2); got != want {
			t.Fatalf("after loss %d: %s, want %s", i, got, want)
		}
	}
}

// What somebody changed on the disk is named and refused; nothing of it is used.
func TestTampered(t *testing.T) {
	t.Parallel()
	url := bench(t, "counter").serve(t).URL + "/counter"
	for name, change := range map[string]string{
		"a bit":          `(all, keys, values) => keys.forEach((k, i) => { values[i][values[i].length - 1] ^= 1; all.put(values[i], k); })`,
		"one taken away": `(all, keys) => all.delete(keys.find((k) => k !== "root"))`,
		"two exchanged":  `(all, keys, values) => { all.put(values[0], keys[1]); all.put(values[1], keys[0]); }`,
		"cut short":      `(all, keys, values) => all.put(values[0].slice(0, 5), keys[0])`,
		"something else": `(all, keys) => all.put({ a: 1 }, keys[0])`,
		"no root":        `(all) => all.delete("root")`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tab := webtest.NewTab(t)
			begin(t, tab, url)
			ask(tab, "send", "")
			tab.Open(url) // the engine goes
			tab.Eval(records, nil)
			tab.Eval("records("+change+")", nil)
			tab.Eval("begin()", nil)
			tab.WaitFor(`tab.state.failed === "storage-tampered"`)
			var detail string
			tab.Eval("tab.state.detail", &detail)
			if !strings.HasPrefix(detail, "/") {
				t.Errorf("the fault does not name a file: %q", detail)
			}
		})
	}
}

// When the storage is full the engine is told, and what it had is there: also
// after a reload, and it goes on when there is room again.
func TestFull(t *testing.T) {
	t.Parallel()
	url := bench(t, "counter").serve(t).URL + "/counter"
	tab := webtest.NewTab(t)
	tab.Open(url)
	tab.Quota(8_000_000) // at first: Chromium remembers for some time how much room there is
	tab.Eval("begin()", nil)
	if got := ask(tab, "send", "") + ask(tab, "give", 100_000); got != "1{}" {
		t.Fatalf("before: %s", got)
	}
	if got := ask(tab, "give", 20_000_000); got != "refused storage-full" {
		t.Errorf("20 MB into 8 MB: %s", got)
	}
	// What was refused may fill the browser's store for some time yet: then the
	// engine says so when it starts, and is there when there is room.
	begin(t, tab, url)
	tab.WaitFor(`tab.state === "ready" || tab.state.failed === "storage-full"`)
	tab.Quota(-1)
	tab.Eval("tab.retry()", nil)
	if got := ask(tab, "status", ""); got != "1" {
		t.Errorf("with room again: %s", got)
	}
	if got := ask(tab, "send", ""); got != "2" {
		t.Errorf("with room again: %s", got)
	}
	begin(t, tab, url)
	if got := ask(tab, "status", ""); got != "2" {
		t.Errorf("at the end: %s", got)
	}
}

// A browser that threw everything away is noticed and said; the engine starts
// as on the first day.
func TestEvicted(t *testing.T) {
	t.Parallel()
	url := bench(t, "counter").serve(t).URL + "/counter"
	tab := webtest.NewTab(t)
	begin(t, tab, url)
	ask(tab, "send", "")
	tab.WaitFor(`heard.some((e) => e.kind === "status")`)
	tab.Open(url)
	tab.Eval(`navigator.storageBuckets.delete("second").then(() => new Promise((resolve) => {
		indexedDB.deleteDatabase("primum").onsuccess = () => resolve(null);
	}))`, nil)
	tab.Eval("begin()", nil)
	tab.WaitFor(`heard.some((e) => e.text === "engine.storage-evicted")`)
	if got := ask(tab, "status", ""); got != "0" {
		t.Errorf("after all was thrown away: %s", got)
	}
	tab.Open(url)
	tab.Eval("begin()", nil)
	if got := ask(tab, "status", ""); got != "0" {
		t.Errorf("next time: %s", got)
	}
	var again bool
	tab.Eval(`heard.some((e) => e.text === "engine.storage-evicted")`, &again)
	if again {
		t.Error("it is said twice")
	}
}
