package portal

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"strings"
)

//go:embed en.json
var english []byte

// words gives the sentences of a language.
func (p *Portal) words(string) func(id string, pairs ...any) string {
	var all map[string]any
	_ = json.Unmarshal(english, &all)
	return func(id string, pairs ...any) string {
		s, ok := all[id].(string)
		if !ok {
			return id
		}
		for i := 0; i+1 < len(pairs); i += 2 {
			s = strings.ReplaceAll(s, "{{."+fmt.Sprint(pairs[i])+"}}", fmt.Sprint(pairs[i+1]))
		}
		return s
	}
}
