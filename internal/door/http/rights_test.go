package httpdoor_test

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"strings"
	"testing"
	"time"

	httpdoor "primum/internal/door/http"
	"primum/internal/jws"
	"primum/internal/node"
	"primum/internal/wire"
	"primum/ledger"
)

func decoded[T any](t *testing.T, r response) (v T) {
	t.Helper()
	if err := json.Unmarshal(r.body, &v); err != nil {
		t.Fatalf("%v: %s", err, r.body)
	}
	return v
}

// receiptOf checks a receipt: the node's signature, and the leaf that its key
// and document make.
func (w *world) receiptOf(r *wire.RightReceipt, right string) wire.RightDone {
	w.t.Helper()
	if r == nil {
		w.t.Fatal("no receipt")
	}
	info := decoded[wire.NodeInfo](w.t, w.want(200, w.do(request{method: "GET", path: wire.NodePath})))
	u, err := jws.Parse(r.Receipt, wire.MaxDocument)
	if err != nil {
		w.t.Fatal(err)
	}
	payload, err := u.Verify("primum-right+jwt", ed25519.PublicKey(info.Keys[0].X))
	if err != nil {
		w.t.Fatal(err)
	}
	var done wire.RightDone
	if err := json.Unmarshal(payload, &done); err != nil {
		w.t.Fatal(err)
	}
	leaf := ledger.RightLeaf(r.Key, right, sha256.Sum256([]byte(r.Receipt)))
	if done.Right != right || r.Leaf != hex.EncodeToString(leaf[:]) || len(r.Key) != 32 {
		w.t.Errorf("receipt: %+v, %+v", done, r)
	}
	return done
}

func TestAccessAndExport(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "h.localhost")
	a, b := w.join("owner"), w.join("friend")
	w.want(200, w.own(a, "PUT", "/v1/notices/room-four", notice()))
	got := decoded[wire.Access](t, w.want(200, w.own(a, "GET", "/v1/rights/access", nil)))
	held := map[string]wire.Holding{}
	for _, h := range got.Holds {
		held[h.What] = h
		if h.Count < 1 || h.Why == "" || h.Kept == "" {
			t.Errorf("held without a reason: %+v", h)
		}
	}
	if got.Account != a.addr.String() || held["account"].Count != 1 || held["identities"].Count != 1 || held["notices"].Count != 1 {
		t.Errorf("access: %+v", got)
	}
	w.receiptOf(got.Receipt, wire.RightAccess)

	r := w.want(200, w.own(a, "GET", "/v1/rights/export", nil))
	out := decoded[wire.NodeExport](t, r)
	if len(out.Holds["notices"]) != 1 || !strings.Contains(string(out.Holds["notices"][0]), "Air in room 4") || out.More != "" {
		t.Errorf("export: %s", r.body)
	}
	// The receipt is about the bytes before it.
	cut := strings.LastIndex(string(r.body), `,"receipt":`)
	sum := sha256.Sum256([]byte(string(r.body[:cut]) + "}"))
	if done := w.receiptOf(out.Receipt, wire.RightExport); done.Hash != base64.RawURLEncoding.EncodeToString(sum[:]) {
		t.Error("the receipt is about something else")
	}
	if strings.Contains(string(r.body), b.addr.String()) {
		t.Error("somebody else is in the export")
	}
	w.refused(wire.ProbUnsigned, w.do(request{method: "GET", path: "/v1/rights/export"}))
	for _, after := range []string{"x", "account", "account.-1", "account.x", ".1"} {
		w.refused(wire.ProbMalformed, w.own(a, "GET", "/v1/rights/export?after="+after, nil))
	}
}

// TestExportComesInPages: rows beyond one page follow where it says.
func TestExportComesInPages(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "h.localhost")
	a := w.join("owner")
	for i := range 99 {
		w.want(201, w.own(a, "POST", "/v1/rights/objection", wire.Plea{Text: strings.Repeat("x", 6000), About: time.Duration(i).String()}))
	}
	big, pages, more := 0, 0, ""
	for pages == 0 || more != "" {
		out := decoded[wire.NodeExport](t, w.want(200, w.own(a, "GET", "/v1/rights/export?after="+more, nil)))
		big, more = big+len(out.Holds["cases"]), out.More
		pages++
	}
	if big != 99 {
		t.Errorf("%d cases in %d pages", big, pages)
	}
}

func TestImportTakesWhatItCan(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "h.localhost")
	a, b := w.join("owner"), w.join("friend")
	bad := notice()
	bad.Items = nil
	until := w.clock.Now().Add(24 * time.Hour).UTC()
	row := func(v any) json.RawMessage { b, _ := json.Marshal(v); return b }
	in := wire.NodeImport{Export: wire.NodeExport{
		Format: wire.NodeExportFormat, Version: 1, Account: "owner@old.example", At: w.clock.Now(),
		Holds: map[string][]json.RawMessage{
			"notices": {
				row(map[string]any{"id": "room-four", "document": notice()}), row(map[string]any{"id": "../../x", "document": notice()}),
				row(map[string]any{"id": "room-five", "document": bad}), json.RawMessage(`7`),
			},
			"refusals": {row(map[string]any{"from": b.addr, "until": until}), row(map[string]any{"from": "x", "until": until}), row(map[string]any{"from": b.addr, "until": begin()})},
			"account":  {row("other")},
		},
	}}
	got := decoded[wire.Imported](t, w.want(200, w.own(a, "POST", "/v1/rights/import", in)))
	if got.Taken["notices"] != 1 || got.Left["notices"] != 3 || got.Taken["refusals"] != 1 || got.Left["refusals"] != 2 || got.Left["account"] != 1 {
		t.Errorf("import: %+v", got)
	}
	w.receiptOf(got.Receipt, wire.RightImport)
	w.want(200, w.do(request{method: "GET", path: "/v1/notices/room-four"}))
	// What another account has is never taken.
	got = decoded[wire.Imported](t, w.want(200, w.own(b, "POST", "/v1/rights/import", in)))
	if got.Taken["notices"] != 0 {
		t.Errorf("another account's page was taken: %+v", got)
	}
	in.Export.Format = "x"
	w.refused(wire.ProbMalformed, w.own(a, "POST", "/v1/rights/import", in))
}

func TestErasureSaysWhatRemains(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "h.localhost")
	a := w.join("owner")
	w.want(200, w.own(a, "PUT", "/v1/notices/room-four", notice()))
	w.want(201, w.own(a, "POST", "/v1/rights/complaint", wire.Plea{Text: "slow"}))
	now := w.clock.Now()
	erase := func(key ed25519.PrivateKey) response {
		return w.own(a, "POST", "/v1/rights/erasure", wire.CloseAccount{At: now, Signature: ed25519.Sign(key, wire.CloseAccountBytes(a.addr.String(), now))})
	}
	w.refused(wire.ProbBadSignature, erase(a.key))
	got := decoded[wire.Erased](t, w.want(200, erase(a.ident)))
	if got.Gone["notices"] != 1 || got.Gone["cases"] != 1 || got.Gone["account"] != 1 || len(got.Remains) < 3 || got.By.After(now.Add(2*time.Hour)) {
		t.Errorf("erasure: %+v", got)
	}
	w.receiptOf(got.Receipt, wire.RightErasure)
	w.refused(wire.ProbNotFound, w.do(request{method: "GET", path: "/v1/notices/room-four"}))
	w.refused(wire.ProbBadSignature, erase(a.ident))
	w.refused(wire.ProbConflict, w.do(request{method: "POST", path: "/v1/accounts", json: wire.NewAccount{Identity: a.doc.Compact()}}))
}

// TestCases: nobody needs an account for an objection; its id is its key; an
// answer can be appealed from, once.
func TestCases(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	w := newWorld(t, "h.localhost", func(c *node.Config) { c.DataDir = dir })
	a := w.join("owner")
	opened := decoded[wire.Case](t, w.want(201, w.do(request{method: "POST", path: "/v1/rights/objection", json: wire.Plea{About: "door", Text: "It sees me."}})))
	if len(opened.ID) != 32 || opened.State != wire.CaseReceived || !opened.AnswerBy.Equal(begin().Add(72*time.Hour)) {
		t.Errorf("case: %+v", opened)
	}
	if done := w.receiptOf(opened.Receipt, wire.RightObjection); done.ID != opened.ID || !done.By.Equal(opened.AnswerBy) {
		t.Errorf("receipt of a case: %+v", done)
	}
	path := "/v1/rights/cases/" + opened.ID
	appeal := request{method: "POST", path: path + "/appeal", json: wire.Appeal{Text: "It still sees me."}}
	w.refused(wire.ProbConflict, w.do(appeal))
	for i, want := range []string{wire.CaseAnswered, wire.CaseClosed} {
		if err := node.Answer(t.Context(), dir, opened.ID, "Turned away.", w.clock.Now()); err != nil {
			t.Fatal(err)
		}
		got := decoded[wire.Case](t, w.want(200, w.do(request{method: "GET", path: path})))
		if got.State != want || got.Steps[len(got.Steps)-1].By != "operator" {
			t.Errorf("after answer %d: %+v", i+1, got)
		}
		if i == 0 {
			w.want(200, w.do(appeal))
		}
	}
	w.refused(wire.ProbConflict, w.do(appeal))
	if err := node.Answer(t.Context(), dir, opened.ID, "again", w.clock.Now()); err == nil {
		t.Error("a closed case was answered")
	}
	w.refused(wire.ProbNotFound, w.do(request{method: "GET", path: "/v1/rights/cases/" + strings.Repeat("0", 32)}))

	// Signed, it stands in the own list, and in nobody else's.
	w.want(201, w.own(a, "POST", "/v1/rights/complaint", wire.Plea{Text: "slow"}))
	if all := decoded[wire.Cases](t, w.want(200, w.own(a, "GET", "/v1/rights", nil))); len(all.Cases) != 1 || all.Cases[0].Kind != wire.RightComplaint {
		t.Errorf("own cases: %+v", all)
	}
	if all := decoded[wire.Cases](t, w.want(200, w.own(w.join("friend"), "GET", "/v1/rights", nil))); len(all.Cases) != 0 {
		t.Errorf("a friend's cases: %+v", all)
	}
	waiting, err := node.Cases(t.Context(), dir)
	if err != nil || len(waiting) != 1 {
		t.Errorf("waiting: %+v, %v", waiting, err)
	}
}

func TestPleasAreBounded(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "h.localhost")
	a := w.join("owner")
	for _, p := range []wire.Plea{
		{}, {Text: strings.Repeat("x", wire.MaxPlea+1)}, {Text: "x", About: strings.Repeat("x", 600)}, {Text: "x", Reply: strings.Repeat("x", 600)},
	} {
		if r := w.do(request{method: "POST", path: "/v1/rights/objection", json: p}); r.status != 400 && r.status != 413 {
			t.Errorf("%d for %.40v", r.status, p)
		}
	}
	w.refused(wire.ProbMalformed, w.do(request{method: "POST", path: "/v1/rights/objection", body: []byte(`{"text":"x","more":1}`), kind: "application/json"}))
	for range 120 {
		if r := w.own(a, "POST", "/v1/rights/objection", wire.Plea{Text: "x"}); r.status != 201 {
			w.refused(wire.ProbTooMany, r)
			return
		}
	}
	t.Error("an account fills the node with cases")
}

// TestRightsHaveTheirOwnLimits: who has used up all other limits still has their
// rights.
func TestRightsHaveTheirOwnLimits(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "h.localhost", func(c *node.Config) {
		l := httpdoor.DefaultLimits(true)
		l.Address, l.Account = httpdoor.Rate{PerSecond: 0.001, Burst: 3}, httpdoor.Rate{PerSecond: 0.001, Burst: 1}
		l.Rights = httpdoor.Rate{PerSecond: 0.001, Burst: 20}
		c.Limits = &l
	})
	a := w.join("owner")
	w.want(200, w.own(a, "GET", "/v1/homes", nil))
	w.refused(wire.ProbTooMany, w.own(a, "GET", "/v1/homes", nil))
	w.want(200, w.own(a, "GET", "/v1/rights/access", nil))
	w.want(200, w.own(a, "GET", "/v1/seen", nil))
	w.want(201, w.do(request{method: "POST", path: "/v1/rights/complaint", json: wire.Plea{Text: "slow"}}))
}

// TestOneAddressDoesNotFillTheCases: strangers share the room for cases that
// nobody signed; who signs is not held up by them.
func TestOneAddressDoesNotFillTheCases(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "h.localhost", func(c *node.Config) {
		l := httpdoor.DefaultLimits(true)
		l.Pleas = httpdoor.Rate{PerSecond: 0.001, Burst: 2}
		c.Limits = &l
	})
	a := w.join("owner")
	plea := request{method: "POST", path: "/v1/rights/objection", json: wire.Plea{Text: "x"}}
	w.want(201, w.do(plea))
	w.want(201, w.do(plea))
	w.refused(wire.ProbTooMany, w.do(plea))
	w.want(201, w.own(a, "POST", "/v1/rights/objection", wire.Plea{Text: "x"}))
}
