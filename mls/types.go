package mls

import (
	"crypto"
	"fmt"
	"io"
	"log/slog"
	"time"

	"primum/mls/internal/message"
	"primum/mls/internal/public"
)

// Member is an occupied leaf: its Leaf index (stable while it stays), Identity
// and SignatureKey, which must not be changed; NotBefore and NotAfter while the
// leaf is still that of the key package.
type Member = public.Member

// CommitView is what a commit does, for Config.Authorize and the caller. It
// must not be changed.
type CommitView = public.CommitView

// Successor is the group that a ReInit asks for.
type Successor = public.Successor

// PSK names a pre-shared key.
type PSK = public.PSK

// ProposalView is what a proposal received by reference asks for.
type ProposalView = public.ProposalView

// Kind tells what Process received.
type Kind = message.Kind

// Kinds of received messages (RFC 9420 §6).
const (
	Application = message.KindApplication
	Proposal    = message.KindProposal
	Commit      = message.KindCommit
)

// Proposal types (RFC 9420 §17.4).
const (
	ProposalAdd                    = message.ProposalAdd
	ProposalUpdate                 = message.ProposalUpdate
	ProposalRemove                 = message.ProposalRemove
	ProposalPSK                    = message.ProposalPSK
	ProposalReInit                 = message.ProposalReInit
	ProposalExternalInit           = message.ProposalExternalInit
	ProposalGroupContextExtensions = message.ProposalGroupContextExtensions
)

// Wire formats (RFC 9420 §17.2).
const (
	WirePublicMessage  = message.WirePublicMessage
	WirePrivateMessage = message.WirePrivateMessage
	WireWelcome        = message.WireWelcome
	WireGroupInfo      = message.WireGroupInfo
	WireKeyPackage     = message.WireKeyPackage
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
	// Data is the application data of an application message. No text of a
	// Received shows it, nor does its JSON.
	Data []byte `json:"-" xml:"-"`
	// AuthenticatedData is readable by whoever carries the message.
	AuthenticatedData []byte
	// Evicted: the commit removed this member. The group is closed.
	Evicted bool
	// View says what a commit did; nil for other kinds.
	View *CommitView
	// Proposal says what a proposal asks for; nil for other kinds.
	Proposal *ProposalView
}

// Format prints what was received and never the data.
func (r Received) Format(f fmt.State, _ rune) {
	_, _ = fmt.Fprintf(f, "mls.Received{kind %d of leaf %d in epoch %d, %d bytes}", r.Kind, r.Sender, r.Epoch, len(r.Data))
}

// LogValue is Format for slog.
func (r Received) LogValue() slog.Value { return slog.StringValue(fmt.Sprint(r)) }

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
	Identity  []byte        // of the basic credential
	Signer    crypto.Signer `json:"-" xml:"-"`
	NotBefore time.Time     // second precision
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
