package codec

import (
	"encoding/hex"
	"testing"
)

func TestVarintRefuses(t *testing.T) {
	t.Parallel()
	for name, in := range map[string]string{
		"prefix 0b11":    "c000000000000000", // RFC 9420 §2.1.2 M3
		"not minimal, 2": "4001",             // RFC 9420 §2.1.2 M2
		"not minimal, 4": "80000040",
		"short":          "80",
		"empty":          "",
	} {
		b, _ := hex.DecodeString(in)
		r := NewReader(b)
		if r.Varint(); r.Err() == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// RFC 9420 §2.1.2 S1
func TestReaderStopsAtFirstError(t *testing.T) {
	t.Parallel()
	r := NewReader([]byte{5, 1, 2})
	if b := r.Bytes(); b != nil || r.Err() == nil {
		t.Fatalf("a vector longer than the input gave %x, %v", b, r.Err())
	}
	if r.U8() != 0 || r.U64() != 0 || r.Optional() || !r.Empty() {
		t.Error("a failed reader went on reading")
	}
}
