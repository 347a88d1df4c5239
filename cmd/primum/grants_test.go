package main

import (
	"strings"
	"testing"
	"time"

	"primum/circle"
	"primum/grant"
	"primum/mls"
	"primum/thing"
)

// What a device said wrongly is counted where its owner looks.
func TestThingsShowWhatWasRefused(t *testing.T) {
	t.Parallel()
	d, err := thing.Parse([]byte(`{"@context":["https://www.w3.org/2022/wot/td/v1.1",{"primum":"urn:primum:"}],"title":"Water",
		"security":["nosec_sc"],"securityDefinitions":{"nosec_sc":{"scheme":"nosec"}},
		"primum:refused":3,"primum:problem":"flow: text where a number is described"}`))
	if err != nil {
		t.Fatal(err)
	}
	a, out, _ := testApp(t)
	a.refused("water", d)
	if got := out.String(); !strings.Contains(got, "water: 3 values") || !strings.Contains(got, "text where a number is described") {
		t.Errorf("things say %q", got)
	}
	a.json = true
	a.refused("water", d)
	if !strings.Contains(out.String(), `"refused":3`) {
		t.Errorf("JSON says %q", out.String())
	}
	quiet, silence, _ := testApp(t)
	quiet.refused("water", thing.New("Water"))
	if silence.String() != "" {
		t.Errorf("a thing without faults: %q", silence.String())
	}
}

// A withdrawal that the thing has not confirmed is always among the grants; a
// confirmed one shows both times, and only on demand.
func TestGrantsShowHowFarAWithdrawalIs(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 22, 14, 0, 0, 0, time.UTC)
	open := circle.GrantInfo{ID: "g1", State: grant.Withdrawn, Grantee: "a@s.localhost", Withdrawal: &circle.WithdrawalInfo{LockOne: at}}
	shut := circle.GrantInfo{ID: "g2", State: grant.Withdrawn, Grantee: "b@s.localhost", Withdrawal: &circle.WithdrawalInfo{LockOne: at, LockTwo: at, Statement: "s"}}
	who := func(g circle.GrantInfo) string { return g.Grantee }

	a, out, _ := testApp(t)
	if n := a.showGrants("grants.given", []circle.GrantInfo{open, shut}, false, who); n != 1 {
		t.Errorf("%d grants shown, want the unconfirmed one", n)
	}
	if got := out.String(); !strings.Contains(got, "not confirmed by your thing") || strings.Contains(got, "b@s.localhost") {
		t.Errorf("grants say %q", got)
	}
	a, out, _ = testApp(t)
	a.showGrants("grants.given", []circle.GrantInfo{shut}, true, who)
	if got := out.String(); !strings.Contains(got, "lock two") || strings.Contains(got, "not confirmed") {
		t.Errorf("grants --all say %q", got)
	}
}

// A circle on the older suite says so in one word; one on the hybrid, and one
// that has ended, say nothing.
func TestGrantsShowTheOlderSuite(t *testing.T) {
	t.Parallel()
	who := func(g circle.GrantInfo) string { return g.Grantee }
	for want, g := range map[string]circle.GrantInfo{
		"running, classic": {State: grant.Given, Joined: true, Suite: mls.X25519AES128GCMSHA256Ed25519},
		"running":          {State: grant.Given, Joined: true, Suite: mls.MLKEM768X25519AES128GCMSHA256Ed25519},
		"over":             {State: grant.Expired, Joined: true, Suite: mls.X25519AES128GCMSHA256Ed25519},
	} {
		a, out, _ := testApp(t)
		a.showGrants("grants.given", []circle.GrantInfo{g}, true, who)
		if got := out.String(); !strings.Contains(got, want) || strings.Contains(got, "classic") != strings.Contains(want, "classic") {
			t.Errorf("grants say %q, want %q", got, want)
		}
	}
}
