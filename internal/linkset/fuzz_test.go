package linkset

import (
	"bytes"
	"encoding/json"
	"errors"
	"iter"
	"slices"
	"strings"
	"testing"
)

const (
	seedJSON = `{"linkset":[{"creator":"x"},{"anchor":"01/1","itemDescription":"What","https://gs1.org/voc/pip":[{"href":"https://a.example/","title":"T","hreflang":["de"],"type":"text/html","context":["CH"],"fwqs":false}],` +
		`"https://ref.gs1.org/voc/defaultLink":[{"href":"https://a.example/","title":"T"}],"describedby":[{"href":"https://b.example/td","title":"TD"}]}]}`
	seedCSV = "anchor,itemDescription,linkType,href,title,hreflang,type,context,default,fwqs\n" +
		"01/1,What,gs1:pip,https://a.example/,T,de en,text/html,CH,true,false\n01/1,Was,gs1:faqs,https://b.example/,\"a,b\",de,,,,\n"
)

// same takes every text for an anchor that is one.
func same(s string) (string, error) { return s, checkAnchor("anchor", s) }

func gather(t *testing.T, items iter.Seq2[Item, error]) (all []Item, err error) {
	t.Helper()
	for it, err := range items {
		if err != nil {
			var place *FormatError
			if !errors.As(err, &place) || place.Place == "" {
				t.Fatalf("an error without a place: %v", err)
			}
			return all, err
		}
		if len(it.Entries) > 0 {
			if it, err := it.checked(); err == nil {
				all = append(all, it)
			}
		}
	}
	return all, nil
}

// FuzzReadJSON checks that what was read and can be kept is written so that it
// reads the same.
func FuzzReadJSON(f *testing.F) {
	for _, s := range []string{
		seedJSON, `{}`, `[]`, `{"linkset":{}}`, `{"linkset":[{"anchor":1}]}`, `{"a":[[[]]],"linkset":[]}`, `{"linkset":[{"anchor":"x","gs1:pip":[]}`,
		`{"linkset":[{"anchor":"x","gs1:pip":{}}]}`, `{"linkset":[null]}`, strings.Repeat("[", 2000),
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		all, err := gather(t, ReadJSON(bytes.NewReader(b), same))
		if err != nil || len(all) == 0 {
			return
		}
		var out bytes.Buffer
		err = WriteJSON(&out, "https://x.example", func(yield func(*Item, error) bool) {
			for _, it := range all {
				if !yield(&it, nil) {
					return
				}
			}
		})
		if err != nil || !json.Valid(out.Bytes()) {
			t.Fatalf("written as %s, %v", out.Bytes(), err)
		}
		back, err := gather(t, ReadJSON(&out, func(s string) (string, error) { return strings.TrimPrefix(s, "https://x.example/"), nil }))
		if err != nil || len(back) != len(all) {
			t.Fatalf("%d items became %d, %v", len(all), len(back), err)
		}
		for i := range all {
			if a, b := all[i].Choose(Ask{}), back[i].Choose(Ask{}); len(a) != len(b) || len(a) == 1 && a[0].Href != b[0].Href {
				t.Fatalf("the default %+v became %+v", a, b)
			}
		}
	})
}

// FuzzReadCSV checks the same of tables, link by link.
func FuzzReadCSV(f *testing.F) {
	for _, s := range []string{seedCSV, "", "anchor\n", "anchor,linkType,href\n\"", "anchor,linkType,href\nx,gs1:pip,https://a.example/\nx\n", "a,b\n", "\ufeffanchor,href,linkType\n1,https://a.example,x\n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		all, err := gather(t, ReadCSV(bytes.NewReader(b), same))
		if err != nil || len(all) == 0 {
			return
		}
		var out bytes.Buffer
		err = WriteCSV(&out, func(yield func(*Item, error) bool) {
			for _, it := range all {
				if !yield(&it, nil) {
					return
				}
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		back, err := gather(t, ReadCSV(&out, same))
		if err != nil {
			t.Fatal(err)
		}
		if a, b := ids(all), ids(back); !slices.Equal(a, b) {
			t.Fatalf("%v became %v", a, b)
		}
	})
}

func ids(all []Item) (ids []string) {
	for _, it := range all {
		for _, e := range it.Entries {
			ids = append(ids, it.Anchor+" "+e.ID())
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// FuzzChunks checks that the parts of a file hold what the file holds.
func FuzzChunks(f *testing.F) {
	f.Add([]byte(seedJSON), false, 10)
	f.Add([]byte(seedCSV), true, 10)
	f.Add([]byte(seedCSV), true, 100000)
	f.Fuzz(func(t *testing.T, b []byte, table bool, size int) {
		read := ReadJSON
		if table {
			read = ReadCSV
		}
		whole, err := gather(t, read(bytes.NewReader(b), same))
		if err != nil {
			return
		}
		var parts []Item
		for c, err := range Chunks(bytes.NewReader(b), table, size) {
			if err != nil {
				t.Fatalf("a file that reads can't be cut: %v", err)
			}
			some, err := gather(t, read(bytes.NewReader(c.Body), same))
			if err != nil {
				t.Fatalf("a part can't be read: %v in %s", err, c.Body)
			}
			parts = append(parts, some...)
		}
		if a, b := ids(whole), ids(parts); !slices.Equal(a, b) {
			t.Fatalf("%v became %v", a, b)
		}
	})
}

// FuzzDelegated compares the tree of ranges with a look at every one.
func FuzzDelegated(f *testing.F) {
	f.Add("01/04*\n01/04012345999990\n01/0401..0402\ndns/org", "01/04012345999990/21/7")
	f.Add("a\na/b\na-b", "a/b/c")
	f.Fuzz(func(t *testing.T, subjects, text string) {
		var all ranges
		seen := map[string]bool{}
		for subject := range strings.Lines(subjects) {
			subject = strings.TrimSpace(subject)
			if s, err := parseSubject(subject); err == nil && !seen[subject] && len(all) < 50 {
				seen[subject] = true
				s.Subject = subject
				all = append(all, s)
			}
		}
		tree, err := arrange(all)
		if err != nil {
			return
		}
		want := 0
		for _, s := range tree {
			if s.has(text) {
				want++
			}
		}
		d, ok := tree.find(text)
		if ok != (want > 0) {
			t.Fatalf("%q in %v: %v, but %d have it", text, subjects, d.Subject, want)
		}
		if s, err := parseSubject(d.Subject); ok && (err != nil || !s.has(text)) {
			t.Fatalf("%q is not in %q", text, d.Subject)
		}
	})
}

func TestPlacesOfPartsAreThoseOfTheFile(t *testing.T) {
	t.Parallel()
	file := seedCSV + "01/2,,gs1:pip,bad,,,,,,\n"
	for c, err := range Chunks(strings.NewReader(file), true, 1) {
		if err != nil {
			t.Fatal(err)
		}
		_, err = gather(t, ReadCSV(bytes.NewReader(c.Body), same))
		var place *FormatError
		if errors.As(err, &place) && c.Place(place.Place) != "line 4" {
			t.Errorf("%s in a part is %s in the file", place.Place, c.Place(place.Place))
		}
		if c.Place("somewhere") != "somewhere" {
			t.Error("a place without a number has one")
		}
	}
}
