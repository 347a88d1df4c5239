package rights

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"primum/internal/store"
	"primum/internal/wire"
)

// about says why a node holds a kind of rows, for how long, and who gets it. The
// portal has the same in the visitor's language.
type about struct {
	why, kept string
	to        []string
}

func reasons() map[string]about {
	return map[string]about{
		"account":      {"your name here", "until you erase the account", nil},
		"identities":   {"others check your keys by them", "until you erase the account", []string{"anybody"}},
		"suspension":   {"you stopped all giving", "until a newer identity document", []string{"anybody who deals with you"}},
		"key-packages": {"others can add your clients to a circle", "90 days at most", []string{"nodes and things that share with you"}},
		"keep":         {"you can restore your identity key with your own secret", "until you erase the account", []string{"anybody, who can't open it without your secret"}},
		"inbox":        {"sealed documents wait for your clients", "until read, 30 days at most", []string{"your clients"}},
		"outbox":       {"sealed documents wait for another domain", "until delivered, 7 days at most", []string{"the recipient's node"}},
		"homes":        {"the circles of your things", "until you erase the account", []string{"the things and your clients"}},
		"given":        {"what you gave is enforced by it", "until you erase the account", []string{"the grantee: state and times; the thing: the envelope"}},
		"received":     {"what others gave you", "as long as its owner keeps it", []string{"the owner"}},
		"refusals":     {"who was refused does not nag", "until the time that you chose", nil},
		"links":        {"guests by link", "until the link ends", []string{"who has the link"}},
		"notices":      {"your things' public pages", "until you take them down", []string{"anybody"}},
		"labels":       {"your things' public pages have addresses that tell nothing", "until you end them", []string{"anybody: the label, never the name"}},
		"sessions":     {"your browser's pages", "12 hours", nil},
		"pushes":       {"your browser is rung when something arrives", "until you end it", []string{"your browser's push service: that something arrived"}},
		"seen":         {"you can see what was delivered to whom", "400 days, or until you erase the account", nil},
		"cases":        {"your objections and complaints", "3 years after the answer", []string{"the operator"}},
		KindThings:     {"your things in the directory", "until you remove them", []string{"who may see them: nobody, your grantees, or anybody"}},
		store.Messages: {"sealed messages that members have yet to read", "as long as the grant says", []string{"the members of the circle, who alone can open them"}},
	}
}

// offers are the operations by which rights are exercised.
func offers() []wire.RightOffer {
	return []wire.RightOffer{
		{Right: wire.RightAccess, Method: "GET", Path: "/v1/rights/access"},
		{Right: wire.RightExport, Method: "GET", Path: "/v1/rights/export"},
		{Right: wire.RightImport, Method: "POST", Path: "/v1/rights/import"},
		{Right: wire.RightErasure, Method: "POST", Path: "/v1/rights/erasure"},
		{Right: wire.RightObjection, Method: "POST", Path: "/v1/rights/objection"},
		{Right: wire.RightComplaint, Method: "POST", Path: "/v1/rights/complaint"},
		{Right: "refusal", Method: "POST", Path: "/v1/refusals"},
		{Right: "withdrawal", Method: "POST", Path: "/v1/closings"},
	}
}

// Access tells what the node holds about an account, why, for how long and who
// gets it.
func (d *Desk) Access(ctx context.Context, account string) (wire.Access, error) {
	out := wire.Access{Account: account, At: d.now(), Holds: []wire.Holding{}, Rights: offers()}
	counts, err := d.o.Store.Held.Counts(ctx, account)
	if err != nil {
		return out, err
	}
	for _, c := range counts {
		a := reasons()[c.Kind]
		out.Holds = append(out.Holds, wire.Holding{
			What: c.Kind, Count: c.N, Bytes: c.Bytes, Since: c.Since, Why: a.why, Kept: a.kept, To: a.to,
		})
	}
	things, err := d.o.Things(ctx, account)
	if err != nil {
		return out, err
	}
	if len(things) > 0 {
		out.Holds = append(out.Holds, heldThings(things))
	}
	out.Receipt, err = d.answered(ctx, wire.RightAccess, out, out.At)
	return out, err
}

func heldThings(things []Thing) wire.Holding {
	a := reasons()[KindThings]
	h := wire.Holding{What: KindThings, Count: len(things), Since: things[0].Created, Why: a.why, Kept: a.kept, To: a.to}
	for _, t := range things {
		h.Bytes += int64(len(t.Description))
		if t.Created.Before(h.Since) {
			h.Since = t.Created
		}
	}
	return h
}

// exportPage is how many rows one answer has; of things also how many bytes.
const (
	exportPage  = 500
	exportBytes = 4 << 20
)

// exportThings gives a page of the things of an account, which come last.
func (d *Desk) exportThings(ctx context.Context, account string, skip int, out *wire.NodeExport) error {
	things, err := d.o.Things(ctx, account)
	if err != nil {
		return err
	}
	rows, size := []json.RawMessage{}, 0
	for i, t := range things[min(skip, len(things)):] {
		if size += len(t.Description); i == exportPage || size > exportBytes && i > 0 {
			out.More = placeText(KindThings, skip+i)
			break
		}
		row, err := json.Marshal(t)
		if err != nil {
			return fmt.Errorf("export things: %w", err)
		}
		rows = append(rows, row)
	}
	if len(rows) > 0 {
		out.Holds = map[string][]json.RawMessage{KindThings: rows}
	}
	return nil
}

// Export gives a page of everything that the node holds about an account; after
// is what the page before gave as More.
func (d *Desk) Export(ctx context.Context, account, after string) (wire.NodeExport, error) {
	out := wire.NodeExport{Format: wire.NodeExportFormat, Version: wire.NodeExportVersion, Account: account, At: d.now()}
	kind, skip, err := place(after)
	if err != nil {
		return out, err
	}
	if kind == KindThings {
		err = d.exportThings(ctx, account, skip, &out)
	} else {
		err = d.exportRows(ctx, account, kind, skip, &out)
	}
	if err != nil {
		return out, err
	}
	out.Receipt, err = d.answered(ctx, wire.RightExport, out, out.At)
	return out, err
}

// exportRows gives a page of what the store holds, and says where to go on.
func (d *Desk) exportRows(ctx context.Context, account, kind string, skip int, out *wire.NodeExport) (err error) {
	var next string
	if out.Holds, next, skip, err = d.o.Store.Held.Rows(ctx, account, kind, skip, exportPage); err != nil {
		return err
	}
	if next != "" {
		out.More = placeText(next, skip)
		return nil
	}
	things, err := d.o.Things(ctx, account)
	if len(things) > 0 {
		out.More = placeText(KindThings, 0)
	}
	return err
}

// Import takes over for an account what another node exported and a node can
// take: public pages and remembered refusals.
func (d *Desk) Import(ctx context.Context, account string, body []byte, in wire.NodeImport, check CheckNotice) (wire.Imported, error) {
	out := wire.Imported{Taken: map[string]int{}, Left: map[string]int{}}
	if in.Export.Format != wire.NodeExportFormat || in.Export.Version > wire.NodeExportVersion {
		return out, refuse(wire.ProbMalformed, "/export/format", "this is no export of a node that this version can read")
	}
	for kind, rows := range in.Export.Holds {
		n, err := d.take(ctx, account, in.Export.Account, kind, rows, check)
		if err != nil {
			return out, err
		}
		if n > 0 {
			out.Taken[clip(kind)] = n
		}
		if left := len(rows) - n; left > 0 {
			out.Left[clip(kind)] = left
		}
	}
	var err error
	out.Receipt, err = d.done(ctx, wire.RightImport, body, d.now())
	return out, err
}

// clip bounds a name that was written by others.
func clip(s string) string {
	if len(s) > 32 {
		s = strings.ToValidUTF8(s[:32], "")
	}
	return s
}
