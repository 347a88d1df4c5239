// Package operator is the page of those who run a node: health, accounts,
// invitations, storage, and the log of what administrators did. Never content:
// a node has none.
//
// Operators log in with a passkey (WebAuthn) that they registered at a one-time
// address from `primum operator add`. An auditor reads, a publisher may also
// take public pages down, an admin may do all there is. Whatever is done stands
// in a log that only grows.
package operator
