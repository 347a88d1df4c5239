package portal

import "primum/internal/words"

// allWords reads the catalogue of each language once.
func allWords() (map[string]*words.Words, error) {
	all := map[string]*words.Words{}
	for _, l := range languages() {
		w, err := words.New(l)
		if err != nil {
			return nil, err
		}
		all[l] = w
	}
	return all, nil
}

// words gives the sentences of one of the languages.
func (p *Portal) words(language string) func(id string, pairs ...any) string {
	return p.said[language].Get
}
