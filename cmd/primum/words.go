package main

import (
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/nicksnyder/go-i18n/v2/i18n"
	"golang.org/x/text/language"
)

//go:embed en.json
var english []byte

// words is the catalogue of everything a person reads. Sentences have ids, so
// that other languages can be added without touching code.
type words struct{ localizer *i18n.Localizer }

func newWords(languages ...string) (*words, error) {
	b := i18n.NewBundle(language.English)
	b.RegisterUnmarshalFunc("json", json.Unmarshal)
	if _, err := b.ParseMessageFileBytes(english, "en.json"); err != nil {
		return nil, fmt.Errorf("read catalogue: %w", err)
	}
	return &words{localizer: i18n.NewLocalizer(b, append(languages, "en")...)}, nil
}

// get is the sentence of an id; pairs are names and values of its blanks. The
// name "N" chooses singular or plural.
func (w *words) get(id string, pairs ...any) string {
	c := &i18n.LocalizeConfig{MessageID: id, TemplateData: dataOf(pairs)}
	if n, ok := dataOf(pairs)["N"]; ok {
		c.PluralCount = n
	}
	s, err := w.localizer.Localize(c)
	if err != nil {
		return fmt.Sprintf("[%s] %v", id, pairs) // a test keeps this from happening
	}
	return s
}

func dataOf(pairs []any) map[string]any {
	m := make(map[string]any, len(pairs)/2)
	for i := 0; i+1 < len(pairs); i += 2 {
		m[fmt.Sprint(pairs[i])] = pairs[i+1]
	}
	return m
}

// has tells whether the catalogue knows an id.
func (w *words) has(id string) bool {
	_, err := w.localizer.Localize(&i18n.LocalizeConfig{MessageID: id, TemplateData: map[string]any{}})
	var missing *i18n.MessageNotFoundErr
	return !errors.As(err, &missing)
}
