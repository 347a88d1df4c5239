package mlsbench

import "primum/mls"

// Side is an implementation that can be put through the workload.
type Side interface {
	// Name is the heading of its columns.
	Name() string
	// Create starts a group with one member.
	Create(suite mls.Suite) (Group, error)
	// Invite makes a client with a key package.
	Invite(suite mls.Suite, name string) (Client, error)
}

// Populator is a Side that makes its groups itself, for trees of another shape.
type Populator interface {
	Side
	// Populate makes a group of n members and gives two: one that commits and
	// one that follows.
	Populate(suite mls.Suite, n int) (committer, member Group, err error)
}

// Client is one that can be added to a group.
type Client interface {
	// KeyPackage is its key package as the committer gets it, an MLSMessage.
	KeyPackage() []byte
	// Join enters by a Welcome that carries the ratchet tree.
	Join(welcome []byte) (Group, error)
}

// Group is one member's state. It is for one goroutine.
type Group interface {
	// Add commits clients in, and enters the epoch.
	Add(clients []Client) (commit, welcome []byte, err error)
	// Remove commits the member at a leaf out, and enters the epoch.
	Remove(leaf uint32) (commit []byte, err error)
	// Update commits nothing but a new path, and enters the epoch.
	Update() (commit []byte, err error)
	// Process takes in another's commit.
	Process(commit []byte) error
	// Seal makes an application message, Open reads one of another member.
	Seal(plain []byte) (msg []byte, err error)
	Open(msg []byte) (plain []byte, err error)
	// Save writes the state with its secrets, Load reads it.
	Save() ([]byte, error)
	Load(state []byte) error
}
