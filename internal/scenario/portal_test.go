package scenario

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"primum/client"
	"primum/client/nethttp"
	"primum/grant"
	"primum/identity"
	"primum/internal/clock"
	"primum/internal/edge"
	"primum/internal/edge/mqtt"
	"primum/internal/webtest"
)

// TestPortalStory is the whole story clicked through in real browsers, with a
// broker, an edge and two nodes that know each other only by name: Ada, whose
// house it is; Ben, whose account is at the other node; an adviser who asks; and
// Cleo, who has no account and opens a link (L6, L8, L15).
func TestPortalStory(t *testing.T) {
	p := newPages(t)
	ada := p.signUp(t, p.w.h.BaseURL(), "ada")
	p.claimHouse(t, ada)
	ben := p.signUp(t, p.w.s.BaseURL(), "ben")

	// She shares unasked: the flow, as it changes.
	began := time.Now()
	p.share(t, ada, "water/flow", "ben@"+p.w.s.Authority(), false)
	p.firstValue(t, ben, "flow")
	t.Logf("opt-in to first value: %v", time.Since(began).Round(time.Millisecond))

	// A lamp that he may switch, and switches.
	p.share(t, ada, "lamp/state", "ben@"+p.w.s.Authority(), true)
	p.switchLamp(t, ben)
	p.whoSaw(t, ada, "ben")

	// Somebody asks; she sees her own values as they would be seen, and says yes.
	p.answer(t, ada)

	// Cleo opens a link.
	cleo := p.shareByLink(t, ada)

	// She stops all three; each tells what happened.
	p.stopAll(t, ada)
	cleo.WaitVisible("@guest-ended")
	ben.Open(p.w.s.BaseURL() + "/my#/grants")
	ben.WaitVisible("@grants-ended")
}

// pages is a world of real time with a house in it, for browsers.
type pages struct {
	w    *world
	home *broker
	edge *edge.Edge
}

func newPages(t *testing.T) *pages {
	t.Helper()
	if !webtest.Available() {
		webtest.NewTab(t) // skips, or fails where all is needed
	}
	real := clock.Real()
	dir := t.TempDir()
	p := &pages{w: &world{
		h: startNode(t, "h.localhost", filepath.Join(dir, "h"), real),
		s: startNode(t, "s.localhost", filepath.Join(dir, "s"), real),
	}}
	p.home = startBroker(t, "house/lamp/set")
	announceOwn(t, p.home)
	p.edge = p.runEdge(t)
	eventually(t, "find the things", func() bool { return hasThings(p.edge, false) })
	p.live(t)
	return p
}

// runEdge runs the edge on the machine's clock.
func (p *pages) runEdge(t *testing.T) *edge.Edge {
	t.Helper()
	e, _ := runEdgeBy(t, edge.Config{
		Dir: filepath.Join(t.TempDir(), "edge"), Broker: &mqtt.Options{URL: p.home.URL()},
		Settle: time.Millisecond, Clock: clock.Real(), Listen: "127.0.0.1:0",
	}, client.Calls{Transport: nethttp.New(nethttp.Options{}), Clock: clock.Real()})
	return e
}

// live lets the meter speak, and the lamp do what it is told, until the test
// ends.
func (p *pages) live(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	tick := time.NewTicker(250 * time.Millisecond)
	go func() {
		defer close(done)
		defer tick.Stop()
		for i := 0; ; i++ {
			select {
			case <-ctx.Done():
				return
			case m := <-p.home.heard:
				_ = p.home.devices.Publish(ctx, "house/lamp/state", m.Payload, true)
			case <-tick.C:
				_ = p.home.devices.Publish(ctx, "house/water", fmt.Appendf(nil, `{"flow":%d.5}`, 10+i%7), false)
			}
		}
	}()
	t.Cleanup(func() { cancel(); <-done })
}

// signUp makes an account in a browser of its own, by a passkey.
func (p *pages) signUp(t *testing.T, base, user string) *webtest.Tab {
	t.Helper()
	began := time.Now()
	tab := webtest.NewTab(t)
	tab.Authenticator()
	tab.Open(base + "/my")
	tab.Type("@name", user)
	tab.Click("@create")
	tab.Click("@make-passkey")
	tab.Click("@noted")
	tab.Click("@skip-check")
	tab.WaitVisible("@first-sandbox")
	t.Logf("%s: from the page to an account with a passkey: %v", user, time.Since(began).Round(time.Millisecond))
	return tab
}

// claimHouse makes the edge Ada's, by the address and the code on its terminal.
func (p *pages) claimHouse(t *testing.T, ada *webtest.Tab) {
	t.Helper()
	code, err := p.edge.NewCode()
	if err != nil {
		t.Fatal(err)
	}
	ada.Click("@first-add")
	ada.Type("@claim-url", p.edge.ClaimURL())
	ada.Type("@claim-code", code)
	ada.Click("@claim")
	ada.WaitVisible("@things @card")
}

// share gives one affordance to somebody by address, as it changes.
func (p *pages) share(t *testing.T, ada *webtest.Tab, path, with string, switches bool) {
	t.Helper()
	p.openShare(t, ada, path)
	ada.Type("@address", with)
	ada.Click("@look-up")
	ada.WaitVisible("@person")
	if switches {
		ada.Click("@may-switch")
	}
	ada.Click("@share-go")
	ada.WaitVisible("@share-given")
}

// openShare opens the sharing of an affordance, with the finest precision.
func (p *pages) openShare(t *testing.T, ada *webtest.Tab, path string) {
	t.Helper()
	ada.Eval(`location.hash = "#/"`, nil)
	ada.WaitVisible("@things @card")
	ada.Eval(`location.hash = "#/share"`, nil)
	_, name, _ := strings.Cut(path, "/")
	row := `@share-which a[href$="/` + name + `"]`
	ada.Click(row)
	ada.WaitVisible("@share-what")
	ada.Set("@fine-range", "0")
}

// firstValue waits until a shared value shows.
func (p *pages) firstValue(t *testing.T, tab *webtest.Tab, name string) {
	t.Helper()
	tab.Eval(`location.hash = "#/"`, nil)
	tab.WaitVisible("@things @card")
	tab.WaitFor(`[...document.querySelectorAll('[data-test=card]')].some(c => /\d/.test(c.querySelector('primum-value')?.textContent ?? ""))`)
}

// switchLamp switches the lamp over and waits for the lamp's own answer.
func (p *pages) switchLamp(t *testing.T, ben *webtest.Tab) {
	t.Helper()
	ben.Eval(`location.hash = "#/"`, nil)
	ben.Click(`@card a[href*="state"]`)
	ben.WaitVisible("@control")
	ben.Shot("story-lamp", webtest.Light)
	began := time.Now()
	ben.Click("@control label:has(input[value=ON])")
	ben.WaitVisible(".answer.done")
	t.Logf("lamp switched and answered: %v", time.Since(began).Round(time.Millisecond))
}

// answer lets an organisation ask, and Ada say yes on its page.
func (p *pages) answer(t *testing.T, ada *webtest.Tab) {
	t.Helper()
	adviser := p.organisation(t)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	purpose, err := grant.FindPurpose("energy advice")
	if err != nil {
		t.Fatal(err)
	}
	_, err = adviser.Ask(ctx, "ada@"+p.w.h.Authority(), grant.Request{
		Service: "Energy advice", Name: "Energy advice", Purpose: purpose,
		Wants: []grant.Want{{Name: "water/flow", Actions: strings.Fields(readOps), Precision: grant.Precision{Every: grant.Duration(time.Second), Stat: grant.Mean}}},
		For:   7 * grant.Day, Retention: 30 * grant.Day, DeletesWithin: 30 * grant.Day, Notice: grant.NewNotice("en", "to see how much water flows"),
	})
	if err != nil {
		t.Fatalf("ask: %v", err)
	}
	ada.Eval(`location.hash = "#/requests"`, nil)
	ada.Click("@look")
	ada.WaitVisible("@preview-plot")
	ada.Shot("story-request", webtest.Light, webtest.Dark, webtest.Phone390)
	ada.Click("@yes")
	ada.WaitVisible("@request-given")
	for v := range adviser.Watch(ctx, "water/flow") {
		if _, ok := v.Number(); ok {
			return
		}
	}
	t.Error("the adviser saw no value")
}

func (p *pages) organisation(t *testing.T) *client.Client {
	t.Helper()
	v := signUp(t, p.w.s, clock.Real(), "adviser", identity.Organisation, "Energy advice")
	return openClient(t, optionsOf(t, v, clock.Real()))
}

// shareByLink makes a link, which Cleo opens; the words agree; she sees values.
func (p *pages) shareByLink(t *testing.T, ada *webtest.Tab) *webtest.Tab {
	t.Helper()
	p.openShare(t, ada, "water/flow")
	ada.Click(`@share-kind input[value=link]`)
	ada.Type("@link-name", "Cleo")
	ada.Click("@share-go")
	url := ada.Text("@link-url")
	began := time.Now()
	cleo := webtest.NewTab(t)
	cleo.MayReach(p.w.h.Authority())
	cleo.Open(url)
	theirs := cleo.Text("@guest-words")
	if ours := ada.Text("@link-words"); ours != theirs {
		t.Fatalf("the words are %q here and %q there", ours, theirs)
	}
	cleo.Shot("story-guest-words", webtest.Light, webtest.Phone390)
	ada.Click("@words-same")
	ada.WaitVisible("@link-given")
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(strings.Join(cleo.Requests(), "\n"))
			t.Log(strings.Join(cleo.Problems(), "\n"))
		}
	})
	cleo.WaitFor(`/\d/.test(document.querySelector('primum-value')?.textContent ?? "")`)
	t.Logf("link opened to first value: %v", time.Since(began).Round(time.Millisecond))
	cleo.Shot("story-guest", webtest.Light, webtest.Dark, webtest.Phone390)
	return cleo
}

// stopAll stops every grant that runs.
func (p *pages) stopAll(t *testing.T, ada *webtest.Tab) {
	t.Helper()
	ada.Eval(`location.hash = "#/grants"`, nil)
	ada.WaitVisible("@stop-button")
	ada.Shot("story-grants", webtest.Light, webtest.Dark, webtest.Phone390)
	for i, left := 1, ada.Count("@stop-button"); left > 0; i, left = i+1, left-1 {
		began := time.Now()
		ada.Click("@stop-button")
		ada.WaitVisible("@stop-done")
		t.Logf("stop %d to both locks shown: %v", i, time.Since(began).Round(time.Millisecond))
		if i == 1 {
			ada.Shot("story-stopped", webtest.Light, webtest.Phone390)
		}
		ada.Eval(`location.hash = "#/"`, nil)
		ada.WaitVisible("@things @card")
		ada.Eval(`location.hash = "#/grants"`, nil)
		ada.WaitVisible("@grants-given")
		ada.WaitFor(fmt.Sprintf(`document.querySelectorAll("[data-test=stop-button]").length === %d`, left-1))
	}
}

// TestP1PortalLeavesTheNodeBlind (P1): a node that serves the pages, and a house
// whose values two browsers open: what they show stands nowhere at the node's
// process, in its memory, files, log, pages or backup.
func TestP1PortalLeavesTheNodeBlind(t *testing.T) {
	if !webtest.Available() {
		webtest.NewTab(t) // skips, or fails where all is needed
	}
	dir := t.TempDir()
	n := serveProgram(t, filepath.Join(dir, "data"))
	value, name := newCanary(), newCanary()
	p := &pages{home: startBroker(t)}
	p.home.publish(t, "homeassistant/sensor/note/text/config", fmt.Sprintf(`{"name":"Text","unique_id":"note_text","state_topic":"house/note",
		"value_template":"{{ value_json.text }}","device":{"identifiers":["note"],"name":"%s"}}`, name), true)
	p.edge = p.runEdge(t)
	eventually(t, "find the thing", func() bool { return len(p.edge.Overview().Things) == 1 })
	ada := p.signUp(t, n.URL, "ada")
	p.claimHouse(t, ada)
	p.home.publish(t, "house/note", fmt.Sprintf(`{"text":"%s"}`, value), true)
	shown := func(what string) string {
		return fmt.Sprintf(`document.querySelector("[data-test=things]").innerText.includes(%q)`, what)
	}
	ada.WaitFor(shown(value) + " && " + shown(name))
	ben := p.signUp(t, n.URL, "ben")
	p.share(t, ada, "note/text", "ben@"+n.Authority, false)
	p.home.publish(t, "house/note", fmt.Sprintf(`{"text":"%s"}`, value+"."), true) // a change
	p.home.publish(t, "house/note", fmt.Sprintf(`{"text":"%s"}`, value), true)
	ben.Eval(`location.hash = "#/"`, nil)
	ben.WaitFor(`document.querySelector("[data-test=things]") && ` + shown(value) + " && " + shown(name))

	look := filepath.Join(dir, "look")
	n.takeEverything(t, look)
	c := canaries{value: value, command: newCanary(), home: name, title: name}
	for _, hit := range searchTree(t, look, c.forms()) {
		t.Errorf("found %s", strings.TrimPrefix(hit, look))
	}
	if hits := searchTree(t, look, canaryForms("ben@"+n.Authority)); len(hits) == 0 {
		t.Error("positive control: who shares is known to a node, and was not found")
	}
}
