// Package resolve answers a name, or refers to the node that can (L9).
//
// What it says below the level of a class never tells whether an individual
// thing is unknown, was opted out, or belongs to a person: the three take the
// same path, with the same reads, to the same answer. Source: docs/spec/names.md.
package resolve
