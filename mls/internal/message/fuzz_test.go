package message_test

import (
	"bytes"
	"testing"

	"primum/mls/internal/codec"
	"primum/mls/internal/cost"
	"primum/mls/internal/message"
	"primum/mls/internal/schedule"
	"primum/mls/internal/tree"
)

// reading bounds what a decoder may allocate. Hashes and keys it needs none.
var reading = cost.Bound{Always: cost.Work{Memory: 64 << 10}, PerKiB: cost.Work{Memory: 128 << 10}}

// FuzzFraming: a public or private message that decodes encodes to the same
// bytes, and what is signed and authenticated of it holds all of it.
func FuzzFraming(f *testing.F) {
	m := &message.Signed{Wire: message.WirePublicMessage, Signature: []byte{7}, Content: message.Content{
		GroupID: []byte("g"), Epoch: 3, Sender: message.Sender{Kind: message.SenderExternal, Index: 9},
		AAD: []byte("aad"), Kind: message.KindProposal,
		Proposal: &message.Proposal{Kind: message.ProposalRemove, Removed: 5},
	}}
	m.Encode()
	f.Add(m.PublicMessage(nil, nil, nil))
	w := message.Header(message.WirePrivateMessage)
	w.Fixed([]byte{1, 'g', 0, 0, 0, 0, 0, 0, 0, 3, 1, 1, 'a', 2, 8, 8, 3, 9, 9, 9})
	f.Add(w.Out())
	f.Fuzz(func(t *testing.T, in []byte) {
		reading.Check(t, len(in), func() { reframe(t, in) })
	})
}

func reframe(t *testing.T, in []byte) {
	t.Helper()
	r := codec.NewReader(in)
	wire := message.ReadHeader(r)
	w := message.Header(wire)
	switch wire {
	case message.WirePublicMessage:
		m, tag, err := message.ReadPublic(r)
		if err != nil {
			return
		}
		raw := bytes.Clone(m.Raw)
		if m.Encode(); !bytes.Equal(raw, m.Raw) {
			t.Fatalf("the content %x encodes to %x", raw, m.Raw)
		}
		w.Fixed(m.Raw)
		m.WriteAuth(w)
		if m.Sender.Kind == message.SenderMember {
			w.Bytes(tag)
		}
		checkSigned(t, m)
	case message.WirePrivateMessage:
		h, err := message.ReadPrivate(r)
		if err != nil {
			return
		}
		w.Fixed(h.ContentAAD)
		w.Bytes(h.SenderData)
		w.Bytes(h.Ciphertext)
		if !bytes.HasPrefix(h.ContentAAD, h.SenderAAD) {
			t.Fatal("the authenticated parts do not nest")
		}
	default:
		return
	}
	if r.Close() == nil && !bytes.Equal(w.Out(), in) {
		t.Fatalf("%x encodes to %x", in, w.Out())
	}
}

// checkSigned checks that each form of a message that is signed, hashed or
// authenticated holds the whole content.
func checkSigned(t *testing.T, m *message.Signed) {
	t.Helper()
	context := []byte("context of the group")
	for name, b := range map[string][]byte{
		"TBS": m.TBS(context), "transcript": m.TranscriptInput(), "membership": m.MembershipInput(context),
	} {
		if !bytes.Contains(b, m.Raw) {
			t.Fatalf("the %s input lacks the content", name)
		}
	}
	inside := m.Sender.Kind == message.SenderMember || m.Sender.Kind == message.SenderNewMemberCommit
	if bytes.HasSuffix(m.TBS(context), context) != inside {
		t.Fatalf("a sender of kind %d signs the wrong context", m.Sender.Kind)
	}
}

// FuzzHandshake: a proposal or commit that decodes encodes to the same bytes.
func FuzzHandshake(f *testing.F) {
	f.Add(false, []byte{0, 3, 0, 0, 0, 9})
	f.Add(false, []byte{0, 4, 1, 1, 7, 1, 8})
	f.Add(false, []byte{0, 5, 1, 'g', 0, 1, 0, 1, 0})
	f.Add(false, []byte{0, 6, 2, 8, 8})
	f.Add(false, []byte{0, 7, 4, 0xf0, 0, 1, 9})
	f.Add(true, []byte{10, 1, 0, 3, 0, 0, 0, 9, 2, 1, 7, 0})
	f.Add(true, []byte{0, 0})
	f.Fuzz(func(t *testing.T, commit bool, in []byte) {
		reading.Check(t, len(in), func() { rewrite(t, commit, in) })
	})
}

func rewrite(t *testing.T, commit bool, in []byte) {
	t.Helper()
	var w codec.Writer
	r := codec.NewReader(in)
	if commit {
		if c := message.ReadCommit(r); r.Close() == nil {
			c.Write(&w)
		}
	} else {
		if p := message.ReadProposal(r); r.Close() == nil {
			p.Write(&w)
		}
	}
	if r.Err() == nil && !bytes.Equal(w.Out(), in) {
		t.Fatalf("%x encodes to %x", in, w.Out())
	}
}

// FuzzWelcome: a Welcome, group secrets or a group info that decodes encodes
// to the same bytes, and a Welcome finds what it holds.
func FuzzWelcome(f *testing.F) {
	m := message.Welcome{Suite: 1, Info: []byte{1, 2}, Secrets: []message.WelcomeSecret{
		{Ref: []byte{3}, Sealed: tree.Ciphertext{KEMOutput: []byte{4}, Ciphertext: []byte{5}}},
	}}
	w := message.Header(message.WireWelcome)
	m.Write(w)
	f.Add(byte(0), w.Out())
	secrets := message.GroupSecrets{Joiner: []byte{1}, PathSecret: []byte{2}, PSKs: []schedule.PSKID{{Type: schedule.PSKExternal, ID: []byte{3}}}}
	f.Add(byte(1), secrets.Encode())
	info := message.NewGroupInfo(&schedule.Context{Suite: 1, GroupID: []byte("g")}, []byte{6}, 7, tree.Extensions{{Type: 2, Data: []byte{8}}})
	w = message.Header(message.WireGroupInfo)
	info.Write(w)
	f.Add(byte(2), w.Out())
	f.Fuzz(func(t *testing.T, kind byte, in []byte) {
		reading.Check(t, len(in), func() { regreet(t, kind, in) })
	})
}

func regreet(t *testing.T, kind byte, in []byte) {
	t.Helper()
	var out []byte
	switch kind % 3 {
	case 0:
		m, err := message.ParseWelcome(in)
		if err != nil {
			return
		}
		w := message.Header(message.WireWelcome)
		m.Write(w)
		out = w.Out()
		for _, s := range m.Secrets {
			if _, err := m.Find(s.Ref); err != nil {
				t.Fatalf("a Welcome does not find its own %x", s.Ref)
			}
		}
	case 1:
		g, err := message.ReadGroupSecrets(bytes.Clone(in))
		if err != nil {
			return
		}
		out = g.Encode()
		g.Erase()
	case 2:
		g, err := message.ParseGroupInfo(in)
		if err != nil {
			return
		}
		again := message.NewGroupInfo(g.Context, g.Tag, g.Signer, g.Extensions)
		again.Signature = g.Signature
		w := message.Header(message.WireGroupInfo)
		again.Write(w)
		out = w.Out()
	}
	if !bytes.Equal(out, in) {
		t.Fatalf("kind %d: %x encodes to %x", kind%3, in, out)
	}
}
