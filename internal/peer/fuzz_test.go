package peer

import (
	"net/http"
	"strings"
	"testing"

	"primum/identity"
	"primum/internal/wire"
)

// FuzzIdentityPath: whatever WebFinger answers, the next question stays at the
// account's own host.
func FuzzIdentityPath(f *testing.F) {
	for _, href := range []string{
		"http://s.localhost:8401/v1/identity/friend", "https://s.localhost:8401/x", "//s.localhost:8401/x", "http://s.localhost:8401@evil.example/",
		"http://evil.example/", "http://u:p@s.localhost:8401/", "/v1/identity/friend", "http://s.localhost:8401", "\\\\evil", "",
	} {
		f.Add(`{"subject":"x","links":[{"rel":"` + wire.RelIdentity + `","href":"` + strings.ReplaceAll(href, `\`, `\\`) + `"}]}`)
	}
	a := identity.Address{User: "friend", Authority: "s.localhost:8401"}
	f.Fuzz(func(t *testing.T, answer string) {
		path, err := identityPath(a, []byte(answer))
		if err != nil {
			return
		}
		req, err := http.NewRequest(http.MethodGet, a.BaseURL()+path, http.NoBody)
		if err == nil && (req.URL.Host != a.Authority || req.URL.User != nil || !strings.HasPrefix(path, "/")) {
			t.Errorf("%q leads to %s", answer, req.URL)
		}
	})
}
