package operator_test

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"primum/internal/operator"
	"primum/internal/store"
)

// pages are all that an operator can read.
func pages() []string {
	return []string{"", "/accounts", "/invitations", "/notices", "/operators", "/log"}
}

// ask sends a request without a browser, following nothing. h.localhost is this
// machine.
func (w *world) ask(method, path string, c *http.Cookie, form url.Values, headers ...string) (*http.Response, string) {
	w.t.Helper()
	here := strings.Replace(w.base, "h.localhost", "127.0.0.1", 1)
	r, err := http.NewRequestWithContext(w.t.Context(), method, here+path, strings.NewReader(form.Encode()))
	must(w.t, err)
	r.Host = w.authority
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	if c != nil {
		r.AddCookie(c)
	}
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, Timeout: 30 * time.Second}
	res, err := client.Do(r)
	must(w.t, err)
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	must(w.t, err)
	return res, string(b)
}

var formToken = regexp.MustCompile(`name="form" value="([^"]{43})"`)

// form is a form of the session with its token.
func (w *world) form(c *http.Cookie, pairs ...string) url.Values {
	w.t.Helper()
	_, body := w.ask("GET", "/operator", c, nil)
	m := formToken.FindStringSubmatch(body)
	if m == nil {
		w.t.Fatalf("no form on the page:\n%s", body)
	}
	v := url.Values{"form": {m[1]}}
	for i := 0; i+1 < len(pairs); i += 2 {
		v.Set(pairs[i], pairs[i+1])
	}
	return v
}

func TestPagesNeedALogin(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, page := range pages() {
		for _, c := range []*http.Cookie{nil, {Name: "primum-operator", Value: strings.Repeat("x", 43)}} {
			res, body := w.ask("GET", "/operator"+page, c, nil)
			if res.StatusCode != http.StatusSeeOther || res.Header.Get("Location") != "/operator/login" {
				t.Errorf("%s: %d %s", page, res.StatusCode, body)
			}
		}
	}
	c := w.session("ada", operator.Admin)
	if res, _ := w.ask("GET", "/operator", c, nil); res.StatusCode != http.StatusOK {
		t.Errorf("with a session: %d", res.StatusCode)
	}
	w.clock.Advance(2 * time.Hour)
	if res, _ := w.ask("GET", "/operator", c, nil); res.StatusCode != http.StatusSeeOther {
		t.Errorf("after the session's end: %d", res.StatusCode)
	}
}

func TestHeadersOfPages(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.session("ada", operator.Admin)
	for _, page := range append(pages(), "/login", "/new", "/nowhere") {
		res, _ := w.ask("GET", "/operator"+page, c, nil)
		csp := res.Header.Get("Content-Security-Policy")
		script := "script-src 'none'"
		if page == "/login" || page == "/new" {
			script = "script-src 'self'"
		}
		for _, want := range []string{"default-src 'none'", script, "frame-ancestors 'none'", "require-trusted-types-for 'script'"} {
			if !strings.Contains(csp, want) {
				t.Errorf("%s: policy %q lacks %q", page, csp, want)
			}
		}
		for name, want := range map[string]string{
			"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cross-Origin-Opener-Policy": "same-origin",
		} {
			if got := res.Header.Get(name); got != want {
				t.Errorf("%s: %s is %q, want %q", page, name, got, want)
			}
		}
	}
}

func TestOtherNamesHaveNoOperatorsPage(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.authority = "link." + w.authority
	if res, _ := w.ask("GET", "/operator/login", nil, nil); res.StatusCode == http.StatusOK {
		t.Error("the link's origin shows the operators' page")
	}
}

// What a role may not do is refused, even with a form of its own.
func TestRolesAreKept(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.fill()
	acts := map[string]url.Values{
		"/operator/invitations": {"days": {"7"}},
		"/operator/revoke":      {"invitation": {strings.Repeat("A", 43)}},
		"/operator/notices":     {"notice": {"roof-weather-1"}, "reason": {"it shows a person"}},
	}
	allowed := map[operator.Role][]string{
		operator.Auditor:   {},
		operator.Publisher: {"/operator/notices"},
		operator.Admin:     {"/operator/invitations", "/operator/revoke"}, // the notice is gone by then
	}
	for _, role := range operator.Roles() {
		c := w.session("who-"+string(role), role)
		for path, fields := range acts {
			form := w.form(c)
			for k, v := range fields {
				form[k] = v
			}
			res, body := w.ask("POST", path, c, form)
			refused := res.StatusCode == http.StatusForbidden && strings.Contains(body, "operator.failed.role")
			if want := !slices.Contains(allowed[role], path); refused != want && (role != operator.Admin || path != "/operator/notices") {
				t.Errorf("%s, %s: %d, refused %v, want %v", role, path, res.StatusCode, refused, want)
			}
		}
		for _, page := range pages() {
			if res, _ := w.ask("GET", "/operator"+page, c, nil); res.StatusCode != http.StatusOK {
				t.Errorf("%s may not read %s: %d", role, page, res.StatusCode)
			}
		}
	}
}

func TestForgedFormsAreRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c, other := w.session("ada", operator.Admin), w.session("ben", operator.Admin)
	forged := map[string]url.Values{
		"none":            {"days": {"7"}},
		"empty":           {"days": {"7"}, "form": {""}},
		"another session": w.form(other, "days", "7"),
	}
	for name, form := range forged {
		res, body := w.ask("POST", "/operator/invitations", c, form)
		if res.StatusCode != http.StatusForbidden || !strings.Contains(body, "operator.failed.form") {
			t.Errorf("%s: %d", name, res.StatusCode)
		}
	}
	for _, headers := range [][]string{
		{"Sec-Fetch-Site", "cross-site"},
		{"Sec-Fetch-Site", "same-site"},
		{"Origin", "https://elsewhere.example"},
	} {
		for _, path := range []string{"/operator/invitations", "/operator/login/begin", "/operator/new/begin", "/operator/logout"} {
			res, body := w.ask("POST", path, c, w.form(c, "days", "7"), headers...)
			if res.StatusCode != http.StatusForbidden || !strings.Contains(body, "operator.failed.elsewhere") {
				t.Errorf("%v, %s: %d", headers, path, res.StatusCode)
			}
		}
	}
	open, err := w.store.Overview.Invites(t.Context(), w.clock.Now(), 10)
	if err != nil || len(open) != 0 {
		t.Errorf("invitations were made: %v %v", open, err)
	}
}

func TestInvitationsAreMadeAndRevoked(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.session("ada", operator.Admin)
	for _, days := range []string{"0", "91", "-1", "x", ""} {
		if res, _ := w.ask("POST", "/operator/invitations", c, w.form(c, "days", days)); res.StatusCode != http.StatusBadRequest {
			t.Errorf("%q days: %d", days, res.StatusCode)
		}
	}
	_, body := w.ask("POST", "/operator/invitations", c, w.form(c, "days", "7"))
	code := regexp.MustCompile(`data-test="code">([A-Za-z0-9_-]{24})<`).FindStringSubmatch(body)
	if code == nil {
		t.Fatalf("no code:\n%s", body)
	}
	if _, again := w.ask("GET", "/operator/invitations", c, nil); strings.Contains(again, code[1]) {
		t.Error("the code is shown again")
	}
	doc := store.Identity{Account: "eve@h.example", Version: 1, Hash: "eve", IdentityKey: []byte("eve"), Expires: w.clock.Now(), Received: w.clock.Now(), Checked: w.clock.Now(), Document: "{}"}
	err := w.store.Accounts.Create(t.Context(), store.Account{Address: "eve@h.example", Created: w.clock.Now()}, doc, operator.HashOf(code[1]))
	must(t, err)
	_, body = w.ask("POST", "/operator/invitations", c, w.form(c, "days", "7"))
	hash := regexp.MustCompile(`name="invitation" value="([^"]{43})"`).FindStringSubmatch(body)
	if hash == nil || strings.Contains(body, "eve@") {
		t.Fatalf("no form to revoke, or who used an invitation:\n%s", body)
	}
	if res, _ := w.ask("POST", "/operator/revoke", c, w.form(c, "invitation", hash[1])); res.Header.Get("Location") != "/operator/invitations?done=revoked" {
		t.Errorf("revoke: %d", res.StatusCode)
	}
	if res, _ := w.ask("POST", "/operator/revoke", c, w.form(c, "invitation", hash[1])); res.StatusCode != http.StatusNotFound {
		t.Errorf("revoked twice: %d", res.StatusCode)
	}
}

func TestNoticesAreTakenDownWithAReason(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.fill()
	c := w.session("pat", operator.Publisher)
	for _, reason := range []string{"", "  ", "ab", strings.Repeat("x", 301), "\xff\xff\xff"} {
		if res, _ := w.ask("POST", "/operator/notices", c, w.form(c, "notice", "roof-weather-1", "reason", reason)); res.StatusCode != http.StatusBadRequest {
			t.Errorf("reason %q: %d", reason, res.StatusCode)
		}
	}
	res, _ := w.ask("POST", "/operator/notices", c, w.form(c, "notice", "roof-weather-1", "reason", "<b>names</b> a person"))
	if res.StatusCode != http.StatusSeeOther {
		t.Fatalf("take down: %d", res.StatusCode)
	}
	if _, body := w.ask("GET", "/operator/notices", c, nil); strings.Contains(body, "Weather station") {
		t.Error("it is still there")
	}
	_, body := w.ask("GET", "/operator/log", c, nil)
	for _, want := range []string{`data-act="notice-taken"`, "roof-weather-1", "&lt;b&gt;names&lt;/b&gt; a person", "<bdi>pat</bdi>"} {
		if !strings.Contains(body, want) {
			t.Errorf("the log lacks %q:\n%s", want, body)
		}
	}
}

// No page shows content, terms of grants, or who deals with whom.
func TestNoPageShowsWhoDealsWithWhom(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.fill()
	c := w.session("ada", operator.Admin)
	for _, page := range pages() {
		for _, lang := range []string{"en", "de", "ar"} {
			res, body := w.ask("GET", "/operator"+page+"?lang="+lang, c, nil)
			if res.StatusCode != http.StatusOK || strings.Contains(body, "secret") {
				t.Errorf("%s in %s: %d\n%s", page, lang, res.StatusCode, body)
			}
			if i := strings.Index(body, "[operator."); i >= 0 {
				t.Errorf("%s in %s lacks a sentence: %.60s", page, lang, body[i:])
			}
		}
	}
}

func TestOverviewTellsTheNumbers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.fill()
	_, body := w.ask("GET", "/operator", w.session("ada", operator.Auditor), nil)
	flat := regexp.MustCompile(`<[^>]*>|\s+`).ReplaceAllString(body, " ")
	flat = regexp.MustCompile(` +`).ReplaceAllString(flat, " ")
	for _, want := range []string{
		"Accounts 4 ", "Live sockets 12 ", "to other domains 1 ", "in inboxes 1 ", "state.db ", "log.db ", "databases answer", "too-many 17 not-permitted 3",
		"requests of one address 50 per second, 400 at once", "new accounts from one address no limit", "kept in one circle 268 MB", "how long, at most 30 days",
		"by invitation", "version 1.4.0", "0 reports",
	} {
		if !strings.Contains(flat, want) {
			t.Errorf("the overview lacks %q:\n%s", want, flat)
		}
	}
}

func TestAccountsComeByPage(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	now := w.clock.Now()
	for i := range 120 {
		address := fmt.Sprintf("user%03d@%s", i, w.authority)
		doc := store.Identity{Account: address, Version: 1, Hash: address, IdentityKey: []byte(address), Expires: now.Add(time.Hour), Received: now, Checked: now, Document: "{}"}
		must(t, w.store.Accounts.Create(t.Context(), store.Account{Address: address, Created: now}, doc, nil))
	}
	c, path, seen := w.session("ada", operator.Auditor), "/operator/accounts", 0
	next := regexp.MustCompile(`href="(/operator/accounts\?after=[^"]+)"`)
	for page := 0; path != ""; page++ {
		_, body := w.ask("GET", path, c, nil)
		seen += strings.Count(body, `data-test="account"`)
		path = ""
		if m := next.FindStringSubmatch(body); m != nil && page < 5 {
			path = m[1]
		}
	}
	if seen != 120 {
		t.Errorf("%d accounts on all pages", seen)
	}
}

func TestTicketsAreForOnePerson(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, name := range []string{"", "Ada", "a b", "-x", "ä", strings.Repeat("x", 33)} {
		if _, _, err := operator.Add(t.Context(), w.store, w.base, name, operator.Admin, w.clock.Now()); err == nil {
			t.Errorf("name %q is taken", name)
		}
	}
	if _, _, err := operator.Add(t.Context(), w.store, w.base, "ada", "owner", w.clock.Now()); err == nil {
		t.Error("a role that is none is taken")
	}
	at := w.invite("ada", operator.Admin)
	ticket := at[strings.IndexByte(at, '#')+1:]
	begin := func(ticket string) int {
		r, err := http.NewRequestWithContext(t.Context(), "POST", strings.Replace(w.base, "h.localhost", "127.0.0.1", 1)+"/operator/new/begin",
			strings.NewReader(`{"ticket":"`+ticket+`"}`))
		must(t, err)
		r.Host = w.authority
		res, err := http.DefaultClient.Do(r)
		must(t, err)
		_ = res.Body.Close()
		return res.StatusCode
	}
	if got := begin("x" + ticket[1:]); got != http.StatusForbidden {
		t.Errorf("a wrong ticket: %d", got)
	}
	if got := begin(ticket); got != http.StatusOK {
		t.Errorf("the ticket: %d", got)
	}
	w.clock.Advance(10 * time.Minute)
	if got := begin(ticket); got != http.StatusForbidden {
		t.Errorf("after ten minutes: %d", got)
	}
}
