package scenario

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"primum/client"
	"primum/client/guest"
	"primum/client/nethttp"
	"primum/internal/clock"
	"primum/internal/engine"
)

// browser is an engine as a page has it.
type browser struct {
	t *testing.T
	*engine.Engine
	told chan engine.Event
}

// newBrowser opens an engine in a directory until the test ends.
func newBrowser(t *testing.T, dir string, transport client.Transport) *browser {
	t.Helper()
	if transport == nil {
		transport = nethttp.New(nethttp.Options{})
	}
	e, err := engine.New(engine.Options{Dir: dir, Transport: transport})
	if err != nil {
		t.Fatal(err)
	}
	b := &browser{t: t, Engine: e, told: make(chan engine.Event, 4096)}
	go func() {
		for v := range e.Events() {
			select {
			case b.told <- v:
			default: // nobody reads: the test asks again
			}
		}
	}()
	t.Cleanup(func() { _ = e.Close() })
	return b
}

// ask calls a method and reads its answer.
func ask[T any](b *browser, method string, in any) T {
	b.t.Helper()
	out, err := tryAsk[T](b, method, in)
	if err != nil {
		b.t.Fatalf("%s: %v", method, err)
	}
	return out
}

func tryAsk[T any](b *browser, method string, in any) (out T, err error) {
	b.t.Helper()
	raw, err := json.Marshal(in)
	if err != nil {
		b.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	answer, err := b.Call(ctx, method, raw)
	if err == nil {
		err = json.Unmarshal(answer, &out)
	}
	return out, err
}

// refusedAs checks an engine's refusal.
func refusedAs(t *testing.T, err error, code string) {
	t.Helper()
	var shown *engine.Error
	if !errors.As(err, &shown) || shown.Code != code {
		t.Errorf("refused with %v, want %s", err, code)
	}
}

// linkOwner is a browser with an account and a thermometer of its own.
func linkOwner(t *testing.T, authority string) (*browser, engine.Ref) {
	t.Helper()
	return linkOwnerBy(t, authority, nil)
}

// linkOwnerBy is linkOwner by a transport.
func linkOwnerBy(t *testing.T, authority string, transport client.Transport) (*browser, engine.Ref) {
	t.Helper()
	b := newBrowser(t, t.TempDir(), transport)
	ask[engine.Created](b, "account.create", engine.CreateParams{Account: "ada@" + authority, Name: "Ada", Client: "phone"})
	ask[engine.HomeResult](b, "sandbox.start", nil)
	return b, b.thermometer()
}

// thermometer waits for the sandbox's.
func (b *browser) thermometer() (ref engine.Ref) {
	b.t.Helper()
	eventually(b.t, "the thermometer is there", func() bool {
		for _, th := range ask[engine.ThingsResult](b, "things", nil).Things {
			for _, a := range th.Affordances {
				if th.Own && a.Kind == "property" && a.Type == "number" {
					ref = a.Ref
					return true
				}
			}
		}
		return false
	})
	return ref
}

func (b *browser) makeLink(ref engine.Ref) engine.LinkInfo {
	b.t.Helper()
	return ask[engine.LinkInfo](b, "link.create", b.linkParams(ref))
}

func (b *browser) linkParams(ref engine.Ref) engine.LinkParams {
	return engine.LinkParams{
		Share: []engine.Share{{Ref: ref, Precision: engine.Precision{Change: true}}}, Name: "the plumber", Until: time.Now().Add(48 * time.Hour),
	}
}

func (b *browser) visit(url string) engine.LinkGuest {
	b.t.Helper()
	return ask[engine.LinkGuest](b, "link.open", openParams(b.t, url))
}

func openParams(t *testing.T, url string) engine.LinkOpenParams {
	t.Helper()
	l, err := guest.Parse(url)
	if err != nil {
		t.Fatal(err)
	}
	return engine.LinkOpenParams{Node: l.Authority, ID: l.ID.String(), Secret: l.SecretText()}
}

// linkState waits until a link of one's own is in a state.
func (b *browser) linkState(id, state string) (found engine.LinkInfo) {
	b.t.Helper()
	eventually(b.t, "the link is "+state, func() bool {
		for _, k := range ask[[]engine.LinkInfo](b, "link.list", nil) {
			if k.ID == id && k.State == state {
				found = k
				return true
			}
		}
		return false
	})
	return found
}

// guestState waits until a visit is in a state.
func (b *browser) guestState(state string) (g engine.LinkGuest) {
	b.t.Helper()
	eventually(b.t, "the guest is at "+state, func() bool {
		g = ask[engine.LinkGuest](b, "link.state", nil)
		return g.State == state
	})
	return g
}

// firstValue waits for a value of a guest's grant.
func (b *browser) firstValue() {
	b.t.Helper()
	eventually(b.t, "the guest sees a value", func() bool {
		for _, th := range ask[engine.ThingsResult](b, "things", nil).Things {
			for _, a := range th.Affordances {
				if th.Grant != "" && a.Latest != nil {
					return true
				}
			}
		}
		return false
	})
}

// TestShareByLink: from a link to the first value, and to its end, for somebody
// who has no account. Both browsers are reloaded on the way.
func TestShareByLink(t *testing.T) {
	t.Parallel()
	n := startNode(t, "h.localhost", t.TempDir(), clock.Real())
	ada, ref := linkOwner(t, n.Authority())
	start := time.Now()
	k := ada.makeLink(ref)
	dir := t.TempDir()
	bea := newBrowser(t, dir, nil)
	bea.visit(k.URL)
	words := bea.guestState("words")
	arrived := ada.linkState(k.ID, "arrived")
	t.Logf("link to words: %v", time.Since(start).Round(time.Millisecond))
	if words.Words == "" || words.Words != arrived.Words || words.OwnerName != "Ada" {
		t.Fatalf("guest sees %+v, owner %+v", words, arrived)
	}
	if s := ask[engine.Status](bea, "status", nil); s.Phase != engine.PhaseOpen || !s.Guest {
		t.Errorf("status of the guest: %+v", s)
	}
	given := ask[engine.LinkInfo](ada, "link.confirm", engine.LinkIDParams{ID: k.ID})
	t.Logf("link to yes: %v", time.Since(start).Round(time.Millisecond))
	if given.State != "given" || given.Grant == "" || given.URL != "" {
		t.Errorf("after the yes: %+v", given)
	}
	bea.guestState("given")
	if g := ask[[]engine.GrantInfo](ada, "grants", nil); len(g) != 1 || g[0].OtherName != "the plumber" || !g[0].Guest || !g[0].Compared {
		t.Errorf("the owner's grants: %+v", g)
	}
	bea.firstValue()
	t.Logf("link to first value: %v", time.Since(start).Round(time.Millisecond))
	other := newBrowser(t, t.TempDir(), nil)
	if g := other.visit(k.URL); g.State != "used" {
		t.Errorf("the link opens twice: %+v", g)
	}
	guestCanNothingElse(t, bea, ref)

	// Reloaded, it goes on where it was.
	if err := bea.Close(); err != nil {
		t.Fatal(err)
	}
	bea = newBrowser(t, dir, nil)
	if g := bea.visit(k.URL); g.State != "given" {
		t.Errorf("after a reload: %+v", g)
	}
	bea.firstValue()

	stopped := time.Now()
	ask[engine.Stop](ada, "withdraw", engine.WithdrawParams{Grant: given.Grant, Patience: "10s"})
	eventually(t, "the guest is gone", func() bool { return ask[engine.Status](bea, "status", nil).Phase == engine.PhaseGone })
	t.Logf("stop to the guest's end: %v", time.Since(stopped).Round(time.Millisecond))
	bea.guestState("ended")
	if ended := ada.linkState(k.ID, "ended"); ended.Reason != "over" {
		t.Errorf("ended: %+v", ended)
	}
	if _, err := client.FetchIdentity(t.Context(), realCalls(), given.Guest); !errors.Is(err, client.ErrNoAccount) {
		t.Errorf("the guest's account: %v", err)
	}
	eventually(t, "nothing is left in the guest's browser", func() bool { return isEmpty(t, dir) })
	if g := newBrowser(t, t.TempDir(), nil).visit(k.URL); g.State != "ended" {
		t.Errorf("opened after its end: %+v", g)
	}
}

// isEmpty tells whether a directory has no file with anything in it.
func isEmpty(t *testing.T, dir string) bool {
	t.Helper()
	empty := true
	err := filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // it goes while we look
		}
		empty = empty && (err != nil || d.IsDir())
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return empty
}

// guestCanNothingElse: what a page could ask for a guest is refused, here or by
// the node.
func guestCanNothingElse(t *testing.T, bea *browser, ref engine.Ref) {
	t.Helper()
	_, err := tryAsk[engine.LinkInfo](bea, "link.create", engine.LinkParams{
		Share: []engine.Share{{Ref: ref, Precision: engine.Precision{Change: true}}}, Until: time.Now().Add(time.Hour),
	})
	refusedAs(t, err, "guest")
	_, err = tryAsk[engine.AskResult](bea, "ask", engine.AskParams{
		Account: bea.owner(), Wants: []string{"power"}, Precision: engine.Precision{Every: "1h"}, Purpose: "home automation", Until: time.Now().Add(time.Hour),
	})
	refusedAs(t, err, "forbidden")
}

func (b *browser) owner() string {
	b.t.Helper()
	return ask[engine.LinkGuest](b, "link.state", nil).Owner
}

// TestGuestHasOneGrant: nobody else's, no second one, no request, and a renewal
// in its place.
func TestGuestHasOneGrant(t *testing.T) {
	t.Parallel()
	n := startNode(t, "h.localhost", t.TempDir(), clock.Real())
	ada, ref := linkOwner(t, n.Authority())
	k := ada.makeLink(ref)
	bea := newBrowser(t, t.TempDir(), nil)
	bea.visit(k.URL)
	bea.guestState("words")
	guestName := ada.linkState(k.ID, "arrived").Guest
	eve := newBrowser(t, t.TempDir(), nil)
	ask[engine.Created](eve, "account.create", engine.CreateParams{Account: "eve@" + n.Authority(), Client: "phone"})
	ask[engine.HomeResult](eve, "sandbox.start", nil)
	evil := eve.thermometer()
	give := func(b *browser, ref engine.Ref, replaces string) (engine.Given, error) {
		return tryAsk[engine.Given](b, "give", engine.GiveParams{
			Account: guestName, Share: []engine.Share{{Ref: ref, Precision: engine.Precision{Change: true}}}, Until: time.Now().Add(time.Hour), Replaces: replaces,
		})
	}
	_, err := give(eve, evil, "")
	refusedAs(t, err, "forbidden")
	first := ask[engine.LinkInfo](ada, "link.confirm", engine.LinkIDParams{ID: k.ID})
	again := ask[engine.LinkInfo](ada, "link.confirm", engine.LinkIDParams{ID: k.ID})
	if again.Grant != first.Grant || first.Grant == "" {
		t.Errorf("confirmed twice: %+v, then %+v", first, again)
	}
	bea.firstValue()
	_, err = give(ada, ref, "")
	refusedAs(t, err, "node-refused")
	_, err = tryAsk[engine.Empty](ada, "link.cancel", engine.LinkIDParams{ID: k.ID})
	refusedAs(t, err, "link-given")
	_, err = tryAsk[engine.AskResult](ada, "ask", engine.AskParams{
		Account: guestName, Wants: []string{"power"}, Precision: engine.Precision{Every: "1h"}, Purpose: "home automation", Until: time.Now().Add(time.Hour),
	})
	refusedAs(t, err, "forbidden")
	renewed, err := give(ada, ref, first.Grant)
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "the guest has the new grant", func() bool {
		for _, g := range ask[[]engine.GrantInfo](bea, "grants", nil) {
			if g.ID == renewed.Grant && g.State == "running" {
				return true
			}
		}
		return false
	})
	ask[engine.Stop](ada, "withdraw", engine.WithdrawParams{Grant: renewed.Grant, Patience: "10s"})
	bea.guestState("ended")
}

// TestYesFromTwoTabs: the same yes at the same time gives one grant, and both
// are told of it.
func TestYesFromTwoTabs(t *testing.T) {
	t.Parallel()
	n := startNode(t, "h.localhost", t.TempDir(), clock.Real())
	ada, ref := linkOwner(t, n.Authority())
	k := ada.makeLink(ref)
	bea := newBrowser(t, t.TempDir(), nil)
	bea.visit(k.URL)
	ada.linkState(k.ID, "arrived")
	var both [2]engine.LinkInfo
	var errs [2]error
	var tabs sync.WaitGroup
	for i := range both {
		tabs.Go(func() { both[i], errs[i] = tryAsk[engine.LinkInfo](ada, "link.confirm", engine.LinkIDParams{ID: k.ID}) })
	}
	tabs.Wait()
	if err := errors.Join(errs[:]...); err != nil {
		t.Fatal(err)
	}
	if g := ask[[]engine.GrantInfo](ada, "grants", nil); len(g) != 1 || both[0].Grant != g[0].ID || both[1].Grant != g[0].ID {
		t.Errorf("%+v and %+v; given: %+v", both[0], both[1], g)
	}
}

// TestAlertOfAnEngine: a rule rings by a value that was shared, and is shown
// beside it. A guest may have some, too: no node learns of them.
func TestAlertOfAnEngine(t *testing.T) {
	t.Parallel()
	n := startNode(t, "h.localhost", t.TempDir(), clock.Real())
	owner, shared := linkOwner(t, n.Authority())
	k := owner.makeLink(shared)
	ada := newBrowser(t, t.TempDir(), nil)
	ada.visit(k.URL)
	ada.guestState("words")
	owner.linkState(k.ID, "arrived")
	ask[engine.LinkInfo](owner, "link.confirm", engine.LinkIDParams{ID: k.ID})
	ada.firstValue()
	ref := ask[engine.ThingsResult](ada, "things", nil).Things[0].Affordances[0].Ref
	low := -1000.0
	for _, bad := range []engine.Alert{{Ref: ref}, {Ref: ref, Above: &low, Equals: "x"}} {
		_, err := tryAsk[engine.Alert](ada, "alert.set", bad)
		refusedAs(t, err, "alert-rule")
	}
	_, err := tryAsk[engine.Alert](ada, "alert.set", engine.Alert{Ref: engine.Ref{Thing: "x", Name: "y"}, Above: &low})
	refusedAs(t, err, "no-such")
	set := ask[engine.Alert](ada, "alert.set", engine.Alert{Ref: ref, Above: &low, Title: "warm"})
	deadline := time.After(patience)
	for rang := false; !rang; {
		select {
		case v := <-ada.told:
			rang = v.Kind == "alert" && v.Alert.ID == set.ID && v.Point != nil
		case <-deadline:
			t.Fatal("it did not ring")
		}
	}
	if all := ask[[]engine.Alert](ada, "alert.list", nil); len(all) != 1 || all[0].Since.IsZero() || all[0].Title != "warm" {
		t.Errorf("alerts: %+v", all)
	}
	ask[engine.Empty](ada, "alert.remove", engine.AlertParams{ID: set.ID})
	if all := ask[[]engine.Alert](ada, "alert.list", nil); len(all) != 0 {
		t.Errorf("removed: %+v", all)
	}
}
