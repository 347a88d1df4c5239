package node

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"primum/internal/clock"
	"primum/internal/notary"
	"primum/internal/store"
	"primum/internal/wire"
	"primum/ledger"
	"primum/oath"
)

func factsNode(t *testing.T, dir string, change ...func(*Config)) *Node {
	t.Helper()
	cfg := Config{Authority: "h.localhost", Listen: "127.0.0.1:0", DataDir: dir, Clock: clock.NewManual(time.Date(2026, 11, 23, 3, 0, 0, 0, time.UTC)), Version: "1.0"}
	for _, f := range change {
		f(&cfg)
	}
	n, err := Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = n.Close() })
	if err := errors.Join(n.facts.addOwn(t.Context()), n.facts.place(t.Context())); err != nil {
		t.Fatal(err)
	}
	return n
}

// ask is a stranger's request.
func (n *Node) ask(target, accept string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, target, nil)
	r.Host = n.Authority()
	if accept != "" {
		r.Header.Set("Accept", accept)
	}
	w := httptest.NewRecorder()
	n.handler().ServeHTTP(w, r)
	return w
}

func logged(t *testing.T, n *Node, index uint64) ledger.Entry {
	t.Helper()
	lines, err := n.notary.Entries(t.Context(), notary.Public, index, 1)
	if err != nil || len(lines) != 1 {
		t.Fatalf("entry %d: %v", index, err)
	}
	e, err := ledger.ParseEntry(lines[0])
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// TestEveryDocumentStandsInTheLogAndIsServed follows each from its place by
// name to its entry, and from there back to its bytes.
func TestEveryDocumentStandsInTheLogAndIsServed(t *testing.T) {
	t.Parallel()
	n := factsNode(t, t.TempDir())
	var list wire.FactList
	if err := json.Unmarshal(n.ask(wire.FactsPath, "").Body.Bytes(), &list); err != nil || len(list.Facts) != 5 {
		t.Fatalf("%d facts: %v", len(list.Facts), err)
	}
	for _, f := range list.Facts {
		e := logged(t, n, f.Index)
		w := n.ask(e.Ref, "*/*")
		sum := sha256.Sum256(w.Body.Bytes())
		if got := hex.EncodeToString(sum[:]); w.Code != 200 || got != e.SHA256 || got != f.SHA256 || string(e.T) != f.Type || !f.Now {
			t.Errorf("%s: status %d, hash %s, entry %+v", f.Type, w.Code, got, e)
		}
		if !strings.Contains(w.Header().Get("Cache-Control"), "immutable") || w.Header().Get("Access-Control-Allow-Origin") != "*" {
			t.Errorf("%s: %v", f.Type, w.Header())
		}
	}
	for path, of := range map[string]ledger.Type{
		wire.MeterCataloguePath: ledger.TypeMeterCatalogue, wire.NamingPolicyPath: ledger.TypeNamingPolicy, wire.ReleasePath: ledger.TypeRelease, wire.KeysPath: ledger.TypeKey,
	} {
		sum := sha256.Sum256(n.ask(path, "").Body.Bytes())
		for _, f := range list.Facts {
			if f.Type == string(of) && f.SHA256 != hex.EncodeToString(sum[:]) {
				t.Errorf("%s serves other bytes than the log names", path)
			}
		}
	}
	for path, code := range map[string]int{
		wire.OathPath: 404, wire.FactPath(strings.Repeat("0", 64)): 404, wire.FactPath("x"): 404, wire.PoliciesPath: 200, wire.IncidentsPath: 200, wire.MeasurementsPath: 200,
		wire.FactsPath + "?before=x": 400, wire.SecurityPath: 200, wire.OldSecurityPath: 302,
	} {
		if w := n.ask(path, ""); w.Code != code {
			t.Errorf("%s: status %d, want %d", path, w.Code, code)
		}
	}
}

func TestBrowsersGetAPageAndProgramsGetJSON(t *testing.T) {
	t.Parallel()
	n := factsNode(t, t.TempDir())
	var info wire.NodeInfo
	if err := json.Unmarshal(n.ask(wire.NodePath, "application/json").Body.Bytes(), &info); err != nil || info.Authority != n.Authority() {
		t.Fatalf("%+v, %v", info, err)
	}
	page := n.ask(wire.NodePath, "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8").Body.String()
	for _, want := range []string{"Facts and oath of an operator", "sworn nothing yet", "primum oath check " + n.Authority(), "primum ledger verify " + n.Authority(), wire.FactsPath + "/", "What this node does with data"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if strings.Contains(page, "[facts.") || strings.Contains(page, "<script") {
		t.Error("the page lacks words, or has a script")
	}
	security := n.ask(wire.SecurityPath, "").Body.String()
	for _, want := range []string{"Contact: mailto:security@h.localhost\n", "Expires: 2027-05-22T00:00:00Z\n", "Canonical: " + n.BaseURL() + wire.SecurityPath + "\n"} {
		if !strings.Contains(security, want) {
			t.Errorf("security.txt lacks %q:\n%s", want, security)
		}
	}
}

func TestDocumentsAreMadeAnewOnlyWhenTheyChange(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	n := factsNode(t, dir)
	count := func(n *Node) int {
		all, err := n.store.Facts.List(t.Context(), "", 0, 100)
		if err != nil {
			t.Fatal(err)
		}
		return len(all)
	}
	authority, before := n.Authority(), count(n)
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	again := func(c *Config) { c.Authority = authority }
	n = factsNode(t, dir, again)
	if got := count(n); got != before {
		t.Errorf("a restart made %d documents of %d", got, before)
	}
	_ = n.Close()
	n = factsNode(t, dir, again, func(c *Config) { c.Quotas, c.Version = map[string]uint64{"requests": 1000}, "1.1" })
	if got := count(n); got != before+2 {
		t.Errorf("a new quota and version made %d documents of %d, want 2 more", got, before)
	}
	var c wire.MeterCatalogue
	if err := json.Unmarshal(n.ask(wire.MeterCataloguePath, "").Body.Bytes(), &c); err != nil || c.Meters[0].Quota != 1000 {
		t.Errorf("the catalogue has %+v, %v", c.Meters, err)
	}
}

// TestACrashBetweenLogAndStoreLeavesOneEntry: the log has the entry, the store
// does not know.
func TestACrashBetweenLogAndStoreLeavesOneEntry(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	n := factsNode(t, dir)
	f, err := PolicyFact(ledger.TypePolicy, wire.Policy{Name: "house", Texts: map[string]wire.Text{"en": {Title: "House rules", Body: "Few."}}})
	if err != nil {
		t.Fatal(err)
	}
	f.At = n.cfg.Clock.Now()
	sha, added, err := n.store.Facts.Add(t.Context(), f)
	if err != nil || !added {
		t.Fatal(err)
	}
	at, err := n.notary.Publish(t.Context(), ledger.Entry{T: ledger.TypePolicy, At: f.At, SHA256: sha, Ref: wire.FactPath(sha)})
	if err != nil {
		t.Fatal(err)
	}
	if w := n.ask(wire.FactPath(sha), ""); w.Code != 404 {
		t.Errorf("a document that the store does not know in the log is served: %d", w.Code)
	}
	authority := n.Authority()
	_ = n.Close()
	n = factsNode(t, dir, func(c *Config) { c.Authority = authority })
	got, err := n.store.Facts.Get(t.Context(), sha)
	if err != nil || got.Index != at {
		t.Errorf("it stands at %d, want %d: %v", got.Index, at, err)
	}
	if more, err := n.notary.Entries(t.Context(), notary.Public, at+1, 10); err != nil || len(more) > 0 {
		t.Errorf("%d entries behind it: %v", len(more), err)
	}
}

// TestALostLogGetsEverythingAgain: the folder of the logs is gone; every document
// gets a new entry, and is served only with it.
func TestALostLogGetsEverythingAgain(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	n := factsNode(t, dir)
	before, err := n.store.Facts.List(t.Context(), "", 0, 100)
	if err != nil {
		t.Fatal(err)
	}
	authority := n.Authority()
	_ = n.Close()
	if err := os.RemoveAll(filepath.Join(dir, ledgerFolder)); err != nil {
		t.Fatal(err)
	}
	again := func(c *Config) { c.Authority = authority }
	n = factsNode(t, dir, again)
	after, err := n.store.Facts.List(t.Context(), "", 0, 100)
	if err != nil || len(after) != len(before) {
		t.Fatalf("%d documents of %d, %v", len(after), len(before), err)
	}
	for i, f := range after {
		if e := logged(t, n, f.Index); e.SHA256 != f.SHA256 || f.SHA256 != before[i].SHA256 || f.N <= before[0].N || !f.Newest {
			t.Errorf("%s: entry %+v, fact %+v", f.Type, e, f)
		}
	}
	_ = n.Close()
	n = factsNode(t, dir, again)
	if last, err := n.store.Facts.Last(t.Context()); err != nil || last.N != after[0].N {
		t.Errorf("the next start adds again: %+v, %v", last, err)
	}
}

// TestAnOlderCopyOfTheLogIsRefused: writing on would make a second history.
func TestAnOlderCopyOfTheLogIsRefused(t *testing.T) {
	t.Parallel()
	dir, copied := t.TempDir(), t.TempDir()
	n := factsNode(t, dir)
	authority := n.Authority()
	_ = n.Close()
	if err := os.CopyFS(filepath.Join(copied, ledgerFolder), os.DirFS(filepath.Join(dir, ledgerFolder))); err != nil {
		t.Fatal(err)
	}
	n = factsNode(t, dir, func(c *Config) { c.Authority, c.Version = authority, "1.1" })
	_ = n.Close()
	if err := os.RemoveAll(filepath.Join(dir, ledgerFolder)); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(filepath.Join(dir, ledgerFolder), os.DirFS(filepath.Join(copied, ledgerFolder))); err != nil {
		t.Fatal(err)
	}
	cfg := n.cfg
	_, err := Open(t.Context(), cfg)
	if !errors.Is(err, ledger.ErrRollback) || !strings.Contains(err.Error(), "newest copy") {
		t.Errorf("an older log: %v", err)
	}
}

// TestPublishedResultsAreShown: a signed result of a check stands on the page and
// in the list of measurements with its number, its evidence, and what it can't
// show; one about another domain does not.
func TestPublishedResultsAreShown(t *testing.T) {
	t.Parallel()
	n := factsNode(t, t.TempDir())
	bound, at := 1000.0, n.cfg.Clock.Now()
	publish := func(domain string, at time.Time, v oath.Verdict) string {
		t.Helper()
		report := oath.Report{Domain: domain, At: at, From: "a stranger", Version: "1.0", Results: []oath.Result{{
			Clause: "O04", Title: "No", Check: strings.Repeat("c", 64), Sworn: "yes", Verdict: v, Reason: "it took long", At: at,
			Shown: &oath.Shown{Fact: "stopped", Value: 180, Unit: "ms", Bound: &bound}, Unshown: []string{"what others keep"},
		}}}
		signed, err := report.Sign(ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize)))
		if err != nil {
			t.Fatal(err)
		}
		sha, _, err := AddFact(t.Context(), n.cfg.DataDir, store.Fact{Type: "check", Kind: oath.MediaType, Body: signed}, at)
		if err = errors.Join(err, n.facts.place(t.Context())); err != nil {
			t.Fatal(err)
		}
		return sha
	}
	publish(n.Authority(), at.Add(-time.Hour), oath.Broken)
	newest := publish(n.Authority(), at, oath.NoBreach)
	publish("other.example", at, oath.Broken)
	var m wire.Measurements
	if err := json.Unmarshal(n.ask(wire.MeasurementsPath, "").Body.Bytes(), &m); err != nil || len(m.Clauses) != 1 || len(m.Clauses[0].Measurements) != 2 {
		t.Fatalf("%+v, %v", m, err)
	}
	last, earlier := m.Clauses[0].Measurements[0], m.Clauses[0].Measurements[1]
	if last.SHA256 != newest || last.Verdict != wire.VerdictNoBreach || *last.Value != 180 || last.Ref != wire.FactPath(newest) || earlier.Verdict != wire.VerdictBroken {
		t.Errorf("%+v, before that %+v", last, earlier)
	}
	if e := logged(t, n, last.Index); e.SHA256 != newest || e.T != ledger.TypeCheck || len(e.Domains) != 1 || e.Domains[0] != n.Authority() {
		t.Errorf("entry %+v", e)
	}
	page := n.ask(wire.NodePath, "text/html").Body.String()
	for _, want := range []string{"180 ms ≤ 1000 ms", "Broken in one of these measurements", "it took long", "what others keep", wire.FactPath(newest), "a stranger"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
}

func TestWhatIsPublishedIsChecked(t *testing.T) {
	t.Parallel()
	n := factsNode(t, t.TempDir())
	good := store.Fact{Type: "policy", Name: "x", Kind: "application/json", Body: []byte("{}")}
	for name, change := range map[string]func(*store.Fact){
		"empty":     func(f *store.Fact) { f.Body = nil },
		"too long":  func(f *store.Fact) { f.Body = make([]byte, wire.MaxFact+1) },
		"a page":    func(f *store.Fact) { f.Kind = "text/html" },
		"a picture": func(f *store.Fact) { f.Kind = "image/svg+xml" },
		"no text":   func(f *store.Fact) { f.Body = []byte{0xff} },
		"no type":   func(f *store.Fact) { f.Type = "gossip" },
		"no check":  func(f *store.Fact) { f.Type = "check" },
		"no oath":   func(f *store.Fact) { f.Type = "oath" },
		"no counts": func(f *store.Fact) { f.Type = "legal-demand" },
	} {
		f := good
		change(&f)
		if _, _, err := AddFact(t.Context(), n.cfg.DataDir, f, time.Now()); !errors.Is(err, ErrFact) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, added, err := AddFact(context.Background(), n.cfg.DataDir, good, n.cfg.Clock.Now()); err != nil || !added {
		t.Errorf("a good one: %v", err)
	}
	if _, err := DemandFact(wire.LegalDemand{From: "2026-01-01", Received: 1, Refused: 2}); !errors.Is(err, ErrFact) {
		t.Errorf("more refused than received: %v", err)
	}
}

// The operator's own words for names take the place of the program's, keep what
// the program enforces over a restart, have a version each, and can be taken
// back.
func TestNamingPolicyOfTheOperator(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "node")
	read := func(n *Node) (p wire.Policy, sha string) {
		if err := errors.Join(n.facts.addOwn(t.Context()), n.facts.place(t.Context())); err != nil {
			t.Fatal(err)
		}
		w := n.ask(wire.NamingPolicyPath, "")
		if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || w.Code != http.StatusOK {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
		sum := sha256.Sum256(w.Body.Bytes())
		return p, hex.EncodeToString(sum[:])
	}
	n := factsNode(t, dir)
	first, firstSum := read(n)
	if first.Own || first.Version != 1 || first.Replaces != "" || first.Settings["thing-labels"] == "" {
		t.Errorf("built in: %+v", first)
	}
	own := map[string]wire.Text{"en": {Title: "Names of the shop", Body: "First come, first served."}}
	now := time.Date(2026, 11, 23, 4, 0, 0, 0, time.UTC)
	if _, v, added, err := AddNamingPolicy(t.Context(), dir, own, "2027-11-23", now); err != nil || v != 2 || !added {
		t.Fatalf("version %d, added %v: %v", v, added, err)
	}
	if _, v, added, err := AddNamingPolicy(t.Context(), dir, own, "2027-11-23", now); err != nil || v != 2 || added {
		t.Errorf("the same again: version %d, added %v: %v", v, added, err)
	}
	second, secondSum := read(n)
	if !second.Own || second.Version != 2 || second.Replaces != firstSum || second.Texts["en"].Title != "Names of the shop" || second.Settings["closed-names"] != "never-given-again" {
		t.Errorf("the operator's: %+v", second)
	}
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	n = factsNode(t, dir, func(c *Config) { c.Invite = true })
	third, thirdSum := read(n)
	if !third.Own || third.Version != 3 || third.Replaces != secondSum || third.Settings["accounts"] != "by-invitation" || third.Texts["en"].Title != "Names of the shop" {
		t.Errorf("after a change of what is enforced: %+v", third)
	}
	if again, sum := read(n); again.Version != 3 || sum != thirdSum {
		t.Errorf("added again: %+v", again)
	}
	if _, v, _, err := AddNamingPolicy(t.Context(), dir, nil, "", now); err != nil || v != 4 {
		t.Fatalf("version %d: %v", v, err)
	}
	if last, _ := read(n); last.Own || last.Version != 4 || last.Texts["de"].Title == "" {
		t.Errorf("built in again: %+v", last)
	}
	if w := n.ask(wire.FactPath(secondSum), ""); w.Code != http.StatusOK {
		t.Errorf("an older version is not kept: %d", w.Code)
	}
}
