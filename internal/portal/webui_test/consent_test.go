package webui_test

import (
	"encoding/base64"
	"encoding/json"
	"os"
	"regexp"
	"testing"

	"primum/internal/webtest"
)

// consentStates are the scenes of requests, grants, sharing, links and of the
// guest's page, and what shows that each has come to its end.
var consentStates = []struct{ scene, ready string }{
	{"requests", "@request"},
	{"requests-none", "@requests-empty"},
	{"requests-failed", "@state-error"},
	{"request", "@preview-plot"},
	{"request-switch", "@preview-plot"},
	{"request-strange", "@preview-plot"},
	{"request-foreign", "@nothing-fits"},
	{"request-gone", "@request-gone"},
	{"request-nothing-measured", ".preview-none"},
	{"request-no-preview", ".preview-none"},
	{"connect", "@preview-plot"},
	{"connect-each", "@look"},
	{"connect-strange", "@preview-plot"},
	{"connect-gone", "@state-error"},
	{"connect-none", "@connect-none"},
	{"grants", "@grant"},
	{"grants-none", "@grants-empty"},
	{"grants-of-one", "@grant"},
	{"grant", "@terms"},
	{"grant-not-compared", "@terms"},
	{"grant-unconfirmed", "@stop-unconfirmed"},
	{"grant-received", "@terms"},
	{"grant-unknown", "@grant-unknown"},
	{"share", "@preview-plot"},
	{"share-switch", "@preview-plot"},
	{"share-words", ".preview-none"},
	{"share-pick", "@share-which"},
	{"share-none", "@share-empty"},
	{"share-unknown", "@share-unknown"},
	{"links", "@link"},
	{"links-none", "@links-empty"},
	{"link-open", "@qr"},
	{"link-elsewhere", "@link-waiting"},
	{"link-arrived", "@link-words"},
	{"link-given", "@link-given"},
	{"link-expired", "@link-expired"},
	{"link-ended", "@link-ended"},
	{"link-forged", "@link-ended"},
	{"link-unknown", "@link-gone"},
	{"guest-opening", "@guest-opening"},
	{"guest-waiting", "@guest-waiting"},
	{"guest-words", "@guest-words"},
	{"guest-given", "@guest-card"},
	{"guest-first", "@guest-wait"},
	{"guest-valve", "@control"},
	{"guest-paused", ".warn-line"},
	{"guest-refused", "@guest-refused"},
	{"guest-expired", "@guest-expired"},
	{"guest-used", "@guest-used"},
	{"guest-ended", "@guest-ended"},
	{"guest-other", "@guest-other"},
	{"guest-busy", "@guest-busy"},
	{"guest-failed", "@guest-failed"},
	{"guest-storage", "@guest-failed"},
}

// TestEveryConsentState opens each state; see lookAt.
func TestEveryConsentState(t *testing.T) {
	server := stage(t)
	for _, s := range consentStates {
		t.Run(s.scene, func(t *testing.T) { lookAt(t, server, "consent-", s.scene, s.ready) })
	}
}

// noOverflow: nobody has to scroll sideways.
func noOverflow(t *testing.T, tab *webtest.Tab) {
	t.Helper()
	var wide int
	tab.Eval("document.documentElement.scrollWidth - document.documentElement.clientWidth", &wide)
	if wide > 0 {
		t.Errorf("the page is %d px too wide for a phone", wide)
	}
}

// says waits until an element has this text; marks that isolate directions and
// line ends don't count.
func says(tab *webtest.Tab, sel, text string) {
	tab.WaitVisible(sel)
	tab.WaitFor(`document.querySelector(` + quote(mark.ReplaceAllString(sel, `[data-test="$1"]`)) + `)?.innerText.replace(/[\u2066-\u2069]/g, "").replace(/\s+/g, " ").includes(` + quote(text) + `)`)
}

var mark = regexp.MustCompile(`@([a-z-]+)`)

// TestStopIsNamedInGerman: who says aloud what is written presses the button.
func TestStopIsNamedInGerman(t *testing.T) {
	tab := webtest.NewTab(t)
	tab.View(webtest.Phone390)
	tab.Open(scene(stage(t), "grants", "de"))
	tab.WaitVisible("@stop-button")
	tab.Axe()
}

// asked is what the page has asked the engine for by a method, oldest first.
func asked[P any](t *testing.T, tab *webtest.Tab, method string) (out []P) {
	t.Helper()
	var raw string
	tab.Eval(`JSON.stringify(engine.asked.filter(a => a.method === "`+method+`").map(a => a.params))`, &raw)
	if err := json.Unmarshal([]byte(raw), &out); err != nil {
		t.Fatalf("%s: %v", method, err)
	}
	return out
}

type precision struct {
	Every, Stat string
	Round       float64
	Change      bool
}

type share struct {
	Ref       struct{ Home, Thing, Name string }
	Ops       []string
	Precision precision
}

type given struct {
	Account, Request, Until, Notice, Language, Purpose string
	Share                                              []share
}

// TestSliderIsNeverFinerThanAsked: it starts as asked, goes coarser, shows one's
// own day as it would be seen, and what is chosen is what is given.
func TestSliderIsNeverFinerThanAsked(t *testing.T) {
	tab := webtest.NewTab(t)
	tab.Open(scene(stage(t), "request", "en"))
	says(tab, "@fine-words", "15 minutes")
	tab.WaitVisible("@preview-plot")
	first := tab.Attr("@preview-plot .seen", "d")
	tab.Eval(`document.querySelector("[data-test=fine-range]").focus()`, nil)
	tab.Press("Home")
	says(tab, "@fine-words", "15 minutes")
	tab.Press("ArrowRight")
	says(tab, "@fine-words", "every hour")
	tab.WaitFor(`document.querySelector("[data-test=preview-plot] .seen").getAttribute("d") !== ` + quote(first))
	if got := tab.Attr("@fine-range", "aria-valuetext"); got != "one average every hour" {
		t.Errorf("the slider says %q", got)
	}
	tab.Click("@fine-more > summary")
	tab.Click("@fine-round label:nth-of-type(3)")
	says(tab, "@fine-words", "in steps of 100")
	tab.Click("@which label:nth-of-type(2)")
	tab.Click("@preview-table > summary")
	tab.WaitVisible("@preview-table table")
	if n := tab.Count("@preview-table tbody tr"); n < 24 || n > 48 {
		t.Errorf("the table has %d rows for a day of hours", n)
	}
	tab.Click("@yes")
	tab.WaitVisible("@request-given")
	gave := asked[given](t, tab, "give")
	if len(gave) != 1 || gave[0].Request != "r1" || len(gave[0].Share) != 1 {
		t.Fatalf("gave %+v", gave)
	}
	s := gave[0].Share[0]
	if s.Ref.Thing != "plug" || s.Precision != (precision{Every: "1h", Stat: "mean", Round: 100}) {
		t.Errorf("gave %+v", s)
	}
	if gave[0].Notice == "" || gave[0].Language != "en" {
		t.Errorf("the notice as it was shown is not in what was given: %+v", gave[0])
	}
}

func quote(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// TestYesAndNoWeighTheSame: same size, colours and letters; and to leave is
// neither.
func TestYesAndNoWeighTheSame(t *testing.T) {
	server := stage(t)
	tab := webtest.NewTab(t)
	for _, look := range []webtest.Look{webtest.Light, webtest.Phone390 | webtest.Dark} {
		tab.View(look)
		tab.Open(scene(server, "request", "en"))
		tab.WaitVisible("@yes")
		var same string
		tab.Eval(`(() => {
			const [yes, no] = ["yes", "no"].map(n => document.querySelector("[data-test=" + n + "]"));
			const looks = e => { const r = e.getBoundingClientRect(), s = getComputedStyle(e);
				return [r.width, r.height, r.top, s.color, s.backgroundColor, s.border, s.fontSize, s.fontWeight].join(" "); };
			return looks(yes) === looks(no) ? "" : looks(yes) + " | " + looks(no);
		})()`, &same)
		if same != "" {
			t.Errorf("Yes and No differ: %s", same)
		}
	}
	tab.Click("@back")
	tab.WaitVisible("@request")
	if n := len(asked[any](t, tab, "refuse")) + len(asked[any](t, tab, "give")); n != 0 {
		t.Errorf("leaving the page decided %d times", n)
	}
}

func TestRefuse(t *testing.T) {
	tab := webtest.NewTab(t)
	tab.Open(scene(stage(t), "request-switch", "en"))
	tab.Click("@no")
	tab.WaitVisible("@request-refused")
	if got := asked[struct{ Request, AskAgain string }](t, tab, "refuse"); len(got) != 1 || got[0].Request != "r2" || got[0].AskAgain != "90d" {
		t.Errorf("refused %+v", got)
	}
	if f := tab.Focused(); f == "" {
		t.Error("the focus was lost")
	}
}

func TestGiveFails(t *testing.T) {
	tab := webtest.NewTab(t)
	tab.Open(scene(stage(t), "request-give-fails", "en"))
	tab.Click("@yes")
	tab.WaitVisible("@decide-problem @error")
	tab.WaitVisible("@yes")
}

func TestCompareSixWords(t *testing.T) {
	tab := webtest.NewTab(t)
	tab.Open(scene(stage(t), "request", "en"))
	tab.WaitVisible("@not-compared")
	tab.Click("@compare > summary")
	tab.WaitVisible("@code-words")
	if n := tab.Count("@code-words li"); n != 6 {
		t.Errorf("%d words", n)
	}
	tab.Shot("consent-compare", webtest.Phone390)
	tab.Axe()
	tab.Click("@compare-same")
	tab.WaitVisible("@compare-done")
	tab.WaitGone("@not-compared")
	if got := asked[struct{ Account string }](t, tab, "person.compared"); len(got) != 1 || got[0].Account != "advice@stadtwerke.example" {
		t.Errorf("compared %+v", got)
	}
}

// TestStop: one press; both locks are told as they close; the receipt is a file.
func TestStop(t *testing.T) {
	server := stage(t)
	for _, c := range []struct{ scene, end, says string }{
		{"stop", "@stop-done", "Stopped in 0.3 s. Keys changed in 0.8 s. They keep what they saw before."},
		{"stop-unconfirmed", "@stop-unconfirmed", "Stopped in 0.3 s. Not confirmed by your thing."},
		{"stop-no-node", "@stop-done", "Keys changed in 0.7 s. Your node has not answered"},
		{"stop-nothing", "@stop-unconfirmed", "Not stopped yet"},
	} {
		t.Run(c.scene, func(t *testing.T) {
			tab := webtest.NewTab(t)
			tab.Open(scene(server, c.scene, "en"))
			tab.Click("@grants-given > article:nth-of-type(1) @stop-button")
			tab.WaitVisible("@lock-one")
			says(tab, "@grants-given > article:nth-of-type(1) "+c.end, c.says)
			tab.Axe()
			tab.Shot("consent-"+c.scene, webtest.Phone390, webtest.Dark)
			if got := asked[struct{ Grant, Patience string }](t, tab, "withdraw"); len(got) != 1 || got[0].Grant != "g1" || got[0].Patience == "" {
				t.Errorf("withdrew %+v", got)
			}
		})
	}
	t.Run("receipt", func(t *testing.T) {
		tab := webtest.NewTab(t)
		tab.Open(scene(server, "stop", "en"))
		tab.WaitVisible("@stop-button")
		tab.Eval(`(() => { const make = URL.createObjectURL; URL.createObjectURL = b => { b.text().then(x => window.saved = x); return make(b); };
			HTMLAnchorElement.prototype.click = function() { window.savedAs = this.download; }; })()`, nil)
		tab.Click("@stop-button")
		tab.Click("@stop-done ~ .ways @receipt")
		tab.WaitFor("window.saved !== undefined")
		var got struct{ Grant, Receipt, Statement, LockOne, LockTwo string }
		var raw, name string
		tab.Eval("window.saved", &raw)
		tab.Eval("window.savedAs", &name)
		if err := json.Unmarshal([]byte(raw), &got); err != nil {
			t.Fatal(err)
		}
		if got.Grant != "g1" || got.Receipt == "" || got.Statement == "" || got.LockOne == "" || got.LockTwo == "" || name != "stop-g1.json" {
			t.Errorf("%s: %s", name, raw)
		}
	})
	t.Run("fails", func(t *testing.T) {
		tab := webtest.NewTab(t)
		tab.Open(scene(server, "stop-failed", "en"))
		tab.Click("@stop-button")
		tab.WaitVisible("@stop .problem")
		tab.WaitVisible("@stop @stop-button")
	})
}

// TestShareWithAPerson goes the whole way by keyboard.
func TestShareWithAPerson(t *testing.T) {
	tab := webtest.NewTab(t)
	tab.Open(scene(stage(t), "share-switch", "en"))
	tab.WaitVisible("@preview-plot")
	focusOn(t, tab, "address")
	type_(tab, "nobody@k.example")
	tab.Press("Enter")
	tab.WaitVisible("@found @error")
	type_(tab, "bea")
	tab.Press("Enter")
	tab.WaitVisible("@address-wrong")
	type_(tab, "bea@k.example")
	tab.Press("Enter")
	tab.WaitVisible("@person")
	says(tab, "@share-go", "Share with Bea")
	focusOn(t, tab, "until")
	tab.Press("ArrowLeft")
	focusOn(t, tab, "may-switch")
	tab.Press("Space")
	says(tab, "@summary", "may also switch it")
	focusOn(t, tab, "share-go")
	tab.Press("Enter")
	tab.WaitVisible("@share-given")
	gave := asked[given](t, tab, "give")
	if len(gave) != 1 || gave[0].Account != "bea@k.example" || gave[0].Purpose != "sharing with a friend" || len(gave[0].Share) != 1 {
		t.Fatalf("gave %+v", gave)
	}
	s := gave[0].Share[0]
	if s.Precision != (precision{Every: "1m", Stat: "last"}) || len(s.Ops) != 3 {
		t.Errorf("gave %+v", s)
	}
	if gave[0].Notice == "" || gave[0].Until == "" {
		t.Errorf("gave %+v", gave[0])
	}
}

// type_ puts text into the field that has the focus, in place of what is there.
func type_(tab *webtest.Tab, text string) {
	tab.Eval(`document.activeElement.select()`, nil)
	for _, r := range text {
		tab.Press(string(r))
	}
}

// focusOn presses Tab until the focus is on, or inside, what bears the mark.
func focusOn(t *testing.T, tab *webtest.Tab, mark string) {
	t.Helper()
	for range 60 {
		var there bool
		tab.Eval(`document.activeElement?.closest("[data-test=`+mark+`]") !== null`, &there)
		if there {
			return
		}
		tab.Press("Tab")
	}
	t.Fatalf("the Tab key does not lead to %s", mark)
}

// TestShareByLink: the link as text and as a code that a camera can read, then
// two words, then it is given.
func TestShareByLink(t *testing.T) {
	server := stage(t)
	tab := webtest.NewTab(t)
	tab.Open(scene(server, "share", "en"))
	tab.WaitVisible("@preview-plot")
	tab.Click("@share-kind label:nth-of-type(2)")
	tab.Type("@link-name", "Plumber")
	says(tab, "@summary", "Plumber will see")
	tab.Click("@share-go")
	tab.WaitVisible("@qr")
	url := tab.Text("@link-url")
	for _, look := range looks {
		shot := tab.Shot("consent-link-code", look)
		if got := read(t, tab, shot[0]); got != url {
			t.Errorf("%s reads %q, not %q", shot[0], got, url)
		}
	}
	tab.Eval(`Object.defineProperty(navigator, "clipboard", {value: {writeText: x => (window.copied = x, Promise.resolve())}})`, nil)
	tab.Click("@link-copy")
	tab.WaitFor("window.copied === " + quote(url))
	tab.Open(scene(server, "link-arrived", "en"))
	says(tab, "@link-words", "harbour")
	tab.Click("@words-same")
	tab.WaitVisible("@link-given")
	tab.Open(scene(server, "link-arrived", "en") + "&again")
	tab.Click("@words-differ")
	tab.WaitVisible("@link-refused")
	if n := len(asked[any](t, tab, "link.confirm")); n != 0 {
		t.Errorf("No has given %d times", n)
	}
}

// read finds the QR code in a picture of the page, with the page's own decoder.
func read(t *testing.T, tab *webtest.Tab, file string) (text string) {
	t.Helper()
	b, err := os.ReadFile(file) //nolint:gosec // a picture of this test
	if err != nil {
		t.Fatal(err)
	}
	tab.Eval(`readQR("`+base64.StdEncoding.EncodeToString(b)+`").then(x => x ?? "")`, &text)
	return text
}

// TestGuest: words, then values by themselves, new ones as they come, then the
// end.
func TestGuest(t *testing.T) {
	server := stage(t)
	tab := webtest.NewTab(t)
	tab.View(webtest.Phone390)
	tab.Open(scene(server, "guest-words", "en"))
	says(tab, "@guest-words", "harbour")
	tab.WaitVisible("@trust")
	tab.Eval(`engine.tell({kind: "links"})`, nil)
	tab.WaitVisible("@guest-card")
	tab.Eval(`engine.tell({kind: "value", ref: {grant: "g9", thing: "water", name: "flow"}, point: {at: new Date().toISOString(), number: 7.25}})`, nil)
	tab.WaitText("@guest-card primum-value", "7.25")
	tab.Open(scene(server, "guest-given", "en"))
	tab.WaitVisible("@guest-card")
	tab.Eval(`engine.tell({kind: "status"})`, nil)
	tab.WaitVisible("@guest-ended")
	tab.Open(scene(server, "guest-turned-away", "en"))
	tab.WaitVisible("@guest-words")
	tab.Eval(`engine.tell({kind: "links"})`, nil)
	tab.WaitVisible("@guest-refused")
}

// TestScan: a camera that is refused leads to the field; a picture is read; a
// code of something else gets a sentence.
func TestScan(t *testing.T) {
	server := stage(t)
	tab := webtest.NewTab(t)
	tab.Open(scene(server, "link-open", "en"))
	tab.WaitVisible("@qr")
	shot := tab.Shot("consent-scan-source", webtest.Light)[0]
	tab.Deny("camera")
	tab.Open(scene(server, "share", "en"))
	tab.Click("@scan-person")
	tab.Click("@scan-camera")
	says(tab, "@scan-said", "may not use the camera")
	tab.Axe()
	tab.Shot("consent-scan-refused", webtest.Phone390)
	give(t, tab, shot)
	says(tab, "@scan-said", "something else")
	tab.Type("@scan-typed", "acct:bea@k.example")
	tab.Click("@scan-go")
	tab.WaitVisible("@person")
	tab.WaitGone("@dialog")
}

// TestScanByCamera: the camera here is a picture that does not move.
func TestScanByCamera(t *testing.T) {
	server := stage(t)
	tab := webtest.NewTab(t)
	tab.Open(scene(server, "link-open", "en"))
	tab.WaitVisible("@qr")
	b, err := os.ReadFile(tab.Shot("consent-camera-source", webtest.Light)[0])
	if err != nil {
		t.Fatal(err)
	}
	tab.Open(scene(server, "share", "en"))
	tab.WaitVisible("@preview-plot")
	tab.Eval(`(async () => {
		const bytes = Uint8Array.from(atob("`+base64.StdEncoding.EncodeToString(b)+`"), c => c.charCodeAt(0));
		const picture = await createImageBitmap(new Blob([bytes], {type: "image/png"}));
		const canvas = Object.assign(document.createElement("canvas"), {width: picture.width, height: picture.height});
		const draw = () => canvas.getContext("2d").drawImage(picture, 0, 0);
		draw(); setInterval(draw, 50);
		window.stream = canvas.captureStream(20);
		navigator.mediaDevices.getUserMedia = async () => window.stream;
	})()`, nil)
	tab.Click("@scan-person")
	tab.Click("@scan-camera")
	says(tab, "@scan-said", "something else")
	tab.WaitVisible("@scan-stop")
	tab.Click("@dialog-close")
	tab.WaitGone("@dialog")
	tab.WaitFor(`window.stream.getTracks().every(t => t.readyState === "ended")`)
}

// give chooses a file in the scanner's file field.
func give(t *testing.T, tab *webtest.Tab, file string) {
	t.Helper()
	b, err := os.ReadFile(file) //nolint:gosec // a picture of this test
	if err != nil {
		t.Fatal(err)
	}
	tab.Eval(`(() => {
		const bytes = Uint8Array.from(atob("`+base64.StdEncoding.EncodeToString(b)+`"), c => c.charCodeAt(0));
		const bag = new DataTransfer(); bag.items.add(new File([bytes], "code.png", {type: "image/png"}));
		const field = document.querySelector("[data-test=scan-file]"); field.files = bag.files;
		field.dispatchEvent(new Event("change"));
	})()`, nil)
}

// TestConnectIsAnsweredToTheService: a yes names the service and the ask that
// were shown; a no sends nothing at all.
func TestConnectIsAnsweredToTheService(t *testing.T) {
	server := stage(t)
	tab := webtest.NewTab(t)
	tab.View(webtest.Phone390)
	tab.Open(scene(server, "connect-each", "en"))
	says(tab, "@service", "Energy check")
	tab.Eval(`document.querySelectorAll("[data-test=look]")[1].click()`, nil)
	tab.WaitVisible("@preview-plot")
	says(tab, "@notice", "quarter hours")
	says(tab, "@tied", "5 % off the base price")
	tab.Click("@no")
	says(tab, "@request-refused", "Nothing was sent")
	if n := len(asked[json.RawMessage](t, tab, "refuse")) + len(asked[json.RawMessage](t, tab, "give")); n != 0 {
		t.Errorf("a no was sent %d times", n)
	}
	tab.Open(scene(server, "connect-none", "en"))
	tab.Type("@connect-url", "nothing")
	tab.Click("@connect-go")
	tab.WaitText("@connect-fault", "no address of a service")
	tab.Eval(`location.hash = "#/connect/%3Cx%3E/y"`, nil)
	tab.WaitFor(`document.querySelector("[data-test=connect-url]")?.value === ""`)
	tab.WaitText("@connect-fault", "no address of a service")
	tab.Set("@connect-url", "https://Stadtwerke.example/services/energy-check?at=ada%40h.example")
	tab.Click("@connect-go")
	tab.WaitVisible("@preview-plot")
	if got := asked[map[string]string](t, tab, "service"); len(got) != 1 || got[0]["node"] != "stadtwerke.example" || got[0]["name"] != "energy-check" {
		t.Errorf("asked for %v", got)
	}
	tab.Click("@yes")
	tab.WaitVisible("@request-given")
	given := asked[struct {
		Account, Request string
		Service          struct {
			Node, Name string
			Ask        int
		}
	}](t, tab, "give")
	if len(given) != 1 || given[0].Request != "" || given[0].Service.Name != "energy-check" || given[0].Account != "advice@stadtwerke.example" {
		t.Errorf("given %+v", given)
	}
}

// TestConnectAfterTheFirstRun: who comes for a service without an account makes
// one, and is then where they wanted to be.
func TestConnectAfterTheFirstRun(t *testing.T) {
	tab := webtest.NewTab(t)
	tab.Open(scene(stage(t), "connect-new", "en"))
	tab.WaitFor(`location.hash === "#/welcome"`)
	// The same from a page that is open without an account.
	tab.Eval(`location.hash = "#/restore"`, nil)
	tab.WaitVisible("@restore-account")
	tab.Eval(`location.hash = "#/connect/stadtwerke.example/energy-check"`, nil)
	tab.WaitFor(`location.hash === "#/welcome"`)
	tab.Eval(`engine.tell({ kind: "status", status: { phase: "open", account: "ada@h.example", online: true } })`, nil)
	tab.Eval(`location.hash = "#/add"`, nil)
	tab.WaitVisible("@no-lan")
	tab.Eval(`location.hash = "#/"`, nil)
	says(tab, "@service", "Energy check")
	tab.Eval(`location.hash = "#/"`, nil)
	tab.WaitVisible("@card")
}
