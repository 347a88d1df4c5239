package vectors

import (
	"crypto/ed25519"
	"encoding/hex"
	"testing"
	"time"

	"primum/grant"
	"primum/identity"
	"primum/internal/wire"
)

func TestShortCodes(t *testing.T) {
	type code struct {
		Keys  []string `json:"keys"` // hex
		Words string   `json:"words"`
	}
	var codes []code
	for _, names := range [][]string{{"owner identity"}, {"friend identity"}, {"owner identity", "friend identity"}, {"friend identity", "owner identity"}} {
		var keys [][]byte
		c := code{}
		for _, n := range names {
			keys = append(keys, public(n))
			c.Keys = append(c.Keys, hex.EncodeToString(public(n)))
		}
		c.Words = identity.ShortCode(keys...)
		codes = append(codes, c)
	}
	if codes[2].Words != codes[3].Words {
		t.Error("two people see different words")
	}
	compare(t, "shortcode.json", map[string]any{"about": "six words over one key, or over two in any order", "codes": codes})
}

func TestNames(t *testing.T) {
	type pair struct {
		In  string `json:"in"`
		Out string `json:"out,omitempty"` // absent: refused
	}
	var addresses []pair
	for _, s := range []string{
		"owner@h.example", "Owner@H.Example", "Łukasz@bücher.example", "o.w-n_er@h.example", "owner@h.localhost:8401", "owner@localhost",
		"owner@h.example:8401", "owner", "@h.example", "owner@", "owner@example", "owner@192.0.2.1", "owner@h.example.", "-owner@h.example",
		"ow ner@h.example", "owner@h.localhost:08401", "owner@h.localhost:0", "a@b@h.example",
	} {
		p := pair{In: s}
		if a, err := identity.ParseAddress(s); err == nil {
			p.Out = a.String()
		}
		addresses = append(addresses, p)
	}
	var tops []pair
	for _, class := range []string{"dpv:OptimisationForConsumer", "dpv:NonCommercialPurpose", "dpv:CommercialResearch", "dpv:Nothing"} {
		tops = append(tops, pair{class, grant.TopPurpose(class)})
	}
	var things []pair
	for _, id := range []string{"meter", "lamp", "Küche/Lampe"} {
		things = append(things, pair{id, grant.ThingPseudonym(seedOf("k_grant"), id)})
	}
	compare(t, "names.json", map[string]any{
		"about":     "accounts in their compared form, top purposes, pseudonyms of things under one k_grant; without out: refused",
		"addresses": addresses, "purposes": tops,
		"kGrant": hex.EncodeToString(seedOf("k_grant")), "things": things,
	})
	if addresses[1].Out != addresses[0].Out || addresses[6].Out != "" {
		t.Error("addresses are not compared as the specification says")
	}
}

func TestDoor(t *testing.T) {
	type knock struct {
		Code  string `json:"code"`
		Proof string `json:"proof"` // hex
	}
	thing := ed25519.PublicKey(public("thing"))
	request := `{"node":"h.example","identity":"…","client":"phone","keyPackage":"AAAA","nonce":"AAAAAAAAAAAAAAAAAAAAAA"}`
	var knocks []knock
	for _, code := range []string{"ABCD-2345", "abcd 2345", "ABCD-2346"} {
		knocks = append(knocks, knock{code, hex.EncodeToString(must[[]byte](t)(wire.DoorProof(code, thing, request)))})
	}
	if knocks[0].Proof != knocks[1].Proof || knocks[0].Proof == knocks[2].Proof {
		t.Error("case, spaces and dashes count, or the code doesn't")
	}
	url := "http://192.168.1.7:8410#k=" + wire.Fingerprint(thing)
	if base, k, err := wire.ParseClaimURL(url); err != nil || base != "http://192.168.1.7:8410" || k != wire.Fingerprint(thing) {
		t.Errorf("claim URL reads as %q %q %v", base, k, err)
	}
	compare(t, "door.json", map[string]any{
		"about": "the fingerprint of a thing's key in a claim URL, and proofs of a one-time code", "thingKey": ed25519Key("thing"),
		"claimURL": url, "request": request, "proofs": knocks,
	})
}

func TestWindows(t *testing.T) {
	type window struct {
		At    string `json:"at"`
		Every string `json:"every"`
		Start string `json:"start"`
		End   string `json:"end"`
	}
	var windows []window
	for _, c := range [][2]string{
		{"2026-11-22T14:00:00Z", "PT1M"},
		{"2026-11-22T14:00:59.999999999Z", "PT1M"},
		{"2026-11-22T14:01:00Z", "PT1M"},
		{"2026-11-22T14:07:00Z", "PT15M"},
		{"2026-11-22T14:07:00+01:00", "PT1H"},
		{"2026-11-22T14:00:00Z", "P1D"},
		{"2026-11-22T14:00:00Z", "P7D"},
		{"2026-11-22T14:00:00Z", "PT7S"},
		{"1969-12-31T23:59:59Z", "PT1M"},
	} {
		at := must[time.Time](t)(time.Parse(time.RFC3339Nano, c[0]))
		every := must[grant.Duration](t)(grant.ParseDuration(c[1]))
		start, end := grant.Window(at, every)
		if at.Before(start) || !at.Before(end) {
			t.Errorf("%s lies outside of its window", c[0])
		}
		windows = append(windows, window{c[0], c[1], start.Format(time.RFC3339Nano), end.Format(time.RFC3339Nano)})
	}
	type duration struct {
		In      string  `json:"in"`
		Out     string  `json:"out,omitempty"` // absent: refused
		Seconds float64 `json:"seconds,omitempty"`
	}
	var durations []duration
	for _, s := range []string{
		"PT0S", "P1W", "P1W2D", "PT90M", "P7D", "PT0.5S", "PT36H", "P1DT1S", "P1M", "P1Y", "PT", "P", "7D", "-P1D", "PT1.5H", "P1D2W", "PT1S1S", "P300Y",
	} {
		d := duration{In: s}
		if v, err := grant.ParseDuration(s); err == nil {
			d.Out, d.Seconds = v.String(), v.D().Seconds()
		}
		durations = append(durations, d)
	}
	compare(t, "windows.json", map[string]any{
		"about": "windows of every, half-open, aligned to the Unix epoch; durations and their written form, without out: refused", "windows": windows, "durations": durations,
	})
}
