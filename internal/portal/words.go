package portal

// words gives the sentences of one of the languages.
func (p *Portal) words(language string) func(id string, pairs ...any) string {
	return p.said.In(language).Get
}
