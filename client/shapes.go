package client

import (
	"slices"

	"primum/circle"
	"primum/grant"
	"primum/thing"
)

// withInputs tells the grantee of every affordance that may be written or
// invoked what it takes, as the thing describes it.
func (c *Client) withInputs(p circle.GiveParams) circle.GiveParams {
	p.Share = slices.Clone(p.Share)
	for i, s := range p.Share {
		takes := slices.Contains(s.Ops, thing.WriteProperty) || slices.Contains(s.Ops, thing.InvokeAction)
		if s.Input == nil && takes {
			p.Share[i].Input = c.inputOf(p.Home, s.Source)
		}
	}
	return p
}

func (c *Client) inputOf(home circle.ID, src circle.Source) *grant.Input {
	things := c.Owner.Things(home)
	i := slices.IndexFunc(things, func(t circle.Thing) bool { return t.ID == src.Thing })
	if i < 0 {
		return nil
	}
	d, err := thing.Parse(things[i].Description)
	if err != nil {
		return nil
	}
	switch p, a := d.Properties[src.Name], d.Actions[src.Name]; {
	case p != nil:
		return inputOf(&p.Schema)
	case a != nil && a.Input != nil:
		return inputOf(a.Input)
	}
	return nil
}

// inputOf is a schema as terms can say it; nil where they can't.
func inputOf(s *thing.Schema) *grant.Input {
	in := grant.Input{Type: s.Type, Unit: thing.Unit(s.Unit)}
	if s.Type == "number" || s.Type == "integer" {
		in.Minimum, in.Maximum = s.Minimum, s.Maximum
	}
	for _, v := range s.Enum {
		text, ok := v.(string)
		if !ok {
			in.Enum = nil
			break
		}
		in.Enum = append(in.Enum, text)
	}
	if in.Type == "" && len(in.Enum) > 0 {
		in.Type = "string"
	}
	if !in.Fits() {
		return nil
	}
	return &in
}
