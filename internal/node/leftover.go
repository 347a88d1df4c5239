package node

import (
	"context"
	"encoding/json"
	"errors"
	"net/url"
	"slices"
	"strings"
	"time"

	"primum/internal/directory"
	"primum/internal/linkset"
	openvalues "primum/internal/open"
	"primum/internal/operator"
)

// Bounds of the look for leftovers, before the node serves.
const (
	leftoverWait = 2 * time.Second
	leftoverPage = 200 // entries at a time
)

// sweepOpen takes away the directory's entries and the links of open things that
// open.db does not know: a removal that ended between the files left them. What
// is not reached in time is left to the next start.
func (n *Node) sweepOpen(ctx context.Context) {
	soon, cancel := context.WithTimeout(ctx, leftoverWait)
	defer cancel()
	links, err := n.sweepLinks(soon)
	entries, err2 := n.sweepEntries(soon)
	if links+entries > 0 {
		n.cfg.Log.Info("leftovers of open things removed", "links", links, "descriptions", entries)
	}
	if err = errors.Join(err, err2); err != nil && ctx.Err() == nil {
		n.cfg.Log.Warn("leftovers of open things not all looked for", "error", err)
	}
}

// openPlace is where the addresses of open things begin.
func (n *Node) openPlace() string { return n.BaseURL() + "/open/" }

// isLeftover says whether an address is an open thing's, but of none that is
// there.
func (n *Node) isLeftover(ctx context.Context, at string) (bool, error) {
	path, ok := strings.CutPrefix(at, n.openPlace())
	service, name, two := strings.Cut(path, "/")
	if !ok || !two || strings.Contains(name, "/") {
		return false, nil
	}
	service, err := url.PathUnescape(service)
	name, err2 := url.PathUnescape(name)
	if err != nil || err2 != nil {
		return false, nil
	}
	if _, err = n.names.values.Thing(ctx, service, name); errors.Is(err, openvalues.ErrUnknown) {
		return true, nil
	}
	return false, err
}

// sweepLinks takes away what linkKey put.
func (n *Node) sweepLinks(ctx context.Context) (gone int, err error) {
	for after := ""; ; {
		items, err := n.names.links.Leading(ctx, n.openPlace(), after, leftoverPage)
		if err != nil || len(items) == 0 {
			return gone, err
		}
		for _, it := range items {
			more, err := n.sweepItem(ctx, it)
			if gone += more; err != nil {
				return gone, err
			}
			after = it.Anchor
		}
	}
}

func (n *Node) sweepItem(ctx context.Context, it *linkset.Item) (gone int, err error) {
	for _, e := range it.Entries {
		if e.By != operator.Console || !slices.Contains([]string{linkset.DescribedBy, linkset.DefaultLink}, e.LinkType) {
			continue
		}
		left, err := n.isLeftover(ctx, e.Href)
		if err != nil {
			return gone, err
		}
		if !left {
			continue
		}
		more, err := n.names.links.Remove(ctx, it.Anchor, e.ID())
		if gone += more; err != nil {
			return gone, err
		}
	}
	return gone, nil
}

// sweepEntries takes away what linkOpen put.
func (n *Node) sweepEntries(ctx context.Context) (gone int, err error) {
	for after := ""; ; {
		entries, err := n.names.things.Mentioning(ctx, n.openPlace(), after, leftoverPage)
		if err != nil || len(entries) == 0 {
			return gone, err
		}
		for _, e := range entries {
			after = e.ID
			left, err := n.isLeftover(ctx, servedAt(e.TD))
			if err == nil && left {
				err = n.names.things.Delete(ctx, directory.Viewer{Publisher: true}, e.ID, directory.Change{})
				gone++
			}
			if err != nil {
				return gone, err
			}
		}
	}
}

// servedAt is the address of the open thing whose served description this is;
// empty: of none.
func servedAt(description []byte) string {
	var d struct {
		Forms []struct {
			Href string   `json:"href"`
			Op   []string `json:"op"`
		} `json:"forms"`
	}
	if err := json.Unmarshal(description, &d); err != nil || len(d.Forms) == 0 || !slices.Equal(d.Forms[0].Op, []string{"readallproperties"}) {
		return ""
	}
	at, ok := strings.CutSuffix(d.Forms[0].Href, "/properties")
	if !ok {
		return ""
	}
	return at
}
