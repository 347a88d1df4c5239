package owner

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"primum/circle/internal/core"
	"primum/circle/internal/member"
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
	tagWithdrawal = "closing:"
	reasonSuite   = "suite" // clients that can't enter a circle
)

// Incoming takes what came out of a circle's log.
func (o *Owner) Incoming(r *core.Room, in *core.Incoming) {
	if !r.Home {
		o.Member.Incoming(r, in)
		return
	}
	switch in.Kind {
	case core.InMessage:
		o.homeSaid(r, in)
	case core.InWelcome, core.InLost:
		o.Member.Incoming(r, in)
		if r.MLS != nil {
			o.checkReady(r)
		}
	case core.InCommit:
		o.CommitSeen(r, in)
		if o.Rooms[r.ID] == r && r.MLS != nil {
			o.checkReady(r)
		}
	case core.InOwn, core.InProposal, core.InKeyPackage:
	}
}

// homeSaid takes a message in a home circle: of the anchor, or of another client
// of the same owner.
func (o *Owner) homeSaid(r *core.Room, in *core.Incoming) {
	m, err := core.ParseHome(in.Data)
	if err != nil {
		o.Bad(r, err)
		return
	}
	if !bytes.Equal(in.Sender.SignatureKey, r.Member.AnchorKey) {
		o.otherClient(r, in.Sender.SignatureKey, m)
		return
	}
	whole, complete, err := r.Member.Parts.Add(m)
	if err != nil {
		o.Bad(r, err)
	} else if complete {
		o.anchorSaid(r, whole)
	}
}

// otherClient learns what another client gives or ends; the anchor judges it.
func (o *Owner) otherClient(r *core.Room, key []byte, m core.HomeMessage) {
	c, ok := o.Own().ClientByKey(key)
	if !ok {
		return
	}
	j := o.pieces(r, c.Name)
	whole, complete, err := j.Add(m)
	if err != nil || !complete {
		return
	}
	switch {
	case whole.T == core.HomeGive && whole.Grant != nil:
		if _, err := grant.VerifyEnvelope(whole.Grant.Envelope, o.Own()); err != nil {
			o.Bad(r, err)
			return
		}
		o.learn(r, *whole.Grant)
	case whole.T == core.HomeIdentity:
		for _, d := range whole.Documents {
			o.ToldIdentity(r, d)
		}
	}
}

func (o *Owner) pieces(r *core.Room, client string) *core.Joiner {
	if r.Member.Others == nil {
		r.Member.Others = map[string]*core.Joiner{}
	}
	if r.Member.Others[client] == nil {
		r.Member.Others[client] = &core.Joiner{}
	}
	return r.Member.Others[client]
}

// anchorSaid takes a whole message of the anchor.
func (o *Owner) anchorSaid(r *core.Room, m core.HomeMessage) {
	h := o.Mem.Homes[r.ID.String()]
	if h == nil {
		return
	}
	switch m.T {
	case core.HomeValues:
		for _, it := range m.Inner {
			if it.Op == grant.OpObserve || it.Op == grant.OpSubscribe {
				o.Value(r, it)
			}
		}
	case core.HomeAnswer:
		for _, it := range m.Inner {
			if it.ID != "" {
				o.Replied(r, it)
			}
		}
	case core.HomeStock:
		o.stockCame(h, m.Stock)
	case core.HomeThings:
		o.thingsCame(r, h, m)
	case core.HomeStatement:
		if err := o.stated(m.Statement); err != nil {
			o.Bad(r, err)
		}
	case core.HomeDocuments:
		o.documentsTold(r, m)
	case core.HomeStatus:
		o.statusCame(r, h, m)
	default:
		o.Bad(r, errors.New("message has no place here"))
	}
}

func (o *Owner) stockCame(h *member.OwnedHome, news []core.StockEntry) {
	for _, s := range news {
		known := slices.IndexFunc(h.Stock, func(k core.StockEntry) bool { return k.Circle == s.Circle })
		if known >= 0 {
			h.Stock[known].Suites = s.Suites // the thing's program is newer
		}
		used := known >= 0
		for _, g := range o.GivenGrants {
			used = used || g.Envelope.Circle == s.Circle.String()
		}
		if s.Client == o.Mem.Client && !used && len(h.Stock) < 4*core.StockSize {
			h.Stock = append(h.Stock, s)
		}
	}
	o.Touch(member.PartMember)
}

func (o *Owner) thingsCame(r *core.Room, h *member.OwnedHome, m core.HomeMessage) {
	things := o.things[r.ID]
	if things == nil {
		things = map[string]core.Thing{}
		o.setThings(r.ID, things)
	}
	if m.Last {
		h.ThingIDs = m.ThingIDs
		for id := range things {
			if !slices.Contains(h.ThingIDs, id) {
				delete(things, id)
			}
		}
		o.Touch(member.PartMember)
	}
	for _, t := range m.Things {
		if slices.Contains(h.ThingIDs, t.ID) {
			things[t.ID] = t
		}
	}
	o.Touch(partHomeThings + r.ID.String())
	o.Emit(core.Event{Kind: core.EventThings, Circle: r.ID})
}

// documentsTold takes what the anchor tells a client that is new in the home.
func (o *Owner) documentsTold(r *core.Room, m core.HomeMessage) {
	for _, d := range m.Documents {
		o.ToldIdentity(r, d)
	}
	if m.Grant != nil {
		o.learn(r, *m.Grant)
	}
	for _, rep := range m.Status {
		o.reported(r, rep)
	}
	o.checkReady(r)
}

// learn keeps a grant that another client gave. What the anchor tells again may
// be signed by a client that is gone.
func (o *Owner) learn(r *core.Room, b core.GrantBundle) {
	g := &ownerGrant{Home: r.ID, Bundle: b, State: grant.Given, At: o.Now()}
	if err := g.parse(); err != nil {
		o.Bad(r, err)
		return
	}
	g.ID = g.Envelope.Grant
	if identity.CheckID(g.ID) != nil || g.Envelope.Home != r.ID.String() {
		o.Bad(r, errors.New("grant of another home"))
		return
	}
	if _, _, err := grant.VerifyGrant(g.Envelope, b.Terms, b.Opening); err != nil {
		o.Bad(r, err)
		return
	}
	c, err := grant.VerifyClosing(b.Closing, []byte(g.Envelope.GrantKey))
	if err == nil && (c.Grant != g.ID || c.Opening != g.Envelope.OpeningHash) {
		err = fmt.Errorf("the closing is of another grant: %w", grant.ErrMismatch)
	}
	if err != nil {
		o.Bad(r, err)
		return
	}
	if known := o.GivenGrants[g.ID]; known != nil {
		o.signedAgain(r, known, g)
		return
	}
	o.keepGiven(g)
}

// signedAgain takes a newer envelope of a grant that waited, and nothing else:
// who could change the closing would keep the grant from being withdrawn.
func (o *Owner) signedAgain(r *core.Room, known, g *ownerGrant) {
	switch {
	case known.Bundle.Envelope == g.Bundle.Envelope || !known.live() || known.Opened || known.Home != r.ID:
	case !core.SignedAgain(known.Bundle, g.Bundle, known.Envelope, g.Envelope):
		o.Bad(r, fmt.Errorf("another grant by the id %s: %w", g.ID, grant.ErrMismatch))
	case g.Envelope.Issued.After(known.Envelope.Issued):
		known.Bundle.Envelope, known.Envelope = g.Bundle.Envelope, g.Envelope
		o.Touch(known.part())
	}
}

func (o *Owner) statusCame(r *core.Room, h *member.OwnedHome, m core.HomeMessage) {
	for _, rep := range m.Status {
		o.reported(r, rep)
	}
	for _, l := range m.Lives {
		if h.Lives == nil {
			h.Lives = map[string]core.ClientReport{}
		}
		was := h.Lives[l.Client]
		h.Lives[l.Client] = l
		o.Touch(member.PartMember)
		switch {
		case l.Client == o.Mem.Client && l.Gap:
			o.LoseState(r, "gap")
			return
		case l.Unfit && !was.Unfit:
			o.Problem(r.ID, "", reasonSuite, fmt.Sprintf(
				"%s can't enter this home, which has %s: bring its program up to date and renew your identity, or claim the thing again", l.Client, h.Cipher(),
			))
		case l.Silent && !was.Silent:
			o.Emit(core.Event{
				Kind: core.EventPaused, Circle: r.ID, Client: l.Client, Reason: "lease",
				Text: fmt.Sprintf("%s has been silent since %s: what you shared pauses until it speaks or you go on without it", l.Client, l.At.Format(time.DateOnly)),
			})
		case !l.Silent && was.Silent:
			o.Emit(core.Event{Kind: core.EventResumed, Circle: r.ID, Client: l.Client, Reason: "lease"})
		}
	}
}

// reported takes the anchor's word about one grant.
func (o *Owner) reported(r *core.Room, rep core.GrantReport) {
	g := o.GivenGrants[rep.Grant]
	if g == nil || g.Home != r.ID {
		return
	}
	c, _ := core.ParseID(g.Envelope.Circle)
	e := core.Event{Circle: c, Grant: g.ID, Account: g.Envelope.Grantee.String(), Reason: rep.Reason, Text: rep.Text, Clients: rep.Clients}
	was, opened, unfit := g.State, g.Opened, g.Unfit
	g.Reason, g.Text, g.Clients, g.Unfit = rep.Reason, rep.Text, rep.Clients, rep.Unfit
	switch rep.State {
	case core.GrantOpen, core.GrantPaused:
		g.Opened = true
		if g.live() {
			g.State = map[string]grant.State{core.GrantOpen: grant.Given, core.GrantPaused: grant.Paused}[rep.State]
		}
		e.Kind = openKind(was, g.State, opened)
	case core.GrantWaiting: // plan has it signed again
	case core.GrantDeclined:
		e.Kind = core.EventDeclined
		o.declined(g)
	case core.GrantEnded:
		if g.live() {
			g.State = member.EndState(rep.Reason)
			e.Kind = core.EventEnded
		}
	}
	o.Touch(g.part())
	if e.Kind != "" {
		o.Emit(e)
	}
	if len(rep.Unfit) > 0 && !slices.Equal(rep.Unfit, unfit) {
		o.Problem(c, g.ID, reasonSuite, fmt.Sprintf("%s of %s can't enter this grant's circle, which has %s: its program must be brought up to date, or give anew",
			strings.Join(rep.Unfit, ", "), g.Envelope.Grantee, core.OrLegacy(g.opening.Suite)))
	}
	if len(rep.Full) > 0 {
		o.Emit(core.Event{Kind: core.EventRoster, Circle: c, Grant: g.ID, Clients: rep.Full, Reason: "circle-full"})
	}
}

func openKind(was, is grant.State, opened bool) core.EventKind {
	switch {
	case !opened && is == grant.Given:
		return core.EventGranted
	case was != grant.Paused && is == grant.Paused:
		return core.EventPaused
	case was == grant.Paused && is == grant.Given:
		return core.EventResumed
	}
	return core.EventRoster
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
		o.Log.Error("close a grant that was declined", "error", err)
		return
	}
	g.Withdrawal.Next = time.Time{}
	o.fileClosing(g, w)
}

// checkReady: this client may act once it has every document that the circle's
// context names.
func (o *Owner) checkReady(r *core.Room) {
	h := o.Mem.Homes[r.ID.String()]
	if r.Member.Ready || h == nil {
		return
	}
	var set []string
	for _, id := range core.SortedKeys(o.GivenGrants) {
		if g := o.GivenGrants[id]; g.Home == r.ID && g.live() {
			set = append(set, g.Bundle.Envelope, g.Bundle.Terms, g.Bundle.Opening, g.Bundle.Closing)
		}
	}
	for _, doc := range o.Book.Versions(o.Mem.Account) {
		if core.SetHash(append([]string{h.Claim, doc}, set...)...) == r.Member.Set {
			r.Member.Ready = true
			o.Touch(r.Part())
		}
	}
}

// Plan brings everything up to date.
func (o *Owner) Plan(now time.Time) {
	for _, id := range core.SortedKeys(o.GivenGrants) {
		g := o.GivenGrants[id]
		if g.live() && !now.Before(g.Envelope.ValidUntil) {
			g.State = grant.Expired
			o.Touch(g.part())
		}
		if g.live() {
			o.Wake(g.Envelope.ValidUntil)
		}
		if !g.Anew.IsZero() {
			o.giveAnew(g)
		}
		if g.live() && !g.Opened && g.Reason == core.ReasonStale {
			o.signAgain(o.Rooms[g.Home], g)
		}
		o.planWithdrawal(g, now)
	}
	for _, key := range core.SortedKeys(o.Mem.Homes) {
		o.planLife(o.Mem.Homes[key], now)
	}
	o.Member.Plan(now)
}

// planLife sends a sign of life once a day; none while a withdrawal is not
// confirmed, so that the lease ends what a node holds back.
func (o *Owner) planLife(h *member.OwnedHome, now time.Time) {
	r := o.Rooms[h.Circle]
	if h.Closed || r == nil || r.MLS == nil {
		return
	}
	due := r.Member.Life.Add(lifeEvery)
	if now.Before(due) {
		o.Wake(due)
		return
	}
	for _, g := range o.GivenGrants {
		if g.Home == h.Circle && g.Withdrawal != nil && !g.Withdrawal.Confirmed() && !g.Withdrawal.Next.IsZero() {
			return
		}
	}
	if len(r.Queue) == 0 { // what waits there is a sign of life too
		o.Say(r, core.HomeMessage{T: core.HomeLife}, "")
	}
}

// Outcome takes the outcome of an effect.
func (o *Owner) Outcome(e *core.Effect, res *core.Result, refused *core.Refusal) {
	g := o.GivenGrants[e.Grant]
	switch {
	case e.Kind == core.EffectFileClosing && g != nil && g.Withdrawal != nil:
		o.closingFiled(g, e, res, refused)
	case e.Kind == core.EffectFileEnvelope && refused != nil && g != nil:
		g.Reason, g.Text = refused.Kind, refused.Detail
		o.Touch(g.part())
		o.Emit(core.Event{
			Kind: core.EventDeclined, Grant: g.ID, Account: g.Envelope.Grantee.String(), Reason: refused.Kind,
			Text: "the node does not take the grant: " + refused.Error(),
		})
	case e.Kind == core.EffectFileEnvelope && refused == nil:
		if old := o.GivenGrants[g.replaces()]; old != nil && old.Withdrawal != nil && e.Closing != "" {
			o.closingFiled(old, e, res, nil)
		}
	default:
		o.Member.Outcome(e, res, refused)
	}
}

func (g *ownerGrant) replaces() string {
	if g == nil {
		return ""
	}
	return g.Envelope.Replaces
}

// CutOff takes the news that the node delivers nothing more.
func (o *Owner) CutOff(r *core.Room, reason string, at time.Time) {
	if !r.Home {
		o.Member.CutOff(r, reason, at)
		return
	}
	switch reason {
	case "restored":
		r.Synced, r.HeadKnown = false, false
		o.fileAgain(r)
	case "removed":
		o.Member.CutOff(r, reason, at)
	default:
		o.Fence(r, reason)
	}
}

// fileAgain files the envelopes of live grants at a node that was restored from
// a backup that may not have them.
func (o *Owner) fileAgain(r *core.Room) {
	for _, id := range core.SortedKeys(o.GivenGrants) {
		if g := o.GivenGrants[id]; g.Home == r.ID && g.live() {
			o.Send(core.Effect{Kind: core.EffectFileEnvelope, Node: r.Node, Grant: g.ID, Envelope: g.Bundle.Envelope})
		}
	}
}

// GoOnWithout excuses a silent client: the grants that pause for it go on.
func (o *Owner) GoOnWithout(home core.ID, client string) error {
	return o.Do(func() error {
		_, r, err := o.homeFor(home)
		if err != nil {
			return fmt.Errorf("go on without %s: %w", core.Clip(client), err)
		}
		if _, ok := o.Own().Client(client); !ok || client == o.Mem.Client {
			return fmt.Errorf("go on without %s: %w", core.Clip(client), core.ErrUnknown)
		}
		o.Say(r, core.HomeMessage{T: core.HomeWithout, Client: client}, "")
		return nil
	})
}

// SetHomePrecision chooses how fine the own circle sees its things: a clock of
// whole seconds.
func (o *Owner) SetHomePrecision(home core.ID, p core.Precision) error {
	return o.Do(func() error {
		_, r, err := o.homeFor(home)
		if err != nil {
			return fmt.Errorf("set the home's precision: %w", err)
		}
		if p.Change || p.Every.D() < time.Second || p.Every.D()%time.Second != 0 || p.Every > 31*grant.Day {
			return fmt.Errorf("set the home's precision: a clock of 1 second to 31 days is needed: %w", core.ErrRefused)
		}
		o.Say(r, core.HomeMessage{T: core.HomePrecision, Precision: &p}, "")
		return nil
	})
}

// signWithdrawal signs under the closing; every nonce stays good for a
// statement.
func (o *Owner) signWithdrawal(g *ownerGrant, reason string) (core.Withdrawal, error) {
	cs, nonce, err := o.Countersign(g.Bundle.Closing)
	if err != nil {
		return core.Withdrawal{}, err
	}
	if g.Withdrawal == nil {
		g.Withdrawal = &withdrawing{WithdrawalInfo: member.WithdrawalInfo{Asked: o.Now()}, Reason: reason, Next: o.Now().Add(firstRepeat)}
	}
	w := g.Withdrawal
	w.Last = cs
	w.Nonces = append(w.Nonces, jws.Bytes(nonce))
	if over := len(w.Nonces) - maxNonces; over > 0 {
		w.Nonces = slices.Delete(w.Nonces, 0, over)
	}
	o.Touch(g.part())
	return core.Withdrawal{Closing: g.Bundle.Closing, Countersignature: cs}, nil
}
