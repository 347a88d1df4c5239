package wire

import "time"

// Limits of links (docs/spec/link.md).
const (
	MaxLinkLife = 7 * 24 * time.Hour // from now to expires, when a link is made
	MaxLinks    = 20                 // of one account that are not over
	MaxLinkWait = 15 * time.Second   // of one question for the next step
	LinkHost    = "link."            // before the authority: where the guest's page is
	GuestPrefix = "guest-"           // of the user names that only links open
)

// Steps of a link at the node, in their order.
const (
	LinkOpen     = "open"     // made; nobody came
	LinkAnswered = "answered" // a guest came: its account exists
	LinkRevealed = "revealed" // both can see the words
	LinkGiven    = "given"    // the grant is filed
	LinkEnded    = "ended"    // the guest's account is gone
)

// Reasons of a link's end.
const (
	LinkExpired   = "expired"   // nobody confirmed in time
	LinkCancelled = "cancelled" // the owner took it back or refused
	LinkOver      = "over"      // the grant has ended
)

// NewLink makes a link: PUT /v1/links/{id}.
type NewLink struct {
	Expires    time.Time `json:"expires"`
	Door       []byte    `json:"door"`       // SHA-256 of the pass, 32 bytes
	Commitment []byte    `json:"commitment"` // to the owner's nonce and identity key, 32 bytes
	MAC        []byte    `json:"mac"`        // of the owner, 32 bytes
}

// LinkAnswer is the guest's step: POST /v1/links/{id}/answer. It opens the
// account that the identity document names.
type LinkAnswer struct {
	Pass     []byte `json:"pass"`     // 32 bytes; only who has the secret knows it
	Identity string `json:"identity"` // carries the guest's MAC in "link"
	Nonce    []byte `json:"nonce"`    // 32 bytes
}

// LinkReveal is the owner's second step: POST /v1/links/{id}/reveal.
type LinkReveal struct {
	Nonce       []byte `json:"nonce"`       // 32 bytes
	IdentityKey []byte `json:"identityKey"` // 32 bytes
	MAC         []byte `json:"mac"`         // 32 bytes
}

// LinkStatus answers GET /v1/links/{id}. Everything in it is for both sides.
type LinkStatus struct {
	Step       string     `json:"step"`
	Reason     string     `json:"reason,omitempty"` // of step ended
	Owner      string     `json:"owner,omitempty"`  // account
	Guest      string     `json:"guest"`            // account
	Expires    time.Time  `json:"expires,omitzero"`
	Commitment []byte     `json:"commitment,omitempty"`
	MAC        []byte     `json:"mac,omitempty"`
	Answer     *LinkShown `json:"answer,omitempty"` // from step answered on
	// Reveal stands from step revealed on.
	Reveal *LinkReveal `json:"reveal,omitempty"`
}

// LinkShown is what of a LinkAnswer the node shows on.
type LinkShown struct {
	Identity string `json:"identity"`
	Nonce    []byte `json:"nonce"`
}
