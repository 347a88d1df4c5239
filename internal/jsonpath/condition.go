package jsonpath

// Sort of a condition.
type Sort uint8

// Sorts of conditions.
const (
	Other    Sort = iota // nothing that is said here: it may hold or not
	All                  // each part holds
	Any                  // a part holds
	Equal                // the value at Path is the string Text
	Exists               // there is a value at Path
	Contains             // the list (or an object's values) at Path has the string Text
)

// Condition is what a filter asks of an element, for who has an index.
type Condition struct {
	Sort  Sort
	Parts []Condition
	Path  []string // names of members, from the element down
	Text  string
}

// Elements tells how a query looks at the elements of a list or object. each:
// it can be asked of every element for itself (with Each), since it begins with
// a filter or a wildcard and never looks back at the root. whole: what it
// selects are elements, none of their parts. c is what the filter asks for.
func (q *Query) Elements() (c Condition, each, whole bool) {
	s := q.root.segments
	if len(s) == 0 || s[0].deep || len(s[0].selectors) != 1 || !q.root.relative() {
		return Condition{}, false, false
	}
	switch sel := s[0].selectors[0]; sel.kind {
	case wildcard:
		return Condition{}, true, len(s) == 1
	case byFilter:
		return condition(sel.filter), true, len(s) == 1
	}
	return Condition{}, false, false
}

func condition(e expression) Condition {
	switch x := e.(type) {
	case or:
		return Condition{Sort: Any, Parts: conditions(x)}
	case and:
		return Condition{Sort: All, Parts: conditions(x)}
	case exists:
		return existence(x.path)
	case *comparison:
		if x.op != "==" {
			return Condition{}
		}
		if c, ok := equality(x.left, x.right); ok {
			return c
		}
		c, _ := equality(x.right, x.left)
		return c
	}
	return Condition{}
}

func conditions(list []expression) []Condition {
	out := make([]Condition, len(list))
	for i, e := range list {
		out[i] = condition(e)
	}
	return out
}

func equality(a, b operand) (Condition, bool) {
	p, isPath := a.(path)
	l, isLiteral := b.(literal)
	if !isPath || !isLiteral {
		return Condition{}, false
	}
	text, ok := l.value.(string)
	names, named := p.names(len(p.segments))
	return Condition{Sort: Equal, Path: names, Text: text}, ok && named
}

func existence(p path) Condition {
	if names, ok := p.names(len(p.segments)); ok {
		return Condition{Sort: Exists, Path: names}
	}
	// @['@type'][?@ == 'Lamp']
	last := len(p.segments) - 1
	names, ok := p.names(last)
	if s := p.segments[last]; ok && !s.deep && len(s.selectors) == 1 && s.selectors[0].kind == byFilter {
		if c := condition(s.selectors[0].filter); c.Sort == Equal && len(c.Path) == 0 {
			return Condition{Sort: Contains, Path: names, Text: c.Text}
		}
	}
	return Condition{}
}

// names of the first n segments, where they are names of members.
func (p path) names(n int) (names []string, ok bool) {
	if p.absolute || n < 0 {
		return nil, false
	}
	for _, s := range p.segments[:n] {
		if s.deep || len(s.selectors) != 1 || s.selectors[0].kind != byName {
			return nil, false
		}
		names = append(names, s.selectors[0].name)
	}
	return names, true
}
