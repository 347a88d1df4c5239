package public

import (
	"bytes"
	"fmt"

	"primum/mls/internal/message"
	"primum/mls/internal/tree"
)

// Open checks a GroupInfo with its tree as a joiner must, but for what needs
// secrets, and makes the epoch's state of it (RFC 9420 §12.4.3.1). Apart is
// the tree when the GroupInfo carries none.
func Open(g *message.GroupInfo, apart []byte) (*State, error) {
	s, err := KnownSuite(g.Context.Suite)
	if err != nil {
		return nil, fmt.Errorf("read group info: %w", err)
	}
	nodes, inside := g.Extensions.Find(tree.ExtRatchetTree) // RFC 9420 §12.4.3 M1, §13.4 M4
	if !inside {
		nodes = apart
	}
	if nodes == nil { // RFC 9420 §12.4.3.1 M1
		return nil, Invalid("read group info: it carries no ratchet tree and none was given")
	}
	t, err := tree.Parse(s, nodes)
	if err != nil {
		return nil, message.Malformed("ratchet tree", err)
	}
	leaf := t.Leaf(g.Signer)
	if leaf == nil { // RFC 9420 §12.4.3.1 R4
		return nil, Invalid("check group info: its signer, leaf %d, is blank", g.Signer)
	}
	// RFC 9420 §12.4.3 M4, §12.4.3.1 R4
	if err := s.VerifyWithLabel(leaf.SignatureKey, "GroupInfoTBS", g.Unsigned, g.Signature); err != nil {
		return nil, fmt.Errorf("check group info: %w: %w", ErrAuthentication, err)
	}
	if !bytes.Equal(t.Hash(), g.Context.TreeHash) { // RFC 9420 §12.4.3.1 R7, §12.4.3.3 M3
		return nil, Invalid("check group info: the tree has another hash")
	}
	if n := len(g.Context.Transcript); n != 0 && n != s.HashLen() || len(g.Tag) != s.HashLen() {
		return nil, Invalid("check group info: a hash or tag has a wrong length")
	}
	st := NewState(s, g.Context, t, g.Tag)
	if err := t.Validate(st.Rules()); err != nil { // RFC 9420 §12.4.3 M2, §13.4 M8, M9, M10
		return nil, Invalid("check group info: %w", err)
	}
	return st, nil
}
