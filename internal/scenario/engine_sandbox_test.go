package scenario

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"primum/internal/engine"
)

// The thermometer to try: there at once with a past, shared, switched, kept over
// a reload, stopped and removed.
func TestSandbox(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	owner, friend := w.signUp(t, w.h, "ada", "Ada"), w.signUp(t, w.s, "ben", "Ben")
	home := call[engine.HomeResult](t, owner, "sandbox.start", engine.Empty{}).Home
	thing, temperature := owner.affordance(t, "thermometer/temperature", anyState)
	if !thing.Sandbox || !thing.Own || thing.Home != home || temperature.Latest == nil || len(temperature.Recent) != 60 || temperature.Unit != "°C" {
		t.Errorf("at once: %+v", thing)
	}
	if again := call[engine.HomeResult](t, owner, "sandbox.start", engine.Empty{}).Home; again != home {
		t.Errorf("started twice: %s and %s", home, again)
	}
	preview := call[engine.PreviewResult](t, owner, "preview", engine.PreviewParams{
		Ref: temperature.Ref, Precision: engine.Precision{Every: "1h", Stat: "mean", Round: 0.5},
	})
	if len(preview.Own) < 700 || len(preview.Seen) != 24 || preview.To.Sub(preview.From) != 24*time.Hour {
		t.Errorf("preview: %d own, %d seen, %v", len(preview.Own), len(preview.Seen), preview.To.Sub(preview.From))
	}
	friendAccount := call[engine.Status](t, friend, "status", engine.Empty{}).Account
	given := call[engine.Given](t, owner, "give", engine.GiveParams{
		Account: friendAccount, Until: w.clock.Now().Add(24 * time.Hour),
		Share: []engine.Share{{
			Ref: temperature.Ref, Ops: []string{"readproperty", "observeproperty"}, Precision: engine.Precision{Every: "10s"},
		}},
	})
	owner = owner.reload(t, w)
	_, light := owner.affordance(t, "thermometer/light", anyState)
	w.clock.Advance(time.Second)
	eventually(t, "the light is switched", func() bool {
		_, err := try[engine.SendResult](t, owner, "send", engine.SendParams{Ref: light.Ref, Input: json.RawMessage("true")})
		return err == nil
	})
	owner.affordance(t, "thermometer/light", func(_ engine.ThingInfo, a engine.Affordance) bool {
		return a.Latest != nil && string(a.Latest.Value) == "true"
	})
	friend.affordance(t, "thermometer-to-try/temperature", func(_ engine.ThingInfo, a engine.Affordance) bool {
		w.clock.Advance(time.Second)
		return a.Latest != nil
	})
	stop := call[engine.Stop](t, owner, "withdraw", engine.WithdrawParams{Grant: given.Grant, Patience: "20s"})
	if stop.LockOne.IsZero() || stop.LockTwo.IsZero() {
		t.Errorf("stop %+v", stop)
	}
	call[engine.Empty](t, owner, "sandbox.remove", engine.Empty{})
	left := call[engine.ThingsResult](t, owner, "things", engine.Empty{})
	if len(left.Things) != 0 || len(left.Homes) != 0 {
		t.Errorf("left: %+v", left)
	}
	second := call[engine.HomeResult](t, owner, "sandbox.start", engine.Empty{}).Home
	if second == home {
		t.Error("a new sandbox is the old one")
	}
	owner = owner.reload(t, w)
	if all := call[engine.ThingsResult](t, owner, "things", engine.Empty{}); len(all.Homes) != 1 || all.Homes[0].Home != second {
		t.Errorf("after a reload: %+v", all.Homes)
	}
}

// Every refusal is a sentence, and nothing is done.
func TestEngineRefusals(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	owner := w.signUp(t, w.h, "ada", "Ada")
	call[engine.HomeResult](t, owner, "sandbox.start", engine.Empty{})
	_, temperature := owner.affordance(t, "thermometer/temperature", anyState)
	tomorrow := w.clock.Now().Add(24 * time.Hour)
	fine := engine.Precision{Every: "1m"}
	share := []engine.Share{{Ref: temperature.Ref, Precision: fine}}
	for name, c := range map[string]struct {
		method, code string
		in           any
	}{
		"nobody there":      {"give", "no-such-account", engine.GiveParams{Account: "nobody@" + w.s.Authority(), Share: share, Until: tomorrow}},
		"no address":        {"give", "address", engine.GiveParams{Account: "nobody", Share: share, Until: tomorrow}},
		"in the past":       {"give", "until", engine.GiveParams{Account: "nobody@" + w.s.Authority(), Share: share, Until: w.clock.Now().Add(-time.Hour)}},
		"nothing":           {"give", "params", engine.GiveParams{Account: "nobody@" + w.s.Authority(), Until: tomorrow}},
		"an unknown thing":  {"give", "no-such", engine.GiveParams{Share: []engine.Share{{Ref: engine.Ref{Home: temperature.Ref.Home, Thing: "x", Name: "y"}}}, Until: tomorrow}},
		"no precision":      {"give", "precision", engine.GiveParams{Share: []engine.Share{{Ref: temperature.Ref}}, Until: tomorrow}},
		"a gone request":    {"give", "no-request", engine.GiveParams{Request: "x", Share: share, Until: tomorrow}},
		"a strange purpose": {"give", "purpose", engine.GiveParams{Share: share, Until: tomorrow, Purpose: "world domination"}},
		"refuse nothing":    {"refuse", "no-such", engine.RefuseParams{Request: "x"}},
		"no grant":          {"withdraw", "no-such", engine.WithdrawParams{Grant: "x"}},
		"patience":          {"withdraw", "params", engine.WithdrawParams{Grant: "x", Patience: "soon"}},
		"another field":     {"withdraw", "params", map[string]string{"grant": "x", "colour": "red"}},
		"switch a sensor":   {"send", "thing-refused", engine.SendParams{Ref: temperature.Ref, Input: json.RawMessage("1")}},
		"a long input":      {"send", "too-large", engine.SendParams{Ref: temperature.Ref, Input: json.RawMessage(`"` + strings.Repeat("x", 700) + `"`)}},
		"no claim URL":      {"claim", "claim-url", engine.ClaimParams{URL: "javascript:alert(1)", Code: "1"}},
		"nobody listens":    {"claim", "unreachable", engine.ClaimParams{URL: "http://127.0.0.1:1#k=AAAAAAAAAAAAAAAAAAAAAA", Code: "1"}},
		"a strange place":   {"preview", "precision", engine.PreviewParams{Ref: temperature.Ref, Precision: engine.Precision{Every: "1h", Place: new(int), Round: -1}}},
	} {
		if code := refusal(t, owner, c.method, c.in); code != c.code {
			t.Errorf("%s: %s, want %s", name, code, c.code)
		}
	}
	if grants := call[[]engine.GrantInfo](t, owner, "grants", engine.Empty{}); len(grants) != 0 {
		t.Errorf("grants %+v", grants)
	}
}
