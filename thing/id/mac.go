package id

import (
	"encoding/hex"
	"strings"
)

// parseMAC reads an EUI-48 or EUI-64: with colons, dashes, in Cisco's groups,
// bare with a letter in it, or as urn:dev:mac (RFC 9039, 4.1). False when s
// does not look like one.
func parseMAC(s string) (ID, *Error, bool) {
	form, text, at := "mac", s, 0
	if rest, ok := cutFold(s, "urn:dev:mac:"); ok {
		form, text, at = "dev-urn", rest, len(s)-len(rest)
		if len(text) != 16 && len(text) != 12 || !hexadecimal(text) {
			return ID{}, refuse(at, "mac", Length, "16 hexadecimal digits are needed"), true
		}
	} else if text, ok = ungroup(s); !ok {
		return ID{}, nil, false
	}
	raw, err := hex.DecodeString(text)
	if err != nil {
		return ID{}, refuse(at, "mac", Letter, "not hexadecimal"), true
	}
	if len(raw) == 6 {
		raw = []byte{raw[0], raw[1], raw[2], 0xff, 0xfe, raw[3], raw[4], raw[5]}
	}
	return ID{kind: MAC, form: form, text: "urn:dev:mac:" + hex.EncodeToString(raw)}, nil, true
}

// ungroup takes the separators out of an address that is written in equal groups.
func ungroup(s string) (string, bool) {
	sep := strings.Trim(s, "0123456789abcdefABCDEF")
	switch {
	case sep == "":
		return s, (len(s) == 12 || len(s) == 16) && hexadecimal(s) && !digits(s)
	case len(s) != 17 && len(s) != 23 && len(s) != 14 && len(s) != 19:
		return "", false
	}
	groups, size := strings.Split(s, sep[:1]), 2
	if sep[0] == '.' {
		size = 4
	} else if sep[0] != ':' && sep[0] != '-' {
		return "", false
	}
	for _, g := range groups {
		if len(g) != size || !hexadecimal(g) {
			return "", false
		}
	}
	n := len(groups) * size
	return strings.Join(groups, ""), n == 12 || n == 16
}

func macForms(text string) []Form {
	h := strings.TrimPrefix(text, "urn:dev:mac:")
	forms := []Form{{"dev-urn", text}, {"eui-64", grouped(h, "-")}}
	if h[6:10] == "fffe" {
		h = h[:6] + h[10:]
		forms = append(forms, Form{"eui-48", grouped(h, "-")})
	}
	return append(forms, Form{"mac", grouped(h, ":")})
}

func grouped(h, sep string) string {
	var parts []string
	for ; len(h) > 1; h = h[2:] {
		parts = append(parts, h[:2])
	}
	return strings.Join(parts, sep)
}

func hexadecimal(s string) bool {
	for i := range len(s) {
		if nibble(s[i]) > 15 {
			return false
		}
	}
	return s != ""
}

// cutFold cuts a prefix in any case.
func cutFold(s, prefix string) (string, bool) {
	if len(s) < len(prefix) || !strings.EqualFold(s[:len(prefix)], prefix) {
		return s, false
	}
	return s[len(prefix):], true
}
