package mlspeer

// Operations of a Request.
const (
	OpHello      = "hello"      // → Version
	OpNew        = "new"        // Identity, Suite: a client with a signature key
	OpKeyPackage = "keypackage" // Understands → Message
	OpCreate     = "create"     // Group, Extensions
	OpJoin       = "join"       // Message: a Welcome
	OpPropose    = "propose"    // Kind, Message or Leaf, Private → Message
	OpCommit     = "commit"     // Add, Remove, Extensions, Private, and what was proposed → Message, Welcome
	OpExternal   = "external"   // Message: a GroupInfo → Message: the commit that joins
	OpPSK        = "psk"        // Context: the id, Data: the key, before or in a group
	OpProcess    = "process"    // Message → Kind, Data, AAD
	OpSeal       = "seal"       // Data, AAD, Length: where it can be chosen, of the message → Message
	OpExport     = "export"     // Label, Context, Length → Data
	OpGroupInfo  = "groupinfo"  // → Message
	OpView       = "view"       // → View
	OpSave       = "save"       // → State; the process forgets the member
	OpRestore    = "restore"    // State
)

// Kinds of OpPropose.
const (
	KindAdd    = "add"    // Message: a key package
	KindUpdate = "update" // of the own leaf
	KindRemove = "remove" // Leaf
	KindPSK    = "psk"    // Context: the id of an external one
)

// Kinds of messages that OpProcess tells.
const (
	KindApplication = "application"
	KindHandshake   = "handshake"
)

// Request is a line to a peer. Messages are MLSMessages (RFC 9420 §6). A commit
// is merged at once: the test is the delivery service and loses none.
type Request struct {
	ID       uint64   `json:"id"`
	Op       string   `json:"op"`
	Member   string   `json:"member,omitempty"`
	Identity []byte   `json:"identity,omitempty"`
	Suite    uint16   `json:"suite,omitempty"`
	Group    []byte   `json:"group,omitempty"`
	Kind     string   `json:"kind,omitempty"`
	Message  []byte   `json:"message,omitempty"`
	Leaf     uint32   `json:"leaf,omitempty"`
	Add      [][]byte `json:"add,omitempty"`
	Remove   []uint32 `json:"remove,omitempty"`
	ExtType  uint16   `json:"ext_type,omitempty"` // the only group context extension from now on; 0: unchanged
	ExtData  []byte   `json:"ext_data,omitempty"`
	NoExt    bool     `json:"no_ext,omitempty"`  // no extension from now on
	Private  bool     `json:"private,omitempty"` // a handshake as PrivateMessage
	Data     []byte   `json:"data,omitempty"`
	AAD      []byte   `json:"aad,omitempty"`
	Label    string   `json:"label,omitempty"`
	Context  []byte   `json:"context,omitempty"`
	Length   int      `json:"length,omitempty"`
	State    []byte   `json:"state,omitempty"`

	// Extensions are those of the group context from now on; nil: unchanged.
	Extensions []Extension `json:"extensions"`
	// Understands are further types of extensions that a key package claims.
	Understands []uint16 `json:"understands,omitempty"`
}

// Extension is one of RFC 9420 §13.
type Extension struct {
	Type uint16 `json:"type"`
	Data []byte `json:"data"`
}

// Reply is a line from a peer, to the Request with the same ID.
type Reply struct {
	ID      uint64 `json:"id"`
	Error   string `json:"error,omitempty"`
	Version string `json:"version,omitempty"`
	Kind    string `json:"kind,omitempty"`
	Message []byte `json:"message,omitempty"`
	Welcome []byte `json:"welcome,omitempty"`
	Data    []byte `json:"data,omitempty"`
	AAD     []byte `json:"aad,omitempty"`
	State   []byte `json:"state,omitempty"`
	View    *View  `json:"view,omitempty"`
}

// View is what members of one epoch agree on, and where this one sits.
type View struct {
	Leaf          uint32 `json:"leaf"`
	Evicted       bool   `json:"evicted,omitempty"` // then only this is set
	Epoch         uint64 `json:"epoch"`
	Members       int    `json:"members"`
	TreeHash      []byte `json:"tree_hash"`
	Transcript    []byte `json:"transcript"` // confirmed
	Authenticator []byte `json:"authenticator"`
	Exporter      []byte `json:"exporter"` // by ViewLabel, empty context, 32 bytes
}

// ViewLabel is the label of View.Exporter.
const ViewLabel = "primum interop"
