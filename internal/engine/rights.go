package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"time"

	"primum/client/portable"
	"primum/internal/wire"
)

func (e *Engine) rightsHandlers() map[string]handler {
	return map[string]handler{
		"rights.access": handle(e.access),
		"rights.plead":  handle(e.plead),
		"rights.cases":  handle(e.cases),
		"rights.appeal": handle(e.appeal),
	}
}

// access tells what the own node holds about the account.
func (e *Engine) access(ctx context.Context, _ Empty) (RightsHeld, error) {
	var got wire.Access
	if err := e.own(ctx, "GET", "rights/access", nil, &got); err != nil {
		return RightsHeld{}, err
	}
	out := RightsHeld{At: got.At, Holds: []RightsKind{}}
	for _, h := range got.Holds {
		out.Holds = append(out.Holds, RightsKind{What: clean(h.What, 32), Count: h.Count, Bytes: h.Bytes})
	}
	if got.Receipt != nil && got.Receipt.Promise != "" {
		out.Leaf = clean(got.Receipt.Leaf, 64)
	}
	return out, e.exercised(wire.RightAccess, got.Receipt)
}

// plead sends an objection or a complaint to the own node's operator.
func (e *Engine) plead(ctx context.Context, p RightsPlea) (RightsCase, error) {
	if p.Kind != wire.RightObjection && p.Kind != wire.RightComplaint {
		return RightsCase{}, &Error{Code: "params", Detail: "kind is objection or complaint"}
	}
	var got wire.Case
	if err := e.own(ctx, "POST", "rights/"+p.Kind, wire.Plea{About: p.About, Text: p.Text}, &got); err != nil {
		return RightsCase{}, err
	}
	return caseOf(got), e.exercised(p.Kind, got.Receipt)
}

// exercised checks a receipt and has its proof fetched after the tick.
func (e *Engine) exercised(right string, r *wire.RightReceipt) error {
	c, err := e.client()
	if err != nil {
		return err
	}
	return c.Exercised(right, r)
}

// cases lists what was sent, the newest first.
func (e *Engine) cases(ctx context.Context, _ Empty) ([]RightsCase, error) {
	var got wire.Cases
	if err := e.own(ctx, "GET", "rights", nil, &got); err != nil {
		return nil, err
	}
	out := []RightsCase{}
	for _, c := range got.Cases {
		out = append(out, caseOf(c))
	}
	return out, nil
}

// appeal has an answered case looked at again.
func (e *Engine) appeal(ctx context.Context, p RightsAppeal) (RightsCase, error) {
	var got wire.Case
	err := e.own(ctx, "POST", "rights/cases/"+url.PathEscape(p.ID)+"/appeal", wire.Appeal{Text: p.Text}, &got)
	return caseOf(got), err
}

func caseOf(c wire.Case) RightsCase {
	out := RightsCase{
		ID: clean(c.ID, 32), Kind: c.Kind, State: c.State, About: clean(c.About, 512), At: c.At, AnswerBy: c.AnswerBy, Steps: []RightsStep{},
	}
	for _, s := range c.Steps {
		out.Steps = append(out.Steps, RightsStep{At: s.At, By: s.By, Text: clean(s.Text, wire.MaxPlea)})
	}
	return out
}

// exportPatience is how long an export waits for one affordance's past.
const exportPatience = 10 * time.Second

// export writes everything that this client, the things and the node hold about
// the account, but keys: docs/spec/export.md.
func (e *Engine) export(ctx context.Context, _ Empty) (Export, error) {
	c, err := e.client()
	if err != nil {
		return Export{}, err
	}
	s, _ := e.book.get()
	o := portable.Options{Now: e.o.Clock.Now(), Identity: s.Document, Every: time.Hour, Patience: exportPatience}
	if s.Keep != nil {
		if o.Keep, err = s.Keep.Bytes(); err != nil {
			return Export{}, err
		}
	}
	f, err := portable.Export(ctx, c, o)
	if err != nil {
		return Export{}, err
	}
	if f.Shown, err = e.exportShown(ctx); err != nil {
		return Export{}, err
	}
	b, err := json.MarshalIndent(f, "", "  ")
	if err != nil {
		return Export{}, fmt.Errorf("export: %w", err)
	}
	name := "primum-" + fileName(s.Account) + "-" + f.Made.Format("2006-01-02") + ".json"
	return Export{Name: name, Content: string(b) + "\n"}, nil
}

// exportShown is what the pages show now, and no other part of the file has.
func (e *Engine) exportShown(ctx context.Context) (map[string]json.RawMessage, error) {
	out := make(map[string]json.RawMessage)
	for _, method := range []string{"requests", "link.list", "alert.list"} {
		answer, err := e.Call(ctx, method, nil)
		switch {
		case err != nil:
			answer, err = json.Marshal(map[string]string{"error": err.Error()})
		case method == "link.list":
			answer, err = withoutURLs(answer)
		}
		if err != nil {
			return nil, fmt.Errorf("export %s: %w", method, err)
		}
		out[method] = answer
	}
	return out, nil
}

// withoutURLs takes the secrets out of a list of links.
func withoutURLs(raw json.RawMessage) (json.RawMessage, error) {
	var links []LinkInfo
	if err := json.Unmarshal(raw, &links); err != nil {
		return nil, err
	}
	for i := range links {
		links[i].URL = ""
	}
	return json.Marshal(links)
}
