package mls

import (
	"fmt"

	"primum/mls/internal/codec"
	"primum/mls/internal/suite"
	"primum/mls/internal/tree"
)

// Kinds of sender (RFC 9420 §6).
const (
	senderMember            uint8 = 1
	senderExternal          uint8 = 2
	senderNewMemberProposal uint8 = 3
	senderNewMemberCommit   uint8 = 4
)

// sender is Sender: the index is a leaf or a place in external_senders.
type sender struct {
	kind  uint8
	index uint32
}

func (s sender) write(w *codec.Writer) {
	w.U8(s.kind)
	if s.kind == senderMember || s.kind == senderExternal {
		w.U32(s.index)
	}
}

func readSender(r *codec.Reader) sender {
	s := sender{kind: r.U8()}
	switch s.kind {
	case senderMember, senderExternal:
		s.index = r.U32()
	case senderNewMemberProposal, senderNewMemberCommit:
	default:
		r.Fail(fmt.Errorf("sender type %d is not known", s.kind))
	}
	return s
}

// content is FramedContent (RFC 9420 §6); the field that fits kind is set.
type content struct {
	groupID  []byte
	epoch    uint64
	sender   sender
	aad      []byte
	kind     Kind
	data     []byte
	proposal *proposal
	commit   *commit
	raw      []byte // the encoding
}

// signed is AuthenticatedContent (RFC 9420 §6).
type signed struct {
	wire uint16
	content
	signature []byte
	tag       []byte // confirmation tag, of commits
}

func (c *content) writeHead(w *codec.Writer) {
	w.Bytes(c.groupID)
	w.U64(c.epoch)
	c.sender.write(w)
	w.Bytes(c.aad)
	w.U8(uint8(c.kind))
}

// encode fills raw.
func (c *content) encode() {
	var w codec.Writer
	c.writeHead(&w)
	switch c.kind {
	case Application:
		w.Bytes(c.data)
	case Proposal:
		c.proposal.write(&w)
	case Commit:
		c.commit.write(&w)
	}
	c.raw = w.Out()
}

// readContent reads FramedContent; it aliases the input.
func readContent(r *codec.Reader) content {
	start := r.Offset()
	c := content{
		groupID: r.Bytes(),
		epoch:   r.U64(),
		sender:  readSender(r),
		aad:     r.Bytes(),
		kind:    Kind(r.U8()),
	}
	c.readBody(r)
	c.raw = r.Since(start)
	return c
}

func (c *content) readBody(r *codec.Reader) {
	switch c.kind {
	case Application:
		c.data = r.Bytes()
	case Proposal:
		p := readProposal(r)
		c.proposal = &p
	case Commit:
		c.commit = readCommit(r)
	default:
		r.Fail(fmt.Errorf("content type %d is not known", c.kind))
	}
}

// readAuth reads FramedContentAuthData (RFC 9420 §6.1).
func (m *signed) readAuth(r *codec.Reader) {
	m.signature = r.Bytes()
	if m.kind == Commit {
		m.tag = r.Bytes()
	}
}

func (m *signed) writeAuth(w *codec.Writer) {
	w.Bytes(m.signature)
	if m.kind == Commit {
		w.Bytes(m.tag)
	}
}

// tbs is FramedContentTBS under the encoded group context (RFC 9420 §6.1).
func (m *signed) tbs(context []byte) []byte {
	var w codec.Writer
	w.U16(tree.Version)
	w.U16(m.wire)
	w.Fixed(m.raw)
	if m.sender.kind == senderMember || m.sender.kind == senderNewMemberCommit {
		w.Fixed(context)
	}
	return w.Out()
}

// authenticated is the encoding of the AuthenticatedContent.
func (m *signed) authenticated() []byte {
	var w codec.Writer
	w.U16(m.wire)
	w.Fixed(m.raw)
	m.writeAuth(&w)
	return w.Out()
}

// ref is the ProposalRef (RFC 9420 §5.2).
func (m *signed) ref(s *suite.Suite) []byte {
	return s.RefHash("MLS 1.0 Proposal Reference", m.authenticated())
}

// transcriptInput is ConfirmedTranscriptHashInput (RFC 9420 §8.2).
func (m *signed) transcriptInput() []byte {
	var w codec.Writer
	w.U16(m.wire)
	w.Fixed(m.raw)
	w.Bytes(m.signature)
	return w.Out()
}

// membershipInput is AuthenticatedContentTBM (RFC 9420 §6.2).
func (m *signed) membershipInput(context []byte) []byte {
	w := codec.NewWriter(m.tbs(context))
	m.writeAuth(w)
	return w.Out()
}

// header starts an MLSMessage (RFC 9420 §6).
func header(wire uint16) *codec.Writer {
	var w codec.Writer
	w.U16(tree.Version)
	w.U16(wire)
	return &w
}

// readHeader reads the start of an MLSMessage.
func readHeader(r *codec.Reader) (wire uint16) {
	if v := r.U16(); v != tree.Version {
		r.Fail(fmt.Errorf("protocol version %d is not supported", v))
	}
	return r.U16()
}

// malformed wraps what a reader found.
func malformed(what string, err error) error {
	return fmt.Errorf("read %s: %w: %w", what, ErrMalformed, err)
}

// publicMessage is the MLSMessage(PublicMessage) of a member or, where the
// membership key is nil, of one outside (RFC 9420 §6.2).
func (m *signed) publicMessage(s *suite.Suite, membership, context []byte) []byte {
	w := header(WirePublicMessage)
	w.Fixed(m.raw)
	m.writeAuth(w)
	if m.sender.kind == senderMember {
		w.Bytes(s.MAC(membership, m.membershipInput(context)))
	}
	return w.Out()
}

// readPublic reads a PublicMessage after the header of the MLSMessage; it
// aliases the input.
func readPublic(r *codec.Reader) (m *signed, membershipTag []byte, err error) {
	m = &signed{wire: WirePublicMessage, content: readContent(r)}
	m.readAuth(r)
	if m.sender.kind == senderMember {
		membershipTag = r.Bytes()
	}
	if err := r.Close(); err != nil {
		return nil, nil, malformed("public message", err)
	}
	return m, membershipTag, nil
}

// Peek reads the head of an MLSMessage without keys.
func Peek(msg []byte) (Head, error) {
	r := codec.NewReader(msg)
	h := Head{WireFormat: readHeader(r)}
	switch h.WireFormat {
	case WirePublicMessage:
		h.GroupID, h.Epoch = r.Bytes(), r.U64()
		s := readSender(r)
		h.Member = s.kind == senderMember
		h.Sender = s.index
		h.AuthenticatedData, h.ContentType = r.Bytes(), Kind(r.U8())
	case WirePrivateMessage:
		h.GroupID, h.Epoch, h.ContentType, h.AuthenticatedData = r.Bytes(), r.U64(), Kind(r.U8()), r.Bytes()
	case WireGroupInfo:
		peekGroupInfo(r, &h)
	case WireWelcome, WireKeyPackage:
	default:
		r.Fail(fmt.Errorf("wire format %d is not known", h.WireFormat))
	}
	if err := r.Err(); err != nil {
		return Head{}, malformed("message", err)
	}
	framed := h.WireFormat == WirePublicMessage || h.WireFormat == WirePrivateMessage
	if framed && (h.ContentType < Application || h.ContentType > Commit) {
		return Head{}, malformed("message", fmt.Errorf("content type %d is not known", h.ContentType))
	}
	return h, nil
}

func peekGroupInfo(r *codec.Reader, h *Head) {
	if v := r.U16(); v != tree.Version {
		r.Fail(fmt.Errorf("protocol version %d is not supported", v))
	}
	r.U16()
	h.GroupID, h.Epoch = r.Bytes(), r.U64()
}
