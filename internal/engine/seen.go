package engine

import (
	"context"
	"encoding/hex"
	"encoding/json"

	"primum/client"
	"primum/internal/wire"
)

func (e *Engine) seenHandlers() map[string]handler {
	return map[string]handler{
		"seen":        handle(e.seen),
		"seen.export": handle(e.seenExport),
	}
}

// seen tells who was given what, and how far that is proved.
func (e *Engine) seen(ctx context.Context, p SeenParams) (Seen, error) {
	r, c, err := e.whoSaw(ctx, p)
	if err != nil {
		return Seen{}, err
	}
	names := map[string]string{}
	for _, g := range c.SeenGrants(r.Days) {
		for id, name := range g.Clients {
			names[g.ID+id] = name
		}
	}
	out := Seen{At: r.At, Days: []SeenDay{}}
	for _, d := range r.Days {
		day := SeenDay{Day: d.Day, State: string(d.State), Why: d.Why, Rows: []SeenRow{}, Due: d.Due, Index: int64(d.Index), Size: int64(d.Size), Root: hex.EncodeToString(d.Root)}
		for _, w := range d.Witnesses {
			day.Witnesses = append(day.Witnesses, clean(w, maxTitle))
		}
		for _, row := range d.Rows {
			day.Rows = append(day.Rows, SeenRow{
				Grant: row.Grant, Client: row.Client, Name: clean(names[row.Grant+row.Client], maxTitle),
				Deliveries: int64(row.Deliveries), Bytes: int64(row.Bytes), Actions: int64(row.Actions), First: row.First, Last: row.Last,
			})
		}
		out.Days = append(out.Days, day)
	}
	return out, nil
}

func (e *Engine) whoSaw(ctx context.Context, p SeenParams) (client.SeenReport, *client.Client, error) {
	c, err := e.client()
	if err != nil {
		return client.SeenReport{}, nil, err
	}
	if p.Days == 0 {
		p.Days = 7
	}
	r, err := c.WhoSaw(ctx, p.Day, min(p.Days, wire.MaxSeenDays))
	return r, c, err
}

// seenExport writes days with their proofs and what the grants in them are.
func (e *Engine) seenExport(ctx context.Context, p SeenParams) (Export, error) {
	r, c, err := e.whoSaw(ctx, p)
	if err != nil {
		return Export{}, err
	}
	b, err := json.MarshalIndent(c.SeenFile(r), "", "  ")
	return Export{Name: "primum-seen-" + fileName(c.Address()) + "-" + r.At.Format(wire.SeenDayForm) + ".json", Content: string(b) + "\n"}, err
}
