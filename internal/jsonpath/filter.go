package jsonpath

// disjunction reads a logical expression (RFC 9535 §2.3.5.1).
func (p *parser) disjunction() expression {
	defer p.leave()
	if !p.enter() {
		return nil
	}
	list := or{p.conjunction()}
	for p.after("||") {
		list = append(list, p.conjunction())
	}
	if len(list) == 1 {
		return list[0]
	}
	return list
}

func (p *parser) conjunction() expression {
	list := and{p.basic()}
	for p.after("&&") {
		list = append(list, p.basic())
	}
	if len(list) == 1 {
		return list[0]
	}
	return list
}

// after takes an operator and the blanks around it, or nothing.
func (p *parser) after(operator string) bool {
	if p.err != nil {
		return false
	}
	before := p.at
	p.blank()
	if !p.take(operator) {
		p.at = before
		return false
	}
	p.blank()
	return true
}

func (p *parser) basic() expression {
	if p.take("!") {
		p.blank()
		if p.next() == '(' {
			return not{p.paren()}
		}
		return not{p.test()}
	}
	if p.next() == '(' {
		return p.paren()
	}
	return p.comparisonOrTest()
}

func (p *parser) paren() expression {
	p.want("(")
	p.blank()
	e := p.disjunction()
	p.blank()
	p.want(")")
	return e
}

// test is a query or a function that stands alone.
func (p *parser) test() expression {
	start := p.at
	return p.alone(p.comparable(), start)
}

func (p *parser) alone(o operand, start int) expression {
	switch x := o.(type) {
	case path:
		return exists{x}
	case *call:
		if x.function.result == valueType {
			p.at = start
			p.fail("the function's value has to be compared")
		}
		return x
	}
	if p.err == nil {
		p.at = start
		p.fail("a literal has to be compared")
	}
	return nil
}

func (p *parser) comparisonOrTest() expression {
	start := p.at
	left := p.comparable()
	before := p.at
	p.blank()
	op := p.operator()
	if op == "" {
		p.at = before
		return p.alone(left, start)
	}
	p.blank()
	second := p.at
	right := p.comparable()
	p.single(left, start)
	p.single(right, second)
	return &comparison{op, left, right}
}

func (p *parser) operator() string {
	if p.err != nil {
		return ""
	}
	for _, op := range []string{"==", "!=", "<=", ">=", "<", ">"} {
		if p.take(op) {
			return op
		}
	}
	return ""
}

// single refuses what has not one value.
func (p *parser) single(o operand, start int) {
	if p.err != nil {
		return
	}
	reason := ""
	switch x := o.(type) {
	case path:
		if !x.singular() {
			reason = "only a query for a single node can be compared"
		}
	case *call:
		if x.function.result != valueType {
			reason = "the function has no value to compare"
		}
	}
	if reason != "" {
		p.at = start
		p.fail(reason)
	}
}

func (p path) singular() bool {
	for _, s := range p.segments {
		if s.deep || len(s.selectors) != 1 || s.selectors[0].kind != byName && s.selectors[0].kind != byIndex {
			return false
		}
	}
	return true
}

// comparable reads a literal, a query or a function.
func (p *parser) comparable() operand {
	c := p.next()
	switch {
	case c == '@' || c == '$':
		p.at++
		return path{absolute: c == '$', segments: p.segments()}
	case c == '\'' || c == '"':
		return literal{p.quoted()}
	case c == '-' || c >= '0' && c <= '9':
		return literal{p.number()}
	case c >= 'a' && c <= 'z':
		return p.word()
	}
	p.fail("expected a query, a literal or a function")
	return nil
}

// word is true, false, null or a function.
func (p *parser) word() operand {
	start := p.at
	for c := p.next(); c >= 'a' && c <= 'z' || c == '_' || c >= '0' && c <= '9'; c = p.next() {
		p.at++
	}
	name := p.text[start:p.at]
	if p.next() == '(' {
		for _, f := range functions() {
			if f.name == name {
				return p.call(f)
			}
		}
		p.at = start
		p.fail("no such function")
		return nil
	}
	switch name {
	case "true":
		return literal{true}
	case "false":
		return literal{false}
	case "null":
		return literal{nil}
	}
	p.at = start
	p.fail("expected a query, a literal or a function")
	return nil
}

func (p *parser) call(f function) *call {
	defer p.leave()
	if !p.enter() {
		return nil
	}
	c := &call{function: f}
	p.want("(")
	p.blank()
	for i, kind := range f.params {
		if i > 0 {
			p.blank()
			p.want(",")
			p.blank()
		}
		c.args = append(c.args, p.argument(kind))
	}
	p.blank()
	p.want(")")
	if p.err == nil && f.result == logicalType {
		if l, ok := c.args[1].(literal); ok {
			text, isText := l.value.(string)
			c.pattern = &regex{}
			if isText {
				c.pattern = compile(text, f.name == "match")
			}
		}
	}
	return c
}

// argument reads a value or a query for nodes (RFC 9535 §2.4.3).
func (p *parser) argument(kind kindOf) any {
	start := p.at
	a := p.comparable()
	if kind == valueType {
		p.single(a, start)
		return a
	}
	if _, ok := a.(path); !ok && p.err == nil {
		p.at = start
		p.fail("the function takes a query")
	}
	return a
}
