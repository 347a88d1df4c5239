package client

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"primum/circle"
	"primum/client/link"
	"primum/internal/wire"
)

// answered is how an effect last ended.
type answered struct {
	result circle.Result
	err    error
}

// outcomeName is what an effect is about, for those who wait for its end.
func outcomeName(kind circle.EffectKind, about string) string { return string(kind) + " " + about }

func aboutOf(e circle.Effect) string {
	switch {
	case e.Request != "":
		return e.Request
	case e.Grant != "":
		return e.Grant
	case e.Account != "":
		return e.Account
	case !e.Circle.IsZero():
		return e.Circle.String()
	}
	return ""
}

// perform starts every effect that is not under way.
func (d *driver) perform(ctx context.Context, work *sync.WaitGroup) {
	for _, e := range d.actor.Effects() {
		d.mu.Lock()
		start := !d.performing[e.ID] && len(d.performing) < maxPerforming
		if start {
			d.performing[e.ID] = true
		}
		d.mu.Unlock()
		if start {
			work.Go(func() { d.performOne(ctx, e) })
		}
	}
}

func (d *driver) performOne(ctx context.Context, e circle.Effect) {
	r, err := d.do(ctx, e)
	defer func() {
		d.mu.Lock()
		delete(d.performing, e.ID)
		d.mu.Unlock()
		signal(d.wake)
	}()
	if err != nil && ctx.Err() != nil {
		return // given up by us: the next run does it again
	}
	var answerErr error
	if err == nil {
		answerErr = d.actor.Done(e.ID, r)
	} else {
		d.log().Info("effect refused", "kind", e.Kind, "node", e.Node, "why", err)
		answerErr = d.actor.Failed(e.ID, refusalOf(err))
	}
	if answerErr != nil {
		d.log().Error("answer to effect not kept", "kind", e.Kind, "why", answerErr)
	}
	d.settle(e, r, err)
	if err == nil && (e.Kind == circle.EffectOpenHome || e.Kind == circle.EffectPresentActive) {
		d.hurry(d.authority(e))
	}
}

// hurry makes a link try again at once: the node knows the circle now.
func (d *driver) hurry(authority string) {
	d.mu.Lock()
	l := d.links[authority]
	d.mu.Unlock()
	if l != nil {
		l.Hurry()
		l.Retry()
	}
}

// refusalOf is an error in the words of package circle.
func refusalOf(err error) *circle.Refusal {
	var p *wire.Problem
	if !errors.As(err, &p) {
		kind := circle.KindInternal
		if errors.Is(err, ErrUnreachable) || errors.Is(err, context.DeadlineExceeded) {
			kind = circle.KindOffline
		}
		return &circle.Refusal{Kind: kind, Detail: err.Error()}
	}
	r := &circle.Refusal{
		Kind: strings.TrimPrefix(p.Type, wire.ProblemPrefix), Detail: p.Detail,
		RetryAfter: link.RetryAfter(p), Epoch: p.Epoch,
	}
	if p.Now != nil {
		r.Now = *p.Now
	}
	if p.Type == "about:blank" {
		r.Kind, r.Detail = circle.KindInternal, p.Title
	}
	return r
}

func (d *driver) authority(e circle.Effect) string {
	if e.Node == "" {
		return d.home
	}
	return e.Node
}

// node is where an effect goes, asked by the circle's leaf (anchor) or the
// account.
func (d *driver) node(e circle.Effect) Node {
	n := Node{Calls: d.calls, Authority: d.authority(e), By: d.account}
	if d.leaf != nil && !e.Circle.IsZero() {
		n.By = d.leafKey(e.Circle)
	}
	return n
}

// effectTimeout bounds one attempt; the actor decides about the next.
const effectTimeout = 30 * time.Second

func (d *driver) do(ctx context.Context, e circle.Effect) (r circle.Result, err error) {
	ctx, cancel := context.WithTimeout(ctx, effectTimeout)
	defer cancel()
	n := d.node(e)
	id := e.Circle.String()
	switch e.Kind {
	case circle.EffectOpenHome:
		return r, n.OpenHome(ctx, wire.NewHome{Claim: e.Claim, Countersignature: e.Countersignature, GroupInfo: e.GroupInfo})
	case circle.EffectOpenCircle:
		return r, n.OpenCircle(ctx, e.GroupInfo)
	case circle.EffectAppend:
		r.Seq, err = d.append(ctx, n, e)
		return r, err
	case circle.EffectCommit:
		var a Appended
		a, err = d.commit(ctx, n, e)
		r.Seq = a.Seq
		return r, err
	case circle.EffectClaimKeyPackages:
		return d.claimKeyPackages(ctx, n, e)
	case circle.EffectFetchIdentity:
		r.Identity, err = FetchIdentity(ctx, d.calls, e.Account)
		return r, err
	case circle.EffectPublishKeyPackages:
		_, err = n.PutKeyPackages(ctx, wire.KeyPackages{Suite: e.Suite, OneTime: e.OneTime, LastResort: e.LastResort})
		return r, err
	case circle.EffectSendInbox:
		return r, d.sendInbox(ctx, n, e)
	case circle.EffectFileEnvelope, circle.EffectFileClosing:
		return d.file(ctx, n, e)
	case circle.EffectFileRefusal:
		return r, n.Refuse(ctx, wire.NewRefusal{From: e.Account, Until: e.Until})
	case circle.EffectPresentActive:
		return r, n.Activate(ctx, id, string(e.Document))
	}
	return r, fmt.Errorf("perform %q: this version does not know it", e.Kind)
}

// session is the live session to a node that reads a circle now, nil for none.
func (d *driver) session(authority string, c circle.ID) *Session {
	d.mu.Lock()
	l := d.links[authority]
	live := l != nil && l.circles[wire.CircleID(c)] != nil && l.circles[wire.CircleID(c)].live
	d.mu.Unlock()
	if !live {
		return nil
	}
	return l.Current()
}

func (d *driver) append(ctx context.Context, n Node, e circle.Effect) (uint64, error) {
	if s := d.session(n.Authority, e.Circle); s != nil {
		return s.Append(ctx, wire.CircleID(e.Circle), e.Message)
	}
	return n.Append(ctx, e.Circle.String(), e.Message)
}

func (d *driver) commit(ctx context.Context, n Node, e circle.Effect) (Appended, error) {
	if s := d.session(n.Authority, e.Circle); s != nil {
		return s.Commit(ctx, wire.CircleID(e.Circle), e.Commit, e.Welcome)
	}
	return n.Commit(ctx, e.Circle.String(), e.Commit, e.Welcome)
}

func (d *driver) claimKeyPackages(ctx context.Context, n Node, e circle.Effect) (r circle.Result, err error) {
	claimed, err := n.ClaimKeyPackages(ctx, e.Circle.String(), e.Suite)
	if err != nil {
		return r, err
	}
	for _, p := range claimed.Packages {
		r.Packages = append(r.Packages, circle.ClaimedPackage(p))
	}
	return r, nil
}

func (d *driver) file(ctx context.Context, n Node, e circle.Effect) (r circle.Result, err error) {
	closing := wire.NewClosing{Closing: e.Closing, Countersignature: e.Countersignature}
	var receipt wire.Receipt
	if e.Kind == circle.EffectFileClosing {
		receipt, err = n.FileClosing(ctx, closing)
	} else {
		envelope := wire.NewEnvelope{Envelope: e.Envelope}
		if e.Closing != "" {
			envelope.Replaces = &closing
		}
		receipt, err = n.FileEnvelope(ctx, envelope)
	}
	if err == nil && d.filed != nil {
		d.filed(n.Authority, e, receipt)
	}
	return circle.Result{Receipt: receipt.Receipt, State: receipt.State, At: receipt.At}, err
}

// maxOutcomes bounds what is remembered of effects that ended.
const maxOutcomes = 4096

func (d *driver) settle(e circle.Effect, r circle.Result, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.outcomes) >= maxOutcomes {
		clear(d.outcomes)
	}
	d.outcomes[outcomeName(e.Kind, aboutOf(e))] = answered{r, err}
}

// outcome is how the newest effect of a kind about something ended.
func (d *driver) outcome(kind circle.EffectKind, about string) (answered, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	a, ok := d.outcomes[outcomeName(kind, about)]
	return a, ok
}

// forget makes way for the next outcome.
func (d *driver) forget(kind circle.EffectKind, about string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.outcomes, outcomeName(kind, about))
}

// quiet tells that nothing is under way and nothing waits to be performed.
func (d *driver) quiet() bool {
	d.mu.Lock()
	n := len(d.performing)
	d.mu.Unlock()
	return n == 0 && len(d.actor.Effects()) == 0
}
