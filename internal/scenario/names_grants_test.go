package scenario

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"primum/client"
	"primum/client/vault"
	"primum/identity"
	"primum/internal/edge"
	"primum/internal/edge/mqtt"
	"primum/internal/sign"
	"primum/internal/wire"
	"primum/thing/td"
)

// asker asks a node over HTTP as an account, by RFC 9421.
type asker struct {
	w    *world
	keys client.Keys
}

func (w *world) asker(t *testing.T, v *vault.Vault) asker {
	t.Helper()
	return asker{w, w.options(t, v).Keys}
}

func (s asker) ask(t *testing.T, method, address, body string) (status int, answer string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, address, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	a, err := identity.ParseAddress(s.keys.Address)
	if err != nil {
		t.Fatal(err)
	}
	h, err := sign.Headers(sign.Request{Method: method, TargetURI: address, Body: []byte(body)},
		identity.ClientKeyID(a, s.keys.Client), s.keys.Signer, s.w.clock.Now(), sign.NewNonce())
	if err != nil {
		t.Fatal(err)
	}
	for k, v := range h {
		req.Header.Set(k, v)
	}
	req.Header.Set("Content-Type", td.MediaType)
	resp, err := plainClient(t).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

// TestGrantsShowThings: a description that its owner shows to grantees is seen
// by who holds a valid grant, from another node and as long as it is valid, and
// by nobody else.
func TestGrantsShowThings(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	owner := w.person(t, w.h, "owner", "person", "Owner")
	friend := w.person(t, w.s, "friend", "person", "Friend")
	asOwner, asFriend := w.asker(t, w.vaults[owner.Address()]), w.asker(t, w.vaults[friend.Address()])
	const id = "urn:uuid:6f1d9c6e-9a1e-4c5e-8a54-6c1f6f0b2d11"
	thing := w.h.BaseURL() + "/things/" + url.PathEscape(id)
	doc := `{"@context":"` + td.Context11 + `","id":"` + id + `","title":"Meter","securityDefinitions":{"none":{"scheme":"nosec"}},"security":"none"}`
	if status, answer := asOwner.ask(t, "PUT", thing+"?visibility=grantees", doc); status != http.StatusCreated {
		t.Fatal(status, answer)
	}
	if status, answer := asFriend.ask(t, "PUT", thing, doc); status != http.StatusForbidden {
		t.Error("who lives elsewhere puts a thing here:", status, answer)
	}
	search := w.h.BaseURL() + "/search/jsonpath?query=" + url.QueryEscape(`$[?@.title=='Meter'].id`)
	sees := func(want bool) {
		t.Helper()
		status, _ := asFriend.ask(t, "GET", thing, "")
		_, found := asFriend.ask(t, "GET", search, "")
		if (status == http.StatusOK) != want || (found == `["`+id+`"]`) != want || !want && (status != http.StatusNotFound || found != "[]") {
			t.Errorf("the friend is answered %d, and finds %s; want it shown: %v", status, found, want)
		}
		status, _ = plainAsk(t, thing)
		if status != http.StatusNotFound {
			t.Errorf("a stranger is answered %d", status)
		}
	}
	sees(false)
	home := startBroker(t)
	announceOwn(t, home)
	e := w.runEdge(t, edge.Config{Broker: &mqtt.Options{URL: home.URL()}, Settle: time.Millisecond})
	w.settle(t, "find the things", func() bool { return hasThings(e, false) })
	claim(t, owner, e)
	w.settle(t, "describe water", func() bool { _, err := owner.Find("water/flow"); return err == nil })
	grant := w.give(t, owner, friend.Address(), "", time.Minute, readOps, "water/flow")
	sees(true)
	if info, nodeErr, err := owner.Withdraw(t.Context(), grant, patience); err != nil || nodeErr != nil || info.LockOne.IsZero() {
		t.Fatal(info, nodeErr, err)
	}
	sees(false)
	if status, answer := asOwner.ask(t, "GET", thing, ""); status != http.StatusOK {
		t.Error(status, answer)
	}
	wrong := asOwner
	wrong.keys.Signer = asFriend.keys.Signer
	if status, answer := wrong.ask(t, "GET", thing, ""); status != http.StatusUnauthorized || !strings.Contains(answer, wire.ProbBadSignature) {
		t.Error("a wrong signature is a stranger's:", status, answer)
	}
}

func plainAsk(t *testing.T, address string) (status int, answer string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := plainClient(t).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}
