package scenario

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"primum/internal/engine"
	logbook "primum/ledger"
)

// A person's page verifies its node's ledger, remembers it, and says when the
// node shows another one.
func TestPageVerifiesLedger(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.signUp(t, w.h, "ada", "Ada")
	own := engine.LedgerParams{Authority: w.h.Authority()}
	first := call[engine.LedgerReport](t, p, "ledger.verify", own)
	if len(first.Found) > 0 || first.Commitments.Requests == 0 {
		t.Errorf("at first: %+v", first)
	}
	again := call[engine.LedgerReport](t, p, "ledger.verify", own)
	if len(again.Found) > 0 || again.Public.Since != first.Public.Size {
		t.Errorf("again: %+v", again)
	}
	if _, err := try[engine.LedgerReport](t, p, "ledger.verify", engine.LedgerParams{Authority: "no domain"}); err == nil {
		t.Error("no domain is taken")
	}

	file := filepath.Join(p.dir, "ledgers", strings.ReplaceAll(w.h.Authority(), ":", "_")+".json")
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var k logbook.Kept
	if err := json.Unmarshal(b, &k); err != nil {
		t.Fatal(err)
	}
	origin := logbook.PublicOrigin(w.h.Authority())
	l := k.Logs[origin]
	l.Key = logbook.LogKey(origin, make([]byte, 32))
	k.Logs[origin] = l
	if b, err = json.Marshal(k); err == nil {
		err = os.WriteFile(file, b, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	other := call[engine.LedgerReport](t, p, "ledger.verify", own)
	if len(other.Found) != 1 || other.Found[0].Kind != "key" || other.Found[0].Log != origin {
		t.Errorf("another key: %+v", other)
	}
}
