package codec_test

import (
	"bytes"
	"testing"

	"primum/mls/internal/codec"
	"primum/mls/internal/vectors"
)

// TestVectors runs deserialization.json of the working group.
// RFC 9420 §2.1.2 M1
func TestVectors(t *testing.T) {
	t.Parallel()
	type row struct {
		Header vectors.Hex `json:"vlbytes_header"`
		Length uint32
	}
	vectors.Each(t, "deserialization", func(t *testing.T, i int, row row) bool {
		r := codec.NewReader(row.Header)
		if got := r.Varint(); got != row.Length || r.Close() != nil {
			t.Errorf("row %d: length %d, want %d, error %v", i, got, row.Length, r.Err())
		}
		got := codec.AppendVarint(nil, int(row.Length))
		if !bytes.Equal(got, row.Header) || codec.VarintLen(int(row.Length)) != len(row.Header) {
			t.Errorf("row %d: encoded %x, want %x", i, got, row.Header)
		}
		return true
	})
}
