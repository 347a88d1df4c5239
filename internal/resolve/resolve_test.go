package resolve

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"primum/internal/linkset"
	"primum/internal/wire"
	"primum/thing/id"
)

// rooms are all that a resolver asks, in memory. They write down what they were
// asked for, without the names.
type rooms struct {
	items     map[string]linkset.Item
	delegated map[string]string // by the beginning of a scope
	things    map[string]string // title by form; "private …" is its owner's
	hushed    map[string]bool   // by hush
	asked     []string
}

func (r *rooms) Lookup(_ context.Context, anchor string) (linkset.Item, error) {
	r.asked = append(r.asked, "links")
	if it, ok := r.items[anchor]; ok {
		return it, nil
	}
	return linkset.Item{}, linkset.ErrNotFound
}

func (r *rooms) Delegated(_ context.Context, scope string) (linkset.Delegation, bool, error) {
	r.asked = append(r.asked, "delegations")
	for prefix, to := range r.delegated {
		if strings.HasPrefix(scope, prefix) {
			return linkset.Delegation{Subject: prefix + "*", HandledBy: to}, true, nil
		}
	}
	return linkset.Delegation{}, false, nil
}

func (r *rooms) Describe(_ context.Context, caller string, forms []string) (Description, bool, error) {
	r.asked = append(r.asked, "things")
	for _, f := range forms {
		title, ok := r.things[f]
		if ok && (caller != "" || !strings.HasPrefix(title, "private")) {
			return Description{ID: f, Title: title, URL: "https://h.example/things/x"}, true, nil
		}
	}
	return Description{}, false, nil
}

func (r *rooms) Hushed(_ context.Context, hush []byte) (bool, error) {
	r.asked = append(r.asked, "hushes")
	return r.hushed[string(hush)], nil
}

var secret = []byte("secret of a test")

const lamp = "01/09521234543213"

func world(t *testing.T) (*rooms, *Resolver) {
	t.Helper()
	r := &rooms{
		items: map[string]linkset.Item{
			lamp:                   {Description: "Lamp", Local: map[string]string{"de": "Lampe"}, Entries: []linkset.Entry{{LinkType: "gs1:pip", Href: "https://shop.example/lamp"}}},
			lamp + "/21/known":     {Description: "This lamp", Entries: []linkset.Entry{{LinkType: "gs1:pip", Href: "https://shop.example/7"}}},
			lamp + "/21/hushed":    {Description: "That lamp", Entries: []linkset.Entry{{LinkType: "gs1:pip", Href: "https://shop.example/8"}}},
			"mac/0024befffe804ff1": {Description: "Radio"},
		},
		delegated: map[string]string{"01/0950": "https://s.example", "01/0951": "https://h.example", "dns/example/h/sensors": "https://s.example"},
		things:    map[string]string{}, hushed: map[string]bool{},
	}
	r.things[name(t, lamp+"/21/private").String()] = "private lamp"
	r.things[name(t, lamp+"/21/described").String()] = "described lamp"
	r.hushed[string(Hush(secret, name(t, lamp+"/21/hushed")))] = true
	pages := func(_ context.Context, label string) (string, bool, error) {
		return "Page", label == "known-label", nil
	}
	return r, New(Options{Authority: "h.example", Base: "https://h.example", Secret: secret, Links: r, Descriptions: r, Hushes: r, Pages: pages})
}

func name(t *testing.T, text string) id.ID {
	t.Helper()
	n, err := id.Parse(text)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return n
}

func TestNamesAreAnswered(t *testing.T) {
	t.Parallel()
	_, r := world(t)
	for text, want := range map[string]Answer{
		lamp:                                     {Kind: Found, Level: Class, Asked: Class, Title: "Lamp"},
		lamp + "/21/known":                       {Kind: Found, Level: Thing, Asked: Thing, Title: "This lamp"},
		lamp + "/10/B/21/known":                  {Kind: Found, Level: Class, Asked: Thing, Title: "Lamp"}, // walk-up
		lamp + "/21/described":                   {Kind: Found, Level: Thing, Asked: Thing, Title: "described lamp"},
		"01/09501101530003/21/a":                 {Kind: Referral, Asked: Thing, HandledBy: "https://s.example", Covers: "01/0950*"},
		"01/09510000000005":                      {Kind: Unknown, Asked: Class}, // delegated to itself
		"00:24:be:80:4f:f1":                      {Kind: Found, Level: Thing, Asked: Thing, Title: "Radio"},
		"lamp.sensors.h.example":                 {Kind: Referral, Asked: Thing, HandledBy: "https://s.example", Covers: "dns/example/h/sensors*"},
		"lamp.h.example":                         {Kind: Unknown, Level: Thing, Asked: Thing},
		"h.example":                              {Kind: Found, Level: Class, Asked: Class, Title: "h.example"},
		"https://h.example/":                     {Kind: Found, Level: Class, Asked: Class, Title: "h.example"},
		"did:web:h.example":                      {Kind: Found, Level: Class, Asked: Class, Title: "h.example"},
		"did:web:h.example:thing:known-label":    {Kind: Found, Level: Thing, Asked: Thing, Title: "Page"},
		"https://h.example/thing/known-label":    {Kind: Found, Level: Thing, Asked: Thing, Title: "Page"},
		"https://h.example/thing/other-label":    {Kind: Unknown, Asked: Thing},
		"did:web:other.example":                  {Kind: Unknown, Level: Thing, Asked: Thing},
		"https://evil.example/thing/known-label": {Kind: Unknown, Level: Thing, Asked: Thing},
	} {
		got, err := r.Resolve(t.Context(), name(t, text), Ask{})
		if err != nil {
			t.Errorf("%s: %v", text, err)
		}
		got.ID, got.Links = "", nil
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, want %+v", text, got, want)
		}
	}
	got, err := r.Resolve(t.Context(), name(t, lamp), Ask{Lang: "de-AT,de;q=0.9"})
	if err != nil || got.Title != "Lampe" {
		t.Errorf("in German: %+v, %v", got, err)
	}
}

// TestSerialsAreIndistinguishable is privacy rule 3: what is unknown, opted out
// or private gets the same bytes after the same work (names.md).
func TestSerialsAreIndistinguishable(t *testing.T) {
	t.Parallel()
	var answers, works []string
	for _, serial := range []string{"unknown", "hushed", "private", "10/B/21/hushed"} {
		rooms, r := world(t)
		path := "/21/" + serial
		if strings.Contains(serial, "/") {
			path = "/" + serial
		}
		a, err := r.Resolve(t.Context(), name(t, lamp+path), Ask{})
		if err != nil {
			t.Fatal(err)
		}
		b, err := json.Marshal(a.Wire())
		if err != nil || strings.Contains(string(b), serial) {
			t.Errorf("%s: %s, %v", serial, b, err)
		}
		answers, works = append(answers, string(b)), append(works, strings.Join(rooms.asked, " "))
	}
	for i := range answers {
		if answers[i] != answers[0] {
			t.Errorf("answer %d is %s, not %s", i, answers[i], answers[0])
		}
		if i < 3 && works[i] != works[0] {
			t.Errorf("work %d is %s, not %s", i, works[i], works[0])
		}
	}
	// A batch before the serial is one step more, for every serial alike.
	rooms, r := world(t)
	if _, err := r.Resolve(t.Context(), name(t, lamp+"/10/B/21/unknown"), Ask{}); err != nil || strings.Join(rooms.asked, " ") != works[3] {
		t.Errorf("work with a batch is %v, not %s; %v", rooms.asked, works[3], err)
	}
	rooms, r = world(t)
	rooms.things[name(t, lamp+"/21/hushed").String()] = "public lamp"
	if a, err := r.Resolve(t.Context(), name(t, lamp+"/21/hushed"), Ask{Caller: "ada@h.example"}); err != nil || a.Title != "Lamp" {
		t.Errorf("a hushed name, for an account: %+v, %v", a, err)
	}
	if a, err := r.Resolve(t.Context(), name(t, lamp+"/21/private"), Ask{Caller: "ada@h.example"}); err != nil || a.Title != "private lamp" {
		t.Errorf("its owner: %+v, %v", a, err)
	}
}

func TestScopesContain(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"(01)09521234543213(21)a/b":                     lamp + "/21/a%2Fb",
		"https://shop.example/01/09521234543213":        lamp,
		"Lamp.Things.Example":                           "dns/example/things/lamp",
		"h.localhost:8401":                              "dns/localhost/h",
		"192.0.2.7":                                     "ip/c0000207",
		"2001:DB8::1":                                   "ip/20010db8000000000000000000000001",
		"00-24-BE-80-4F-F1":                             "mac/0024befffe804ff1",
		"urn:uuid:3AA80012-7a9d-4ca4-8f04-0d4b0b3c8b3f": "uuid/3aa800127a9d4ca48f040d4b0b3c8b3f",
		"did:web:h.example:lamp":                        "did/did:web:h.example:lamp",
		"https://h.example/lamp":                        "url/https://h.example/lamp",
	} {
		if got := Scope(name(t, text)); got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
}

// TestLabelsAreRandom is privacy rule 2: a label tells nothing, another epoch
// has another, and only who has the node's key can tell which belong together.
func TestLabelsAreRandom(t *testing.T) {
	t.Parallel()
	form := regexp.MustCompile(`^[a-z2-7]{26}$`)
	seen := map[string]bool{}
	ones := 0
	for epoch := range int64(2000) {
		l := Label(secret, "lamp", epoch)
		if !form.MatchString(l) || seen[l] {
			t.Fatalf("epoch %d: %s", epoch, l)
		}
		seen[l] = true
		ones += strings.Count(lower[:16], l[:1])
	}
	if ones < 850 || ones > 1150 { // 1,000 are expected, with a deviation of 22
		t.Errorf("half of the first letters should be of the first half of the alphabet, not %d of 2000", ones)
	}
	if Label(secret, "lamp", 1) == Label(secret, "door", 1) ||
		Label([]byte("other"), "lamp", 1) == Label(secret, "lamp", 1) {
		t.Error("a label is of one key, name and epoch")
	}
	if Label(secret, "a", 1) == Label(secret, "a\x00", 1) {
		t.Error("names run into one another")
	}
	key := ed25519.NewKeyFromSeed(make([]byte, 32))
	if s := SecretOf(key); len(s) != 32 || slices.Equal(s, key.Seed()) {
		t.Error("the secret is derived from the key")
	}
}

func TestOneSerialIsHushedWithAnyBatch(t *testing.T) {
	t.Parallel()
	want := Hush(secret, name(t, lamp+"/21/a"))
	if !slices.Equal(Hush(secret, name(t, lamp+"/22/V/10/B/21/a")), want) {
		t.Error("another batch is another thing")
	}
	for _, text := range []string{lamp, lamp + "/10/B", lamp + "/21/b"} {
		if slices.Equal(Hush(secret, name(t, text)), want) {
			t.Errorf("%s is hushed by %s", text, lamp+"/21/a")
		}
	}
	for text, thing := range map[string]bool{lamp: false, lamp + "/10/B": false, lamp + "/21/a": true, "00:24:be:80:4f:f1": true, "(00)040123451111111110": true} {
		if IsThing(name(t, text)) != thing {
			t.Errorf("%s: a thing is %v", text, !thing)
		}
	}
}

// TestAnswersAreCountedByTheHour is privacy rule 6.
func TestAnswersAreCountedByTheHour(t *testing.T) {
	t.Parallel()
	var c Tally
	hour := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	for range 3 {
		c.Count(Found, hour.Add(10*time.Minute))
	}
	if got := c.LastHour(Found, hour.Add(59*time.Minute)); got != 0 {
		t.Errorf("in the same hour %d are seen", got)
	}
	if got := c.LastHour(Found, hour.Add(70*time.Minute)); got != 3 {
		t.Errorf("in the next hour %d", got)
	}
	if got := c.LastHour(Unknown, hour.Add(70*time.Minute)); got != 0 {
		t.Errorf("of another kind %d", got)
	}
	if got := c.LastHour(Found, hour.Add(3*time.Hour)); got != 0 {
		t.Errorf("two hours later %d", got)
	}
}

func TestDocuments(t *testing.T) {
	t.Parallel()
	key := ed25519.NewKeyFromSeed(make([]byte, 32)).Public().(ed25519.PublicKey)
	doc := NodeDocument("h.localhost:8401", "http://h.localhost:8401", "k1", key)
	if doc.ID != "did:web:h.localhost%3A8401" || doc.Assertion[0] != doc.Verification[0].ID {
		t.Errorf("%+v", doc)
	}
	if n := name(t, doc.ID); n.Host() != "h.localhost:8401" || n.String() != doc.ID {
		t.Errorf("it is read as %s at %s", n, n.Host())
	}
	label := LabelDocument("h.example", "https://h.example", "abc")
	if label.ID != "did:web:h.example:thing:abc" || label.Services[0].Endpoint != "https://h.example"+wire.LabelPrefix+"abc" {
		t.Errorf("%+v", label)
	}
}
