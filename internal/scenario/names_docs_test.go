package scenario

import (
	"os/exec"
	"strings"
	"testing"

	"primum/internal/webtest"
)

// byHand is what commands of docs/names.md must print: of the first that a line
// contains, each text.
func byHand() []struct {
	in    string
	wants []string
} {
	return []struct {
		in    string
		wants []string
	}{
		{"name '(01)", []string{"GTIN", "https://id.gs1.org/01/04012345123456/21/7", "(01)04012345123456(21)7"}},
		{"--json", []string{`"serial":true`}},
		{"linkset add", []string{"1 new"}},
		{"linkset export", []string{"anchor,itemDescription,linkType", "gs1:recallStatus"}},
		{"linkset import", []string{"new: 0"}},
		{"linkType=gs1:recallStatus", []string{"307", "ocation: https://example.com/recall"}},
		{"Accept-Language: de", []string{"307", "ocation: https://example.com/manual/de"}},
		{"linkset+json", []string{`"linkset":[`, "gs1.org/voc/pip", "Weather station"}},
		{"21/private", []string{"307", "no-store", "/class/01/04012345123456"}},
		{"curl -si http://h.localhost:8401/01/", []string{"307", "public, max-age=", "/class/01/04012345123456"}},
		{"gs1resolver", []string{`"resolverRoot"`, `"supportedPrimaryKeys"`}},
		{"curl -sL", []string{"Water meter, type 7"}},
		{"resolve 01/", []string{"01/0409876*", "s.localhost", "Water meter, type 7"}},
		{"04077777000003", []string{`"referral"`, "s.localhost"}},
		{"roof/observe", []string{`data: {"temperature":`}},
		{"history", []string{"at,count,mean,min,max", "Z,"}},
		{"properties/temperature", nil}, // a number
		{"open/weather/roof", []string{"thermometer on the roof", "observeproperty", "nosec"}},
		{"8401/open", []string{"weather on the roof"}},
		{"well-known/wot", []string{"ThingDirectory"}},
		{"well-known/core", []string{`rt="wot.directory"`}},
		{"did.json", []string{"did:web:h.localhost%3A"}},
		{"things?limit", []string{"200", "weather mast"}},
		{"jsonpath", []string{"weather mast"}},
		{"v1/services", []string{"water-advice"}},
	}
}

// TestNamesByHand runs the commands of docs/names.md beside a running `primum
// local`, and opens in a browser at a phone's width what a product's code leads to.
func TestNamesByHand(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("curl"); err != nil {
		needAll(t, "curl is not on this machine")
	}
	bin := buildPrimum(t)
	env := ownEnvironment(t)
	printed := startLocal(t, bin, env)
	ran, all := map[string]bool{}, byHand()
	for _, block := range shellBlocks(t, "../../docs/names.md") {
		for _, line := range block {
			out := strings.ToLower(runLine(t, bin, env, printed.actual(line)))
			for _, h := range all {
				if !strings.Contains(line, h.in) {
					continue
				}
				ran[h.in] = true
				for _, want := range h.wants {
					if !strings.Contains(out, strings.ToLower(printed.actual(want))) {
						t.Errorf("%s does not print %q:\n%.2000s", line, want, out)
					}
				}
				break
			}
		}
	}
	for _, h := range all {
		if !ran[h.in] {
			t.Errorf("docs/names.md has no command with %q", h.in)
		}
	}
	onAPhone(t, "http://"+printed.owner)
}

// onAPhone follows a product's code and a thing's with Chromium.
func onAPhone(t *testing.T, base string) {
	t.Helper()
	if !webtest.Available() {
		needAll(t, "no Chromium on this machine")
	}
	tab := webtest.NewTab(t)
	tab.View(webtest.Phone390)
	tab.Open(base + "/01/04012345123456")
	tab.WaitText("main", "Weather station, type 3")
	tab.Open(base + "/01/04012345123456/21/7")
	tab.WaitText("main", "Temperature")
}
