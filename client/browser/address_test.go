package browser_test

import (
	"testing"

	"primum/client/browser"
)

func TestCarry(t *testing.T) {
	t.Parallel()
	page := browser.Origin{Base: "https://h.example"}
	lan := browser.Origin{Base: "http://127.0.0.1:8400", LAN: true}
	for _, c := range []struct {
		o          browser.Origin
		meant, ask string // ask empty: refused
	}{
		{page, "https://h.example/v1/live", "https://h.example/v1/live"},
		{page, "https://h.example:8443/v1/live", "https://h.example/via/h.example:8443/v1/live"},
		{page, "https://s.example/v1/circles/00/messages?after=3", "https://h.example/via/s.example/v1/circles/00/messages?after=3"},
		{page, "https://h.example.evil.example/v1", "https://h.example/via/h.example.evil.example/v1"},
		{page, "http://s.localhost:8402/.well-known/webfinger?resource=acct:a%40s", "https://h.example/via/s.localhost:8402/.well-known/webfinger?resource=acct:a%40s"},
		{lan, "http://192.168.1.7:8410/hello", "http://127.0.0.1:8400/via-lan/192.168.1.7:8410/hello"},
		{page, "https://user@s.example/v1", ""},
		{page, "https://s.example/v1/../../admin", ""},
		{page, "https://s.example/v1/%2E%2e/admin", ""},
		{page, "https://s.example\\@h.example/v1", ""},
		{page, "https://s.example/v1#x", ""},
		{page, "https://s.example/v1/\u202e", ""},
		{page, "ftp://s.example/v1", ""},
		{page, "//s.example/v1", ""},
		{page, "https:///v1", ""},
		{page, "", ""},
	} {
		got, err := c.o.Carry(c.meant)
		if got != c.ask || (err != nil) != (c.ask == "") {
			t.Errorf("%s: %q, %v, want %q", c.meant, got, err, c.ask)
		}
	}
}
