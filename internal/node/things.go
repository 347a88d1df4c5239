package node

import (
	"context"
	"net/url"
	"time"

	"primum/grant"
	"primum/internal/directory"
	wotdoor "primum/internal/door/wot"
	"primum/internal/resolve"
	"primum/internal/rights"
)

// openThings opens the directory of Thing Descriptions.
func (n *Node) openThings(ctx context.Context, dir string) (err error) {
	c := n.cfg
	n.names.things, err = directory.Open(ctx, dir, directory.Options{Clock: c.Clock, Log: c.Log, MaxPages: c.MaxPages, Granting: n.granting})
	return err
}

// granting lists who grants an account something now.
func (n *Node) granting(ctx context.Context, account string) ([]string, error) {
	return n.store.Grants.Owners(ctx, account, string(grant.Given), n.cfg.Clock.Now())
}

// thingsDoor is the directory over HTTP.
func (n *Node) thingsDoor() *wotdoor.Door {
	return wotdoor.New(wotdoor.Config{
		Authority: n.cfg.Authority, Base: n.BaseURL(), Directory: n.names.things, Publisher: n.tokens.Name, Note: n.tokens.Note,
		Caller: n.door.Caller, Address: n.door.Address, Clock: n.cfg.Clock, Log: n.cfg.Log,
	})
}

// described lets resolve find descriptions of this node.
type described struct{ n *Node }

// Describe is resolve.Descriptions.
func (d described) Describe(ctx context.Context, caller string, forms []string) (resolve.Description, bool, error) {
	id, title, ok, err := d.n.names.things.Describe(ctx, caller, forms)
	if err != nil || !ok {
		return resolve.Description{}, false, err
	}
	return resolve.Description{ID: id, Title: title, URL: d.n.BaseURL() + wotdoor.ThingsPath + "/" + url.PathEscape(id)}, true, nil
}

// thingsOf are an account's own things, for its rights.
func (n *Node) thingsOf(ctx context.Context, account string) ([]rights.Thing, error) {
	list, err := n.names.things.Of(ctx, account)
	out := make([]rights.Thing, len(list))
	for i, e := range list {
		out[i] = rights.Thing{Visibility: string(e.Visibility), Description: e.Bytes(time.Time{}), Created: e.Created}
	}
	return out, err
}
