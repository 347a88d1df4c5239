package mls

import (
	"crypto"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"primum/mls/internal/message"
	"primum/mls/internal/public"
	"primum/mls/internal/suite"
	"primum/mls/internal/tree"
)

// Suite is the code point of a cipher suite (RFC 9420 §17.1).
type Suite uint16

// The suites that are known here.
const (
	// X25519AES128GCMSHA256Ed25519 is suite 0x0001, which every implementation
	// has.
	X25519AES128GCMSHA256Ed25519 = Suite(suite.X25519AES128GCM)
	// MLKEM768X25519AES128GCMSHA256Ed25519 is the post-quantum hybrid
	// MLS_128_MLKEM768X25519_AES128GCM_SHA256_Ed25519 of
	// draft-ietf-mls-pq-ciphersuites, under a code point for private use until
	// the draft has one. It hides what is sealed from a later quantum computer
	// as long as either ML-KEM-768 or X25519 holds; its signatures are Ed25519.
	MLKEM768X25519AES128GCMSHA256Ed25519 = Suite(suite.MLKEM768X25519AES128GCM)
)

// Suites lists the suites that are known here, the strongest first.
func Suites() []Suite {
	var out []Suite
	for _, id := range suite.IDs() {
		out = append(out, Suite(id))
	}
	return out
}

// String is the name of the suite.
func (s Suite) String() string {
	known, err := suite.ByID(uint16(s))
	if err != nil {
		return fmt.Sprintf("cipher suite 0x%04x", uint16(s))
	}
	return known.String()
}

// Extension is an extension of a group context, group info, leaf node or key
// package (RFC 9420 §13). Types from 0xF000 are for private use.
type Extension = tree.Extension

// RequiredCapabilities is the extension of a group context that demands
// support for non-default types of every member (RFC 9420 §11.1).
func RequiredCapabilities(extensions, proposals, credentials []uint16) Extension {
	q := tree.Required{Extensions: extensions, Proposals: proposals, Credentials: credentials}
	return Extension{Type: tree.ExtRequiredCapabilities, Data: q.Bytes()}
}

// Defaults of Config.
const (
	DefaultMaxJump      = 1000                       // generations
	DefaultWindow       = 64                         // skipped keys
	DefaultMaxProposals = public.DefaultMaxProposals // of a member in an epoch
)

// Config says who a member is and what it accepts. The zero value of each
// field but Signer is usable. A Config may be shared by groups; its functions
// are called on the goroutine that calls the group.
type Config struct {
	// Signer holds the private signature key. A group that only reads needs
	// none.
	Signer crypto.Signer `json:"-" xml:"-"`
	// Now judges key package lifetimes; nil: time.Now.
	Now func() time.Time
	// Rand is the source of keys and reuse guards; nil: crypto/rand.
	Rand io.Reader
	// Authorize is asked before a commit is accepted, own ones included, when
	// everything else about it has been verified. An error refuses the commit.
	Authorize func(*CommitView) error
	// AuthorizeProposal is asked before a proposal sent by reference is kept,
	// when it has been verified. An error refuses it.
	AuthorizeProposal func(*ProposalView) error
	// MaxJump is how many generations of a sender may be skipped at once;
	// 0: DefaultMaxJump.
	MaxJump uint32 // RFC 9420 §15.3 S2
	// Window is how many keys of skipped messages are kept per sender and
	// epoch; 0: DefaultWindow, negative: none.
	Window int // RFC 9420 §15.3 S1
	// MaxProposals is how many proposals of one member are kept in an epoch;
	// further ones are refused. 0: DefaultMaxProposals. All members and
	// trackers of a group should agree on it.
	MaxProposals int
	// PastEpochs is for how many epochs after the next commit the messages of
	// an epoch can still be opened.
	PastEpochs int
	// ResumptionEpochs is how many past resumption secrets are kept for
	// pre-shared keys of kind resumption (RFC 9420 §8.6).
	ResumptionEpochs int // RFC 9420 §8.6 S1
	// PSK gives an external pre-shared key by its id (RFC 9420 §8.4).
	PSK func(id []byte) ([]byte, error)
	// ResumptionPSK gives the resumption secret of another group, or of an
	// epoch that ResumptionEpochs does not reach (RFC 9420 §8.6).
	ResumptionPSK func(groupID []byte, epoch uint64) ([]byte, error)

	// PublicHandshakes refuses proposals and commits that come as
	// PrivateMessage: set it in a group that a PublicGroup follows. It can't
	// see them, so that one member could make the others refer to a proposal,
	// or enter an epoch, that the tracker does not know.
	PublicHandshakes bool

	AllowExternalCommits bool // joining by external commit (RFC 9420 §12.4.3.2)
	// AllowExternalSenders: proposals from outside (RFC 9420 §12.1.8). Anybody
	// can propose to be added: that is taken only where AuthorizeProposal is
	// set, by members and trackers alike.
	AllowExternalSenders bool
	// AllowPSK: PreSharedKey proposals and Welcomes with them. A member that
	// lacks a key can't follow a commit that uses it: let AuthorizeProposal
	// refuse what not all of them have.
	AllowPSK            bool
	AllowReInit         bool // ReInit proposals and Welcomes after them
	AllowBranch         bool // Welcomes into a subgroup
	AllowIdentityChange bool // Update or path leaf with another credential or signature key
}

// Format prints which switches are on and never a key.
func (c Config) Format(f fmt.State, _ rune) {
	_, _ = fmt.Fprintf(f, "mls.Config{signer %t, past epochs %d}", c.Signer != nil, c.PastEpochs)
}

// LogValue is Format for slog.
func (c Config) LogValue() slog.Value { return slog.StringValue(fmt.Sprint(c)) }

// Errors of this package, for errors.Is. The error returned says more.
var (
	// ErrMalformed: the bytes are no message of the protocol.
	ErrMalformed = message.ErrMalformed
	// ErrSuite: the cipher suite is not known here or not the group's.
	ErrSuite = public.ErrSuite
	// ErrWrongGroup: the message is of another group.
	ErrWrongGroup = public.ErrWrongGroup
	// ErrEpoch: the message is of an epoch that is past or yet to come.
	ErrEpoch = public.ErrEpoch
	// ErrOwnMessage: the message was sent by this very member.
	ErrOwnMessage = errors.New("message is this member's own")
	// ErrAuthentication: a signature, tag or ciphertext doesn't verify.
	ErrAuthentication = public.ErrAuthentication
	// ErrReplay: the key of the message was used or dropped already.
	ErrReplay = public.ErrReplay
	// ErrJump: the message skips more generations than Config.MaxJump.
	ErrJump = errors.New("message is too far ahead")
	// ErrInvalid: the message verifies and breaks a rule of the protocol.
	ErrInvalid = public.ErrInvalid
	// ErrNotAllowed: the message uses what Config has not switched on.
	ErrNotAllowed = public.ErrNotAllowed
	// ErrUnauthorized: Config.Authorize refused the commit.
	ErrUnauthorized = errors.New("commit is not authorized")
	// ErrPending: a commit waits for Merge or Discard, or there is none.
	ErrPending = errors.New("pending commit is in the way or missing")
	// ErrReserve: the reserved block of send keys is used up.
	ErrReserve = errors.New("no reserved send key is left")
	// ErrSize: the plaintext doesn't fit the size asked for.
	ErrSize = message.ErrSize
	// ErrEvicted: this member was removed; the group holds no secrets.
	ErrEvicted = errors.New("member was removed from the group")
	// ErrNotForMe: a Welcome holds no secret for the key package.
	ErrNotForMe = message.ErrNotForMe
	// ErrState: stored bytes are no state of this package.
	ErrState = errors.New("stored state is unreadable")
)

func unauthorized(what string, err error) error {
	return fmt.Errorf("authorize %s: %w: %w", what, ErrUnauthorized, err)
}

// authorize asks the application.
func (c *Config) authorize(view *CommitView) error {
	if c.Authorize == nil {
		return nil
	}
	if err := c.Authorize(view); err != nil {
		return unauthorized("commit", err)
	}
	return nil
}

// authorizeProposal asks the application; what a client outside proposes counts
// only where it is asked (RFC 9420 §12.1.8 R2).
func (c *Config) authorizeProposal(m *message.Signed, view *ProposalView) error {
	if c.AuthorizeProposal == nil && m.Sender.Kind == message.SenderNewMemberProposal {
		return fmt.Errorf("authorize proposal: nobody decides who may join: %w", ErrNotAllowed)
	}
	if c.AuthorizeProposal == nil {
		return nil
	}
	if err := c.AuthorizeProposal(view); err != nil {
		return unauthorized("proposal", err)
	}
	return nil
}

// options are the switches that concern what everybody sees.
func (c *Config) options() public.Options {
	return public.Options{
		AllowExternalCommits: c.AllowExternalCommits,
		AllowExternalSenders: c.AllowExternalSenders,
		AllowPSK:             c.AllowPSK,
		AllowReInit:          c.AllowReInit,
		AllowIdentityChange:  c.AllowIdentityChange,
		MaxProposals:         c.MaxProposals,
	}
}
