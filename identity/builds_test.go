package identity

import "testing"

// What a browser's tables make of an address is what this module's make of it:
// the same table passes on both builds.
func TestAddressesOnBothBuilds(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ in, want string }{ // empty: refused
		{"ＪÖＲＧ@Bücher.EXAMPLE", "jörg@xn--bcher-kva.example"},
		{"jo\u0308rg@example.org", "jörg@example.org"},
		{"JO\u0308RG@example.org", "jörg@example.org"},
		{"ﬁx@example.org", ""},
		{"Ⅷ@example.org", ""},
		{"ª@example.org", ""},
		{"x²@example.org", ""},
		{"ᄀ@example.org", ""},
		{"한글@example.org", "한글@example.org"},
		{"юлия@пример.example", "юлия@xn--e1afmkfd.example"},
		{"ЮЛИЯ@ПРИМЕР.example", "юлия@xn--e1afmkfd.example"},
		{"ليلى@example.org", "ليلى@example.org"},
		{"ليلى1@example.org", "ليلى1@example.org"},
		{"1ليلى@example.org", ""},
		{"aليلى@example.org", ""},
		{"ليلىa@example.org", ""},
		{"東京@example.org", "東京@example.org"},
		{"カタカナ@example.org", "カタカナ@example.org"},
		{"ｶﾀｶﾅ@example.org", "カタカナ@example.org"},
		{"\u0301a@example.org", ""},
		{"a\u034f@example.org", ""},
		{"a\ufe0f@example.org", ""},
		{"a\U000e0100@example.org", ""},
		{"straße@straße.example", "straße@xn--strae-oqa.example"},
		{"a@faß.example", "a@xn--fa-hia.example"},
		{"a@xn--fa-hia.example", "a@xn--fa-hia.example"},
		{"a@XN--FA-HIA.example", "a@xn--fa-hia.example"},
		{"a@ｅｘａｍｐｌｅ.org", "a@example.org"},
		{"a@example。org", "a@example.org"},
		{"a@xn--.example", ""},
		{"a@xn--a.example", ""},
		{"a@xn--bcher-kva-.example", ""},
		{"a@ab--cd.example", ""},
		{"a@exa_mple.org", ""},
		{"a@\u200bexample.org", "a@example.org"},
		{"a@e\u00adxample.org", "a@example.org"},
		{"a@1.2.3.4", ""},
		{"a@0x7f.1", ""},
		{"a@☃.example", "a@xn--n3h.example"},
		{"a@ex%61mple.org", ""},
		{"a@..example", ""},
		{"a@\u202eexample.org", ""},
	} {
		a, err := ParseAddress(c.in)
		if a.String() != c.want || (err == nil) != (c.want != "") {
			t.Errorf("%q: %q, %v; want %q", c.in, a, err, c.want)
		}
	}
}
