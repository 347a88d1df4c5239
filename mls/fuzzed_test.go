package mls

import (
	"testing"

	"primum/mls/internal/message"
)

// What the fuzz targets found, each as a test.

// TestFuzzedTagOfARemoval: a commit whose confirmation tag has a wrong length is
// refused by the member that it removes too, who can't check the tag itself.
func TestFuzzedTagOfARemoval(t *testing.T) {
	t.Parallel()
	l := newLab(t, 201, 4)
	by := l.at(0)
	m := reread(t, l.commitBy(by, forge{list: value(message.Proposal{Kind: ProposalRemove, Removed: 3})}))
	for _, tag := range [][]byte{nil, m.Tag[:31], append(m.Tag[:32:32], 0)} {
		m.Tag = tag
		l.refused("a tag of a wrong length", m.PublicMessage(by.g.st.Suite, by.g.secrets.Membership, by.g.st.Encoded), ErrInvalid, by)
	}
}
