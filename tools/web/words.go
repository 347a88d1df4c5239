package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// pageParts are the parts of the catalogue that pages need.
var pageParts = []string{"web", "consent", "account", "link", "engine", "rights", "seen"}

// catalogues merges the parts of each language into one file: "words.de.json".
func (t tree) catalogues() (map[string][]byte, error) {
	all := map[string][]byte{}
	dirs, err := filepath.Glob(filepath.Join(t.root, "internal", "words", "*", "*.json"))
	if err != nil {
		return nil, err
	}
	merged := map[string]map[string]json.RawMessage{}
	for _, path := range dirs {
		lang, part := filepath.Base(filepath.Dir(path)), strings.TrimSuffix(filepath.Base(path), ".json")
		if !slices.Contains(pageParts, part) {
			continue
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		if merged[lang] == nil {
			merged[lang] = map[string]json.RawMessage{}
		}
		if err := addPart(merged[lang], b); err != nil {
			return nil, fmt.Errorf("%s/%s.json: %w", lang, part, err)
		}
	}
	for lang, m := range merged {
		b, err := json.Marshal(m) // keys are sorted
		if err != nil {
			return nil, err
		}
		all["words."+lang+".json"] = b
	}
	return all, nil
}

func addPart(all map[string]json.RawMessage, b []byte) error {
	var part map[string]json.RawMessage
	if err := json.Unmarshal(b, &part); err != nil {
		return err
	}
	for id, sentence := range part {
		if _, twice := all[id]; twice {
			return fmt.Errorf("%s stands in two parts", id)
		}
		all[id] = sentence
	}
	return nil
}

// push are the sentences that the service worker shows without a page.
type push struct {
	Title string `json:"title"`
	Body  string `json:"body"`
}

// pushSentences takes them from the merged catalogues, by language.
func (t tree) pushSentences() ([]byte, error) {
	catalogues, err := t.catalogues()
	if err != nil {
		return nil, err
	}
	all := map[string]push{}
	for name, b := range catalogues {
		var c struct {
			Title string `json:"web.push.title"`
			Body  string `json:"web.push.body"`
		}
		if err := json.Unmarshal(b, &c); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		all[strings.Split(name, ".")[1]] = push{c.Title, c.Body}
	}
	return json.Marshal(all)
}
