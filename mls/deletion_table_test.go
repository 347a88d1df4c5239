//go:build unix

package mls

import (
	"bytes"
	"math/bits"

	"primum/mls/internal/codec"
	"primum/mls/internal/message"
	"primum/mls/internal/schedule"
	"primum/mls/internal/suite"
)

// secret is one value that the subject holds, or has held, as the searching
// side derived it.
type secret struct {
	kind             string
	epoch            uint64
	leaf, generation uint32
	node             uint32
	pub              []byte // of a private key
	b                []byte
	memory           bool // must be in no file any more, may be in memory
}

// event is what happened to the subject.
type event struct {
	what             string
	epoch            uint64
	leaf, generation uint32
	tree             []byte // after a commit
}

const (
	evDerived   = "an epoch was derived"                 // every call that makes or takes a commit or Welcome
	evJoined    = "the Welcome was taken in and stored"  // and the application erased the key package
	evUsed      = "a message key was used"               // to seal, or to open successfully
	evDropped   = "a skipped key fell out of the window" // Config.Window
	evReserved  = "send keys were reserved"              // and the state stored
	evRestarted = "the subject restarted"                // what was in memory only is gone
	evLeft      = "the epoch was left"                   // Merge, or a commit processed
	evDiscarded = "the pending commit was discarded"     // by Discard or by another's commit
	evEvicted   = "the subject was removed"
)

// rule says when a kind of secret is gone, and by which section of RFC 9420.
type rule struct {
	kind, section, when string
	gone                func(s *secret, e *event, past uint64) bool
}

// deletionTable is what the test searches for. "Gone" is from every file of
// the store, from the serialised state and from reachable memory.
func deletionTable() []rule {
	derived := func(_ *secret, e *event, _ uint64) bool { return e.what == evDerived }
	left := func(s *secret, e *event, _ uint64) bool { return e.what == evLeft && e.epoch >= s.epoch }
	late := func(s *secret, e *event, past uint64) bool { return e.what == evLeft && e.epoch >= s.epoch+past }
	used := func(s *secret, e *event) bool { return e.what == evUsed && e.epoch == s.epoch }
	replaced := func(s *secret, e *event, _ uint64) bool {
		return e.what == evLeft && e.epoch+1 >= s.epoch && !bytes.Contains(e.tree, s.pub)
	}
	const (
		now     = "when the secrets of the epoch are derived"
		leaving = "when the epoch is left"
	)
	return []rule{
		{"init key", "§12.4.3.1, §16.8", "when the Welcome was taken in", func(_ *secret, e *event, _ uint64) bool { return e.what == evJoined }},
		{"leaf key", "§7.5, §16.6", "when a commit replaces or removes the leaf", replaced}, // RFC 9420 §7.5 M3b
		{"node key", "§7.5, §16.6", "when a commit replaces or blanks the node", replaced},  // RFC 9420 §7.5 M3b
		{"path secret", "§7.4, §7.5", "when the node keys are derived", derived},            // RFC 9420 §7.5 M3a
		{"node secret", "§7.4, §7.5", "when the node keys are derived", derived},
		{"seed of a key pair", "§7.5", "when the key pair is derived", derived},
		{"commit secret", "§9.2", now, derived}, // RFC 9420 §9.2 M2a
		{"psk secret", "§8.4, §9.2", now, derived},
		{"external psk", "§8.4", now + " (the application's own copy is its own)", derived},
		{"joiner secret", "§9.2", now, derived}, // RFC 9420 §9.2 M2a
		{"intermediate secret", "§8, §9.2", now, derived},
		{"welcome secret", "§8, §9.2", now, derived},
		{"welcome key", "§12.4.3.1, §9.2", now, derived},
		{"welcome nonce", "§12.4.3.1, §9.2", now, derived},
		{"epoch secret", "§9.2", now, derived}, // RFC 9420 §9.2 M2a
		{"confirmation key", "§8.1", now + ": the tag is the last use", derived},
		{"external secret", "§8.3", now + ", external commits being off", derived},
		{"init secret", "§9.2", leaving, left}, // RFC 9420 §9.2 M2a
		{"exporter secret", "§8.5, §16.6", leaving, left},
		{"membership key", "§6.2, §16.6", leaving, left},
		{"resumption secret", "§8.6", leaving + ", ResumptionEpochs being 0", left},
		{"sender data secret", "§6.3.2, §16.6", leaving + ", and PastEpochs more", late},
		{"sender data key", "§6.3.2", "when the message was sealed or opened", func(s *secret, e *event, past uint64) bool { return used(s, e) || late(s, e, past) }},
		{"encryption secret", "§9.2", "with the first message key used", func(s *secret, e *event, past uint64) bool { return used(s, e) || late(s, e, past) }},
		{"tree secret", "§9.2", "with the first message key used of a leaf below", func(s *secret, e *event, past uint64) bool { // RFC 9420 §9.2 M2b
			return used(s, e) && above(s.node, e.leaf) || late(s, e, past)
		}},
		{"ratchet secret", "§9.2", "with the first use of its or a later generation", func(s *secret, e *event, past uint64) bool { // RFC 9420 §9.2 M2c
			return used(s, e) && s.leaf == e.leaf && s.generation <= e.generation || late(s, e, past)
		}},
		{"handshake ratchet secret", "§9.2", leaving, late},
		{"message key", "§9.2, §15.3", "when used, or dropped from the window of skipped ones", func(s *secret, e *event, past uint64) bool { // RFC 9420 §9.2 M2d
			return (e.what == evUsed || e.what == evDropped) && e.epoch == s.epoch && s.leaf == e.leaf && s.generation == e.generation || late(s, e, past)
		}},
		{"message nonce", "§9.2, §15.3", "likewise", func(s *secret, e *event, past uint64) bool {
			return (e.what == evUsed || e.what == evDropped) && e.epoch == s.epoch && s.leaf == e.leaf && s.generation == e.generation || late(s, e, past)
		}},
	}
}

// above tells whether a node of the secret tree is above a leaf.
func above(node, leaf uint32) bool {
	level := bits.TrailingZeros32(^node)
	return node>>(level+1) == leaf<<1>>(level+1)
}

// epochSecrets derives what a member of an epoch has from what it is made of:
// of the secrets of the last epoch the init secret, the commit secret, the
// chained pre-shared keys or nil, and the context.
func epochSecrets(s *suite.Suite, epoch uint64, init, commitSecret, psk, context []byte, width uint32) []*secret {
	var out []*secret
	add := func(kind string, b []byte) []byte {
		out = append(out, &secret{kind: kind, epoch: epoch, b: bytes.Clone(b)})
		return b
	}
	add("commit secret", commitSecret)
	if psk == nil {
		psk = make([]byte, s.HashLen())
	} else {
		add("psk secret", psk)
	}
	joiner := add("joiner secret", s.ExpandWithLabel(add("intermediate secret", s.Extract(init, commitSecret)), "joiner", context, s.HashLen()))
	member := add("intermediate secret", s.Extract(joiner, psk))
	welcome := add("welcome secret", s.DeriveSecret(member, "welcome"))
	add("welcome key", s.ExpandWithLabel(welcome, "key", nil, s.KeyLen()))
	add("welcome nonce", s.ExpandWithLabel(welcome, "nonce", nil, s.NonceLen()))
	return append(out, fromEpoch(s, epoch, s.ExpandWithLabel(member, "epoch", context, s.HashLen()), width)...)
}

// fromEpoch derives what follows from an epoch secret.
func fromEpoch(s *suite.Suite, epoch uint64, secretOf []byte, width uint32) []*secret {
	out := []*secret{{kind: "epoch secret", epoch: epoch, b: secretOf}}
	for kind, label := range map[string]string{
		"sender data secret": "sender data", "encryption secret": "encryption", "exporter secret": "exporter",
		"external secret": "external", "confirmation key": "confirm", "membership key": "membership",
		"resumption secret": "resumption", "init secret": "init",
	} {
		out = append(out, &secret{kind: kind, epoch: epoch, b: s.DeriveSecret(secretOf, label)})
	}
	return append(out, treeSecrets(s, epoch, width-1, s.DeriveSecret(secretOf, "encryption"))...)
}

// generations is how far the test derives each ratchet.
const generations = 14

// treeSecrets derives the secret tree below a node (RFC 9420 §9), but for the
// node itself where it is the root.
func treeSecrets(s *suite.Suite, epoch uint64, node uint32, b []byte) (out []*secret) {
	level := bits.TrailingZeros32(^node)
	if level == 0 {
		return append(ratchetSecrets(s, epoch, node/2, "application", b), ratchetSecrets(s, epoch, node/2, "handshake", b)...)
	}
	for label, child := range map[string]uint32{"left": node ^ 1<<(level-1), "right": node ^ 3<<(level-1)} {
		below := s.ExpandWithLabel(b, "tree", []byte(label), s.HashLen())
		out = append(out, &secret{kind: "tree secret", epoch: epoch, node: child, b: below})
		out = append(out, treeSecrets(s, epoch, child, below)...)
	}
	return out
}

func ratchetSecrets(s *suite.Suite, epoch uint64, leaf uint32, label string, b []byte) (out []*secret) {
	kind := "ratchet secret"
	if label == "handshake" {
		kind = "handshake ratchet secret"
	}
	next := s.ExpandWithLabel(b, label, nil, s.HashLen())
	for g := range uint32(generations) {
		at := secret{epoch: epoch, leaf: leaf, generation: g}
		ratchet, key, nonce := at, at, at
		ratchet.kind, ratchet.b = kind, next
		key.kind, key.b = "message key", s.DeriveTreeSecret(next, "key", g, s.KeyLen())
		nonce.kind, nonce.b = "message nonce", s.DeriveTreeSecret(next, "nonce", g, s.NonceLen())
		out = append(out, &ratchet)
		if label == "application" {
			out = append(out, &key, &nonce)
		}
		next = s.DeriveTreeSecret(next, "secret", g, s.HashLen())
	}
	return out
}

// senderDataSecrets derives what hid the sender of a message.
func senderDataSecrets(s *suite.Suite, epoch uint64, senderData, msg []byte) []*secret {
	r := codec.NewReader(msg)
	message.ReadHeader(r)
	h, err := message.ReadPrivate(r)
	if err != nil {
		return nil
	}
	k := schedule.SenderDataKeys(s, senderData, h.Ciphertext)
	nonce := k.Nonce(s, [4]byte{})
	return []*secret{
		{kind: "sender data key", epoch: epoch, b: bytes.Clone(k.Key(s))},
		{kind: "sender data key", epoch: epoch, b: nonce[:s.NonceLen()]},
	}
}

// keyPair is the secret of a key pair made of a seed.
func keyPair(s *suite.Suite, kind string, epoch uint64, seed []byte) (*secret, error) {
	priv, pub, err := s.DeriveKeyPair(seed)
	return &secret{kind: kind, epoch: epoch, b: priv, pub: pub}, err
}
