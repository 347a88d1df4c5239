package mls

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"

	"primum/mls/internal/codec"
	"primum/mls/internal/schedule"
	"primum/mls/internal/suite"
	"primum/mls/internal/tree"
)

// Lengths that every suite with an AEAD of RFC 9420 §17.1 shares.
const (
	aeadTag        = 16
	senderDataLen  = 4 + 4 + 4
	sealedDataLen  = senderDataLen + aeadTag
	messageHeadLen = 4 // version and wire format
)

// maxContent bounds a message so that all its lengths fit a vector.
const maxContent = 1 << 28

// head is what a PrivateMessage shows in clear (RFC 9420 §6.3).
type head struct {
	groupID, aad []byte
	epoch        uint64
	kind         Kind
	senderData   []byte
	ciphertext   []byte
	senderAAD    []byte // SenderDataAAD: the part of the message up to kind
	contentAAD   []byte // PrivateContentAAD: the part up to aad
}

// readPrivate reads a PrivateMessage after the header of the MLSMessage; it
// aliases the input.
func readPrivate(r *codec.Reader) (h head, err error) {
	start := r.Offset()
	h.groupID, h.epoch, h.kind = r.Bytes(), r.U64(), Kind(r.U8())
	h.senderAAD = r.Since(start)
	h.aad = r.Bytes()
	h.contentAAD = r.Since(start)
	h.senderData, h.ciphertext = r.Bytes(), r.Bytes()
	if h.kind < Application || h.kind > Commit {
		r.Fail(fmt.Errorf("content type %d is not known", h.kind))
	}
	if err := r.Close(); err != nil {
		return head{}, malformed("private message", err)
	}
	return h, nil
}

// sizes of a message that is being sealed.
type sizes struct {
	content, padding, total int
	start                   int // of the ciphertext in the message
}

// plan finds the padding that makes a message exactly size bytes long, or none
// when size is 0. Content is the length of PrivateMessageContent unpadded.
func plan(groupID, aad, content, size int) (sizes, error) {
	fixed := messageHeadLen + codec.VarintLen(groupID) + groupID + 8 + 1 +
		codec.VarintLen(aad) + aad + 1 + sealedDataLen
	least := content + aeadTag
	if size == 0 {
		start := fixed + codec.VarintLen(least)
		return sizes{content: content, total: start + least, start: start}, nil
	}
	for _, prefix := range []int{1, 2, 4} {
		n := size - fixed - prefix
		if n >= least && codec.VarintLen(n) == prefix {
			return sizes{content: content, padding: n - least, total: size, start: fixed + prefix}, nil
		}
	}
	over := fixed + codec.VarintLen(least) + least
	return sizes{}, fmt.Errorf("pad message: it takes %d bytes, %d were asked for: %w", over, size, ErrSize)
}

// appendTBS builds the signed bytes of a member's PrivateMessage (RFC 9420
// §6.1) from the encoded content without its head.
func appendTBS(b []byte, st *epochState, leaf uint32, kind Kind, aad, body []byte) []byte {
	n := 2 + 2 + codec.VarintLen(len(st.context.GroupID)) + len(st.context.GroupID) + 8 + 5 +
		codec.VarintLen(len(aad)) + len(aad) + 1 + len(body) + len(st.encoded)
	b = suite.AppendLabel(b, "FramedContentTBS", n)
	w := codec.NewWriter(b)
	w.U16(tree.Version)
	w.U16(WirePrivateMessage)
	writeMemberHead(w, st.context, leaf, kind, aad)
	w.Fixed(body)
	w.Fixed(st.encoded)
	return w.Out()
}

func writeMemberHead(w *codec.Writer, c *schedule.Context, leaf uint32, kind Kind, aad []byte) {
	w.Bytes(c.GroupID)
	w.U64(c.Epoch)
	w.U8(senderMember)
	w.U32(leaf)
	w.Bytes(aad)
	w.U8(uint8(kind))
}

// sealPrivate makes the MLSMessage(PrivateMessage) of a body (the encoded
// content and its auth data) under one key.
func (c *core) sealPrivate(random io.Reader, key *schedule.Key, kind Kind, aad, body []byte, p sizes) ([]byte, error) {
	s := c.st.suite
	var guard [4]byte
	if err := readRandom(random, guard[:]); err != nil {
		return nil, err
	}
	w := codec.NewWriter(make([]byte, 0, p.total))
	w.U16(tree.Version)
	w.U16(WirePrivateMessage)
	w.Bytes(c.st.context.GroupID)
	w.U64(c.st.context.Epoch)
	w.U8(uint8(kind))
	senderAAD := w.Len()
	w.Bytes(aad)
	contentAAD := w.Len()
	w.Varint(sealedDataLen)
	data := w.Len()
	w.Fixed(c.sender[:]) // room, filled below
	w.Varint(p.content + p.padding + aeadTag)
	w.Fixed(body)
	out := w.Out()
	out = out[:p.start+p.content+p.padding] // the padding is zero: out is fresh

	aead, err := s.AEAD(key.Key(s))
	if err != nil {
		return nil, err
	}
	c.nonce = key.Nonce(s, guard)
	out = aead.Seal(out[:p.start], c.nonce[:s.NonceLen()], out[p.start:], out[messageHeadLen:contentAAD])
	c.sealSenderData(out[data:data+sealedDataLen], out[messageHeadLen:senderAAD], out[p.start:], key.Generation, guard)
	return out, nil
}

// sealSenderData hides the sender behind the ciphertext (RFC 9420 §6.3.2).
func (c *core) sealSenderData(dst, aad, ciphertext []byte, generation uint32, guard [4]byte) {
	s := c.st.suite
	w := codec.NewWriter(dst[:0])
	w.U32(c.me)
	w.U32(generation)
	w.Fixed(guard[:])
	k := schedule.SenderDataKeys(s, c.secrets.SenderData, ciphertext)
	aead, err := s.AEAD(k.Key(s))
	if err != nil {
		panic("mls: sender data key: " + err.Error()) // it has the suite's length
	}
	c.nonce = k.Nonce(s, [4]byte{})
	aead.Seal(dst[:0], c.nonce[:s.NonceLen()], dst[:senderDataLen], aad)
	clear(c.nonce[:])
	k.Zero()
}

// senderOf opens the sender data of a message of this epoch.
func (c *core) senderOf(h *head) (leaf, generation uint32, guard [4]byte, err error) {
	s := c.st.suite
	if len(h.senderData) != sealedDataLen {
		return 0, 0, guard, malformed("sender data", errors.New("its length is wrong"))
	}
	k := schedule.SenderDataKeys(s, c.secrets.SenderData, h.ciphertext)
	defer k.Zero()
	aead, err := s.AEAD(k.Key(s))
	if err != nil {
		return 0, 0, guard, err
	}
	c.nonce = k.Nonce(s, guard)
	plain, err := aead.Open(c.sender[:0], c.nonce[:s.NonceLen()], h.senderData, h.senderAAD)
	if err != nil {
		return 0, 0, guard, fmt.Errorf("open sender data: %w", ErrAuthentication)
	}
	r := codec.NewReader(plain)
	leaf, generation = r.U32(), r.U32()
	copy(guard[:], r.Fixed(4))
	if c.st.tree.Leaf(leaf) == nil {
		return 0, 0, guard, invalid("open message: leaf %d is blank", leaf)
	}
	return leaf, generation, guard, nil
}

// openPrivate decrypts and verifies a PrivateMessage. The step is to be
// consumed when the message is accepted, and dropped otherwise.
func (c *core) openPrivate(h *head, limits schedule.Limits) (*signed, *schedule.Step, error) {
	leaf, generation, guard, err := c.senderOf(h)
	if err != nil {
		return nil, nil, err
	}
	if leaf == c.me {
		return nil, nil, fmt.Errorf("open message: %w", ErrOwnMessage)
	}
	kind := schedule.Handshake
	if h.kind == Application {
		kind = schedule.Application
	}
	st, err := c.keys.Find(leaf, kind, generation, limits)
	if err != nil {
		return nil, nil, fmt.Errorf("open message of leaf %d: %w", leaf, ratchetError(err))
	}
	m, err := c.openContent(h, st, leaf, guard)
	if err != nil {
		st.Drop()
		return nil, nil, fmt.Errorf("open message of leaf %d: %w", leaf, err)
	}
	return m, st, nil
}

// ratchetError names what the ratchet found in terms of this package.
func ratchetError(err error) error {
	switch {
	case errors.Is(err, schedule.ErrGone):
		return fmt.Errorf("%w: %w", ErrReplay, err)
	case errors.Is(err, schedule.ErrJump):
		return fmt.Errorf("%w: %w", ErrJump, err)
	}
	return err
}

func (c *core) openContent(h *head, st *schedule.Step, leaf uint32, guard [4]byte) (*signed, error) {
	s := c.st.suite
	aead, err := s.AEAD(st.Key.Key(s))
	if err != nil {
		return nil, err
	}
	c.nonce = st.Key.Nonce(s, guard)
	plain, err := aead.Open(nil, c.nonce[:s.NonceLen()], h.ciphertext, h.contentAAD)
	clear(c.nonce[:])
	if err != nil {
		return nil, ErrAuthentication
	}
	m := &signed{wire: WirePrivateMessage}
	m.groupID, m.epoch, m.aad, m.kind = h.groupID, h.epoch, h.aad, h.kind
	m.sender = sender{kind: senderMember, index: leaf}
	r := codec.NewReader(plain)
	m.readBody(r)
	body := r.Since(0)
	m.readAuth(r)
	if err := r.Err(); err != nil {
		return nil, malformed("content", err)
	}
	if !allZero(plain[r.Offset():]) {
		return nil, malformed("content", errors.New("padding is not zero"))
	}
	c.scratch = appendTBS(c.scratch[:0], c.st, leaf, h.kind, h.aad, body)
	if err := s.Verify(c.st.tree.Leaf(leaf).SignatureKey, c.scratch, m.signature); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrAuthentication, err)
	}
	clear(c.scratch)
	if h.kind != Application {
		var w codec.Writer
		m.writeHead(&w)
		w.Fixed(body)
		m.raw = w.Out()
	}
	return m, nil
}

func allZero(b []byte) bool { return len(bytes.TrimLeft(b, "\x00")) == 0 }

func readRandom(r io.Reader, b []byte) error {
	if r == nil {
		r = rand.Reader
	}
	if _, err := io.ReadFull(r, b); err != nil {
		return fmt.Errorf("read randomness: %w", err)
	}
	return nil
}

// Seal makes an application message (PrivateMessage). Where size is above 0
// the message is padded to exactly that many bytes; ErrSize when it does not
// fit. SealOverhead tells what fits.
func (g *Group) Seal(plain, aad []byte, size int) ([]byte, error) {
	if err := g.canSend(); err != nil {
		return nil, fmt.Errorf("seal message: %w", err)
	}
	if len(plain)+len(aad) > maxContent {
		return nil, fmt.Errorf("seal message: %d bytes: %w", len(plain)+len(aad), ErrSize)
	}
	body, p, err := g.signBody(plain, aad, size)
	if err != nil {
		return nil, fmt.Errorf("seal message: %w", err)
	}
	defer func() {
		clear(g.scratch)
		clear(body)
	}()
	if g.reserving {
		return g.sealReserved(aad, body, p)
	}
	st, err := g.keys.Next(g.me, schedule.Application)
	if err != nil {
		return nil, fmt.Errorf("seal message: %w", err)
	}
	out, err := g.sealPrivate(g.cfg.Rand, &st.Key, Application, aad, body, p)
	if err != nil {
		st.Drop()
		return nil, fmt.Errorf("seal message: %w", err)
	}
	g.keys.Consume(st)
	return out, nil
}

// signBody builds the signed content in the scratch buffer: first what is
// signed, then PrivateMessageContent without padding.
func (g *Group) signBody(plain, aad []byte, size int) ([]byte, sizes, error) {
	s := g.st.suite
	var room [4]byte
	prefix := codec.AppendVarint(room[:0], len(plain))
	content := make([]byte, 0, len(prefix)+len(plain)+2+128)
	content = append(append(content, prefix...), plain...)
	g.scratch = appendTBS(g.scratch[:0], g.st, g.me, Application, aad, content)
	sig, err := s.Sign(g.cfg.Rand, g.cfg.Signer, g.scratch)
	if err != nil {
		return nil, sizes{}, err
	}
	content = append(codec.AppendVarint(content, len(sig)), sig...)
	p, err := plan(len(g.st.context.GroupID), len(aad), len(content), size)
	return content, p, err
}

// sealReserved takes the next key of the block. A key whose use failed is gone
// too, which costs nothing but a number.
func (g *Group) sealReserved(aad, body []byte, p sizes) ([]byte, error) {
	if len(g.reserve) == 0 {
		return nil, fmt.Errorf("seal message: %w", ErrReserve)
	}
	key := &g.reserve[0]
	out, err := g.sealPrivate(g.cfg.Rand, key, Application, aad, body, p)
	key.Zero()
	g.reserve = g.reserve[1:]
	if err != nil {
		return nil, fmt.Errorf("seal message: %w", err)
	}
	return out, nil
}

// SealOverhead is the size of an unpadded message beyond its plaintext, at
// most, for a plaintext below 16 KiB and authenticated data of aad bytes. It
// is exact where plaintext and overhead are 64 bytes or more.
func (g *Group) SealOverhead(aad int) int {
	const plain = 1 << 10
	content := codec.VarintLen(plain) + plain + codec.VarintLen(g.st.suite.SignatureLen()) + g.st.suite.SignatureLen()
	p, _ := plan(len(g.st.context.GroupID), aad, content, 0)
	return p.total - plain
}

// Reserve derives the next n send keys into memory only, and switches
// reserving on: MarshalBinary then stores the ratchet after the block, so that
// a stored state never holds a key that may have been used and a crash skips
// the rest of the block. Store the state after Reserve and before the first
// Seal. Once on, Seal answers ErrReserve when the block is used up, also after
// Load and in a new epoch. Keys left of an earlier block are dropped.
// Reserve(0) drops the block and switches it off. n is at most MaxReserve.
//
// A receiver sees a crash as skipped messages: keep n below its MaxJump.
func (g *Group) Reserve(n uint32) error {
	if err := g.canSend(); err != nil {
		return fmt.Errorf("reserve send keys: %w", err)
	}
	if n > MaxReserve {
		return fmt.Errorf("reserve send keys: %d of at most %d", n, MaxReserve)
	}
	var keys []schedule.Key
	if n > 0 {
		var err error
		if keys, err = g.keys.Reserve(g.me, n); err != nil {
			return fmt.Errorf("reserve send keys: %w", err)
		}
	}
	clear(g.reserve)
	g.reserve, g.reserving = keys, n > 0
	return nil
}

// Reserved is how many reserved keys are left.
func (g *Group) Reserved() uint32 { return uint32(len(g.reserve)) }

// MaxReserve is the largest block of Reserve.
const MaxReserve = 4096

// Sender reads the leaf and generation of a PrivateMessage of the present
// epoch, own ones included, and changes nothing. Any member could have made
// the header: only Process verifies the sender.
func (g *Group) Sender(msg []byte) (leaf, generation uint32, err error) {
	r := codec.NewReader(msg)
	if wire := readHeader(r); r.Err() == nil && wire != WirePrivateMessage {
		r.Fail(fmt.Errorf("wire format %d shows no such sender", wire))
	}
	if r.Err() != nil {
		return 0, 0, malformed("message", r.Err())
	}
	h, err := readPrivate(r)
	if err != nil {
		return 0, 0, err
	}
	if err := g.usable(); err != nil {
		return 0, 0, err
	}
	if err := g.st.checkPlace(h.groupID, h.epoch); err != nil {
		return 0, 0, err
	}
	leaf, generation, _, err = g.senderOf(&h)
	return leaf, generation, err
}
