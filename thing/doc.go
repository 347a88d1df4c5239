// Package thing holds the names of things and their affordances, the part of
// the W3C WoT Thing Description 1.1 that Primum uses, and the check of a value
// against its description. It knows no protocol, no network and no storage.
//
// A description is decoded openly: members that are not known here are kept
// and written back. Everything that a decoder here takes is bounded in size,
// depth and number of affordances, because descriptions come from brokers and
// circles, that is, from others.
package thing
