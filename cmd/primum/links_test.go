package main

import (
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"primum/client/guest"
	"primum/client/nethttp"
	"primum/internal/engine"
)

// guestPage is a guest's browser, without the page.
type guestPage struct {
	t *testing.T
	*engine.Engine
}

func openGuest(t *testing.T, url string) *guestPage {
	t.Helper()
	l, err := guest.Parse(url)
	if err != nil {
		t.Fatal(err)
	}
	e, err := engine.New(engine.Options{Dir: t.TempDir(), Transport: nethttp.New(nethttp.Options{})})
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for range e.Events() { // nobody listens
		}
	}()
	t.Cleanup(func() { _ = e.Close() })
	g := &guestPage{t, e}
	g.ask("link.open", engine.LinkOpenParams{Node: l.Authority, ID: l.ID.String(), Secret: l.SecretText()})
	return g
}

func (g *guestPage) ask(method string, in any) (s engine.LinkGuest) {
	g.t.Helper()
	raw, err := json.Marshal(in)
	if err != nil {
		g.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	out, err := g.Call(ctx, method, raw)
	if err == nil {
		err = json.Unmarshal(out, &s)
	}
	if err != nil {
		g.t.Fatalf("%s: %v", method, err)
	}
	return s
}

// at waits until the guest is in a state.
func (g *guestPage) at(state string) engine.LinkGuest {
	g.t.Helper()
	for end := time.Now().Add(30 * time.Second); ; {
		s := g.ask("link.state", struct{}{})
		if s.State == state {
			return s
		}
		if time.Now().After(end) {
			g.t.Fatalf("the guest is at %+v, not at %s", s, state)
		}
	}
}

// startTyping starts a command whose input is typed while it runs.
func (m *machine) startTyping(args ...string) (b *background, typed io.Writer) {
	m.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	b = &background{out: &syncBuffer{}, err: &syncBuffer{}}
	in, typed, err := os.Pipe()
	if err != nil {
		m.t.Fatal(err)
	}
	s := m.surroundings(b.out, b.err)
	s.in = in
	done := make(chan int, 1)
	go func() { done <- run(ctx, s, args) }()
	b.stop = func() int {
		cancel()
		code := <-done
		done <- code
		return code
	}
	m.t.Cleanup(func() { b.stop() })
	m.t.Cleanup(func() { _ = in.Close() })
	return b, typed
}

// TestStoryShareByLink: a person at the terminal and one with a browser and no
// account.
func TestStoryShareByLink(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	flow := w.path(t, "flow")
	w.owner.want(exitUsage, "can't compare", "share", flow, "--link", "--for", "1d", "--yes")
	w.owner.want(exitUsage, "leave WHO out", "share", flow, w.friendName, "--link", "--for", "1d")
	w.owner.want(exitUsage, "say until when", "share", flow, "--link")
	w.owner.want(exitFailed, "none of your things", "share", "no/thing", "--link", "--for", "1d")

	share, typed := w.owner.startTyping("share", flow, "--link", "--for", "1d", "--every", "1s", "--json")
	page := openGuest(t, share.out.find(t, `"url":"([^"]+)"`))
	words := share.out.find(t, `"words":"([^"]+)"`)
	if g := page.at("words"); g.Words != words || g.Owner != w.ownerName {
		t.Fatalf("the guest sees %+v, the terminal says %q", g, words)
	}
	if _, err := io.WriteString(typed, "y\n"); err != nil {
		t.Fatal(err)
	}
	grant := share.out.find(t, `"grant":"([^"]+)"`)
	page.at("given")
	share.stop()
	if out := jsonLines(t, w.owner.ok("links", "--json"))[0]; out["state"] != "given" || out["grant"] != grant || out["url"] != nil {
		t.Errorf("links: %v", out)
	}
	w.owner.want(exitFailed, "withdraw", "links", "cancel", jsonLines(t, w.owner.ok("links", "--json"))[0]["link"].(string))
	w.owner.ok("withdraw", grant)
	page.at("ended")
	w.owner.want(exitDone, "ended", "links")
}

// TestStoryLinkLeftAndRefused: Ctrl-C leaves a link open; it is resumed; the
// words differ; nothing is given.
func TestStoryLinkLeftAndRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	flow := w.path(t, "flow")
	w.owner.want(exitDone, "made no links", "links")
	w.owner.tty = true
	share, _ := w.owner.startTyping("share", flow, "--link", "--for", "1d")
	url := share.out.find(t, `(http://link\.\S+)`)
	if !strings.Contains(share.out.String(), "█") || !strings.Contains(share.out.String(), flow) {
		t.Errorf("no QR code, or not what would be given:\n%s", share.out)
	}
	if code := share.stop(); code != exitDone {
		t.Errorf("Ctrl-C: exit %d", code)
	}
	id := share.err.find(t, `primum links resume (\w+)`)
	w.owner.want(exitDone, "nobody came yet", "links")
	w.owner.want(exitFailed, "no link", "links", "resume", "zzzz")
	page := openGuest(t, url)
	page.at("waiting")
	resume, typed := w.owner.startTyping("links", "resume", id[:6])
	words := resume.out.find(t, `\n    (\w+ \w+)\n`)
	if g := page.at("words"); g.Words != words {
		t.Errorf("the guest sees %q, the terminal %q", g.Words, words)
	}
	if _, err := io.WriteString(typed, "n\n"); err != nil {
		t.Fatal(err)
	}
	resume.err.find(t, `(Nothing was given)`)
	if code := resume.stop(); code != exitFailed {
		t.Errorf("refused: exit %d", code)
	}
	page.at("refused")
	w.owner.want(exitFailed, "has ended", "links", "resume", id)
	w.owner.tty = false
	if grants := w.owner.ok("grants", "--all", "--json"); strings.Contains(grants, "guest-") {
		t.Errorf("something was given: %s", grants)
	}
	other, _ := w.owner.startTyping("share", flow, "--link", "--for", "1d", "--json")
	id = other.out.find(t, `"link":"([^"]+)"`)
	other.stop()
	w.owner.want(exitDone, "The link has ended", "links", "cancel", id)
}

// TestStoryAlerts: a limit rings once, with a program that shows notifications
// and without.
func TestStoryAlerts(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	flow := w.path(t, "flow")
	w.owner.want(exitUsage, "--notify needs a limit", "watch", flow, "--notify")
	w.owner.ok("share", flow, w.friendName, "--every", "1s", "--for", "7d", "--yes")
	watch := w.friend.start("watch", flow, "--above", "-1000", "--notify", "--json", "--count", "3")
	watch.out.find(t, `("alert":"above","limit":"-1000")`)
	watch.out.find(t, `(?s)("value".*"value".*"value".*"value")`) // three values and a ring
	watch.stop()
	if n := strings.Count(watch.out.String(), `"alert"`); n != 1 || !strings.Contains(watch.err.String(), "\a") {
		t.Errorf("%d rings, and said %q", n, watch.err)
	}
	dir := t.TempDir()
	shown := filepath.Join(dir, "shown")
	script := "#!/bin/sh\nprintf '%s|' \"$@\" >> " + shown + "\n"
	if err := os.WriteFile(filepath.Join(dir, "notify-send"), []byte(script), 0o700); err != nil { //nolint:gosec // it must run
		t.Fatal(err)
	}
	w.friend.env["PATH"] = dir
	w.friend.ok("watch", flow, "--below", "1e9", "--notify", "--json", "--count", "1")
	b, err := os.ReadFile(shown)
	if err != nil || !strings.HasPrefix(string(b), "--app-name=Primum|--|Primum|"+flow+" is below 1e+09: ") || strings.Count(string(b), "Primum|") != 2 {
		t.Errorf("notified %q, %v", b, err)
	}
}
