// Package resolver follows a name from ordinary DNS and HTTPS to what it names,
// from node to node where one refers to another, and keeps each step. It needs
// no account and tells nobody who asks.
package resolver
