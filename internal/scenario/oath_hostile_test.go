package scenario

import (
	"bytes"
	"crypto/ed25519"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"primum/internal/clock"
	"primum/internal/wire"
	proofs "primum/ledger"
	"primum/oath"
	"primum/oath/network"
	"primum/oath/person"
)

// hostile answers as a node at its entrance, names a ledger, and does something
// nasty everywhere else.
func hostile(t *testing.T, nasty http.HandlerFunc) string {
	t.Helper()
	var domain string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != wire.NodePath {
			nasty(w, r)
			return
		}
		base, key := "http://"+domain, ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, 32)).Public().(ed25519.PublicKey)
		public, commitments := proofs.PublicOrigin(domain), proofs.CommitmentsOrigin(domain)
		_ = json.NewEncoder(w).Encode(wire.NodeInfo{ // who reads it has gone, or not
			Authority: domain, API: base, Software: "primum", Version: "\x1b[2J", Time: time.Now(), Keys: []wire.NodeKey{{ID: "k1", X: key}},
			Ledger: &proofs.NodeLedger{
				Public:      proofs.Log{Origin: public, URL: base + "/ledger/public", Key: proofs.LogKey(public, key)},
				Commitments: proofs.Log{Origin: commitments, URL: base + "/ledger/commitments", Key: proofs.LogKey(commitments, key)},
			},
		})
	}))
	t.Cleanup(func() { s.CloseClientConnections(); s.Close() })
	domain = strings.Replace(strings.TrimPrefix(s.URL, "http://"), "127.0.0.1", "h.localhost", 1)
	return domain
}

// A node that is one at its entrance only: every clause ends in its time, with
// a verdict and a reason, test persons and all.
func TestOathOfHostileNodes(t *testing.T) {
	t.Parallel()
	clauses, err := oath.Clauses()
	if err != nil {
		t.Fatal(err)
	}
	for i := range clauses {
		clauses[i].AtMost = 600 * time.Millisecond
	}
	probes := network.Probes()
	maps.Copy(probes, person.Probes())
	for name, nasty := range map[string]http.HandlerFunc{
		"hangs":     func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
		"says yes":  func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{}`)) },
		"says null": func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`null`)) },
		"goes deep": func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(bytes.Repeat([]byte(`{"a":`), 100_000)) },
		"sends away": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, r.URL.Path, http.StatusTemporaryRedirect)
		},
		"never ends":   endlessly,
		"fails always": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			began := time.Now()
			report, _, err := oath.Check(t.Context(), oath.Config{
				Domain: hostile(t, nasty), Clauses: clauses, Probes: probes, NewCast: person.NewCast, People: true, Clock: clock.Real(),
				Total: oath.Budget{Time: 5 * time.Second},
			})
			if err != nil {
				t.Fatal(err)
			}
			if took := time.Since(began); took > 40*time.Second {
				t.Errorf("the check took %v", took)
			}
			for _, r := range report.Results {
				if r.Verdict == oath.NotShown && r.Reason == "" {
					t.Errorf("%s is not shown without a reason", r.Clause)
				}
				if strings.ContainsRune(r.Reason, 0x1b) {
					t.Errorf("%s writes on the terminal: %q", r.Clause, r.Reason)
				}
				if strings.Contains("O03 O04 O05 O06 O07 O08 O10 O15", r.Clause) && r.Verdict == oath.NoBreach {
					t.Errorf("%s: no breach seen, where nothing could be seen", r.Clause)
					logResult(t, r)
				}
			}
		})
	}
}

func endlessly(w http.ResponseWriter, r *http.Request) {
	block := bytes.Repeat([]byte(`[{"a":"b"},`), 4096)
	for r.Context().Err() == nil {
		if _, err := w.Write(block); err != nil {
			return
		}
	}
}
