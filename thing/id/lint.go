package id

// lint applies one of the dictionary's rules to a component.
func lint(rule, code, text string) *Error {
	switch rule {
	case "csum":
		if text[len(text)-1] != checkDigit(text[:len(text)-1]) {
			return refuse(len(text)-1, code, Checksum, "the check digit is %c, not %c", checkDigit(text[:len(text)-1]), text[len(text)-1])
		}
	case "gcppos1":
		return prefix(code, text, 0)
	case "gcppos2":
		return prefix(code, text, 1)
	}
	return nil
}

// checkDigit is the last digit of a GS1 key (General Specifications, 7.9.1).
func checkDigit(s string) byte {
	sum := 0
	for i := range len(s) {
		weight := 3
		if (len(s)-i)%2 == 0 {
			weight = 1
		}
		sum += weight * int(s[i]-'0')
	}
	return byte('0' + (10-sum%10)%10)
}

// prefix checks that a GS1 company prefix, at least four digits, begins at from.
func prefix(code, text string, from int) *Error {
	for i := from; i < from+4; i++ {
		if i >= len(text) || text[i] < '0' || text[i] > '9' {
			return refuse(min(i, len(text)), code, Prefix, "a GS1 company prefix begins with four digits at least")
		}
	}
	return nil
}
