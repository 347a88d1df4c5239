package scenario

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"testing"
	"time"

	"primum/client"
	"primum/identity"
	"primum/internal/clock"
	"primum/internal/wire"
	proofs "primum/ledger"
	"primum/oath"
	"primum/oath/network"
	"primum/oath/person"
)

// quick are the clauses' windows in a test: seconds, not minutes.
func quick() map[string]string {
	return map[string]string{
		"O03.watch": "1500ms", "O04.wait": "7s", "O04.patience": "3s", "O05.windows": "3", "O07.within": "5s", "O10.times": "12", "O10.floor": "3s", "O15.wait": "4s",
	}
}

// checkOath checks clauses of a domain with the test persons' programs.
func checkOath(t *testing.T, domain string, builds person.Builds, ids ...string) map[string]oath.Result {
	t.Helper()
	all, err := oath.Clauses()
	if err != nil {
		t.Fatal(err)
	}
	clauses := slices.DeleteFunc(all, func(c oath.Clause) bool { return !slices.Contains(ids, c.ID) })
	report, _ := runOath(t, oath.Config{Domain: domain, Clauses: clauses, NewCast: builds.NewCast, People: true})
	results := map[string]oath.Result{}
	for _, r := range report.Results {
		results[r.Clause] = r
	}
	return results
}

// checkKept checks one clause by somebody who has seen the ledger before.
func checkKept(t *testing.T, domain string, kept proofs.Kept, id string) (oath.Result, proofs.Kept) {
	t.Helper()
	file, err := oath.ClauseFile(id)
	if err != nil {
		t.Fatal(err)
	}
	clause, err := oath.ParseClause(file)
	if err != nil {
		t.Fatal(err)
	}
	report, kept := runOath(t, oath.Config{Domain: domain, Clauses: []oath.Clause{clause}, Kept: kept})
	return report.Results[0], kept
}

func runOath(t *testing.T, cfg oath.Config) (oath.Report, proofs.Kept) {
	t.Helper()
	cfg.Probes, cfg.With, cfg.Clock, cfg.From, cfg.Version = network.Probes(), quick(), clock.Real(), "a test", "test"
	maps.Copy(cfg.Probes, person.Probes())
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	report, kept, err := oath.Check(ctx, cfg)
	if err != nil {
		t.Fatal(err)
	}
	if report.Left != "" {
		t.Logf("left behind: %s", report.Left)
	}
	return report, kept
}

// people are the clauses that need test persons.
func people() []string {
	return []string{"O03", "O04", "O05", "O06", "O07", "O08", "O10", "O11", "O15"}
}

// TestOathOfAnHonestNode: the control of all liars. No clause is broken, and
// each shows something.
func TestOathOfAnHonestNode(t *testing.T) {
	t.Parallel()
	n := startNode(t, "h.localhost", t.TempDir(), clock.Real())
	published(t, n.Authority())
	for id, r := range checkOath(t, n.Authority(), person.Builds{}, people()...) {
		logResult(t, r)
		if r.Verdict != oath.NoBreach {
			t.Errorf("%s: %s: %s", id, r.Verdict, r.Reason)
		}
		for _, s := range r.Steps {
			if s.Verdict == oath.NoBreach && len(s.Evidence) == 0 && s.Probe != "verify-ledger" {
				t.Errorf("%s: %s shows no evidence", id, s.Probe)
			}
		}
	}
}

// published waits until a node has said in public what it counts.
func published(t *testing.T, authority string) {
	t.Helper()
	n := client.Node{Calls: realCalls(), Authority: authority}
	eventually(t, "the node publishes its rules", func() bool {
		return n.JSON(t.Context(), client.Key{}, http.MethodGet, identity.BaseURL(authority)+wire.MeterCataloguePath, nil, nil) == nil
	})
}

func logResult(t *testing.T, r oath.Result) {
	t.Helper()
	t.Logf("%s %s %s; %d ms, %d bytes, %d requests", r.Clause, r.Verdict, r.Reason, r.Took, r.Bytes, r.Asked)
	for _, s := range r.Steps {
		t.Logf("   %s: %s %s %v", s.Probe, s.Verdict, s.Reason, s.Facts)
		for _, e := range s.Evidence {
			t.Logf("      %s", e.What)
		}
	}
	for _, u := range r.Unshown {
		t.Logf("   not shown: %s", u)
	}
}
