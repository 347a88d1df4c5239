// Package public is what everybody who follows the handshakes of a group knows
// of it: members with their secrets and keyless trackers alike. It decides
// which proposals and commits are valid and makes the next epoch's state of
// them (RFC 9420 §12), always on a copy.
package public

import (
	"errors"
	"fmt"
	"time"

	"primum/mls/internal/suite"
	"primum/mls/internal/tree"
)

// Errors that say why a message was refused; package mls documents them.
var (
	ErrSuite          = errors.New("cipher suite is not supported")
	ErrWrongGroup     = errors.New("message is of another group")
	ErrEpoch          = errors.New("message is of another epoch")
	ErrAuthentication = errors.New("message does not verify")
	ErrReplay         = errors.New("message key was used or dropped already")
	ErrInvalid        = errors.New("message breaks a rule")
	ErrNotAllowed     = errors.New("message uses what is switched off")
)

// Invalid makes an error that wraps ErrInvalid.
func Invalid(format string, args ...any) error {
	return fmt.Errorf(format+": %w", append(args, ErrInvalid)...)
}

// DefaultMaxProposals is how many proposals of a member are kept in an epoch.
const DefaultMaxProposals = 16

// Options are the switches of mls.Config that concern what everybody sees.
type Options struct {
	AllowExternalCommits bool
	AllowExternalSenders bool
	AllowPSK             bool
	AllowReInit          bool
	AllowIdentityChange  bool
	MaxProposals         int // 0: DefaultMaxProposals
	// At is the time that the lifetimes of leaves in an own message must cover;
	// the zero time for messages received (RFC 9420 §7.3).
	At time.Time
}

// Member is an occupied leaf. Its slices must not be changed.
type Member struct {
	Leaf         uint32 // leaf index, stable while the member stays
	Identity     []byte // of the basic credential
	SignatureKey []byte // public
	// NotBefore and NotAfter are the lifetime while the leaf is still the one
	// of the key package; zero times after its first Update or commit.
	NotBefore, NotAfter time.Time
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
	Extensions        tree.Extensions // of the group context after the commit
	AuthenticatedData []byte
	PSK               bool
	ReInit            bool
	HasPath           bool
	// Path is the committer as its path leaves it: who joined where External,
	// and otherwise, with Config.AllowIdentityChange, perhaps under another
	// identity or signature key. The zero value where HasPath is false.
	Path Member
	// Successor is what a ReInit asks for; nil where ReInit is false.
	Successor *Successor
}

// Successor is the group that follows a reinitialised one. Who joins it by a
// Welcome checks that it is of this id, suite and extensions, starts in epoch
// 1 and has all the members (RFC 9420 §11.2, §12.4.3.1).
type Successor struct {
	GroupID        []byte
	Version, Suite uint16
	Extensions     tree.Extensions // of the group context
}

// PSK names a pre-shared key (RFC 9420 §8.4).
type PSK struct {
	ID         []byte // of an external one
	Resumption bool   // it is a resumption secret of a group's epoch
	GroupID    []byte
	Epoch      uint64
}

// ProposalView is what a proposal received by reference asks for.
type ProposalView struct {
	Type     uint16 // RFC 9420 §17.4
	Sender   uint32 // leaf of the sender
	External bool   // the sender is no member
	Member   Member // to be added, updated (its new leaf) or removed
	// Extensions are what a GroupContextExtensions puts in the group context.
	Extensions tree.Extensions
	PSK        *PSK       // what a PreSharedKey asks for
	Successor  *Successor // what a ReInit asks for
	// AuthenticatedData travelled in clear beside the proposal, signed.
	AuthenticatedData []byte
}

// KnownSuite looks a suite up in terms of this package's errors.
func KnownSuite(id uint16) (*suite.Suite, error) {
	s, err := suite.ByID(id)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSuite, err)
	}
	return s, nil
}
