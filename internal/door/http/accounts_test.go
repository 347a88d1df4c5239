package httpdoor_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"primum/identity"
	"primum/internal/node"
	"primum/internal/wire"
)

func TestAccountIsOpenedFoundAndRead(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "h.localhost")
	a := w.join("owner")
	r := w.want(200, w.do(request{method: "GET", path: wire.WebFingerPath + "?resource=acct:" + a.addr.String()}))
	jrd := into[wire.JRD](t, r)
	if len(jrd.Links) != 1 || jrd.Links[0].Rel != wire.RelIdentity || !strings.HasPrefix(jrd.Links[0].Href, w.node.BaseURL()) {
		t.Fatalf("webfinger: %+v", jrd)
	}
	path := strings.TrimPrefix(jrd.Links[0].Href, w.node.BaseURL())
	r = w.want(200, w.do(request{method: "GET", path: path}))
	if string(r.body) != a.doc.Compact() || r.header.Get("Content-Type") != wire.JOSE {
		t.Errorf("identity document differs, or its type: %s", r.header.Get("Content-Type"))
	}
	// The same again is no error; another document under the name is.
	w.want(204, w.do(request{method: "POST", path: "/v1/accounts", json: wire.NewAccount{Identity: a.doc.Compact()}}))
	other := w.prepare("owner")
	w.refused(wire.ProbConflict, w.do(request{method: "POST", path: "/v1/accounts", json: wire.NewAccount{Identity: other.doc.Compact()}}))
	r = w.want(200, w.do(request{method: "GET", path: path}))
	if string(r.body) != a.doc.Compact() {
		t.Error("a refused account changed the stored document")
	}
}

func TestAccountRefusals(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "h.localhost")
	good := w.prepare("owner").doc.Compact()
	away := w.prepare("owner")
	d := away.doc.Document()
	d.Address.Authority = "s.localhost"
	away.sign(t, d)
	late := w.prepare("late")
	second := w.prepare("second")
	next, err := second.doc.Next(w.clock.Now())
	if err != nil {
		t.Fatal(err)
	}
	second.sign(t, next)
	post := func(body string) response {
		return w.do(request{method: "POST", path: "/v1/accounts", body: []byte(body), kind: "application/json"})
	}
	of := func(compact string) string { return `{"identity":"` + compact + `"}` }
	for name, c := range map[string]struct{ body, want, pointer string }{
		"empty":             {"", wire.ProbMalformed, ""},
		"truncated":         {of(good)[:200], wire.ProbMalformed, ""},
		"not an object":     {`[1]`, wire.ProbMalformed, ""},
		"unknown member":    {`{"identity":"x","more":1}`, wire.ProbMalformed, "/more"},
		"duplicate member":  {`{"identity":"x","identity":"y"}`, wire.ProbMalformed, "/identity"},
		"wrong type":        {`{"identity":7}`, wire.ProbMalformed, "/identity"},
		"deep":              {`{"identity":` + strings.Repeat("[", 5000) + strings.Repeat("]", 5000) + `}`, wire.ProbMalformed, ""},
		"not a document":    {of("a.b.c"), wire.ProbMalformed, "/identity"},
		"broken signature":  {of(good[:len(good)-8] + "AAAAAAAA"), wire.ProbMalformed, "/identity"},
		"of another domain": {of(away.doc.Compact()), wire.ProbForbidden, "/identity"},
		"later version":     {of(second.doc.Compact()), wire.ProbMalformed, "/identity"},
		"oversized":         {of(strings.Repeat("x", 3*wire.MaxDocument)), wire.ProbTooLarge, ""},
	} {
		p := into[wire.Problem](t, post(c.body))
		if !p.Named(c.want) && !(name == "broken signature" && p.Named(wire.ProbBadSignature)) {
			t.Errorf("%s: problem %s, want %s", name, p.Type, c.want)
		}
		if c.pointer != "" && p.Pointer != c.pointer {
			t.Errorf("%s: pointer %q, want %q", name, p.Pointer, c.pointer)
		}
	}
	w.clock.Advance(identity.MaxValidity + time.Hour)
	w.refused(wire.ProbExpired, post(of(late.doc.Compact())))
	if n := w.accounts(); n != "0" {
		t.Errorf("refused requests left %s accounts", n)
	}
}

// accounts reads the number on the status page.
func (w *world) accounts() string {
	w.t.Helper()
	w.clock.Advance(time.Minute) // past the page's memory
	page := string(w.want(200, w.do(request{method: "GET", path: "/"})).body)
	_, rest, ok := strings.Cut(page, "<dt>Accounts</dt><dd>")
	n, _, _ := strings.Cut(rest, "<")
	if !ok {
		w.t.Fatal("the status page shows no accounts")
	}
	return n
}

func TestAccountByInvitation(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "h.localhost", func(c *node.Config) { c.Invite = true })
	a, b := w.prepare("owner"), w.prepare("friend")
	post := func(a *account, invite string) response {
		return w.do(request{method: "POST", path: "/v1/accounts", json: wire.NewAccount{Identity: a.doc.Compact(), Invite: invite}})
	}
	w.refused(wire.ProbInvite, post(a, ""))
	w.refused(wire.ProbInvite, post(a, "guess"))
	code, err := w.node.Invite(t.Context(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	w.want(204, post(a, code))
	w.refused(wire.ProbInvite, post(b, code))
	code, err = w.node.Invite(t.Context(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	w.clock.Advance(2 * time.Hour)
	w.refused(wire.ProbInvite, post(b, code))
}

func TestIdentityFollowsVersionByVersion(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "h.localhost")
	a := w.join("owner")
	first := a.doc
	put := func(compact string) response {
		return w.do(request{method: "PUT", path: "/v1/identity/owner", body: []byte(compact), kind: wire.JOSE})
	}
	w.clock.Advance(time.Minute)
	next, err := first.Next(w.clock.Now())
	if err != nil {
		t.Fatal(err)
	}
	next.Name = "The owner"
	a.sign(t, next)
	skipped := a.doc.Document()
	skipped.Version = 4
	w.want(204, put(a.doc.Compact()))
	w.want(204, put(a.doc.Compact()))
	w.refused(wire.ProbConflict, put(first.Compact()))
	current := a.doc.Compact()
	a.sign(t, skipped)
	w.refused(wire.ProbConflict, put(a.doc.Compact()))
	thief := *a
	thief.ident = newKey(t)
	forged := next
	forged.Version, forged.IdentityKey = 3, pub(thief.ident)
	forged.Previous = "x"
	compact, err := identity.Sign(forged, thief.ident)
	if err == nil {
		if r := put(compact); r.status < 400 {
			t.Errorf("a forged document was taken")
		}
	}
	if r := put(current[:100]); r.status != http.StatusBadRequest {
		t.Errorf("truncated document: status %d", r.status)
	}
	if r := w.do(request{method: "GET", path: "/v1/identity/owner"}); string(r.body) != current {
		t.Error("refused documents changed the stored one")
	}
	w.refused(wire.ProbNotFound, w.do(request{method: "GET", path: "/v1/identity/nobody"}))
	w.refused(wire.ProbNotFound, w.do(request{method: "PUT", path: "/v1/identity/nobody", body: []byte(current), kind: wire.JOSE}))
}

func TestSuspension(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "h.localhost")
	a := w.join("owner")
	put := func(key *account, s identity.Suspension) response {
		compact, err := identity.SignSuspension(s, key.key)
		if err != nil {
			t.Fatal(err)
		}
		return w.do(request{method: "PUT", path: "/v1/suspension/owner", body: []byte(compact), kind: wire.JOSE})
	}
	id, err := identity.NewID(nil, w.clock.Now())
	if err != nil {
		t.Fatal(err)
	}
	s := identity.Suspension{ID: id, Account: a.addr, Client: a.client, At: w.clock.Now()}
	if r := put(w.prepare("owner"), s); r.status/100 != 4 {
		t.Errorf("a suspension by a stranger's key: status %d", r.status)
	}
	w.want(204, put(a, s))
}

func TestWebFingerAndNodeInfo(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "h.localhost")
	finger := func(q string) response {
		return w.do(request{method: "GET", path: wire.WebFingerPath + q})
	}
	w.refused(wire.ProbMalformed, finger(""))
	w.refused(wire.ProbMalformed, finger("?resource=https://example.org"))
	w.refused(wire.ProbNotFound, finger("?resource=acct:nobody@"+w.node.Authority()))
	w.refused(wire.ProbNotFound, finger("?resource=acct:owner@elsewhere.example"))
	info := into[wire.NodeInfo](t, w.want(200, w.do(request{method: "GET", path: wire.NodePath})))
	if info.Authority != w.node.Authority() || len(info.Keys) != 1 || len(info.Keys[0].X) != 32 || info.API != w.node.BaseURL()+"/v1" {
		t.Errorf("node info: %+v", info)
	}
	if !info.Time.Equal(w.clock.Now()) {
		t.Errorf("node time %v, want the injected clock's", info.Time)
	}
}

func TestHeadersAndHealth(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "h.localhost")
	for _, path := range []string{"/", "/healthz", "/openapi.json", "/nothing"} {
		r := w.do(request{method: "GET", path: path})
		if r.header.Get("X-Content-Type-Options") != "nosniff" || r.header.Get("Referrer-Policy") != "no-referrer" ||
			!strings.Contains(r.header.Get("Content-Security-Policy"), "default-src 'none'") {
			t.Errorf("%s: security headers missing: %v", path, r.header)
		}
	}
	w.refused(wire.ProbNotFound, w.do(request{method: "GET", path: "/nothing"}))
	w.refused(wire.ProbNotFound, w.do(request{method: "DELETE", path: "/v1/accounts"}))
	if b := w.want(200, w.do(request{method: "GET", path: "/healthz"})).body; string(b) != "ok\n" {
		t.Errorf("healthz says %q", b)
	}
	if b := w.want(200, w.do(request{method: "GET", path: "/metrics"})).body; !bytes.Contains(b, []byte("primum_requests_total")) {
		t.Error("metrics lack the requests")
	}
}

func TestOpenAPICoversEveryPathOfTheContract(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "h.localhost")
	b := w.want(200, w.do(request{method: "GET", path: "/openapi.json"})).body
	var doc struct {
		OpenAPI string                                `json:"openapi"`
		Paths   map[string]map[string]json.RawMessage `json:"paths"`
	}
	if err := json.Unmarshal(b, &doc); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(doc.OpenAPI, "3.1") {
		t.Errorf("openapi version %q", doc.OpenAPI)
	}
	for path, methods := range map[string][]string{
		wire.WebFingerPath: {"get"}, wire.NodePath: {"get"},
		"/v1/accounts": {"post"}, "/v1/identity/{user}": {"get", "put"}, "/v1/suspension/{user}": {"put"},
		"/v1/key-packages": {"get", "post"}, "/v1/key-packages/claim/{user}": {"post"},
		"/v1/inbox/{user}": {"post"}, "/v1/inbox": {"get"}, "/v1/outbox": {"post"},
		"/v1/envelopes": {"post"}, "/v1/closings": {"post"}, "/v1/refusals": {"post"}, "/v1/grants": {"get"},
		"/v1/homes": {"post"}, "/v1/homes/{circle}/active": {"post"},
		"/v1/circles": {"post"}, "/v1/circles/{circle}": {"get"}, "/v1/circles/{circle}/messages": {"get"},
		"/v1/circles/{circle}/append": {"post"}, "/v1/circles/{circle}/commit": {"post"}, "/v1/circles/{circle}/key-packages": {"post"},
		"/v1/session": {"post", "delete"}, "/v1/keep": {"put"}, "/v1/keep/{user}": {"get"}, "/v1/account": {"delete"},
		"/v1/notices": {"get"}, "/v1/notices/{id}": {"get", "put", "delete"}, "/v1/push": {"get", "put", "delete"},
		"/v1/live": {"get", "post"}, "/healthz": {"get"}, "/metrics": {"get"}, "/openapi.json": {"get"},
	} {
		for _, m := range methods {
			var op struct {
				OperationID string                     `json:"operationId"`
				Responses   map[string]json.RawMessage `json:"responses"`
			}
			if err := json.Unmarshal(doc.Paths[path][m], &op); err != nil || op.OperationID == "" {
				t.Errorf("%s %s is not described: %v", m, path, err)
			}
			if !bytes.Contains(op.Responses["default"], []byte("application/problem+json")) {
				t.Errorf("%s %s describes no problem", m, path)
			}
		}
	}
}
