// Package keys makes and changes the keys of an account, without a disk: the
// identity key and what wraps it, the keys of one client, and the next identity
// document. client/vault keeps them in files, the engine of the pages in the
// browser.
package keys
