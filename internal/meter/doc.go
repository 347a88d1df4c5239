// Package meter counts what organisations use of a node, in sums by the hour and
// by the organisation's domain, and keeps their quotas. It counts no person: an
// Organisation is made of an identity document that says so, and of nothing
// else. It counts no right: on a context that is marked as one it refuses
// (ErrRight). The set of meters is closed: no other package can make one. All
// that is counted stands in the catalogue, whose hash is in the public log.
//
// Sums are added to in memory and kept every few seconds: a crash forgets the
// last of them, in the organisations' favour. Source: L11, design of the ledger
// ("Rights are never metered").
package meter
