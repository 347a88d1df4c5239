package scenario

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"primum/circle"
	"primum/client"
	"primum/client/nethttp"
	"primum/grant"
	"primum/identity"
	"primum/internal/clock"
	"primum/internal/wire"
	"primum/mls"
)

// percentiles reports p50 and p99 in milliseconds.
func percentiles(b *testing.B, name string, all []time.Duration) {
	b.Helper()
	slices.Sort(all)
	at := func(p int) float64 {
		return float64(all[min(len(all)*p/100, len(all)-1)].Microseconds()) / 1000
	}
	b.ReportMetric(at(50), name+"-p50-ms")
	b.ReportMetric(at(99), name+"-p99-ms")
	b.ReportMetric(0, "ns/op")
}

// commits is a tap's listener that hands out each commit once the node has
// acknowledged it, by circle.
type commits struct {
	mu sync.Mutex
	by map[wire.CircleID]chan accepted
}

type accepted struct {
	at      time.Time
	message []byte
}

func (c *commits) of(id wire.CircleID) chan accepted {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.by == nil {
		c.by = map[wire.CircleID]chan accepted{}
	}
	if c.by[id] == nil {
		c.by[id] = make(chan accepted, 1024)
	}
	return c.by[id]
}

func (c *commits) note(x crossing) {
	h, err := mls.Peek(x.Message)
	if !x.Acked || err != nil || h.WireFormat != mls.WirePublicMessage || h.ContentType != mls.Commit {
		return
	}
	c.of(x.Circle) <- accepted{time.Now(), slices.Clone(x.Message)}
}

// benchHouse is a node and a thing with one owner.
type benchHouse struct {
	dir     string // of the node
	owning  *client.Client
	thing   *bareAnchor
	home    circle.ID
	commits commits
}

func newBenchHouse(b *testing.B) *benchHouse {
	b.Helper()
	h := &benchHouse{dir: b.TempDir()}
	n := startNode(b, "h.localhost", h.dir, clock.Real())
	owner := newParty(b, n.Authority(), "owner", time.Now(), prime)
	h.owning = owner.open(b, prime, realCalls())
	calls := client.Calls{Transport: &tap{Transport: nethttp.New(nethttp.Options{}), cross: h.commits.note}}
	h.thing = runAnchor(b, filepath.Join(b.TempDir(), "anchor"), calls, nil)
	h.home = h.thing.claimBy(b, h.owning)
	return h
}

// each does something n times, by eight at a time.
func each(b *testing.B, n int, do func(i int)) {
	b.Helper()
	var work sync.WaitGroup
	slots := make(chan struct{}, 8)
	for i := range n {
		slots <- struct{}{}
		work.Go(func() { defer func() { <-slots }(); do(i) })
	}
	work.Wait()
}

const (
	withdrawHouses   = 5 // things with an owner each
	withdrawGrants   = 200
	withdrawGrantees = 50
)

// BenchmarkWithdraw: 1,000 grants of five houses, each with a client in its
// circle, are withdrawn while the thing is online: from the owner's word to the receipt with
// both locks. Bar: p99 < 1 s.
func BenchmarkWithdraw(b *testing.B) {
	var took []time.Duration
	for b.Loop() {
		for range withdrawHouses {
			took = append(took, withdrawMany(b)...)
		}
	}
	percentiles(b, "withdraw", took)
}

// withdrawMany is one house: it gives, withdraws, and lets those who were inside
// try the node's data.
func withdrawMany(b *testing.B) (took []time.Duration) {
	h := newBenchHouse(b)
	parties, spies := make([]*party, withdrawGrantees), make([]*observer, withdrawGrantees)
	each(b, withdrawGrantees, func(i int) {
		parties[i] = newParty(b, h.owning.Home.Authority, fmt.Sprintf("g%d", i), time.Now(), obs)
		spies[i] = newStockedObserver(b, parties[i].hands[obs], realCalls(), time.Now(), withdrawGrants/withdrawGrantees+2)
	})
	ids, circles := h.giveMany(b, parties)
	for _, id := range ids {
		start := time.Now()
		info, nodeErr, err := h.owning.Withdraw(b.Context(), id, patience)
		took = append(took, time.Since(start))
		if err != nil || nodeErr != nil || !info.Confirmed() || info.LockOne.IsZero() {
			b.Fatalf("withdraw: %v, %v, %+v", err, nodeErr, info)
		}
	}
	h.thieves(b, circles, spies)
	return took
}

// giveMany gives every grant to one of the parties in turn, and waits until all
// have their client in the circle.
func (h *benchHouse) giveMany(b *testing.B, parties []*party) (ids []string, circles []wire.CircleID) {
	b.Helper()
	purpose, err := grant.FindPurpose("energy advice")
	if err != nil {
		b.Fatal(err)
	}
	for i := range withdrawGrants {
		id, err := h.owning.Give(b.Context(), circle.GiveParams{
			Home: h.home, Grantee: parties[i%len(parties)].doc.Compact(), Purpose: purpose,
			Until: time.Now().Add(24 * time.Hour), Share: onChange(meter, readOps, "count"),
		})
		if err != nil {
			b.Fatal(err)
		}
		ids = append(ids, id)
		if (i+1)%50 == 0 { // let it open them
			circles = append(circles, h.inside(b, ids[len(circles):])...)
		}
	}
	return ids, circles
}

// inside waits until each grant's circle has its client.
func (h *benchHouse) inside(b *testing.B, ids []string) []wire.CircleID {
	b.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(2 * patience); time.Now().Before(deadline); <-tick.C {
		at := map[string]wire.CircleID{}
		for _, g := range h.owning.Owner.Given() {
			if len(g.Clients) == 1 {
				at[g.ID] = wire.CircleID(g.Circle)
			}
		}
		var all []wire.CircleID
		for _, id := range ids {
			if c, ok := at[id]; ok {
				all = append(all, c)
			}
		}
		if len(all) == len(ids) {
			return all
		}
	}
	b.Fatal("not every client came into its circle")
	return nil
}

// thieves gives the clients that were in the circles all that the node has.
func (h *benchHouse) thieves(b *testing.B, circles []wire.CircleID, spies []*observer) {
	b.Helper()
	stolen, home := 0, storedFrames(b, h.dir, wire.CircleID(h.home))
	for i, c := range circles {
		frames, spy := storedFrames(b, h.dir, c), spies[i%len(spies)]
		if spy.group == nil && slices.ContainsFunc(frames, func(f wire.Frame) bool { _, ok := spy.welcomedBy(f); return ok }) {
			spy.thiefTries(b, frames, home...)
			stolen++
		}
	}
	if stolen < len(spies)/2 {
		b.Errorf("only %d clients were there to try the node's data", stolen)
	}
}

// crew is one grantee with many clients: one of the product, which publishes the
// account's documents, and others that the test holds.
type crew struct {
	party   *party
	client  *client.Client
	circle  wire.CircleID
	others  []*observer // in the order of the document; the first are in the circle
	live    map[*observer]bool
	gone    []*observer // were dropped
	commits [][]byte    // that removed them
}

const (
	dropCircles = 100
	dropMembers = 10 // thing, product's client, eight others
	dropRounds  = 10 // clients dropped of each circle
	dropOffline = 30 // percent of the others
)

// BenchmarkDropClient: 1,000 single clients are dropped over 100 circles of 10
// members, the account's next client taking each one's place, while 30 % of the
// others are offline: from publishing the new identity document to the commit
// that removes the client, accepted by the node. Bar: p99 < 1 s.
func BenchmarkDropClient(b *testing.B) {
	var took []time.Duration
	for b.Loop() {
		h := newBenchHouse(b)
		crews := make([]*crew, dropCircles)
		each(b, dropCircles, func(i int) { crews[i] = h.newCrew(b, i) })
		for round := range dropRounds {
			h.thing.feed(b, "count", round, time.Now())
			for _, c := range crews {
				c.online(b)
			}
			for _, c := range crews {
				took = append(took, h.drop(b, c))
			}
		}
		h.thing.feed(b, "count", dropRounds, time.Now())
		eventually(b, "the last value is sealed", func() bool { return len(h.thing.Effects()) == 0 })
		h.judge(b, crews)
	}
	percentiles(b, "drop", took)
}

func (h *benchHouse) newCrew(b *testing.B, i int) *crew {
	b.Helper()
	names := []string{prime}
	for k := range dropMembers - 2 + dropRounds {
		names = append(names, fmt.Sprintf("c%d", k))
	}
	c := &crew{party: newParty(b, h.owning.Home.Authority, fmt.Sprintf("g%d", i), time.Now(), names...), live: map[*observer]bool{}}
	c.client = c.party.open(b, prime, realCalls())
	for _, name := range names[1:] {
		c.others = append(c.others, newStockedObserver(b, c.party.hands[name], realCalls(), time.Now(), dropRounds+2))
	}
	id := giveTo(b, h.owning, h.home, c.party, time.Now().Add(24*time.Hour), onChange(meter, readOps, "count"),
		func(p *circle.GiveParams) { p.MaxClients = dropMembers - 1 })
	c.circle = givenCircle(b, h.owning, id, dropMembers-1)
	eventually(b, "the product's client is in", func() bool {
		grants := c.client.Owner.Grants()
		return len(grants) == 1 && grants[0].Joined
	})
	return c
}

// online lets most of those in the circle follow it live.
func (c *crew) online(b *testing.B) {
	b.Helper()
	for i, o := range c.others[:dropMembers-2] {
		if c.live[o] || i*100 >= (100-dropOffline)*(dropMembers-2) {
			continue
		}
		s, err := client.Connect(b.Context(), o.node)
		if err != nil {
			b.Fatal(err)
		}
		c.live[o] = true
		b.Cleanup(s.Close)
		go func() {
			for range s.Events() {
				continue
			}
		}()
		eventually(b, "the client is in the circle", func() bool {
			_, err := s.Subscribe(b.Context(), c.circle, 0)
			return err == nil
		})
	}
}

// drop drops the first of the crew's other clients.
func (h *benchHouse) drop(b *testing.B, c *crew) time.Duration {
	b.Helper()
	accepted := h.commits.of(c.circle)
	for len(accepted) > 0 {
		<-accepted
	}
	leaves := c.others[0]
	compact := c.party.change(b, time.Now(), func(d *identity.Document) {
		d.Clients = slices.DeleteFunc(d.Clients, func(x identity.Client) bool { return x.Name == leaves.hand.Name })
	})
	ctx, cancel := context.WithTimeout(b.Context(), patience)
	defer cancel()
	start := time.Now()
	if err := c.client.PublishIdentity(ctx, compact); err != nil {
		b.Fatal(err)
	}
	select {
	case done := <-accepted:
		c.gone, c.others, c.commits = append(c.gone, leaves), c.others[1:], append(c.commits, done.message)
		return done.at.Sub(start)
	case <-ctx.Done():
		b.Fatal("the client was not removed")
		return 0
	}
}

// judge gives every client that was dropped all that the node has: it is removed
// by the commit that was measured, and opens nothing that came after.
func (h *benchHouse) judge(b *testing.B, crews []*crew) {
	b.Helper()
	opened := 0
	for _, c := range crews {
		frames := storedFrames(b, h.dir, c.circle)
		for i, o := range c.gone {
			o.thiefTries(b, frames)
			opened += len(o.opened)
			at := slices.IndexFunc(frames, func(f wire.Frame) bool { return f.Number == o.removedAt })
			if at < 0 || !slices.Equal(frames[at].Message, c.commits[i]) {
				b.Errorf("%s of circle %s was removed by another commit than the one measured", o.hand.Name, c.circle)
			}
		}
	}
	if opened == 0 {
		b.Error("nobody opened anything before it was dropped either")
	}
}
