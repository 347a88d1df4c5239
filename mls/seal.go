package mls

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"

	"primum/mls/internal/codec"
	"primum/mls/internal/message"
	"primum/mls/internal/public"
	"primum/mls/internal/schedule"
	"primum/mls/internal/tree"
)

// maxContent bounds a message so that all its lengths fit a vector.
const maxContent = 1 << 28

// sealPrivate makes the MLSMessage(PrivateMessage) of a body (the encoded
// content and its auth data) under one key (RFC 9420 §6.3).
func (c *core) sealPrivate(random io.Reader, key *schedule.Key, kind Kind, aad, body []byte, p message.Sizes) ([]byte, error) {
	s := c.st.Suite
	var guard [4]byte
	if err := readRandom(random, guard[:]); err != nil { // RFC 9420 §6.3.1 M4
		return nil, err
	}
	w := codec.NewWriter(make([]byte, 0, p.Total))
	w.U16(tree.Version)
	w.U16(WirePrivateMessage)
	w.Bytes(c.st.Context.GroupID)
	w.U64(c.st.Context.Epoch)
	w.U8(uint8(kind))
	senderAAD := w.Len()
	w.Bytes(aad)
	contentAAD := w.Len()
	w.Varint(message.SealedDataLen)
	data := w.Len()
	w.Fixed(c.sender[:]) // room, filled below
	w.Varint(p.Content + p.Padding + message.AeadTag)
	w.Fixed(body)
	out := w.Out()
	// RFC 9420 §6.3.1 M1
	out = out[:p.Start+p.Content+p.Padding] // the padding is zero: out is fresh

	aead, err := s.AEAD(key.Key(s))
	if err != nil {
		return nil, err
	}
	c.nonce = key.Nonce(s, guard)
	out = aead.Seal(out[:p.Start], c.nonce[:s.NonceLen()], out[p.Start:], out[message.MessageHeadLen:contentAAD])
	c.sealSenderData(out[data:data+message.SealedDataLen], out[message.MessageHeadLen:senderAAD], out[p.Start:], key.Generation, guard)
	return out, nil
}

// sealSenderData hides the sender behind the ciphertext (RFC 9420 §6.3.2).
func (c *core) sealSenderData(dst, aad, ciphertext []byte, generation uint32, guard [4]byte) {
	s := c.st.Suite
	w := codec.NewWriter(dst[:0])
	w.U32(c.me) // RFC 9420 §6.3.2 M1
	w.U32(generation)
	w.Fixed(guard[:]) // RFC 9420 §6.3.1 M5
	k := schedule.SenderDataKeys(s, c.secrets.SenderData, ciphertext)
	aead, err := s.AEAD(k.Key(s))
	if err != nil {
		panic("mls: sender data key: " + err.Error()) // it has the suite's length
	}
	c.nonce = k.Nonce(s, [4]byte{})
	aead.Seal(dst[:0], c.nonce[:s.NonceLen()], dst[:message.SenderDataLen], aad)
	clear(c.nonce[:])
	k.Zero()
}

// senderOf opens the sender data of a message of this epoch.
func (c *core) senderOf(h *message.PrivateHead) (leaf, generation uint32, guard [4]byte, err error) {
	s := c.st.Suite
	if len(h.SenderData) != message.SealedDataLen {
		return 0, 0, guard, message.Malformed("sender data", errors.New("its length is wrong"))
	}
	k := schedule.SenderDataKeys(s, c.secrets.SenderData, h.Ciphertext)
	defer k.Zero()
	aead, err := s.AEAD(k.Key(s))
	if err != nil {
		return 0, 0, guard, err
	}
	c.nonce = k.Nonce(s, guard)
	plain, err := aead.Open(c.sender[:0], c.nonce[:s.NonceLen()], h.SenderData, h.SenderAAD)
	clear(c.nonce[:])
	if err != nil {
		return 0, 0, guard, fmt.Errorf("open sender data: %w", ErrAuthentication)
	}
	r := codec.NewReader(plain)
	leaf, generation = r.U32(), r.U32()
	copy(guard[:], r.Fixed(4))
	if c.st.Tree.Leaf(leaf) == nil { // RFC 9420 §6.3.2 M2
		return 0, 0, guard, public.Invalid("open message: leaf %d is blank", leaf)
	}
	return leaf, generation, guard, nil
}

// openPrivate decrypts and verifies a PrivateMessage (RFC 9420 §6.3). The step
// is to be consumed when the message is accepted, and dropped otherwise.
func (c *core) openPrivate(h *message.PrivateHead, limits schedule.Limits) (*message.Signed, *schedule.Step, error) {
	leaf, generation, guard, err := c.senderOf(h)
	if err != nil {
		return nil, nil, err
	}
	kind := schedule.Handshake
	if h.Kind == Application {
		kind = schedule.Application
	}
	st, err := c.keys.Find(leaf, kind, generation, limits) // RFC 9420 §12.4.2 R3
	if leaf == c.me && errors.Is(err, schedule.ErrGone) {
		return nil, nil, fmt.Errorf("open message: %w", ErrOwnMessage)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("open message of leaf %d: %w", leaf, ratchetError(err))
	}
	m, err := c.openContent(h, st, leaf, guard)
	if err != nil {
		st.Drop()
		return nil, nil, fmt.Errorf("open message of leaf %d: %w", leaf, err)
	}
	if leaf == c.me { // sealed by a state that was ahead of this one
		st.Drop()
		return nil, nil, fmt.Errorf("open message: %w", ErrOwnMessage)
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

func (c *core) openContent(h *message.PrivateHead, st *schedule.Step, leaf uint32, guard [4]byte) (*message.Signed, error) {
	s := c.st.Suite
	aead, err := s.AEAD(st.Key.Key(s))
	if err != nil {
		return nil, err
	}
	c.nonce = st.Key.Nonce(s, guard)
	plain, err := aead.Open(nil, c.nonce[:s.NonceLen()], h.Ciphertext, h.ContentAAD)
	clear(c.nonce[:])
	if err != nil {
		return nil, ErrAuthentication
	}
	m := &message.Signed{Wire: WirePrivateMessage}
	m.GroupID, m.Epoch, m.AAD, m.Kind = h.GroupID, h.Epoch, h.AAD, h.Kind
	// RFC 9420 §12.1.8 M1
	m.Sender = message.Sender{Kind: message.SenderMember, Index: leaf}
	r := codec.NewReader(plain)
	m.ReadBody(r)
	body := r.Since(0)
	m.ReadAuth(r)
	if err := r.Err(); err != nil {
		return nil, message.Malformed("content", err)
	}
	if !allZero(plain[r.Offset():]) { // RFC 9420 §6.3.1 M2
		return nil, message.Malformed("content", errors.New("padding is not zero"))
	}
	c.scratch = message.AppendTBS(c.scratch[:0], c.st.Context, c.st.Encoded, leaf, h.Kind, h.AAD, body)
	// RFC 9420 §6.3.1 M6
	err = s.Verify(c.st.Tree.Leaf(leaf).SignatureKey, c.scratch, m.Signature)
	clear(c.scratch)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrAuthentication, err)
	}
	if h.Kind != Application {
		var w codec.Writer
		m.WriteHead(&w)
		w.Fixed(body)
		m.Raw = w.Out()
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

// Seal makes an application message (PrivateMessage) (RFC 9420 §6.3). Where
// size is above 0 the message is padded to exactly that many bytes; ErrSize
// when it does not fit. SealOverhead tells what fits.
func (g *Group) Seal(plain, aad []byte, size int) ([]byte, error) {
	if err := g.canSend(); err != nil {
		return nil, fmt.Errorf("seal message: %w", err)
	}
	if len(plain)+len(aad) > maxContent { // RFC 9420 §6.3.1 M7, §15.2 M1
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
func (g *Group) signBody(plain, aad []byte, size int) ([]byte, message.Sizes, error) {
	s := g.st.Suite
	var room [4]byte
	prefix := codec.AppendVarint(room[:0], len(plain))
	content := make([]byte, 0, len(prefix)+len(plain)+2+128)
	content = append(append(content, prefix...), plain...)
	g.scratch = message.AppendTBS(g.scratch[:0], g.st.Context, g.st.Encoded, g.me, Application, aad, content)
	sig, err := s.Sign(g.cfg.Rand, g.cfg.Signer, g.scratch)
	if err != nil {
		return nil, message.Sizes{}, err
	}
	content = append(codec.AppendVarint(content, len(sig)), sig...)
	p, err := message.Plan(len(g.st.Context.GroupID), len(aad), len(content), size)
	return content, p, err
}

// sealReserved takes the next key of the block. A key whose use failed is gone
// too, which costs nothing but a number.
func (g *Group) sealReserved(aad, body []byte, p message.Sizes) ([]byte, error) {
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
	content := codec.VarintLen(plain) + plain + codec.VarintLen(g.st.Suite.SignatureLen()) + g.st.Suite.SignatureLen()
	p, _ := message.Plan(len(g.st.Context.GroupID), aad, content, 0)
	return p.Total - plain
}

// Reserve derives the next n send keys into memory only, and switches reserving
// on (RFC 9420 §9.1): MarshalBinary then stores the ratchet after the block, so
// that a stored state never holds a key that may have been used and a crash
// skips the rest of the block. Store the state after Reserve and before the
// first Seal. Once on, Seal answers ErrReserve when the block is used up, also
// after Load and in a new epoch. Keys left of an earlier block are dropped.
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
// epoch, own ones included, and changes nothing (RFC 9420 §6.3.2). Any member
// could have made the header: only Process verifies the sender. Of a generation
// from Generation on it answers ErrOwnMessage only where this very member has
// sealed the message, with a state that was ahead of this one.
func (g *Group) Sender(msg []byte) (leaf, generation uint32, err error) {
	r := codec.NewReader(msg)
	if wire := message.ReadHeader(r); r.Err() == nil && wire != WirePrivateMessage {
		r.Fail(fmt.Errorf("wire format %d shows no such sender", wire))
	}
	if r.Err() != nil {
		return 0, 0, message.Malformed("message", r.Err())
	}
	h, err := message.ReadPrivate(r)
	if err != nil {
		return 0, 0, err
	}
	if err := g.usable(); err != nil {
		return 0, 0, err
	}
	if err := g.st.CheckPlace(h.GroupID, h.Epoch); err != nil {
		return 0, 0, err
	}
	leaf, generation, _, err = g.senderOf(&h)
	return leaf, generation, err
}
