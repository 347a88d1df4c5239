package node

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"primum/internal/directory"
	opendoor "primum/internal/door/open"
	wotdoor "primum/internal/door/wot"
	"primum/internal/linkset"
	openvalues "primum/internal/open"
	"primum/internal/operator"
	"primum/internal/wire"
	"primum/thing"
	"primum/thing/id"
	"primum/thing/td"
)

// classThings is how many open things of a product code are told of.
const classThings = 200

// openValues opens the room of open services.
func (n *Node) openValues(ctx context.Context, dir string) (err error) {
	c := n.cfg
	n.names.values, err = openvalues.Open(ctx, dir, openvalues.Options{
		Clock: c.Clock, Log: c.Log, MaxPages: c.MaxPages, Check: n.checkOpen, Free: n.freeOpen, Linked: n.linkOpen,
	})
	return err
}

// valuesDoor is the door of open services; browsers get the portal's pages.
func (n *Node) valuesDoor() *opendoor.Door {
	return opendoor.New(opendoor.Config{
		Base: n.BaseURL(), Book: n.names.values, Publisher: n.tokens.Name, Note: n.tokens.Note, Pages: n.portal.OpenPages(),
		Class: n.classOf, Address: n.door.Address, Clock: n.cfg.Clock, Log: n.cfg.Log,
	})
}

// checkOpen refuses what the directory of Thing Descriptions would refuse.
func (n *Node) checkOpen(description []byte) error {
	err := n.names.things.Check(description)
	var bad *td.Invalid
	if errors.As(err, &bad) && len(bad.Faults) > 0 {
		return &openvalues.Invalid{Pointer: bad.Faults[0].Pointer, Reason: bad.Faults[0].Reason}
	}
	return err
}

// linkOpen makes an open thing found: everybody sees its description in the
// directory.
func (n *Node) linkOpen(ctx context.Context, t openvalues.Thing, gone bool) error {
	at := n.openAt(t)
	if gone {
		if err := n.linkKey(ctx, t, at, true); err != nil {
			return err
		}
		return n.unlistOpen(ctx, t.Served(at).ID, at)
	}
	if err := n.listOpen(ctx, t.Served(at), at); err != nil {
		return err
	}
	return n.linkKey(ctx, t, at, false)
}

// openAt is the address of an open thing.
func (n *Node) openAt(t openvalues.Thing) string {
	return n.openPlace() + url.PathEscape(t.Service) + "/" + url.PathEscape(t.Name)
}

// listTries bounds how often an entry is looked at again because it changed in
// between.
const listTries = 4

// listOpen puts what is served at an address into the directory, where nothing
// else has its id.
func (n *Node) listOpen(ctx context.Context, d *thing.Description, at string) error {
	b, err := json.Marshal(d)
	if err != nil {
		return err
	}
	for range listTries {
		var tag string
		if tag, err = n.listed(ctx, d.ID, at); err != nil {
			return err
		}
		change := directory.Change{Visibility: directory.Public, Match: tag, Fresh: tag == ""}
		if _, _, err = n.names.things.Put(ctx, directory.Viewer{Publisher: true}, d.ID, b, change); !errors.Is(err, directory.ErrChanged) {
			return err
		}
	}
	return err
}

// unlistOpen takes the entry of an open thing out of the directory, and no other.
func (n *Node) unlistOpen(ctx context.Context, id, at string) error {
	tag, err := n.listed(ctx, id, at)
	var other *wire.Problem
	if errors.As(err, &other) || err == nil && tag == "" {
		return nil
	}
	if err == nil {
		err = n.names.things.Delete(ctx, directory.Viewer{Publisher: true}, id, directory.Change{})
	}
	if errors.Is(err, directory.ErrNotFound) {
		return nil
	}
	return err
}

// listed is the tag of the directory's entry of the open thing at an address;
// empty: there is none. Where another thing has the id, the error says which.
func (n *Node) listed(ctx context.Context, id, at string) (tag string, err error) {
	e, err := n.names.things.Get(ctx, directory.Viewer{Publisher: true}, id)
	switch {
	case errors.Is(err, directory.ErrNotFound):
		return "", nil
	case err != nil:
		return "", err
	}
	where := servedAt(e.TD)
	if where == at && e.Owner == directory.Operator {
		return e.Tag(), nil
	}
	if !strings.HasPrefix(where, n.openPlace()) || e.Owner != directory.Operator {
		where = n.BaseURL() + wotdoor.ThingsPath + "/" + url.PathEscape(id)
	}
	return "", &wire.Problem{
		Type: wire.ProblemPrefix + wire.ProbConflict, Title: http.StatusText(http.StatusConflict), Status: http.StatusConflict,
		Detail: "another thing has the id of this description: " + where, Pointer: "/id",
	}
}

// freeOpen refuses an open thing whose description has the id of another thing.
func (n *Node) freeOpen(ctx context.Context, t openvalues.Thing) error {
	at := n.openAt(t)
	_, err := n.listed(ctx, t.Served(at).ID, at)
	return err
}

// linkKey makes it found by its GS1 key: its page is where its Digital Link
// leads, its description stands under describedby.
func (n *Node) linkKey(ctx context.Context, t openvalues.Thing, at string, gone bool) error {
	if t.Key == "" {
		return nil
	}
	entries := []linkset.Entry{
		{LinkType: linkset.DescribedBy, Href: at, Title: t.Description.Title, Type: "application/td+json", NoQuery: true},
		{LinkType: linkset.DefaultLink, Href: at, Title: t.Description.Title, Type: "text/html", Default: true, NoQuery: true},
	}
	if !gone {
		_, err := n.names.links.Put(ctx, operator.Console, linkset.Item{Anchor: t.Key, Description: t.Description.Title, Entries: entries})
		return err
	}
	for _, e := range entries {
		if _, err := n.names.links.Remove(ctx, t.Key, e.ID()); err != nil && !errors.Is(err, linkset.ErrNotFound) {
			return err
		}
	}
	return nil
}

// classOf tells what is known of a product code: what the links say, and its
// open things. Errors: openvalues.ErrUnknown.
func (n *Node) classOf(ctx context.Context, k id.Key, language string) (c openvalues.Class, err error) {
	c.Key, c.Elements = k.Path(), k.ElementString()
	it, err := n.names.links.Class(ctx, c.Key)
	switch {
	case err == nil:
		describe(&c, it, language)
	case !errors.Is(err, linkset.ErrNotFound):
		return c, err
	}
	c.Things, err = n.names.values.OfClass(ctx, c.Key, classThings)
	if err == nil && it == nil && len(c.Things) == 0 {
		err = openvalues.ErrUnknown
	}
	return c, err
}

// describe adds what the links say; where a resolver redirects to is no link
// for people.
func describe(c *openvalues.Class, it *linkset.Item, language string) {
	if c.Title = it.Description; it.Local[language] != "" {
		c.Title = it.Local[language]
	}
	for _, e := range it.Entries {
		if !slices.Contains([]string{linkset.DefaultLink, linkset.DefaultMulti, linkset.HandledBy}, e.LinkType) {
			c.Links = append(c.Links, openvalues.ClassLink{LinkType: e.LinkType, Title: e.Title, Href: e.Href, Type: e.Type, Langs: e.Langs})
		}
	}
}
