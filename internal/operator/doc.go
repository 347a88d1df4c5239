// Package operator is the page of those who run a node: health, accounts,
// invitations, storage, and the log of what administrators did. Never content:
// a node has none.
package operator
