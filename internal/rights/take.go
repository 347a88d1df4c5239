package rights

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"primum/identity"
	"primum/internal/store"
	"primum/internal/wire"
)

// maxRefusals bounds the refusals of one import.
const maxRefusals = 1000

// take takes over the rows of one kind and says how many. Rows that make no
// sense are left: an import does not fail for one of them.
func (d *Desk) take(ctx context.Context, account, from, kind string, rows []json.RawMessage, check CheckNotice) (n int, err error) {
	switch kind {
	case "refusals":
		return d.takeRefusals(ctx, account, from, rows)
	case "notices":
		return d.takeNotices(ctx, account, rows, check)
	}
	return 0, nil
}

func (d *Desk) takeRefusals(ctx context.Context, account, from string, rows []json.RawMessage) (n int, err error) {
	now := d.o.Clock.Now()
	for _, row := range rows[:min(len(rows), maxRefusals)] {
		var r struct {
			From  string    `json:"from"`
			Until time.Time `json:"until"`
		}
		if json.Unmarshal(row, &r) != nil || !r.Until.After(now) || r.Until.Sub(now) > 2*366*24*time.Hour {
			continue
		}
		if a, err := identity.ParseAddress(r.From); err != nil || a.String() == account || a.String() == from {
			continue
		}
		if err := d.o.Store.Refusals.Put(ctx, account, r.From, r.Until); err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

// CheckNotice refuses a public page that an owner could not publish.
type CheckNotice func(id string, n wire.Notice) error

func (d *Desk) takeNotices(ctx context.Context, account string, rows []json.RawMessage, check CheckNotice) (n int, err error) {
	for _, row := range rows {
		var r struct {
			ID       string      `json:"id"`
			Document wire.Notice `json:"document"`
		}
		if json.Unmarshal(row, &r) != nil || len(row) > wire.MaxNotice || check(r.ID, r.Document) != nil {
			continue
		}
		r.Document.ID = r.ID
		b, err := json.Marshal(r.Document)
		if err != nil {
			return n, fmt.Errorf("write notice: %w", err)
		}
		err = d.o.Store.Notices.Put(ctx, store.Notice{ID: r.ID, Account: account, Changed: d.o.Clock.Now(), Document: b}, wire.MaxNotices)
		if errors.Is(err, store.ErrQuota) || errors.Is(err, store.ErrConflict) || errors.Is(err, store.ErrExists) {
			continue
		}
		if err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

// placeText and place are where an export goes on: "KIND.SKIP".
func placeText(kind string, skip int) string { return kind + "." + strconv.Itoa(skip) }

func place(text string) (kind string, skip int, err error) {
	if text == "" {
		return "", 0, nil
	}
	kind, number, ok := strings.Cut(text, ".")
	skip, err = strconv.Atoi(number)
	if _, known := reasons()[kind]; !ok || !known || err != nil || skip < 0 {
		return "", 0, refuse(wire.ProbMalformed, "", "after is not what the page before gave as more")
	}
	return kind, skip, nil
}

// refuse makes a refusal.
func refuse(name, pointer, detail string) error {
	return &wire.Refusal{Name: name, Pointer: pointer, Detail: detail}
}
