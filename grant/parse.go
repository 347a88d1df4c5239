package grant

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// ParseUntil reads the end of a grant as a person says it: a weekday ("sunday":
// the end of the next one, today's if it is still that day), today, tomorrow, a
// date (2026-12-01: its end) or an RFC 3339 time. Days are in now's zone; the
// end of a day is the midnight that follows it. The end must lie after now.
func ParseUntil(s string, now time.Time) (time.Time, error) {
	word := strings.ToLower(strings.TrimSpace(s))
	end, ok := untilWord(word, now)
	if !ok {
		if t, err := time.Parse(time.RFC3339, strings.TrimSpace(s)); err == nil {
			end, ok = t.Truncate(time.Second), true
		} else if d, err := time.ParseInLocation(time.DateOnly, word, now.Location()); err == nil {
			end, ok = endOfDay(d), true
		}
	}
	if !ok {
		return time.Time{}, fmt.Errorf("%q is not a day: say sunday, tomorrow, 2026-12-01 or a time like 2026-12-01T18:00:00Z", clip(s))
	}
	if !end.After(now) {
		return time.Time{}, fmt.Errorf("%q lies in the past", clip(s))
	}
	return end, nil
}

func untilWord(word string, now time.Time) (time.Time, bool) {
	switch word {
	case "today":
		return endOfDay(now), true
	case "tomorrow":
		return endOfDay(now.AddDate(0, 0, 1)), true
	}
	for d := time.Sunday; d <= time.Saturday; d++ {
		name := strings.ToLower(d.String())
		if word == name || word == name[:3] {
			ahead := (int(d) - int(now.Weekday()) + 7) % 7
			return endOfDay(now.AddDate(0, 0, ahead)), true
		}
	}
	return time.Time{}, false
}

// endOfDay is the midnight after t's day.
func endOfDay(t time.Time) time.Time {
	return time.Date(t.Year(), t.Month(), t.Day()+1, 0, 0, 0, 0, t.Location())
}

// ParseFor reads how long a grant lasts: 7d, 2w, 36h, 90m, 10s, or ISO 8601.
func ParseFor(s string) (Duration, error) {
	d, err := parseShort(s)
	if err != nil || d <= 0 {
		return 0, fmt.Errorf("%q is not a length of time: say 7d, 2w, 36h or P7D", clip(s))
	}
	return d, nil
}

// ParseEvery reads the grant's clock: 1m, 1h, 2s, 1d or ISO 8601; whole
// seconds, up to 31 days.
func ParseEvery(s string) (Duration, error) {
	d, err := parseShort(s)
	if err != nil || d <= 0 || d > maxEvery || !wholeSeconds(d) {
		return 0, fmt.Errorf("%q is not a rhythm: say 1m, 1h, 2s or PT1M; whole seconds, up to 31 days", clip(s))
	}
	return d, nil
}

// parseShort reads ISO 8601, or parts like 1h30m with the units w d h m s.
func parseShort(s string) (Duration, error) {
	s = strings.TrimSpace(s)
	if up := strings.ToUpper(s); strings.HasPrefix(up, "P") {
		return ParseDuration(up)
	}
	s = strings.ToLower(s)
	if n, err := strconv.Atoi(s); err == nil || n != 0 {
		return 0, fmt.Errorf("%q has no unit", clip(s))
	}
	at := strings.IndexAny(s, "hms")
	split := strings.LastIndexAny(s, "wd") + 1
	if at >= 0 && at < split {
		return 0, fmt.Errorf("%q is not a duration", clip(s))
	}
	iso := "P" + s[:split]
	if split < len(s) {
		iso += "T" + s[split:]
	}
	return ParseDuration(strings.ToUpper(iso))
}
