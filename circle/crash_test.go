package circle

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"testing"
	"time"

	"primum/circle/internal/anchor"
	"primum/circle/internal/core"
	"primum/circle/internal/member"
	"primum/grant"
	"primum/mls"
)

// crasher fails the n-th change of an actor's directory, once.
type crasher struct {
	at, steps int
	fired     bool
}

var errCrash = errors.New("crash")

func (c *crasher) step(string) error {
	c.steps++
	if c.fired || (c.at > 0 && c.steps == c.at) {
		c.fired = true
		return errCrash
	}
	return nil
}

// crashWorld runs the story of a grant while one actor crashes at one change of
// its files, and is opened again from them.
type crashWorld struct {
	*world
	victim  string
	crasher *crasher
	edge    *anchor.Anchor
	owner   *ownerActor
	friend  *ownerActor
	spied   map[string]uint64 // sealed messages by epoch, leaf and generation
}

func (c *crashWorld) reopen() {
	c.t.Helper()
	old := c.actors[c.victim]
	actorOf(old).Stepped = nil
	c.abandon(old)
	c.crasher.at = 0
	c.crasher.fired = false
	c.open(c.victim)
}

// abandon lets go of the directory without writing anything more.
func (c *crashWorld) abandon(a subject) {
	act := actorOf(a)
	act.Mu.Lock()
	defer act.Mu.Unlock()
	act.Closed = true
	check(c.t, act.Store.Close())
}

func (c *crashWorld) open(name string) {
	c.t.Helper()
	var step func(string) error
	if name == c.victim {
		step = c.crasher.step
	}
	var err error
	switch name {
	case "edge":
		c.edge, err = anchor.Open(c.path(name), anchor.Options{Clock: c.clock, Step: step})
		if err == nil {
			c.add(name, c.edge)
		}
	default:
		address := name[:len(name)-len(phone)]
		p := c.people[address]
		var o *ownerActor
		o, err = openOwner(c.path(name), member.Options{Clock: c.clock, Signer: p.clients["phone"], Identity: p.doc.Compact(), Step: step})
		if err != nil {
			break
		}
		c.add(name, o)
		if address == ownerName {
			c.owner = o
		} else {
			c.friend = o
		}
	}
	if err != nil {
		c.t.Fatal(err)
	}
}

// try does something that the crash may interrupt; then it is done again.
func (c *crashWorld) try(f func() error) {
	c.t.Helper()
	for range 3 {
		err := f()
		if err == nil && !c.crasher.fired {
			return
		}
		if !c.crasher.fired {
			c.t.Fatal(err)
		}
		c.reopen()
		if err == nil {
			return
		}
	}
	c.t.Fatal("it does not work after the crash either")
}

// live is run, with a crash in between.
func (c *crashWorld) live() {
	c.t.Helper()
	for range 500 {
		busy := false
		for _, name := range c.names {
			turned := c.carefulTurn(name)
			busy = busy || turned
			if c.crasher.fired {
				c.reopen()
				busy = true
			}
		}
		if !busy {
			return
		}
	}
	c.t.Fatal("the actors do not come to rest")
}

// carefulTurn is turn, but an error after the crash is the crash.
func (c *crashWorld) carefulTurn(name string) bool {
	a := c.actors[name]
	ok := func(err error) bool {
		if err != nil && !c.crasher.fired {
			c.t.Fatal(err)
		}
		return err == nil
	}
	busy := false
	if !ok(a.Tick()) {
		return true
	}
	for _, s := range a.Subscriptions() {
		fc := c.node.circles[s.Circle]
		if fc == nil {
			continue
		}
		if fc.fenced != "" && !s.Home {
			busy = true
			if !ok(a.Ended(s.Circle, fc.fenced, c.clock.Now())) {
				return true
			}
			continue
		}
		frames := c.node.read(name, fc, s.After)
		if !c.online[name][s.Circle] || (s.Joining && len(frames) > 0) {
			c.online[name][s.Circle] = true
			busy = true
			if !ok(a.Synced(s.Circle, c.node.headFor(name, fc), fc.epoch)) {
				return true
			}
		}
		if len(frames) > 0 {
			n, err := a.Receive(s.Circle, frames)
			if !ok(err) {
				return true
			}
			busy = busy || n > 0
		}
	}
	for _, e := range a.Effects() {
		busy = true
		res, ref := c.node.perform(name, e)
		c.spy(e)
		var err error
		if ref != nil {
			err = a.Failed(e.ID, ref)
		} else {
			err = a.Done(e.ID, res)
		}
		if !ok(err) {
			return true
		}
	}
	if o, isOwner := a.(*ownerActor); isOwner {
		items := c.node.inbox[name]
		for len(items) > 0 {
			busy = true
			if !ok(o.Inbox(items[0].from, c.people[items[0].from].doc.Compact(), items[0].kind, items[0].document)) {
				return true
			}
			items = items[1:]
			c.node.inbox[name] = items
		}
	}
	for _, e := range a.Events() {
		busy = true
		if !ok(a.Ack(e.ID)) {
			return true
		}
		c.events[name] = append(c.events[name], e) // shown once it is acknowledged
		if e.Kind == core.EventCommand {
			if !ok(c.edge.Answer(e.Ref, json.RawMessage(`"done"`), nil)) {
				return true
			}
		}
	}
	return busy
}

// spy reads under which key a message was sealed: never two under one. Any
// member of the circle can tell leaf and generation.
func (c *crashWorld) spy(e core.Effect) {
	if e.Kind != core.EffectAppend {
		return
	}
	head, err := mls.Peek(e.Message)
	if err != nil || head.WireFormat != mls.WirePrivateMessage {
		return
	}
	for _, name := range c.names {
		r := actorOf(c.actors[name]).Rooms[e.Circle]
		if r == nil || r.MLS == nil {
			continue
		}
		leaf, generation, err := r.MLS.Sender(e.Message)
		if err != nil {
			continue
		}
		key := fmt.Sprintf("%s epoch %d leaf %d generation %d", e.Circle, head.Epoch, leaf, generation)
		sum := hashOf(e.Message)
		if was, ok := c.spied[key]; ok && was != sum {
			c.t.Errorf("two messages were sealed at %s", key)
		}
		c.spied[key] = sum
		return
	}
}

func hashOf(b []byte) (h uint64) {
	for _, x := range b {
		h = h*1099511628211 ^ uint64(x)
	}
	return h
}

// TestP6CrashAtAnyInstant crashes each actor at each change of its files during
// claim, grant, values, a command and the withdrawal: nothing is shown twice,
// nothing is sealed twice under one key, and everything ends as without a
// crash.
func TestP6CrashAtAnyInstant(t *testing.T) {
	t.Parallel()
	for _, victim := range []string{"edge", ownerName + phone, friendName + phone} {
		t.Run(victim, func(t *testing.T) {
			t.Parallel()
			total := crashStory(t, victim, 0)
			for at := 1; at <= total; at += max(1, total/crashPoints) {
				t.Run(strconv.Itoa(at), func(t *testing.T) {
					t.Parallel()
					crashStory(t, victim, at)
				})
			}
		})
	}
}

// crashStory returns how many changes the victim made.
func crashStory(t *testing.T, victim string, at int) int {
	t.Helper()
	w := newWorld(t)
	defer func() {
		for _, a := range w.actors {
			_ = a.Close()
		}
	}()
	w.person(ownerName, "phone")
	friend := w.person(friendName, "phone")
	c := &crashWorld{world: w, victim: victim, crasher: &crasher{}, spied: map[string]uint64{}}
	for _, name := range []string{"edge", ownerName + phone, friendName + phone} {
		c.open(name)
	}
	c.crasher.at, c.crasher.steps = at, 0
	c.try(func() error { return c.edge.SetThings(usualThings()) })
	c.try(func() error { return c.friend.KeyPackageStock(nil) })
	c.live()
	var home core.ID
	c.try(func() (err error) { home, err = c.claimOnce(); return err })
	c.live()
	var id string
	c.try(func() (err error) {
		for _, g := range c.owner.Given() {
			if g.Home == home {
				id = g.ID // it was given before the crash
				return nil
			}
		}
		id, err = c.owner.Give(w.params(home, friend, every(time.Minute), grant.OpObserve, grant.OpWrite))
		return err
	})
	c.live()
	for i := range 3 {
		c.try(func() error {
			return c.edge.Feed(core.Sample{Thing: "meter", Name: "power", At: w.clock.Now(), Value: json.RawMessage(fmt.Sprint(i))})
		})
		w.clock.Advance(time.Minute)
		c.live()
	}
	c.sendCommand()
	w.clock.Advance(time.Minute)
	c.live()
	c.try(func() error { return c.owner.Withdraw(id) })
	c.live()
	w.clock.Advance(time.Minute)
	c.live()
	w.clock.Advance(10 * time.Minute)
	c.live()
	c.verify(id)
	return c.crasher.steps
}

// claimOnce claims the edge, or claims it again when the crash took the answer.
func (c *crashWorld) claimOnce() (core.ID, error) {
	req, err := c.owner.BeginClaim(nodeH)
	if err != nil {
		return core.ID{}, err
	}
	offer, err := c.edge.BeginClaim(req)
	if err != nil {
		return core.ID{}, err
	}
	cs, err := c.owner.SignClaim(req, offer, c.edge.ThingKey())
	if err != nil {
		return core.ID{}, err
	}
	welcome, err := c.edge.FinishClaim(cs)
	if err != nil {
		return core.ID{}, err
	}
	return c.owner.JoinHome(offer, welcome)
}

func (c *crashWorld) sendCommand() {
	c.t.Helper()
	c.try(func() error {
		for _, g := range c.friend.Grants() {
			if g.Joined && !g.State.Terminal() {
				_, err := c.friend.Command(member.CommandParams{Circle: g.Circle, Name: "power", Op: grant.OpWrite, Input: json.RawMessage("1")})
				return err
			}
		}
		return nil
	})
	c.live()
}

// verify is what must hold whatever happened.
func (c *crashWorld) verify(id string) {
	c.t.Helper()
	var info member.GrantInfo
	for _, g := range c.owner.Given() {
		if g.ID == id {
			info = g
		}
	}
	if info.Withdrawal == nil || !info.Withdrawal.Confirmed() {
		c.t.Errorf("the withdrawal is %+v", info.Withdrawal)
	}
	if len(c.spied) < 20 {
		c.t.Errorf("only %d sealed messages were looked at", len(c.spied))
	}
	values := map[string]int{}
	for _, e := range c.got(friendName+phone, core.EventValue) {
		values[e.ValueAt.String()]++
	}
	for at, n := range values {
		if n > 1 {
			c.t.Errorf("the value of %s was shown %d times", at, n)
		}
	}
	if len(values) == 0 {
		c.t.Errorf("no value arrived; %s", c.kinds(friendName+phone))
	}
	commands := map[string]int{}
	for _, e := range c.got("edge", core.EventCommand) {
		commands[e.Ref]++
	}
	for ref, n := range commands {
		if n > 1 {
			c.t.Errorf("command %s reached the edge %d times", ref, n)
		}
	}
	if answers := len(c.got(friendName+phone, core.EventAnswer)); len(commands) > 1 && answers == 0 {
		c.t.Errorf("%d commands and no answer", len(commands))
	}
}
