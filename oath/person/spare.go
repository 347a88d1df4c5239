package person

import (
	"context"
	"crypto/rand"
	"fmt"
	"time"

	"primum/client"
	"primum/internal/wire"
	"primum/mls"
	"primum/oath/trace"
)

// spareName is a grantee's second client, which the check plays by hand on
// package mls: it sees who is in a circle, of which form each message is, and
// what an old key still opens.
const spareName = "tablet"

// spareStock is how many circles the spare can join.
const spareStock = 16

type spare struct {
	of      *human
	machine machine
	node    client.Node
	stock   []packed
}

// packed is a key package with its private keys.
type packed struct {
	*mls.KeyPackage
	private *mls.KeyPackagePrivate
}

// newSpare publishes key packages of a human's second client.
func (c *Cast) newSpare(ctx context.Context, h *human) (*spare, error) {
	s := &spare{of: h, machine: h.machines[1], node: h.node(spareName)}
	now := c.clock.Now()
	publish := wire.KeyPackages{Suite: uint16(mls.Suites()[0])}
	for range spareStock {
		kp, private, err := mls.NewKeyPackage(mls.KeyPackageOptions{
			Suite: mls.Suites()[0], Identity: []byte(h.address.String()), Signer: s.machine.key, Rand: rand.Reader,
			NotBefore: now.Add(-time.Hour), NotAfter: now.Add(80 * 24 * time.Hour), Extensions: []uint16{trace.ContextExtension},
		})
		if err != nil {
			return nil, fmt.Errorf("make a key package: %w", err)
		}
		s.stock = append(s.stock, packed{kp, private})
		publish.OneTime = append(publish.OneTime, kp.Bytes())
	}
	if _, err := s.node.PutKeyPackages(ctx, publish); err != nil {
		return nil, fmt.Errorf("publish key packages: %w", err)
	}
	return s, nil
}

// seat is the spare in one circle.
type seat struct {
	spare   *spare
	circle  wire.CircleID
	cursor  uint64
	group   *mls.Group
	old     []byte // the group as it was before its last commit
	evicted bool
	removed uint64   // number of the commit that removed it
	forms   []form   // of every frame that was read
	opened  [][]byte // plaintexts
}

// form is what a frame is from outside.
type form struct {
	number  uint64
	epoch   uint64
	sealed  bool   // a PrivateMessage
	known   bool   // PrivateMessage, PublicMessage handshake or Welcome
	what    string // for people
	message []byte
}

func (s *spare) sit(c wire.CircleID) *seat { return &seat{spare: s, circle: c} }

// read reads on in the node's log and follows.
func (s *seat) read(ctx context.Context) error {
	for {
		frames, err := s.spare.node.Messages(ctx, s.circle.String(), s.cursor)
		if err != nil {
			return err
		}
		if len(frames) == 0 {
			return nil
		}
		for _, f := range frames {
			s.follow(f)
		}
	}
}

// follow takes one frame.
func (s *seat) follow(f wire.Frame) {
	if f.Number <= s.cursor {
		return
	}
	s.cursor = f.Number
	s.forms = append(s.forms, formOf(f))
	switch {
	case s.group == nil:
		s.join(f)
	case !s.evicted:
		s.process(f)
	}
}

// formOf says what a frame is, without a key.
func formOf(f wire.Frame) form {
	h, err := mls.Peek(f.Message)
	switch {
	case err != nil:
		return form{number: f.Number, what: "no MLS message", message: f.Message}
	case h.WireFormat == mls.WirePrivateMessage:
		return form{number: f.Number, epoch: h.Epoch, sealed: true, known: true, what: "PrivateMessage", message: f.Message}
	case h.WireFormat == mls.WirePublicMessage && h.ContentType != mls.Application:
		return form{number: f.Number, epoch: h.Epoch, known: true, what: "handshake", message: f.Message}
	case h.WireFormat == mls.WireKeyPackage: // of a client that lost its state and asks to be let in again
		return form{number: f.Number, known: true, what: "KeyPackage", message: f.Message}
	case h.WireFormat == mls.WireWelcome:
		return form{number: f.Number, epoch: h.Epoch, known: true, what: "Welcome", message: f.Message}
	}
	return form{number: f.Number, epoch: h.Epoch, what: fmt.Sprintf("MLS wire format %d, content type %d", h.WireFormat, h.ContentType), message: f.Message}
}

func (s *seat) join(f wire.Frame) {
	for _, p := range s.spare.stock {
		if !mls.WelcomeFor(f.Message, p.Ref()) {
			continue
		}
		g, err := mls.Join(mls.Config{Signer: s.spare.machine.key}, f.Message, p.KeyPackage, p.private, nil)
		if err == nil {
			s.group = g
		}
		return
	}
}

func (s *seat) process(f wire.Frame) {
	h, err := mls.Peek(f.Message)
	if err != nil || h.Epoch != s.group.Epoch() {
		return
	}
	if h.WireFormat == mls.WirePublicMessage && h.ContentType == mls.Commit {
		if s.old, err = s.group.MarshalBinary(); err != nil {
			return
		}
	}
	r, err := s.group.Process(f.Message)
	switch {
	case err != nil:
	case r.Evicted:
		s.evicted, s.removed = true, f.Number
	case h.WireFormat == mls.WirePrivateMessage:
		s.opened = append(s.opened, r.Data)
	}
}

// opens counts how many messages the state of before the last commit opens.
func (s *seat) opens(messages [][]byte) (n int, err error) {
	state := s.old
	if state == nil && s.group != nil {
		if state, err = s.group.MarshalBinary(); err != nil {
			return 0, fmt.Errorf("keep the old key: %w", err)
		}
	}
	if state == nil {
		return 0, nil
	}
	for _, m := range messages {
		g, err := mls.Load(mls.Config{Signer: s.spare.machine.key}, state)
		if err != nil {
			return n, fmt.Errorf("load the old key: %w", err)
		}
		if r, err := g.Process(m); err == nil && !r.Evicted && len(r.Data) > 0 {
			n++
		}
	}
	return n, nil
}
