package identity

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
)

func TestParseAddress(t *testing.T) {
	t.Parallel()
	cases := []struct{ in, want, base, display string }{
		{"owner@example.org", "owner@example.org", "https://example.org", "owner@example.org"},
		{"Owner@EXAMPLE.org", "owner@example.org", "https://example.org", "owner@example.org"},
		{"owner@h.localhost:8401", "owner@h.localhost:8401", "http://h.localhost:8401", "owner@h.localhost:8401"},
		{"owner@localhost:80", "owner@localhost:80", "http://localhost:80", "owner@localhost:80"},
		{"owner@h.localhost", "owner@h.localhost", "http://h.localhost", "owner@h.localhost"},
		{"jörg@bücher.example", "jörg@xn--bcher-kva.example", "https://xn--bcher-kva.example", "jörg@bücher.example"},
		{"Ｏｗｎｅｒ@example.org", "owner@example.org", "https://example.org", "owner@example.org"},
		{"a.b-c_1@sub.example.org", "a.b-c_1@sub.example.org", "https://sub.example.org", "a.b-c_1@sub.example.org"},
		{"अनु@उदाहरण.example", "अनु@xn--p1b6ci4b4b3a.example", "https://xn--p1b6ci4b4b3a.example", "अनु@उदाहरण.example"},
	}
	for _, c := range cases {
		a, err := ParseAddress(c.in)
		if err != nil {
			t.Errorf("%s: %v", c.in, err)
			continue
		}
		if a.String() != c.want || a.BaseURL() != c.base || a.Display() != c.display {
			t.Errorf("%s: %s, %s, %s", c.in, a, a.BaseURL(), a.Display())
		}
		again, err := ParseAddress(a.String())
		if err != nil || again != a {
			t.Errorf("%s: parsed again %v, %v", c.in, again, err)
		}
	}
}

func TestParseAddressRefuses(t *testing.T) {
	t.Parallel()
	for _, in := range []string{
		"", "owner", "@example.org", "owner@", "a@b@c.example", "a b@example.org", "a/b@example.org", "a#b@example.org",
		"a%b@example.org", "a:b@example.org", "..@example.org", ".a@example.org", "-a@example.org", "a\x00@example.org",
		"owner@example.org:443", "owner@h.localhost:0", "owner@h.localhost:65536", "owner@h.localhost:080",
		"owner@h.localhost:", "owner@h.localhost:+80", "owner@127.0.0.1", "owner@[::1]", "owner@localhost.example.org:80",
		"owner@printer", "owner@example.org.", "owner@-a.example", "owner@exa mple.org", "owner@example.123",
		"owner@evil.example/path", "owner@xn--a.example",
		strings.Repeat("a", 65) + "@example.org", "a@" + strings.Repeat("a", 64) + ".example", "a@" + strings.Repeat("a.", 130) + "example",
		"\u202eowner@example.org", "own\u200ber@example.org", "a\xff@example.org",
	} {
		if a, err := ParseAddress(in); !errors.Is(err, ErrAddress) {
			t.Errorf("%q: took it as %s, %v", in, a, err)
		}
	}
}

func TestAddressInJSONHasOneForm(t *testing.T) {
	t.Parallel()
	var a Address
	if err := json.Unmarshal([]byte(`"owner@h.localhost:8401"`), &a); err != nil || a.User != "owner" {
		t.Errorf("%v, %v", a, err)
	}
	if err := json.Unmarshal([]byte(`"Owner@h.localhost:8401"`), &a); !errors.Is(err, ErrAddress) {
		t.Errorf("another form: %v", err)
	}
	if b, err := json.Marshal(a); err != nil || string(b) != `"owner@h.localhost:8401"` {
		t.Errorf("%s, %v", b, err)
	}
}

func TestKeyIDs(t *testing.T) {
	t.Parallel()
	owner := Address{"owner", "h.localhost:8401"}
	jorg := Address{"jörg", "example.org"}
	cases := []struct {
		s    string
		want KeyID
	}{
		{"acct:owner@h.localhost:8401#laptop", KeyID{Account: owner, Client: "laptop"}},
		{"acct:j%C3%B6rg@example.org#phone", KeyID{Account: jorg, Client: "phone"}},
		{"https://s.example/.well-known/primum#k1", KeyID{Authority: "s.example", NodeKey: "k1"}},
		{"http://s.localhost:8402/.well-known/primum#k1", KeyID{Authority: "s.localhost:8402", NodeKey: "k1"}},
		{"circle:00112233445566778899aabbccddeeff", KeyID{Circle: "00112233445566778899aabbccddeeff"}},
	}
	for _, c := range cases {
		got, err := ParseKeyID(c.s)
		if err != nil || got != c.want || got.String() != c.s {
			t.Errorf("%s: %+v, %v", c.s, got, err)
		}
	}
	for _, bad := range []string{
		"", "acct:owner@h.localhost:8401", "acct:owner@h.localhost:8401#", "acct:owner@h.localhost:8401#a b", "acct:Owner@example.org#a",
		"acct:%6Fwner@example.org#a", "acct:j%c3%b6rg@example.org#a", "acct:a%@example.org#a", "acct:a%zz@example.org#a",
		"http://s.example/.well-known/primum#k1", "https://s.localhost/.well-known/primum#k1", "https://s.example/other#k1",
		"https://S.example/.well-known/primum#k1", "https://u@s.example/.well-known/primum#k1", "ftp://s.example/.well-known/primum#k1",
		"circle:", "circle:00112233445566778899AABBCCDDEEFF", "circle:0011", "circle:00112233445566778899aabbccddeeff00",
	} {
		if got, err := ParseKeyID(bad); !errors.Is(err, ErrKeyID) {
			t.Errorf("%q: took it as %+v, %v", bad, got, err)
		}
	}
}

func FuzzAddress(f *testing.F) {
	for _, s := range []string{"owner@h.localhost:8401", "jörg@bücher.example", "a@b", "acct:a@b.example#c"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		a, err := ParseAddress(s)
		if err == nil {
			again, err := ParseAddress(a.String())
			if err != nil || again != a {
				t.Errorf("%q: %q, then %q, %v", s, a, again, err)
			}
			id := ClientKeyID(a, "c")
			if k, err := ParseKeyID(id); err != nil || k.Account != a {
				t.Errorf("%q: key id %q, %v", s, id, err)
			}
		}
		if k, err := ParseKeyID(s); err == nil && k.String() != s {
			t.Errorf("%q: key id in two forms: %q", s, k)
		}
	})
}
