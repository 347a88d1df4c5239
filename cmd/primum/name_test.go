package main

import (
	"encoding/json"
	"strings"
	"testing"
)

// TestNameShowsEveryForm asks for a name in one form and finds the others.
func TestNameShowsEveryForm(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	out := m.ok("name", "(01)04012345999990(21)7", "--prefix", "7")
	for _, want := range []string{"https://id.gs1.org/01/04012345999990/21/7", "urn:epc:id:sgtin:4012345.099999.7", "names one individual"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in %s", want, out)
		}
	}
	out = m.ok("name", "00:24:be:80:4f:f1", "--json")
	var got namedJSON
	if err := json.Unmarshal([]byte(out), &got); err != nil || got.Canonical != "urn:dev:mac:0024befffe804ff1" || len(got.Forms) != 4 {
		t.Errorf("%v, %+v", err, got)
	}
}

// TestNameRefusesAtItsPlace draws a mark below the fault and exits with 2.
func TestNameRefusesAtItsPlace(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	e := m.want(exitUsage, "0 would be right", "name", "4012345999991")
	if !strings.Contains(e.out, "  4012345999991\n              ^") {
		t.Errorf("no mark below the check digit: %q", e.out)
	}
	e = m.want(exitUsage, "several scripts", "name", strings.Repeat("a.", 60)+"p\u0430ypal.com")
	if !strings.Contains(e.out, "…") || strings.Contains(e.out, strings.Repeat("a.", 60)) {
		t.Errorf("a long name is not cut: %q", e.out)
	}
	m.want(exitUsage, "gives no EPC", "name", "küche.example", "--prefix", "7")
	e = m.want(exitUsage, "8192", "name", strings.Repeat("a", 9000), "--json")
	var got namedJSON
	if err := json.NewDecoder(strings.NewReader(e.out)).Decode(&got); err != nil || got.Refused == nil || got.Refused.Fault != "long" {
		t.Errorf("%v, %+v", err, got.Refused)
	}
}
