package circle

import (
	"bytes"
	"testing"

	"primum/circle/internal/core"
	"primum/grant"
	"primum/mls"
)

// fakeNode keeps order and fences; hooks make it lie.
type fakeNode struct {
	w         *world
	circles   map[core.ID]*fakeCircle
	envelopes map[string]grant.Envelope
	inbox     map[string][]inboxItem // by actor
	stock     map[stockName]*fakeStock
	down      bool
	// filter changes what one reader sees of a circle.
	filter func(reader string, c *fakeCircle, frames []core.Frame) []core.Frame
	// refuse answers an effect in the node's place.
	refuse func(actor string, e core.Effect) (*core.Result, *core.Refusal)
	// loseAck performs and then says nothing.
	loseAck func(actor string, e core.Effect) bool
	appends int
}

type inboxItem struct {
	from, kind string
	document   []byte
}

// stockName is whose stock, and of which suite.
type stockName struct {
	actor string
	suite uint16
}

func hybridOf(actor string) stockName { return stockName{actor, uint16(mls.Suites()[0])} }

type fakeStock struct {
	oneTime    [][]byte
	lastResort []byte
}

// fakeCircle is one append-only sequence with the keyless tracker.
type fakeCircle struct {
	id      core.ID
	log     []core.Frame
	tracker *mls.PublicGroup
	epoch   uint64
	fenced  string
	base    uint64 // numbers go on from here after a restore
}

func (n *fakeNode) mayRead(_ string, _ *fakeCircle) bool { return !n.down }

func (n *fakeNode) headFor(reader string, c *fakeCircle) uint64 {
	frames := c.log
	if n.filter != nil {
		frames = n.filter(reader, c, frames)
	}
	if len(frames) == 0 {
		return c.base
	}
	return max(frames[len(frames)-1].Seq, c.base)
}

func (n *fakeNode) read(reader string, c *fakeCircle, after uint64) []core.Frame {
	frames := c.log
	if n.filter != nil {
		frames = n.filter(reader, c, frames)
	}
	for i, f := range frames {
		if f.Seq > after {
			return frames[i:]
		}
	}
	return nil
}

func (n *fakeNode) push(c *fakeCircle, msg []byte) uint64 {
	seq := uint64(1)
	if n := len(c.log); n > 0 {
		seq = c.log[n-1].Seq + 1
	}
	if c.base > seq {
		seq = c.base + 1
	}
	c.log = append(c.log, core.Frame{Seq: seq, Message: msg})
	return seq
}

func (n *fakeNode) perform(actor string, e core.Effect) (core.Result, *core.Refusal) {
	if n.down {
		return core.Result{}, &core.Refusal{Kind: core.KindOffline}
	}
	if n.refuse != nil {
		if res, ref := n.refuse(actor, e); res != nil || ref != nil {
			if res == nil {
				return core.Result{}, ref
			}
			return *res, ref
		}
	}
	res, ref := n.serve(actor, e)
	if n.loseAck != nil && n.loseAck(actor, e) {
		return core.Result{}, &core.Refusal{Kind: core.KindOffline}
	}
	return res, ref
}

func (n *fakeNode) serve(actor string, e core.Effect) (core.Result, *core.Refusal) {
	switch e.Kind {
	case core.EffectOpenHome, core.EffectOpenCircle:
		return n.open(e)
	case core.EffectAppend:
		return n.append(e)
	case core.EffectCommit:
		return n.commit(e)
	case core.EffectFetchIdentity:
		if p := n.w.people[e.Account]; p != nil {
			return core.Result{Identity: p.doc.Compact()}, nil
		}
		return core.Result{}, &core.Refusal{Kind: core.KindNotFound}
	case core.EffectPublishKeyPackages:
		name := stockName{actor, e.Suite}
		s := n.stock[name]
		if s == nil {
			s = &fakeStock{}
			n.stock[name] = s
		}
		s.oneTime = append(s.oneTime, e.OneTime...)
		if e.LastResort != nil {
			s.lastResort = e.LastResort
		}
		return core.Result{}, nil
	case core.EffectClaimKeyPackages:
		return n.claimPackages(e), nil
	case core.EffectSendInbox:
		return n.deliver(actor, e), nil
	case core.EffectFileEnvelope:
		var env grant.Envelope
		if err := core.Unverified(e.Envelope, &env); err != nil {
			return core.Result{}, &core.Refusal{Kind: "malformed", Detail: err.Error()}
		}
		n.envelopes[env.Circle] = env
		if e.Closing != "" {
			n.fence(env.Replaces, "superseded")
		}
		return core.Result{At: n.w.clock.Now(), State: "Given"}, nil
	case core.EffectFileClosing:
		n.fence(e.Grant, "withdrawn")
		return core.Result{At: n.w.clock.Now(), State: "Withdrawn"}, nil
	}
	return core.Result{}, nil
}

func (n *fakeNode) fence(grantID, reason string) {
	for c, env := range n.envelopes {
		if env.Grant == grantID {
			if id, err := core.ParseID(c); err == nil && n.circles[id] != nil {
				n.circles[id].fenced = reason
			}
		}
	}
}

func (n *fakeNode) deliver(actor string, e core.Effect) core.Result {
	from := actor
	if i := bytes.IndexByte([]byte(actor), '#'); i >= 0 {
		from = actor[:i]
	}
	for name := range n.w.actors {
		if len(name) > len(e.Account) && name[:len(e.Account)+1] == e.Account+"#" && name != actor {
			n.inbox[name] = append(n.inbox[name], inboxItem{from: from, kind: e.InboxKind, document: e.Document})
		}
	}
	return core.Result{}
}

func (n *fakeNode) claimPackages(e core.Effect) (res core.Result) {
	for _, client := range e.Clients {
		s := n.stock[stockName{e.Account + "#" + client, e.Suite}]
		switch {
		case s == nil:
		case len(s.oneTime) > 0:
			res.Packages = append(res.Packages, core.ClaimedPackage{Client: client, KeyPackage: s.oneTime[0]})
			s.oneTime = s.oneTime[1:]
		case s.lastResort != nil:
			res.Packages = append(res.Packages, core.ClaimedPackage{Client: client, KeyPackage: s.lastResort, LastResort: true})
		}
	}
	return res
}

func (n *fakeNode) open(e core.Effect) (core.Result, *core.Refusal) {
	if n.circles[e.Circle] != nil {
		return core.Result{}, nil
	}
	if e.Kind == core.EffectOpenCircle {
		if _, ok := n.envelopes[e.Circle.String()]; !ok {
			return core.Result{}, &core.Refusal{Kind: core.KindNotFound, Detail: "no envelope"}
		}
	}
	tracker, err := mls.NewPublicGroup(mls.Config{Now: n.w.clock.Now}, e.GroupInfo)
	if err != nil {
		return core.Result{}, &core.Refusal{Kind: "malformed", Detail: err.Error()}
	}
	n.circles[e.Circle] = &fakeCircle{id: e.Circle, tracker: tracker, epoch: tracker.Epoch()}
	return core.Result{}, nil
}

func (n *fakeNode) append(e core.Effect) (core.Result, *core.Refusal) {
	c := n.circles[e.Circle]
	if c == nil {
		return core.Result{}, &core.Refusal{Kind: core.KindNotFound}
	}
	head, err := mls.Peek(e.Message)
	if err != nil {
		return core.Result{}, &core.Refusal{Kind: "malformed", Detail: err.Error()}
	}
	if c.fenced != "" {
		return core.Result{}, &core.Refusal{Kind: core.KindFenced}
	}
	switch head.WireFormat {
	case mls.WireKeyPackage:
	case mls.WirePrivateMessage:
		if head.Epoch != c.epoch {
			return core.Result{}, &core.Refusal{Kind: core.KindStaleEpoch, Epoch: c.epoch}
		}
	default:
		if head.Epoch != c.epoch {
			return core.Result{}, &core.Refusal{Kind: core.KindStaleEpoch, Epoch: c.epoch}
		}
		if _, err := c.tracker.Process(e.Message); err != nil {
			return core.Result{}, &core.Refusal{Kind: "malformed", Detail: err.Error()}
		}
	}
	n.appends++
	return core.Result{Seq: n.push(c, e.Message)}, nil
}

func (n *fakeNode) commit(e core.Effect) (core.Result, *core.Refusal) {
	c := n.circles[e.Circle]
	if c == nil {
		return core.Result{}, &core.Refusal{Kind: core.KindNotFound}
	}
	if e.Epoch != c.epoch {
		return core.Result{}, &core.Refusal{Kind: core.KindStaleEpoch, Epoch: c.epoch}
	}
	if c.fenced != "" {
		return core.Result{}, nil // the last removal: taken, delivered to nobody
	}
	if _, err := c.tracker.Process(e.Commit); err != nil {
		return core.Result{}, &core.Refusal{Kind: "malformed", Detail: err.Error()}
	}
	c.epoch = c.tracker.Epoch()
	seq := n.push(c, e.Commit)
	if e.Welcome != nil {
		n.push(c, e.Welcome)
	}
	return core.Result{Seq: seq}, nil
}

// peek reads a frame's head.
func peek(t testing.TB, msg []byte) peeked {
	t.Helper()
	head, err := mls.Peek(msg)
	if err != nil {
		t.Fatal(err)
	}
	if head.WireFormat == mls.WirePrivateMessage {
		return peeked{wire: "private", epoch: head.Epoch}
	}
	return peeked{epoch: head.Epoch}
}
