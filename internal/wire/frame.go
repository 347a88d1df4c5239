package wire

import (
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"time"
)

// CircleID names a circle: 16 random bytes, written in lower-case hex.
type CircleID [16]byte

// String is the id in hex.
func (c CircleID) String() string { return hex.EncodeToString(c[:]) }

// ParseCircleID reads what String wrote.
func ParseCircleID(s string) (c CircleID, err error) {
	b, err := hex.DecodeString(s)
	if err != nil || len(b) != len(c) {
		return c, errors.New("a circle id is 32 hexadecimal digits")
	}
	copy(c[:], b)
	return c, nil
}

// Frame is a binary frame of the live socket, and an element of a page:
// circle id (16) ‖ number (8, big endian) ‖ MLSMessage. From the node, Number
// is the sequence number. To the node it is a number of the sender's choice
// that the acknowledgement repeats.
type Frame struct {
	Circle  CircleID
	Number  uint64
	Message []byte
}

const frameHead = 24

// AppendTo appends the frame to b.
func (f Frame) AppendTo(b []byte) []byte {
	b = append(b, f.Circle[:]...)
	b = binary.BigEndian.AppendUint64(b, f.Number)
	return append(b, f.Message...)
}

// ParseFrame reads a frame; Message aliases b.
func ParseFrame(b []byte) (f Frame, err error) {
	if len(b) < frameHead {
		return f, errors.New("a frame has at least 24 bytes")
	}
	copy(f.Circle[:], b)
	f.Number = binary.BigEndian.Uint64(b[16:])
	f.Message = b[frameHead:]
	return f, nil
}

// AppendPage appends a frame behind its length (4 bytes, big endian): the body
// of GET /v1/circles/{circle}/messages?after=N, newest last.
func AppendPage(b []byte, f Frame) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(frameHead+len(f.Message)))
	return f.AppendTo(b)
}

// ParsePage reads a whole page.
func ParsePage(b []byte) (frames []Frame, err error) {
	for len(b) > 0 {
		if len(b) < 4 {
			return nil, errors.New("page ends inside a length")
		}
		n := int(binary.BigEndian.Uint32(b))
		if n > len(b)-4 {
			return nil, errors.New("page ends inside a frame")
		}
		f, err := ParseFrame(b[4 : 4+n])
		if err != nil {
			return nil, err
		}
		frames, b = append(frames, f), b[4+n:]
	}
	return frames, nil
}

// Types of control frames (JSON text frames).
const (
	// Node to client.
	CtlHello  = "hello"  // Challenge; first frame of a session
	CtlOK     = "ok"     // Ref; for sub: Head, Epoch, Welcome
	CtlError  = "error"  // Ref, Problem
	CtlAck    = "ack"    // Ref, Seq: appended and durable
	CtlEnd    = "end"    // Circle, Reason, At: nothing more is delivered
	CtlInbox  = "item"   // Item
	CtlGrants = "grants" // something changed in GET /v1/grants
	CtlParty  = "party"  // Circle: its other party has a newer identity document, or key packages
	// Client to node.
	CtlProve  = "prove"  // Ref, Circle, Signature over ProofBytes
	CtlSub    = "sub"    // Ref, Circle, After
	CtlUnsub  = "unsub"  // Ref, Circle
	CtlInSub  = "inbox"  // Ref, After
	CtlCommit = "commit" // Ref, Circle, Commit, Welcome
)

// Control is a control frame of either direction.
type Control struct {
	Type      string     `json:"t"`
	Ref       uint64     `json:"ref,omitempty"`
	Circle    string     `json:"circle,omitempty"`
	After     uint64     `json:"after,omitempty"`
	Seq       uint64     `json:"seq,omitempty"`
	Head      uint64     `json:"head,omitempty"`
	Epoch     uint64     `json:"epoch,omitempty"`
	Challenge []byte     `json:"challenge,omitempty"`
	Signature []byte     `json:"signature,omitempty"`
	Commit    []byte     `json:"commit,omitempty"`
	Welcome   []byte     `json:"welcome,omitempty"`
	WelcomeAt uint64     `json:"welcomeAt,omitempty"`
	Reason    string     `json:"reason,omitempty"`
	At        *time.Time `json:"at,omitempty"`
	Item      *InboxItem `json:"item,omitempty"`
	Problem   *Problem   `json:"problem,omitempty"`
}

// ProofBytes is what an anchor signs with its leaf key of a circle, once per
// session, to be taken for that leaf.
func ProofBytes(challenge []byte, c CircleID) []byte {
	return append(append([]byte("primum prove leaf\x00"), challenge...), c[:]...)
}

// Problem is an RFC 9457 problem, with members of ours. Type is
// "urn:primum:problem:" and one of the names below.
type Problem struct {
	Type     string          `json:"type"`
	Title    string          `json:"title"`
	Status   int             `json:"status"`
	Detail   string          `json:"detail,omitempty"`
	Pointer  string          `json:"pointer,omitempty"`
	Instance string          `json:"instance,omitempty"`
	Retry    int             `json:"retryAfter,omitempty"` // seconds
	Now      *time.Time      `json:"now,omitempty"`        // clock-skew: the server's time
	Epoch    uint64          `json:"epoch,omitempty"`      // stale-epoch: the current one
	More     json.RawMessage `json:"more,omitempty"`
}

// ProblemPrefix begins the type of every problem of ours.
const ProblemPrefix = "urn:primum:problem:"

// Names of problems.
const (
	ProbMalformed     = "malformed"
	ProbTooLarge      = "too-large"
	ProbUnsigned      = "not-signed"
	ProbBadSignature  = "bad-signature"
	ProbClockSkew     = "clock-skew"
	ProbReplay        = "replayed"
	ProbNotFound      = "not-found"
	ProbConflict      = "conflict"
	ProbForbidden     = "forbidden"
	ProbGrantRequired = "grant-required"
	ProbPurpose       = "purpose-mismatch"
	ProbPrecision     = "precision-exceeded"
	ProbAskLater      = "ask-again-later"
	ProbTooMany       = "too-many-requests"
	ProbStaleEpoch    = "stale-epoch"
	ProbFenced        = "fenced"
	ProbNotYet        = "not-yet"
	ProbInvite        = "invitation-required"
	ProbUnreachable   = "unreachable"
	ProbStorage       = "storage"
	ProbInternal      = "internal"
	ProbExpired       = "expired"
	ProbCircleFull    = "circle-full"
	ProbLinkUsed      = "link-used"
	ProbQuota         = "quota-exceeded"
	ProbToken         = "token-required"
)

// Error makes a Problem an error a person can read.
func (p *Problem) Error() string {
	if p.Detail == "" {
		return p.Title
	}
	if p.Pointer != "" {
		return p.Title + ": " + p.Detail + " (at " + p.Pointer + ")"
	}
	return p.Title + ": " + p.Detail
}

// Named tells whether p is the named problem.
func (p *Problem) Named(name string) bool { return p.Type == ProblemPrefix+name }
