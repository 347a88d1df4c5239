package message

import (
	"fmt"

	"primum/mls/internal/codec"
	"primum/mls/internal/suite"
	"primum/mls/internal/tree"
)

// Kinds of sender (RFC 9420 §6).
const (
	SenderMember            uint8 = 1
	SenderExternal          uint8 = 2
	SenderNewMemberProposal uint8 = 3
	SenderNewMemberCommit   uint8 = 4
)

// Sender is Sender: the index is a leaf or a place in external_senders.
type Sender struct {
	Kind  uint8
	Index uint32
}

func (s Sender) write(w *codec.Writer) {
	w.U8(s.Kind)
	if s.Kind == SenderMember || s.Kind == SenderExternal {
		w.U32(s.Index)
	}
}

// ReadSender reads what Write wrote (RFC 9420 §6).
func ReadSender(r *codec.Reader) Sender {
	s := Sender{Kind: r.U8()}
	switch s.Kind {
	case SenderMember, SenderExternal:
		s.Index = r.U32()
	case SenderNewMemberProposal, SenderNewMemberCommit:
	default:
		r.Fail(fmt.Errorf("sender type %d is not known", s.Kind))
	}
	return s
}

// Content is FramedContent (RFC 9420 §6); the field that fits kind is set.
type Content struct {
	GroupID  []byte
	Epoch    uint64
	Sender   Sender
	AAD      []byte
	Kind     Kind
	Data     []byte
	Proposal *Proposal
	Commit   *Commit
	Raw      []byte // the encoding
}

// Signed is AuthenticatedContent (RFC 9420 §6).
type Signed struct {
	Wire uint16
	Content
	Signature []byte
	Tag       []byte // confirmation tag, of commits
}

// WriteHead appends all of the content before its body (RFC 9420 §6).
func (c *Content) WriteHead(w *codec.Writer) {
	w.Bytes(c.GroupID)
	w.U64(c.Epoch)
	c.Sender.write(w)
	w.Bytes(c.AAD)
	w.U8(uint8(c.Kind))
}

// Encode fills raw.
func (c *Content) Encode() {
	var w codec.Writer
	c.WriteHead(&w)
	switch c.Kind {
	case KindApplication:
		w.Bytes(c.Data)
	case KindProposal:
		c.Proposal.Write(&w)
	case KindCommit:
		c.Commit.Write(&w)
	}
	c.Raw = w.Out()
}

// readContent reads FramedContent; it aliases the input.
func readContent(r *codec.Reader) Content {
	start := r.Offset()
	c := Content{
		GroupID: r.Bytes(),
		Epoch:   r.U64(),
		Sender:  ReadSender(r),
		AAD:     r.Bytes(),
		Kind:    Kind(r.U8()),
	}
	c.ReadBody(r)
	c.Raw = r.Since(start)
	return c
}

// ReadBody reads the part of the content that fits its kind (RFC 9420 §6).
func (c *Content) ReadBody(r *codec.Reader) {
	switch c.Kind {
	case KindApplication:
		c.Data = r.Bytes()
	case KindProposal:
		p := ReadProposal(r)
		c.Proposal = &p
	case KindCommit:
		c.Commit = ReadCommit(r)
	default:
		r.Fail(fmt.Errorf("content type %d is not known", c.Kind))
	}
}

// ReadAuth reads FramedContentAuthData (RFC 9420 §6.1).
func (m *Signed) ReadAuth(r *codec.Reader) {
	m.Signature = r.Bytes()
	if m.Kind == KindCommit {
		m.Tag = r.Bytes()
	}
}

// WriteAuth appends FramedContentAuthData (RFC 9420 §6.1).
func (m *Signed) WriteAuth(w *codec.Writer) {
	w.Bytes(m.Signature)
	if m.Kind == KindCommit {
		w.Bytes(m.Tag)
	}
}

// authRoom bounds the length of FramedContentAuthData.
func (m *Signed) authRoom() int { return 4 + len(m.Signature) + 4 + len(m.Tag) }

// TBS is FramedContentTBS under the encoded group context (RFC 9420 §6.1).
func (m *Signed) TBS(context []byte) []byte {
	var w codec.Writer
	w.Grow(4 + len(m.Raw) + len(context) + m.authRoom())
	w.U16(tree.Version)
	w.U16(m.Wire)
	w.Fixed(m.Raw)
	if m.Sender.Kind == SenderMember || m.Sender.Kind == SenderNewMemberCommit {
		w.Fixed(context)
	}
	return w.Out()
}

// authenticated is the encoding of the AuthenticatedContent.
func (m *Signed) authenticated() []byte {
	var w codec.Writer
	w.Grow(2 + len(m.Raw) + m.authRoom())
	w.U16(m.Wire)
	w.Fixed(m.Raw)
	m.WriteAuth(&w)
	return w.Out()
}

// Ref is the ProposalRef (RFC 9420 §5.2).
func (m *Signed) Ref(s *suite.Suite) []byte {
	return s.RefHash("MLS 1.0 Proposal Reference", m.authenticated())
}

// TranscriptInput is ConfirmedTranscriptHashInput (RFC 9420 §8.2).
func (m *Signed) TranscriptInput() []byte {
	var w codec.Writer
	w.Grow(2 + len(m.Raw) + m.authRoom())
	w.U16(m.Wire)
	w.Fixed(m.Raw)
	w.Bytes(m.Signature)
	return w.Out()
}

// MembershipInput is AuthenticatedContentTBM (RFC 9420 §6.2).
func (m *Signed) MembershipInput(context []byte) []byte {
	w := codec.NewWriter(m.TBS(context))
	m.WriteAuth(w)
	return w.Out()
}

// Header starts an MLSMessage (RFC 9420 §6).
func Header(wire uint16) *codec.Writer {
	var w codec.Writer
	w.U16(tree.Version)
	w.U16(wire)
	return &w
}

// ReadHeader reads the start of an MLSMessage (RFC 9420 §6).
func ReadHeader(r *codec.Reader) (wire uint16) {
	if v := r.U16(); v != tree.Version {
		r.Fail(fmt.Errorf("protocol version %d is not supported", v))
	}
	return r.U16()
}

// PublicMessage is the MLSMessage(PublicMessage) of a member or, where the
// membership key is nil, of one outside (RFC 9420 §6.2).
func (m *Signed) PublicMessage(s *suite.Suite, membership, context []byte) []byte {
	w := Header(WirePublicMessage)
	w.Grow(len(m.Raw) + m.authRoom() + 4 + len(membership))
	w.Fixed(m.Raw)
	m.WriteAuth(w)
	if m.Sender.Kind == SenderMember {
		w.Bytes(s.MAC(membership, m.MembershipInput(context))) // RFC 9420 §6.2 M1
	}
	return w.Out()
}

// ReadPublic reads a PublicMessage after the header of the MLSMessage (RFC 9420
// §6.2); it aliases the input.
func ReadPublic(r *codec.Reader) (m *Signed, membershipTag []byte, err error) {
	m = &Signed{Wire: WirePublicMessage, Content: readContent(r)}
	m.ReadAuth(r)
	if m.Sender.Kind == SenderMember {
		membershipTag = r.Bytes()
	}
	if err := r.Close(); err != nil {
		return nil, nil, Malformed("public message", err)
	}
	return m, membershipTag, nil
}
