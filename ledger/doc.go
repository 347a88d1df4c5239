// Package ledger holds the formats of a node's public logs and their verification:
// entries, leaves, checkpoints, proofs, receipts, promises, witnesses. It writes
// nothing and needs no network of its own, so that it also runs in a browser.
//
// A node keeps two logs. The public one holds facts about the organisation that
// runs it, one JSON line each (Entry). The other one holds commitments: 32 bytes
// a leaf that say nothing to who does not hold the key (Leaf). Both are C2SP
// tlog-tiles logs; their checkpoints are signed notes that other nodes cosign.
//
// Source: docs/spec/ledger.md; C2SP signed-note, tlog-tiles, tlog-checkpoint,
// tlog-proof, tlog-cosignature, tlog-witness; RFC 6962 §2.1; L12.
package ledger
