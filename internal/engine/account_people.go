package engine

import (
	"context"
	"slices"
	"sort"

	"primum/client"
	"primum/identity"
)

// person fetches somebody's identity now. Where their domain does not answer,
// what is known is shown.
func (e *Engine) person(ctx context.Context, p AccountParams) (Person, error) {
	c, err := e.client()
	if err != nil {
		return Person{}, err
	}
	v, err := c.Directory.Lookup(ctx, p.Account)
	if v == nil {
		return Person{}, err
	}
	return e.personOf(c, v)
}

// compared notes that two people compared the code of the identity that is
// known here, which is the one that was shown.
func (e *Engine) compared(_ context.Context, p AccountParams) (Empty, error) {
	c, err := e.client()
	if err != nil {
		return Empty{}, err
	}
	v, ok := c.Directory.Known(p.Account)
	if !ok {
		return Empty{}, client.ErrNoAccount
	}
	if err := c.Directory.MarkCompared(v); err != nil {
		return Empty{}, err
	}
	e.emit(Event{Kind: "grants"})
	return Empty{}, nil
}

// people lists everybody known here, but oneself.
func (e *Engine) people(context.Context, Empty) ([]Person, error) {
	c, err := e.client()
	if err != nil {
		return nil, err
	}
	out := []Person{}
	for _, account := range c.Directory.Accounts() {
		v, ok := c.Directory.Known(account)
		if !ok || account == c.Address() {
			continue
		}
		p, err := e.personOf(c, v)
		if err != nil {
			return nil, err
		}
		out = append(out, p)
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Account < out[j].Account })
	return out, nil
}

func (e *Engine) personOf(c *client.Client, v *identity.Verified) (Person, error) {
	s, _ := e.book.get()
	mine, err := identity.First(s.Document)
	if err != nil {
		return Person{}, err
	}
	account := v.Address().String()
	return Person{
		Account: account, Name: v.Name(), Organisation: v.Kind() == identity.Organisation,
		ShortCode: identity.ShortCode(mine.IdentityKey(), v.IdentityKey()), Compared: c.Directory.Compared(account),
		Browser: slices.ContainsFunc(v.Clients(), func(c identity.Client) bool { return c.Browser }),
	}, nil
}
