package httpdoor

import (
	"context"
	"time"

	"primum/identity"
	"primum/internal/relay"
	"primum/internal/wire"
)

// postEnvelope files what an owner gives. The envelope is signed by the
// owner's client; the request too, so that nobody files in another's name.
func (d *Door) postEnvelope(ctx context.Context, c *call) (any, error) {
	var in wire.NewEnvelope
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	return d.cfg.Book.File(ctx, in)
}

// postClosing withdraws. Both documents sign themselves, so that withdrawing
// works from anywhere, also for a suspended account.
func (d *Door) postClosing(ctx context.Context, c *call) (any, error) {
	var in wire.NewClosing
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	return d.cfg.Book.Close(ctx, in)
}

func (d *Door) postRefusal(ctx context.Context, c *call) (any, error) {
	var in wire.NewRefusal
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	if from, err := identity.ParseAddress(in.From); err != nil || from.String() != in.From {
		return nil, at(problem(wire.ProbMalformed, "this is no address in its one form"), "/from")
	}
	if in.Until.Sub(c.now) > maxRefusal {
		return nil, at(problem(wire.ProbMalformed, "a refusal lasts for two years at most"), "/until")
	}
	return nil, d.cfg.Book.Refuse(ctx, c.who.accountName(), in)
}

func (d *Door) getGrants(ctx context.Context, c *call) (any, error) {
	list, err := d.cfg.Book.List(ctx, c.who.accountName(), c.r.URL.Query().Get("after"))
	if err == nil && list == nil {
		list = []wire.GrantStatus{}
	}
	return list, err
}

// postHome opens a home circle; claim and countersignature sign themselves.
// maxHomes is how many homes of an account are listed.
const maxHomes = 64

func (d *Door) getHomes(ctx context.Context, c *call) (any, error) {
	homes, err := d.cfg.Store.Homes.OwnedBy(ctx, c.who.accountName(), maxHomes)
	if err != nil {
		return nil, err
	}
	all := make([]wire.Home, 0, len(homes))
	for _, h := range homes {
		all = append(all, wire.Home{Claim: h.Claim, Countersignature: h.Countersignature})
	}
	return all, nil
}

func (d *Door) postHome(ctx context.Context, c *call) (any, error) {
	var in wire.NewHome
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	if len(in.GroupInfo) > wire.MaxHandshake {
		return nil, at(problem(wire.ProbTooLarge, "a GroupInfo has at most 262144 bytes"), "/groupInfo")
	}
	return d.cfg.Book.OpenHome(ctx, in)
}

func (d *Door) postActive(ctx context.Context, c *call) (any, error) {
	id, err := d.circleOf(c)
	if err != nil {
		return nil, err
	}
	var in wire.ActiveSet
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	return nil, d.cfg.Book.Active(ctx, id, in)
}

func (d *Door) postCircle(ctx context.Context, c *call) (any, error) {
	var in wire.NewCircle
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	if len(in.GroupInfo) > wire.MaxHandshake {
		return nil, at(problem(wire.ProbTooLarge, "a GroupInfo has at most 262144 bytes"), "/groupInfo")
	}
	return d.cfg.Book.OpenCircle(ctx, c.who.circle, c.who.key, in.GroupInfo)
}

func (d *Door) getCircle(ctx context.Context, c *call) (any, error) {
	id, err := d.circleOf(c)
	if err != nil {
		return nil, err
	}
	return d.cfg.Relay.Info(ctx, c.who.relayed(), id)
}

func (d *Door) getMessages(ctx context.Context, c *call) (any, error) {
	id, err := d.circleOf(c)
	if err != nil {
		return nil, err
	}
	after, err := c.after()
	if err != nil {
		return nil, err
	}
	frames, err := d.cfg.Relay.Read(ctx, c.who.relayed(), id, after)
	if err != nil {
		return nil, err
	}
	var b []byte
	for _, f := range frames {
		b = wire.AppendPage(b, f)
	}
	d.metrics.delivered.Add(float64(len(frames)))
	d.handedOver(ctx, c.who.organisation, len(frames), len(b))
	return raw{kind: typeOctets, bytes: b}, nil
}

// appended answers append and commit.
type appended struct {
	Seq       uint64 `json:"seq"`
	WelcomeAt uint64 `json:"welcomeAt,omitempty"`
}

// newCommit is the body of POST /v1/circles/{circle}/commit.
type newCommit struct {
	Commit  []byte `json:"commit"`
	Welcome []byte `json:"welcome,omitempty"`
}

func (d *Door) postAppend(ctx context.Context, c *call) (any, error) {
	return d.append(ctx, c, c.body, nil)
}

func (d *Door) postCommit(ctx context.Context, c *call) (any, error) {
	var in newCommit
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	if len(in.Commit) > wire.MaxHandshake || len(in.Welcome) > wire.MaxHandshake {
		return nil, problem(wire.ProbTooLarge, "a commit and a Welcome have at most 262144 bytes each")
	}
	return d.append(ctx, c, in.Commit, in.Welcome)
}

func (d *Door) append(ctx context.Context, c *call, message, welcome []byte) (any, error) {
	id, err := d.circleOf(c)
	if err != nil {
		return nil, err
	}
	if len(message) == 0 {
		return nil, problem(wire.ProbMalformed, "there is no message")
	}
	done, err := d.cfg.Relay.Append(ctx, relay.Append{Circle: id, Caller: c.who.relayed(), Message: message, Welcome: welcome})
	if err != nil {
		return nil, err
	}
	d.metrics.appended.Inc()
	d.tookOver(ctx, c.who.organisation)
	return appended{Seq: done.Seq, WelcomeAt: done.WelcomeAt}, nil
}

// postCirclePackages claims key packages of the circle's other party for its
// anchor: here, or at the party's own node.
func (d *Door) postCirclePackages(ctx context.Context, c *call) (any, error) {
	id, err := d.circleOf(c)
	if err != nil {
		return nil, err
	}
	name, err := d.cfg.Book.Party(ctx, id)
	if err != nil {
		return nil, err
	}
	suite, err := c.suite()
	if err != nil {
		return nil, err
	}
	if wait, ok := d.claims.take("circle " + id.String()); !ok {
		return nil, tooMany(wait, "key packages claimed for this circle")
	}
	account, err := identity.ParseAddress(name)
	if err != nil {
		return nil, err
	}
	if account.Authority == d.cfg.Authority {
		return d.claimLocal(ctx, account, suite, c.now)
	}
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	return d.cfg.Peer.ClaimKeyPackages(ctx, account, suite)
}
