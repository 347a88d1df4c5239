package oath

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"primum/ledger"
)

const (
	maxReason   = 300 // bytes of a reason that contains a stranger's words
	maxFacts    = 64  // of one probe
	maxEvidence = 16  // of one step
	grace       = 2 * time.Second
)

// Check looks at a domain clause by clause. The error means that nothing was
// checked: the domain is no name, or nobody answers there
// (client.ErrUnreachable). It returns within the total time and half a minute,
// whatever the other side does. The second result is what to keep of the
// ledger for the next check.
func Check(ctx context.Context, cfg Config) (Report, ledger.Kept, error) {
	life, cancel := context.WithCancel(ctx)
	defer cancel()
	r, err := newRun(life, cfg)
	if err != nil {
		return Report{}, cfg.Kept, err
	}
	timed, done := context.WithTimeout(life, r.cfg.Total.Time)
	defer done()
	rep := Report{Domain: r.Target.Domain, At: r.Clock.Now(), From: cfg.From, Version: cfg.Version}
	if err := r.meet(timed); err != nil {
		r.net.close()
		return Report{}, cfg.Kept, err
	}
	if r.Target.Oath != nil {
		rep.Oath = r.Target.OathSHA256
	}
	for _, c := range cfg.Clauses {
		res := r.clause(timed, c)
		rep.Results = append(rep.Results, res)
		if cfg.Told != nil {
			cfg.Told(res)
		}
	}
	if err := r.close(); err != nil {
		rep.Left = Plain(err.Error(), maxReason)
	}
	return rep, r.Kept(), ctx.Err()
}

// clause checks one clause within its own budget.
func (r *Run) clause(ctx context.Context, c Clause) Result {
	limit := r.cfg.Clause
	if c.AtMost > 0 {
		limit.Time = c.AtMost
	}
	r.purse.begin(limit)
	ctx, cancel := context.WithTimeout(ctx, limit.Time)
	defer cancel()
	began := time.Now()
	res := Result{Clause: c.ID, Title: c.Title, Check: c.SHA256, At: r.Clock.Now(), Sworn: r.Target.sworn(c), Steps: []Seen{}}
	if why := r.lacks(c); why != "" {
		res.Verdict, res.Reason = NotShown, why
	} else {
		r.steps(ctx, c, &res)
	}
	res.unshown(c)
	res.Took = Millis(time.Since(began).Milliseconds())
	res.Bytes, res.Asked = r.purse.used()
	return res
}

// lacks says which need of a clause is not met.
func (r *Run) lacks(c Clause) string {
	for _, need := range c.Needs {
		switch {
		case need == NeedPrimum && r.Target.Node == nil:
			return r.Target.NoNode
		case need == NeedPeople && !r.cfg.People:
			return "this check opens no accounts there"
		case need == NeedLedger && (r.Target.Node == nil || r.Target.Node.Ledger == nil):
			return "the node names no public ledger"
		case need == NeedOath && r.Target.Oath == nil:
			return r.Target.NoOath
		case need == NeedTLS && r.Target.Local:
			return "a name of this machine is spoken to without TLS"
		}
	}
	return ""
}

// steps runs the probes of a clause and sums up: one broken step breaks the
// clause; one step without a breach shows something.
func (r *Run) steps(ctx context.Context, c Clause, res *Result) {
	with, err := r.cfg.with(c)
	if err != nil {
		res.Verdict, res.Reason = NotShown, err.Error()
		return
	}
	facts := map[string]Value{}
	res.Verdict = NotShown
	for _, s := range c.Steps {
		seen := r.step(ctx, s, with, facts)
		res.Steps = append(res.Steps, seen)
		switch {
		case seen.Verdict == Broken:
			if res.Verdict != Broken {
				res.Verdict, res.Reason = Broken, seen.Reason
			}
		case seen.Verdict == NoBreach && res.Verdict == NotShown:
			res.Verdict = NoBreach
		case seen.Verdict == NotShown && !slices.Contains(res.Unshown, seen.Reason):
			res.Unshown = append(res.Unshown, seen.Reason)
		}
	}
	res.Shown = c.shown(with, facts)
}

// unshown adds what no check of this clause shows. A clause of which nothing is
// shown takes the first of all reasons as its own.
func (res *Result) unshown(c Clause) {
	all := res.Unshown
	for _, u := range c.Unshown {
		if !slices.Contains(all, u) {
			all = append(all, u)
		}
	}
	if res.Verdict == NotShown && res.Reason == "" && len(all) > 0 {
		res.Reason, all = all[0], all[1:]
	}
	res.Unshown = all
}

// step runs one probe and judges what it saw.
func (r *Run) step(ctx context.Context, s Step, with Args, facts map[string]Value) Seen {
	seen := Seen{Probe: s.Probe, Verdict: NotShown}
	probe, ok := r.cfg.Probes[s.Probe]
	if !ok {
		seen.Reason = "this program has no probe named " + s.Probe
		return seen
	}
	args, err := s.args(with)
	if err != nil {
		seen.Reason = err.Error()
		return seen
	}
	obs, err := r.probe(ctx, probe, args)
	seen.Facts = keep(facts, obs.Facts)
	seen.Evidence = trim(obs.Evidence)
	if err != nil {
		seen.Reason = because(ctx, err)
		return seen
	}
	seen.Verdict, seen.Reason = s.judge(with, facts)
	if seen.Verdict == Broken && !replayable(seen.Evidence) {
		seen.Verdict, seen.Reason = NotShown, "there is no evidence that others could judge: "+seen.Reason
	}
	if seen.Verdict == NoBreach && ctx.Err() != nil { // it may have looked for half of what it should
		seen.Verdict, seen.Reason = NotShown, because(ctx, ctx.Err())
	}
	return seen
}

// probe runs p and comes back in any case: a probe that does not notice the end
// of its time is left behind, one that panics has seen nothing.
func (r *Run) probe(ctx context.Context, p Probe, args Args) (Observation, error) {
	type outcome struct {
		obs Observation
		err error
	}
	done := make(chan outcome, 1)
	go func() {
		var o outcome
		defer func() {
			if recover() != nil {
				o = outcome{err: Unshown("the probe failed on what it was answered")}
			}
			done <- o
		}()
		o.obs, o.err = p(ctx, r, args)
	}()
	select {
	case o := <-done:
		return o.obs, o.err
	case <-ctx.Done():
	}
	select {
	case o := <-done:
		return o.obs, o.err
	case <-time.After(grace):
		return Observation{}, ctx.Err()
	}
}

// because turns a probe's error into a reason for people.
func because(ctx context.Context, err error) string {
	var unshown *NotShownError
	switch {
	case errors.As(err, &unshown):
		return Plain(unshown.Reason, maxReason)
	case errors.Is(err, ErrBudget):
		return Plain(err.Error(), maxReason)
	case ctx.Err() != nil:
		return "the time for this clause was over before there was an answer"
	}
	return Plain(err.Error(), maxReason)
}

// with are a clause's parameters, with those that the configuration replaces.
func (cfg Config) with(c Clause) (Args, error) {
	with := Args{}
	for name, v := range c.With {
		text, ok := cfg.With[c.ID+"."+name]
		if ok {
			var err error
			if v, err = parseValue(text); err != nil {
				return nil, fmt.Errorf("%s.%s: %w", c.ID, name, err)
			}
		}
		with[name] = v
	}
	return with, nil
}

func (s Step) args(with Args) (Args, error) {
	args := Args{}
	for name, tok := range s.Args {
		v, err := resolve(tok, with, nil)
		if err != nil {
			return nil, fmt.Errorf("line %d of the check: %w", s.Line, err)
		}
		args[name] = v
	}
	return args, nil
}

// keep adds facts to those of the clause and returns them as text.
func keep(all, more map[string]Value) map[string]string {
	shown := map[string]string{}
	for name, v := range more {
		if len(shown) == maxFacts || !word.MatchString(name) {
			continue
		}
		if v.kind == kindText {
			v.s = Plain(v.s, 2*MaxEvidence)
		}
		all[name], shown[name] = v, v.shown()
	}
	return shown
}

func trim(evidence []Evidence) []Evidence {
	evidence = evidence[:min(len(evidence), maxEvidence)]
	for i, e := range evidence {
		evidence[i].What, evidence[i].Replay = Plain(e.What, maxReason), Plain(e.Replay, 2*maxReason)
		evidence[i].Asked, evidence[i].Answer = cut(e.Asked), cut(e.Answer)
		evidence[i].Bytes = e.Bytes[:min(len(e.Bytes), MaxEvidence)]
	}
	return evidence
}

func replayable(evidence []Evidence) bool {
	for _, e := range evidence {
		if e.Replay != "" {
			return true
		}
	}
	return false
}

func cut(s string) string {
	if len(s) <= MaxEvidence {
		return s
	}
	return strings.ToValidUTF8(s[:MaxEvidence], "") + "…"
}

// shown is the one number of a clause that has one, with its bound.
func (c Clause) shown(with Args, facts map[string]Value) *Shown {
	got, ok := facts[c.Shows]
	if !ok || got.kind != kindNumber && got.kind != kindDuration {
		return nil
	}
	s := &Shown{Fact: c.Shows, Value: got.float(), Unit: got.unit()}
	if bound, err := resolve(c.Bound, with, facts); err == nil && bound.kind == got.kind {
		b := bound.float()
		s.Bound = &b
	}
	return s
}
