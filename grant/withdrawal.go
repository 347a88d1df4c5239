package grant

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"fmt"
	"time"

	"primum/identity"
	"primum/internal/jws"
)

// Countersignature is an owner's client's signature under a document that
// somebody else's key signed: a closing, a claim.
type Countersignature struct {
	ID      string           `json:"id"`
	Account identity.Address `json:"account"`
	Client  string           `json:"client"`
	Hash    string           `json:"hash"` // of the document countersigned
	At      time.Time        `json:"at"`
	Nonce   jws.Bytes        `json:"nonce"` // 16 to 32 bytes; the statement repeats it
}

func (c Countersignature) check() error {
	r := &rules{}
	r.id(c.ID, "/id")
	r.account(c.Account, "/account")
	r.client(c.Client, "/client")
	r.hash(c.Hash, "/hash")
	r.time(c.At, "/at")
	r.nonce(c.Nonce, "/nonce")
	return r.err
}

func (r *rules) nonce(b []byte, at string) {
	r.need(len(b) >= 16 && len(b) <= 32, at, "not 16 to 32 bytes")
}

// SignCountersignature is for the client that c names.
func SignCountersignature(c Countersignature, key crypto.Signer) (string, error) {
	return sign(TypeCountersignature, c, key)
}

// VerifyCountersignature reads what a client of owner signed under document (a
// compact JWS). An expired identity document suffices; a dropped client's
// signature does not.
func VerifyCountersignature(compact, document string, owner *identity.Verified) (Countersignature, error) {
	c, err := verifyClient(TypeCountersignature, compact, owner, func(c Countersignature) (identity.Address, string) {
		return c.Account, c.Client
	})
	if err == nil && c.Hash != Hash(document) {
		return Countersignature{}, fmt.Errorf("%w: the countersignature is of another document", ErrMismatch)
	}
	return c, err
}

// Withdrawal is a withdrawal that was verified.
type Withdrawal struct {
	Grant  string
	Client string    // of the owner; who said it
	At     time.Time // by that client's clock
	Nonce  jws.Bytes // for the anchor's statement
}

// VerifyWithdrawal is the one rule by which node and anchor end a grant: the
// closing is signed by the grant key of the envelope, for this grant and
// opening, and a client of the owner's newest known identity document signed
// under it. No time is asked: withdrawing always works. e was verified when
// the grant was filed.
func VerifyWithdrawal(closing, countersignature string, e Envelope, owner *identity.Verified) (Withdrawal, error) {
	c, err := VerifyClosing(closing, ed25519.PublicKey(e.GrantKey))
	if err != nil {
		return Withdrawal{}, err
	}
	if c.Grant != e.Grant || c.Opening != e.OpeningHash {
		return Withdrawal{}, fmt.Errorf("%w: the closing is of another grant", ErrMismatch)
	}
	if owner.Address() != e.Owner {
		return Withdrawal{}, fmt.Errorf("%w: the grant is of %s", ErrSigner, e.Owner)
	}
	s, err := VerifyCountersignature(countersignature, closing, owner)
	if err != nil {
		return Withdrawal{}, err
	}
	return Withdrawal{Grant: c.Grant, Client: s.Client, At: s.At, Nonce: s.Nonce}, nil
}

// UnverifiedClosing tells which grant a closing is about, to find its envelope.
func UnverifiedClosing(compact string) (grant string, err error) {
	_, c, err := read[Closing](TypeClosing, compact)
	return c.Grant, err
}

// Statement is the anchor's word that it seals no more for a grant and has
// erased its circle: lock two. Signed by the anchor's leaf key of the home
// circle.
type Statement struct {
	ID     string    `json:"id"`
	Nonce  jws.Bytes `json:"nonce"` // the countersignature's
	Grant  string    `json:"grant"`
	Circle string    `json:"circle"`
	Epoch  uint64    `json:"epoch"`
	At     time.Time `json:"at"`
}

func (s Statement) check() error {
	r := &rules{}
	r.id(s.ID, "/id")
	r.nonce(s.Nonce, "/nonce")
	r.id(s.Grant, "/grant")
	r.circle(s.Circle, "/circle")
	r.time(s.At, "/at")
	return r.err
}

// SignStatement is for the anchor.
func SignStatement(s Statement, homeLeaf crypto.Signer) (string, error) {
	return sign(TypeStatement, s, homeLeaf)
}

// VerifyStatement reads a statement by the home leaf key about this very
// withdrawal; anything else confirms nothing.
func VerifyStatement(compact string, homeLeaf ed25519.PublicKey, e Envelope, nonce []byte) (Statement, error) {
	s, err := verify[Statement](TypeStatement, compact, homeLeaf)
	if err != nil {
		return Statement{}, err
	}
	if s.Grant != e.Grant || s.Circle != e.Circle || !bytes.Equal(s.Nonce, nonce) {
		return Statement{}, fmt.Errorf("%w: the statement is about another withdrawal", ErrMismatch)
	}
	return s, nil
}

// NodeReceipt is a node's word about a document it took: lock one.
type NodeReceipt struct {
	ID    string    `json:"id"`
	Node  string    `json:"node"`  // authority
	Hash  string    `json:"hash"`  // of the envelope or closing
	Event string    `json:"event"` // the State that followed
	At    time.Time `json:"at"`
}

func (n NodeReceipt) check() error {
	r := &rules{}
	r.id(n.ID, "/id")
	r.authority(n.Node, "/node")
	r.hash(n.Hash, "/hash")
	r.needText(n.Event, "/event", 32)
	r.time(n.At, "/at")
	return r.err
}

// SignReceipt is for the node.
func SignReceipt(n NodeReceipt, nodeKey crypto.Signer) (string, error) {
	return sign(TypeReceipt, n, nodeKey)
}

// VerifyReceipt reads a receipt of the node for this document.
func VerifyReceipt(compact, node string, nodeKey ed25519.PublicKey, document string) (NodeReceipt, error) {
	n, err := verify[NodeReceipt](TypeReceipt, compact, nodeKey)
	if err != nil {
		return NodeReceipt{}, err
	}
	if n.Node != node || n.Hash != Hash(document) {
		return NodeReceipt{}, fmt.Errorf("%w: the receipt is for another document", ErrMismatch)
	}
	return n, nil
}
