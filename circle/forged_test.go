package circle

import (
	"encoding/binary"
	"testing"
	"time"

	"primum/circle/internal/core"
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
