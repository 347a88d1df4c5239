package grant

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Duration is a length of time, written in ISO 8601 with weeks, days, hours,
// minutes and seconds (P7D, PT1M, PT0.5S). Months and years have no fixed
// length and are refused. Never negative.
type Duration time.Duration

// Day and Week are lengths, not dates: 24 hours and seven times that.
const (
	Day  = Duration(24 * time.Hour)
	Week = 7 * Day
)

// D is the duration for arithmetic.
func (d Duration) D() time.Duration { return time.Duration(d) }

// String is the canonical ISO 8601 form: PnDTnHnMnS without zero parts.
func (d Duration) String() string {
	if d <= 0 {
		return "PT0S"
	}
	var b strings.Builder
	b.WriteByte('P')
	if days := d / Day; days > 0 {
		fmt.Fprintf(&b, "%dD", days)
	}
	rest := time.Duration(d % Day)
	if rest == 0 {
		return b.String()
	}
	b.WriteByte('T')
	if h := rest / time.Hour; h > 0 {
		fmt.Fprintf(&b, "%dH", h)
	}
	if m := rest % time.Hour / time.Minute; m > 0 {
		fmt.Fprintf(&b, "%dM", m)
	}
	if s := rest % time.Minute; s > 0 {
		b.WriteString(strconv.FormatFloat(s.Seconds(), 'f', -1, 64) + "S")
	}
	return b.String()
}

// MarshalText writes String.
func (d Duration) MarshalText() ([]byte, error) {
	if d < 0 {
		return nil, errors.New("a duration can't be negative")
	}
	return []byte(d.String()), nil
}

// UnmarshalText reads ISO 8601.
func (d *Duration) UnmarshalText(text []byte) error {
	v, err := ParseDuration(string(text))
	if err != nil {
		return err
	}
	*d = v
	return nil
}

// ParseDuration reads ISO 8601 (see Duration); each part at most once, in
// order, and at most about 292 years in all.
func ParseDuration(s string) (Duration, error) {
	bad := fmt.Errorf("%q is not a duration like PT1M or P7D", clip(s))
	rest, ok := strings.CutPrefix(s, "P")
	if !ok || len(s) > 64 {
		return 0, bad
	}
	date, clock, hasTime := strings.Cut(rest, "T")
	if hasTime && clock == "" || date == "" && clock == "" {
		return 0, bad
	}
	total, ok := sumParts(0, date, "WD", []Duration{Week, Day})
	if ok {
		total, ok = sumParts(total, clock, "HMS",
			[]Duration{Duration(time.Hour), Duration(time.Minute), Duration(time.Second)})
	}
	if !ok {
		return 0, bad
	}
	return total, nil
}

// sumParts adds parts like 1H30M; units must come in order, each once.
func sumParts(total Duration, s, units string, sizes []Duration) (Duration, bool) {
	for s != "" {
		end := strings.IndexAny(s, units)
		if end <= 0 {
			return 0, false
		}
		at := strings.IndexByte(units, s[end])
		part, ok := times(s[:end], sizes[at], s[end] == 'S')
		if !ok || part > math.MaxInt64-total {
			return 0, false
		}
		total += part
		s, units, sizes = s[end+1:], units[at+1:], sizes[at+1:]
		if units == "" && s != "" {
			return 0, false
		}
	}
	return total, true
}

// times is digits × size; seconds may have a fraction of up to nine digits.
func times(digits string, size Duration, fraction bool) (Duration, bool) {
	whole, frac, point := strings.Cut(digits, ".")
	if point && (!fraction || frac == "" || len(frac) > 9) || whole == "" {
		return 0, false
	}
	if strings.Trim(whole+frac, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.ParseInt(whole, 10, 64)
	if err != nil || n > int64(math.MaxInt64/size) {
		return 0, false
	}
	total := Duration(n) * size
	if point {
		nanos, _ := strconv.ParseInt((frac + "000000000")[:9], 10, 64)
		if Duration(nanos) > math.MaxInt64-total {
			return 0, false
		}
		total += Duration(nanos)
	}
	return total, true
}

// Interval is from … until, half-open, written as an ISO 8601 interval of two
// times in UTC with whole seconds.
type Interval struct {
	From, Until time.Time
}

// Contains tells whether t lies in the interval.
func (i Interval) Contains(t time.Time) bool { return !t.Before(i.From) && t.Before(i.Until) }

// String is from/until.
func (i Interval) String() string {
	return i.From.UTC().Format(time.RFC3339) + "/" + i.Until.UTC().Format(time.RFC3339)
}

// MarshalText writes String.
func (i Interval) MarshalText() ([]byte, error) { return []byte(i.String()), nil }

// UnmarshalText reads what MarshalText wrote, and only that form.
func (i *Interval) UnmarshalText(text []byte) error {
	bad := errors.New("not an interval like 2026-11-22T14:00:00Z/2026-11-29T14:00:00Z")
	from, until, ok := strings.Cut(string(text), "/")
	if !ok || len(text) > 64 {
		return bad
	}
	var v Interval
	var err error
	if v.From, err = time.Parse(time.RFC3339, from); err != nil {
		return bad
	}
	if v.Until, err = time.Parse(time.RFC3339, until); err != nil || v.String() != string(text) {
		return bad
	}
	v.From, v.Until = v.From.UTC(), v.Until.UTC()
	*i = v
	return nil
}

// clip bounds what an error repeats of foreign text.
func clip(s string) string {
	if len(s) > 60 {
		return strings.ToValidUTF8(s[:60], "") + "…"
	}
	return s
}
