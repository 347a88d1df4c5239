package anchor

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"primum/circle/internal/core"
	"primum/grant"
	"primum/identity"
	"primum/internal/jws"
)

// Incoming takes what came out of a circle's log.
func (an *Anchor) Incoming(r *core.Room, in *core.Incoming) {
	switch in.Kind {
	case core.InMessage:
		an.heard(r, in)
		if r.Home {
			an.homeMessage(r, in)
		} else {
			an.grantMessage(r, in)
		}
	case core.InProposal:
		an.heard(r, in)
		if l := r.Leaves[keyName(in.Sender.SignatureKey)]; l != nil {
			l.Asked = r.MLS.Epoch() + 1
		}
	case core.InCommit:
		an.merged(r, in)
	case core.InKeyPackage:
		an.rejoinAsked(r, in.Raw)
	case core.InOwn:
		if r.Telling != "" && in.Own.Tag == tagDocuments+r.Telling {
			r.Told = r.Telling
		}
	case core.InLost:
		an.lost(r, in.Reason)
	case core.InWelcome:
	}
}

// lost judges a log that this anchor can't follow. It alone commits: its own
// messages ahead of its state prove that the state is an old one.
func (an *Anchor) lost(r *core.Room, reason string) {
	switch reason {
	case core.StoppedRollback:
		an.Stop(r, reason, "the node's log holds messages of this edge that it doesn't remember")
		an.restored("this edge's state was rolled back: nothing is sealed; its owner must claim it again")
	case core.StoppedFork:
		if r.Head < r.Cursor {
			an.Stop(r, reason, fmt.Sprintf("the node's log ends at %d, but %d was read before", r.Head, r.Cursor))
		}
	}
}

func (an *Anchor) heard(r *core.Room, in *core.Incoming) {
	if l := r.Leaves[keyName(in.Sender.SignatureKey)]; l != nil {
		l.Heard = an.Now()
	}
}

// clientOf is the owner's client whose key a leaf has.
func (an *Anchor) clientOf(key []byte) (string, bool) {
	v := an.owner()
	if v == nil {
		return "", false
	}
	c, ok := v.ClientByKey(key)
	return c.Name, ok
}

// homeMessage takes a message of an owner's client. Nothing after a gap counts,
// except closings.
func (an *Anchor) homeMessage(r *core.Room, in *core.Incoming) {
	client, ok := an.clientOf(in.Sender.SignatureKey)
	if !ok {
		an.Bad(r, errors.New("sender is no client of the owner any more"))
		return
	}
	m, err := core.ParseHome(in.Data)
	if err != nil {
		an.Bad(r, err)
		return
	}
	l := an.lifeOf(client, keyName(in.Sender.SignatureKey))
	if m.C != 0 && m.C <= l.Count {
		return // sealed again after a crash
	}
	l.count(m, core.HashBytes(in.Data))
	an.Touch(partAnchor)
	whole, complete, err := l.Parts.Add(m)
	if err != nil {
		an.Bad(r, err)
		return
	}
	if !complete {
		return
	}
	if l.Gap && whole.T != core.HomeClosing {
		return
	}
	an.alive(client, l, m.At)
	an.act(r, client, whole, in)
}

// lifeOf is what is known of a client's present leaf; a new leaf counts anew.
func (an *Anchor) lifeOf(client, leaf string) *life {
	l := an.State.Lives[client]
	if l == nil {
		l = &life{At: an.Now()}
		an.State.Lives[client] = l
	}
	if l.Leaf != leaf {
		l.Leaf, l.Count, l.Prev, l.Gap, l.Told, l.Parts = leaf, 0, "", false, false, core.Joiner{}
	}
	return l
}

func (l *life) count(m core.HomeMessage, hash string) {
	if m.C != l.Count+1 || m.Prev != l.Prev {
		l.Gap = true
	}
	l.Count, l.Prev = max(l.Count, m.C), hash
}

// alive notes the signed time of a message that counts: never from the future,
// never backwards.
func (an *Anchor) alive(client string, l *life, at time.Time) {
	if l.Gap || at.After(an.Now().Add(core.MaxSkew)) || !at.After(l.At) {
		return
	}
	l.At = at.UTC()
	if l.Excused {
		l.Excused = false
		an.Log.Info("client speaks again", "client", client)
	}
}

// act does what an owner's client says.
func (an *Anchor) act(r *core.Room, client string, m core.HomeMessage, in *core.Incoming) {
	switch m.T {
	case core.HomeLife:
	case core.HomeGive:
		if m.Withdrawal != nil {
			an.closing(r, *m.Withdrawal, "superseded")
		}
		if m.Grant != nil {
			an.Given(r, client, *m.Grant)
		}
	case core.HomeClosing:
		if m.Withdrawal != nil {
			an.closing(r, *m.Withdrawal, "withdrawn")
		}
	case core.HomeIdentity:
		for _, d := range m.Documents {
			if err := an.takeDocument(d); err != nil {
				an.Log.Warn("document refused", "from", client, "why", err)
			}
		}
	case core.HomeWithout:
		an.excuse(client, m.Client)
	case core.HomePrecision:
		an.setHomeRule(m.Precision)
	case core.HomeAsk:
		for i := range m.Inner {
			an.serve(r, in.Sender.SignatureKey, m.Inner[i], nil)
		}
	default:
		an.Bad(r, fmt.Errorf("message %q has no place here", core.Clip(m.T)))
	}
}

func (an *Anchor) closing(r *core.Room, w core.Withdrawal, reason string) {
	statement, err := an.withdraw(w, reason)
	if err != nil {
		an.Bad(r, err)
		return
	}
	an.tellHome(core.HomeMessage{T: core.HomeStatement, Statement: statement}, "")
}

// takeDocument takes an identity document or a suspension.
func (an *Anchor) takeDocument(compact string) error {
	u, err := jws.Parse(compact, identity.MaxSize)
	if err != nil {
		return err
	}
	if u.Typ != identity.TypeSuspension {
		return an.takeIdentity(compact)
	}
	if _, err := identity.VerifySuspension(compact, an.owner(), an.Now()); err != nil {
		return err
	}
	an.State.Suspension = compact
	an.Touch(partAnchor)
	return nil
}

// suspended tells whether no client may give.
func (an *Anchor) suspended() bool {
	if an.State.Suspension == "" {
		return false
	}
	s, err := identity.VerifySuspension(an.State.Suspension, an.owner(), an.Now())
	return err == nil && s.Holds(an.owner())
}

// excuse lets the grants go on without a silent client; nobody excuses itself,
// and nobody another one beforehand.
func (an *Anchor) excuse(by, client string) {
	l := an.State.Lives[client]
	if l == nil || by == client || !an.silentFor(l, grant.ShortLease.D(), an.Now()) {
		return
	}
	l.Excused = true
	an.Touch(partAnchor)
}

func (an *Anchor) setHomeRule(p *core.Precision) {
	if p == nil || p.Every.D() < time.Second || p.Change || p.Every.D()%time.Second != 0 || p.Every > 31*grant.Day {
		return
	}
	an.State.Rule = *p
	an.homeFlows = map[core.Source]*flow{}
	an.Touch(partAnchor)
}

// tellHome sends a message of the anchor into the home circle, in pieces where
// it must.
func (an *Anchor) tellHome(m core.HomeMessage, tag string) {
	r := an.Home()
	if r == nil || r.MLS == nil {
		return
	}
	m.At = an.Now()
	pieces, err := core.Split(m)
	if err != nil {
		an.Log.Error("tell the home circle", "what", m.T, "error", err)
		return
	}
	for i, p := range pieces {
		out := core.Outgoing{Plain: core.MustJSON(p), Size: core.SizeHome}
		if i == len(pieces)-1 {
			out.Tag = tag
		}
		an.Enqueue(r, out)
	}
}

// planHome keeps the owner's clients in the picture: roster, stock, things,
// reports.
func (an *Anchor) planHome(r *core.Room, now time.Time) {
	v := an.owner()
	if v == nil {
		return
	}
	r.Hold = ""
	if r.Waiting() != "" {
		r.Hold = "last-resort"
	}
	if !r.Opened {
		return
	}
	an.planRoster(r, v, core.MaxRoster, an.homeSet(v), now)
	an.planUnfit(r)
	an.planStock(r, v)
	an.planThings()
}

// planUnfit tells which of the owner's clients can't enter the home.
func (an *Anchor) planUnfit(r *core.Room) {
	var news []core.ClientReport
	for _, name := range core.SortedKeys(an.State.Lives) {
		l := an.State.Lives[name]
		if unfit := slices.Contains(r.Unfit, name); unfit != l.Unfit {
			l.Unfit = unfit
			an.Touch(partAnchor)
			news = append(news, reportLife(name, l))
		}
	}
	if len(news) > 0 {
		an.tellHome(core.HomeMessage{T: core.HomeStatus, Lives: news}, "")
	}
}

// homeSet is one hash of the active documents in the home circle.
func (an *Anchor) homeSet(v *identity.Verified) string {
	set := []string{jws.Hash(an.State.Home.Claim), v.Hash()}
	for _, g := range an.Grants {
		if g.live() {
			set = append(set, g.set()...)
		}
	}
	return core.HashOfSet(set)
}

// planStock keeps fresh circles ready for every client in the circle, and drops
// those of clients that are gone.
func (an *Anchor) planStock(r *core.Room, v *identity.Verified) {
	kept := an.State.Stock[:0:0]
	have := map[string]int{}
	for _, p := range an.State.Stock {
		if _, ok := v.Client(p.Client); ok {
			if !slices.Equal(p.Suites, an.suites) { // told by an older program
				p.Suites, p.Told = an.suites, false
			}
			kept = append(kept, p)
			have[p.Client]++
		}
	}
	changed := len(kept) != len(an.State.Stock)
	for _, key := range core.SortedKeys(r.Leaves) {
		for client := r.Leaves[key].Client; have[client] < core.StockSize; have[client]++ {
			circle, seed, err := an.FreshCircle()
			if err != nil {
				an.Log.Error("make stock", "error", err)
				return
			}
			kept = append(kept, stockPair{Client: client, Circle: circle, Seed: seed, Suites: an.suites})
			changed = true
		}
	}
	an.State.Stock = kept
	an.tellStock()
	if changed {
		an.Touch(partAnchor)
	}
}

func (an *Anchor) tellStock() {
	var news []core.StockEntry
	for i, p := range an.State.Stock {
		if !p.Told {
			news = append(news, core.StockEntry{Client: p.Client, Circle: p.Circle, Key: PublicSeed(p.Seed), Suites: p.Suites})
			an.State.Stock[i].Told = true
		}
	}
	if len(news) > 0 {
		an.tellHome(core.HomeMessage{T: core.HomeStock, Stock: news}, "")
		an.Touch(partAnchor)
	}
}

// planThings tells descriptions that changed.
func (an *Anchor) planThings() {
	if len(an.State.Untold) == 0 {
		return
	}
	ids := []string{}
	for _, t := range an.things {
		ids = append(ids, t.ID)
	}
	an.tellHome(core.HomeMessage{T: core.HomeThings, ThingIDs: ids, Last: true}, "")
	for _, t := range an.things {
		if slices.Contains(an.State.Untold, t.ID) {
			an.tellHome(core.HomeMessage{T: core.HomeThings, Things: []core.Thing{t}}, "")
		}
	}
	an.State.Untold = nil
	an.Touch(partAnchor)
}

// welcomeHome tells clients that just joined what the others know already.
func (an *Anchor) welcomeHome() {
	v := an.owner()
	an.tellHome(core.HomeMessage{T: core.HomeDocuments, Claim: an.State.Home.Claim, Documents: []string{v.Compact()}}, "")
	for _, id := range core.SortedKeys(an.Grants) {
		if g := an.Grants[id]; g.live() {
			b := g.Bundle
			an.tellHome(core.HomeMessage{T: core.HomeDocuments, Grant: &b, Status: []core.GrantReport{an.reportOf(g)}}, "")
		}
	}
	an.tellHome(core.HomeMessage{T: core.HomeDocuments, Last: true}, "")
	an.untold("")
	for _, t := range an.things {
		an.untold(t.ID)
	}
	for i := range an.State.Stock {
		an.State.Stock[i].Told = false
	}
}

// planLives reports who is silent, and who has a gap and must rejoin.
func (an *Anchor) planLives(now time.Time) {
	v := an.owner()
	if v == nil {
		return
	}
	var news []core.ClientReport
	for _, c := range v.Clients() {
		l := an.State.Lives[c.Name]
		if l == nil {
			l = &life{At: now}
			an.State.Lives[c.Name] = l
			an.Touch(partAnchor)
		}
		silent := an.silentFor(l, grant.DefaultLease.D(), now)
		if silent != l.Silent {
			l.Silent = silent
			an.Touch(partAnchor)
			news = append(news, reportLife(c.Name, l))
		}
		if l.Gap && !l.Told {
			l.Told = true
			an.Touch(partAnchor)
			news = append(news, reportLife(c.Name, l))
		}
		an.Wake(l.At.Add(grant.ShortLease.D()))
		an.Wake(l.At.Add(grant.DefaultLease.D()))
	}
	for name := range an.State.Lives {
		if _, ok := v.Client(name); !ok {
			delete(an.State.Lives, name)
			an.Touch(partAnchor)
		}
	}
	if len(news) > 0 {
		an.tellHome(core.HomeMessage{T: core.HomeStatus, Lives: news}, "")
	}
}

func (an *Anchor) silentFor(l *life, lease time.Duration, now time.Time) bool {
	return !l.Excused && now.Sub(l.At) > lease
}

func reportLife(client string, l *life) core.ClientReport {
	return core.ClientReport{Client: client, At: l.At, Gap: l.Gap, Silent: l.Silent, Excused: l.Excused, Unfit: l.Unfit}
}

// leaseOut names an owner's client that was silent for longer than the lease.
func (an *Anchor) leaseOut(lease time.Duration, now time.Time) (string, bool) {
	v := an.owner()
	for _, c := range v.Clients() {
		if l := an.State.Lives[c.Name]; l != nil && an.silentFor(l, lease, now) {
			return c.Name, true
		}
	}
	return "", false
}
