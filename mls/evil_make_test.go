package mls

import (
	"bytes"
	"crypto/ed25519"
	"slices"

	"primum/mls/internal/codec"
	"primum/mls/internal/message"
	"primum/mls/internal/public"
	"primum/mls/internal/schedule"
	"primum/mls/internal/suite"
	"primum/mls/internal/tree"
)

// place is a node of a tree that is changed by hand; neither field: blank.
type place struct {
	leaf   *tree.LeafNode
	parent *tree.ParentNode
}

// readPlaces reads a ratchet tree that was made here.
func readPlaces(b []byte) (out []place) {
	v := codec.NewReader(b).Vector()
	for !v.Empty() {
		var p place
		if v.Optional() {
			if v.U8() == 1 {
				p.leaf = tree.ReadLeafNode(v)
			} else {
				p.parent = &tree.ParentNode{EncryptionKey: v.Bytes(), ParentHash: v.Bytes()}
				for u := v.Vector(); !u.Empty(); {
					p.parent.Unmerged = append(p.parent.Unmerged, u.U32())
				}
			}
		}
		out = append(out, p)
	}
	return out
}

func writePlaces(places []place) []byte {
	for len(places) > 0 && places[len(places)-1] == (place{}) {
		places = places[:len(places)-1]
	}
	var w codec.Writer
	w.Vector(func(w *codec.Writer) {
		for _, p := range places {
			w.Optional(p != place{})
			switch {
			case p.leaf != nil:
				w.U8(1)
				p.leaf.Write(w)
			case p.parent != nil:
				w.U8(2)
				p.parent.Write(w)
			}
		}
	})
	return w.Out()
}

// extension types that mean something here, and some that don't.
var extensionTypes = [...]uint16{
	0, tree.ExtApplicationID, tree.ExtRatchetTree, tree.ExtRequiredCapabilities, tree.ExtExternalPub,
	tree.ExtExternalSenders, tree.ExtLastResort, 0xf0a1, 0xffff, 0x0a0a,
}

// extensions makes up to three.
func (e *evil) extensions(s *script) (out tree.Extensions) {
	for range s.pick(4) {
		x := Extension{Type: extensionTypes[s.pick(len(extensionTypes))], Data: s.bytes()}
		if x.Type == tree.ExtRequiredCapabilities && s.pick(2) == 0 {
			x = RequiredCapabilities(s.types(), s.types(), s.types())
		}
		out = append(out, x)
	}
	return out
}

// types makes a list of code points, often such that mean something.
func (s *script) types() (out []uint16) {
	for range s.pick(4) {
		v := uint16(s.byte())
		if v >= 128 {
			v = v<<8 | 0xa1
		}
		out = append(out, v)
	}
	return out
}

// encryptionKey makes one that is fresh, somebody's, weak or no key at all.
func (e *evil) encryptionKey(s *script) []byte {
	st := e.by.g.st
	switch s.pick(4) {
	case 0:
		return s.bytes()
	case 1:
		return st.Tree.Leaf(e.honest[s.pick(4)]).EncryptionKey
	case 2:
		return make([]byte, len(st.Tree.Leaf(0).EncryptionKey))
	}
	_, pub, err := st.Suite.GenerateKeyPair(e.rnd)
	e.must(err)
	return s.edits().spoil(pub)
}

// leaf changes fields of a draft.
func (e *evil) leaf(s *script, d *tree.LeafNode) {
	for range s.pick(3) {
		switch s.pick(16) {
		case 0:
			d.EncryptionKey = e.encryptionKey(s)
		case 1:
			d.Credential = tree.BasicCredential(s.bytes())
		case 2:
			d.Credential = tree.Credential{Type: tree.CredentialX509, Chain: []byte{1, s.byte()}}
		case 3:
			d.Capabilities.Credentials = s.types()
		case 4:
			d.Capabilities.Extensions = append(s.types(), 0xf0a1)
		case 5:
			d.Capabilities.Versions = s.types()
		case 6:
			d.Capabilities.Suites = append(s.types(), uint16(e.suite))
		case 7:
			d.Capabilities.Proposals = s.types()
		case 8:
			d.Extensions = e.extensions(s)
		case 9:
			d.Lifetime = tree.Lifetime{NotBefore: s.u64(), NotAfter: s.u64()}
		case 10:
			d.Source = tree.Source(s.pick(4))
		case 11:
			d.ParentHash = s.bytes()
		case 12:
			d.SignatureKey = e.by.g.st.Tree.Leaf(e.honest[s.pick(4)]).SignatureKey
		case 13:
			d.SignatureKey = e.service.Public().(ed25519.PublicKey)
		}
	}
}

// signLeaf signs a draft with the key it names, where that is at hand, and
// seldom for another place or with another key; a draft that can't be encoded
// gives nil.
func (e *evil) signLeaf(s *script, d *tree.LeafNode, own ed25519.PrivateKey, index uint32) *tree.LeafNode {
	signer := own
	switch s.pick(24) {
	case 1:
		index++
	case 2:
		signer = e.service
	}
	if bytes.Equal(d.SignatureKey, e.service.Public().(ed25519.PublicKey)) {
		signer = e.service
	}
	st := e.by.g.st
	claimed := d.SignatureKey
	d.SignatureKey = signer.Public().(ed25519.PublicKey)
	if d.Sign(st.Suite, e.rnd, signer, st.Context.GroupID, index) != nil {
		return nil
	}
	if bytes.Equal(claimed, d.SignatureKey) {
		return d
	}
	// A key that is not at hand: the signature will not fit it.
	b := bytes.Replace(bytes.Clone(d.Bytes()), d.SignatureKey, claimed, 1)
	if other, err := tree.ParseLeafNode(b); err == nil {
		return other
	}
	return d
}

// newPackage makes a key package of a fresh client, with its private keys.
func (e *evil) newPackage(s *script) (*tree.KeyPackage, *party, *KeyPackagePrivate) {
	p := e.party()
	kp, priv := e.lab.keyPackage(p)
	own := p.cfg.Signer.(ed25519.PrivateKey)
	k := &tree.KeyPackage{
		Version: kp.inner.Version, Suite: kp.inner.Suite, InitKey: kp.inner.InitKey,
		Leaf: kp.inner.Leaf.Draft(), Extensions: kp.inner.Extensions,
	}
	e.leaf(s, k.Leaf)
	switch s.pick(12) {
	case 0:
		k.Version = uint16(s.byte())
	case 1:
		k.Suite = uint16(s.u64())
	case 2:
		k.InitKey = e.encryptionKey(s)
	case 3:
		k.InitKey = k.Leaf.EncryptionKey
	case 4:
		k.Extensions = e.extensions(s)
	case 5:
		own = e.service
	}
	if k.Leaf = e.signLeaf(s, k.Leaf, p.cfg.Signer.(ed25519.PrivateKey), 0); k.Leaf == nil {
		return kp.inner, p, priv
	}
	if k.Sign(e.by.g.st.Suite, e.rnd, own) != nil {
		return kp.inner, p, priv
	}
	return k, p, priv
}

// proposal makes one of any kind, good or bad.
func (e *evil) proposal(s *script) message.Proposal {
	st := e.by.g.st
	switch s.pick(10) {
	case 0:
		return message.Proposal{Kind: ProposalRemove, Removed: uint32(s.pick(10))}
	case 1:
		return message.Proposal{Kind: ProposalRemove, Removed: uint32(s.byte()) << 24}
	case 2:
		return e.good[s.pick(len(e.good))]
	case 3:
		return message.Proposal{Kind: ProposalGroupContextExtensions, Extensions: e.extensions(s)}
	case 4:
		draft := st.Tree.Leaf(0).Draft()
		draft.Source, draft.ParentHash, draft.EncryptionKey = tree.SourceUpdate, nil, e.freshKey()
		e.leaf(s, draft)
		if l := e.signLeaf(s, draft, e.by.cfg.Signer.(ed25519.PrivateKey), 0); l != nil {
			return message.Proposal{Kind: ProposalUpdate, Leaf: l}
		}
		return message.Proposal{Kind: ProposalRemove}
	case 5:
		return message.Proposal{Kind: ProposalPSK, PSK: e.psk(s)}
	case 6:
		return message.Proposal{Kind: ProposalReInit, ReInit: message.ReInit{
			GroupID: s.bytes(), Version: uint16(s.pick(3)), Suite: uint16(s.byte()), Extensions: e.extensions(s),
		}}
	case 7:
		return message.Proposal{Kind: ProposalExternalInit, KEMOutput: s.bytes()}
	}
	k, _, _ := e.newPackage(s)
	return message.Proposal{Kind: ProposalAdd, KeyPackage: k}
}

func (e *evil) freshKey() []byte {
	_, pub, err := e.by.g.st.Suite.GenerateKeyPair(e.rnd)
	e.must(err)
	return pub
}

func (e *evil) psk(s *script) schedule.PSKID {
	id := schedule.PSKID{Type: schedule.PSKExternal, ID: s.bytes(), Nonce: make([]byte, 32)}
	if s.pick(3) == 1 {
		c := e.by.g.st.Context
		id = schedule.PSKID{
			Type: schedule.PSKResumption, Usage: uint8(1 + s.pick(3)), GroupID: c.GroupID, Epoch: c.Epoch - uint64(s.pick(3)), Nonce: id.Nonce,
		}
	}
	if s.one(4) {
		id.Nonce = s.bytes()
	}
	return id
}

// list makes up to four proposals, by value or by reference.
func (e *evil) list(s *script) (out []message.ProposalOrRef, sent []public.Sent) {
	for range s.pick(5) {
		if i := s.pick(len(e.refs) + 4); i < len(e.refs) {
			out, sent = append(out, e.refs[i]), append(sent, e.sent[i])
			continue
		}
		p := e.proposal(s)
		out, sent = append(out, message.ProposalOrRef{Value: &p}), append(sent, public.Sent{Proposal: p})
	}
	return out, sent
}

// pathStep is a node of a filtered direct path with its copath child.
type pathStep struct{ node, copath uint32 }

// handPath is an update path made by hand.
type handPath struct {
	path    *tree.UpdatePath
	steps   []pathStep
	secrets [][]byte   // one more than steps; the last is the commit secret
	tree    *tree.Tree // with the path in it
}

// makePath gives a leaf a path in which anything may be wrong, and signs,
// links and seals it properly all the same.
func (e *evil) makePath(s *script, t *tree.Tree, leaf uint32, draft *tree.LeafNode, own ed25519.PrivateKey, added []uint32, next *schedule.Context) *handPath {
	e.t.Helper()
	h := &handPath{path: new(tree.UpdatePath)}
	h.climb(t, leaf)
	suite := t.Suite()
	secret, err := suite.Random(e.rnd)
	e.must(err)
	for range h.steps {
		h.secrets = append(h.secrets, secret)
		_, pub, err := suite.DeriveKeyPair(suite.DeriveSecret(secret, "node"))
		e.must(err)
		if s.one(12) {
			pub = e.encryptionKey(s)
		}
		h.path.Nodes = append(h.path.Nodes, tree.PathNode{EncryptionKey: pub})
		secret = suite.DeriveSecret(secret, "path")
	}
	h.secrets = append(h.secrets, secret)
	draft.Source, draft.EncryptionKey, draft.Lifetime = tree.SourceCommit, e.freshKey(), tree.Lifetime{}
	parents := h.link(t)
	draft.ParentHash = parents[0]
	if s.one(3) {
		e.leaf(s, draft)
	}
	if h.path.Leaf = e.signLeaf(s, draft, own, leaf); h.path.Leaf == nil {
		return nil
	}
	if h.tree = h.place(t, leaf, parents[1:]); h.tree == nil {
		return nil
	}
	next.TreeHash = h.tree.Hash()
	h.seal(e, s, t, added, next.Bytes())
	if s.one(6) {
		h.spoil(s)
	}
	return h
}

// climb finds the filtered direct path (RFC 9420 §4.1.2).
func (h *handPath) climb(t *tree.Tree, leaf uint32) {
	for x := tree.NodeOf(leaf); x != tree.Root(t.Width()); x = tree.Parent(x) {
		if sibling := tree.Sibling(x); len(t.Resolution(sibling)) > 0 {
			h.steps = append(h.steps, pathStep{tree.Parent(x), sibling})
		}
	}
}

// link makes the parent hashes from the root down: first the leaf's, then
// those of the steps (RFC 9420 §7.9).
func (h *handPath) link(t *tree.Tree) [][]byte {
	out := make([][]byte, len(h.steps)+1)
	out[len(h.steps)] = []byte{}
	for i := len(h.steps) - 1; i >= 0; i-- {
		var w codec.Writer
		w.Bytes(h.path.Nodes[i].EncryptionKey)
		w.Bytes(out[i+1])
		w.Bytes(t.HashAt(h.steps[i].copath))
		out[i] = t.Suite().Hash(w.Out())
	}
	return out
}

// place puts the path into a copy of the tree; nil where that has no encoding.
func (h *handPath) place(t *tree.Tree, leaf uint32, parents [][]byte) *tree.Tree {
	places := readPlaces(t.Bytes())
	places = append(places, make([]place, int(tree.Width(t.Width()))-len(places))...)
	for x := tree.NodeOf(leaf); x != tree.Root(t.Width()); {
		x = tree.Parent(x)
		places[x] = place{}
	}
	places[tree.NodeOf(leaf)] = place{leaf: h.path.Leaf}
	for i, step := range h.steps {
		places[step.node] = place{parent: &tree.ParentNode{EncryptionKey: h.path.Nodes[i].EncryptionKey, ParentHash: parents[i]}}
	}
	out, err := tree.Parse(t.Suite(), writePlaces(places))
	if err != nil {
		return nil
	}
	return out
}

// seal encrypts the path secrets, now and then another plaintext.
func (h *handPath) seal(e *evil, s *script, t *tree.Tree, added []uint32, context []byte) {
	places := readPlaces(t.Bytes())
	for i, step := range h.steps {
		for _, x := range t.Resolution(step.copath) {
			if tree.Level(x) == 0 && slices.Contains(added, tree.LeafOf(x)) {
				continue
			}
			plain := h.secrets[i]
			if s.one(16) {
				plain = s.edits().spoil(append(s.bytes(), plain...))
			}
			kem, ct, err := t.Suite().EncryptWithLabel(keyAt(places, x), "UpdatePathNode", context, plain)
			if err != nil {
				kem, ct = []byte{1}, []byte{2}
			}
			h.path.Nodes[i].Secrets = append(h.path.Nodes[i].Secrets, tree.Ciphertext{KEMOutput: kem, Ciphertext: ct})
		}
	}
}

// keyAt is the encryption key of a place; a poisoned tree may name a blank one.
func keyAt(places []place, x uint32) []byte {
	if int(x) < len(places) && places[x].leaf != nil {
		return places[x].leaf.EncryptionKey
	}
	if int(x) < len(places) && places[x].parent != nil {
		return places[x].parent.EncryptionKey
	}
	return nil
}

// spoil changes the shape of a path that was sealed.
func (h *handPath) spoil(s *script) {
	p := h.path
	if len(p.Nodes) == 0 {
		p.Nodes = append(p.Nodes, tree.PathNode{EncryptionKey: s.bytes()})
		return
	}
	n := &p.Nodes[s.pick(len(p.Nodes))]
	switch s.pick(7) {
	case 0:
		n.Secrets = append(n.Secrets, tree.Ciphertext{KEMOutput: s.bytes(), Ciphertext: s.bytes()})
	case 1:
		n.Secrets = nil
	case 2:
		p.Nodes = p.Nodes[:s.pick(len(p.Nodes))]
	case 3:
		p.Nodes = append(p.Nodes, *n)
	case 4:
		slices.Reverse(n.Secrets)
	default:
		for i := range n.Secrets {
			n.Secrets[i].Ciphertext = s.edits().spoil(n.Secrets[i].Ciphertext)
			n.Secrets[i].KEMOutput = s.edits().spoil(n.Secrets[i].KEMOutput)
		}
	}
}

// zeros is the commit secret of a commit without a path.
func zeros(s *suite.Suite) []byte { return make([]byte, s.HashLen()) }
