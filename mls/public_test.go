package mls

import (
	"testing"
)

// TestTrackerFollowsEveryCommit: the tracker has the members' tree hash,
// transcript and roster after every commit of a random schedule, also when it
// is written and read back between.
func TestTrackerFollowsEveryCommit(t *testing.T) {
	t.Parallel()
	l := newLab(t, 1, 3)
	l.agree()
	for range 40 {
		by := l.any()
		switch l.pick.IntN(5) {
		case 0:
			if len(l.parties) < 8 {
				l.add(by, 1+l.pick.IntN(3))
			}
		case 1:
			if victim := l.any(); victim != by {
				l.commit(by, CommitOptions{Remove: []uint32{victim.g.Me()}})
			}
		case 2:
			if other := l.any(); other != by {
				msg, err := other.g.ProposeUpdate(nil)
				l.must(err)
				l.deliver(other, msg)
			}
			l.commit(by, CommitOptions{})
		case 3:
			l.commit(by, CommitOptions{AuthenticatedData: []byte("at 12")})
		case 4:
			b, err := l.public.MarshalBinary()
			l.must(err)
			l.public, err = LoadPublicGroup(Config{}, b)
			l.must(err)
		}
		l.agree()
		l.talk(l.any())
	}
}
