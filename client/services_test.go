package client_test

import (
	"testing"

	"primum/client"
)

func TestServiceNames(t *testing.T) {
	t.Parallel()
	for in, want := range map[string][2]string{
		"h.example/advice":                                 {"h.example", "advice"},
		" https://h.example/services/advice ":              {"h.example", "advice"},
		"https://h.example/v1/services/water-advice":       {"h.example", "water-advice"},
		"http://h.localhost:8401/services/advice?at=a%40b": {"h.localhost:8401", "advice"},
		"h.example": {}, "h.example/": {}, "h.example/A b": {}, "https://h.example/": {}, "https://h.example/x/advice": {}, "//advice": {}, "h.example/-a": {},
		"https://user@h.example:8443/services/advice": {}, "": {},
	} {
		authority, name, err := client.ParseServiceName(in)
		if (err == nil) != (want[0] != "") || err == nil && (authority != want[0] || name != want[1]) {
			t.Errorf("%q: %q %q %v", in, authority, name, err)
		}
	}
}
