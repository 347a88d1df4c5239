package httpdoor

import (
	"context"
	"errors"
	"strconv"
	"time"

	"primum/internal/resolve"
	"primum/internal/store"
	"primum/internal/wire"
	"primum/thing/id"
)

// putLabel gives a thing of the caller's a random label. The name itself is
// hushed by it: resolvers answer for it as for one that nobody has.
func (d *Door) putLabel(ctx context.Context, c *call) (any, error) {
	var in wire.NewLabel
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	name, err := id.Parse(in.Name)
	var bad *id.Error
	if errors.As(err, &bad) {
		return nil, at(problem(wire.ProbMalformed, bad.Error()), "/name")
	}
	if err != nil {
		return nil, err
	}
	if !resolve.IsThing(name) {
		return nil, at(problem(wire.ProbMalformed, "this names a class; a label is for one thing, by its serial number or its own address"), "/name")
	}
	wanted := store.Label{Account: c.who.accountName(), Name: name.String(), Hush: resolve.Hush(d.cfg.NameSecret, name), Made: c.now}
	kept, err := d.cfg.Store.Labels.Put(ctx, wanted, wire.MaxLabels, func(epoch int64) string {
		return resolve.Label(d.cfg.NameSecret, wanted.Name, epoch)
	})
	if errors.Is(err, store.ErrQuota) {
		return nil, tooMany(time.Hour, strconv.Itoa(wire.MaxLabels)+" labels of one account")
	}
	return d.label(kept), err
}

func (d *Door) label(l store.Label) wire.Label {
	return wire.Label{
		Label: l.Label, Name: l.Name, URL: d.cfg.Base + wire.LabelPrefix + l.Label, DID: resolve.DIDOf(d.cfg.Authority, l.Label), Made: l.Made,
	}
}

func (d *Door) listLabels(ctx context.Context, c *call) (any, error) {
	kept, err := d.cfg.Store.Labels.Of(ctx, c.who.accountName())
	out := wire.Labels{Labels: []wire.Label{}}
	for _, l := range kept {
		out.Labels = append(out.Labels, d.label(l))
	}
	return out, err
}

// deleteLabel ends a label: at the end of ownership, or for a new one. The next
// label of the same thing is another.
func (d *Door) deleteLabel(ctx context.Context, c *call) (any, error) {
	return nil, d.cfg.Store.Labels.Remove(ctx, c.who.accountName(), c.r.PathValue("label"))
}
