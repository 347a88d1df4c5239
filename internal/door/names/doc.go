// Package namesdoor answers names over HTTP: /resolve, did:web documents, links
// in the CoRE format, and personal things by their random labels. Source:
// docs/spec/names.md, RFC 6690, did:web.
package namesdoor
