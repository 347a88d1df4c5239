package portable

import (
	"context"
	"crypto"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"primum/circle"
	"primum/client"
	"primum/grant"
	"primum/identity"
	"primum/internal/wire"
	"primum/thing"
)

// Options are what an export holds.
type Options struct {
	Now      time.Time
	Identity string          // the account's newest identity document
	Keep     json.RawMessage // as the node has it, or nil
	// NoHistory leaves the values out. Since is from when on they are taken; the
	// zero time: from the first on.
	NoHistory bool
	Since     time.Time
	// Every, unless 0, takes means (of numbers) or last values of such windows.
	Every time.Duration
	// Patience bounds the wait for one affordance's values.
	Patience time.Duration
	// Said is told what is read now; it may be nil.
	Said func(path string)
}

// oldest is from when on values are asked for, at most.
const oldest = 2 * 366 * 24 * time.Hour

// Export collects everything about an account. What can't be had now, of a thing
// that is away or a node that does not answer, is named in the file, and is no
// error.
func Export(ctx context.Context, c *client.Client, o Options) (File, error) {
	f := File{
		Format: Format, Version: Version, Made: o.Now.UTC().Truncate(time.Second),
		Account: c.Address(), Client: c.ClientName(), Identity: o.Identity, Keep: o.Keep,
		People: people(c), Given: grants(c.Owner.Given()), Received: grants(c.Owner.Grants()), Things: []Thing{}, History: []Series{},
	}
	ends := make(map[circle.ID][]byte)
	for _, h := range c.Owner.Homes() {
		ends[h.Circle] = h.ThingKey
		if h.Closed {
			continue
		}
		for _, t := range c.Owner.Things(h.Circle) {
			f.Things = append(f.Things, Thing{
				End: h.ThingKey, Number: h.Number, Home: h.Circle.String(), ID: t.ID, Title: t.Title, Description: t.Description,
			})
		}
	}
	for i, g := range c.Owner.Given() {
		f.Given[i].End = ends[g.Home]
	}
	if err := node(ctx, c, &f); err != nil {
		f.NodeWhy = err.Error()
	}
	if o.NoHistory {
		return f, ctx.Err()
	}
	away := make(map[circle.ID]string)
	for _, t := range c.Targets() {
		if !t.Own || len(ends[t.Circle]) == 0 || !readable(t) {
			continue
		}
		s := Series{End: ends[t.Circle], Thing: t.Thing, Name: t.Name, Points: []Point{}, Why: away[t.Circle]}
		if s.Why == "" {
			if err := s.read(ctx, c, t, o); err != nil {
				s.Why = err.Error()
				away[t.Circle] = late(err) // what did not answer once is not waited for again
			}
		}
		f.History = append(f.History, s)
	}
	return f, ctx.Err()
}

func people(c *client.Client) []Person {
	out := []Person{}
	for _, account := range c.Directory.Accounts() {
		p := Person{Account: account, Compared: c.Directory.Compared(account)}
		if v, ok := c.Directory.Known(account); ok {
			p.Name, p.Identity = v.Name(), v.Compact()
		}
		out = append(out, p)
	}
	return out
}

func grants(all []circle.GrantInfo) []Grant {
	out := []Grant{}
	for _, g := range all {
		x := Grant{
			ID: g.ID, State: string(g.State), Owner: g.Owner, Grantee: g.Grantee, Terms: g.Terms, From: g.ValidFrom, Until: g.ValidUntil,
		}
		for _, s := range g.Shared {
			if s.Source.Thing != "" {
				x.Share = append(x.Share, Shared{
					Thing: s.Source.Thing, Name: s.Source.Name, Title: s.Title, Ops: s.Ops, Precision: s.Precision, Input: s.Input,
				})
			}
		}
		if g.Withdrawal != nil {
			x.Receipt, x.Statement = g.Withdrawal.Receipt, g.Withdrawal.Statement
		}
		out = append(out, x)
	}
	return out
}

// node reads all pages of what the node holds.
func node(ctx context.Context, c *client.Client, f *File) error {
	for after := ""; ; {
		page, err := c.Home.Export(ctx, after)
		if err == nil {
			err = c.Exercised(wire.RightExport, page.Receipt)
		}
		if err != nil {
			return fmt.Errorf("ask %s: %w", c.Home.Authority, err)
		}
		f.Node = append(f.Node, page)
		if after = page.More; after == "" {
			return nil
		}
	}
}

func readable(t client.Target) bool {
	for _, op := range t.Ops {
		if op == thing.ReadProperty || op == thing.ObserveProperty {
			return true
		}
	}
	return false
}

func late(err error) string {
	if errors.Is(err, context.DeadlineExceeded) {
		return err.Error()
	}
	return ""
}

// read reads the values of one affordance.
func (s *Series) read(ctx context.Context, c *client.Client, t client.Target, o Options) error {
	if o.Said != nil {
		o.Said(t.Path)
	}
	since := o.Since
	if first := o.Now.Add(-oldest); since.Before(first) {
		since = first
	}
	as := circle.Precision{Change: true}
	number, unit := shapeOf(c, t)
	s.Unit = unit
	if o.Every > 0 {
		as = circle.Precision{Every: grant.Duration(o.Every), Stat: grant.Last}
		if number {
			as.Stat = grant.Mean
		}
		s.Every = as.Every.String()
	}
	exact := 30
	as.Place = &exact
	if o.Patience > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, o.Patience)
		defer cancel()
	}
	return c.HistoryAs(ctx, t, since, as, func(page []circle.Reading) error {
		for _, r := range page {
			if r.Value != nil {
				s.Points = append(s.Points, Point{At: r.At, Value: r.Value})
			}
		}
		return nil
	})
}

// shapeOf tells whether an affordance is a number, and its unit.
func shapeOf(c *client.Client, t client.Target) (number bool, unit string) {
	for _, own := range c.Owner.Things(t.Circle) {
		if own.ID != t.Thing {
			continue
		}
		d, err := thing.Parse(own.Description)
		if err != nil || d.Properties[t.Name] == nil {
			return false, ""
		}
		p := d.Properties[t.Name]
		return p.Type == "number" || p.Type == "integer", thing.Unit(p.Unit)
	}
	return false, ""
}

// releaseLife is how long a release may be used.
const releaseLife = 30 * 24 * time.Hour

// AddReleases signs, with the identity key, the release of every thing's end for
// the account that the person moves to.
func AddReleases(f *File, to *identity.Verified, identityKey crypto.Signer, now time.Time) error {
	owner, err := identity.ParseAddress(f.Account)
	if err != nil {
		return err
	}
	now = now.UTC().Truncate(time.Second)
	for _, end := range f.Ends() {
		id, err := identity.NewID(rand.Reader, now)
		if err != nil {
			return err
		}
		signed, err := grant.SignRelease(grant.Release{
			ID: id, ThingKey: end, Number: f.numberOf(end), Owner: owner, To: to.Address(), ToIdentityKey: []byte(to.IdentityKey()),
			History: grant.HistoryStays, At: now, Expires: now.Add(releaseLife),
		}, identityKey)
		if err != nil {
			return fmt.Errorf("release: %w", err)
		}
		f.Releases = append(f.Releases, Release{End: end, To: to.Address().String(), Release: signed})
	}
	return nil
}

func (f File) numberOf(end []byte) (n uint64) {
	for _, t := range f.Things {
		if string(t.End) == string(end) {
			n = max(n, t.Number)
		}
	}
	return n
}
