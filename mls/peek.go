package mls

import (
	"fmt"

	"primum/mls/internal/codec"
	"primum/mls/internal/message"
	"primum/mls/internal/tree"
)

// Peek reads the head of an MLSMessage without keys (RFC 9420 §6).
func Peek(msg []byte) (Head, error) {
	r := codec.NewReader(msg)
	h := Head{WireFormat: message.ReadHeader(r)}
	switch h.WireFormat {
	case WirePublicMessage:
		h.GroupID, h.Epoch = r.Bytes(), r.U64()
		s := message.ReadSender(r)
		h.Member = s.Kind == message.SenderMember
		h.Sender = s.Index
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
		return Head{}, message.Malformed("message", err)
	}
	framed := h.WireFormat == WirePublicMessage || h.WireFormat == WirePrivateMessage
	if framed && (h.ContentType < Application || h.ContentType > Commit) {
		return Head{}, message.Malformed("message", fmt.Errorf("content type %d is not known", h.ContentType))
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
