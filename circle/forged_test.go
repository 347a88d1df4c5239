package circle

import (
	"encoding/binary"
	"testing"
	"time"

	"primum/circle/internal/core"
	"primum/mls"
)

// TestP5AForgedOwnMessageStopsNobody: a frame that says it is of the edge, and
// which nobody has signed, makes no edge believe that its state was rolled
// back: that would stop all its circles until its owner claims it again.
func TestP5AForgedOwnMessageStopsNobody(t *testing.T) {
	t.Parallel()
	s := newStory(t, every(time.Minute))
	for id, c := range s.node.circles {
		for leaf := range uint32(2) {
			w := []byte{0, 1, 0, 1, byte(len(id))} // mls10, PublicMessage, group id
			w = append(w, id[:]...)
			w = binary.BigEndian.AppendUint64(w, c.epoch)
			w = append(w, 1) // a member
			w = binary.BigEndian.AppendUint32(w, leaf)
			w = append(w, 0, 3, 0, 0, 0, 0, 0) // commit, no proposal, no path, no signature, no tags
			s.node.push(c, w)
		}
	}
	s.run()
	if s.edge.State.Restored {
		t.Error("the edge believes that it was rolled back")
	}
	for _, name := range []string{"edge", friendName + phone, ownerName + phone} {
		if n := len(s.got(name, core.EventStopped)); n != 0 {
			t.Errorf("%s stopped %d times", name, n)
		}
	}
	s.feed(s.edge, 11)
	s.pass(2*time.Minute, time.Minute)
	if v := s.newest(friendName + phone); v != "11" {
		t.Errorf("the friend's newest value is %s", v)
	}
}

// TestP5ACommitByAMemberStopsNobody: only the anchor commits. A genuine commit
// by another client that a node lets through counts for nothing: the circle
// goes on with the anchor's next one.
func TestP5ACommitByAMemberStopsNobody(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.person(ownerName, "phone")
	friend := w.person(friendName, "phone", "tablet")
	edge := w.anchor("edge", nil)
	check(t, edge.SetThings(usualThings()))
	owner := w.client(ownerName, "phone")
	home := w.claim(edge, owner)
	w.client(friendName, "phone")
	w.client(friendName, "tablet")
	must[string](t)(owner.Give(w.params(home, friend, every(time.Minute))))
	w.run()
	w.pass(2*time.Minute, time.Minute)
	tablet := w.actors[friendName+"#tablet"].(*ownerActor)
	c := tablet.Grants()[0].Circle
	evil, err := mls.Load(mls.Config{Signer: friend.clients["tablet"]}, roomOf(t, w.path(friendName+"#tablet"), c).Group)
	check(t, err)
	for _, o := range []mls.CommitOptions{{}, {Remove: []uint32{1}}, {Remove: []uint32{0}}} {
		if o.Remove != nil && o.Remove[0] == evil.Me() {
			continue
		}
		staged, err := evil.Commit(o)
		check(t, err)
		evil.Discard()
		w.node.push(w.node.circles[c], staged.Commit)
	}
	w.run()
	for _, name := range []string{"edge", friendName + phone} {
		if n := len(w.got(name, core.EventStopped)) + len(w.got(name, core.EventEnded)); n != 0 {
			t.Errorf("%s stopped %d times", name, n)
		}
	}
	w.feed(edge, 12)
	w.pass(26*time.Hour, time.Hour) // beyond the anchor's next commit
	w.feed(edge, 13)
	w.pass(2*time.Minute, time.Minute)
	if v := w.newest(friendName + phone); v != "13" {
		t.Errorf("the friend's newest value is %s", v)
	}
	if n := len(w.got(friendName+phone, core.EventStopped)); n != 0 {
		t.Errorf("the friend stopped %d times", n)
	}
}

// TestP5AnEpochThatNeverWasStopsNoEdge: frames of an epoch to come, which
// nobody made, again and again: the edge goes on. Only a log that ends before
// what was read, or own frames that it can't remember, stop it.
func TestP5AnEpochThatNeverWasStopsNoEdge(t *testing.T) {
	t.Parallel()
	s := newStory(t, every(time.Minute))
	for range 5 {
		for id, c := range s.node.circles {
			w := []byte{0, 1, 0, 2, byte(len(id))} // mls10, PrivateMessage, group id
			w = append(w, id[:]...)
			w = binary.BigEndian.AppendUint64(w, c.epoch+7)
			s.node.push(c, append(w, 1, 0, 0, 0)) // application, no data, no sender, no content
		}
		s.pass(8*time.Minute, time.Minute)
	}
	if n := len(s.got("edge", core.EventStopped)); n != 0 {
		t.Errorf("the edge stopped: %s", s.lastOf("edge", core.EventStopped).Reason)
	}
	s.feed(s.edge, 14)
	s.pass(2*time.Minute, time.Minute)
	if v := s.newest(friendName + phone); v != "14" {
		t.Errorf("the friend's newest value is %s", v)
	}
}

// TestP5ARefusedCommitThatComesBackStopsNoEdge: a node refuses a commit, and
// shows it in the log after all. It is the edge's own, and yet no proof that the
// edge was rolled back: only this circle suffers from the lie.
func TestP5ARefusedCommitThatComesBackStopsNoEdge(t *testing.T) {
	t.Parallel()
	s := newStory(t, every(time.Minute))
	refused := 0
	s.node.refuse = func(actor string, e core.Effect) (*core.Result, *core.Refusal) {
		if actor != "edge" || e.Kind != core.EffectCommit || e.Circle != s.circle() || refused > 0 {
			return nil, nil
		}
		refused++
		s.node.push(s.node.circles[e.Circle], e.Commit)
		return nil, &core.Refusal{Kind: "malformed"}
	}
	s.pass(26*time.Hour, time.Hour) // the epoch turns
	if refused != 1 {
		t.Fatalf("%d commits were refused", refused)
	}
	if s.edge.State.Restored {
		t.Error("the edge believes that it was rolled back")
	}
	check(t, s.edge.Close())
	s.edge = s.anchor("edge", nil)
	s.pass(2*time.Hour, time.Hour)
	if n := len(s.got("edge", core.EventStopped)); n != 0 || s.edge.State.Restored {
		t.Errorf("the edge stopped %d times", n)
	}
	if got, want := s.edge.Rooms[s.home].MLS.Epoch(), s.node.circles[s.home].epoch; got != want {
		t.Errorf("the home circle is in epoch %d at the edge and in %d at the node", got, want)
	}
}
