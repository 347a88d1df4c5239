// Package circle keeps the members and keys of one relation: the home circle
// of an edge (the anchor and the owner's clients) and one grant circle per
// grant (the anchor and the grantee's clients). Bytes come in, bytes go out;
// it knows no network.
//
// Three actors are persisted state machines. An Anchor is the thing's end and
// the only committer. A Member is a client of a person or a service. An Owner
// is a Member that also decides about homes of its own. Each lives in one
// locked directory. Inputs are method calls; what an actor wants done comes out
// as Effects, which a driver performs and answers by Done or Failed; what a
// person or program should know comes out as Events, taken by Ack. Both are
// derived from what is on disk: an actor persists before it lets anything be
// sent or shown, so that a crash at any instant repeats at most what is
// idempotent.
//
// This package is the API; internal/core holds what all actors share,
// internal/anchor, internal/member and internal/owner one actor each.
//
// The actors are safe for concurrent use. Source: docs/spec/circle.md.
package circle
