package mls

import (
	"bytes"
	"crypto/ed25519"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"runtime"
	"testing"
	"testing/cryptotest"

	"primum/mls/internal/message"
	"primum/mls/internal/schedule"
	"primum/mls/internal/tree"
)

var updateRefusals = flag.Bool("update", false, "write docs/spec/vectors/mls-refusals.json anew")

const refusalsFile = "../docs/spec/vectors/mls-refusals.json"

// refusalGroup is one group in the file: who holds these keys joins as the
// victim and refuses every message. TestMLSRefusals of docs/spec/vectors does.
type refusalGroup struct {
	Go         string         `json:"go"`
	Suite      Suite          `json:"suite"`
	At         int64          `json:"at"` // seconds
	Seed       string         `json:"signatureSeed"`
	KeyPackage string         `json:"keyPackage"`
	StoredKeys string         `json:"storedKeys"`
	Welcome    string         `json:"welcome"`
	GroupInfo  string         `json:"groupInfo"` // of the same epoch, for a tracker
	TreeHash   string         `json:"treeHash"`
	Refusals   []refusalEntry `json:"refusals"`
}

// refusalEntry is one hostile message with valid signatures and tags but for
// what About says.
type refusalEntry struct {
	About   string `json:"about"`
	Message string `json:"message"`
	Error   string `json:"error"`             // of a member
	Tracker string `json:"tracker,omitempty"` // its error; none: a tracker can't see it
}

// misdeed is one entry before it is made.
type misdeed struct {
	about string
	want  error
	make  func() []byte
}

// TestRefusalVectors makes hostile messages by a member with real keys, checks
// that a member and a tracker refuse them for the right reason, and compares
// them with the file.
func TestRefusalVectors(t *testing.T) {
	made := []refusalGroup{}
	for _, suite := range Suites() {
		cryptotest.SetGlobalRandom(t, 9421)
		made = append(made, refusalsOf(t, suite))
	}
	b, err := json.MarshalIndent(made, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	b = append(b, '\n')
	if *updateRefusals {
		if err := os.WriteFile(refusalsFile, b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(refusalsFile)
	if err != nil {
		t.Fatal(err)
	}
	var stored []refusalGroup
	if err := json.Unmarshal(have, &stored); err != nil {
		t.Fatal(err)
	}
	if stored[0].Go == runtime.Version() && !bytes.Equal(have, b) {
		t.Errorf("%s is not what the code makes; look why, then: go test ./mls -run TestRefusalVectors -update", refusalsFile)
	}
	t.Logf("%d hostile messages in each of %d suites", len(made[0].Refusals), len(made))
}

func refusalsOf(t *testing.T, suite Suite) refusalGroup {
	t.Helper()
	l := newLabOf(t, suite, 3, 3)
	victim := l.party()
	kp, priv := l.keyPackage(victim)
	staged := l.commit(l.at(0), CommitOptions{Add: []*KeyPackage{kp}})
	var err error
	victim.g, err = Join(victim.cfg, staged.Welcome, kp, priv, nil)
	l.must(err)
	l.parties[victim.name] = victim
	l.agree()
	keys, err := priv.MarshalBinary()
	l.must(err)
	x := hex.EncodeToString
	out := refusalGroup{
		Go: runtime.Version(), Suite: suite, At: labTime().Unix(), Seed: x(victim.cfg.Signer.(ed25519.PrivateKey).Seed()), KeyPackage: x(kp.Bytes()),
		StoredKeys: x(keys), Welcome: x(staged.Welcome), GroupInfo: x(staged.GroupInfo), TreeHash: x(victim.g.TreeHash()),
	}
	for _, h := range append(hostileCommits(l, l.at(1), victim), hostileMessages(l, l.at(1))...) {
		msg := h.make()
		e := refusalEntry{About: h.about, Message: x(msg)}
		l.unmoved(h.about, func() {
			_, err := victim.g.Process(msg)
			if e.Error = errorName(err); !errors.Is(err, h.want) || e.Error == "" {
				t.Errorf("%s, %s: %v", suite, h.about, err)
			}
			if uint16(msg[3]) == WirePublicMessage {
				_, _, err = l.public.Stage(msg)
				e.Tracker = errorName(err)
			}
		})
		out.Refusals = append(out.Refusals, e)
	}
	return out
}

// errorName is an error of the package by its name.
func errorName(err error) string {
	for name, e := range map[string]error{
		"ErrMalformed": ErrMalformed, "ErrEpoch": ErrEpoch, "ErrWrongGroup": ErrWrongGroup, "ErrAuthentication": ErrAuthentication,
		"ErrReplay": ErrReplay, "ErrJump": ErrJump, "ErrNotAllowed": ErrNotAllowed, "ErrInvalid": ErrInvalid,
	} {
		if errors.Is(err, e) {
			return name
		}
	}
	return ""
}

// hostileCommits break one rule of a commit each.
func hostileCommits(l *lab, by, victim *party) []misdeed {
	commit := func(f forge) func() []byte { return func() []byte { return l.commitBy(by, f) } }
	list := func(p ...message.Proposal) func() []byte {
		var all []message.ProposalOrRef
		for i := range p {
			all = append(all, message.ProposalOrRef{Value: &p[i]})
		}
		return commit(forge{list: all})
	}
	remove := func(leaf uint32) message.Proposal { return message.Proposal{Kind: ProposalRemove, Removed: leaf} }
	kp, _ := l.keyPackage(l.party())
	add := message.Proposal{Kind: ProposalAdd, KeyPackage: kp.inner}
	flip := func(b []byte) { b[len(b)-1] ^= 1 }
	outside := message.Sender{Kind: message.SenderNewMemberCommit}
	required := tree.Required{Extensions: []uint16{0xf0f0}}
	extensions := tree.Extensions{{Type: tree.ExtRequiredCapabilities, Data: required.Bytes()}}
	psk := schedule.PSKID{Type: schedule.PSKExternal, ID: []byte("key"), Nonce: make([]byte, 32)}
	return []misdeed{
		{"the committer removes itself", ErrInvalid, list(remove(by.g.Me()))},
		{"a leaf that is blank is removed", ErrInvalid, list(remove(7))},
		{"one leaf is removed twice", ErrInvalid, list(remove(2), remove(2))},
		{"one key package is added twice", ErrInvalid, list(add, add)},
		{"a member is added that is there", ErrInvalid, list(message.Proposal{Kind: ProposalAdd, KeyPackage: keyPackageOf(l, victim)})},
		{"an Update stands in a commit by value", ErrInvalid, list(message.Proposal{Kind: ProposalUpdate, Leaf: by.g.st.Tree.Leaf(by.g.Me())})},
		{"a Remove without a path", ErrInvalid, commit(forge{list: value(remove(2)), bare: true})},
		{"a commit without proposals and without a path", ErrInvalid, commit(forge{bare: true})},
		{"a proposal by reference that nobody sent", ErrInvalid, commit(forge{list: []message.ProposalOrRef{{Ref: bytes.Repeat([]byte{7}, 32)}}})},
		{"context extensions that members do not support", ErrInvalid, list(message.Proposal{Kind: ProposalGroupContextExtensions, Extensions: extensions})},
		{"a pre-shared key", ErrNotAllowed, list(message.Proposal{Kind: ProposalPSK, PSK: psk})},
		{"a ReInit", ErrNotAllowed, list(message.Proposal{Kind: ProposalReInit, ReInit: message.ReInit{GroupID: []byte("next"), Version: 1, Suite: 1}})},
		{"ExternalInit by a member", ErrInvalid, list(message.Proposal{Kind: ProposalExternalInit, KEMOutput: make([]byte, 32)})},
		{"an external commit", ErrNotAllowed, commit(forge{as: &outside})},
		{"a path of one node less", ErrInvalid, commit(forge{path: func(p *tree.UpdatePath) { p.Nodes = p.Nodes[:len(p.Nodes)-1] }})},
		{"a path with another public key", ErrInvalid, commit(forge{path: func(p *tree.UpdatePath) { flip(p.Nodes[0].EncryptionKey) }})},
		{"a path whose secret for this member is damaged", ErrAuthentication, commit(forge{path: func(p *tree.UpdatePath) {
			for i := range p.Nodes {
				for j := range p.Nodes[i].Secrets {
					flip(p.Nodes[i].Secrets[j].Ciphertext)
				}
			}
		}})},
		{"a path leaf of another name", ErrInvalid, commit(forge{leaf: func(n *tree.LeafNode) { n.Credential = tree.BasicCredential([]byte(victim.name)) }})},
		{"a path leaf with another signature key", ErrInvalid, commit(forge{leaf: func(n *tree.LeafNode) {
			n.SignatureKey = bytes.Clone(otherKey().Public().(ed25519.PublicKey))
		}})},
		{"another confirmation tag", ErrAuthentication, commit(forge{tag: flip})},
		{"another signature", ErrAuthentication, commit(forge{done: func(m *message.Signed) { flip(m.Signature) }})},
		{"the signature of the leaf beside", ErrAuthentication, commit(forge{body: func(m *message.Signed) { m.Sender.Index = 2 }})},
		{"a later epoch", ErrEpoch, commit(forge{body: func(m *message.Signed) { m.Epoch++ }})},
		{"another group", ErrWrongGroup, commit(forge{body: func(m *message.Signed) { m.GroupID = []byte("other") }})},
		{"a byte behind the commit", ErrMalformed, commit(forge{raw: func(b []byte) []byte { return append(b, 0) }})},
	}
}

// keyPackageOf makes another key package of a member.
func keyPackageOf(l *lab, p *party) *tree.KeyPackage {
	kp, _ := l.keyPackage(p)
	return kp.inner
}

// hostileMessages are proposals and application messages against the rules.
func hostileMessages(l *lab, by *party) []misdeed {
	propose := func(p message.Proposal) func() []byte {
		return func() []byte {
			msg, _ := l.proposeBy(by, p)
			return msg
		}
	}
	update := by.g.st.Tree.Leaf(by.g.Me())
	return []misdeed{
		{"a proposal to remove a blank leaf", ErrInvalid, propose(message.Proposal{Kind: ProposalRemove, Removed: 9})},
		{"a proposal of a pre-shared key", ErrNotAllowed, propose(message.Proposal{Kind: ProposalPSK, PSK: schedule.PSKID{Type: schedule.PSKExternal, ID: []byte("key"), Nonce: make([]byte, 32)}})},
		{"an Update with the leaf of a key package", ErrInvalid, propose(message.Proposal{Kind: ProposalUpdate, Leaf: update})},
		{"application data in a PublicMessage", ErrInvalid, func() []byte { return publicData(l, by) }},
		{"padding that is not zero", ErrMalformed, func() []byte { return paddedData(l, by, 7) }},
	}
}

// publicData is application data that is signed, tagged and in clear.
func publicData(l *lab, by *party) []byte {
	st := by.g.st
	m := &message.Signed{Wire: WirePublicMessage, Content: by.g.content(Application, nil)}
	m.Data = []byte("for everybody")
	l.signBy(by, m)
	return m.PublicMessage(st.Suite, by.g.secrets.Membership, st.Encoded)
}

// paddedData is an application message with one byte of padding.
func paddedData(l *lab, by *party, padding byte) []byte {
	g := again(l.t.(*testing.T), by.cfg, by.g)
	body, _, err := g.signBody([]byte("x"), nil, 0)
	l.must(err)
	body = append(body, padding)
	p, err := message.Plan(len(g.st.Context.GroupID), 0, len(body), 0)
	l.must(err)
	st, err := g.keys.Next(g.me, schedule.Application)
	l.must(err)
	msg, err := g.sealPrivate(g.cfg.Rand, &st.Key, Application, nil, body, p)
	l.must(err)
	return msg
}
