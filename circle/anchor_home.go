package circle

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"primum/grant"
	"primum/identity"
	"primum/internal/jws"
)

// stockSize is how many grants each owner client can give while the anchor is
// away.
const stockSize = 8

// opened takes what came out of a circle's log.
func (an *Anchor) opened(r *room, in *incoming) {
	switch in.kind {
	case inMessage:
		an.heard(r, in)
		if r.Home {
			an.homeMessage(r, in)
		} else {
			an.grantMessage(r, in)
		}
	case inProposal:
		an.heard(r, in)
		if l := r.Leaves[keyName(in.sender.SignatureKey)]; l != nil {
			l.asked = r.group.Epoch() + 1
		}
	case inCommit:
		an.merged(r, in)
	case inKeyPackage:
		an.rejoinAsked(r, in.raw)
	case inOwn:
		if r.Telling != "" && in.own.Tag == tagDocuments+r.Telling {
			r.Told = r.Telling
		}
	case inLost:
		an.lost(r, in.reason)
	case inWelcome:
	}
}

// lost judges a log that this anchor can't follow. It alone commits: its own
// messages ahead of its state prove that the state is an old one.
func (an *Anchor) lost(r *room, reason string) {
	switch reason {
	case stoppedRollback:
		an.stop(r, reason, "the node's log holds messages of this edge that it doesn't remember")
		an.restored("this edge's state was rolled back: nothing is sealed; its owner must claim it again")
	case stoppedFork:
		if r.head < r.Cursor {
			an.stop(r, reason, fmt.Sprintf("the node's log ends at %d, but %d was read before", r.head, r.Cursor))
		}
	}
}

func (an *Anchor) heard(r *room, in *incoming) {
	if l := r.Leaves[keyName(in.sender.SignatureKey)]; l != nil {
		l.Heard = an.now()
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
func (an *Anchor) homeMessage(r *room, in *incoming) {
	client, ok := an.clientOf(in.sender.SignatureKey)
	if !ok {
		an.bad(r, errors.New("sender is no client of the owner any more"))
		return
	}
	m, err := parseHome(in.data)
	if err != nil {
		an.bad(r, err)
		return
	}
	l := an.lifeOf(client, keyName(in.sender.SignatureKey))
	if m.C != 0 && m.C <= l.Count {
		return // sealed again after a crash
	}
	l.count(m, hashBytes(in.data))
	an.touch(partAnchor)
	whole, complete, err := l.Parts.add(m)
	if err != nil {
		an.bad(r, err)
		return
	}
	if !complete {
		return
	}
	if l.Gap && whole.T != homeClosing {
		return
	}
	an.alive(client, l, m.At)
	an.act(r, client, whole, in)
}

// lifeOf is what is known of a client's present leaf; a new leaf counts anew.
func (an *Anchor) lifeOf(client, leaf string) *life {
	l := an.st.Lives[client]
	if l == nil {
		l = &life{At: an.now()}
		an.st.Lives[client] = l
	}
	if l.Leaf != leaf {
		l.Leaf, l.Count, l.Prev, l.Gap, l.Told, l.Parts = leaf, 0, "", false, false, joiner{}
	}
	return l
}

func (l *life) count(m homeMessage, hash string) {
	if m.C != l.Count+1 || m.Prev != l.Prev {
		l.Gap = true
	}
	l.Count, l.Prev = max(l.Count, m.C), hash
}

// alive notes the signed time of a message that counts: never from the future,
// never backwards.
func (an *Anchor) alive(client string, l *life, at time.Time) {
	if l.Gap || at.After(an.now().Add(maxSkew)) || !at.After(l.At) {
		return
	}
	l.At = at.UTC()
	if l.Excused {
		l.Excused = false
		an.log.Info("client speaks again", "client", client)
	}
}

// act does what an owner's client says.
func (an *Anchor) act(r *room, client string, m homeMessage, in *incoming) {
	switch m.T {
	case homeLife:
	case homeGive:
		if m.Withdrawal != nil {
			an.closing(r, *m.Withdrawal, "superseded")
		}
		if m.Grant != nil {
			an.given(r, client, *m.Grant)
		}
	case homeClosing:
		if m.Withdrawal != nil {
			an.closing(r, *m.Withdrawal, "withdrawn")
		}
	case homeIdentity:
		for _, d := range m.Documents {
			if err := an.takeDocument(d); err != nil {
				an.log.Warn("document refused", "from", client, "why", err)
			}
		}
	case homeWithout:
		an.excuse(client, m.Client)
	case homePrecision:
		an.setHomeRule(m.Precision)
	case homeAsk:
		for i := range m.Inner {
			an.serve(r, in.sender.SignatureKey, m.Inner[i], nil)
		}
	default:
		an.bad(r, fmt.Errorf("message %q has no place here", clip(m.T)))
	}
}

func (an *Anchor) closing(r *room, w Withdrawal, reason string) {
	statement, err := an.withdraw(w, reason)
	if err != nil {
		an.bad(r, err)
		return
	}
	an.tellHome(homeMessage{T: homeStatement, Statement: statement}, "")
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
	if _, err := identity.VerifySuspension(compact, an.owner(), an.now()); err != nil {
		return err
	}
	an.st.Suspension = compact
	an.touch(partAnchor)
	return nil
}

// suspended tells whether no client may give.
func (an *Anchor) suspended() bool {
	if an.st.Suspension == "" {
		return false
	}
	s, err := identity.VerifySuspension(an.st.Suspension, an.owner(), an.now())
	return err == nil && s.Holds(an.owner())
}

// excuse lets the grants go on without a silent client; nobody excuses itself.
func (an *Anchor) excuse(by, client string) {
	l := an.st.Lives[client]
	if l == nil || by == client {
		return
	}
	l.Excused = true
	an.touch(partAnchor)
}

func (an *Anchor) setHomeRule(p *Precision) {
	if p == nil || p.Every.D() < time.Second || p.Change || p.Every.D()%time.Second != 0 || p.Every > 31*grant.Day {
		return
	}
	an.st.Rule = *p
	an.homeFlows = map[Source]*flow{}
	an.touch(partAnchor)
}

// tellHome sends a message of the anchor into the home circle, in pieces where
// it must.
func (an *Anchor) tellHome(m homeMessage, tag string) {
	r := an.home()
	if r == nil || r.group == nil {
		return
	}
	m.At = an.now()
	pieces, err := split(m)
	if err != nil {
		an.log.Error("tell the home circle", "what", m.T, "error", err)
		return
	}
	for i, p := range pieces {
		out := outgoing{Plain: mustJSON(p), Size: sizeHome}
		if i == len(pieces)-1 {
			out.Tag = tag
		}
		an.enqueue(r, out)
	}
}

// planHome keeps the owner's clients in the picture: roster, stock, things,
// reports.
func (an *Anchor) planHome(r *room, now time.Time) {
	v := an.owner()
	if v == nil {
		return
	}
	r.hold = ""
	if r.waiting() != "" {
		r.hold = "last-resort"
	}
	if !r.Opened {
		return
	}
	an.planRoster(r, v, maxRoster, an.homeSet(v), now)
	an.planStock(r, v)
	an.planThings()
}

// homeSet is one hash of the active documents in the home circle.
func (an *Anchor) homeSet(v *identity.Verified) string {
	set := []string{jws.Hash(an.st.Home.Claim), v.Hash()}
	for _, g := range an.grants {
		if g.live() {
			set = append(set, g.set()...)
		}
	}
	return hashOfSet(set)
}

// planStock keeps fresh circles ready for every client in the circle, and drops
// those of clients that are gone.
func (an *Anchor) planStock(r *room, v *identity.Verified) {
	kept := an.st.Stock[:0:0]
	have := map[string]int{}
	for _, p := range an.st.Stock {
		if _, ok := v.Client(p.Client); ok || an.waits(p.Circle) {
			kept = append(kept, p)
			have[p.Client]++
		}
	}
	changed := len(kept) != len(an.st.Stock)
	for _, key := range sortedKeys(r.Leaves) {
		for client := r.Leaves[key].Client; have[client] < stockSize; have[client]++ {
			circle, seed, err := an.freshCircle()
			if err != nil {
				an.log.Error("make stock", "error", err)
				return
			}
			kept = append(kept, stockPair{Client: client, Circle: circle, Seed: seed})
			changed = true
		}
	}
	an.st.Stock = kept
	an.tellStock()
	if changed {
		an.touch(partAnchor)
	}
}

// waits tells whether a grant that waits for a signature has this circle.
func (an *Anchor) waits(c ID) bool {
	for _, g := range an.grants {
		if g.State == grantWaiting && g.Circle == c {
			return true
		}
	}
	return false
}

func (an *Anchor) tellStock() {
	var news []stockEntry
	for i, p := range an.st.Stock {
		if !p.Told {
			news = append(news, stockEntry{Client: p.Client, Circle: p.Circle, Key: publicSeed(p.Seed)})
			an.st.Stock[i].Told = true
		}
	}
	if len(news) > 0 {
		an.tellHome(homeMessage{T: homeStock, Stock: news}, "")
		an.touch(partAnchor)
	}
}

// planThings tells descriptions that changed.
func (an *Anchor) planThings() {
	if len(an.st.Untold) == 0 {
		return
	}
	ids := []string{}
	for _, t := range an.things {
		ids = append(ids, t.ID)
	}
	an.tellHome(homeMessage{T: homeThings, ThingIDs: ids, Last: true}, "")
	for _, t := range an.things {
		if slices.Contains(an.st.Untold, t.ID) {
			an.tellHome(homeMessage{T: homeThings, Things: []Thing{t}}, "")
		}
	}
	an.st.Untold = nil
	an.touch(partAnchor)
}

// welcomeHome tells clients that just joined what the others know already.
func (an *Anchor) welcomeHome() {
	v := an.owner()
	an.tellHome(homeMessage{T: homeDocuments, Claim: an.st.Home.Claim, Documents: []string{v.Compact()}}, "")
	for _, id := range sortedKeys(an.grants) {
		if g := an.grants[id]; g.live() {
			b := g.Bundle
			an.tellHome(homeMessage{T: homeDocuments, Grant: &b, Status: []grantReport{an.reportOf(g)}}, "")
		}
	}
	an.tellHome(homeMessage{T: homeDocuments, Last: true}, "")
	an.untold("")
	for _, t := range an.things {
		an.untold(t.ID)
	}
	for i := range an.st.Stock {
		an.st.Stock[i].Told = false
	}
}

// planLives reports who is silent, and who has a gap and must rejoin.
func (an *Anchor) planLives(now time.Time) {
	v := an.owner()
	if v == nil {
		return
	}
	var news []clientReport
	for _, c := range v.Clients() {
		l := an.st.Lives[c.Name]
		if l == nil {
			l = &life{At: now}
			an.st.Lives[c.Name] = l
			an.touch(partAnchor)
		}
		silent := an.silentFor(l, grant.DefaultLease.D(), now)
		if silent != l.Silent {
			l.Silent = silent
			an.touch(partAnchor)
			news = append(news, reportLife(c.Name, l))
		}
		if l.Gap && !l.Told {
			l.Told = true
			an.touch(partAnchor)
			news = append(news, reportLife(c.Name, l))
		}
		an.wake(l.At.Add(grant.ShortLease.D()))
		an.wake(l.At.Add(grant.DefaultLease.D()))
	}
	for name := range an.st.Lives {
		if _, ok := v.Client(name); !ok {
			delete(an.st.Lives, name)
			an.touch(partAnchor)
		}
	}
	if len(news) > 0 {
		an.tellHome(homeMessage{T: homeStatus, Lives: news}, "")
	}
}

func (an *Anchor) silentFor(l *life, lease time.Duration, now time.Time) bool {
	return !l.Excused && now.Sub(l.At) > lease
}

func reportLife(client string, l *life) clientReport {
	return clientReport{Client: client, At: l.At, Gap: l.Gap, Silent: l.Silent, Excused: l.Excused}
}

// leaseOut names an owner's client that was silent for longer than the lease.
func (an *Anchor) leaseOut(lease time.Duration, now time.Time) (string, bool) {
	v := an.owner()
	for _, c := range v.Clients() {
		if l := an.st.Lives[c.Name]; l != nil && an.silentFor(l, lease, now) {
			return c.Name, true
		}
	}
	return "", false
}
