// Package notary writes a node's two transparency logs, public facts and
// commitments, with Tessera (C2SP tlog-tiles), serves them, and witnesses
// those of neighbours (C2SP tlog-witness). Formats and verification are in
// package ledger.
package notary

import (
	_ "github.com/transparency-dev/formats/log"
	_ "github.com/transparency-dev/merkle/compact"
	_ "github.com/transparency-dev/tessera"
	_ "github.com/transparency-dev/tessera/storage/posix"
	_ "golang.org/x/mod/sumdb/note"
)
