package thing

import "strings"

// Unit writes a unit as the SI brochure does where devices write it in a
// known other way ("Hours", "m3", "º C"), so that a request for "h" or "m³"
// finds it. Unknown units stay as they are.
func Unit(s string) string {
	s = strings.Map(func(r rune) rune {
		switch r {
		case 'μ': // GREEK SMALL LETTER MU
			return 'µ' // MICRO SIGN
		case '\u00a0':
			return ' '
		}
		return r
	}, strings.TrimSpace(s))
	switch strings.TrimSuffix(s, ".") {
	case "sec", "Sec", "second", "seconds", "Seconds", "S":
		return "s"
	case "minute", "minutes", "min":
		return "min"
	case "hour", "hours", "Hours", "Hr", "H":
		return "h"
	case "day", "days", "Day":
		return "d"
	case "C", "℃", "ºC", "° C":
		return "°C"
	case "F", "℉", "ºF":
		return "°F"
	case "lux", "Lx":
		return "lx"
	case "meters":
		return "m"
	case "w", "watt", "Watt":
		return "W"
	case "volt", "Volt":
		return "V"
	case "VAR", "VAr":
		return "var"
	case "VArh":
		return "varh"
	case "kVArh":
		return "kvarh"
	case "liter", "litre", "l":
		return "L"
	case "m3":
		return "m³"
	case "m3/h":
		return "m³/h"
	case "ug/m3", "µg/m3":
		return "µg/m³"
	}
	return s
}
