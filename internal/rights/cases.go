package rights

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

	"primum/internal/store"
	"primum/internal/wire"
)

// maxWaiting is how many cases may wait for an answer: of those that nobody
// signed together, and of each account.
const (
	maxWaitingUnsigned = 5000
	maxWaiting         = 100
	maxListed          = 200
	maxLine            = 512 // bytes of About and Reply
)

// Plead opens a case: an objection or a complaint. account is who signed it, or
// empty; body is the request as it came.
func (d *Desk) Plead(ctx context.Context, right, account string, body []byte, p wire.Plea) (wire.Case, error) {
	if err := checkPlea(p); err != nil {
		return wire.Case{}, err
	}
	id, err := newID()
	if err != nil {
		return wire.Case{}, err
	}
	now, due := d.now(), d.now().Add(wire.AnswerWithin)
	r, leaf, err := d.receipt(right, id, body, due)
	if err != nil {
		return wire.Case{}, err
	}
	kept, err := json.Marshal(r)
	if err != nil {
		return wire.Case{}, fmt.Errorf("keep receipt: %w", err)
	}
	most := maxWaiting
	if account == "" {
		most = maxWaitingUnsigned
	}
	c := store.Case{
		ID: id, Kind: right, State: wire.CaseReceived, Account: account, About: p.About, Reply: p.Reply,
		Opened: now, Due: due, Receipt: string(kept),
	}
	err = d.o.Store.Cases.Open(ctx, c, store.CaseStep{At: now, By: "person", What: right, Text: p.Text}, most, leaf, d.due())
	if errors.Is(err, store.ErrQuota) {
		return wire.Case{}, &wire.Refusal{Name: wire.ProbTooMany, Retry: time.Hour, Detail: "too many cases wait for the operator's answer"}
	}
	if err != nil {
		return wire.Case{}, err
	}
	return d.Case(ctx, id)
}

func checkPlea(p wire.Plea) error {
	switch {
	case p.Text == "":
		return refuse(wire.ProbMalformed, "/text", "say in your own words what it is about")
	case len(p.Text) > wire.MaxPlea:
		return refuse(wire.ProbTooLarge, "/text", "at most 8192 bytes")
	case len(p.About) > maxLine:
		return refuse(wire.ProbTooLarge, "/about", "at most 512 bytes")
	case len(p.Reply) > maxLine:
		return refuse(wire.ProbTooLarge, "/reply", "at most 512 bytes")
	case !utf8.ValidString(p.Text + p.About + p.Reply):
		return refuse(wire.ProbMalformed, "", "the text is not UTF-8")
	}
	return nil
}

// Case tells how a case stands, to whoever knows its id.
func (d *Desk) Case(ctx context.Context, id string) (wire.Case, error) {
	c, err := d.o.Store.Cases.Get(ctx, id)
	if err != nil {
		return wire.Case{}, err
	}
	return d.shown(ctx, c)
}

func (d *Desk) shown(ctx context.Context, c store.Case) (wire.Case, error) {
	steps, err := d.o.Store.Cases.Steps(ctx, c.ID)
	if err != nil {
		return wire.Case{}, err
	}
	url := d.o.Base + "/v1/rights/cases/" + c.ID
	out := wire.Case{
		ID: c.ID, Kind: c.Kind, State: c.State, About: c.About, At: c.Opened, AnswerBy: c.Due,
		Steps: []wire.CaseStep{}, Status: url, Appeal: url + "/appeal",
	}
	for _, s := range steps {
		out.Steps = append(out.Steps, wire.CaseStep(s))
	}
	var r wire.RightReceipt
	if json.Unmarshal([]byte(c.Receipt), &r) == nil {
		out.Receipt = &r
	}
	return out, nil
}

// Cases lists an account's own, the newest first.
func (d *Desk) Cases(ctx context.Context, account string) (wire.Cases, error) {
	out := wire.Cases{Cases: []wire.Case{}}
	all, err := d.o.Store.Cases.Of(ctx, account, maxListed)
	if err == nil {
		out.Cases, err = d.allShown(ctx, all)
	}
	return out, err
}

// Waiting lists what waits for the operator's answer, the most urgent first.
func (d *Desk) Waiting(ctx context.Context, limit int) ([]wire.Case, error) {
	all, err := d.o.Store.Cases.Waiting(ctx, limit)
	if err != nil {
		return nil, err
	}
	return d.allShown(ctx, all)
}

func (d *Desk) allShown(ctx context.Context, all []store.Case) ([]wire.Case, error) {
	out := []wire.Case{}
	for _, c := range all {
		s, err := d.shown(ctx, c)
		if err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, nil
}

// Appeal asks for a second look at an answered case; whoever else at the
// operator's answers it. Refusals: conflict while no answer has been given.
func (d *Desk) Appeal(ctx context.Context, id string, a wire.Appeal) (wire.Case, error) {
	if err := checkPlea(wire.Plea{Text: a.Text}); err != nil {
		return wire.Case{}, err
	}
	step := store.CaseStep{At: d.now(), By: "person", What: wire.RightAppeal, Text: a.Text}
	err := d.o.Store.Cases.Step(ctx, id, [2]string{wire.CaseAnswered, wire.CaseAnswered}, wire.CaseAppealed, step.At.Add(wire.AnswerWithin), step)
	if errors.Is(err, store.ErrConflict) {
		return wire.Case{}, refuse(wire.ProbConflict, "", "an appeal follows an answer; there is none to appeal from")
	}
	if err != nil {
		return wire.Case{}, err
	}
	return d.Case(ctx, id)
}

// Answer is the operator's answer to a case; to an appeal it is the last.
// store.ErrConflict where that was given.
func Answer(ctx context.Context, cases *store.Cases, id, text string, now time.Time) error {
	c, err := cases.Get(ctx, id)
	if err != nil {
		return err
	}
	to := wire.CaseAnswered
	switch c.State {
	case wire.CaseAppealed:
		to = wire.CaseClosed
	case wire.CaseClosed:
		return store.ErrConflict
	}
	step := store.CaseStep{At: now.UTC().Truncate(time.Second), By: "operator", What: "answer", Text: text}
	return cases.Step(ctx, id, [2]string{c.State, c.State}, to, time.Time{}, step)
}
