// Package notary writes a node's two transparency logs, public facts and
// commitments, with Tessera (C2SP tlog-tiles), serves them, and witnesses
// those of neighbours (C2SP tlog-witness). Formats and verification are in
// package ledger; docs/spec/ledger.md.
//
// Nothing is signed that does not continue what was signed before: every
// checkpoint is computed anew from the tiles on disk and compared with the last
// one. Commitments leave on a fixed clock, filled up with dummies, so that the
// growth of the log says nothing about anyone's day.
package notary
