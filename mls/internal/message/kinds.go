// Package message holds what members send one another (RFC 9420 §6, §12) as it
// stands on the wire. It decodes and encodes; what is allowed is decided above.
package message

import (
	"errors"
	"fmt"
)

// Kind tells what Process received.
type Kind uint8

// Kinds of received messages (RFC 9420 §6).
const (
	KindApplication Kind = iota + 1
	KindProposal
	KindCommit
)

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

// Wire formats (RFC 9420 §17.2).
const (
	WirePublicMessage  uint16 = 1
	WirePrivateMessage uint16 = 2
	WireWelcome        uint16 = 3
	WireGroupInfo      uint16 = 4
	WireKeyPackage     uint16 = 5
)

// Errors of reading and sizing; package mls documents them.
var (
	ErrMalformed = errors.New("message is malformed")
	ErrSize      = errors.New("plaintext does not fit the size")
	ErrNotForMe  = errors.New("welcome is for other key packages")
)

// Malformed wraps what a reader found.
func Malformed(what string, err error) error {
	return fmt.Errorf("read %s: %w: %w", what, ErrMalformed, err)
}
