package circle

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"time"

	"primum/grant"
	"primum/identity"
	"primum/internal/jws"
)

// Clocks of an owner.
const (
	lifeEvery     = 24 * time.Hour
	firstRepeat   = 5 * time.Second
	repeatMax     = time.Hour
	maxNonces     = 64
	letterNotice  = "notice" // kind of inbox item
	tagWithdrawal = "closing:"
)

// opened takes what came out of a circle's log.
func (o *Owner) opened(r *room, in *incoming) {
	if !r.Home {
		o.Member.opened(r, in)
		return
	}
	switch in.kind {
	case inMessage:
		o.homeSaid(r, in)
	case inWelcome, inLost:
		o.Member.opened(r, in)
		if r.group != nil {
			o.checkReady(r)
		}
	case inCommit:
		o.commitSeen(r, in)
		if o.rooms[r.ID] == r && r.group != nil {
			o.checkReady(r)
		}
	case inOwn, inProposal, inKeyPackage:
	}
}

// homeSaid takes a message in a home circle: of the anchor, or of another client
// of the same owner.
func (o *Owner) homeSaid(r *room, in *incoming) {
	m, err := parseHome(in.data)
	if err != nil {
		o.bad(r, err)
		return
	}
	if !bytes.Equal(in.sender.SignatureKey, r.Member.AnchorKey) {
		o.otherClient(r, in.sender.SignatureKey, m)
		return
	}
	whole, complete, err := r.Member.Parts.add(m)
	if err != nil {
		o.bad(r, err)
	} else if complete {
		o.anchorSaid(r, whole)
	}
}

// otherClient learns what another client gives or ends; the anchor judges it.
func (o *Owner) otherClient(r *room, key []byte, m homeMessage) {
	c, ok := o.own().ClientByKey(key)
	if !ok {
		return
	}
	j := o.pieces(r, c.Name)
	whole, complete, err := j.add(m)
	if err != nil || !complete {
		return
	}
	switch {
	case whole.T == homeGive && whole.Grant != nil:
		o.learn(r, *whole.Grant)
	case whole.T == homeIdentity:
		for _, d := range whole.Documents {
			o.toldIdentity(r, d)
		}
	}
}

func (o *Owner) pieces(r *room, client string) *joiner {
	if r.Member.Others == nil {
		r.Member.Others = map[string]*joiner{}
	}
	if r.Member.Others[client] == nil {
		r.Member.Others[client] = &joiner{}
	}
	return r.Member.Others[client]
}

// anchorSaid takes a whole message of the anchor.
func (o *Owner) anchorSaid(r *room, m homeMessage) {
	h := o.ms.Homes[r.ID.String()]
	if h == nil {
		return
	}
	switch m.T {
	case homeValues:
		for _, it := range m.Inner {
			if it.Op == grant.OpObserve || it.Op == grant.OpSubscribe {
				o.value(r, it)
			}
		}
	case homeAnswer:
		for _, it := range m.Inner {
			if it.ID != "" {
				o.replied(r, it)
			}
		}
	case homeStock:
		o.stockCame(h, m.Stock)
	case homeThings:
		o.thingsCame(r, h, m)
	case homeStatement:
		if err := o.stated(m.Statement); err != nil {
			o.bad(r, err)
		}
	case homeDocuments:
		o.documentsTold(r, m)
	case homeStatus:
		o.statusCame(r, h, m)
	default:
		o.bad(r, errors.New("message has no place here"))
	}
}

func (o *Owner) stockCame(h *ownedHome, news []stockEntry) {
	for _, s := range news {
		used := slices.ContainsFunc(h.Stock, func(k stockEntry) bool { return k.Circle == s.Circle })
		for _, g := range o.given {
			used = used || g.envelope.Circle == s.Circle.String()
		}
		if s.Client == o.ms.Client && !used && len(h.Stock) < 4*stockSize {
			h.Stock = append(h.Stock, s)
		}
	}
	o.touch(partMember)
}

func (o *Owner) thingsCame(r *room, h *ownedHome, m homeMessage) {
	things := o.things[r.ID]
	if things == nil {
		things = map[string]Thing{}
		o.setThings(r.ID, things)
	}
	if m.Last {
		h.ThingIDs = m.ThingIDs
		for id := range things {
			if !slices.Contains(h.ThingIDs, id) {
				delete(things, id)
			}
		}
		o.touch(partMember)
	}
	for _, t := range m.Things {
		if slices.Contains(h.ThingIDs, t.ID) {
			things[t.ID] = t
		}
	}
	o.touch(partHomeThings + r.ID.String())
	o.emit(Event{Kind: EventThings, Circle: r.ID})
}

// documentsTold takes what the anchor tells a client that is new in the home.
func (o *Owner) documentsTold(r *room, m homeMessage) {
	for _, d := range m.Documents {
		o.toldIdentity(r, d)
	}
	if m.Grant != nil {
		o.learn(r, *m.Grant)
	}
	for _, rep := range m.Status {
		o.reported(r, rep)
	}
	o.checkReady(r)
}

// learn keeps a grant that another client gave.
func (o *Owner) learn(r *room, b grantBundle) {
	g := &ownerGrant{Home: r.ID, Bundle: b, State: grant.Given, At: o.now()}
	if err := g.parse(); err != nil {
		o.bad(r, err)
		return
	}
	g.ID = g.envelope.Grant
	if identity.CheckID(g.ID) != nil || g.envelope.Home != r.ID.String() {
		o.bad(r, errors.New("grant of another home"))
		return
	}
	if _, _, err := grant.VerifyGrant(g.envelope, b.Terms, b.Opening); err != nil {
		o.bad(r, err)
		return
	}
	if _, err := grant.VerifyClosing(b.Closing, []byte(g.envelope.GrantKey)); err != nil {
		o.bad(r, err)
		return
	}
	if known := o.given[g.ID]; known != nil {
		if known.Bundle.Envelope != b.Envelope && known.live() && !known.Opened {
			known.Bundle, known.envelope = b, g.envelope
			o.touch(known.part())
		}
		return
	}
	o.keepGiven(g)
}

func (o *Owner) statusCame(r *room, h *ownedHome, m homeMessage) {
	for _, rep := range m.Status {
		o.reported(r, rep)
	}
	for _, l := range m.Lives {
		if h.Lives == nil {
			h.Lives = map[string]clientReport{}
		}
		was := h.Lives[l.Client]
		h.Lives[l.Client] = l
		o.touch(partMember)
		switch {
		case l.Client == o.ms.Client && l.Gap:
			o.loseState(r, "gap")
			return
		case l.Silent && !was.Silent:
			o.emit(Event{
				Kind: EventPaused, Circle: r.ID, Client: l.Client, Reason: "lease",
				Text: fmt.Sprintf("%s has been silent since %s: what you shared pauses until it speaks or you go on without it", l.Client, l.At.Format(time.DateOnly)),
			})
		case !l.Silent && was.Silent:
			o.emit(Event{Kind: EventResumed, Circle: r.ID, Client: l.Client, Reason: "lease"})
		}
	}
}

// reported takes the anchor's word about one grant.
func (o *Owner) reported(r *room, rep grantReport) {
	g := o.given[rep.Grant]
	if g == nil || g.Home != r.ID {
		return
	}
	c, _ := ParseID(g.envelope.Circle)
	e := Event{Circle: c, Grant: g.ID, Account: g.envelope.Grantee.String(), Reason: rep.Reason, Text: rep.Text, Clients: rep.Clients}
	was, opened := g.State, g.Opened
	g.Reason, g.Text, g.Clients = rep.Reason, rep.Text, rep.Clients
	switch rep.State {
	case grantOpen, grantPaused:
		g.Opened = true
		if g.live() {
			g.State = map[string]grant.State{grantOpen: grant.Given, grantPaused: grant.Paused}[rep.State]
		}
		e.Kind = openKind(was, g.State, opened)
	case grantWaiting: // plan has it signed again
	case grantDeclined:
		e.Kind = EventDeclined
		o.declined(g)
	case grantEnded:
		if g.live() {
			g.State = endState(rep.Reason)
			e.Kind = EventEnded
		}
	}
	o.touch(g.part())
	if e.Kind != "" {
		o.emit(e)
	}
	if len(rep.Full) > 0 {
		o.emit(Event{Kind: EventRoster, Circle: c, Grant: g.ID, Clients: rep.Full, Reason: "circle-full"})
	}
}

func openKind(was, is grant.State, opened bool) EventKind {
	switch {
	case !opened && is == grant.Given:
		return EventGranted
	case was != grant.Paused && is == grant.Paused:
		return EventPaused
	case was == grant.Paused && is == grant.Given:
		return EventResumed
	}
	return EventRoster
}

// declined: the thing will not open the circle, so the node is told to forget
// it.
func (o *Owner) declined(g *ownerGrant) {
	if !g.live() {
		return
	}
	g.State = grant.Revoked
	w, err := o.signWithdrawal(g, "declined")
	if err != nil {
		o.log.Error("close a grant that was declined", "error", err)
		return
	}
	g.Withdrawal.Next = time.Time{}
	o.fileClosing(g, w)
}

// checkReady: this client may act once it has every document that the circle's
// context names.
func (o *Owner) checkReady(r *room) {
	h := o.ms.Homes[r.ID.String()]
	if r.Member.Ready || h == nil {
		return
	}
	var set []string
	for _, id := range sortedKeys(o.given) {
		if g := o.given[id]; g.Home == r.ID && g.live() {
			set = append(set, g.Bundle.Envelope, g.Bundle.Terms, g.Bundle.Opening, g.Bundle.Closing)
		}
	}
	for _, doc := range o.book.versions(o.ms.Account) {
		if setHash(append([]string{h.Claim, doc}, set...)...) == r.Member.Set {
			r.Member.Ready = true
			o.touch(r.part())
		}
	}
}

// plan brings everything up to date.
func (o *Owner) plan(now time.Time) {
	for _, id := range sortedKeys(o.given) {
		g := o.given[id]
		if g.live() && !now.Before(g.envelope.ValidUntil) {
			g.State = grant.Expired
			o.touch(g.part())
		}
		if g.live() {
			o.wake(g.envelope.ValidUntil)
		}
		if !g.Anew.IsZero() {
			o.giveAnew(g)
		}
		if g.live() && !g.Opened && g.Reason == reasonStale {
			o.signAgain(o.rooms[g.Home], g)
		}
		o.planWithdrawal(g, now)
	}
	for _, key := range sortedKeys(o.ms.Homes) {
		o.planLife(o.ms.Homes[key], now)
	}
	o.Member.plan(now)
}

// planLife sends a sign of life once a day; none while a withdrawal is not
// confirmed, so that the lease ends what a node holds back.
func (o *Owner) planLife(h *ownedHome, now time.Time) {
	r := o.rooms[h.Circle]
	if h.Closed || r == nil || r.group == nil {
		return
	}
	due := r.Member.Life.Add(lifeEvery)
	if now.Before(due) {
		o.wake(due)
		return
	}
	for _, g := range o.given {
		if g.Home == h.Circle && g.Withdrawal != nil && !g.Withdrawal.Confirmed() && !g.Withdrawal.Next.IsZero() {
			return
		}
	}
	if len(r.Queue) == 0 { // what waits there is a sign of life too
		o.say(r, homeMessage{T: homeLife}, "")
	}
}

// answered takes the outcome of an effect.
func (o *Owner) answered(e *Effect, res *Result, refused *Refusal) {
	g := o.given[e.Grant]
	switch {
	case e.Kind == EffectFileClosing && g != nil && g.Withdrawal != nil:
		o.closingFiled(g, e, res, refused)
	case e.Kind == EffectFileEnvelope && refused != nil && g != nil:
		g.Reason, g.Text = refused.Kind, refused.Detail
		o.touch(g.part())
		o.emit(Event{
			Kind: EventDeclined, Grant: g.ID, Account: g.envelope.Grantee.String(), Reason: refused.Kind,
			Text: "the node does not take the grant: " + refused.Error(),
		})
	case e.Kind == EffectFileEnvelope && refused == nil:
		if old := o.given[g.replaces()]; old != nil && old.Withdrawal != nil && e.Closing != "" {
			o.closingFiled(old, e, res, nil)
		}
	default:
		o.Member.answered(e, res, refused)
	}
}

func (g *ownerGrant) replaces() string {
	if g == nil {
		return ""
	}
	return g.envelope.Replaces
}

// ended takes the news that the node delivers nothing more.
func (o *Owner) ended(r *room, reason string, at time.Time) {
	if !r.Home {
		o.Member.ended(r, reason, at)
		return
	}
	switch reason {
	case "restored":
		r.synced, r.headKnown = false, false
		o.fileAgain(r)
	case "removed":
		o.Member.ended(r, reason, at)
	default:
		o.fence(r, reason)
	}
}

// fileAgain files the envelopes of live grants at a node that was restored from
// a backup that may not have them.
func (o *Owner) fileAgain(r *room) {
	for _, id := range sortedKeys(o.given) {
		if g := o.given[id]; g.Home == r.ID && g.live() {
			o.send(Effect{Kind: EffectFileEnvelope, Node: r.Node, Grant: g.ID, Envelope: g.Bundle.Envelope})
		}
	}
}

// GoOnWithout excuses a silent client: the grants that pause for it go on.
func (o *Owner) GoOnWithout(home ID, client string) error {
	return o.do(func() error {
		_, r, err := o.homeFor(home)
		if err != nil {
			return fmt.Errorf("go on without %s: %w", clip(client), err)
		}
		if _, ok := o.own().Client(client); !ok || client == o.ms.Client {
			return fmt.Errorf("go on without %s: %w", clip(client), ErrUnknown)
		}
		o.say(r, homeMessage{T: homeWithout, Client: client}, "")
		return nil
	})
}

// SetHomePrecision chooses how fine the own circle sees its things: a clock of
// whole seconds.
func (o *Owner) SetHomePrecision(home ID, p Precision) error {
	return o.do(func() error {
		_, r, err := o.homeFor(home)
		if err != nil {
			return fmt.Errorf("set the home's precision: %w", err)
		}
		if p.Change || p.Every.D() < time.Second || p.Every.D()%time.Second != 0 || p.Every > 31*grant.Day {
			return fmt.Errorf("set the home's precision: a clock of 1 second to 31 days is needed: %w", ErrRefused)
		}
		o.say(r, homeMessage{T: homePrecision, Precision: &p}, "")
		return nil
	})
}

// say sends a counted message into a home circle: each carries the hash of the
// one before.
func (m *Member) say(r *room, msg homeMessage, tag string) {
	mr := r.Member
	msg.At = m.now()
	pieces, err := split(msg)
	if err != nil {
		m.problem(r.ID, "", "too-large", err.Error())
		return
	}
	for i, p := range pieces {
		out := outgoing{Plain: mr.number(p), Size: sizeHome, Tag: "home"}
		if i == len(pieces)-1 && tag != "" {
			out.Tag = tag
		}
		m.enqueue(r, out)
	}
	mr.Life = msg.At
	m.touch(r.part())
}

// number gives a message its place in the chain.
func (mr *memberRoom) number(msg homeMessage) []byte {
	mr.Count++
	msg.C, msg.Prev = mr.Count, mr.Prev
	plain := mustJSON(msg)
	mr.Prev = hashBytes(plain)
	return plain
}

// renumber begins the chain anew for what waits: the anchor counts per leaf.
func (m *Member) renumber(r *room) {
	r.Member.Count, r.Member.Prev, r.Member.Ready = 0, "", false
	r.Member.Parts, r.Member.Others = joiner{}, nil
	for i := range r.Queue {
		msg, err := parseHome(r.Queue[i].Plain)
		if err == nil {
			r.Queue[i].Plain = r.Member.number(msg)
		}
	}
	m.touch(r.part())
}

// signWithdrawal signs under the closing; every nonce stays good for a
// statement.
func (o *Owner) signWithdrawal(g *ownerGrant, reason string) (Withdrawal, error) {
	cs, nonce, err := o.countersign(g.Bundle.Closing)
	if err != nil {
		return Withdrawal{}, err
	}
	if g.Withdrawal == nil {
		g.Withdrawal = &withdrawing{WithdrawalInfo: WithdrawalInfo{Asked: o.now()}, Reason: reason, Next: o.now().Add(firstRepeat)}
	}
	w := g.Withdrawal
	w.Last = cs
	w.Nonces = append(w.Nonces, jws.Bytes(nonce))
	if over := len(w.Nonces) - maxNonces; over > 0 {
		w.Nonces = slices.Delete(w.Nonces, 0, over)
	}
	o.touch(g.part())
	return Withdrawal{Closing: g.Bundle.Closing, Countersignature: cs}, nil
}
