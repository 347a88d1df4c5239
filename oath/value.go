package oath

import (
	"strconv"
	"time"
)

// Value is a number, a duration, a yes or no, or a text.
type Value struct {
	kind kind
	n    int64
	s    string
}

type kind uint8

const (
	kindNumber kind = iota + 1
	kindDuration
	kindBool
	kindText
)

// Number makes a whole number.
func Number[T int | int64 | uint64](n T) Value { return Value{kind: kindNumber, n: int64(n)} }

// Duration makes a duration.
func Duration(d time.Duration) Value { return Value{kind: kindDuration, n: int64(d)} }

// Yes makes a yes or a no.
func Yes(b bool) Value {
	if b {
		return Value{kind: kindBool, n: 1}
	}
	return Value{kind: kindBool}
}

// Text makes a text.
func Text(s string) Value { return Value{kind: kindText, s: s} }

// String is the value as a clause file writes it.
func (v Value) String() string {
	switch v.kind {
	case kindNumber:
		return strconv.FormatInt(v.n, 10)
	case kindDuration:
		return time.Duration(v.n).String()
	case kindBool:
		if v.n == 1 {
			return "yes"
		}
		return "no"
	}
	return v.s
}

// float is a number as it is, a duration in milliseconds.
func (v Value) float() float64 {
	if v.kind == kindDuration {
		return float64(v.n) / float64(time.Millisecond)
	}
	return float64(v.n)
}

func (v Value) unit() string {
	if v.kind == kindDuration {
		return "ms"
	}
	return ""
}
