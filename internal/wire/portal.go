package wire

import (
	"encoding/json"
	"time"
)

// What the pages of a portal say to their node.
const (
	// SessionCookie is the name of a page's session; under TLS with the prefix
	// __Host-, which binds it to one host (RFC 6265bis §4.1.3).
	SessionCookie = "primum-session"
	// SessionLife is how long a session lasts; a page renews it at half of that.
	SessionLife = 12 * time.Hour

	MaxKeep    = 16 << 10 // bytes of a keep
	MaxNotice  = 16 << 10 // bytes of a notice
	MaxNotices = 100      // of one account
)

// CloseAccount is the body of DELETE /v1/account: the identity key's signature
// over CloseAccountBytes, because a client's key alone must not destroy a name.
type CloseAccount struct {
	At        time.Time `json:"at"`
	Signature []byte    `json:"signature"`
}

// CloseAccountBytes is what the identity key signs to close an account.
func CloseAccountBytes(account string, at time.Time) []byte {
	return []byte("primum close account\x00" + account + "\x00" + at.UTC().Format(time.RFC3339))
}

// Notice is a thing's public page, as its owner writes it. Nothing of it is
// computed, and nothing names the owner but Contact.
type Notice struct {
	ID       string       `json:"id,omitempty"`
	Title    string       `json:"title"`
	Language string       `json:"language"` // of the owner's words, BCP 47
	About    string       `json:"about,omitempty"`
	Items    []NoticeItem `json:"items"`
	Contact  string       `json:"contact,omitempty"` // mailto: or https:
}

// NoticeItem is one thing that is collected.
type NoticeItem struct {
	What    string   `json:"what"`
	Every   string   `json:"every"`          // "15m", "1h", "1d" or "change"
	Fine    string   `json:"fine,omitempty"` // how fine, in words
	Kept    string   `json:"kept,omitempty"` // how long, in words
	Purpose string   `json:"purpose,omitempty"`
	Inner   []string `json:"inner,omitempty"` // who sees all of it
	Outer   []string `json:"outer,omitempty"` // who sees less
}

// NoticeKept answers PUT /v1/notices/{id}.
type NoticeKept struct {
	ID  string `json:"id"`
	URL string `json:"url"`
}

// Notices answers GET /v1/notices: the caller's own.
type Notices struct {
	Notices []Notice `json:"notices"`
}

// PushKey answers GET /v1/push: the node's public key for Web Push (RFC 8292
// §3.2), an uncompressed P-256 point in base64url.
type PushKey struct {
	Key string `json:"key"`
	On  bool   `json:"on"` // the calling client is subscribed
}

// PushSubscription is what a browser gives (Push API §10, toJSON). Its keys are
// for encrypted content; a push here has none, and they are not kept.
type PushSubscription struct {
	Endpoint       string          `json:"endpoint"`
	ExpirationTime json.RawMessage `json:"expirationTime,omitempty"`
	Keys           json.RawMessage `json:"keys,omitempty"`
}
