package id

import (
	"strings"
	"testing"
)

// FuzzParse: whatever a name is, its forms are names of the same.
func FuzzParse(f *testing.F) {
	for _, s := range names {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		id, err := Parse(s)
		if err != nil {
			if fault, ok := err.(*Error); !ok || fault.Offset < 0 || fault.Offset > len(s) && fault.Fault != Long {
				t.Fatalf("%q: %v", s, err)
			}
			return
		}
		readBack(t, id)
		id.Parts()
	})
}

// FuzzDigitalLink: a key reads back from its path and from its compressed form.
func FuzzDigitalLink(f *testing.F) {
	for _, s := range names {
		if _, rest, ok := strings.Cut(s, "https://"); ok {
			_, path, _ := strings.Cut(rest, "/")
			path, query, _ := strings.Cut(path, "?")
			f.Add("/"+path, query)
		}
	}
	f.Fuzz(func(t *testing.T, path, query string) {
		link, err := ParseLink(path, query, Options{Stem: true})
		if err != nil {
			return
		}
		k, err := ParseDigitalLink("/"+link.Path(), link.Query(), Options{})
		if err != nil || !k.Equal(link.Key) {
			t.Fatalf("%q: %v becomes %v, %v", path, link.Key, k, err)
		}
		k, err = ParseDigitalLink("/"+link.Key.Compressed(), "", Options{})
		if err != nil || !k.Equal(link.Key) {
			t.Fatalf("%q: %v compressed is %v, %v", path, link.Key, k, err)
		}
		for up, ok := k, true; ok; up, ok = up.Up() {
			if up.Class().Serial() {
				t.Fatalf("%q: the class of %v is serial", path, up)
			}
		}
	})
}

// FuzzCompressed reads bits as they come.
func FuzzCompressed(f *testing.F) {
	for _, s := range []string{"CwdMZOqE7IdXgujcNkIEq", "GhNhePjOcqju8y9LCoImVJWojcNiSBEsBtvgkoA", "nRKpYW9sufNgAPNKD2Nj", "AQdMZOqE7A"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		list, _, fault := decompress(s, minRest)
		if fault != nil {
			return
		}
		for _, ai := range list {
			if err := find(ai.Code).check(ai.Code, ai.Value); err != nil {
				t.Fatalf("%q holds %v: %v", s, ai, err)
			}
		}
	})
}

// FuzzTag: bits that are an EPC are written again as they were.
func FuzzTag(f *testing.F) {
	for _, s := range []string{"30027F8292B74200189A5700", "3D14F4E46507041602D6FC71F4000000004D0000", "355AB1C60003039000000190", "40187AE6C130D3C0830000000140"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		id, err, ok := parseHex(s)
		if err != nil || !ok {
			return
		}
		for _, form := range id.Forms() {
			if form.Name != "epc-hex" {
				continue
			}
			if n := min(len(form.Text), len(s)); strings.EqualFold(form.Text[:n], s[:n]) && strings.Trim(form.Text[n:]+s[n:], "0") == "" {
				return
			}
		}
		t.Fatalf("%s is %s, whose forms are %v", s, id, id.Forms())
	})
}
