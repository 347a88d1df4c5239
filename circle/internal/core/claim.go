package core

// ClaimRequest is what an owner's client posts on the LAN. Presence (button,
// code) is the caller's to check.
type ClaimRequest struct {
	Node       string `json:"node"`               // authority of the owner's node
	Identity   string `json:"identity"`           // the owner's identity document
	Client     string `json:"client"`             // name of the client that asks
	KeyPackage []byte `json:"keyPackage"`         // of that client, in the strongest suite of all
	Fallback   []byte `json:"fallback,omitempty"` // likewise in suite 1, for a thing that has no other
	Nonce      string `json:"nonce"`              // base64url, 16 to 32 bytes
	Number     uint64 `json:"number,omitempty"`   // highest claim of this thing that the client knows
	Release    string `json:"release,omitempty"`  // of a thing that is another's: its owner's word (grant.Release)
}

// ClaimOffer is the thing's half of a claim.
type ClaimOffer struct {
	Claim string `json:"claim"` // JWS by the thing's key
}

// HomeWelcome ends a claim on the LAN.
type HomeWelcome struct {
	Welcome []byte `json:"welcome"`
}
