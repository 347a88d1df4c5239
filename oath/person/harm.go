package person

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"primum/client"
	"primum/internal/jws"
	"primum/internal/wire"
	"primum/oath"
	"primum/oath/trace"
)

// rightReceipt is the type of a node's receipt for a right.
const rightReceipt = "primum-right+jwt"

// fileAComplaint (O14): somebody without an account complains, and objects, and
// looks how it stands.
//
// Facts: filed (of complaint and objection), refused (statuses), receipts (signed
// by the node's key, for the case), answer-within, status (cases that their
// address shows), appeal (cases that say where to have them looked at again).
func (c *Cast) fileAComplaint(ctx context.Context, _ oath.Args) (oath.Observation, error) {
	o := oath.Observation{Facts: facts{}}
	t := trace.NewTape(c.net, c.clock)
	stranger := &human{tape: t, calls: client.Calls{Transport: t, Clock: c.clock}}
	var filed, receipts, shown, appeals int
	within := time.Duration(0)
	for _, kind := range []string{wire.RightComplaint, wire.RightObjection} {
		answer, status, err := c.plead(ctx, stranger, kind)
		if err != nil {
			return o, err
		}
		o.Evidence = append(o.Evidence, c.note(fmt.Sprintf("A %s of somebody without an account was answered with status %d.", kind, status), c.again("O14")))
		if status/100 != 2 {
			o.Facts["refused"] = oath.Text(fmt.Sprintf("a %s: status %d", kind, status))
			continue
		}
		filed++
		within = max(within, answer.AnswerBy.Sub(answer.At))
		if c.isReceipt(ctx, answer) {
			receipts++
		}
		if strings.HasPrefix(answer.Appeal, c.run.Target.Base+"/") {
			appeals++
		}
		if c.showsCase(ctx, stranger, answer) {
			shown++
		}
	}
	o.Facts["filed"], o.Facts["receipts"], o.Facts["status"] = oath.Number(filed), oath.Number(receipts), oath.Number(shown)
	o.Facts["appeal"], o.Facts["answer-within"] = oath.Number(appeals), oath.Duration(within)
	return o, nil
}

// plead files a plea; the answer's text is evidence.
func (c *Cast) plead(ctx context.Context, stranger *human, kind string) (answer wire.Case, status int, err error) {
	body, err := json.Marshal(wire.Plea{
		About: c.run.Target.Domain, Text: "A neighbour's page names my address. Please look at it. (If you find no such page, it is gone.)",
	})
	if err != nil {
		return answer, 0, fmt.Errorf("write a plea: %w", err)
	}
	resp, err := c.ask(ctx, stranger, client.Key{}, http.MethodPost, "/v1/rights/"+kind, body, "application/json")
	switch {
	case err != nil:
		return answer, 0, fmt.Errorf("file a %s: %w", kind, err)
	case resp.Status == http.StatusNotFound:
		return answer, 0, oath.Unshown("the node takes no complaints from programs")
	case resp.Status/100 == 2:
		if err := json.Unmarshal(resp.Body, &answer); err != nil {
			return answer, 0, fmt.Errorf("read the answer to a %s: %w", kind, err)
		}
	}
	return answer, resp.Status, nil
}

// isReceipt tells whether a case has a receipt by the node's key.
func (c *Cast) isReceipt(ctx context.Context, answer wire.Case) bool {
	if answer.Receipt == nil {
		return false
	}
	u, err := jws.Parse(answer.Receipt.Receipt, wire.MaxDocument)
	if err != nil {
		return false
	}
	node, err := c.owner.open.Home.Info(ctx)
	if err != nil {
		return false
	}
	for _, k := range node.Keys {
		payload, err := u.Verify(rightReceipt, k.X)
		var done wire.RightDone
		if err == nil && json.Unmarshal(payload, &done) == nil && done.ID == answer.ID && done.Node == node.Authority {
			return true
		}
	}
	return false
}

// showsCase tells whether the address of a case shows how it stands.
func (c *Cast) showsCase(ctx context.Context, stranger *human, answer wire.Case) bool {
	path, ok := strings.CutPrefix(answer.Status, c.run.Target.Base)
	if !ok {
		return false
	}
	resp, err := c.ask(ctx, stranger, client.Key{}, http.MethodGet, path, nil, "")
	var now wire.Case
	return err == nil && resp.Status == http.StatusOK && json.Unmarshal(resp.Body, &now) == nil && now.ID == answer.ID && now.State != ""
}
