package webui_test

import (
	"strings"
	"testing"

	"primum/internal/webtest"
)

// open shows a scene and waits until sel is there.
func open(t *testing.T, server, name, sel string) *webtest.Tab {
	t.Helper()
	tab := webtest.NewTab(t)
	tab.Open(scene(server, name, "en"))
	tab.WaitVisible(sel)
	return tab
}

// is asserts what an expression gives.
func is[T comparable](t *testing.T, tab *webtest.Tab, what, js string, want T) {
	t.Helper()
	var got T
	tab.Eval(js, &got)
	if got != want {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

// tell makes the engine say a value of the water meter's flow.
const tell = `engine.tell({kind: "value", ref: {home: "home-1", thing: "water", name: "flow"}, point: {at: new Date().toISOString(), number: %s}})`

func told(number string) string { return strings.Replace(tell, "%s", number, 1) }

func TestValuesComeWithoutAShift(t *testing.T) {
	tab := open(t, stage(t), "things", "@card")
	tab.Eval(`window.shifts = 0; new PerformanceObserver(l => l.getEntries().forEach(e => shifts += e.value)).observe({type: "layout-shift"})`, nil)
	is(t, tab, "age and value of one card", `document.querySelectorAll('[data-path="water/flow"] primum-value').length`, 1)
	tab.Eval(told("123.456"), nil)
	tab.WaitText(`[data-path="water/flow"] .figure`, "123.5")
	tab.Eval(told("7"), nil)
	tab.WaitText(`[data-path="water/flow"] .figure`, "7")
	// Nothing moves but the unit beside a number that became shorter.
	is(t, tab, "layout shift", `shifts < 0.0005`, true)
	// The other card of the same thing is untouched.
	if got := tab.Text(`[data-path="water/total"] primum-value`); !strings.HasPrefix(got, "18,2") {
		t.Errorf("total is %q", got)
	}
}

func TestNothingOfACardIsCutOff(t *testing.T) {
	tab := open(t, stage(t), "things", "@card")
	for _, look := range []webtest.Look{webtest.Light, webtest.Phone390} {
		tab.View(look)
		is(t, tab, "cards whose foot or value is cut", `[...document.querySelectorAll(".thing-card")].filter(card => {
			const foot = card.querySelector(".card-foot"), value = card.querySelector(".value");
			return foot.getBoundingClientRect().bottom > card.getBoundingClientRect().bottom - 4 || value.getBoundingClientRect().height < 30;
		}).length`, 0)
		is(t, tab, "wider than the window", `document.documentElement.scrollWidth > innerWidth`, false)
	}
}

func TestNothingIsDrawnWhileHidden(t *testing.T) {
	tab := open(t, stage(t), "things", "@card")
	tab.Eval(`Object.defineProperty(document, "hidden", {configurable: true, get: () => true}); document.dispatchEvent(new Event("visibilitychange"))`, nil)
	tab.Eval(`window.changes = 0; new MutationObserver(l => changes += l.length).observe(document.body, {subtree: true, childList: true, characterData: true, attributes: true})`, nil)
	for range 20 {
		tab.Eval(told("99"), nil)
	}
	// Two frames and more than one tick of the clock of ages go by.
	tab.Eval(`new Promise(done => setTimeout(done, 1300))`, nil)
	is(t, tab, "changes while hidden", `changes`, 0)
	tab.Eval(`delete document.hidden; document.dispatchEvent(new Event("visibilitychange"))`, nil)
	tab.WaitText(`[data-path="water/flow"] primum-value`, "99")
}

func TestHostileTitlesAreInert(t *testing.T) {
	tab := open(t, stage(t), "hostile", "@card")
	is(t, tab, "elements made by titles", `document.querySelectorAll("main script, main img, main b, main svg[onload]").length`, 0)
	is(t, tab, "title of the document", `document.title`, "My things – Primum")
	is(t, tab, "characters that turn direction", `/[\u202a-\u202e\u2066\u2067\u0000]/.test(document.querySelector("main").textContent)`, false)
	is(t, tab, "wider than the window", `document.documentElement.scrollWidth > innerWidth`, false)
	is(t, tab, "prototype", `({}).latest === undefined`, true)
	// A name like __proto__ still opens its page.
	tab.Click(`[data-path="x/<script>"] [data-test=open]`)
	tab.WaitVisible("@thing")
	tab.WaitVisible("@table")
	is(t, tab, "elements made by titles", `document.querySelectorAll("main script, main img, main b").length`, 0)
}

func TestByKeyboard(t *testing.T) {
	tab := open(t, stage(t), "things", "@card")
	for range 9 {
		tab.Press("Tab")
		if tab.Focused() == "open" {
			break
		}
	}
	if tab.Focused() != "open" {
		t.Fatalf("Tab comes to no card: %q", tab.Focused())
	}
	tab.Press("Enter")
	tab.WaitVisible("@readout")
	is(t, tab, "focus after a change of route", `document.activeElement.tagName`, "H1")
	is(t, tab, "title of the document", `document.title`, "Flow – Primum")
	tab.Eval(`document.querySelector("[data-test=plot]").focus()`, nil)
	tab.Press("End")
	tab.WaitFor(`document.querySelector("[data-test=readout]").textContent.includes("·")`)
	first := tab.Text("@readout")
	tab.Press("ArrowLeft")
	tab.WaitFor(`document.querySelector("[data-test=plot]").getAttribute("aria-valuenow") === "999"`)
	if second := tab.Text("@readout"); second == first {
		t.Errorf("the left arrow stays at %q", first)
	}
	is(t, tab, "said", `document.querySelector("[data-test=plot]").getAttribute("aria-valuetext").includes("l/min")`, true)
	tab.Press("+")
	tab.Press("0")
	tab.Eval(`document.querySelector("[data-test=range-day]").focus()`, nil)
	tab.Press("ArrowRight")
	tab.WaitFor(`document.querySelector("[data-test=range-week]").checked`)
	tab.Eval(`document.querySelector("[data-test=bell]").focus()`, nil)
	tab.Press("Enter")
	tab.WaitVisible("@dialog")
	tab.Press("Escape")
	tab.WaitGone("@dialog")
	if tab.Focused() != "bell" {
		t.Errorf("the focus does not come back to the bell: %q", tab.Focused())
	}
}

func TestALampIsSwitched(t *testing.T) {
	tab := open(t, stage(t), "lamp", "@control")
	is(t, tab, "is on", `document.querySelector("[data-test=input]").checked`, true)
	tab.Click("@input")
	tab.WaitText("@answer", "Sent; waiting")
	tab.WaitText("@answer", "Done at")
	tab.WaitText("@answer", "The thing said: \u2068off\u2069.")
	is(t, tab, "what was sent", `JSON.stringify(engine.asked.filter(a => a.method === "send").map(a => a.params.input))`, "[false]")
}

func TestARefusalIsASentence(t *testing.T) {
	tab := open(t, stage(t), "effect", "@control")
	tab.Click(`[value="sunrise"]`)
	tab.WaitFor(`document.querySelector("[data-test=answer]").classList.contains("fault")`)
	is(t, tab, "what was sent", `engine.asked.find(a => a.method === "send").params.input`, "sunrise")
	if got := tab.Text("@answer"); len(got) < 10 || strings.Contains(got, "engine.") {
		t.Errorf("said %q", got)
	}
}

func TestASliderSendsWhenAsked(t *testing.T) {
	tab := open(t, stage(t), "dimmer", "@control")
	tab.Set("@input", "30")
	// A value that comes meanwhile does not take the choice away.
	tab.Eval(`engine.tell({kind: "value", ref: {home: "home-1", thing: "lamp", name: "brightness"}, point: {at: new Date().toISOString(), number: 77}})`, nil)
	tab.WaitText("primum-value", "77")
	is(t, tab, "chosen", `document.querySelector("[data-test=input]").valueAsNumber`, 30)
	is(t, tab, "sent before asked", `engine.asked.some(a => a.method === "send")`, false)
	tab.Click("@send")
	tab.WaitText("@answer", "Done at")
	is(t, tab, "what was sent", `engine.asked.find(a => a.method === "send").params.input`, 30)
}

func TestAnUnknownTypeTakesAnything(t *testing.T) {
	tab := open(t, stage(t), "unknown", "@control")
	tab.Click("@send")
	tab.WaitText("@answer", "Enter something")
	tab.Type("@input", "ON")
	tab.Click("@send")
	tab.WaitText("@answer", "Done at")
	tab.Eval(`document.querySelector("[data-test=input]").value = "[1, true]"`, nil)
	tab.Click("@send")
	tab.WaitFor(`engine.asked.filter(a => a.method === "send").length === 2`)
	is(t, tab, "what was sent", `JSON.stringify(engine.asked.filter(a => a.method === "send").map(a => a.params.input))`, `["ON",[1,true]]`)
}

func TestABellIsSetAndAsksOnlyThen(t *testing.T) {
	tab := open(t, stage(t), "thing", "@bell")
	tab.Eval(`window.asked = 0; Notification.requestPermission = async () => { asked++; return "denied" }`, nil)
	tab.Click("@bell")
	tab.WaitVisible("@alert-save")
	tab.Shot("things-bell", looks...)
	tab.Click("@alert-save")
	tab.WaitText("@toasts", "Enter the limit")
	is(t, tab, "asked for permission", `asked`, 0)
	tab.Type("@alert-value", "30.5")
	tab.Click("@alert-save")
	tab.WaitGone("@dialog")
	is(t, tab, "asked for permission", `asked`, 1)
	is(t, tab, "rule", `engine.asked.find(a => a.method === "alert.set").params.above`, 30.5)
	tab.Eval(`engine.tell({kind: "alert", alert: {id: "a", ref: {home: "home-1", thing: "water", name: "flow"}, title: "Flow", above: 30.5, since: new Date().toISOString()}})`, nil)
	tab.WaitText("@toasts", "above 30.5")
}

func TestValuesAreSavedAsCSV(t *testing.T) {
	tab := open(t, stage(t), "thing", "@readout")
	tab.Eval(`navigator.clipboard.writeText = async text => { window.copied = text }`, nil)
	tab.Click("@csv-copy")
	tab.WaitText("@toasts", "1,001 values copied")
	is(t, tab, "head", `copied.split("\r\n")[0]`, "time,flow (l/min)")
	is(t, tab, "lines", `copied.split("\r\n").length`, 1003)
	is(t, tab, "a line", `/^\d{4}-\d\d-\d\dT[\d:.]+Z,-?[\d.]+$/.test(copied.split("\r\n")[500])`, true)
}

func TestAPublicPageIsWritten(t *testing.T) {
	tab := open(t, stage(t), "no-notices", "@notice-new")
	tab.Click("@notice-new")
	tab.WaitVisible("@notice-save")
	tab.Click("@notice-save")
	tab.WaitText("@notice-fault", "title")
	tab.Type("@notice-title", "Rain gauge")
	tab.Click("@notice-add")
	tab.WaitVisible("@notice-item")
	tab.Type("@notice-contact", "javascript:alert(1)")
	tab.Click("@notice-save")
	tab.WaitText("@notice-fault", "mailto:")
	tab.Eval(`document.querySelector("[data-test=notice-contact]").value = ""`, nil)
	tab.Click("@notice-save")
	tab.WaitVisible("@notice-url")
	is(t, tab, "what is said", `engine.asked.find(a => a.method === "notice.put").params.items[0].what`, "Flow")
	tab.Click("@dialog-close")
	tab.WaitVisible("@state-empty")
}

func TestAThingIsAddedHere(t *testing.T) {
	server := stage(t)
	tab := open(t, server, "add", "@no-lan")
	is(t, tab, "a way to claim from the Internet", `document.querySelector("[data-test=claim]") === null`, true)
	tab.Open(scene(server, "add", "en") + "&lan=1")
	tab.WaitVisible("@claim")
	tab.Type("@claim-url", "https://example.org/")
	tab.Click("@claim")
	tab.WaitText("@claim-fault", "not a line")
	tab.Eval(`document.querySelector("[data-test=claim-url]").value = "http://192.168.1.2:8410#k=abc"`, nil)
	tab.Click("@claim")
	tab.WaitText("@claim-fault", "one-time code")
	tab.Type("@claim-code", "ABCD-EFGH")
	tab.Click("@claim")
	tab.WaitFor(`engine.asked.some(a => a.method === "claim")`)
	tab.Click("@start-sandbox")
	tab.WaitText("@toasts", "thermometer")
	tab.WaitVisible("@things")
}

func TestSomebodyIsAsked(t *testing.T) {
	tab := open(t, stage(t), "ask", "@ask-go")
	tab.Click("@ask-go")
	tab.WaitVisible("@address-wrong")
	tab.Type("@address", "bob@s.example")
	tab.Click("@ask-go")
	tab.WaitText("@ask-fault", "which value")
	tab.Type("@ask-want", "power")
	tab.Click("@ask-go")
	tab.WaitText("@toasts", "has your request")
	is(t, tab, "asked", `JSON.stringify((({account, wants, precision}) => ({account, wants, precision}))(engine.asked.find(a => a.method === "ask").params))`,
		`{"account":"bob@s.example","wants":["power"],"precision":{"every":"15m","stat":"mean"}}`)
	tab.WaitVisible("@card")
}

func TestGraveNotesStay(t *testing.T) {
	tab := open(t, stage(t), "things", "@card")
	tab.Eval(`engine.tell({kind: "note", text: "engine.storage-evicted"})`, nil)
	tab.Eval(`engine.tell({kind: "note", text: "engine.storage-evicted"})`, nil)
	tab.WaitVisible("@status-pinned")
	is(t, tab, "banners", `document.querySelectorAll("[data-test=status-pinned]").length`, 1)
	tab.Click("@unpin")
	tab.WaitGone("@status-pinned")
}

func TestOffline(t *testing.T) {
	tab := open(t, stage(t), "things", "@card")
	tab.Offline(true)
	tab.WaitVisible("@status-offline")
	tab.WaitVisible("@card") // what came before is still there
	tab.Offline(false)
	tab.WaitGone("@status-offline")
}

func TestAThingFollowsWhatIsShared(t *testing.T) {
	tab := open(t, stage(t), "thing", "@readout")
	tab.WaitText("@lock", "2 people have this")
	tab.Eval(`engine.scene.answers.things = (ask => async () => {
		const result = structuredClone(await ask());
		result.things[0].affordances[0].people = 3;
		return result;
	})(engine.scene.answers.things)`, nil)
	tab.Eval(`engine.tell({kind: "grants"})`, nil)
	tab.WaitText("@lock", "3 people have this")
}

func TestTheEngineComesBack(t *testing.T) {
	tab := open(t, stage(t), "storage-full", "@engine-failed")
	tab.Eval(`engine.become("ready")`, nil)
	tab.WaitVisible("@card")
	// Later, what is there stays, and a line says what is wrong.
	tab.Eval(`engine.become({failed: "engine-crashed"})`, nil)
	tab.WaitVisible("@status-failed")
	tab.WaitVisible("@card")
	tab.Eval(`engine.become("ready")`, nil)
	tab.WaitGone("@status-failed")
}

func TestAnotherTabIsLeft(t *testing.T) {
	tab := open(t, stage(t), "other-tab", "@take-over")
	tab.Click("@take-over")
	tab.WaitGone("@status-other-tab")
}

// TestAPressedCardStays: what comes between press and release takes no click.
func TestAPressedCardStays(t *testing.T) {
	tab := open(t, stage(t), "things", "@card")
	tab.Hold("@card a", func() {
		tab.Eval(`engine.scene.answers.things = (ask => async () => {
			const result = structuredClone(await ask());
			result.things[0].title = "Renamed meanwhile";
			window.asked = true;
			return result;
		})(engine.scene.answers.things)`, nil)
		tab.Eval(`engine.tell({kind: "things"})`, nil)
		tab.WaitFor(`window.asked`)
		is(t, tab, "renamed while pressed", `document.querySelector("[data-test=things]").textContent.includes("Renamed meanwhile")`, false)
	})
	tab.WaitVisible("@thing")
	tab.Eval(`location.hash = "#/"`, nil)
	tab.WaitFor(`document.querySelector("[data-test=things]")?.textContent.includes("Renamed meanwhile")`)
}

// TestAPressedGrantStays: neither does a list of grants.
func TestAPressedGrantStays(t *testing.T) {
	tab := open(t, stage(t), "grants", "@grant")
	tab.Hold("@grant-more", func() {
		tab.Eval(`engine.tell({kind: "grants"})`, nil)
		tab.Eval(`new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))`, nil)
	})
	tab.WaitVisible("@grant-page")
}
