package client_test

import (
	"encoding/json"
	"testing"

	"primum/client"
	"primum/identity"
	"primum/internal/wire"
)

// What comes into an inbox opens only if it was sealed to this client.
func FuzzOpenInbox(f *testing.F) {
	key, err := identity.NewInboxKey(nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte(`{"kind":"offer","from":"a@h.localhost","to":"b@s.localhost","copies":[{"client":"phone","enc":"AA==","box":"AA=="}]}`))
	f.Add([]byte(`{"to":"b@s.localhost"}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		var s wire.Sealed
		if json.Unmarshal(b, &s) != nil {
			return
		}
		if plain, err := client.OpenInbox(s, "b@s.localhost", "phone", key); err == nil {
			t.Errorf("opened %q", plain)
		}
	})
}

// Terms of any bytes are refused or read; they never panic.
func FuzzTerms(f *testing.F) {
	f.Add("e30.e30.AA")
	f.Add("")
	f.Fuzz(func(t *testing.T, compact string) {
		if terms, err := client.Terms(compact); err == nil && len(compact) == 0 {
			t.Errorf("terms out of nothing: %+v", terms)
		}
	})
}
