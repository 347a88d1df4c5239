package portal

import "time"

// setting is something that the program enforces, in the visitor's words.
type setting struct{ Label, Value string }

// settingNames are those that have words, in the order in which they are shown.
func settingNames() []string {
	return []string{"messages-kept-at-most", "usage-kept", "ledger-every", "accounts", "closed-names", "thing-labels"}
}

// settings are the known ones of a policy; others stand in the document only.
func settings(all map[string]string, say func(string, ...any) string) (out []setting) {
	for _, name := range settingNames() {
		value, there := all[name]
		if !there {
			continue
		}
		if d, err := time.ParseDuration(value); err == nil {
			value = span(d, say)
		} else if value == "open" || value == "by-invitation" || value == "never-given-again" || value == "random-changed-with-owner" {
			value = say("facts.value." + value)
		}
		out = append(out, setting{say("facts.setting." + name), clean(value)})
	}
	return out
}

// span is a time in the largest unit that it is whole in.
func span(d time.Duration, say func(string, ...any) string) string {
	for _, unit := range []struct {
		id string
		of time.Duration
	}{{"day", 24 * time.Hour}, {"hour", time.Hour}, {"minute", time.Minute}} {
		if d >= unit.of && d%unit.of == 0 {
			return say("facts.span."+unit.id, "N", int64(d/unit.of))
		}
	}
	return say("facts.span.second", "N", int64(d/time.Second))
}
