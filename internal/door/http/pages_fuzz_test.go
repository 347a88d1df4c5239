package httpdoor

import (
	"encoding/json"
	"strings"
	"testing"

	"primum/identity"
	"primum/internal/clock"
	"primum/internal/peer"
	"primum/internal/wire"
)

// FuzzNotice: what is taken as a notice is plain text, bounded, and leads
// nowhere but to mail and https.
func FuzzNotice(f *testing.F) {
	f.Add([]byte(`{"title":"Air","language":"en","items":[{"what":"CO2","every":"15m","inner":["School"]}],"contact":"mailto:a@b.example"}`))
	f.Add([]byte(`{"title":"x","language":"de","items":[{"what":"y","every":"change"}],"contact":"javascript:1"}`))
	f.Add([]byte("{\"title\":\"\u202e\",\"language\":\"ar\",\"items\":[]}"))
	f.Fuzz(func(t *testing.T, b []byte) {
		var n wire.Notice
		if (&call{body: b}).decode(&n) != nil || checkNotice(n) != nil {
			return
		}
		texts := []string{n.Title, strings.ReplaceAll(strings.ReplaceAll(n.About, "\r\n", ""), "\n", ""), n.Contact, n.Language}
		for _, i := range n.Items {
			texts = append(append(append(texts, i.What, i.Every, i.Fine, i.Kept, i.Purpose), i.Inner...), i.Outer...)
		}
		for _, s := range texts {
			if !identity.PlainText(s, noticeText) {
				t.Errorf("%q was taken", s)
			}
		}
		if n.Contact != "" && !strings.HasPrefix(strings.ToLower(n.Contact), "mailto:") && !strings.HasPrefix(strings.ToLower(n.Contact), "https://") {
			t.Errorf("contact %q was taken", n.Contact)
		}
		if _, err := json.Marshal(n); err != nil {
			t.Error(err)
		}
	})
}

// FuzzSubscription: a push goes to https only, and never into a person's URL.
func FuzzSubscription(f *testing.F) {
	f.Add([]byte(`{"endpoint":"https://push.example/abc","expirationTime":null,"keys":{"p256dh":"x","auth":"y"}}`))
	f.Add([]byte(`{"endpoint":"http://127.0.0.1/"}`))
	p := peer.New(peer.Config{Authority: "h.example", Clock: clock.NewManual(begin())})
	defer p.Close()
	f.Fuzz(func(t *testing.T, b []byte) {
		var in wire.PushSubscription
		if (&call{body: b}).decode(&in) != nil || p.CheckEndpoint(in.Endpoint) != nil {
			return
		}
		if !strings.HasPrefix(strings.ToLower(in.Endpoint), "https://") || len(in.Endpoint) > 1024 || strings.Contains(in.Endpoint, "#") {
			t.Errorf("endpoint %q was taken", in.Endpoint)
		}
	})
}

// FuzzCloseAccount: the signed bytes name one account and one second.
func FuzzCloseAccount(f *testing.F) {
	f.Add([]byte(`{"at":"2026-11-22T14:00:00Z","signature":"AAAA"}`))
	f.Add([]byte(`{"at":"2026-11-22T15:00:00.5+01:00","signature":""}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		var in wire.CloseAccount
		if (&call{body: b}).decode(&in) != nil {
			return
		}
		text := wire.CloseAccountBytes("ada@h.example", in.At)
		if strings.Count(string(text), "\x00") != 2 || string(text) == string(wire.CloseAccountBytes("bob@h.example", in.At)) {
			t.Errorf("%q", text)
		}
	})
}
