package node

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	servicesdoor "primum/internal/door/services"
	"primum/internal/linkset"
	"primum/internal/operator"
	"primum/internal/store"
	"primum/internal/wire"
)

const adviceService = `{"v":1,"name":"advice","provider":"ada@AUTHORITY","texts":{"en":{"title":"Energy advice","body":"Where it goes."}},"asks":[{` +
	`"purpose":{"@id":"dpv:OptimisationForConsumer"},"wants":[{"quantity":"power","unit":"W","actions":["readproperty"],"precision":{"every":"PT1H","stat":"mean"}}],` +
	`"for":"P7D","notices":{"en":"Hourly means."}}]}`

// publish is a publisher's request; an empty token is a stranger's.
func (n *Node) publish(method, path, token, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Host = n.Authority()
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	w := httptest.NewRecorder()
	n.handler().ServeHTTP(w, r)
	return w
}

// account opens one with nothing but a name.
func account(t *testing.T, n *Node, user string) {
	t.Helper()
	address := user + "@" + n.Authority()
	doc := store.Identity{Account: address, Version: 1, Hash: user, IdentityKey: []byte{1}, Document: "x"}
	if err := n.store.Accounts.Create(t.Context(), store.Account{Address: address, Created: begin()}, doc, nil); err != nil {
		t.Fatal(err)
	}
}

func placed(t *testing.T, n *Node) {
	t.Helper()
	if err := n.facts.place(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func listed(t *testing.T, n *Node) servicesdoor.List {
	t.Helper()
	w := n.ask(servicesdoor.Path, "")
	var l servicesdoor.List
	if err := json.Unmarshal(w.Body.Bytes(), &l); err != nil || w.Code != http.StatusOK || w.Header().Get("Access-Control-Allow-Origin") != "*" {
		t.Fatalf("%d %s: %v", w.Code, w.Body, err)
	}
	return l
}

// A service stands in the public log before anybody sees it, its text is kept
// byte for byte, and when it ends nobody is offered it any more.
func TestServicesAreOfferedLoggedAndEnded(t *testing.T) {
	t.Parallel()
	c := config(t)
	n := open(t, c)
	account(t, n, "ada")
	token, err := AddToken(t.Context(), c.DataDir, "shop", begin())
	if err != nil {
		t.Fatal(err)
	}
	body := strings.Replace(adviceService, "AUTHORITY", n.Authority(), 1)
	at := servicesdoor.Path + "/advice"
	w := n.publish("PUT", at, token, body)
	var p servicesdoor.Published
	if err := json.Unmarshal(w.Body.Bytes(), &p); w.Code != http.StatusAccepted || err != nil || !p.Added {
		t.Fatalf("put: %d %s", w.Code, w.Body)
	}
	if w := n.ask(at, ""); w.Code != http.StatusNotFound {
		t.Errorf("shown before it is logged: %d", w.Code)
	}
	placed(t, n)
	if w := n.ask(at, ""); w.Code != http.StatusOK || w.Body.String() != body || w.Header().Get("ETag") != `"`+p.SHA256+`"` {
		t.Errorf("get: %d %s", w.Code, w.Body)
	}
	l := listed(t, n)
	if len(l.Services) != 1 || l.Services[0].SHA256 != p.SHA256 || l.Authority != n.Authority() {
		t.Fatalf("%+v", l)
	}
	if e := logged(t, n, l.Services[0].Index); e.SHA256 != p.SHA256 || e.T != "service" || e.Ref != wire.FactPath(p.SHA256) {
		t.Errorf("entry %+v", e)
	}
	if w := n.ask(wire.ServicePages+"/advice", "text/html"); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "Energy advice") {
		t.Errorf("its page: %d", w.Code)
	}
	if w := n.publish("DELETE", at, token, ""); w.Code != http.StatusAccepted {
		t.Errorf("delete: %d %s", w.Code, w.Body)
	}
	placed(t, n)
	if w := n.ask(at, ""); w.Code != http.StatusNotFound || len(listed(t, n).Services) != 0 {
		t.Errorf("after its end: %d", w.Code)
	}
	if w := n.ask(p.Ref, ""); w.Code != http.StatusOK || w.Body.String() != body {
		t.Errorf("what was offered is not kept: %d", w.Code)
	}
	acts, err := n.store.Operators.Acts(t.Context(), 0, 10)
	if err != nil || len(acts) != 3 || acts[0].Act != "service-removed" || acts[1].Who != "shop" || acts[1].About != "advice" || acts[2].Who != operator.Console {
		t.Errorf("log %+v, %v", acts, err)
	}
}

// A provider who closes the account offers nothing any more.
func TestServiceOfAClosedAccount(t *testing.T) {
	t.Parallel()
	c := config(t)
	n := open(t, c)
	account(t, n, "ada")
	token, err := AddToken(t.Context(), c.DataDir, "shop", begin())
	if err != nil {
		t.Fatal(err)
	}
	n.publish("PUT", servicesdoor.Path+"/advice", token, strings.Replace(adviceService, "AUTHORITY", n.Authority(), 1))
	placed(t, n)
	if len(listed(t, n).Services) != 1 {
		t.Fatal("not offered")
	}
	if _, err := n.store.Accounts.Close(t.Context(), "ada@"+n.Authority(), begin(), nil); err != nil {
		t.Fatal(err)
	}
	if w := n.ask(servicesdoor.Path+"/advice", ""); w.Code != http.StatusNotFound || len(listed(t, n).Services) != 0 {
		t.Errorf("still offered: %d", w.Code)
	}
}

func TestServicesAreRefused(t *testing.T) {
	t.Parallel()
	c := config(t)
	n := open(t, c)
	account(t, n, "ada")
	own, err := os.ReadFile(filepath.Join(c.DataDir, operator.TokenFile))
	if err != nil {
		t.Fatal(err)
	}
	token, good := strings.TrimSpace(string(own)), strings.Replace(adviceService, "AUTHORITY", n.Authority(), 1)
	other := strings.Replace(adviceService, "AUTHORITY", "elsewhere.example", 1)
	nobody := strings.Replace(good, "ada@", "zoe@", 1)
	for _, c := range []struct {
		name, token, body string
		status            int
		says              string
	}{
		{"advice", "", good, 401, wire.ProbToken},
		{"advice", token[:len(token)-1] + "!", good, 401, wire.ProbToken},
		{"advice", token, other, 400, "no account of this domain"},
		{"advice", token, nobody, 400, "no account of this domain"},
		{"other", token, good, 400, "the name in the document"},
		{"advice", token, strings.Replace(good, `"v":1`, `"v":1,"x":2`, 1), 400, "/x"},
		{"advice", token, strings.Repeat(" ", 65<<10), 413, wire.ProbTooLarge},
		{"advice", token, good, 202, "advice"},
	} {
		w := n.publish("PUT", servicesdoor.Path+"/"+c.name, c.token, c.body)
		if w.Code != c.status || !strings.Contains(w.Body.String(), c.says) {
			t.Errorf("%d %s; want %d %s", w.Code, w.Body, c.status, c.says)
		}
		if challenge := w.Header().Get("WWW-Authenticate"); (c.status == 401) != (challenge == "Bearer") {
			t.Errorf("challenge %q with %d", challenge, w.Code)
		}
	}
	if w := n.publish("DELETE", servicesdoor.Path+"/nothing", token, ""); w.Code != 404 {
		t.Errorf("delete of nothing: %d", w.Code)
	}
	if w := n.publish("DELETE", servicesdoor.Path+"/nothing", "", ""); w.Code != 401 {
		t.Errorf("delete by a stranger: %d", w.Code)
	}
}

// A token is shown once and kept as a hash; it ends at once, and a new one of
// its name ends the old one. The machine's own stays over a restart.
func TestTokensOfPublishers(t *testing.T) {
	t.Parallel()
	c := config(t)
	n := open(t, c)
	who := func(token string) (string, int) {
		r := httptest.NewRequest(http.MethodPut, "/", nil)
		r.Header.Set("Authorization", "bearer "+token)
		name, err := n.tokens.Name(r)
		if p, ok := err.(*wire.Problem); ok {
			return name, p.Status
		}
		if err != nil {
			t.Fatal(err)
		}
		return name, 0
	}
	first, err := AddToken(t.Context(), c.DataDir, "shop", begin())
	if err != nil {
		t.Fatal(err)
	}
	if name, status := who(first); name != "shop" || status != 0 {
		t.Errorf("%q %d", name, status)
	}
	second, err := AddToken(t.Context(), c.DataDir, "shop", begin())
	if err != nil {
		t.Fatal(err)
	}
	if _, status := who(first); status != 401 || first == second {
		t.Errorf("the old token: %d", status)
	}
	for _, file := range []string{"state.db", "state.db-wal"} {
		if b, err := os.ReadFile(filepath.Join(c.DataDir, storeFolder, file)); err == nil && strings.Contains(string(b), second) {
			t.Errorf("%s holds the token", file)
		}
	}
	if err := RemoveToken(t.Context(), c.DataDir, "shop", begin()); err != nil {
		t.Error(err)
	}
	if _, status := who(second); status != 401 {
		t.Errorf("a removed token: %d", status)
	}
	file := filepath.Join(c.DataDir, operator.TokenFile)
	own, err := os.ReadFile(file)
	info, statErr := os.Stat(file)
	if err != nil || statErr != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("%v %v %v", err, statErr, info.Mode())
	}
	if name, _ := who(strings.TrimSpace(string(own))); name != operator.Console {
		t.Errorf("the machine's own token is %q's", name)
	}
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	open(t, c)
	if again, err := os.ReadFile(file); err != nil || string(again) != string(own) {
		t.Errorf("a restart changed the machine's token: %v", err)
	}
}

// The interfaces of the node stand where RFC 9727 has them, for scripts of any
// origin; products are named by their code alone, never one thing.
func TestAPICatalog(t *testing.T) {
	t.Parallel()
	n := open(t, config(t))
	_, err := n.names.links.Put(t.Context(), "test",
		linkset.Item{Anchor: "01/04012345999990", Description: "A heater", Entries: []linkset.Entry{{LinkType: "https://ref.gs1.org/voc/pip", Href: "https://a.example/"}}},
		linkset.Item{Anchor: "01/04012345999990/21/SERIAL7", Description: "One heater", Entries: []linkset.Entry{{LinkType: "https://ref.gs1.org/voc/pip", Href: "https://a.example/7"}}})
	if err != nil {
		t.Fatal(err)
	}
	w := n.ask(servicesdoor.APICatalogPath, "")
	var set struct {
		Linkset []struct {
			Anchor string                  `json:"anchor"`
			Item   []struct{ Href string } `json:"item"`
		} `json:"linkset"`
	}
	if err := json.Unmarshal(w.Body.Bytes(), &set); err != nil || w.Code != http.StatusOK || !strings.HasPrefix(w.Header().Get("Content-Type"), "application/linkset+json") {
		t.Fatalf("%d %s: %v", w.Code, w.Body, err)
	}
	if len(set.Linkset) != 4 || len(set.Linkset[0].Item) != 4 || set.Linkset[0].Item[3].Href != n.BaseURL()+"/01/04012345999990?linkType=linkset" {
		t.Errorf("%s", w.Body)
	}
	if strings.Contains(w.Body.String(), "SERIAL7") || !strings.Contains(w.Header().Get("Link"), `rel="api-catalog"`) {
		t.Errorf("%s %s", w.Header().Get("Link"), w.Body)
	}
	for _, one := range set.Linkset[0].Item {
		if w := n.ask(strings.TrimPrefix(one.Href, n.BaseURL()), "application/json"); w.Code >= 400 {
			t.Errorf("%s leads to %d", one.Href, w.Code)
		}
	}
}
