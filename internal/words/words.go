package words

import (
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"sync"

	"github.com/nicksnyder/go-i18n/v2/i18n"
	"golang.org/x/text/language"
)

//go:embed */*.json
var catalogues embed.FS

// Supported are the languages there may be a folder for, the first of which
// every sentence has. A language with a part of the sentences is completed by
// the first, sentence by sentence.
func Supported() []string {
	return []string{"en", "de", "fr", "es", "pt", "ru", "zh", "ar", "hi", "sw"}
}

// Available are the supported languages that have a folder.
func Available() []string { return available(catalogues) }

func available(files fs.FS) (out []string) {
	for _, lang := range Supported() {
		if _, err := fs.Stat(files, lang); err == nil {
			out = append(out, lang)
		}
	}
	return out
}

// Words is the catalogue in one language. It may be used concurrently.
type Words struct {
	localizer *i18n.Localizer
	language  string
}

// New is the catalogue in the first of the languages that is there, else in
// English. Each is a tag ("de", "pt-BR"), a locale of a shell ("de_DE.UTF-8") or
// the value of an Accept-Language header.
func New(languages ...string) (*Words, error) { return newWords(catalogues, "*", languages) }

// NewPart is New for one part of the catalogue, "operator": what keeps the
// sentences of every language in memory keeps no others.
func NewPart(part string, languages ...string) (*Words, error) {
	return newWords(catalogues, part, languages)
}

// Book has one part of the catalogue, or all, in every language, each read when
// it is first asked for. It may be used concurrently.
type Book struct {
	part string
	mu   sync.Mutex
	all  map[string]*Words // guarded by mu
}

// NewBook reads nothing yet; part is a name as for NewPart, or "*".
func NewBook(part string) *Book { return &Book{part: part, all: map[string]*Words{}} }

// In is the catalogue in one of the Available languages. The catalogue is
// part of the program, and a test reads all of it; were it broken, every
// sentence would show its id.
func (b *Book) In(lang string) *Words {
	b.mu.Lock()
	defer b.mu.Unlock()
	if w := b.all[lang]; w != nil {
		return w
	}
	w, err := NewPart(b.part, lang)
	if err != nil {
		w = &Words{localizer: i18n.NewLocalizer(i18n.NewBundle(language.English)), language: "en"}
	}
	b.all[lang] = w
	return w
}

func newWords(files fs.FS, part string, languages []string) (*Words, error) {
	lang := choose(available(files), languages)
	bundle := i18n.NewBundle(language.English)
	bundle.RegisterUnmarshalFunc("json", json.Unmarshal)
	for _, l := range slices.Compact([]string{"en", lang}) {
		if err := load(files, bundle, l, part); err != nil {
			return nil, fmt.Errorf("read catalogue %s: %w", l, err)
		}
	}
	return &Words{localizer: i18n.NewLocalizer(bundle, lang, "en"), language: lang}, nil
}

// choose is the best of the available languages.
func choose(available, wanted []string) string {
	tags := make([]language.Tag, len(available))
	for i, l := range available {
		tags[i] = language.Make(l)
	}
	var want []language.Tag
	for _, w := range wanted {
		want = append(want, tagsOf(w)...)
	}
	_, i, confidence := language.NewMatcher(tags).Match(want...)
	if confidence == language.No {
		return "en"
	}
	return available[i]
}

// tagsOf reads a locale or a header; what is neither is no language.
func tagsOf(s string) []language.Tag {
	if !strings.ContainsAny(s, ",;") { // a locale: de_DE.UTF-8@euro
		s, _, _ = strings.Cut(s, ".")
		s, _, _ = strings.Cut(s, "@")
		s = strings.ReplaceAll(s, "_", "-")
	}
	tags, _, err := language.ParseAcceptLanguage(s)
	if err != nil {
		return nil
	}
	return tags
}

func load(files fs.FS, b *i18n.Bundle, lang, part string) error {
	parts, err := fs.Glob(files, lang+"/"+part+".json")
	if err != nil {
		return err
	}
	for _, part := range parts {
		text, err := fs.ReadFile(files, part)
		if err == nil {
			_, err = b.ParseMessageFileBytes(text, lang+".json")
		}
		if err != nil {
			return fmt.Errorf("%s: %w", part, err)
		}
	}
	return nil
}

// Language is the tag of the chosen language.
func (w *Words) Language() string { return w.language }

// Direction is "rtl" for languages written from right to left, else "ltr".
func (w *Words) Direction() string {
	if w.language == "ar" {
		return "rtl"
	}
	return "ltr"
}

// Get is the sentence of an id; pairs are names and values of its blanks. The
// name "N" chooses the plural. An id that is not there shows itself, in
// brackets.
func (w *Words) Get(id string, pairs ...any) string {
	data := dataOf(pairs)
	c := &i18n.LocalizeConfig{MessageID: id, TemplateData: data}
	if n, ok := data["N"]; ok {
		c.PluralCount = fmt.Sprint(n)
		if s, ok := w.localize(c); ok {
			return s
		}
		c.PluralCount = nil // a sentence that is the same for every number
	}
	s, ok := w.localize(c)
	if !ok {
		return fmt.Sprintf("[%s] %v", id, pairs) // a test keeps this from happening
	}
	return s
}

// localize is the sentence in the chosen language, else in English, of which
// the library says by an error that it is not the chosen one.
func (w *Words) localize(c *i18n.LocalizeConfig) (string, bool) {
	s, err := w.localizer.Localize(c)
	var other *i18n.MessageNotFoundErr
	return s, err == nil || s != "" && errors.As(err, &other)
}

func dataOf(pairs []any) map[string]any {
	m := make(map[string]any, len(pairs)/2)
	for i := 0; i+1 < len(pairs); i += 2 {
		m[fmt.Sprint(pairs[i])] = pairs[i+1]
	}
	return m
}

// Has tells whether the catalogue knows an id.
func (w *Words) Has(id string) bool {
	s, err := w.localizer.Localize(&i18n.LocalizeConfig{MessageID: id, TemplateData: map[string]any{}})
	var missing *i18n.MessageNotFoundErr
	return s != "" || !errors.As(err, &missing)
}
