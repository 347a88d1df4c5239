package message

import (
	"fmt"

	"primum/mls/internal/codec"
	"primum/mls/internal/schedule"
	"primum/mls/internal/suite"
	"primum/mls/internal/tree"
)

// Lengths that every suite with an AEAD of RFC 9420 §17.1 shares.
const (
	AeadTag        = 16
	SenderDataLen  = 4 + 4 + 4
	SealedDataLen  = SenderDataLen + AeadTag
	MessageHeadLen = 4 // version and wire format
)

// PrivateHead is what a PrivateMessage shows in clear (RFC 9420 §6.3).
type PrivateHead struct {
	GroupID, AAD []byte
	Epoch        uint64
	Kind         Kind
	SenderData   []byte
	Ciphertext   []byte
	SenderAAD    []byte // SenderDataAAD: the part of the message up to kind
	ContentAAD   []byte // PrivateContentAAD: the part up to aad
}

// ReadPrivate reads a PrivateMessage after the header of the MLSMessage (RFC
// 9420 §6.3); it aliases the input.
func ReadPrivate(r *codec.Reader) (h PrivateHead, err error) {
	start := r.Offset()
	h.GroupID, h.Epoch, h.Kind = r.Bytes(), r.U64(), Kind(r.U8())
	h.SenderAAD = r.Since(start)
	h.AAD = r.Bytes()
	h.ContentAAD = r.Since(start)
	h.SenderData, h.Ciphertext = r.Bytes(), r.Bytes()
	if h.Kind < KindApplication || h.Kind > KindCommit {
		r.Fail(fmt.Errorf("content type %d is not known", h.Kind))
	}
	if err := r.Close(); err != nil {
		return PrivateHead{}, Malformed("private message", err)
	}
	return h, nil
}

// Sizes of a message that is being sealed.
type Sizes struct {
	Content, Padding, Total int
	Start                   int // of the ciphertext in the message
}

// Plan finds the padding that makes a message exactly size bytes long, or none
// when size is 0 (RFC 9420 §15.1). Content is the length of
// PrivateMessageContent unpadded.
func Plan(groupID, aad, content, size int) (Sizes, error) {
	fixed := MessageHeadLen + codec.VarintLen(groupID) + groupID + 8 + 1 +
		codec.VarintLen(aad) + aad + 1 + SealedDataLen
	least := content + AeadTag
	if size == 0 {
		start := fixed + codec.VarintLen(least)
		return Sizes{Content: content, Total: start + least, Start: start}, nil
	}
	for _, prefix := range []int{1, 2, 4} {
		n := size - fixed - prefix
		if n >= least && codec.VarintLen(n) == prefix {
			return Sizes{Content: content, Padding: n - least, Total: size, Start: fixed + prefix}, nil
		}
	}
	over := fixed + codec.VarintLen(least) + least
	return Sizes{}, fmt.Errorf("pad message: it takes %d bytes, %d were asked for: %w", over, size, ErrSize)
}

// AppendTBS builds the signed bytes of a member's PrivateMessage (RFC 9420
// §6.1) from the encoded content without its head; encoded is c itself.
func AppendTBS(b []byte, c *schedule.Context, encoded []byte, leaf uint32, kind Kind, aad, body []byte) []byte {
	n := 2 + 2 + codec.VarintLen(len(c.GroupID)) + len(c.GroupID) + 8 + 5 +
		codec.VarintLen(len(aad)) + len(aad) + 1 + len(body) + len(encoded)
	b = suite.AppendLabel(b, "FramedContentTBS", n)
	w := codec.NewWriter(b)
	w.U16(tree.Version)
	w.U16(WirePrivateMessage)
	writeMemberHead(w, c, leaf, kind, aad)
	w.Fixed(body)
	w.Fixed(encoded)
	return w.Out()
}

func writeMemberHead(w *codec.Writer, c *schedule.Context, leaf uint32, kind Kind, aad []byte) {
	w.Bytes(c.GroupID)
	w.U64(c.Epoch)
	w.U8(SenderMember)
	w.U32(leaf)
	w.Bytes(aad)
	w.U8(uint8(kind))
}
