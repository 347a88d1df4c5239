package mls

import "errors"

// Group is one member's state of one group. It is for one goroutine at a time.
type Group struct{}

// Create starts a group with its creator as the only member (RFC 9420 §11).
func Create(cfg Config, groupID []byte, suite Suite, identity []byte, groupExtensions []Extension) (*Group, error) {
	return nil, errors.ErrUnsupported
}

// Join enters a group by a Welcome (RFC 9420 §12.4.3.1). The tree may be nil
// where the Welcome carries it. The caller erases priv once the group is
// stored, unless kp is a last resort.
func Join(cfg Config, welcome []byte, kp *KeyPackage, priv *KeyPackagePrivate, tree []byte) (*Group, error) {
	return nil, errors.ErrUnsupported
}

// WelcomeFor tells whether a Welcome holds secrets for the key package with
// this reference.
func WelcomeFor(welcome, ref []byte) bool { return false }

// Load reads what MarshalBinary wrote.
func Load(cfg Config, state []byte) (*Group, error) { return nil, errors.ErrUnsupported }

// MarshalBinary writes the state with its secrets, a pending commit and
// proposals included.
func (g *Group) MarshalBinary() ([]byte, error) { return nil, errors.ErrUnsupported }

// Commit makes a commit with a path over the options and the proposals
// received by reference. The group stays in its epoch until Merge; a second
// Commit before Merge or Discard is refused with ErrPending.
func (g *Group) Commit(o CommitOptions) (*Staged, error) { return nil, errors.ErrUnsupported }

// Merge enters the epoch of the pending commit.
func (g *Group) Merge() error { return errors.ErrUnsupported }

// Discard drops the pending commit.
func (g *Group) Discard() {}

// Pending tells whether a commit waits for Merge or Discard.
func (g *Group) Pending() bool { return false }

// PendingCommit is the pending commit again, to be sent after a restart; nil
// when there is none.
func (g *Group) PendingCommit() *Staged { return nil }

// GroupInfo signs the public state of the epoch, with the tree, as an
// MLSMessage (RFC 9420 §12.4.3).
func (g *Group) GroupInfo() ([]byte, error) { return nil, errors.ErrUnsupported }

// Tree is the ratchet tree as Join takes it.
func (g *Group) Tree() []byte { return nil }

// ProposeUpdate makes a proposal to renew the own leaf, as a PublicMessage. The
// new private key is kept in the state until a commit takes the proposal in or
// the epoch ends.
func (g *Group) ProposeUpdate(aad []byte) ([]byte, error) { return nil, errors.ErrUnsupported }

// ProposeAdd makes a proposal to add a member, as a PublicMessage.
func (g *Group) ProposeAdd(kp *KeyPackage, aad []byte) ([]byte, error) {
	return nil, errors.ErrUnsupported
}

// ProposeRemove makes a proposal to remove a member, as a PublicMessage.
func (g *Group) ProposeRemove(leaf uint32, aad []byte) ([]byte, error) {
	return nil, errors.ErrUnsupported
}

// Process takes in a message of the group. After an error the state is as it
// was. A commit that is accepted drops a pending commit and all proposals of
// the old epoch.
func (g *Group) Process(msg []byte) (*Received, error) { return nil, errors.ErrUnsupported }

// Sender reads the leaf and generation of a PrivateMessage of the present
// epoch, own ones included, and changes nothing. Any member could have made
// the header: only Process verifies the sender.
func (g *Group) Sender(msg []byte) (leaf, generation uint32, err error) {
	return 0, 0, errors.ErrUnsupported
}

// Seal makes an application message (PrivateMessage). Where size is above 0
// the message is padded to exactly that many bytes; ErrSize when it does not
// fit. SealOverhead tells what fits.
func (g *Group) Seal(plain, aad []byte, size int) ([]byte, error) { return nil, errors.ErrUnsupported }

// SealOverhead is the size of an unpadded message beyond its plaintext, at
// most, for a plaintext below 16 KiB and authenticated data of aad bytes.
func (g *Group) SealOverhead(aad int) int { return 0 }

// Reserve derives the next n send keys into memory only, and switches
// reserving on: MarshalBinary then stores the ratchet after the block, so that
// a stored state never holds a key that may have been used and a crash skips
// the rest of the block. Store the state after Reserve and before the first
// Seal. Once on, Seal answers ErrReserve when the block is used up, also after
// Load and in a new epoch. Reserve(0) drops the block and switches it off.
// n is limited to MaxReserve.
func (g *Group) Reserve(n uint32) error { return errors.ErrUnsupported }

// Reserved is how many reserved keys are left.
func (g *Group) Reserved() uint32 { return 0 }

// MaxReserve is the largest block of Reserve.
const MaxReserve = 4096

// Epoch is the number of the epoch.
func (g *Group) Epoch() uint64 { return 0 }

// GroupID is the group's id.
func (g *Group) GroupID() []byte { return nil }

// Suite is the group's cipher suite.
func (g *Group) Suite() Suite { return 0 }

// Members lists the occupied leaves in their order.
func (g *Group) Members() []Member { return nil }

// Me is the own leaf.
func (g *Group) Me() uint32 { return 0 }

// Evicted tells that this member was removed.
func (g *Group) Evicted() bool { return false }

// Extensions are those of the group context.
func (g *Group) Extensions() []Extension { return nil }

// TreeHash is the tree hash of the epoch (RFC 9420 §7.8).
func (g *Group) TreeHash() []byte { return nil }

// ConfirmedTranscriptHash is that of the epoch (RFC 9420 §8.2).
func (g *Group) ConfirmedTranscriptHash() []byte { return nil }

// EpochAuthenticator is a value that members can compare (RFC 9420 §8.7).
func (g *Group) EpochAuthenticator() []byte { return nil }

// Export derives n bytes for the application (RFC 9420 §8.5).
func (g *Group) Export(label string, context []byte, n int) ([]byte, error) {
	return nil, errors.ErrUnsupported
}

// Generation is the generation of the next application message sealed here, as
// stored.
func (g *Group) Generation() uint32 { return 0 }

// Peek reads the head of an MLSMessage without keys.
func Peek(msg []byte) (Head, error) { return Head{}, errors.ErrUnsupported }
