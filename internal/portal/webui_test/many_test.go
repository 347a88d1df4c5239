package webui_test

import (
	"testing"

	"primum/internal/webtest"
)

func TestFiveHundredThings(t *testing.T) {
	tab := webtest.NewTab(t)
	tab.Open(scene(stage(t), "many", "en"))
	tab.WaitVisible("@card")
	is(t, tab, "cards", `document.querySelectorAll("[data-test=card]").length`, 500)
	var drawn float64
	tab.Eval(`new Promise(done => {
		const before = performance.now();
		for (let i = 0; i < 500; i++) engine.tell({kind: "value", ref: {home: "home-1", thing: "t" + i, name: "value"}, point: {at: new Date().toISOString(), number: i}});
		requestAnimationFrame(() => requestAnimationFrame(() => done(performance.now() - before)));
	})`, &drawn)
	t.Logf("500 things, a new value each: drawn in %.0f ms", drawn)
	tab.Type("@search", "sensor 499")
	tab.WaitFor(`document.querySelectorAll("[data-test=card]:not([hidden])").length === 1`)
	is(t, tab, "value of the one that is left", `document.querySelector("[data-test=card]:not([hidden]) .figure").textContent`, "498")
	tab.Type("@search", " nowhere")
	tab.WaitVisible("@none-found")
	tab.Eval(`location.hash = "#/alerts"`, nil)
	tab.WaitVisible("@alert")
}

// TestAThousandValues prints how long it takes from the press to the drawn plot,
// and what ten thousand more values cost.
func TestAThousandValues(t *testing.T) {
	tab := webtest.NewTab(t)
	server := stage(t)
	tab.Open(scene(server, "things", "en"))
	tab.WaitVisible("@card")
	var millis float64
	const opening = `new Promise(done => {
		const before = performance.now();
		location.hash = "#/thing/h/home-1/water/flow";
		const look = () => document.querySelector("[data-test=readout]") ? requestAnimationFrame(() => done(performance.now() - before)) : requestAnimationFrame(look);
		look();
	})`
	tab.Eval(opening, &millis)
	t.Logf("1,000 values: from the press to the plot %.0f ms", millis)
	tab.Throttle(4)
	tab.View(webtest.Phone390)
	tab.Open(scene(server, "things", "en"))
	tab.WaitVisible("@card")
	tab.Eval(opening, &millis)
	t.Logf("1,000 values on a phone, four times slower: %.0f ms", millis)
	tab.Throttle(1)
	var memory struct{ Before, After, Millis, Rows float64 }
	tab.Eval(`(async () => {
		const frame = () => new Promise(done => requestAnimationFrame(done));
		const heap = () => performance.memory.usedJSHeapSize / 1024;
		globalThis.gc?.();
		const before = heap(), begin = performance.now();
		const start = Date.now() + 1000;
		for (let i = 0; i < 10000; i++) {
			engine.tell({kind: "value", ref: {home: "home-1", thing: "water", name: "flow"}, point: {at: new Date(start + i * 1000).toISOString(), number: i % 50}});
			if (i % 100 === 99) await frame();
		}
		await frame();
		const millis = performance.now() - begin;
		globalThis.gc?.();
		return {Before: before, After: heap(), Millis: millis, Rows: document.querySelectorAll("tbody tr").length};
	})()`, &memory)
	t.Logf("10,000 values more: %.0f ms, heap %.0f KiB before, %.0f KiB after", memory.Millis, memory.Before, memory.After)
	if memory.Rows > 50 {
		t.Errorf("the table has %.0f rows", memory.Rows)
	}
	tab.WaitText("primum-value", "49")
}
