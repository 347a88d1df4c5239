package id

import "strings"

// lint applies one of the dictionary's rules to a component. Rules that need a
// list of others (countries, currencies, packages, coupons, bank accounts) are
// not applied: they concern what is said beside a name, never the name.
func lint(rule, code, text string) *Error {
	switch rule {
	case "csum":
		return checksum(code, text)
	case "csumalpha":
		return checkPair(code, text)
	case "gcppos1":
		return prefix(code, text, 0)
	case "gcppos2":
		return prefix(code, text, 1)
	case "pcenc":
		_, err := unescape(text, code)
		return err
	}
	if ok, known := test(rule, text); known && !ok {
		return refuse(0, code, Value, "%q is out of its range here (%s)", shorten(text), rule)
	}
	return nil
}

// test answers the rules that are a yes or a no.
func test(rule, text string) (ok, known bool) {
	switch rule {
	case "yymmdd", "yymmd0":
		return date(text[:2], text[2:4], text[4:], rule == "yymmd0"), true
	case "yyyymmdd":
		return date(text[:4], text[4:6], text[6:], false), true
	case "hhmi":
		return text[:2] < "24" && text[2:] < "60", true
	case "hh":
		return text < "24", true
	case "mi", "ss":
		return text < "60", true
	case "zero":
		return strings.Trim(text, "0") == "", true
	case "nonzero":
		return strings.Trim(text, "0") != "", true
	case "nozeroprefix":
		return text == "0" || text[0] != '0', true
	case "hasnondigit":
		return !digits(text), true
	case "importeridx":
		return only(text, base64url), true
	case "hyphen":
		return text == "-", true
	case "yesno":
		return text <= "1", true
	case "winding":
		return text <= "1" || text == "9", true
	case "iso5218":
		return text <= "2" || text == "9", true
	case "pieceoftotal":
		return text[:2] != "00" && text[2:] != "00" && text[:2] <= text[2:], true
	case "latitude":
		return text <= "1800000000", true
	case "longitude":
		return text <= "3600000000", true
	}
	return false, false
}

// date knows the length of each month; "00" may stand for its last day.
func date(year, month, day string, open bool) bool {
	if month < "01" || month > "12" {
		return false
	}
	if day == "00" {
		return open
	}
	last := "31"
	switch month {
	case "04", "06", "09", "11":
		last = "30"
	case "02":
		last = "28"
		if leap(year) {
			last = "29"
		}
	}
	return day <= last
}

// leap is true for a two-digit year that may be one: 00 is 2000.
func leap(year string) bool {
	n := 0
	for i := range len(year) {
		n = n*10 + int(year[i]-'0')
	}
	return n%4 == 0 && (n%100 != 0 || n%400 == 0)
}

func checksum(code, text string) *Error {
	last := len(text) - 1
	if want := checkDigit(text[:last]); text[last] != want {
		return wrongCheck(last, code, string(want), text[last:])
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

const (
	// order82 is character set 82 in the order of its values (General Specifications, 7.9.5).
	order82   = "!\"%&'()*+,-./0123456789:;<=>?ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz"
	pairChars = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
)

// checkPair checks the two characters at the end of a model number (7.9.5).
func checkPair(code, text string) *Error {
	n := len(text) - 2
	if n < 1 {
		return refuse(0, code, Length, "too short for its check characters")
	}
	if want := checkCharacters(text[:n]); text[n:] != want {
		return wrongCheck(n, code, want, text[n:])
	}
	return nil
}

func wrongCheck(at int, code, want, is string) *Error {
	err := refuse(at, code, Checksum, "the check digit or characters are %s, not %s", want, is)
	err.Want = want
	return err
}

func checkCharacters(s string) string {
	primes := [...]int{2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83}
	sum := 0
	for i := range min(len(s), len(primes)) {
		sum += strings.IndexByte(order82, s[len(s)-1-i]) * primes[i]
	}
	sum %= 1021
	return string([]byte{pairChars[sum>>5], pairChars[sum&31]})
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
