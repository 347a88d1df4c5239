package circle

import (
	"crypto"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"time"

	"primum/grant"
	"primum/internal/clock"
)

// MemberOptions is what a client's actor needs from outside.
type MemberOptions struct {
	Clock  clock.Clock   // nil: the machine's
	Rand   io.Reader     // nil: crypto/rand
	Signer crypto.Signer // the client key (Ed25519)
	// Identity is the own account's newest identity document. It is verified
	// against the one known before; the client is found by Signer's public key.
	Identity string
	Log      *slog.Logger // nil: none; no secret and no value is logged
}

// Member is a client of a person or a service in the circles of grants given to
// its account. One client has one directory.
type Member struct{ actor }

// OpenMember opens or makes the member that lives in dir, and locks it.
func OpenMember(dir string, o MemberOptions) (*Member, error) { return nil, errors.ErrUnsupported }

// Identity takes a newer identity document of the own or another account by any
// path. An own one is told to every circle this client is in.
func (m *Member) Identity(compact string) error { return errors.ErrUnsupported }

// KeyPackageStock tells how many key packages the own node still has of this
// client; the member publishes what is missing.
func (m *Member) KeyPackageStock(oneTime int, lastResort bool) error { return errors.ErrUnsupported }

// Inbox takes an item of the inbox that the driver has opened: who sent it, its
// kind and the document. A repetition is no error. identity is the sender's
// newest identity document.
func (m *Member) Inbox(from, identity, kind string, document []byte) error {
	return errors.ErrUnsupported
}

// AskParams is what a grantee asks for.
type AskParams struct {
	Recipient string // identity document of who is asked
	// Request says what; ID, From, Client, To and Issued are filled in, and
	// Expires (7 days) when it is zero.
	Request grant.Request
}

// Ask sends a request to an owner's inbox; the id comes back in EventRefused,
// and the offer that answers it names it.
func (m *Member) Ask(p AskParams) (request string, err error) { return "", errors.ErrUnsupported }

// GrantInfo is a grant as a member or owner knows it.
type GrantInfo struct {
	ID         string
	Circle     ID
	State      grant.State
	Owner      string // account; empty when pseudonymous
	Grantee    string
	Node       string
	Terms      string // JWS
	Request    string // what it answers
	Home       ID     // owner only
	Shared     []SharedName
	ValidFrom  time.Time
	ValidUntil time.Time
	Joined     bool
	LastValue  time.Time
	Withdrawal *WithdrawalInfo // owner only
}

// SharedName is an affordance of a grant, by the name that it has there.
type SharedName struct {
	Thing     string // pseudonym
	Title     string // what the owner calls the thing
	Name      string // affordance
	Ops       []string
	Precision Precision
	Source    Source // owner only
}

// Grants lists the grants given to this account, ended ones too, newest last.
func (m *Member) Grants() []GrantInfo { return nil }

// Forget removes an ended grant from the list.
func (m *Member) Forget(grant string) error { return errors.ErrUnsupported }

// CommandParams is a command to a thing: in a grant circle by the names of the
// grant, in a home circle (owner) by the thing's own.
type CommandParams struct {
	Circle  ID
	Thing   string // may be empty where the grant has one thing
	Name    string
	Op      string // writeproperty, invokeaction
	Input   json.RawMessage
	Timeout time.Duration // 0: 30 s
}

// Command sends a command; EventAnswer carries ref. The right is checked here
// first: the error names the grant that is missing.
func (m *Member) Command(p CommandParams) (ref string, err error) { return "", errors.ErrUnsupported }

// ReadParams asks for a value, or from Since on for all values.
type ReadParams struct {
	Circle ID
	Thing  string
	Name   string
	Since  time.Time // zero: the newest value only
}

// Read asks for past values; EventHistory carries ref, page by page.
func (m *Member) Read(p ReadParams) (ref string, err error) { return "", errors.ErrUnsupported }

// Backup is what another directory of this client starts from: no ratchet state.
func (m *Member) Backup() ([]byte, error) { return nil, errors.ErrUnsupported }
