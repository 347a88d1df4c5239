package id

func parseElements(s string) (ID, *Error, bool) { return ID{}, nil, false }
func parseBare(s string) (ID, *Error, bool)     { return ID{}, nil, false }
func parseEPC(s string) (ID, *Error, bool)      { return ID{}, nil, false }

// parseNumber reads the digits below a bar code: a GTIN of 8, 12, 13 or 14.
func parseNumber(s string) (ID, *Error, bool) {
	n := len(s)
	if !digits(s) || n != 8 && n != 12 && n != 13 && n != 14 {
		return ID{}, nil, false
	}
	if err := find("01").check("01", fill(s)); err != nil {
		return ID{}, err.at(n - 14), true
	}
	id := FromKey(Key{[]AI{{"01", fill(s)}}})
	id.form = "gtin"
	return id, nil, true
}
