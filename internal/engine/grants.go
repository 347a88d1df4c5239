package engine

import (
	"context"
	"slices"
	"sort"
	"strings"
	"time"

	"primum/circle"
	"primum/client"
	"primum/grant"
	"primum/mls"
	"primum/thing"
)

// stateOfGrant is a grant's state as pages show it.
func stateOfGrant(g circle.GrantInfo) string {
	switch {
	case g.State.Terminal() && g.Reason != "" && g.Withdrawal == nil && g.State == grant.Revoked:
		return "declined"
	case g.State.Terminal():
		return "ended"
	case g.State == grant.Paused:
		return "paused"
	case !g.Joined:
		return "waiting"
	}
	return "running"
}

// endReason says why a grant does not run, "" while it does.
func endReason(g circle.GrantInfo) string {
	switch {
	case g.Reason != "":
		return g.Reason
	case g.State == grant.Withdrawn:
		return "withdrawn"
	case g.State == grant.Expired:
		return "expired"
	case g.State == grant.Superseded:
		return "superseded"
	case g.State == grant.Revoked:
		return "revoked"
	}
	return ""
}

// grants lists all grants, given and received, newest first; it asks nobody.
func (e *Engine) grants(context.Context, Empty) ([]GrantInfo, error) {
	s, err := e.current()
	if err != nil {
		return nil, err
	}
	all := []GrantInfo{}
	for _, g := range s.client.Owner.Given() {
		all = append(all, s.grantInfo(g, true))
	}
	for _, g := range s.client.Owner.Grants() {
		all = append(all, s.grantInfo(g, false))
	}
	sort.SliceStable(all, func(i, j int) bool { return all[i].From.After(all[j].From) })
	return all, nil
}

func (s *session) grantInfo(g circle.GrantInfo, own bool) GrantInfo {
	info := GrantInfo{
		ID: g.ID, Own: own, Other: g.Owner, State: stateOfGrant(g), Reason: endReason(g), Shared: []GrantItem{},
		From: g.ValidFrom, Until: g.ValidUntil, LastValue: g.LastValue, Clients: g.Clients,
		PostQuantum: slices.Contains(mls.Suites()[:1], g.Suite), Stop: stopOf(g.Withdrawal, nil),
	}
	if own {
		info.Other = g.Grantee
	}
	s.person(&info)
	s.terms(&info, g)
	for _, shared := range g.Shared {
		info.Shared = append(info.Shared, grantItem(g, shared, own))
	}
	return info
}

// person fills in who the other side is, as far as that is known here.
func (s *session) person(info *GrantInfo) {
	if info.Other == "" {
		return
	}
	info.Compared = s.client.Directory.Compared(info.Other)
	info.Guest = isGuest(info.Other)
	v, ok := s.client.Directory.Known(info.Other)
	if !ok {
		return
	}
	info.OtherName = clean(v.Name(), maxTitle)
	if info.Guest && info.Own {
		info.OtherName = s.linkName(info.Other)
	}
	for _, c := range v.Clients() {
		info.Browser = info.Browser || c.Browser
	}
}

// terms fills in what the terms say.
func (s *session) terms(info *GrantInfo, g circle.GrantInfo) {
	t, err := client.Terms(g.Terms)
	if err != nil {
		return
	}
	info.Purpose, info.Class = purposeText(t.Process.Purpose), t.Process.Purpose.Class
	info.Retention, info.Deletes = brief(t.Process.Storage.Retention), brief(t.OnWithdrawal.GranteeDeletesWithin)
	info.Unnamed = t.Owner == grant.OwnerPseudonymous
	if c := t.Conditionality; c != nil {
		info.Price, info.Benefit, info.Needed = clean(c.Price, maxText), clean(c.Benefit, maxText), !c.CoreFunctionWithoutGrant
	}
	if info.OtherName == "" && info.Own {
		info.OtherName = clean(t.Grantee.Name, maxTitle)
	}
	for _, l := range grant.Lines(t, time.UTC) {
		info.Lines = append(info.Lines, clean(l, maxText))
	}
}

func purposeText(p grant.Purpose) string {
	if p.Label != "" {
		return clean(p.Label, maxTitle)
	}
	return clean(p.Class, maxTitle)
}

func grantItem(g circle.GrantInfo, shared circle.SharedName, own bool) GrantItem {
	item := GrantItem{
		Ref:  Ref{Grant: g.ID, Thing: shared.Thing, Name: shared.Name},
		Path: thing.Slug(titled(shared.Title, shared.Thing)) + "/" + shared.Name,
		Ops:  append([]string{}, shared.Ops...), Precision: precisionOf(shared.Precision), Words: shared.Precision.Words(),
	}
	if own && shared.Source.Thing != "" {
		item.Ref = Ref{Home: g.Home.String(), Thing: shared.Source.Thing, Name: shared.Source.Name}
		item.Path = shared.Source.Thing + "/" + shared.Source.Name
	}
	return item
}

func stopOf(w *circle.WithdrawalInfo, nodeErr error) *Stop {
	if w == nil {
		return nil
	}
	s := &Stop{Asked: w.Asked, LockOne: w.LockOne, Receipt: w.Receipt, Statement: w.Statement}
	if w.Confirmed() {
		s.LockTwo = w.LockTwo
	}
	if nodeErr != nil {
		s.NodeError = errorOf(nodeErr).Code
	}
	return s
}

// withdrawPatience is how long a page waits for both locks by default.
const (
	withdrawPatience = 3 * time.Second
	mostPatience     = time.Minute
)

// withdraw ends a grant and waits for both locks.
func (e *Engine) withdraw(ctx context.Context, p WithdrawParams) (Stop, error) {
	s, err := e.current()
	if err != nil {
		return Stop{}, err
	}
	patience := withdrawPatience
	if p.Patience != "" {
		d, err := time.ParseDuration(p.Patience)
		if err != nil || d < 0 {
			return Stop{}, &Error{Code: "params", Detail: "patience"}
		}
		patience = min(d, mostPatience)
	}
	asked := e.o.Clock.Now().UTC()
	info, nodeErr, err := s.withdrawBoth(ctx, p.Grant, patience)
	e.emit(Event{Kind: "grants"})
	e.emit(Event{Kind: "things"})
	if err != nil {
		return Stop{}, err
	}
	if info.Asked.IsZero() {
		info.Asked = asked
	}
	return *stopOf(&info, nodeErr), nil
}

// withdrawBoth asks for both locks: of the node, and of the thing's end by every
// way there is.
func (s *session) withdrawBoth(ctx context.Context, grantID string, patience time.Duration) (circle.WithdrawalInfo, error, error) {
	if err := s.client.Owner.Withdraw(grantID); err != nil {
		return circle.WithdrawalInfo{}, nil, err
	}
	if s.ofSandbox(grantID) {
		if err := s.sandbox.confirm(s, grantID); err != nil {
			s.e.o.Log.Warn("sandbox did not confirm", "why", err)
		}
	}
	return s.client.Withdraw(ctx, grantID, patience)
}

func (s *session) ofSandbox(grantID string) bool {
	for _, g := range s.client.Owner.Given() {
		if g.ID != grantID {
			continue
		}
		return slices.ContainsFunc(s.client.Owner.Homes(), func(h circle.HomeInfo) bool {
			return h.Circle == g.Home && s.sandbox.is(h.ThingKey)
		})
	}
	return false
}

// isGuest tells the accounts of links, which end with their grant.
func isGuest(account string) bool { return strings.HasPrefix(account, "guest-") }
