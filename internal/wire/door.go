package wire

import (
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// Paths of an edge's door on the LAN, below the URL that `primum edge` prints:
// "primum claim http://192.168.1.7:8410#k=FINGERPRINT".
const (
	DoorHello    = "/door"          // GET: DoorInfo
	DoorBegin    = "/door/claim"    // POST DoorClaim: DoorOffer
	DoorFinish   = "/door/finish"   // POST DoorSigned: DoorWelcome
	DoorWithdraw = "/door/withdraw" // POST circle.Withdrawal: DoorStatement
)

// DoorInfo is what an edge says to anybody on its LAN: its key, and nothing
// about what is in the house.
type DoorInfo struct {
	ThingKey []byte `json:"thingKey"` // Ed25519, 32 bytes; check its Fingerprint against the URL
	Claimed  bool   `json:"claimed"`
	Open     bool   `json:"open"` // a code is valid now
}

// DoorClaim begins a claim. Request is the JSON of a circle.ClaimRequest as a
// string, so that Proof is over exact bytes.
type DoorClaim struct {
	Request string `json:"request"`
	Proof   []byte `json:"proof"` // DoorProof(code, thing key, request)
}

// DoorOffer is the edge's half of the claim (circle.ClaimOffer).
type DoorOffer struct {
	Claim string `json:"claim"`
}

// DoorSigned ends a claim with the owner's half.
type DoorSigned struct {
	Countersignature string `json:"countersignature"`
}

// DoorWelcome is circle.HomeWelcome.
type DoorWelcome struct {
	Welcome []byte `json:"welcome"`
}

// DoorStatement is the anchor's signed statement after a withdrawal on the LAN.
type DoorStatement struct {
	Statement string `json:"statement"`
}

// doorRounds makes one guess of a code cost about 50 ms: 2^40 codes in the
// 120 s of its life are out of reach of whoever listens on the LAN.
const doorRounds = 200_000

// DoorProof shows knowledge of the one-time code without sending it, bound to
// the edge's key and to the request's exact bytes. Case, spaces and dashes of
// the code don't matter.
func DoorProof(code string, thingKey ed25519.PublicKey, request string) ([]byte, error) {
	code = strings.ToUpper(strings.NewReplacer(" ", "", "-", "").Replace(code))
	key, err := pbkdf2.Key(sha256.New, code, append([]byte("primum door "), thingKey...), doorRounds, 32)
	if err != nil {
		return nil, fmt.Errorf("derive door proof: %w", err)
	}
	mac := hmac.New(sha256.New, key)
	_, _ = mac.Write([]byte(request)) // a hash never fails
	return mac.Sum(nil), nil
}

// Fingerprint is the 128-bit fingerprint of a thing's key that labels and claim
// URLs carry: base64url of the first 16 bytes of its SHA-256.
func Fingerprint(thingKey ed25519.PublicKey) string {
	sum := sha256.Sum256(thingKey)
	return base64.RawURLEncoding.EncodeToString(sum[:16])
}

// ParseClaimURL splits "http://host:port#k=FINGERPRINT" into the door's base
// URL and the fingerprint.
func ParseClaimURL(s string) (base, fingerprint string, err error) {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return "", "", errors.New("a claim URL looks like http://192.168.1.7:8410#k=… ; copy it whole from the edge's terminal")
	}
	fingerprint, ok := strings.CutPrefix(u.Fragment, "k=")
	raw, err := base64.RawURLEncoding.DecodeString(fingerprint)
	if !ok || err != nil || len(raw) != 16 {
		return "", "", errors.New("the claim URL has no fingerprint (#k=…); copy it whole from the edge's terminal")
	}
	return u.Scheme + "://" + u.Host, fingerprint, nil
}
