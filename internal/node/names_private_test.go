package node

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"primum/internal/clock"
	"primum/internal/directory"
	"primum/internal/linkset"
	"primum/internal/resolve"
	"primum/internal/store"
	"primum/internal/wire"
	"primum/thing/id"
)

// The rules of names.md, privacy in resolution, as a stranger sees them on a
// whole node: at /resolve and at the Digital Link alike.

const lampKey = "01/09521234543213"

// privateNode has a lamp's class and five things of it: of one the maker has links,
// one was opted out, one is a person's own, of one a person has a description
// for herself, and one nobody has heard of. All serials have the same length.
func privateNode(t *testing.T, c Config) *Node {
	t.Helper()
	n := open(t, c)
	link := func(href string) []linkset.Entry {
		return []linkset.Entry{{LinkType: "gs1:pip", Href: href, Title: "Page", Default: true}}
	}
	items := []linkset.Item{{Anchor: lampKey, Description: "Lamp", Entries: link("https://shop.example/lamp")}}
	for _, before := range thingKeys() {
		for _, serial := range []string{"known-77", "opted-77", "owned-77"} {
			items = append(items, linkset.Item{Anchor: before + serial, Description: "Lamp " + serial, Entries: link("https://shop.example/" + serial)})
		}
	}
	if _, err := n.names.links.Put(t.Context(), "test", items...); err != nil {
		t.Fatal(err)
	}
	for _, before := range thingKeys() {
		if w := n.publish(http.MethodPut, wire.OptOutPath+"?id=/"+before+"opted-77", machineToken(t, c), ""); w.Code != http.StatusNoContent {
			t.Fatalf("opt out: %d %s", w.Code, w.Body)
		}
		own(t, n, "ada@"+n.Authority(), before+"owned-77")
		describeThing(t, n, directory.Viewer{Account: "ada@" + n.Authority()}, before+"secret77")
	}
	return n
}

// thingKeys are what stands before a serial: of a product, and of an asset,
// which has no class above it.
func thingKeys() []string { return []string{lampKey + "/21/", "8004/4012345"} }

// describeThing keeps a Thing Description under a name.
func describeThing(t *testing.T, n *Node, v directory.Viewer, path string) {
	t.Helper()
	id := "https://id.gs1.org/" + path
	td := `{"@context":"https://www.w3.org/2022/wot/td/v1.1","id":"` + id + `","title":"Described","security":"n","securityDefinitions":{"n":{"scheme":"nosec"}}}`
	if _, _, err := n.names.things.Put(t.Context(), v, id, []byte(td), directory.Change{}); err != nil {
		t.Fatal(err)
	}
}

// own gives an account's thing its label, as PUT /v1/labels does.
func own(t *testing.T, n *Node, account, text string) string {
	t.Helper()
	name, err := id.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	key, err := loadKey(n.cfg.DataDir, nil)
	if err != nil {
		t.Fatal(err)
	}
	secret := resolve.SecretOf(key)
	l, err := n.store.Labels.Put(t.Context(), store.Label{Account: account, Name: name.String(), Hush: resolve.Hush(secret, name), Made: begin()},
		wire.MaxLabels, func(epoch int64) string { return resolve.Label(secret, name.String(), epoch) })
	if err != nil {
		t.Fatal(err)
	}
	return l.Label
}

func machineToken(t *testing.T, c Config) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(c.DataDir, "publisher.token"))
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(b))
}

// question is one way to ask for a serial.
type question struct {
	method, path, accept string
}

func waysToAsk() (all []question) {
	for _, path := range []string{
		"/resolve?id=/8004/4012345SERIAL", "/8004/4012345SERIAL", "/8004/4012345SERIAL?linkType=all", "/class/8004/4012345SERIAL",
		"/resolve?id=/" + lampKey + "/21/SERIAL", "/resolve?id=https://id.gs1.org/" + lampKey + "/10/B/21/SERIAL",
		"/" + lampKey + "/21/SERIAL", "/" + lampKey + "/10/B/21/SERIAL", "/" + lampKey + "/21/SERIAL?linkType=gs1:pip",
		"/" + lampKey + "/21/SERIAL?linkType=all", "/" + lampKey + "/21/SERIAL?linkType=gs1:instructions",
		"/class/" + lampKey + "/21/SERIAL", "/class/" + lampKey + "/10/B/21/SERIAL", "/things/" + url.PathEscape("https://id.gs1.org/"+lampKey+"/21/SERIAL"),
		"/search/jsonpath?query=" + url.QueryEscape("$[?@.id=='https://id.gs1.org/"+lampKey+"/21/SERIAL']"),
	} {
		all = append(all, question{http.MethodHead, path, ""})
		for _, accept := range []string{"", "text/html", "application/json", "application/linkset+json"} {
			all = append(all, question{http.MethodGet, path, accept})
		}
	}
	return all
}

func (n *Node) askSerial(a question, serial string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(a.method, strings.ReplaceAll(a.path, "SERIAL", serial), nil)
	r.Host = n.Authority()
	if a.accept != "" {
		r.Header.Set("Accept", a.accept)
	}
	w := httptest.NewRecorder()
	n.handler().ServeHTTP(w, r)
	return w
}

// said is all that a stranger sees of an answer. Where it sends a browser on to
// this node itself, the serial in the address is the one that was asked for.
func said(t *testing.T, n *Node, w *httptest.ResponseRecorder, serial string) string {
	t.Helper()
	h := w.Header().Clone()
	if to := h.Get("Location"); strings.HasPrefix(to, n.BaseURL()+"/") {
		h.Set("Location", strings.ReplaceAll(to, serial, "SERIAL"))
	}
	var out bytes.Buffer
	if err := h.Write(&out); err != nil {
		t.Fatal(err)
	}
	text := http.StatusText(w.Code) + "\n" + out.String() + "\n" + w.Body.String()
	if strings.Contains(text, serial) {
		t.Errorf("the answer repeats the serial:\n%s", text)
	}
	return text
}

// Rule 3: unknown, opted out and private can't be told apart, in status,
// headers or body; and a known one can, so that the test sees something.
func TestPrivateSerialsAreAnsweredLikeUnknown(t *testing.T) {
	t.Parallel()
	n := privateNode(t, config(t))
	different := 0
	for _, a := range waysToAsk() {
		want := said(t, n, n.askSerial(a, "nobody77"), "nobody77")
		for _, serial := range []string{"opted-77", "owned-77", "secret77"} {
			if got := said(t, n, n.askSerial(a, serial), serial); got != want {
				t.Errorf("%v: %s is told apart:\n%s\nnot\n%s", a, serial, got, want)
			}
		}
		if w := n.askSerial(a, "known-77"); strings.Contains(w.Body.String()+w.Header().Get("Location"), "shop.example/known-77") {
			different++
		}
	}
	describeThing(t, n, directory.Viewer{Publisher: true}, lampKey+"/21/public77")
	if w := n.ask("/resolve?id=/"+lampKey+"/21/public77", ""); !strings.Contains(w.Body.String(), "Described") {
		t.Errorf("a public description: %s", w.Body)
	}
	if different < 8 {
		t.Errorf("a known serial is seen in %d ways only", different)
	}
}

// Rule 3, timing: interleaved, and judged by the middle of many, so that a busy
// machine slows all three alike. That the work is the same is counted in
// package resolve; this looks from outside.
func TestPrivateSerialsTakeTheTimeOfUnknown(t *testing.T) {
	n := privateNode(t, config(t))
	serials := []string{"nobody77", "opted-77", "owned-77", "secret77"}
	for _, path := range []string{"/resolve?id=/" + lampKey + "/21/SERIAL", "/" + lampKey + "/21/SERIAL"} {
		took := map[string][]time.Duration{}
		for round := range 120 {
			for i := range serials {
				serial := serials[(i+round)%len(serials)]
				begin := time.Now()
				n.askSerial(question{http.MethodGet, path, ""}, serial)
				took[serial] = append(took[serial], time.Since(begin))
			}
		}
		middle := func(serial string) time.Duration {
			slices.Sort(took[serial])
			return took[serial][len(took[serial])/2]
		}
		for _, serial := range serials[1:] {
			if a, b := middle(serial), middle(serials[0]); a > 2*b || b > 2*a {
				t.Errorf("%s: %s takes %v, an unknown one %v", path, serial, a, b)
			}
		}
	}
}

// Rule 7: a class may be kept for hours, a question for a thing never; no
// target hears of where the visitor was.
func TestOnlyClassesMayBeKept(t *testing.T) {
	t.Parallel()
	n := privateNode(t, config(t))
	for _, a := range waysToAsk() {
		if strings.HasPrefix(a.path, "/things") || strings.HasPrefix(a.path, "/search") {
			continue // those are no names; what they answer depends on who asks
		}
		for _, serial := range []string{"known-77", "nobody77", "owned-77"} {
			h := n.askSerial(a, serial).Header()
			if h.Get("Cache-Control") != "no-store" || h.Get("Referrer-Policy") != "no-referrer" || h.Get("ETag") != "" {
				t.Errorf("%v, %s: %v", a, serial, h)
			}
		}
	}
	for _, path := range []string{"/resolve?id=/" + lampKey, "/" + lampKey, "/" + lampKey + "?linkType=all"} {
		h := n.ask(path, "").Header()
		if !strings.Contains(h.Get("Cache-Control"), "public, max-age=") || h.Get("Referrer-Policy") != "no-referrer" {
			t.Errorf("%s: %v", path, h)
		}
	}
}

// Rule 7: what leads to a third party has nothing of the question below its
// class, not in the path and not in the query.
func TestNoSerialIsHandedOn(t *testing.T) {
	t.Parallel()
	n := privateNode(t, config(t))
	for _, path := range []string{
		"/" + lampKey + "/21/nobody77", "/" + lampKey + "/10/batch-77/21/nobody77", "/" + lampKey + "/21/nobody77?17=271231&250=second77",
		"/" + lampKey + "?21=nobody77", "/" + lampKey + "?250=nobody77",
	} {
		w := n.ask(path, "text/html")
		if to := w.Header().Get("Location"); w.Code == http.StatusTemporaryRedirect && (!strings.HasPrefix(to, "https://shop.example/lamp") || strings.Contains(to, "77")) {
			t.Errorf("%s leads to %s", path, to)
		}
	}
	if to := n.ask("/"+lampKey+"/21/nobody77", "text/html").Header().Get("Location"); to != "https://shop.example/lamp" {
		t.Errorf("an unknown thing leads to %q", to)
	}
}

// Rule 7: a thing is named to another node only where the operator said that
// it handles it.
func TestSerialsGoToWhoHandlesThem(t *testing.T) {
	t.Parallel()
	n := privateNode(t, config(t))
	if err := n.names.links.Delegate(t.Context(), linkset.Delegation{Subject: "01/0950*", HandledBy: "https://s.example"}); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/resolve?id=/01/09501101530003/21/a77", "/01/09501101530003/21/a77"} {
		w := n.ask(path, "application/json")
		to := w.Header().Get("Location")
		if w.Code != http.StatusTemporaryRedirect || !strings.HasPrefix(to, "https://s.example/") || !strings.Contains(to, "a77") || w.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %d %v", path, w.Code, w.Header())
		}
	}
	var a wire.Resolution
	b := n.ask("/resolve?id=/01/09501101530003/21/a77", "").Body.Bytes()
	if err := json.Unmarshal(b, &a); err != nil || a.HandledBy != "https://s.example" || a.Covers != "01/0950*" || bytes.Contains(b, []byte("a77")) {
		t.Errorf("%s: %v", b, err)
	}
}

// Rule 6: nothing that was asked for is written anywhere, whatever is logged.
func TestNoNameIsLogged(t *testing.T) {
	t.Parallel()
	c := config(t)
	var log bytes.Buffer
	c.Log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	manual := clock.NewManual(begin())
	c.Clock = manual
	n := privateNode(t, c)
	const secret = "Zq7serial"
	for _, a := range waysToAsk() {
		n.askSerial(a, secret)
	}
	for _, path := range []string{"/resolve?id=" + secret + ".example", "/resolve?id=%00" + secret, "/thing/" + secret + "/did.json", "/.well-known/core?rt=" + secret} {
		n.ask(path, "")
	}
	manual.Advance(time.Hour)
	metrics := n.ask("/metrics", "").Body.String()
	if strings.Contains(metrics, secret) || !strings.Contains(metrics, `primum_names_last_hour{answer="found"}`) {
		t.Error("the numbers hold no names, but how many were answered")
	}
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(log.String(), secret) {
		t.Errorf("logged: %s", log.String())
	}
	files := 0
	err := filepath.WalkDir(c.DataDir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		files++
		b, err := os.ReadFile(path)
		if bytes.Contains(b, []byte(secret)) {
			t.Errorf("%s holds a name that was asked for", path)
		}
		return err
	})
	if err != nil || files < 4 {
		t.Errorf("%d files: %v", files, err)
	}
}

// Rule 2: the owner's label is not its name, ends with the ownership, and what
// the next owner gets is another. The table of who is not answered for holds
// no name in clear.
func TestLabelsRotateWithTheOwner(t *testing.T) {
	t.Parallel()
	n := privateNode(t, config(t))
	const thing = lampKey + "/21/rotate77"
	ada, bea := "ada@"+n.Authority(), "bea@"+n.Authority()
	first := own(t, n, ada, thing)
	page, err := json.Marshal(wire.Notice{Title: "A lamp", Language: "en", Items: []wire.NoticeItem{{What: "light", Every: "1h"}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := n.store.Notices.Put(t.Context(), store.Notice{ID: first, Account: ada, Changed: begin(), Document: page}, 0); err != nil {
		t.Fatal(err)
	}
	document := func(label string) *httptest.ResponseRecorder { return n.ask("/thing/"+label+"/did.json", "") }
	if w := document(first); w.Code != http.StatusOK || strings.Contains(w.Body.String(), "rotate77") || strings.Contains(w.Body.String(), "ada") {
		t.Errorf("its document: %d %s", w.Code, w.Body)
	}
	for _, name := range []string{resolve.DIDOf(n.Authority(), first), n.BaseURL() + "/thing/" + first} {
		w := n.ask("/resolve?id="+url.QueryEscape(name), "application/json")
		if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "A lamp") || strings.Contains(w.Body.String(), "rotate77") {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
	}
	if err := n.store.Labels.Remove(t.Context(), ada, first); err != nil {
		t.Fatal(err)
	}
	second := own(t, n, bea, thing)
	if second == first || document(first).Code != http.StatusNotFound {
		t.Errorf("%s, then %s: %d", first, second, document(first).Code)
	}
}
