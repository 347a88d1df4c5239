package portable

import (
	"slices"
	"testing"
	"time"

	"primum/grant"
	"primum/identity"
)

// TestOnlyWhatIsShownIsGiven: a grant whose terms say something else than the
// file around them, which a person is shown, is not given again.
func TestOnlyWhatIsShownIsGiven(t *testing.T) {
	t.Parallel()
	until, fine := time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC), grant.Precision{Every: grant.Duration(time.Minute)}
	terms := grant.Terms{
		ID: "one", Valid: grant.Interval{Until: until}, Grantee: grant.Grantee{Account: identity.Address{User: "friend", Authority: "s.example"}},
		Details: []grant.Detail{{Actions: []string{"readproperty"}, Datatypes: []string{"flow"}, Precision: fine}},
	}
	good := Grant{
		ID: "one", Grantee: "friend@s.example", Until: until,
		Share: []Shared{{Thing: "water", Name: "flow", Ops: []string{"readproperty"}, Precision: fine}},
	}
	if !matches(good, terms) {
		t.Fatal("a file that says what the terms say is refused")
	}
	for name, change := range map[string]func(*Grant){
		"another grant":     func(g *Grant) { g.ID = "two" },
		"another day":       func(g *Grant) { g.Until = until.Add(-24 * time.Hour) },
		"another grantee":   func(g *Grant) { g.Grantee = "eve@s.example" },
		"finer":             func(g *Grant) { g.Share[0].Precision.Every = grant.Duration(time.Second) },
		"another operation": func(g *Grant) { g.Share[0].Ops = []string{"readproperty", "invokeaction"} },
	} {
		g := good
		g.Share = slices.Clone(good.Share)
		if change(&g); matches(g, terms) {
			t.Errorf("%s is taken", name)
		}
	}
}
