package anchor

import (
	"bytes"
	"fmt"
	"slices"
	"time"

	"primum/circle/internal/core"
	"primum/identity"
	"primum/mls"
)

// Bounds and clocks of a roster.
const (
	claimAgain    = time.Hour       // pause between two claims of a client's key packages
	pollIdentity  = time.Hour       // how often an identity document is looked for
	hintIdentity  = 2 * time.Second // … at most, when somebody says that there is a newer one
	hintLasts     = time.Minute     // how long key packages are awaited after that
	silentLeaf    = 30 * 24 * time.Hour
	waitingLeaf   = 24 * time.Hour // how long a last-resort joiner may hold up a circle
	rejoinsHourly = 4              // per client
	tagDocuments  = "documents:"
)

// Plan brings everything up to date.
func (an *Anchor) Plan(now time.Time) {
	home := an.Home()
	if home == nil || an.State.Restored || an.owner() == nil {
		return
	}
	an.planOpen(home)
	an.planIdentities(now)
	an.planLives(now)
	an.planCommands(now)
	for _, id := range core.SortedKeys(an.Grants) {
		if g := an.Grants[id]; g.live() {
			an.planGrant(g, now)
		}
	}
	an.planHome(home, now)
	an.planValues(now)
	an.planPresent(home)
}

// Hint tells that the other party of a circle may have a newer identity
// document, or key packages. They are looked for soon; the word of a node is
// worth no more.
func (an *Anchor) Hint(c core.ID) error {
	return an.Do(func() error {
		account := ""
		if home := an.Home(); home != nil && home.ID == c {
			account = an.State.Home.Owner
		}
		if g := an.grantOf(c); g != nil && g.live() {
			account = g.envelope.Grantee.String()
		}
		if account == "" {
			return nil
		}
		if an.hinted == nil {
			an.hinted, an.hintedAt = make(map[string]bool), make(map[core.ID]time.Time)
		}
		an.hinted[account], an.hintedAt[c] = true, an.Now()
		an.claimSoon(an.Rooms[c])
		return nil
	})
}

// claimSoon asks again for key packages that were missing; not for those of
// clients that ask themselves when they are back.
func (an *Anchor) claimSoon(r *core.Room) {
	if r == nil {
		return
	}
	soon, claimed := an.Now().Add(hintIdentity), an.Now().Add(claimAgain)
	for name, again := range r.Claimed {
		if again.After(soon) && !again.After(claimed) {
			r.Claimed[name] = soon
		}
	}
}

// planIdentities looks for newer identity documents, hourly, and at once for
// those that are missing.
func (an *Anchor) planIdentities(now time.Time) {
	accounts := map[string]bool{an.State.Home.Owner: true}
	for _, g := range an.Grants {
		if g.live() {
			accounts[g.envelope.Grantee.String()] = true
		}
	}
	for _, account := range core.SortedKeys(accounts) {
		due := time.Time{}
		if k := an.book.Accounts[account]; k != nil {
			due = k.Asked.Add(pollIdentity)
			if an.hinted[account] {
				due = k.Asked.Add(hintIdentity)
			}
		}
		if due.After(now) {
			an.Wake(due)
			continue
		}
		an.Wish("id-"+account, core.Effect{Kind: core.EffectFetchIdentity, Account: account})
	}
}

// planRoster makes the circle's members what the identity document says, and
// its context what the documents say, in one commit.
func (an *Anchor) planRoster(r *core.Room, v *identity.Verified, most int, set string, now time.Time) {
	an.noteUnfit(r, v, most)
	wanted := an.wantedClients(r, v, most, now)
	add, rejoining, missing := an.takePackages(r, v, wanted, now)
	remove := an.removals(r, wanted, rejoining, now)
	if len(missing) > 0 && !v.ExpiredAt(now) {
		an.askPackages(r, v.Address().String(), missing, now)
	}
	c := core.CircleContext{Set: set}
	have, err := core.ParseContext(r.MLS.Extensions())
	if err != nil {
		an.Log.Error("read own circle", "circle", r.ID.String(), "error", err)
		return
	}
	c.Opening = have.Opening
	if have.Set != c.Set && !an.told(r, c.Set, v) {
		return
	}
	if len(add)+len(remove) == 0 && have.Set == c.Set && !an.turn(r, now) {
		return
	}
	an.commit(r, c, have, add, remove, now)
}

// noteUnfit finds clients that don't list the circle's suite, which it keeps as
// long as it lives: they can't enter, and their owner is told.
func (an *Anchor) noteUnfit(r *core.Room, v *identity.Verified, most int) {
	var unfit []string
	for _, c := range core.Placed(v, most) {
		if !core.Speaks(c, r.MLS.Suite()) {
			unfit = append(unfit, c.Name)
		}
	}
	if slices.Equal(unfit, r.Unfit) {
		return
	}
	r.Unfit = unfit
	if g := an.grantOf(r.ID); g != nil {
		an.report(g)
	}
}

// wantedClients are the clients that belong into the circle, by signature key.
func (an *Anchor) wantedClients(r *core.Room, v *identity.Verified, most int, now time.Time) map[string]identity.Client {
	wanted := map[string]identity.Client{}
	for _, c := range core.Placed(v, most) {
		key := keyName(c.Key)
		l := r.Leaves[key]
		switch {
		case !core.Speaks(c, r.MLS.Suite()): // see noteUnfit
		case l != nil && (now.Sub(l.Heard) > silentLeaf || l.Waits && now.Sub(l.Heard) > waitingLeaf):
			if !r.Claimed[c.Name].After(now) {
				r.Claimed[c.Name] = now.AddDate(10, 0, 0) // it asks itself when it is back
				an.Touch(r.Part())
			}
		default:
			wanted[key] = c
		}
	}
	return wanted
}

// takePackages chooses the key packages to add; rejoining are the leaves that
// are replaced; missing are clients without a package.
func (an *Anchor) takePackages(r *core.Room, v *identity.Verified, wanted map[string]identity.Client, now time.Time) (add []*mls.KeyPackage, rejoining map[string]bool, missing []string) {
	rejoining = map[string]bool{}
	for _, key := range core.SortedKeys(wanted) {
		c := wanted[key]
		i := slices.IndexFunc(r.Packages, func(p core.HeldPackage) bool { return p.Client == c.Name })
		present := r.Leaves[key] != nil
		switch {
		case i >= 0 && (!present || r.Packages[i].Rejoin):
			kp, err := checkPackage(r.Packages[i].Bytes, v.Address().String(), c, r.MLS.Suite(), now)
			if err != nil {
				r.Packages = slices.Delete(r.Packages, i, i+1)
				an.Touch(r.Part())
				continue
			}
			rejoining[key] = present
			add = append(add, kp)
		case !present:
			missing = append(missing, c.Name)
		}
	}
	return add, rejoining, missing
}

func (an *Anchor) removals(r *core.Room, wanted map[string]identity.Client, rejoining map[string]bool, now time.Time) (remove []uint32) {
	for _, m := range r.MLS.Members() {
		if m.Leaf == r.MLS.Me() {
			continue
		}
		key := keyName(m.SignatureKey)
		if _, ok := wanted[key]; !ok || rejoining[key] {
			remove = append(remove, m.Leaf)
		}
		if l := r.Leaves[key]; l != nil {
			an.Wake(l.Heard.Add(silentLeaf + time.Second))
			if l.Waits {
				an.Wake(l.Heard.Add(waitingLeaf + time.Second))
			}
		}
	}
	return remove
}

// askPackages claims key packages for clients that are missing, each at most
// hourly.
func (an *Anchor) askPackages(r *core.Room, account string, missing []string, now time.Time) {
	var ask []string
	for _, name := range missing {
		if again := r.Claimed[name]; now.Before(again) {
			an.Wake(again)
		} else {
			ask = append(ask, name)
		}
	}
	if len(ask) > 0 {
		an.Wish("keys-"+r.ID.String(), core.Effect{Kind: core.EffectClaimKeyPackages, Node: r.Node, Circle: r.ID, Account: account, Clients: ask, Suite: uint16(r.MLS.Suite())})
	}
}

// told makes sure that the members have an identity document before a commit
// that goes by it. It reports whether they have.
func (an *Anchor) told(r *core.Room, set string, v *identity.Verified) bool {
	others := len(r.MLS.Members()) > 1
	if !others || r.Told == set || len(v.Compact()) > core.MaxDocument {
		return true
	}
	if r.Telling == set {
		return false // on its way
	}
	r.Telling = set
	an.Touch(r.Part())
	an.tellIdentity(r, v, tagDocuments+set)
	return false
}

func (an *Anchor) tellIdentity(r *core.Room, v *identity.Verified, tag string) {
	if r.Home {
		an.tellHome(core.HomeMessage{T: core.HomeDocuments, Documents: []string{v.Compact()}}, tag)
		return
	}
	an.Enqueue(r, core.Outgoing{
		Plain: core.EncodeInner(core.Inner{Op: core.OpDocuments, Documents: []string{v.Compact()}}), Size: core.SizePage, Tag: tag,
	})
}

// turn tells whether the epoch is to be renewed for its own sake.
func (an *Anchor) turn(r *core.Room, now time.Time) bool {
	if len(r.MLS.Members()) < 2 {
		return false
	}
	due := r.EpochAt.Add(core.MaxEpochAge)
	an.Wake(due)
	return r.Proposals > 0 || r.Full || !now.Before(due) || r.MLS.Generation() >= core.MaxGeneration
}

func (an *Anchor) commitTime(r *core.Room) time.Time {
	at := an.Now().Truncate(time.Second)
	if at.Before(r.Mark) {
		return r.Mark // never decreasing
	}
	return at
}

// commit stages one commit; it is on disk before it is sent, and merged when the
// log shows it.
func (an *Anchor) commit(r *core.Room, c, have core.CircleContext, add []*mls.KeyPackage, remove []uint32, now time.Time) {
	an.Wake(r.WakeAt)
	if !r.Sendable() || r.Pending != nil || an.Skewed || now.Before(r.WakeAt) {
		return
	}
	if r.Mark.Sub(now) > core.MaxSkew {
		r.WakeAt = now.Add(time.Minute)
		an.Problem(r.ID, r.Grant, "clock", "this clock is behind the circle's last change; set it")
		return
	}
	o := mls.CommitOptions{Add: add, Remove: remove, AuthenticatedData: core.AtBytes(an.commitTime(r))}
	if c != have {
		exts, err := c.Extensions()
		if err != nil {
			an.Log.Error("write circle context", "error", err)
			return
		}
		o.Extensions = exts
	}
	staged, err := r.MLS.Commit(o)
	if err != nil {
		an.Log.Error("change the members", "circle", r.ID.String(), "error", err)
		r.Packages = nil // one of them may be why
		r.WakeAt = now.Add(time.Minute)
		an.Touch(r.Part())
		an.Problem(r.ID, r.Grant, "commit", "the members could not be changed: "+err.Error())
		return
	}
	r.Pending = &core.PendingCommit{Epoch: r.MLS.Epoch(), Commit: staged.Commit, Welcome: staged.Welcome, At: an.commitTime(r)}
	an.Touch(r.Part())
}

// merged takes note of what an own commit did.
func (an *Anchor) merged(r *core.Room, in *core.Incoming) {
	for _, m := range in.View.Removes {
		delete(r.Leaves, keyName(m.SignatureKey))
	}
	for _, m := range in.View.Adds {
		an.joined(r, m)
	}
	for _, m := range in.View.Updates {
		if l := r.Leaves[keyName(m.SignatureKey)]; l != nil {
			l.Waits, l.Updated = false, an.Now()
		}
	}
	g := an.grantOf(r.ID)
	if len(in.View.Adds)+len(in.View.Removes) > 0 {
		an.rosterChanged(r, g)
	}
	if len(in.View.Adds) == 0 {
		return
	}
	if r.Home {
		an.welcomeHome()
	} else if v := an.book.Get(g.envelope.Grantee.String()); v != nil && len(v.Compact()) <= core.MaxDocument {
		an.tellIdentity(r, v, "")
	}
}

func (an *Anchor) joined(r *core.Room, m mls.Member) {
	key := keyName(m.SignatureKey)
	l := &core.LeafState{Epoch: r.MLS.Epoch(), Heard: an.Now()}
	i := slices.IndexFunc(r.Packages, func(p core.HeldPackage) bool {
		kp, err := mls.ParseKeyPackage(p.Bytes)
		if err != nil || !bytes.Equal(kp.SignatureKey(), m.SignatureKey) {
			return false
		}
		l.Client, l.Waits = p.Client, kp.LastResort()
		return true
	})
	if i >= 0 {
		r.Packages = slices.Delete(r.Packages, i, i+1)
	}
	r.Leaves[key] = l
	if life := an.State.Lives[l.Client]; r.Home && life != nil {
		life.Leaf = "" // the new leaf counts anew
		an.Touch(partAnchor)
	}
}

func (an *Anchor) rosterChanged(r *core.Room, g *anchorGrant) {
	var names []string
	for _, k := range core.SortedKeys(r.Leaves) {
		names = append(names, r.Leaves[k].Client)
	}
	slices.Sort(names)
	e := core.Event{Kind: core.EventRoster, Circle: r.ID, Grant: r.Grant, Clients: names}
	if len(r.Overflow) > 0 {
		e.Reason = "circle-full"
	}
	an.Emit(e)
	if g != nil {
		an.report(g)
	}
}

// rejoinAsked takes a key package from the log: a client that lost its state.
// It must be signed by a client of the newest identity document, for this circle
// and not for a time before its present leaf.
func (an *Anchor) rejoinAsked(r *core.Room, raw []byte) {
	err := an.takeRejoin(r, raw)
	if err != nil {
		an.Bad(r, err)
	}
}

func (an *Anchor) takeRejoin(r *core.Room, raw []byte) error {
	kp, err := mls.ParseKeyPackage(raw)
	if err != nil {
		return err
	}
	c, epoch, err := core.ParseRejoin(kp.Extensions())
	if err != nil {
		return err
	}
	v := an.accountOf(r)
	if v == nil || c != r.ID || epoch > r.MLS.Epoch() {
		return fmt.Errorf("rejoin request is for another circle or epoch: %w", core.ErrRefused)
	}
	client, ok := v.ClientByKey(kp.SignatureKey())
	if !ok {
		return fmt.Errorf("rejoin request: %w", identity.ErrNoClient)
	}
	if _, err := checkPackage(raw, v.Address().String(), client, r.MLS.Suite(), an.Now()); err != nil {
		return err
	}
	if l := r.Leaves[keyName(client.Key)]; l != nil && epoch < l.Epoch {
		return fmt.Errorf("rejoin request was answered already: %w", core.ErrRefused)
	}
	if !an.mayRejoin(r, client.Name) {
		return fmt.Errorf("too many rejoin requests: %w", core.ErrRefused)
	}
	r.Packages = slices.DeleteFunc(r.Packages, func(p core.HeldPackage) bool { return p.Client == client.Name })
	r.Packages = append(r.Packages, core.HeldPackage{Client: client.Name, Bytes: raw, Rejoin: true})
	delete(r.Claimed, client.Name)
	an.Touch(r.Part())
	return nil
}

func (an *Anchor) accountOf(r *core.Room) *identity.Verified {
	if r.Home {
		return an.owner()
	}
	if g := an.grantOf(r.ID); g != nil {
		return an.book.Get(g.envelope.Grantee.String())
	}
	return nil
}

func (an *Anchor) mayRejoin(r *core.Room, client string) bool {
	now := an.Now()
	recent := slices.DeleteFunc(slices.Clone(r.Rejoins[client]), func(t time.Time) bool { return now.Sub(t) > time.Hour })
	if len(recent) >= rejoinsHourly {
		return false
	}
	r.Rejoins[client] = append(recent, now)
	return true
}

// proposalWelcome lets only an Update through, at most one per leaf and hour: a
// proposal that was processed would be in the next commit.
func (an *Anchor) proposalWelcome(r *core.Room, f core.Frame, head mls.Head) bool {
	i := slices.IndexFunc(r.MLS.Members(), func(m mls.Member) bool { return head.Member && m.Leaf == head.Sender })
	if i < 0 {
		return false
	}
	l := r.Leaves[keyName(r.MLS.Members()[i].SignatureKey)]
	if l == nil || an.Now().Sub(l.Updated) < core.UpdateEvery || l.Asked == r.MLS.Epoch()+1 {
		return false
	}
	state, err := r.MLS.MarshalBinary()
	if err != nil {
		return false
	}
	trial, err := mls.Load(r.Config, state)
	if err != nil {
		return false
	}
	rx, err := trial.Process(f.Message)
	return err == nil && rx.Proposal != nil && rx.Proposal.Type == mls.ProposalUpdate
}

// Outcome takes the outcome of an effect.
func (an *Anchor) Outcome(e *core.Effect, res *core.Result, refused *core.Refusal) {
	r := an.Rooms[e.Circle]
	switch e.Kind {
	case core.EffectOpenHome, core.EffectOpenCircle:
		an.openAnswered(r, e, refused)
	case core.EffectFetchIdentity:
		an.fetched(e.Account, res)
	case core.EffectClaimKeyPackages:
		if r != nil {
			an.packagesCame(r, e, res)
		}
	case core.EffectCommit:
		delete(an.lastKeys, e.Circle)
	case core.EffectPresentActive:
		an.presented(refused)
	}
}

func (an *Anchor) openAnswered(r *core.Room, e *core.Effect, refused *core.Refusal) {
	if r == nil {
		return
	}
	if refused == nil || refused.Kind == core.KindConflict {
		r.Opened = true
		an.Touch(r.Part())
		return
	}
	// The envelope may be on its way to the node still.
	an.Postpone(e.ID, refused.RetryAfter)
	if t := an.Tries[e.ID]; t.N == 6 {
		an.Problem(r.ID, r.Grant, refused.Kind, "the node does not open the circle: "+refused.Error())
	}
}

func (an *Anchor) fetched(account string, res *core.Result) {
	delete(an.hinted, account)
	if k := an.book.Accounts[account]; k != nil {
		k.Asked = an.Now()
		an.TouchSoft(core.PartIdentities)
	}
	if res == nil {
		if an.book.Get(account) == nil {
			an.Postpone("w-id-"+account, core.BackoffMax)
		}
		return
	}
	if err := an.takeIdentity(res.Identity); err != nil {
		an.Log.Warn("identity document refused", "account", account, "why", err)
		an.Postpone("w-id-"+account, core.BackoffMax)
	}
}

func (an *Anchor) packagesCame(r *core.Room, e *core.Effect, res *core.Result) {
	pause := claimAgain
	if an.Now().Sub(an.hintedAt[r.ID]) < hintLasts {
		pause = hintIdentity
	}
	for _, name := range e.Clients {
		r.Claimed[name] = an.Now().Add(pause)
	}
	an.Touch(r.Part())
	v := an.accountOf(r)
	if res == nil || v == nil {
		return
	}
	for _, p := range res.Packages {
		c, ok := v.Client(p.Client)
		if !ok || !slices.Contains(e.Clients, p.Client) {
			continue
		}
		if _, err := checkPackage(p.KeyPackage, v.Address().String(), c, r.MLS.Suite(), an.Now()); err != nil {
			an.Log.Warn("key package refused", "client", p.Client, "why", err)
			continue
		}
		r.Packages = slices.DeleteFunc(r.Packages, func(h core.HeldPackage) bool { return h.Client == p.Client && !h.Rejoin })
		r.Packages = append(r.Packages, core.HeldPackage{Client: p.Client, Bytes: p.KeyPackage})
	}
}
