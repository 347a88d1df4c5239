package id

import "strings"

const hexDigits = "0123456789ABCDEF"

// escape writes a value as a path segment or a query member: what is not
// unreserved (RFC 3986, 2.3) is percent-encoded, so that a value has one form.
func escape(b *strings.Builder, value string) {
	for i := range len(value) {
		c := value[i]
		if unreserved(c) {
			b.WriteByte(c)
			continue
		}
		b.Write([]byte{'%', hexDigits[c>>4], hexDigits[c&15]})
	}
}

func unreserved(c byte) bool {
	return alphanumeric(c) || c == '-' || c == '.' || c == '_' || c == '~'
}

// unescape decodes once. Escaped control characters and broken escapes are refused.
func unescape(s, part string) (string, *Error) {
	if strings.IndexByte(s, '%') < 0 {
		return s, nil
	}
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] != '%' {
			out = append(out, s[i])
			continue
		}
		if i+2 >= len(s) || nibble(s[i+1]) > 15 || nibble(s[i+2]) > 15 {
			return "", refuse(i, part, Escape, "two hexadecimal digits must follow %%")
		}
		c := nibble(s[i+1])<<4 | nibble(s[i+2])
		if c < ' ' || c == 0x7f {
			return "", refuse(i, part, Escape, "an escaped control character")
		}
		out = append(out, c)
		i += 2
	}
	return string(out), nil
}

// nibble is the value of a hexadecimal digit, 255 for none.
func nibble(c byte) byte {
	switch {
	case c >= '0' && c <= '9':
		return c - '0'
	case c >= 'A' && c <= 'F':
		return c - 'A' + 10
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10
	}
	return 255
}
