package httpdoor

import (
	"context"
	"errors"
	"slices"
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
	if err := mayHaveLabel(name); err != nil {
		return nil, err
	}
	wanted := store.Label{Account: c.who.accountName(), Name: name.String(), Hush: resolve.Hush(d.cfg.NameSecret, name), Made: c.now}
	if err := d.freeForLabel(ctx, wanted, name); err != nil {
		return nil, err
	}
	kept, err := d.cfg.Store.Labels.Put(ctx, wanted, wire.MaxLabels, func(epoch int64) string {
		return resolve.Label(d.cfg.NameSecret, wanted.Name, epoch)
	})
	if errors.Is(err, store.ErrQuota) {
		return nil, tooMany(time.Hour, strconv.Itoa(wire.MaxLabels)+" labels of one account")
	}
	return d.label(kept), err
}

// mayHaveLabel refuses what names no single thing by its number: places in the
// net are answered for by who holds them, and classes are many things'.
func mayHaveLabel(name id.ID) error {
	switch name.Kind() {
	case id.DNS, id.URL, id.DIDWeb, id.IP:
		return at(problem(wire.ProbMalformed, "this names a place in the net; a label is for one thing by its number: a GS1 key with a serial number, an EPC, an EUI, a UUID"), "/name")
	}
	if !resolve.IsThing(name) {
		return at(problem(wire.ProbMalformed, "this names a class; a label is for one thing, by its serial number"), "/name")
	}
	return nil
}

// freeForLabel refuses a name that the operator publishes: a label hushes it
// for everybody, and nobody has shown that the thing is the caller's. A label
// that the caller has stays, whatever was published since.
func (d *Door) freeForLabel(ctx context.Context, wanted store.Label, name id.ID) error {
	kept, err := d.cfg.Store.Labels.Of(ctx, wanted.Account)
	if err != nil || d.cfg.Published == nil || slices.ContainsFunc(kept, func(l store.Label) bool { return l.Name == wanted.Name }) {
		return err
	}
	published, err := d.cfg.Published(ctx, name)
	if err == nil && published {
		return at(problem(wire.ProbConflict, "the operator of this node publishes this very name; ask the operator, who can opt it out"), "/name")
	}
	return err
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
