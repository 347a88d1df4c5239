package linkset

import (
	"slices"
	"testing"
)

// model is the linkset by which GS1's own suite tries a choice.
func model() *Item {
	cert := func(href, kind string, langs, context []string) Entry {
		return Entry{LinkType: "gs1:certificationInfo", Href: "https://c.example/" + href, Type: kind, Langs: langs, Context: context}
	}
	return &Item{Anchor: "01/09506000164908", Entries: []Entry{
		cert("0", "text/html", nil, nil), cert("1", "text/html", []string{"fr"}, nil), cert("2", "text/html", nil, nil),
		cert("4", "application/pdf", nil, nil), cert("5", "application/pdf", []string{"en"}, nil), cert("6", "application/pdf", []string{"en"}, []string{"LK"}),
		{LinkType: "gs1:homepage", Href: "https://c.example/home", Langs: []string{"en"}, Default: true},
		{LinkType: "gs1:homepage", Href: "https://c.example/accueil", Langs: []string{"fr"}, Default: true},
		{LinkType: "gs1:homepage", Href: "https://c.example/at", Langs: []string{"de-AT"}, Default: true},
	}}
}

func TestChoice(t *testing.T) {
	t.Parallel()
	const cert = "gs1:certificationInfo"
	for name, c := range map[string]struct {
		ask  Ask
		want []string
	}{
		"one form":                        {Ask{LinkType: cert, Accept: "application/pdf"}, []string{"4"}},
		"a form and a language":           {Ask{LinkType: cert, Accept: "application/pdf", Language: "en"}, []string{"5"}},
		"a place":                         {Ask{LinkType: cert, Accept: "application/pdf", Language: "en", Context: "lk"}, []string{"6"}},
		"a place that no link has":        {Ask{LinkType: cert, Accept: "application/pdf", Language: "en", Context: "DE"}, []string{"5"}},
		"alike":                           {Ask{LinkType: cert, Accept: "text/html"}, []string{"0", "2"}},
		"a language":                      {Ask{LinkType: cert, Accept: "text/html", Language: "fr"}, []string{"1"}},
		"a foreign language":              {Ask{LinkType: cert, Accept: "text/html", Language: "ar"}, []string{"0", "2"}},
		"a browser":                       {Ask{LinkType: cert, Accept: "text/html,application/xhtml+xml,*/*;q=0.8", Language: "fr-CA,fr;q=0.9,en;q=0.5"}, []string{"1"}},
		"forms by weight":                 {Ask{LinkType: cert, Accept: "text/html;q=0.2, application/pdf;q=0.4"}, []string{"4"}},
		"a form that is refused":          {Ask{LinkType: cert, Accept: "text/html;q=0, */*"}, []string{"4"}},
		"nothing acceptable":              {Ask{LinkType: cert, Accept: "image/png"}, []string{"0", "2", "4"}},
		"no such type":                    {Ask{LinkType: "gs1:pip"}, nil},
		"the default":                     {Ask{}, []string{"home"}},
		"the default by its name":         {Ask{LinkType: DefaultLink}, []string{"home"}},
		"the default in a language":       {Ask{Language: "fr"}, []string{"accueil"}},
		"the default in a region":         {Ask{Language: "de"}, []string{"at"}},
		"the default in no language here": {Ask{Language: "ar"}, []string{"home"}},
		"weights that are none":           {Ask{Language: "fr;q=x, en;q=0.1"}, []string{"home"}},
	} {
		got := model().Choose(c.ask)
		same := len(got) == len(c.want)
		for i := range got {
			same = same && got[i].Href == "https://c.example/"+c.want[i]
		}
		if !same {
			t.Errorf("%s: %+v, not %v", name, got, c.want)
		}
	}
}

func TestDefaultsThatNobodyMarked(t *testing.T) {
	t.Parallel()
	e := func(linkType, href string) Entry { return Entry{LinkType: linkType, Href: href} }
	for want, it := range map[string]*Item{
		"":  {},
		"b": {Entries: []Entry{e("gs1:faqs", "a"), e("gs1:pip", "b")}},
		"a": {Entries: []Entry{e("gs1:faqs", "a"), e("gs1:instructions", "b")}},
		"c": {Entries: []Entry{e("gs1:pip", "a"), e(DefaultMulti, "b"), e(DefaultLink, "c")}},
		"d": {Entries: []Entry{e(DefaultMulti, "d"), e("gs1:pip", "a")}},
		"f": {Entries: []Entry{e(HandledBy, "e"), e("gs1:faqs", "f")}},
	} {
		got := it.Choose(Ask{})
		if len(got) == 0 && want == "" {
			continue
		}
		if len(got) != 1 || got[0].Href != want {
			t.Errorf("%+v leads to %+v, not %q", it.Entries, got, want)
		}
	}
}

func TestDescriptionsHaveLanguages(t *testing.T) {
	t.Parallel()
	it := &Item{Description: "Lager", Local: map[string]string{"de": "Lager", "en": "Warehouse"}}
	for accept, want := range map[string]string{"": "Lager", "en": "Warehouse", "en-GB,de;q=0.5": "Warehouse", "de": "Lager", "fr": "Lager", "*": "Lager"} {
		if got := it.DescriptionIn(accept); got != want {
			t.Errorf("in %q: %q, not %q", accept, got, want)
		}
	}
}

func TestLinkTypesHaveOneSpelling(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"gs1:pip": "gs1:pip", "https://gs1.org/voc/pip": "gs1:pip", "https://www.gs1.org/voc/pip": "gs1:pip", "https://ref.gs1.org/voc/pip": "gs1:pip",
		"http://GS1.org/voc/pip": "gs1:pip", "describedby": "describedby", "service-desc": "service-desc", "https://example.org/rel/x": "https://example.org/rel/x",
		"convertedFrom": "convertedfrom", "dpp": "dpp", "nope": "", "gs1pip": "", "c2pa-manifest": "",
		"gs1:": "", "gs1:p-i": "", "": "", "PIP": "", "https://example.org/rel#x": "", "https://example.org/a-b": "", "javascript:x": "", "https://ref.gs1.org/voc/": "",
	} {
		got, err := NormalType(in)
		if got != want || (err != nil) != (want == "") {
			t.Errorf("%q: %q, %v, not %q", in, got, err, want)
		}
	}
}

// A word that is no link type is refused with the one that may have been meant.
func TestLinkTypesThatMayBeMeant(t *testing.T) {
	t.Parallel()
	if !slices.IsSorted(relations[:]) {
		t.Error("the registry is not in order")
	}
	for in, want := range map[string]string{
		"gs1pip": "gs1:pip", "gs1-certificationInfo": "gs1:certificationInfo", "describeby": "describedby", "descriebdby": "describedby", "licence": "license", "helpp": "help", "hel": "help",
		"nope": "", "": "", "gs1": "", "descr": "",
	} {
		if got := meant(in); got != want {
			t.Errorf("%q: %q, not %q", in, got, want)
		}
	}
}
