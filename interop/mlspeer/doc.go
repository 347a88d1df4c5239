// Package mlspeer lets implementations of MLS (RFC 9420) meet: each runs as a
// process that speaks JSON lines on stdin and stdout and hosts members of
// groups; the tests of this package seat them in groups of four and print who
// understands whom.
//
// There are three drivers: ours (primum/mls), mls-go (another Go module) and
// ts-mls (ts/peer.mjs on Node.js). What an implementation needs beside its
// public calls is written at the driver and in docs/interop.md; ours gets no
// help.
package mlspeer
