package httpdoor

import (
	"context"
	"time"

	"github.com/coder/websocket"

	"primum/internal/meter"
	"primum/internal/wire"
)

// reasonQuota ends the socket of an organisation that has used up its quota; it
// is told how much and until when where it asks for the next one.
const reasonQuota = "the quota of your organisation is used up for this day"

// usageMost is how far back an organisation sees its own sums.
const usageMost = 31 * 24 * time.Hour

// admitOrganisation counts a signed request of an organisation, and refuses it
// beyond a quota. Persons pass, rights pass and are not counted, and so does what
// ends something.
func (d *Door) admitOrganisation(ctx context.Context, rt route, by meter.Organisation) error {
	if d.cfg.Meter == nil || by.Domain() == "" || rt.right || rt.stops || rt.unmetered {
		return nil
	}
	if err := d.cfg.Meter.Allow(ctx, by); err != nil {
		return err
	}
	return d.cfg.Meter.Count(ctx, meter.Requests(), by, 1)
}

// handedOver counts messages that an organisation's client got.
func (d *Door) handedOver(ctx context.Context, by meter.Organisation, messages, bytes int) {
	if d.cfg.Meter == nil || by.Domain() == "" {
		return
	}
	// A context that is marked as a right counts nothing, as it should.
	_ = d.cfg.Meter.Count(ctx, meter.Delivered(), by, uint64(messages))
	_ = d.cfg.Meter.Count(ctx, meter.DeliveredBytes(), by, uint64(bytes))
}

// tookOver counts a message that an organisation's client sent.
func (d *Door) tookOver(ctx context.Context, by meter.Organisation) {
	if d.cfg.Meter != nil {
		_ = d.cfg.Meter.Count(ctx, meter.Accepted(), by, 1) // as in handedOver
	}
}

// endUsedUp ends the sockets of organisations that have used up a quota. It reads
// the store, so it is not done where frames are handed over.
func (d *Door) endUsedUp() {
	if d.cfg.Meter == nil {
		return
	}
	for _, s := range d.live.all() {
		if s.who.organisation.Domain() != "" && d.cfg.Meter.Allow(d.ctx, s.who.organisation) != nil {
			s.cut(websocket.StatusTryAgainLater, reasonQuota)
		}
	}
}

// getUsage tells an organisation what was counted of its own domain, and anybody
// else that nothing is.
func (d *Door) getUsage(ctx context.Context, c *call) (any, error) {
	out := wire.Usage{Domain: c.who.organisation.Domain(), Sums: []wire.UsageSum{}}
	if d.cfg.Meter == nil || out.Domain == "" {
		return out, nil
	}
	sums, err := d.cfg.Meter.Used(ctx, c.who.organisation, c.now.Add(-usageMost), c.now.Add(time.Hour))
	for _, s := range sums {
		out.Sums = append(out.Sums, wire.UsageSum{Hour: s.Hour, Meter: s.Meter, N: s.N})
	}
	return out, err
}
