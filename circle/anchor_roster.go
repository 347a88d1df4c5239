package circle

import (
	"bytes"
	"fmt"
	"slices"
	"time"

	"primum/identity"
	"primum/mls"
)

// Bounds and clocks of a roster.
const (
	maxRoster     = 63        // clients beside the anchor
	claimAgain    = time.Hour // pause between two claims of a client's key packages
	pollIdentity  = time.Hour // how often an identity document is looked for
	silentLeaf    = 30 * 24 * time.Hour
	waitingLeaf   = 24 * time.Hour // how long a last-resort joiner may hold up a circle
	updateEvery   = time.Hour      // at most one Update per leaf
	rejoinsHourly = 4              // per client
	tagDocuments  = "documents:"
)

// waiting names a leaf that came by a last-resort package and has not renewed
// itself: nothing is sealed before.
func (r *room) waiting() string {
	for _, k := range sortedKeys(r.Leaves) {
		if r.Leaves[k].Waits {
			return k
		}
	}
	return ""
}

// plan brings everything up to date.
func (an *Anchor) plan(now time.Time) {
	home := an.home()
	if home == nil || an.st.Restored || an.owner() == nil {
		return
	}
	an.planOpen(home)
	an.planIdentities(now)
	an.planLives(now)
	an.planCommands(now)
	for _, id := range sortedKeys(an.grants) {
		if g := an.grants[id]; g.live() {
			an.planGrant(g, now)
		}
	}
	an.planHome(home, now)
	an.planValues(now)
	an.planPresent(home)
}

// planIdentities looks for newer identity documents, hourly, and at once for
// those that are missing.
func (an *Anchor) planIdentities(now time.Time) {
	accounts := map[string]bool{an.st.Home.Owner: true}
	for _, g := range an.grants {
		if g.live() {
			accounts[g.envelope.Grantee.String()] = true
		}
	}
	for _, account := range sortedKeys(accounts) {
		due := time.Time{}
		if k := an.book.Accounts[account]; k != nil {
			due = k.Asked.Add(pollIdentity)
		}
		if due.After(now) {
			an.wake(due)
			continue
		}
		an.wish("id-"+account, Effect{Kind: EffectFetchIdentity, Account: account})
	}
}

// planRoster makes the circle's members what the identity document says, and
// its context what the documents say, in one commit.
func (an *Anchor) planRoster(r *room, v *identity.Verified, most int, set string, now time.Time) {
	wanted := an.wantedClients(r, v, most, now)
	add, rejoining, missing := an.takePackages(r, v, wanted, now)
	remove := an.removals(r, wanted, rejoining, now)
	if len(missing) > 0 && !v.ExpiredAt(now) {
		an.askPackages(r, v.Address().String(), missing, now)
	}
	c := circleContext{Set: set}
	have, err := parseContext(r.group.Extensions())
	if err != nil {
		an.log.Error("read own circle", "circle", r.ID.String(), "error", err)
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

// wantedClients are the clients that belong into the circle, by signature key.
func (an *Anchor) wantedClients(r *room, v *identity.Verified, most int, now time.Time) map[string]identity.Client {
	wanted := map[string]identity.Client{}
	for i, c := range v.Clients() {
		if i >= min(most, maxRoster) {
			break
		}
		key := keyName(c.Key)
		l := r.Leaves[key]
		switch {
		case !hasSuite(c):
		case l != nil && (now.Sub(l.Heard) > silentLeaf || l.Waits && now.Sub(l.Heard) > waitingLeaf):
			if !r.Claimed[c.Name].After(now) {
				r.Claimed[c.Name] = now.AddDate(10, 0, 0) // it asks itself when it is back
				an.touch(r.part())
			}
		default:
			wanted[key] = c
		}
	}
	return wanted
}

// takePackages chooses the key packages to add; rejoining are the leaves that
// are replaced; missing are clients without a package.
func (an *Anchor) takePackages(r *room, v *identity.Verified, wanted map[string]identity.Client, now time.Time) (add []*mls.KeyPackage, rejoining map[string]bool, missing []string) {
	rejoining = map[string]bool{}
	for _, key := range sortedKeys(wanted) {
		c := wanted[key]
		i := slices.IndexFunc(r.Packages, func(p heldPackage) bool { return p.Client == c.Name })
		present := r.Leaves[key] != nil
		switch {
		case i >= 0 && (!present || r.Packages[i].Rejoin):
			kp, err := checkPackage(r.Packages[i].Bytes, v.Address().String(), c, now)
			if err != nil {
				r.Packages = slices.Delete(r.Packages, i, i+1)
				an.touch(r.part())
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

func (an *Anchor) removals(r *room, wanted map[string]identity.Client, rejoining map[string]bool, now time.Time) (remove []uint32) {
	for _, m := range r.group.Members() {
		if m.Leaf == r.group.Me() {
			continue
		}
		key := keyName(m.SignatureKey)
		if _, ok := wanted[key]; !ok || rejoining[key] {
			remove = append(remove, m.Leaf)
		}
		if l := r.Leaves[key]; l != nil {
			an.wake(l.Heard.Add(silentLeaf + time.Second))
			if l.Waits {
				an.wake(l.Heard.Add(waitingLeaf + time.Second))
			}
		}
	}
	return remove
}

// askPackages claims key packages for clients that are missing, each at most
// hourly.
func (an *Anchor) askPackages(r *room, account string, missing []string, now time.Time) {
	var ask []string
	for _, name := range missing {
		if again := r.Claimed[name]; now.Before(again) {
			an.wake(again)
		} else {
			ask = append(ask, name)
		}
	}
	if len(ask) > 0 {
		an.wish("keys-"+r.ID.String(), Effect{Kind: EffectClaimKeyPackages, Node: r.Node, Circle: r.ID, Account: account, Clients: ask})
	}
}

// told makes sure that the members have an identity document before a commit
// that goes by it. It reports whether they have.
func (an *Anchor) told(r *room, set string, v *identity.Verified) bool {
	others := len(r.group.Members()) > 1
	if !others || r.Told == set || len(v.Compact()) > maxDocument {
		return true
	}
	if r.Telling == set {
		return false // on its way
	}
	r.Telling = set
	an.touch(r.part())
	an.tellIdentity(r, v, tagDocuments+set)
	return false
}

func (an *Anchor) tellIdentity(r *room, v *identity.Verified, tag string) {
	if r.Home {
		an.tellHome(homeMessage{T: homeDocuments, Documents: []string{v.Compact()}}, tag)
		return
	}
	an.enqueue(r, outgoing{
		Plain: encodeInner(inner{Op: opDocuments, Documents: []string{v.Compact()}}), Size: sizePage, Tag: tag,
	})
}

// turn tells whether the epoch is to be renewed for its own sake.
func (an *Anchor) turn(r *room, now time.Time) bool {
	if len(r.group.Members()) < 2 {
		return false
	}
	due := r.EpochAt.Add(maxEpochAge)
	an.wake(due)
	return r.proposals > 0 || r.full || !now.Before(due) || r.group.Generation() >= maxGeneration
}

func (an *Anchor) commitTime(r *room) time.Time {
	at := an.now().Truncate(time.Second)
	if at.Before(r.Mark) {
		return r.Mark // never decreasing
	}
	return at
}

// commit stages one commit; it is on disk before it is sent, and merged when the
// log shows it.
func (an *Anchor) commit(r *room, c, have circleContext, add []*mls.KeyPackage, remove []uint32, now time.Time) {
	an.wake(r.wakeAt)
	if !r.sendable() || r.Pending != nil || an.skewed || now.Before(r.wakeAt) {
		return
	}
	if r.Mark.Sub(now) > maxSkew {
		r.wakeAt = now.Add(time.Minute)
		an.problem(r.ID, r.Grant, "clock", "this clock is behind the circle's last change; set it")
		return
	}
	o := mls.CommitOptions{Add: add, Remove: remove, AuthenticatedData: atBytes(an.commitTime(r))}
	if c != have {
		exts, err := c.extensions()
		if err != nil {
			an.log.Error("write circle context", "error", err)
			return
		}
		o.Extensions = exts
	}
	staged, err := r.group.Commit(o)
	if err != nil {
		an.log.Error("change the members", "circle", r.ID.String(), "error", err)
		r.Packages = nil // one of them may be why
		r.wakeAt = now.Add(time.Minute)
		an.touch(r.part())
		an.problem(r.ID, r.Grant, "commit", "the members could not be changed: "+err.Error())
		return
	}
	r.Pending = &pendingCommit{Epoch: r.group.Epoch(), Commit: staged.Commit, Welcome: staged.Welcome, At: an.commitTime(r)}
	an.touch(r.part())
}

// merged takes note of what an own commit did.
func (an *Anchor) merged(r *room, in *incoming) {
	for _, m := range in.view.Removes {
		delete(r.Leaves, keyName(m.SignatureKey))
	}
	for _, m := range in.view.Adds {
		an.joined(r, m)
	}
	for _, m := range in.view.Updates {
		if l := r.Leaves[keyName(m.SignatureKey)]; l != nil {
			l.Waits, l.Updated = false, an.now()
		}
	}
	g := an.grantOf(r.ID)
	if len(in.view.Adds)+len(in.view.Removes) > 0 {
		an.rosterChanged(r, g)
	}
	if len(in.view.Adds) == 0 {
		return
	}
	if r.Home {
		an.welcomeHome()
	} else if v := an.book.get(g.envelope.Grantee.String()); v != nil && len(v.Compact()) <= maxDocument {
		an.tellIdentity(r, v, "")
	}
}

func (an *Anchor) joined(r *room, m mls.Member) {
	key := keyName(m.SignatureKey)
	l := &leafState{Epoch: r.group.Epoch(), Heard: an.now()}
	i := slices.IndexFunc(r.Packages, func(p heldPackage) bool {
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
	if life := an.st.Lives[l.Client]; r.Home && life != nil {
		life.Leaf = "" // the new leaf counts anew
		an.touch(partAnchor)
	}
}

func (an *Anchor) rosterChanged(r *room, g *anchorGrant) {
	var names []string
	for _, k := range sortedKeys(r.Leaves) {
		names = append(names, r.Leaves[k].Client)
	}
	slices.Sort(names)
	e := Event{Kind: EventRoster, Circle: r.ID, Grant: r.Grant, Clients: names}
	if len(r.overflow) > 0 {
		e.Reason = "circle-full"
	}
	an.emit(e)
	if g != nil {
		an.report(g)
	}
}

// rejoinAsked takes a key package from the log: a client that lost its state.
// It must be signed by a client of the newest identity document, for this circle
// and not for a time before its present leaf.
func (an *Anchor) rejoinAsked(r *room, raw []byte) {
	err := an.takeRejoin(r, raw)
	if err != nil {
		an.bad(r, err)
	}
}

func (an *Anchor) takeRejoin(r *room, raw []byte) error {
	kp, err := mls.ParseKeyPackage(raw)
	if err != nil {
		return err
	}
	c, epoch, err := parseRejoin(kp.Extensions())
	if err != nil {
		return err
	}
	v := an.accountOf(r)
	if v == nil || c != r.ID || epoch > r.group.Epoch() {
		return fmt.Errorf("rejoin request is for another circle or epoch: %w", ErrRefused)
	}
	client, ok := v.ClientByKey(kp.SignatureKey())
	if !ok {
		return fmt.Errorf("rejoin request: %w", identity.ErrNoClient)
	}
	if _, err := checkPackage(raw, v.Address().String(), client, an.now()); err != nil {
		return err
	}
	if l := r.Leaves[keyName(client.Key)]; l != nil && epoch < l.Epoch {
		return fmt.Errorf("rejoin request was answered already: %w", ErrRefused)
	}
	if !an.mayRejoin(r, client.Name) {
		return fmt.Errorf("too many rejoin requests: %w", ErrRefused)
	}
	r.Packages = slices.DeleteFunc(r.Packages, func(p heldPackage) bool { return p.Client == client.Name })
	r.Packages = append(r.Packages, heldPackage{Client: client.Name, Bytes: raw, Rejoin: true})
	delete(r.Claimed, client.Name)
	an.touch(r.part())
	return nil
}

func (an *Anchor) accountOf(r *room) *identity.Verified {
	if r.Home {
		return an.owner()
	}
	if g := an.grantOf(r.ID); g != nil {
		return an.book.get(g.envelope.Grantee.String())
	}
	return nil
}

func (an *Anchor) mayRejoin(r *room, client string) bool {
	now := an.now()
	recent := slices.DeleteFunc(slices.Clone(r.Rejoins[client]), func(t time.Time) bool { return now.Sub(t) > time.Hour })
	if len(recent) >= rejoinsHourly {
		return false
	}
	r.Rejoins[client] = append(recent, now)
	return true
}

// proposalWelcome lets only an Update through, at most one per leaf and hour: a
// proposal that was processed would be in the next commit. Members take all
// proposals; the anchor's commit decides.
func (a *actor) proposalWelcome(r *room, f Frame, head mls.Head) bool {
	an, ok := a.role.(*Anchor)
	if !ok {
		return true
	}
	i := slices.IndexFunc(r.group.Members(), func(m mls.Member) bool { return head.Member && m.Leaf == head.Sender })
	if i < 0 {
		return false
	}
	l := r.Leaves[keyName(r.group.Members()[i].SignatureKey)]
	if l == nil || an.now().Sub(l.Updated) < updateEvery || l.asked == r.group.Epoch()+1 {
		return false
	}
	state, err := r.group.MarshalBinary()
	if err != nil {
		return false
	}
	trial, err := mls.Load(r.config, state)
	if err != nil {
		return false
	}
	rx, err := trial.Process(f.Message)
	return err == nil && rx.Proposal != nil && rx.Proposal.Type == mls.ProposalUpdate
}

// answered takes the outcome of an effect.
func (an *Anchor) answered(e *Effect, res *Result, refused *Refusal) {
	r := an.rooms[e.Circle]
	switch e.Kind {
	case EffectOpenHome, EffectOpenCircle:
		an.openAnswered(r, e, refused)
	case EffectFetchIdentity:
		an.fetched(e.Account, res)
	case EffectClaimKeyPackages:
		if r != nil {
			an.packagesCame(r, e, res)
		}
	case EffectCommit:
		delete(an.lastKeys, e.Circle)
	case EffectPresentActive:
		an.presented(refused)
	}
}

func (an *Anchor) openAnswered(r *room, e *Effect, refused *Refusal) {
	if r == nil {
		return
	}
	if refused == nil || refused.Kind == KindConflict {
		r.Opened = true
		an.touch(r.part())
		return
	}
	// The envelope may be on its way to the node still.
	an.postpone(e.ID, refused.RetryAfter)
	if t := an.tries[e.ID]; t.n == 6 {
		an.problem(r.ID, r.Grant, refused.Kind, "the node does not open the circle: "+refused.Error())
	}
}

func (an *Anchor) fetched(account string, res *Result) {
	if k := an.book.Accounts[account]; k != nil {
		k.Asked = an.now()
		an.touchSoft(partIdentities)
	}
	if res == nil {
		if an.book.get(account) == nil {
			an.postpone("w-id-"+account, backoffMax)
		}
		return
	}
	if err := an.takeIdentity(res.Identity); err != nil {
		an.log.Warn("identity document refused", "account", account, "why", err)
		an.postpone("w-id-"+account, backoffMax)
	}
}

func (an *Anchor) packagesCame(r *room, e *Effect, res *Result) {
	for _, name := range e.Clients {
		r.Claimed[name] = an.now().Add(claimAgain)
	}
	an.touch(r.part())
	v := an.accountOf(r)
	if res == nil || v == nil {
		return
	}
	for _, p := range res.Packages {
		c, ok := v.Client(p.Client)
		if !ok || !slices.Contains(e.Clients, p.Client) {
			continue
		}
		if _, err := checkPackage(p.KeyPackage, v.Address().String(), c, an.now()); err != nil {
			an.log.Warn("key package refused", "client", p.Client, "why", err)
			continue
		}
		r.Packages = slices.DeleteFunc(r.Packages, func(h heldPackage) bool { return h.Client == p.Client && !h.Rejoin })
		r.Packages = append(r.Packages, heldPackage{Client: p.Client, Bytes: p.KeyPackage})
	}
}
