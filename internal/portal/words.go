package portal

import (
	"sync"

	"primum/internal/words"
)

// said are the catalogues, each read when it is first asked for. Safe for
// concurrent use.
type said struct {
	mu  sync.Mutex
	all map[string]*words.Words // guarded by mu
}

func (s *said) in(language string) (*words.Words, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if w := s.all[language]; w != nil {
		return w, nil
	}
	w, err := words.New(language)
	if err == nil {
		s.all[language] = w
	}
	return w, err
}

// words gives the sentences of one of the languages. A catalogue is part of the
// program, and a test reads every one: it does not fail here.
func (p *Portal) words(language string) func(id string, pairs ...any) string {
	w, err := p.said.in(language)
	if err != nil {
		p.cfg.Log.Error("catalogue not read", "language", language, "error", err)
		return func(id string, _ ...any) string { return id }
	}
	return w.Get
}
