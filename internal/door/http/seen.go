package httpdoor

import (
	"context"
	"errors"
	"strconv"

	"primum/internal/seen"
	"primum/internal/wire"
)

// getSeen tells an owner who was given what. Nobody else can ask.
func (d *Door) getSeen(ctx context.Context, c *call) (any, error) {
	q := c.r.URL.Query()
	days := 1
	if text := q.Get("days"); text != "" {
		var err error
		if days, err = strconv.Atoi(text); err != nil {
			return nil, problem(wire.ProbMalformed, seen.ErrRange.Error())
		}
	}
	told, err := d.cfg.Seen.Days(ctx, c.who.accountName(), q.Get("day"), days)
	if errors.Is(err, seen.ErrRange) {
		return nil, problem(wire.ProbMalformed, seen.ErrRange.Error())
	}
	return told, err
}
