package mls

import "errors"

// PublicGroup follows a group without its secrets.
type PublicGroup struct{}

// NewPublicGroup starts from a signed GroupInfo with its tree.
func NewPublicGroup(cfg Config, groupInfo []byte) (*PublicGroup, error) {
	return nil, errors.ErrUnsupported
}

// LoadPublicGroup reads what MarshalBinary wrote.
func LoadPublicGroup(cfg Config, b []byte) (*PublicGroup, error) { return nil, errors.ErrUnsupported }

// MarshalBinary writes the state; it holds no secret.
func (p *PublicGroup) MarshalBinary() ([]byte, error) { return nil, errors.ErrUnsupported }

// Process takes in a handshake (PublicMessage).
func (p *PublicGroup) Process(msg []byte) (*Received, error) { return nil, errors.ErrUnsupported }

// Stage is Process on a copy; p stays as it is.
func (p *PublicGroup) Stage(msg []byte) (*PublicGroup, *Received, error) {
	return nil, nil, errors.ErrUnsupported
}

// Epoch is the number of the epoch.
func (p *PublicGroup) Epoch() uint64 { return 0 }

// GroupID is the group's id.
func (p *PublicGroup) GroupID() []byte { return nil }

// Members lists the occupied leaves.
func (p *PublicGroup) Members() []Member { return nil }

// Extensions are those of the group context.
func (p *PublicGroup) Extensions() []Extension { return nil }

// TreeHash is the tree hash of the epoch.
func (p *PublicGroup) TreeHash() []byte { return nil }
