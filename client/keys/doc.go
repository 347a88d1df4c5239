// Package keys makes and changes the keys of an account, without a disk and
// without a network: the identity key and what wraps it, the keys of one
// client, and the next identity document. client/vault keeps them in files,
// the engine of the pages in the browser.
//
// The identity key is wrapped under secrets of high entropy only: a recovery
// phrase of twelve words, and the PRF output of passkeys. The wrapped copies
// are the Keep, one JSON document that may lie open (docs/spec/keep.md).
package keys
