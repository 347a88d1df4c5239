package engine

import (
	"cmp"
	"context"
	"slices"
	"sort"
	"strings"
	"time"
	"unicode/utf8"

	"primum/circle"
	"primum/client"
	"primum/grant"
	"primum/identity"
	"primum/thing"
)

func (e *Engine) consentHandlers() map[string]handler {
	return map[string]handler{
		"requests": handle(e.requests),
		"service":  handle(e.service),
		"refuse":   handle(e.refuse),
		"give":     handle(e.give),
		"grants":   handle(e.grants),
		"withdraw": handle(e.withdraw),
		"ask":      handle(e.ask),
	}
}

// requests lists requests that wait, newest first; it asks nobody.
func (e *Engine) requests(context.Context, Empty) ([]RequestInfo, error) {
	s, err := e.current()
	if err != nil {
		return nil, err
	}
	all := []RequestInfo{}
	for _, r := range s.client.Owner.Requests() {
		all = append(all, s.requestInfo(r))
	}
	sort.SliceStable(all, func(i, j int) bool { return all[i].Received.After(all[j].Received) })
	return all, nil
}

func (s *session) requestInfo(r circle.RequestInfo) RequestInfo {
	q := r.Request
	info := RequestInfo{
		ID: r.ID, From: r.From, Name: clean(q.Name, maxTitle), Compared: s.client.Directory.Compared(r.From),
		Service: clean(q.Service, maxTitle), Purpose: purposeText(q.Purpose), PurposeClass: q.Purpose.Class,
		For: brief(q.For), Retention: grant.Span(q.Retention), Notice: cleanLines(q.Notice.Text, 2*maxText),
		Language: clean(q.Notice.Language, 35), Received: r.Received, Expires: q.Expires, Wants: []Want{},
	}
	if q.Until != nil {
		info.Until = *q.Until
	}
	if v, err := identity.First(r.Identity); err == nil {
		info.Organisation = v.Kind() != identity.Person
		info.Name = cmp.Or(info.Name, clean(v.Name(), maxTitle))
	}
	if c := q.Conditionality; c != nil {
		info.Price, info.Benefit = clean(c.Price, maxText), clean(c.Benefit, maxText)
		info.Needed = !c.CoreFunctionWithoutGrant
	}
	for _, w := range q.Wants {
		info.Wants = append(info.Wants, s.want(w))
	}
	return info
}

// cleanLines is clean for a text of several lines, at most about n characters in
// all: the words of a notice are shown as they were written.
func cleanLines(s string, n int) string {
	var lines []string
	for line := range strings.Lines(s) {
		if n <= 0 {
			break
		}
		line = clean(line, n)
		n -= utf8.RuneCountInString(line) + 1
		lines = append(lines, line)
	}
	return strings.TrimSpace(strings.Join(lines, "\n"))
}

// want is one thing asked for, with the own affordances that fit. An account
// that asks by name learns nothing from whether it fits.
func (s *session) want(w grant.Want) Want {
	out := Want{
		Label: clean(strings.TrimSpace(w.Quantity+" "+w.Unit), maxTitle), Ops: append([]string{}, w.Actions...),
		Precision: precisionOf(w.Precision), Fits: []Ref{},
	}
	fits := s.client.Fitting(w)
	if w.Name != "" {
		out.Label = clean(w.Name, maxTitle)
		fits = slices.DeleteFunc(s.client.Targets(), func(t client.Target) bool {
			return !t.Own || !strings.EqualFold(t.Path, w.Name) && !strings.EqualFold(t.Title+"/"+t.Name, w.Name)
		})
	}
	for _, t := range fits {
		out.Fits = append(out.Fits, Ref{Home: t.Circle.String(), Thing: t.Thing, Name: t.Name})
	}
	return out
}

// refuse says no.
func (e *Engine) refuse(ctx context.Context, p RefuseParams) (Empty, error) {
	s, err := e.current()
	if err != nil {
		return Empty{}, err
	}
	again := grant.DefaultAskAgainAfter
	if p.AskAgain != "" {
		if again, err = grant.ParseFor(p.AskAgain); err != nil {
			return Empty{}, &Error{Code: "params", Detail: err.Error()}
		}
	}
	ctx, cancel := context.WithTimeout(ctx, givePatience)
	defer cancel()
	err = s.client.Refuse(ctx, p.Request, again.D())
	e.emit(Event{Kind: "requests"})
	return Empty{}, err
}

const (
	givePatience = 30 * time.Second
	openPatience = 2 * time.Second
)

// give says yes and waits a moment for the thing's end.
func (e *Engine) give(ctx context.Context, p GiveParams) (Given, error) {
	s, err := e.current()
	if err != nil {
		return Given{}, err
	}
	q, err := s.giveParams(ctx, p)
	if err != nil {
		return Given{}, err
	}
	wait, cancel := context.WithTimeout(ctx, givePatience)
	defer cancel()
	id, err := s.client.Give(wait, q)
	if id != "" {
		e.emit(Event{Kind: "grants"})
		e.emit(Event{Kind: "things"})
		e.emit(Event{Kind: "requests"})
	}
	if err != nil {
		return Given{}, givenError(err)
	}
	moment, cancelMoment := context.WithTimeout(ctx, openPatience)
	defer cancelMoment()
	return Given{Grant: id, Opened: s.client.Opened(moment, id) == nil}, nil
}

// givenError tells a thing that has no circle ready from a node that is slow.
func givenError(err error) error {
	if isErr(err, context.DeadlineExceeded) {
		return &Error{Code: "no-stock", Detail: err.Error()}
	}
	return err
}

// giveParams is a yes as package circle takes it.
func (s *session) giveParams(ctx context.Context, p GiveParams) (q circle.GiveParams, err error) {
	if p.Request != "" {
		if err := s.answering(&q, &p); err != nil {
			return q, err
		}
	}
	if p.Service != nil {
		if err := s.connecting(&q, &p); err != nil {
			return q, err
		}
	}
	if p.Purpose != "" || q.Purpose.Class == "" {
		if q.Purpose, err = purposeOf(p.Purpose); err != nil {
			return q, err
		}
	}
	if q.Home, q.Share, err = s.shares(p.Share); err != nil {
		return q, err
	}
	if !p.Until.After(s.e.o.Clock.Now()) {
		return q, &Error{Code: "until"}
	}
	q.Until, q.Pseudonymous, q.Replaces = p.Until.UTC().Truncate(time.Second), p.Pseudonymous, p.Replaces
	if p.Notice != "" {
		q.Notice = grant.NewNotice(cmp.Or(p.Language, "en"), p.Notice)
	}
	grantee, err := s.client.Directory.Lookup(ctx, p.Account)
	if err != nil {
		return q, err
	}
	q.Grantee = grantee.Compact()
	return q, nil
}

// answering takes from a request what the person does not decide.
func (s *session) answering(q *circle.GiveParams, p *GiveParams) error {
	for _, r := range s.client.Owner.Requests() {
		if r.ID != p.Request {
			continue
		}
		if p.Account != "" && p.Account != r.From {
			return &Error{Code: "params", Detail: "account and request are of two people"}
		}
		p.Account = r.From
		q.Request, q.Purpose, q.Service = r.ID, r.Request.Purpose, r.Request.Service
		q.Retention, q.DeletesWithin, q.Conditionality, q.Notice = r.Request.Retention, r.Request.DeletesWithin, r.Request.Conditionality, r.Request.Notice
		return nil
	}
	return &Error{Code: "no-request"}
}

// purposeOf reads a purpose; none is sharing with a friend.
func purposeOf(words string) (grant.Purpose, error) {
	p, err := grant.FindPurpose(cmp.Or(words, "sharing with a friend"))
	if err != nil {
		return p, &Error{Code: "purpose", Detail: err.Error()}
	}
	return p, nil
}

// shares is what is given, all of one home.
func (s *session) shares(all []Share) (home circle.ID, out []circle.SharedAffordance, err error) {
	if len(all) == 0 {
		return home, nil, &Error{Code: "params", Detail: "nothing is shared"}
	}
	for i, share := range all {
		t, err := s.findTarget(share.Ref)
		if err != nil {
			return home, nil, err
		}
		switch {
		case !t.Own:
			return home, nil, &Error{Code: "not-yours"}
		case i > 0 && t.Circle != home:
			return home, nil, &Error{Code: "two-homes"}
		}
		home = t.Circle
		one := circle.SharedAffordance{Source: circle.Source{Thing: t.Thing, Name: t.Name}, Title: titled(t.Title, t.Thing), Ops: share.Ops}
		if len(one.Ops) == 0 {
			one.Ops = readOps(t.Ops)
		}
		if reads(one.Ops) {
			if one.Precision, err = share.Precision.terms(); err != nil {
				return home, nil, err
			}
		}
		out = append(out, one)
	}
	return home, out, nil
}

// readOps are the rights to see among ops.
func readOps(ops []string) []string {
	return slices.DeleteFunc(slices.Clone(ops), func(op string) bool { return !reads([]string{op}) })
}

func reads(ops []string) bool {
	return slices.ContainsFunc(ops, func(op string) bool {
		return op == thing.ReadProperty || op == thing.ObserveProperty || op == thing.SubscribeEvent
	})
}

// ask asks somebody for values.
func (e *Engine) ask(ctx context.Context, p AskParams) (AskResult, error) {
	s, err := e.current()
	if err != nil {
		return AskResult{}, err
	}
	q, err := s.request(p)
	if err != nil {
		return AskResult{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, givePatience)
	defer cancel()
	id, err := s.client.Ask(ctx, p.Account, q)
	return AskResult{Request: id}, err
}

func (s *session) request(p AskParams) (q grant.Request, err error) {
	if q.Purpose, err = purposeOf(p.Purpose); err != nil {
		return q, err
	}
	now := s.e.o.Clock.Now()
	if !p.Until.After(now) {
		return q, &Error{Code: "until"}
	}
	until := p.Until.UTC().Truncate(time.Second)
	q.Until, q.Retention, q.DeletesWithin = &until, 30*grant.Day, 30*grant.Day
	q.Service = s.client.Address()
	if v, ok := s.client.Directory.Known(s.client.Address()); ok && v.Name() != "" {
		q.Name, q.Service = v.Name(), v.Name()
	}
	var precision grant.Precision
	ops := p.Ops
	if len(ops) == 0 {
		ops = []string{thing.ReadProperty, thing.ObserveProperty}
	}
	if reads(ops) {
		if precision, err = p.Precision.terms(); err != nil {
			return q, err
		}
	}
	for _, w := range p.Wants {
		want := grant.Want{Quantity: strings.TrimSpace(w), Actions: ops, Precision: precision}
		if strings.Contains(w, "/") {
			want.Quantity, want.Name = "", strings.TrimSpace(w)
		}
		q.Wants = append(q.Wants, want)
	}
	text := p.Notice
	if text == "" {
		text = strings.Join(p.Wants, ", ") + ": " + precision.Words()
	}
	q.Notice = grant.NewNotice(cmp.Or(p.Language, "en"), text)
	return q, nil
}
