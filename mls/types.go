package mls

import (
	"crypto"
	"io"
	"time"
)

// Member is an occupied leaf. Its slices must not be changed.
type Member struct {
	Leaf         uint32 // leaf index, stable while the member stays
	Identity     []byte // of the basic credential
	SignatureKey []byte // public
	// NotBefore and NotAfter are the lifetime while the leaf is still the one
	// of the key package; zero times after its first Update or commit.
	NotBefore, NotAfter time.Time
}

// Kind tells what Process received.
type Kind uint8

// Kinds of received messages (RFC 9420 §6).
const (
	Application Kind = iota + 1
	Proposal
	Commit
)

// Received is what an accepted message was. Its slices belong to the caller.
type Received struct {
	Kind Kind
	// Sender is the leaf of the sender, for a commit in the tree before it.
	// It is 0 where External is set.
	Sender uint32
	// External: the sender is no member (external sender, new member).
	External bool
	// Epoch in which the message was sent.
	Epoch uint64
	// Data is the application data of an application message.
	Data []byte
	// AuthenticatedData is readable by whoever carries the message.
	AuthenticatedData []byte
	// Evicted: the commit removed this member. The group is closed.
	Evicted bool
	// View says what a commit did; nil for other kinds.
	View *CommitView
	// Proposal says what a proposal asks for; nil for other kinds.
	Proposal *ProposalView
}

// CommitView is what a commit does, for Config.Authorize and the caller. It
// must not be changed.
type CommitView struct {
	GroupID           []byte
	Epoch             uint64 // in which the commit was sent
	Committer         uint32 // leaf, in the tree after the commit where External
	External          bool   // joined by this very commit
	Adds              []Member
	Removes           []Member
	Updates           []Member // leaves renewed by Update proposals, as they are after
	ExtensionsChanged bool
	Extensions        []Extension // of the group context after the commit
	AuthenticatedData []byte
	PSK               bool
	ReInit            bool
	HasPath           bool
}

// ProposalView is what a proposal received by reference asks for.
type ProposalView struct {
	Type     uint16 // RFC 9420 §17.4
	Sender   uint32 // leaf of the sender
	External bool   // the sender is no member
	Member   Member // to be added, updated (its new leaf) or removed
	// AuthenticatedData travelled in clear beside the proposal, signed.
	AuthenticatedData []byte
}

// Proposal types (RFC 9420 §17.4).
const (
	ProposalAdd                    uint16 = 1
	ProposalUpdate                 uint16 = 2
	ProposalRemove                 uint16 = 3
	ProposalPSK                    uint16 = 4
	ProposalReInit                 uint16 = 5
	ProposalExternalInit           uint16 = 6
	ProposalGroupContextExtensions uint16 = 7
)

// CommitOptions is what a commit is to do. The zero value makes a commit that
// renews the committer's own path and takes in the proposals received.
type CommitOptions struct {
	Add    []*KeyPackage
	Remove []uint32 // leaves
	// Extensions replaces the group context's; nil: unchanged.
	Extensions []Extension
	// AuthenticatedData travels in clear beside the commit, signed.
	AuthenticatedData []byte
	// TreeApart leaves the ratchet tree out of the Welcome; the joiner gets
	// it from Group.Tree by another way.
	TreeApart bool
}

// Staged is a commit that was made and not merged yet.
type Staged struct {
	Commit    []byte      // MLSMessage(PublicMessage), for the present members
	Welcome   []byte      // MLSMessage(Welcome) for all added; nil when none
	GroupInfo []byte      // MLSMessage(GroupInfo) of the next epoch, with the tree
	View      *CommitView // what the commit does
}

// Wire formats (RFC 9420 §17.2).
const (
	WirePublicMessage  uint16 = 1
	WirePrivateMessage uint16 = 2
	WireWelcome        uint16 = 3
	WireGroupInfo      uint16 = 4
	WireKeyPackage     uint16 = 5
)

// Head is what can be read of a message without keys; nothing of it is
// verified.
type Head struct {
	WireFormat  uint16
	GroupID     []byte // of public and private messages and group infos
	Epoch       uint64 // likewise
	ContentType Kind   // of public and private messages
	// Member and Sender: a PublicMessage by the member at leaf Sender.
	Member bool
	Sender uint32
	// AuthenticatedData of public and private messages.
	AuthenticatedData []byte
}

// KeyPackageOptions is what a key package says.
type KeyPackageOptions struct {
	Suite     Suite
	Identity  []byte // of the basic credential
	Signer    crypto.Signer
	NotBefore time.Time // second precision
	NotAfter  time.Time
	// LastResort marks a package that may be used more than once.
	LastResort bool
	// Extensions are the types of private-use group context extensions that
	// the client understands.
	Extensions []uint16
	// KeyPackageExtensions are written into the key package and so signed.
	KeyPackageExtensions []Extension
	Rand                 io.Reader // nil: crypto/rand
}
