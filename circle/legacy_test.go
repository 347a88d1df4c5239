package circle

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"primum/circle/internal/anchor"
	"primum/circle/internal/core"
	"primum/circle/internal/member"
	"primum/mls"
)

// asBefore rewrites an actor's files as a program wrote them that knew one
// suite only: nothing names a suite, and the private keys of key packages stand
// in the member's own part.
func asBefore(t testing.TB, dir string) {
	t.Helper()
	parts := must[[]string](t)(filepath.Glob(filepath.Join(dir, "*.part")))
	read := func(path string) (v any) {
		check(t, json.Unmarshal(must[[]byte](t)(os.ReadFile(path)), &v))
		return v
	}
	packages := filepath.Join(dir, "packages.part")
	for _, path := range parts {
		v := read(path)
		if filepath.Base(path) == "member.part" {
			v.(map[string]any)["stock"] = read(packages).(map[string]any)["held"]
		}
		forget(v, "suite", "suites", "anchorSuites", "judged", "unfit")
		check(t, os.WriteFile(path, must[[]byte](t)(json.Marshal(v)), 0o600))
	}
	if err := os.Remove(packages); err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
}

// forget removes members of these names at any depth.
func forget(v any, names ...string) {
	switch v := v.(type) {
	case map[string]any:
		for _, n := range names {
			delete(v, n)
		}
		for _, inner := range v {
			forget(inner, names...)
		}
	case []any:
		for _, inner := range v {
			forget(inner, names...)
		}
	}
}

// TestStatesFromBeforeTheHybrid: an edge, its owner and a friend whose programs
// knew suite 1 alone are opened by this one. Their circles go on as they are,
// also through an Update, a rejoin and a new client; a grant given then has the
// hybrid.
func TestStatesFromBeforeTheHybrid(t *testing.T) {
	t.Parallel()
	s := newOffered(t, []string{"phone"}, []string{"phone"}, anchor.Options{Suites: []mls.Suite{classic}})
	s.give()
	s.works("phone")
	dirs := []string{"edge", ownerName + phone, friendName + phone}
	for _, name := range dirs {
		check(t, s.actors[name].Close())
		asBefore(t, s.path(name))
	}
	s.edge = must[*anchor.Anchor](t)(anchor.Open(s.path("edge"), anchor.Options{Clock: s.clock}))
	s.add("edge", s.edge)
	open := func(a *account) *ownerActor {
		name := a.address.String() + phone
		o := must[*ownerActor](t)(openOwner(s.path(name), member.Options{Clock: s.clock, Signer: a.clients["phone"], Identity: a.doc.Compact()}))
		s.add(name, o)
		check(t, o.KeyPackageStock([]core.PackageStock{{Suite: 1, OneTime: 20, LastResort: true}}))
		return o
	}
	s.owner, s.friend = open(s.ownerAcc), open(s.friendAcc)
	s.run()
	s.pass(2*time.Minute, time.Minute)
	s.feed(s.edge, 8)
	s.pass(2*time.Minute, time.Minute)
	if v := s.newest(friendName + phone); v != "8" {
		t.Errorf("the friend reads %q", v)
	}
	if home, given := s.suites(); home != classic || given != classic {
		t.Errorf("the circles are of %s and %s now", home, given)
	}
	if g := s.friend.Grants()[0]; g.Suite != classic {
		t.Errorf("the friend sees %s", g.Suite)
	}
	room := s.friend.Rooms[s.circle()]
	check(t, s.friend.Do(func() error { s.friend.LoseState(room, "test"); return nil }))
	s.run()
	s.publish(s.friendAcc, "phone", "tablet")
	check(t, s.friend.Identity(s.friendAcc.doc.Compact()))
	s.client(friendName, "tablet")
	s.pass(2*time.Hour, time.Hour)
	s.works("phone")
	if g := s.owner.Given()[0]; len(g.Clients) != 2 {
		t.Errorf("in the circle: %v", g.Clients)
	}
	s.give()
	if _, given := s.suites(); given != hybrid {
		t.Errorf("a grant given by the new programs has %s", given)
	}
}
