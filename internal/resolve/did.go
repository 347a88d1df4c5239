package resolve

import (
	"crypto/ed25519"
	"encoding/base64"
	"net/url"
	"strings"

	"primum/internal/wire"
)

// DIDType is the media type of a DID document (DID Core 1.0 §6.3).
const DIDType = "application/did+ld+json"

// DID is the did:web of an authority: a port's colon is escaped, a path's
// slashes are colons (did:web, §3.1).
func DID(authority string) string { return "did:web:" + url.QueryEscape(authority) }

// DIDOf is the did:web of a thing by its label.
func DIDOf(authority, label string) string {
	return DID(authority) + strings.ReplaceAll(wire.LabelPrefix, "/", ":") + label
}

// Document is a DID document, the part of it that a node publishes.
type Document struct {
	Context      []string  `json:"@context"`
	ID           string    `json:"id"`
	Controller   string    `json:"controller,omitempty"`
	AlsoKnownAs  []string  `json:"alsoKnownAs,omitempty"`
	Verification []Method  `json:"verificationMethod,omitempty"`
	Assertion    []string  `json:"assertionMethod,omitempty"`
	Services     []Service `json:"service,omitempty"`
}

// Method is a public key of a document.
type Method struct {
	ID         string `json:"id"`
	Type       string `json:"type"`
	Controller string `json:"controller"`
	JWK        JWK    `json:"publicKeyJwk"`
}

// JWK is an Ed25519 key (RFC 8037 §2).
type JWK struct {
	Kty string `json:"kty"`
	Crv string `json:"crv"`
	X   string `json:"x"`
}

// Service is where something of the subject is.
type Service struct {
	ID       string `json:"id"`
	Type     string `json:"type"`
	Endpoint string `json:"serviceEndpoint"`
}

// NodeDocument is the document of the node itself: its key and its services.
func NodeDocument(authority, base, keyName string, key ed25519.PublicKey) Document {
	did := DID(authority)
	method := did + "#" + keyName
	return Document{
		Context: []string{"https://www.w3.org/ns/did/v1", "https://w3id.org/security/suites/jws-2020/v1"},
		ID:      did, AlsoKnownAs: []string{base + "/"},
		Verification: []Method{{
			ID: method, Type: "JsonWebKey2020", Controller: did,
			JWK: JWK{Kty: "OKP", Crv: "Ed25519", X: base64.RawURLEncoding.EncodeToString(key)},
		}},
		Assertion: []string{method},
		Services: []Service{
			{did + "#resolve", "PrimumResolver", base + wire.ResolvePath},
			{did + "#directory", "WotDirectory", base + "/.well-known/wot"}, // W3C WoT Discovery, DID documents
			{did + "#gs1", "GS1Resolver", base + "/.well-known/gs1resolver"},
		},
	}
}

// LabelDocument is the document of a thing by its label: where its page is, and
// nothing that tells whose it is or what else it is called.
func LabelDocument(authority, base, label string) Document {
	did := DIDOf(authority, label)
	return Document{
		Context: []string{"https://www.w3.org/ns/did/v1"}, ID: did, Controller: DID(authority),
		Services: []Service{{did + "#page", "LinkedDomains", base + wire.LabelPrefix + label}},
	}
}
