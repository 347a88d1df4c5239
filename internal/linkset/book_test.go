package linkset

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
)

const screwdriver = "01/04012345999990"

func open(t *testing.T) *Book {
	t.Helper()
	b, err := Open(t.Context(), t.TempDir(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

func item(anchor string, entries ...Entry) Item {
	return Item{Anchor: anchor, Description: "an item", Entries: entries}
}

func pip(href string, langs ...string) Entry {
	return Entry{LinkType: "gs1:pip", Href: href, Title: href, Langs: langs}
}

func TestPutAddsOnceAndReplaceIsAll(t *testing.T) {
	t.Parallel()
	b := open(t)
	one, two := pip("https://shop.example/1"), pip("https://shop.example/2")
	for _, c := range []struct {
		do   func(context.Context, string, ...Item) (Sum, error)
		in   Item
		want Sum
		left int
	}{
		{b.Put, item(screwdriver, one), Sum{Items: 1, Links: 1, Added: 1}, 1},
		{b.Put, item(screwdriver, one), Sum{Items: 1, Links: 1}, 1},
		{b.Put, item(screwdriver, Entry{LinkType: "https://gs1.org/voc/pip", Href: one.Href, Title: "New"}), Sum{Items: 1, Links: 1, Changed: 1}, 1},
		{b.Put, item(screwdriver, two), Sum{Items: 1, Links: 1, Added: 1}, 2},
		{b.Replace, item(screwdriver, two, pip("https://shop.example/3")), Sum{Items: 1, Links: 2, Added: 1, Removed: 1}, 2},
		{b.Replace, item(screwdriver), Sum{Items: 1, Removed: 2}, 0},
	} {
		sum, err := c.do(t.Context(), "shop", c.in)
		if err != nil || sum != c.want {
			t.Errorf("%+v: %+v, %v, not %+v", c.in, sum, err, c.want)
		}
		it, err := b.Lookup(t.Context(), screwdriver)
		if len(it.Entries) != c.left || (c.left == 0) != errors.Is(err, ErrNotFound) {
			t.Errorf("%+v left %+v, %v", c.in, it, err)
		}
		if known, err := b.Class(t.Context(), screwdriver); c.left > 0 && (err != nil || len(known.Entries) != c.left) {
			t.Errorf("memory has %+v, %v", known, err)
		}
	}
}

func TestRemove(t *testing.T) {
	t.Parallel()
	b := open(t)
	one, two := pip("https://shop.example/1"), pip("https://shop.example/2")
	if _, err := b.Put(t.Context(), "shop", item(screwdriver, one, two)); err != nil {
		t.Fatal(err)
	}
	if n, err := b.Remove(t.Context(), screwdriver, one.ID()); n != 1 || err != nil {
		t.Errorf("removed %d, %v", n, err)
	}
	if _, err := b.Remove(t.Context(), screwdriver, one.ID()); !errors.Is(err, ErrNotFound) {
		t.Errorf("removed twice: %v", err)
	}
	if n, err := b.Remove(t.Context(), screwdriver, ""); n != 1 || err != nil {
		t.Errorf("removed %d, %v", n, err)
	}
	if items, links, err := b.Counts(t.Context()); items != 0 || links != 0 || err != nil {
		t.Errorf("%d items, %d links, %v", items, links, err)
	}
}

func TestWhatCantBeKept(t *testing.T) {
	t.Parallel()
	b := open(t)
	long := "https://shop.example/" + strings.Repeat("x", MaxHref)
	for member, it := range map[string]Item{
		"anchor":          item("/"+screwdriver, pip("https://shop.example/")),
		"itemDescription": {Anchor: screwdriver, Description: "a\nb", Entries: []Entry{pip("https://shop.example/")}},
		"href":            item(screwdriver, pip(long)),
		"hreflang":        item(screwdriver, pip("https://shop.example/", "zh-Hans")),
		"type":            item(screwdriver, Entry{LinkType: "gs1:pip", Href: "https://shop.example/", Type: "text"}),
		"linkType":        item(screwdriver, Entry{LinkType: "https://example.org/types#x", Href: "https://shop.example/"}),
		"context":         item(screwdriver, Entry{LinkType: "gs1:pip", Href: "https://shop.example/", Context: []string{""}}),
		"title":           item(screwdriver, Entry{LinkType: "gs1:pip", Href: "https://shop.example/", Title: "a\u202eb"}),
	} {
		_, err := b.Put(t.Context(), "shop", it)
		var bad *InvalidError
		if !errors.As(err, &bad) || bad.Member != member {
			t.Errorf("%s: %v", member, err)
		}
	}
	for _, href := range []string{"", "ftp://a.example/", "javascript:alert(1)", "//a.example/", "https://", "https://u:p@a.example/", "https://a.example/ b", "https://a.example/\r\nX: y", "data:,x"} {
		if _, err := b.Put(t.Context(), "shop", item(screwdriver, pip(href))); err == nil {
			t.Errorf("%q was kept", href)
		}
	}
	var many []Entry
	for i := range MaxEntries + 1 {
		many = append(many, pip(fmt.Sprintf("https://shop.example/%d", i)))
	}
	if _, err := b.Put(t.Context(), "shop", item(screwdriver, many...)); !errors.Is(err, ErrFull) {
		t.Errorf("too many links: %v", err)
	}
	if items, _, err := b.Counts(t.Context()); items != 0 || err != nil {
		t.Errorf("%d items were kept, %v", items, err)
	}
}

// TestMemoryIsNeverBehindTheDisk reads while others write: what a reader gets
// after a change was answered is that change or a later one.
func TestMemoryIsNeverBehindTheDisk(t *testing.T) {
	t.Parallel()
	b := open(t)
	const changes = 40
	var readers sync.WaitGroup
	stop := make(chan struct{})
	for range 4 {
		readers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					_, _ = b.Class(t.Context(), screwdriver)
				}
			}
		})
	}
	for i := range changes {
		at := b.Generation()
		want := fmt.Sprintf("https://shop.example/%d", i)
		if _, err := b.Replace(t.Context(), "shop", item(screwdriver, pip(want))); err != nil {
			t.Fatal(err)
		}
		it, err := b.Class(t.Context(), screwdriver)
		if err != nil || it.Entries[0].Href != want {
			t.Fatalf("after change %d: %+v, %v", i, it, err)
		}
		if b.Generation() == at {
			t.Fatal("a change has no generation of its own")
		}
	}
	close(stop)
	readers.Wait()
}

func TestListsAreInOrder(t *testing.T) {
	t.Parallel()
	b := open(t)
	var want []string
	var all []Item
	for i := range pageItems + 7 {
		all = append(all, item(fmt.Sprintf("8004/401234%04d", i), pip("https://shop.example/")))
		want = append(want, all[i].Anchor)
	}
	slices.Reverse(all)
	if _, err := b.Import(t.Context(), "shop", func(yield func(Item, error) bool) {
		for _, it := range all {
			if !yield(it, nil) {
				return
			}
		}
	}, nil); err != nil {
		t.Fatal(err)
	}
	var got []string
	for it, err := range b.List(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, it.Anchor)
	}
	if !slices.Equal(got, want) {
		t.Errorf("%d in the list, first %v", len(got), got[:3])
	}
}

func TestTheNarrowestDelegationCounts(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	b, err := Open(t.Context(), dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	for subject, node := range map[string]string{
		"01/0401234*":                                "https://a.example",
		"01/04012345000000..04012345999999":          "https://b.example/",
		screwdriver:                                  "https://c.example",
		"dns/org/example/sensors":                    "https://d.example",
		screwdriver + "/21/7-foo":                    "https://e.example",
		"8004/4012345A*":                             "https://f.example",
		"01/04012345111111..04012345111119/ignored*": "",
	} {
		err := b.Delegate(t.Context(), Delegation{Subject: subject, HandledBy: node})
		if (err != nil) != (node == "") {
			t.Errorf("%s: %v", subject, err)
		}
	}
	check := func(b *Book) {
		for text, node := range map[string]string{
			"01/04012340000000": "https://a.example", "01/04012345000000": "https://b.example", "01/04012345999999/10/A": "https://b.example",
			"01/04012346000000": "https://a.example", screwdriver: "https://c.example", screwdriver + "/21/7": "https://c.example",
			screwdriver + "-x": "https://b.example", screwdriver + "/21/7-foo": "https://e.example", screwdriver + "/21/7-foobar": "https://c.example",
			"dns/org/example/sensors/lamp": "https://d.example", "dns/org/example/sensors2": "", "dns/org/example": "", "01/04012350000000": "", "8004/4012345B": "",
			"": "", "zzz": "",
		} {
			d, ok, err := b.Delegated(t.Context(), text)
			if err != nil || ok != (node != "") || d.HandledBy != node {
				t.Errorf("%s is answered for by %q, not %q", text, d.HandledBy, node)
			}
		}
	}
	check(b)
	for _, subject := range []string{"01/04012339999999..04012345000009", "01/0401234599999*..", "01/5..4", "01/12..123", "*", "a*b*", "/01/*"} {
		if err := b.Delegate(t.Context(), Delegation{Subject: subject, HandledBy: "https://x.example"}); err == nil && subject != "*" {
			t.Errorf("%s was delegated", subject)
		}
	}
	if err := b.Undelegate(t.Context(), "*"); err != nil {
		t.Error(err)
	}
	if err := b.Undelegate(t.Context(), "*"); !errors.Is(err, ErrNotFound) {
		t.Errorf("ended twice: %v", err)
	}
	had := b.Delegations()
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := Open(t.Context(), dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	check(again)
	if got := again.Delegations(); !slices.Equal(got, had) || len(got) != 6 {
		t.Errorf("after a start: %v, not %v", got, had)
	}
	if err := again.Close(); err != nil {
		t.Fatal(err)
	}
}
