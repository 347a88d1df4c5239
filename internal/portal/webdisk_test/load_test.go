package webdisk_test

import (
	"testing"

	"primum/internal/webtest"
)

// A disk of a thousand records is opened whole when the engine starts.
func TestThousandRecords(t *testing.T) {
	t.Parallel()
	url := bench(t, "counter").serve(t).URL + "/counter"
	tab := webtest.NewTab(t)
	begin(t, tab, url)
	if got := ask(tab, "give", 1000*16384); got != "{}" {
		t.Fatalf("16 MB: %s", got)
	}
	begin(t, tab, url)
	if got := ask(tab, "status", ""); got != "0" {
		t.Fatalf("after a reload: %s", got)
	}
	var n int
	var millis float64
	tab.Eval(records, nil)
	tab.Eval("records(() => {})", &n)
	tab.Eval(`performance.getEntriesByName("primum.disk")[0].duration`, &millis)
	if n < 1000 {
		t.Errorf("%d records", n)
	}
	t.Logf("%d records of 16 KiB opened in %.0f ms", n, millis)
}
