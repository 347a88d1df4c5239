package circle

import (
	"errors"
	"testing"
	"time"

	"primum/circle/internal/core"
	"primum/circle/internal/member"
	"primum/grant"
)

// What an owner is shown before giving is what the grantee gets, value for
// value; and only an own home can be asked for another precision.
func TestAHomeShowsWhatAGrantWould(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.person(ownerName, "phone")
	friend := w.person(friendName, "phone")
	h := &fakeHistory{}
	an, o, f := w.anchor("edge", h), w.client(ownerName, "phone"), w.client(friendName, "phone")
	check(t, an.SetThings(usualThings()))
	home := w.claim(an, o)
	fine := core.Precision{Every: grant.Duration(10 * time.Second), Stat: grant.Mean, Round: 0.1}
	id, err := o.Give(w.params(home, friend, fine))
	check(t, err)
	w.run()
	for i := range 120 {
		v := float64(i%7) + float64(i)/50
		h.add(w.clock.Now(), v)
		w.feed(an, v)
		w.pass(time.Second, time.Second)
	}
	seen := map[int64]string{}
	for _, e := range w.got(friendName+phone, core.EventValue) {
		seen[e.ValueAt.Unix()] = string(e.Value)
	}
	_, err = o.Read(member.ReadParams{Circle: home, Thing: "meter", Name: "power", Since: w.clock.Now().Add(-time.Hour), As: &fine})
	check(t, err)
	w.run()
	same := 0
	for _, v := range w.lastOf(ownerName+phone, core.EventHistory).Values {
		if got, ok := seen[v.At.Unix()]; ok && got == string(v.Value) {
			same++
		} else if ok {
			t.Errorf("at %v the friend got %s, the owner was shown %s", v.At, got, v.Value)
		}
	}
	if same < 10 {
		t.Errorf("%d values are the same of %d", same, len(seen))
	}
	_, err = o.Read(member.ReadParams{Circle: home, Thing: "meter", Name: "power", As: &core.Precision{Change: true}})
	check(t, err)
	w.run()
	if last := w.lastOf(ownerName+phone, core.EventHistory).Values; len(last) != 1 || string(last[0].Value) != string(h.samples[len(h.samples)-1].Value) {
		t.Errorf("the newest as it was measured: %s", last)
	}
	for _, g := range f.Grants() {
		if _, err := f.Read(member.ReadParams{Circle: g.Circle, Thing: g.Shared[0].Thing, Name: "power", As: &core.Precision{Change: true}}); !errors.Is(err, core.ErrRefused) {
			t.Errorf("grant %s: a friend asks for more: %v", id, err)
		}
	}
}
