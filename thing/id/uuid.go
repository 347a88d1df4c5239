package id

import (
	"encoding/hex"
	"math/big"
	"strings"
)

// parseUUID reads a UUID (RFC 9562): as urn:uuid, with dashes, in braces.
// False when s does not look like one.
func parseUUID(s string) (ID, *Error, bool) {
	form, text := "uuid", s
	if rest, ok := cutFold(s, "urn:uuid:"); ok {
		form, text = "uuid-urn", rest
	} else if strings.HasPrefix(s, "{") && strings.HasSuffix(s, "}") {
		text = s[1 : len(s)-1]
	}
	if len(text) != 36 || text[8] != '-' || text[13] != '-' || text[18] != '-' || text[23] != '-' {
		if form == "uuid-urn" {
			return ID{}, refuse(len(s)-len(text), "uuid", Length, "a UUID has 32 hexadecimal digits in five groups"), true
		}
		return ID{}, nil, false
	}
	if h := strings.ReplaceAll(text, "-", ""); len(h) != 32 || !hexadecimal(h) {
		return ID{}, refuse(strings.Index(s, text), "uuid", Letter, "a UUID has hexadecimal digits only"), true
	}
	return ID{kind: UUID, form: form, text: "urn:uuid:" + strings.ToLower(text)}, nil, true
}

func uuidForms(text string) []Form {
	bare := strings.TrimPrefix(text, "urn:uuid:")
	n := new(big.Int)
	if raw, err := hex.DecodeString(strings.ReplaceAll(bare, "-", "")); err == nil {
		n.SetBytes(raw)
	}
	return []Form{{"uuid-urn", text}, {"uuid", bare}, {"oid", "urn:oid:2.25." + n.String()}}
}
