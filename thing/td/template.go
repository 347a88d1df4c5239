package td

import (
	"errors"
	"strings"
)

var errTemplate = errors.New("not a URI template (RFC 6570)")

// expand reads a URI template (RFC 6570 §2): what it says with every expression
// replaced by something that fits, and the names of its variables.
func expand(template string) (plain string, names []string, err error) {
	var b strings.Builder
	for rest := template; ; {
		text, more, found := strings.Cut(rest, "{")
		if strings.Contains(text, "}") {
			return "", nil, errTemplate
		}
		b.WriteString(text)
		if !found {
			return b.String(), names, nil
		}
		expression, after, closed := strings.Cut(more, "}")
		list, fill, ok := variables(expression)
		if !closed || !ok {
			return "", nil, errTemplate
		}
		names = append(names, list...)
		b.WriteString(fill)
		rest = after
	}
}

// variables reads what stands between braces.
func variables(expression string) (names []string, fill string, ok bool) {
	fill = "0"
	if expression != "" && strings.IndexByte("+#./;?&", expression[0]) >= 0 {
		if op := expression[:1]; op != "+" {
			fill = op + "x=0"
		}
		expression = expression[1:]
	}
	for spec := range strings.SplitSeq(expression, ",") {
		name := strings.TrimSuffix(spec, "*")
		if before, length, found := strings.Cut(name, ":"); found {
			if length == "" || len(length) > 4 || strings.Trim(length, "0123456789") != "" {
				return nil, "", false
			}
			name = before
		}
		if name == "" || strings.ContainsAny(name, " {}\"<>\\^`|/?#&=") {
			return nil, "", false
		}
		names = append(names, name)
	}
	return names, fill, true
}
