package portable

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"primum/circle"
	"primum/client"
	"primum/grant"
	"primum/internal/wire"
)

// Plan is what an import would give again.
type Plan struct {
	Give []Regive
	Wait [][]byte // ends of things that this account has not claimed yet
	Left []Left
}

// Regive is one grant to give again.
type Regive struct {
	Grant  Grant // of the file
	Terms  grant.Terms
	Params circle.GiveParams
}

// Left is a grant that is not given again, and why.
type Left struct {
	Grant Grant
	Why   string // one of the Why constants
}

// Why a grant is not given again.
const (
	WhyOver     = "over"     // it had ended
	WhyGiven    = "given"    // it has been given again already
	WhyThing    = "thing"    // its thing is not here: claim its end first
	WhyGone     = "gone"     // the thing's end is here, and has no such thing any more
	WhyTerms    = "terms"    // its terms can't be read
	WhyStranger = "stranger" // its grantee can't be found, or shows another identity key
	WhyGuest    = "guest"    // its grantee was a guest by link: make a new link
)

// Prepare says which grants of a file can be given again by this account: with
// the same terms, to the same grantees, of the same things, until the same day.
func Prepare(ctx context.Context, c *client.Client, f File, now time.Time) (p Plan, err error) {
	homes := make(map[string]circle.ID)
	for _, h := range c.Owner.Homes() {
		if !h.Closed {
			homes[string(h.ThingKey)] = h.Circle
		}
	}
	for _, end := range f.Ends() {
		if _, ok := homes[string(end)]; !ok {
			p.Wait = append(p.Wait, end)
		}
	}
	for _, g := range f.Given {
		r, why := prepare(ctx, c, g, homes, now)
		if why == "" {
			p.Give = append(p.Give, r)
		} else {
			p.Left = append(p.Left, Left{Grant: g, Why: why})
		}
	}
	return p, ctx.Err()
}

func prepare(ctx context.Context, c *client.Client, g Grant, homes map[string]circle.ID, now time.Time) (r Regive, why string) {
	if !grant.State(g.State).Valid() && grant.State(g.State) != grant.Paused || !g.Until.After(now) {
		return r, WhyOver
	}
	home, ok := homes[string(g.End)]
	if !ok {
		return r, WhyThing
	}
	t, err := client.Terms(g.Terms)
	if err != nil || !matches(g, t) {
		return r, WhyTerms
	}
	p := params(t, home)
	if p.Share = shares(c, home, g); len(p.Share) != len(g.Share) || len(p.Share) == 0 {
		return r, WhyGone
	}
	if strings.HasPrefix(g.Grantee, wire.GuestPrefix) {
		return r, WhyGuest
	}
	if again(c, home, g) {
		return r, WhyGiven
	}
	grantee, err := c.Directory.Lookup(ctx, g.Grantee)
	if err != nil || !bytes.Equal(grantee.IdentityKey(), t.Grantee.IdentityKey) {
		return r, WhyStranger
	}
	p.Grantee = grantee.Compact()
	return Regive{Grant: g, Terms: t, Params: p}, ""
}

// matches tells whether what a file says of a grant, which a person is shown
// before the yes, is what its terms say, which are given.
func matches(g Grant, t grant.Terms) bool {
	if t.ID != g.ID || !t.Valid.Until.Equal(g.Until) || t.Grantee.Account.String() != g.Grantee {
		return false
	}
	for _, s := range g.Share {
		known := slices.ContainsFunc(t.Details, func(d grant.Detail) bool {
			return d.Precision == s.Precision && !slices.ContainsFunc(s.Ops, func(op string) bool { return !slices.Contains(d.Actions, op) })
		})
		if !known {
			return false
		}
	}
	return true
}

// params are those of a yes with the same terms.
func params(t grant.Terms, home circle.ID) circle.GiveParams {
	p := circle.GiveParams{
		Home: home, Purpose: t.Process.Purpose, Service: t.Process.Service, Until: t.Valid.Until,
		Pseudonymous: t.Owner == grant.OwnerPseudonymous, MaxClients: t.MaxClients, Bucket: t.Bucket, Notice: t.Notice,
		Retention: t.Process.Storage.Retention, AskAgainAfter: t.AskAgainAfter, Conditionality: t.Conditionality,
		ShortLease: t.Lease < grant.DefaultLease,
	}
	if country, ok := strings.CutPrefix(t.Jurisdiction, "loc:"); ok {
		p.Country = country
	}
	return p
}

// shares are the affordances that the thing's end still has.
func shares(c *client.Client, home circle.ID, g Grant) (out []circle.SharedAffordance) {
	for _, s := range g.Share {
		here := slices.ContainsFunc(c.Targets(), func(t client.Target) bool {
			return t.Own && t.Circle == home && t.Thing == s.Thing && t.Name == s.Name
		})
		if here {
			out = append(out, circle.SharedAffordance{
				Source: circle.Source{Thing: s.Thing, Name: s.Name}, Title: s.Title, Ops: s.Ops, Precision: s.Precision, Input: s.Input,
			})
		}
	}
	return out
}

// again tells whether a grant of the file has been given again before.
func again(c *client.Client, home circle.ID, g Grant) bool {
	var want []string
	for _, s := range g.Share {
		want = append(want, s.Thing+"/"+s.Name)
	}
	slices.Sort(want)
	for _, given := range c.Owner.Given() {
		if given.State.Terminal() || given.Home != home || given.Grantee != g.Grantee {
			continue
		}
		var have []string
		for _, s := range given.Shared {
			have = append(have, s.Source.Thing+"/"+s.Source.Name)
		}
		if slices.Sort(have); slices.Equal(want, have) {
			return true
		}
	}
	return false
}

// Learn takes over whom the person knows: identity documents, not the word that
// keys were compared, which is of two persons looking at two screens. It
// returns how many.
func Learn(c *client.Client, f File) (n int) {
	for _, p := range f.People {
		if p.Identity == "" || p.Account == c.Address() {
			continue
		}
		if _, err := c.Directory.Learn(p.Identity); err == nil {
			n++
		}
	}
	return n
}

// Node gives this account's node what the other node exported, page by page, and
// adds up what it took and left.
func Node(ctx context.Context, n client.Node, f File) (out wire.Imported, err error) {
	out = wire.Imported{Taken: map[string]int{}, Left: map[string]int{}}
	for _, page := range f.Node {
		holds := make(map[string][]json.RawMessage)
		for kind, rows := range page.Holds {
			if kind == "notices" || kind == "refusals" {
				holds[kind] = rows
			} else { // a node takes nothing else; why send it
				out.Left[kind] += len(rows)
			}
		}
		page.Receipt, page.Holds = nil, holds
		if len(page.Holds) == 0 {
			continue
		}
		got, err := n.Import(ctx, wire.NodeImport{Export: page})
		if err != nil {
			return out, fmt.Errorf("import at %s: %w", n.Authority, err)
		}
		for kind, k := range got.Taken {
			out.Taken[kind] += k
		}
		for kind, k := range got.Left {
			out.Left[kind] += k
		}
		out.Receipt = got.Receipt
	}
	return out, nil
}
