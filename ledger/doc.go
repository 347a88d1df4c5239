// Package ledger holds the formats of a node's public logs and their verification:
// entries, checkpoints, proofs, receipts, witnesses. It writes nothing and needs
// no network of its own, so that it also runs in a browser.
//
// Sources: C2SP tlog-tiles, tlog-checkpoint, tlog-proof, tlog-cosignature; L12.
package ledger
