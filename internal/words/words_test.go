package words

import (
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

func TestLanguageIsTheFirstThatIsThere(t *testing.T) {
	t.Parallel()
	for asked, want := range map[string]string{
		"": "en", "C": "en", "POSIX": "en", "tlh": "en", "not a language!": "en", "en_GB.UTF-8": "en",
		"de_DE.UTF-8@euro": "de", "de-CH": "de", "ar": "ar", "ar_EG": "ar",
		"tlh, ar;q=0.8, en;q=0.5": "ar", "tlh,de;q=0.1": "de",
	} {
		w, err := New(asked)
		if err != nil {
			t.Fatal(err)
		}
		if w.Language() != want {
			t.Errorf("%q gets %s, want %s", asked, w.Language(), want)
		}
		if rtl := w.Direction() == "rtl"; rtl != (want == "ar") {
			t.Errorf("%s runs %s", want, w.Direction())
		}
	}
	if w, err := New("tlh", "de"); err != nil || w.Language() != "de" {
		t.Errorf("the second asked for is not taken: %v %v", w, err)
	}
}

// A language that has a part of the sentences says those, and the rest in
// English, with the plurals of the language that speaks.
func TestIncompleteLanguageFallsBackBySentence(t *testing.T) {
	t.Parallel()
	files := fstest.MapFS{
		"en/a.json": {Data: []byte(`{"x.yes": "yes", "x.no": "no", "x.n": {"one": "{{.N}} day", "other": "{{.N}} days"}, "x.m": {"one": "{{.N}} hour", "other": "{{.N}} hours"}}`)},
		"ru/a.json": {Data: []byte(`{"x.yes": "да", "x.n": {"one": "{{.N}} день", "few": "{{.N}} дня", "many": "{{.N}} дней", "other": "{{.N}} дня"}}`)},
	}
	w, err := newWords(files, "*", []string{"ru_RU.UTF-8"})
	if err != nil {
		t.Fatal(err)
	}
	for got, want := range map[string]string{
		w.Get("x.yes"): "да", w.Get("x.no"): "no", w.Get("x.n", "N", 3): "3 дня", w.Get("x.n", "N", 25): "25 дней",
		w.Get("x.m", "N", 21): "21 hours", w.Get("x.m", "N", 1): "1 hour", w.Language(): "ru",
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	if !w.Has("x.no") || w.Has("x.other") || !w.Has("x.n") {
		t.Error("Has is wrong about what is in English only")
	}
	if len(Supported()) != 10 || Supported()[0] != "en" {
		t.Errorf("supported: %q", Supported())
	}
}

func TestGet(t *testing.T) {
	t.Parallel()
	w, err := New("en")
	if err != nil {
		t.Fatal(err)
	}
	if got := w.Get("no.such.id", "A", 1); !strings.Contains(got, "no.such.id") {
		t.Errorf("missing id shows as %q", got)
	}
	if w.Has("no.such.id") || !w.Has("receipt.kept") || !w.Has("things.refused") {
		t.Error("Has is wrong")
	}
	if got := w.Get("claim.done", "N", 1); !strings.Contains(got, "1 thing.") {
		t.Errorf("singular: %q", got)
	}
	if got := w.Get("claim.done", "N", 3); !strings.Contains(got, "3 things.") {
		t.Errorf("plural: %q", got)
	}
	if got := w.Get("may.read", "N", 1); got != "read" {
		t.Errorf("a sentence without plurals, with a number: %q", got)
	}
}

func TestArabicHasSixForms(t *testing.T) {
	t.Parallel()
	w, err := New("ar")
	if err != nil {
		t.Fatal(err)
	}
	var forms []string
	for _, n := range []any{0, uint64(1), int64(2), 3, 11, 100} {
		s := strings.NewReplacer("0", "", "1", "", "2", "", "3", "").Replace(w.Get("claim.done", "N", n))
		forms = append(forms, strings.TrimSpace(s))
	}
	slices.Sort(forms)
	if n := len(slices.Compact(forms)); n != 6 {
		t.Errorf("%d forms of a counted sentence, want 6: %q", n, forms)
	}
}
