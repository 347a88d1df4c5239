package httpdoor_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"primum/client/keys"
	"primum/identity"
	httpdoor "primum/internal/door/http"
	"primum/internal/wire"
)

// own sends a request signed by the account's client.
func (w *world) own(a *account, method, path string, body any) response {
	w.t.Helper()
	return w.do(a.signs(request{method: method, path: path, json: body}))
}

// cookieOf is what an answer set.
func cookieOf(t *testing.T, r response) *http.Cookie {
	t.Helper()
	set := (&http.Response{Header: r.header}).Cookies()
	if len(set) != 1 {
		t.Fatalf("cookies: %v", r.header["Set-Cookie"])
	}
	return set[0]
}

func TestSessionCookie(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "h.localhost")
	a := w.join("owner")
	c := cookieOf(t, w.want(204, w.own(a, "POST", "/v1/session", nil)))
	if c.Name != wire.SessionCookie || !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || c.Path != "/" || c.Domain != "" || c.MaxAge != 12*3600 || len(c.Value) < 43 {
		t.Errorf("cookie: %+v", c)
	}
	other := cookieOf(t, w.want(204, w.own(a, "POST", "/v1/session", nil)))
	if other.Value == c.Value {
		t.Error("a session was not rotated")
	}
	gone := cookieOf(t, w.want(204, w.own(a, "DELETE", "/v1/session", nil)))
	if gone.MaxAge != -1 || gone.Value != "" {
		t.Errorf("cookie after the end: %+v", gone)
	}
	w.refused(wire.ProbUnsigned, w.do(request{method: "POST", path: "/v1/session"}))
	// A foreign page that has the person's cookie, but no key, gets no session.
	r := w.do(request{method: "POST", path: "/v1/session", header: map[string]string{"Cookie": c.Name + "=" + other.Value}})
	w.refused(wire.ProbUnsigned, r)
}

// keepOf is a keep of an account as a client makes it.
func keepOf(t *testing.T, addr identity.Address, phrases int) []byte {
	t.Helper()
	k := keys.NewKeep(addr)
	secret := keys.Identity{Key: newKey(t).Seed(), Recovery: newKey(t).Seed()}
	for range phrases {
		phrase, err := keys.NewPhrase(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		if k, err = k.SetPhrase(secret, phrase, rand.Reader); err != nil {
			t.Fatal(err)
		}
	}
	b, err := k.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestKeepIsStoredAndGivenToAnyone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "h.localhost")
	a, b := w.join("owner"), w.join("friend")
	put := func(who *account, body []byte) response {
		return w.do(who.signs(request{method: "PUT", path: "/v1/keep", body: body, kind: "application/json"}))
	}
	get := func(user string) response { return w.do(request{method: "GET", path: "/v1/keep/" + user}) }
	first, second := keepOf(t, a.addr, 1), keepOf(t, a.addr, 2)
	w.want(204, put(a, second))
	w.want(204, put(a, second)) // a lost answer is asked for again
	if got := w.want(200, get("owner")); !bytes.Equal(got.body, second) || got.header.Get("Content-Type") != "application/json" {
		t.Errorf("the keep came back as %s", got.body)
	}
	w.refused(wire.ProbConflict, put(a, first))
	w.refused(wire.ProbForbidden, put(b, second))
	w.refused(wire.ProbMalformed, put(a, []byte(`{"version":1}`)))
	w.refused(wire.ProbTooLarge, put(a, bytes.Repeat([]byte(" "), wire.MaxKeep+1)))
	w.refused(wire.ProbUnsigned, w.do(request{method: "PUT", path: "/v1/keep", body: first, kind: "application/json"}))
	w.refused(wire.ProbNotFound, get("no%20user"))
}

func TestKeepOfNobodyLooksLikeOne(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "h.localhost")
	a := w.join("owner")
	get := func(user string) response {
		return w.want(200, w.do(request{method: "GET", path: "/v1/keep/" + user}))
	}
	for _, user := range []string{"owner", "nobody", "noone", "someone"} { // the first has an account, but no keep
		r := get(user)
		k, err := keys.ParseKeep(r.body)
		if err != nil || k.Account.User != user || k.Account.Authority != w.node.Authority() {
			t.Errorf("%s: %+v, %v", user, k, err)
		}
		if again := get(user); !bytes.Equal(again.body, r.body) {
			t.Errorf("%s: the answer differs from call to call", user)
		}
		phrase, err := keys.NewPhrase(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := k.Open(keys.Secret{Phrase: phrase}); err == nil {
			t.Errorf("%s: opened", user)
		}
	}
	// What is in the answer has the form of a real one, member for member.
	w.want(204, w.do(a.signs(request{method: "PUT", path: "/v1/keep", body: keepOf(t, a.addr, 1), kind: "application/json"})))
	shape := func(b []byte) string {
		return strings.Map(func(r rune) rune {
			if strings.ContainsRune(`{}[]:,"`, r) {
				return r
			}
			return -1
		}, string(b))
	}
	if real, decoy := shape(get("owner").body), shape(decoyOfOneWay(t, w)); real != decoy {
		t.Errorf("a real keep looks like\n%s\na decoy like\n%s", real, decoy)
	}
}

// decoyOfOneWay asks for names until a decoy has one way.
func decoyOfOneWay(t *testing.T, w *world) []byte {
	t.Helper()
	for _, user := range strings.Split("abcdefghijklmnopqrstuvwxyz", "") {
		b := w.want(200, w.do(request{method: "GET", path: "/v1/keep/x" + user})).body
		if k, err := keys.ParseKeep(b); err == nil && len(k.Ways) == 1 {
			return b
		}
	}
	t.Fatal("no decoy has one way")
	return nil
}

func TestKeepsAreNotForCollecting(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "h.localhost", tight(func(l *httpdoor.Limits) { l.Keeps = httpdoor.Rate{PerSecond: 0.1, Burst: 2} }))
	get := func() response { return w.do(request{method: "GET", path: "/v1/keep/owner"}) }
	w.want(200, get())
	w.want(200, get())
	if p := w.refused(wire.ProbTooMany, get()); p.Retry != 10 {
		t.Errorf("retry after %d", p.Retry)
	}
	w.clock.Advance(10 * time.Second)
	w.want(200, get())
}

func TestAccountIsClosedForGood(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "h.localhost")
	a, b := w.join("owner"), w.join("friend")
	end := func(by ed25519.PrivateKey, at time.Time, name string) response {
		return w.own(a, "DELETE", "/v1/account", wire.CloseAccount{At: at, Signature: ed25519.Sign(by, wire.CloseAccountBytes(name, at))})
	}
	now := w.clock.Now()
	w.refused(wire.ProbBadSignature, end(a.key, now, a.addr.String())) // a client's key is not enough
	w.refused(wire.ProbBadSignature, end(a.ident, now, b.addr.String()))
	w.refused(wire.ProbClockSkew, end(a.ident, now.Add(-time.Hour), a.addr.String()))
	w.refused(wire.ProbMalformed, w.own(a, "DELETE", "/v1/account", nil))
	w.want(204, w.own(a, "POST", "/v1/session", nil))
	w.want(204, end(a.ident, now, a.addr.String()))
	w.refused(wire.ProbBadSignature, w.own(a, "GET", "/v1/grants", nil))
	w.refused(wire.ProbNotFound, w.do(request{method: "GET", path: "/v1/identity/owner"}))
	w.refused(wire.ProbNotFound, w.do(request{method: "GET", path: wire.WebFingerPath + "?resource=acct:" + a.addr.String()}))
	w.refused(wire.ProbNotFound, w.own(b, "POST", "/v1/outbox", sealedTo(b, a, wire.InboxOffer, now)))
	// The name is never given again: not to others, and not to the one who had it.
	for _, doc := range []string{a.doc.Compact(), w.prepare("owner").doc.Compact()} {
		w.refused(wire.ProbConflict, w.do(request{method: "POST", path: "/v1/accounts", json: wire.NewAccount{Identity: doc}}))
	}
	if n := w.accounts(); n != "1" {
		t.Errorf("the start page shows %s accounts", n)
	}
}

func notice() wire.Notice {
	return wire.Notice{
		Title: "Air in room 4", Language: "en", About: "Why this is measured.\nTwo lines.", Contact: "mailto:air@h.example",
		Items: []wire.NoticeItem{{What: "Carbon dioxide", Every: "15m", Fine: "to 50 ppm", Kept: "13 months", Inner: []string{"Facility team"}, Outer: []string{"Everybody in the house"}}},
	}
}

func TestNoticesArePutReadListedRemoved(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "h.localhost")
	a, b := w.join("owner"), w.join("friend")
	kept := into[wire.NoticeKept](t, w.want(200, w.own(a, "PUT", "/v1/notices/room-4-air", notice())))
	if kept.ID != "room-4-air" || kept.URL != w.node.BaseURL()+"/thing/room-4-air" {
		t.Errorf("kept as %+v", kept)
	}
	got := w.want(200, w.do(request{method: "GET", path: "/v1/notices/room-4-air"}))
	if n := into[wire.Notice](t, got); n.ID != "room-4-air" || n.Items[0].Outer[0] != "Everybody in the house" || bytes.Contains(got.body, []byte("owner")) {
		t.Errorf("read as %s", got.body)
	}
	page := w.want(200, w.do(request{method: "GET", path: "/thing/room-4-air"}))
	if !bytes.Contains(page.body, []byte("Air in room 4")) || bytes.Contains(page.body, []byte("owner@")) {
		t.Errorf("the public page: %s", page.body)
	}
	w.refused(wire.ProbConflict, w.own(b, "PUT", "/v1/notices/room-4-air", notice()))
	w.refused(wire.ProbNotFound, w.own(b, "DELETE", "/v1/notices/room-4-air", nil))
	if l := into[wire.Notices](t, w.want(200, w.own(a, "GET", "/v1/notices", nil))); len(l.Notices) != 1 {
		t.Errorf("list: %+v", l)
	}
	if l := w.want(200, w.own(b, "GET", "/v1/notices", nil)); string(l.body) != `{"notices":[]}` {
		t.Errorf("list of another: %s", l.body)
	}
	w.want(204, w.own(a, "DELETE", "/v1/notices/room-4-air", nil))
	w.want(404, w.do(request{method: "GET", path: "/thing/room-4-air"}))
	for _, id := range []string{"room-4-air", "none", "x%2F..%2Fy"} {
		w.refused(wire.ProbNotFound, w.do(request{method: "GET", path: "/v1/notices/" + id}))
	}
}

func TestNoticesOfOneAccountAreBounded(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "h.localhost")
	a := w.join("owner")
	for i := range wire.MaxNotices {
		w.want(200, w.own(a, "PUT", "/v1/notices/notice-"+strconv.Itoa(i), notice()))
	}
	w.refused(wire.ProbTooMany, w.own(a, "PUT", "/v1/notices/one-too-many", notice()))
	w.want(200, w.own(a, "PUT", "/v1/notices/notice-0", notice()))
}

func TestNoticeRefusals(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "h.localhost")
	a := w.join("owner")
	for name, c := range map[string]struct {
		change  func(*wire.Notice)
		pointer string
	}{
		"no title":             {func(n *wire.Notice) { n.Title = "" }, "/title"},
		"reversed title":       {func(n *wire.Notice) { n.Title = "room \u202etxt.exe" }, "/title"},
		"control character":    {func(n *wire.Notice) { n.About = "a\x00b" }, "/about"},
		"long":                 {func(n *wire.Notice) { n.Title = strings.Repeat("x", 401) }, "/title"},
		"script for a contact": {func(n *wire.Notice) { n.Contact = "javascript:alert(1)" }, "/contact"},
		"contact with a name":  {func(n *wire.Notice) { n.Contact = "https://user@evil.example/" }, "/contact"},
		"no language":          {func(n *wire.Notice) { n.Language = "" }, "/language"},
		"language with markup": {func(n *wire.Notice) { n.Language = `en"><b` }, "/language"},
		"nothing collected":    {func(n *wire.Notice) { n.Items = nil }, "/items"},
		"too much":             {func(n *wire.Notice) { n.Items = make([]wire.NoticeItem, 51) }, "/items"},
		"how often":            {func(n *wire.Notice) { n.Items[0].Every = "always" }, "/items/0/every"},
		"unnamed item":         {func(n *wire.Notice) { n.Items[0].What = "" }, "/items/0/what"},
		"unnamed recipient":    {func(n *wire.Notice) { n.Items[0].Inner = []string{""} }, "/items/0/inner/0"},
		"crowd":                {func(n *wire.Notice) { n.Items[0].Outer = make([]string, 21) }, "/items/0/outer"},
		"another id":           {func(n *wire.Notice) { n.ID = "another-one" }, "/id"},
	} {
		n := notice()
		c.change(&n)
		if p := w.refused(wire.ProbMalformed, w.own(a, "PUT", "/v1/notices/room-4-air", n)); p.Pointer != c.pointer {
			t.Errorf("%s: pointer %q, want %q", name, p.Pointer, c.pointer)
		}
	}
	w.refused(wire.ProbMalformed, w.own(a, "PUT", "/v1/notices/short", notice()))
	big := w.do(a.signs(request{method: "PUT", path: "/v1/notices/room-4-air", body: bytes.Repeat([]byte(" "), wire.MaxNotice+1), kind: "application/json"}))
	w.refused(wire.ProbTooLarge, big)
	w.refused(wire.ProbUnsigned, w.do(request{method: "PUT", path: "/v1/notices/room-4-air", json: notice()}))
	if l := w.want(200, w.own(a, "GET", "/v1/notices", nil)); string(l.body) != `{"notices":[]}` {
		t.Errorf("refused notices were kept: %s", l.body)
	}
}
