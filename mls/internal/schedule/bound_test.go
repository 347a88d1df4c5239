package schedule

import (
	"testing"

	"primum/mls/internal/codec"
	"primum/mls/internal/suite"
)

// TestAllSendersTogetherAreBounded: a thousand members that skip messages as
// far and as often as they may cost a fixed number of stored bytes each.
func TestAllSendersTogetherAreBounded(t *testing.T) {
	t.Parallel()
	s, err := suite.ByID(suite.X25519AES128GCM)
	if err != nil {
		t.Fatal(err)
	}
	const senders, window = 1000, 64
	limits := Limits{MaxJump: 100, Window: window}
	tree := NewTree(s, make([]byte, s.HashLen()), 1024)
	size := func() int {
		var w codec.Writer
		tree.Write(&w)
		return w.Len()
	}
	most := 0
	for round := range uint32(3) {
		for leaf := range uint32(senders) {
			for _, kind := range []Content{Handshake, Application} {
				st, err := tree.Find(leaf, kind, 100+round*101, limits)
				if err != nil {
					t.Fatal(err)
				}
				tree.Consume(st)
			}
		}
		if round == 0 {
			most = size()
			continue
		}
		if n := size(); n > most {
			t.Errorf("round %d: %d bytes after %d", round, n, most)
		}
	}
	// A key takes 4 + KeyLen + NonceLen bytes, a ratchet 12 + HashLen, a leaf 4.
	perKey, perRatchet := 4+s.KeyLen()+s.NonceLen(), 12+s.HashLen()
	if bound := senders*(4+2*(perRatchet+window*perKey)) + 1024*(4+s.HashLen()); most > bound {
		t.Errorf("%d senders take %d bytes, at most %d are due", senders, most, bound)
	}
	t.Logf("%d senders with full windows take %d bytes", senders, most)
}
