package gs1door_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	gs1door "primum/internal/door/gs1"
	"primum/internal/linkset"
	"primum/thing/id"
)

const (
	screwdriver = "01/04012345999990"
	shop        = "https://shop.example/"
)

// checkJSON compares some members of an object.
func checkJSON(t *testing.T, b []byte, want map[string]any) {
	t.Helper()
	var got map[string]any
	if err := json.Unmarshal(b, &got); err != nil {
		t.Fatalf("%v in %s", err, b)
	}
	for name, v := range want {
		if !reflect.DeepEqual(got[name], v) {
			t.Errorf("%s is %v, not %v", name, got[name], v)
		}
	}
}

func fill(t *testing.T) *world {
	t.Helper()
	w := newWorld(t)
	w.put(
		t,
		linkset.Item{Anchor: screwdriver, Description: "Screwdriver", Entries: []linkset.Entry{
			{LinkType: "gs1:pip", Href: shop + "en", Title: "English", Langs: []string{"en"}, Type: "text/html"},
			{LinkType: "gs1:pip", Href: shop + "de", Title: "Deutsch", Langs: []string{"de"}, Type: "text/html"},
			{LinkType: "gs1:instructions", Href: shop + "manual", Title: "Manual"},
			{LinkType: "gs1:promotion", Href: shop + "p?a=b#top", Title: "Promotion", NoQuery: false},
			{LinkType: "gs1:faqs", Href: shop + "faqs", Title: "Questions", NoQuery: true},
			{LinkType: "gs1:certificationInfo", Href: shop + "c1", Title: "One"},
			{LinkType: "gs1:certificationInfo", Href: shop + "c2", Title: "Two"},
		}},
		linkset.Item{Anchor: screwdriver + "/10/L1/21/7", Description: "Screwdriver 7", Entries: []linkset.Entry{
			{LinkType: "gs1:dpp", Href: shop + "7", Title: "Passport"},
		}},
	)
	return w
}

func TestWhereRequestsLead(t *testing.T) {
	t.Parallel()
	w := fill(t)
	for name, c := range map[string]struct {
		path, language, accept string
		status                 int
		to                     string
	}{
		"the default":                     {path: screwdriver, status: 307, to: shop + "en"},
		"a final slash":                   {path: screwdriver + "/", status: 307, to: shop + "en"},
		"a language":                      {path: screwdriver, language: "de-AT, en;q=0.5", status: 307, to: shop + "de"},
		"a foreign language":              {path: screwdriver, language: "fr", status: 307, to: shop + "en"},
		"a type by its curie":             {path: screwdriver + "?linkType=gs1:instructions", status: 307, to: shop + "manual?linkType=gs1:instructions"},
		"a type by its URL":               {path: screwdriver + "?linkType=https://gs1.org/voc/instructions", status: 307, to: shop + "manual?linkType=https://gs1.org/voc/instructions"},
		"a query goes on":                 {path: screwdriver + "?foo=bar&17=251231", status: 307, to: shop + "en?foo=bar&17=251231"},
		"a query joins the target's":      {path: screwdriver + "?linkType=gs1:promotion", status: 307, to: shop + "p?a=b&linkType=gs1:promotion#top"},
		"a query stays":                   {path: screwdriver + "?linkType=gs1:faqs&foo=bar", status: 307, to: shop + "faqs"},
		"an unknown batch walks up":       {path: screwdriver + "/10/L2", status: 307, to: shop + "en"},
		"an unknown serial walks up":      {path: screwdriver + "/21/99?foo=bar&17=251231", status: 307, to: shop + "en?foo=bar"},
		"a known serial":                  {path: screwdriver + "/10/L1/21/7", status: 307, to: shop + "7"},
		"a type above a known serial":     {path: screwdriver + "/10/L1/21/7?linkType=gs1:instructions", status: 307, to: shop + "manual?linkType=gs1:instructions"},
		"several that can't be told":      {path: screwdriver + "?linkType=gs1:certificationInfo", status: 300},
		"a type in an unsaid language":    {path: screwdriver + "?linkType=gs1:pip", status: 300},
		"an unknown type":                 {path: screwdriver + "?linkType=gs1:nosuch", status: 404},
		"no type at all":                  {path: screwdriver + "?linkType=%25", status: 404},
		"an unknown product":              {path: "01/04012345999969", status: 404},
		"a wrong check digit":             {path: "01/04012345999991", status: 400},
		"thirteen digits":                 {path: "01/4012345999990", status: 400},
		"a qualifier that is none":        {path: screwdriver + "/foo", status: 400},
		"qualifiers in a wrong order":     {path: screwdriver + "/21/7/10/L1", status: 400},
		"an attribute that GS1 has not":   {path: screwdriver + "?9999=1", status: 400},
		"broken percent-encoding":         {path: screwdriver + "?linkType=%zz", status: 400},
		"a linkset":                       {path: screwdriver + "?linkType=linkset", status: 200},
		"a linkset by its old name":       {path: screwdriver + "?linkType=all", status: 200},
		"a linkset by its media type":     {path: screwdriver + "?linkType=gs1:pip", accept: linkset.MediaType, status: 200},
		"a linkset of an unknown product": {path: "01/04012345999969?linkType=linkset", status: 404},
	} {
		header := http.Header{}
		if c.language != "" {
			header.Set("Accept-Language", c.language)
		}
		if c.accept != "" {
			header.Set("Accept", c.accept)
		}
		got := w.ask(t, http.MethodGet, "/"+c.path, header)
		if got.Code != c.status || got.Header().Get("Location") != c.to {
			t.Errorf("%s: %d to %q, not %d to %q: %s", name, got.Code, got.Header().Get("Location"), c.status, c.to, got.Body)
		}
		if got.Header().Get("Access-Control-Allow-Origin") != "*" {
			t.Errorf("%s: scripts of other origins may not read it", name)
		}
	}
}

// TestAnswersAreKeptAsLongAsTheyMay is rule 7 of the privacy of names.
func TestAnswersAreKeptAsLongAsTheyMay(t *testing.T) {
	t.Parallel()
	w := fill(t)
	for path, cache := range map[string]string{
		screwdriver: "public, max-age=3600", screwdriver + "/10/L9": "public, max-age=3600", screwdriver + "?linkType=linkset": "public, max-age=3600",
		screwdriver + "/21/9": "no-store", screwdriver + "/10/L1/21/7": "no-store", screwdriver + "/21/9?linkType=linkset": "no-store",
	} {
		if got := w.ask(t, http.MethodGet, "/"+path, nil); got.Header().Get("Cache-Control") != cache {
			t.Errorf("%s: Cache-Control %q, not %q", path, got.Header().Get("Cache-Control"), cache)
		}
	}
}

// TestUnknownSerialsAreAnsweredByTheirClass is rule 3 of the privacy of names.
func TestUnknownSerialsAreAnsweredByTheirClass(t *testing.T) {
	t.Parallel()
	w := fill(t)
	for _, query := range []string{"", "?linkType=linkset", "?linkType=gs1:pip", "?linkType=gs1:nosuch"} {
		one := w.ask(t, http.MethodGet, "/"+screwdriver+"/21/SECRET1"+query, nil)
		two := w.ask(t, http.MethodGet, "/"+screwdriver+"/21/SECRET2"+query, nil)
		if one.Code != two.Code || !reflect.DeepEqual(one.Header(), two.Header()) || one.Body.String() != two.Body.String() {
			t.Errorf("two unknown serials differ: %v %s, %v %s", one.Header(), one.Body, two.Header(), two.Body)
		}
		if all := one.Body.String() + allHeaders(one); strings.Contains(all, "SECRET") {
			t.Errorf("a serial is repeated: %s", all)
		}
	}
}

// TestRefusalsSayThePlaceOnly: what is wrong may be a serial number.
func TestRefusalsSayThePlaceOnly(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for path, says := range map[string]string{
		"/01//04012345999990/21/S3CRET":   "name at byte 23: no value stands behind the last code",
		"/" + screwdriver + "/S3CRET/7":   "name at byte 19: what stands here may not (ai)",
		"/" + screwdriver + "?S3CRET=1":   "",
		"/01/04012345999991":              "01 at byte 17: the check digit or characters are 0, not 1",
		"/" + screwdriver + "/21/~S3CRET": "21 at byte 22: what stands here may not (letter)",
	} {
		got := httptest.NewRecorder()
		w.door.ServeHTTP(got, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)) // a mux would tidy it up
		if all := got.Body.String() + allHeaders(got); strings.Contains(all, "S3CRET") || !strings.Contains(all, says) {
			t.Errorf("%s: %s", path, all)
		}
	}
}

// TestThingDescriptionsAreLinked finds descriptions of the directory.
func TestThingDescriptionsAreLinked(t *testing.T) {
	t.Parallel()
	w := fill(t)
	w.put(t, linkset.Item{Anchor: "414/4012345000108", Entries: []linkset.Entry{
		{LinkType: "gs1:locationInfo", Href: shop}, {LinkType: linkset.DescribedBy, Href: base + "/things/4012345000108"},
	}})
	for path, to := range map[string]string{
		screwdriver + "/21/TD":                         base + "/things/04012345999990",
		screwdriver + "/21/TD?linkType=describedby":    base + "/things/04012345999990",
		screwdriver + "/21/TD?linkType=gs1:faqs":       shop + "faqs",
		screwdriver + "?linkType=describedby":          "",
		"01/04000001002221":                            base + "/things/04000001002221",
		"01/04000001002221/21/7":                       base + "/things/04000001002221",
		"414/4012345000108":                            shop,
		"414/4012345000108?linkType=describedby":       base + "/things/4012345000108?linkType=describedby",
		"414/4012345000108/254/1?linkType=describedby": base + "/things/4012345000108?linkType=describedby",
	} {
		if got := w.ask(t, http.MethodGet, "/"+path, nil); got.Header().Get("Location") != to {
			t.Errorf("%s: %d to %q, not %q", path, got.Code, got.Header().Get("Location"), to)
		}
	}
	looks := func(path string) int {
		before := w.looked
		w.ask(t, http.MethodGet, "/"+path, nil)
		return w.looked - before
	}
	if known, unknown := looks(screwdriver+"/21/TD"), looks(screwdriver+"/21/NO"); known != unknown || known == 0 {
		t.Errorf("%d looks for what is described, %d for what is not", known, unknown)
	}
	if n := looks(screwdriver); n != 0 {
		t.Errorf("%d looks for a class that has links", n)
	}
}

func allHeaders(got *httptest.ResponseRecorder) string {
	var b bytes.Buffer
	if err := got.Header().Write(&b); err != nil {
		return err.Error()
	}
	return b.String()
}

func TestCompressedLinksAreExpanded(t *testing.T) {
	t.Parallel()
	w := fill(t)
	link, err := id.ParseLink("/"+screwdriver+"/10/L1", "", id.Options{})
	if err != nil {
		t.Fatal(err)
	}
	short := link.Key.Compressed()
	got := w.ask(t, http.MethodGet, "/"+short, nil)
	if got.Code != http.StatusTemporaryRedirect || got.Header().Get("Location") != shop+"en" {
		t.Errorf("%s: %d %v", short, got.Code, got.Header())
	}
	if same := got.Header().Values("Link"); len(same) == 0 || same[0] != "<"+base+"/"+screwdriver+`/10/L1>; rel="owl:sameAs"` {
		t.Errorf("Link is %q", same)
	}
}

func TestDelegatedKeysAreHandedOn(t *testing.T) {
	t.Parallel()
	w := fill(t)
	for _, d := range []linkset.Delegation{
		{Subject: "01/0401234599*", HandledBy: "https://s.example.net"},
		{Subject: screwdriver, HandledBy: base},
	} {
		if err := w.book.Delegate(t.Context(), d); err != nil {
			t.Fatal(err)
		}
	}
	got := w.ask(t, http.MethodGet, "/01/04012345999969/21/7?linkType=gs1:pip", nil)
	if to := got.Header().Get("Location"); got.Code != http.StatusTemporaryRedirect || to != "https://s.example.net/01/04012345999969/21/7?linkType=gs1:pip" {
		t.Errorf("%d to %q", got.Code, to)
	}
	if link := got.Header().Get("Link"); link != `<https://s.example.net>; rel="https://ref.gs1.org/voc/handledBy"` {
		t.Errorf("Link is %q", link)
	}
	if got := w.ask(t, http.MethodGet, "/"+screwdriver, nil); got.Header().Get("Location") != shop+"en" {
		t.Errorf("what stays here leads to %q", got.Header().Get("Location"))
	}
}

// TestLinksetsAreWhatGS1sSchemaSays validates answers by the published schema.
func TestLinksetsAreWhatGS1sSchemaSays(t *testing.T) {
	t.Parallel()
	schema := linksetSchema(t)
	w := fill(t)
	for _, path := range []string{
		screwdriver + "?linkType=linkset", screwdriver + "/10/L1/21/7?linkType=linkset", screwdriver + "?linkType=gs1:certificationInfo",
	} {
		got := w.ask(t, http.MethodGet, "/"+path, nil)
		doc, err := jsonschema.UnmarshalJSON(got.Body)
		if err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(doc); err != nil {
			t.Errorf("%s: %v", path, err)
		}
		if links := strings.Join(got.Header().Values("Link"), ", "); !strings.Contains(links, `rel="http://www.w3.org/ns/json-ld#context"`) {
			t.Errorf("%s: Link is %q", path, links)
		}
	}
	got := w.ask(t, http.MethodGet, gs1door.ContextPath, nil)
	checkJSON(t, got.Body.Bytes(), nil)
}

func linksetSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	f, err := os.Open(filepath.Join("..", "..", "..", "..", "shared", "data", "gs1-linkset-schema.json"))
	if err != nil {
		t.Skip("../shared/data is absent: GS1's schema is not tried")
	}
	defer func() { _ = f.Close() }()
	doc, err := jsonschema.UnmarshalJSON(f)
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.UseRegexpEngine(lookAhead)
	if err := c.AddResource("linkset.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("linkset.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// withoutAnchor is the schema's pattern for link types, whose look-ahead Go's
// expressions don't have: a name of a link type that begins with neither word.
type withoutAnchor struct{ *regexp.Regexp }

func (w withoutAnchor) MatchString(s string) bool {
	return !strings.HasPrefix(s, "anchor") && !strings.HasPrefix(s, "itemDescription") && w.Regexp.MatchString(s)
}

func lookAhead(pattern string) (jsonschema.Regexp, error) {
	rest, has := strings.CutPrefix(pattern, "(?!(anchor|itemDescription))")
	re, err := regexp.Compile(rest)
	if err != nil || !has {
		return re, err
	}
	return withoutAnchor{re}, nil
}
