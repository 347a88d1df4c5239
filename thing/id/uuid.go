package id

import (
	"encoding/hex"
	"math/big"
	"strings"
)

// parseUUID reads a UUID (RFC 9562): as urn:uuid, with dashes, in braces,
// or as the object identifier 2.25. False when s does not look like one.
func parseUUID(s string) (ID, *Error, bool) {
	if rest, ok := cutFold(s, "urn:oid:2.25."); ok {
		id, err := fromOID(rest)
		return id, err.at(len(s) - len(rest)), true
	}
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

// fromOID reads the number of a UUID (ITU-T X.667).
func fromOID(text string) (ID, *Error) {
	n, ok := new(big.Int).SetString(text, 10)
	if len(text) > 39 || !digits(text) || !ok || n.BitLen() > 128 {
		return ID{}, refuse(0, "uuid", Value, "a number below 2 to the power 128 is needed")
	}
	h := hex.EncodeToString(n.FillBytes(make([]byte, 16)))
	h = strings.Join([]string{h[:8], h[8:12], h[12:16], h[16:20], h[20:]}, "-")
	return ID{kind: UUID, form: "oid", text: "urn:uuid:" + h}, nil
}

func uuidForms(text string) []Form {
	bare := strings.TrimPrefix(text, "urn:uuid:")
	n := new(big.Int)
	if raw, err := hex.DecodeString(strings.ReplaceAll(bare, "-", "")); err == nil {
		n.SetBytes(raw)
	}
	return []Form{{"uuid-urn", text}, {"uuid", bare}, {"oid", "urn:oid:2.25." + n.String()}}
}
