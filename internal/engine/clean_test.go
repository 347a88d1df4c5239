package engine

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestClean(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ in, want string }{
		{"Water meter", "Water meter"},
		{"  Water\n\tmeter \u2028 x ", "Water meter x"},
		{"<script>alert(1)</script>", "<script>alert(1)</script>"}, // text it is, and text it stays
		{"a\u202egnp.exe", "agnp.exe"},
		{"\u2066left\u2069 \u200fright\u200e", "left right"},
		{"zero\u200bwidth\ufeff\u00ad", "zerowidth"},
		{"می\u200cخواهم", "می\u200cخواهم"}, // a joiner that spelling needs
		{"क्\u200dष", "क्\u200dष"},
		{"tag\U000e0041\U000e007f", "tag"},
		{"\x00\x1b[31mred\x7f", "[31mred"},
		{"a\xffb", "ab"},
		{"\ue000private", "private"},
		{strings.Repeat("ä", 200), strings.Repeat("ä", 29) + "…"},
		{"   ", ""},
	} {
		if got := clean(c.in, 30); got != c.want {
			t.Errorf("%q: %q, want %q", c.in, got, c.want)
		}
	}
	long := clean(strings.Repeat("word ", 3<<20), maxTitle) // 15 MB
	if n := utf8.RuneCountInString(long); n > maxTitle || n < maxTitle-5 {
		t.Errorf("a long text has %d characters", n)
	}
	if titled("\u202e\u200b", "lamp") != "lamp" {
		t.Error("a title of nothing does not fall back to the name")
	}
}

func FuzzClean(f *testing.F) {
	f.Add("a\u202eb\U000e0041\xff", 5)
	f.Fuzz(func(t *testing.T, s string, n int) {
		if n < 2 || n > 1000 {
			return
		}
		got := clean(s, n)
		if !utf8.ValidString(got) || utf8.RuneCountInString(got) > n || strings.ContainsAny(got, "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\n\r\x00") {
			t.Errorf("%q: %q", s, got)
		}
		if again := clean(got, n); again != got {
			t.Errorf("%q: %q, then %q", s, got, again)
		}
	})
}
