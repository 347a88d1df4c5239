package ledger

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
)

// MaxReceipt is the longest receipt that is read, in bytes.
const MaxReceipt = 128 << 10

const (
	receiptHead = "c2sp.org/tlog-proof@v1"
	maxHashes   = 63
	maxExtra    = 8 << 10 // bytes, decoded
)

// Receipt proves offline that an entry stands in a log (C2SP tlog-proof).
type Receipt struct {
	Extra      []byte     // opaque, not authenticated; nil if absent
	Index      uint64     // of the entry
	Hashes     [][32]byte // inclusion proof, from the leaf's sibling up
	Checkpoint string     // the signed note, with its cosignatures
}

// Text is the receipt as a file (".tlog-proof").
func (r Receipt) Text() []byte {
	var b bytes.Buffer
	b.WriteString(receiptHead + "\n")
	if len(r.Extra) > 0 {
		b.WriteString("extra " + base64.StdEncoding.EncodeToString(r.Extra) + "\n")
	}
	b.WriteString("index " + strconv.FormatUint(r.Index, 10) + "\n")
	writeHashes(&b, r.Hashes)
	b.WriteString("\n" + r.Checkpoint)
	return b.Bytes()
}

// ParseReceipt reads a receipt. It checks the form alone; Verify checks what
// it says.
func ParseReceipt(text []byte) (r Receipt, err error) {
	if len(text) > MaxReceipt {
		return r, fmt.Errorf("%w receipt: longer than %d bytes", ErrMalformed, MaxReceipt)
	}
	rest, ok := strings.CutPrefix(string(text), receiptHead+"\n")
	if !ok {
		return r, fmt.Errorf("%w receipt: it must begin with %s", ErrMalformed, receiptHead)
	}
	if extra, ok := strings.CutPrefix(rest, "extra "); ok {
		extra, rest, _ = strings.Cut(extra, "\n")
		r.Extra, err = base64.StdEncoding.Strict().DecodeString(extra)
		if err != nil || len(r.Extra) == 0 || len(r.Extra) > maxExtra {
			return r, fmt.Errorf("%w receipt: extra", ErrMalformed)
		}
	}
	index, rest, ok := strings.Cut(rest, "\n")
	number, named := strings.CutPrefix(index, "index ")
	if !ok || !named {
		return r, fmt.Errorf("%w receipt: index is missing", ErrMalformed)
	}
	if r.Index, err = parseSize(number); err != nil {
		return r, err
	}
	r.Hashes, r.Checkpoint, err = readHashes(rest)
	return r, err
}

// writeHashes writes one hash a line.
func writeHashes(b *bytes.Buffer, hashes [][32]byte) {
	for _, h := range hashes {
		b.WriteString(base64.StdEncoding.EncodeToString(h[:]) + "\n")
	}
}

// readHashes reads lines of hashes up to an empty one; rest is what follows it.
func readHashes(text string) (hashes [][32]byte, rest string, err error) {
	for {
		line, after, ok := strings.Cut(text, "\n")
		if !ok || len(hashes) > maxHashes {
			return nil, "", fmt.Errorf("%w proof: an empty line is missing", ErrMalformed)
		}
		if line == "" {
			return hashes, after, nil
		}
		h, err := parseHash(line)
		if err != nil {
			return nil, "", err
		}
		hashes, text = append(hashes, h), after
	}
}

// Verify checks that the log signed a tree in which the entry stands, and says
// which. The entry is the bytes as logged: a leaf of 32 bytes or a JSON line.
func (r Receipt) Verify(entry []byte, log Log, witnesses ...Witness) (Checkpoint, error) {
	c, err := OpenCheckpoint([]byte(r.Checkpoint), log, witnesses...)
	if err != nil {
		return Checkpoint{}, err
	}
	if r.Index >= c.Size {
		return Checkpoint{}, fmt.Errorf("%w: index %d of a tree of %d", ErrProof, r.Index, c.Size)
	}
	if err := Inclusion(r.Index, c.Size, LeafHash(entry), r.Hashes, c.Root); err != nil {
		return Checkpoint{}, err
	}
	return c, nil
}
