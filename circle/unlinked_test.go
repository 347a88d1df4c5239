package circle

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"regexp"
	"strings"
	"testing"
	"time"

	"primum/circle/internal/core"
	"primum/grant"
)

// P7: two grantees can join nothing that they were given.
func TestP7TwoGranteesShareNoIdentifier(t *testing.T) {
	t.Parallel()
	s := newStory(t, every(time.Minute), grant.OpObserve, grant.OpRead, grant.OpWrite)
	const adviserName = "adviser@t.localhost:8403"
	adviser := s.person(adviserName, "phone")
	ao := s.client(adviserName, "phone")
	p := s.params(s.home, adviser, every(time.Minute), grant.OpObserve, grant.OpRead, grant.OpWrite)
	p.Pseudonymous = true
	must[string](t)(s.owner.Give(p))
	s.run()
	s.pass(3*time.Minute, time.Minute)
	c1, c2 := s.circle(), ao.Grants()[0].Circle
	v1, v2 := viewOf(t, s.world, s.friend, c1), viewOf(t, s.world, ao, c2)
	// What stands in every circle of every world identifies nobody.
	other := newStory(t, every(time.Minute))
	known := map[string]bool{}
	for k := range viewOf(t, other.world, other.friend, other.circle()).bytes {
		delete(v1.bytes, k)
		known[string(k[:window-2])], known[string(k[2:])] = true, true
	}
	for token := range v1.tokens {
		if v2.tokens[token] {
			t.Errorf("both grantees hold %q", token)
		}
	}
	n := 0
	for k := range v1.bytes {
		// One or two bytes beside what every world has may be equal by chance.
		chance := known[string(k[:window-2])] || known[string(k[2:])]
		if v2.bytes[k] && !chance {
			n++
		}
	}
	if n != 0 {
		t.Errorf("%d stretches of 20 bytes are in both circles' messages", n)
	}
	if len(v1.tokens) < 12 || len(v1.bytes) < 1000 {
		t.Fatalf("too little to compare: %d tokens, %d stretches", len(v1.tokens), len(v1.bytes))
	}
}

type view struct {
	tokens map[string]bool
	bytes  map[[window]byte]bool
}

var token = regexp.MustCompile(`[A-Za-z0-9_-]{20,}|[0-9a-f]{8}-[0-9a-f-]{27}`)

// viewOf is what a grantee can look at: documents, context, tree, messages.
func viewOf(t testing.TB, w *world, o *ownerActor, c core.ID) view {
	t.Helper()
	v := view{tokens: map[string]bool{}, bytes: map[[window]byte]bool{}}
	g := o.GrantOf(c)
	for _, compact := range []string{g.Terms, g.Opening} {
		var raw json.RawMessage
		check(t, core.Unverified(compact, &raw))
		raw = bytes.ReplaceAll(raw, []byte(contextOf(t, g.Terms)), nil)
		for _, m := range token.FindAll(raw, -1) {
			v.tokens[string(m)] = true
		}
	}
	delete(v.tokens, "OptimisationForConsumer")
	for word := range v.tokens {
		if regexp.MustCompile(`^[A-Za-z_]+$`).MatchString(word) || strings.HasPrefix(word, "https") {
			delete(v.tokens, word) // words of the vocabulary
		}
	}
	r := o.Rooms[c]
	for _, m := range r.MLS.Members() {
		v.tokens[hex.EncodeToString(m.SignatureKey)] = true
	}
	for _, e := range r.MLS.Extensions() {
		if e.Type == core.ExtContext {
			v.tokens[hex.EncodeToString(e.Data[1:33])], v.tokens[hex.EncodeToString(e.Data[33:])] = true, true
		}
	}
	for _, f := range w.node.circles[c].log {
		for k := range windows(f.Message) {
			v.bytes[k] = true
		}
	}
	for k := range windows([]byte(r.MLS.Tree())) {
		v.bytes[k] = true
	}
	return v
}

// contextOf is the fixed JSON-LD context, the same in all terms of the world.
func contextOf(t testing.TB, terms string) string {
	t.Helper()
	var m map[string]json.RawMessage
	check(t, core.Unverified(terms, &m))
	return string(m["@context"])
}
