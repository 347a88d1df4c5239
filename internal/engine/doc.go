// Package engine is a person's client as a page uses it: a small set of methods
// with JSON in and out, and events. cmd/engine compiles it for browsers, where
// it runs in a worker; it knows no browser itself and is tested like any Go.
//
// What a method takes and gives stands in api.go; the types of the pages
// (TypeScript) are written from there. An Engine holds one account, or none
// yet. Whoever calls it is the person: it has no checks of its own beside those
// of client, circle and grant.
package engine
