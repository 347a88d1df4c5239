package client

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"primum/circle"
	"primum/grant"
	"primum/internal/jws"
	"primum/internal/wire"
	"primum/thing"
)

// ErrNoSuch: no thing, grant or request of that name here.
var ErrNoSuch = errors.New("nothing of that name")

// ErrAmbiguous: several things or grants of that name.
var ErrAmbiguous = errors.New("more than one thing of that name")

// Target is one affordance that this client can see: of an own thing, through
// the home circle, or of somebody else's, through a grant.
type Target struct {
	Path   string            // water/flow
	Owner  string            // account; empty when pseudonymous
	Own    bool              // an own thing
	Circle circle.ID         // home or grant circle
	Thing  string            // as the circle names it
	Name   string            // affordance
	Title  string            // of the thing, for people
	Ops    []string          // what may be done
	Grant  *circle.GrantInfo // nil for an own thing
}

// stream is the spool that the target's values are in.
func (t Target) stream() string {
	if t.Grant != nil {
		return t.Grant.ID
	}
	return t.Circle.String()
}

// Targets lists everything this client can see now: own things first, then
// what was given, newest grant first. Ended grants are among them.
func (c *Client) Targets() []Target { return TargetsOf(c.Owner, c.Address()) }

// TargetsOf is Targets for an actor of an account that nobody drives.
func TargetsOf(o *circle.Owner, account string) []Target {
	var all []Target
	for _, h := range o.Homes() {
		if !h.Closed {
			all = append(all, ownTargets(o, h, account)...)
		}
	}
	grants := o.Grants()
	slices.Reverse(grants)
	for i := range grants {
		all = append(all, givenTargets(&grants[i])...)
	}
	return all
}

func ownTargets(o *circle.Owner, h circle.HomeInfo, account string) (all []Target) {
	for _, t := range o.Things(h.Circle) {
		d, err := thing.Parse(t.Description)
		if err != nil {
			continue // the anchor is our own; a bad description is shown by `things`
		}
		for _, name := range d.Affordances() {
			all = append(all, Target{
				Path: t.ID + "/" + name, Owner: account, Own: true, Circle: h.Circle,
				Thing: t.ID, Name: name, Title: t.Title, Ops: d.Operations(name),
			})
		}
	}
	return all
}

func givenTargets(g *circle.GrantInfo) (all []Target) {
	for _, s := range g.Shared {
		title := s.Title
		if title == "" {
			title = s.Thing
		}
		all = append(all, Target{
			Path: thing.Slug(title) + "/" + s.Name, Owner: g.Owner, Circle: g.Circle,
			Thing: s.Thing, Name: s.Name, Title: title, Ops: s.Ops, Grant: g,
		})
	}
	return all
}

// Terms reads terms that the actor has verified before it listed the grant.
func Terms(compact string) (t grant.Terms, err error) {
	u, err := jws.Parse(compact, wire.MaxDocument)
	if err == nil {
		err = jws.DecodeStrict(u.UntrustedPayload(), &t)
	}
	if err != nil {
		return t, fmt.Errorf("read terms: %w", err)
	}
	return t, nil
}

// Find resolves what a person typed: a path ("water/flow"), a path with the
// owner's account before it ("owner@h.example/water/flow"), or a grant's id.
// Running grants come before ended ones; two running ones of one name are
// ErrAmbiguous.
func (c *Client) Find(what string) (Target, error) {
	owner, path := splitOwner(what)
	var found []Target
	for _, t := range c.Targets() {
		if t.matches(owner, path) {
			found = append(found, t)
		}
	}
	running := slices.DeleteFunc(slices.Clone(found), func(t Target) bool { return t.Grant != nil && t.Grant.State.Terminal() })
	switch {
	case len(running) == 1:
		return running[0], nil
	case len(running) > 1 && !sameGrant(running):
		return Target{}, fmt.Errorf("%w: %s", ErrAmbiguous, alternatives(running))
	case len(running) > 1:
		return running[0], nil
	case len(found) > 0:
		return found[0], nil
	}
	return Target{}, fmt.Errorf("%w: %s", ErrNoSuch, what)
}

// splitOwner cuts "owner@h.example/" off.
func splitOwner(what string) (owner, path string) {
	if before, after, ok := strings.Cut(what, "/"); ok && strings.Contains(before, "@") {
		return before, after
	}
	return "", what
}

func (t Target) matches(owner, path string) bool {
	if t.Grant != nil && t.Grant.ID == path {
		return true
	}
	if owner != "" && owner != t.Owner {
		return false
	}
	return strings.EqualFold(path, t.Path) || strings.EqualFold(path, t.Title+"/"+t.Name)
}

func sameGrant(all []Target) bool {
	for _, t := range all {
		if t.Grant == nil || t.Grant.ID != all[0].stream() {
			return false
		}
	}
	return true
}

func alternatives(all []Target) string {
	var names []string
	for _, t := range all {
		switch {
		case t.Grant == nil:
			names = append(names, t.Owner+"/"+t.Path)
		case t.Owner != "":
			names = append(names, t.Owner+"/"+t.Path+" or "+t.Grant.ID)
		default:
			names = append(names, t.Grant.ID)
		}
	}
	return strings.Join(names, ", ")
}

// FindGiven resolves a grant that this account gave: by its id, or by the path
// of what it shares, together with the grantee where several have it. Only
// running ones are found by path.
func (c *Client) FindGiven(what, grantee string) ([]circle.GrantInfo, error) {
	var found []circle.GrantInfo
	for _, g := range c.Owner.Given() {
		switch {
		case g.ID == what:
			return []circle.GrantInfo{g}, nil
		case g.State.Terminal() || grantee != "" && g.Grantee != grantee:
		case slices.ContainsFunc(g.Shared, func(s circle.SharedName) bool {
			return strings.EqualFold(what, s.Source.Thing+"/"+s.Source.Name) || strings.EqualFold(what, s.Source.Thing)
		}):
			found = append(found, g)
		}
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("%w: no grant of yours shares %s", ErrNoSuch, what)
	}
	return found, nil
}

// Fitting lists the own things that can answer a request for a quantity: an
// affordance whose unit, or name, is the one asked for.
func (c *Client) Fitting(w grant.Want) (fits []Target) {
	for _, h := range c.Owner.Homes() {
		for _, t := range c.Owner.Things(h.Circle) {
			d, err := thing.Parse(t.Description)
			if err != nil {
				continue
			}
			for _, target := range ownTargets(c.Owner, h, c.Address()) {
				if target.Thing == t.ID && fitsWant(d, target, w) {
					fits = append(fits, target)
				}
			}
		}
	}
	return fits
}

func fitsWant(d *thing.Description, t Target, w grant.Want) bool {
	for _, a := range w.Actions {
		if !slices.Contains(t.Ops, a) {
			return false
		}
	}
	if p := d.Properties[t.Name]; w.Unit != "" && (p == nil || thing.Unit(p.Unit) != thing.Unit(w.Unit)) {
		return false
	}
	return w.Quantity == "" || strings.Contains(t.Name, strings.ToLower(w.Quantity))
}
