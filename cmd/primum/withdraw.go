package main

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"primum/circle"
	"primum/client"
)

// withdrawPatience is how long `withdraw` waits for both locks. An anchor that
// is online answers in well under a second.
const withdrawPatience = 5 * time.Second

func withdrawCommand(a *app) *cobra.Command {
	var from string
	var all bool
	c := a.command("withdraw THING|GRANT", "withdraw", cobra.MaximumNArgs(1), func(cmd *cobra.Command, args []string) error {
		if all == (len(args) == 1) {
			return a.said(exitUsage, "withdraw.which")
		}
		what := ""
		if len(args) == 1 {
			what = args[0]
		}
		return a.withdraw(cmd, what, from)
	})
	c.Flags().StringVar(&from, "from", "", a.words.Get("flag.from"))
	c.Flags().BoolVar(&all, "all", false, a.words.Get("flag.all"))
	c.ValidArgsFunction = a.completeGiven
	return c
}

func (a *app) withdraw(cmd *cobra.Command, what, from string) (err error) {
	ctx := cmd.Context()
	o, err := a.open(ctx, cmd)
	if err != nil {
		return err
	}
	defer o.close(&err)
	grants, err := a.toWithdraw(o, what, from)
	if errors.Is(err, client.ErrNoSuch) {
		// Perhaps another client of ours gave it: ask the nodes first.
		if err := a.sync(ctx, o); err != nil {
			return err
		}
		grants, err = a.toWithdraw(o, what, from)
	}
	if err != nil {
		return err
	}
	return a.withdrawAll(ctx, o, grants)
}

func (a *app) toWithdraw(o *opened, what, from string) ([]circle.GrantInfo, error) {
	if what != "" {
		return o.FindGiven(what, from)
	}
	var running []circle.GrantInfo
	for _, g := range o.Owner.Given() {
		if !g.State.Terminal() && (from == "" || g.Grantee == from) {
			running = append(running, g)
		}
	}
	if len(running) == 0 {
		return nil, a.said(exitFailed, "withdraw.none")
	}
	return running, nil
}

// withdrawn is how one withdrawal went.
type withdrawn struct {
	asked   time.Time
	info    circle.WithdrawalInfo
	nodeErr error // why the node did not lock
	err     error
}

// withdrawAll withdraws side by side, so that a lost edge costs its patience
// once, and prints a receipt each. The first failure is the command's.
func (a *app) withdrawAll(ctx context.Context, o *opened, grants []circle.GrantInfo) error {
	done := make([]withdrawn, len(grants))
	err := a.progress(ctx, "progress.withdraw", func(ctx context.Context) error {
		var work sync.WaitGroup
		for i, g := range grants {
			work.Go(func() {
				w := &done[i]
				w.asked = a.clock.Now()
				w.info, w.nodeErr, w.err = o.Withdraw(ctx, g.ID, withdrawPatience)
			})
		}
		work.Wait()
		return ctx.Err()
	})
	for i, g := range grants {
		if e := a.receipt(g, done[i]); e != nil && err == nil {
			err = e
		}
	}
	return err
}

// receipt prints what is known of a withdrawal. The second lock is named only
// when the thing itself has confirmed it; else the exit code tells.
func (a *app) receipt(g circle.GrantInfo, w withdrawn) error {
	if w.err != nil {
		return w.err
	}
	a.showReceipt(g, w.asked, w.info, w.nodeErr)
	switch {
	case w.info.Confirmed():
		return nil
	case !w.info.LockOne.IsZero():
		return a.said(exitUnreachable, "withdraw.unconfirmed-exit")
	case w.nodeErr != nil:
		return w.nodeErr
	}
	return a.said(exitUnreachable, "withdraw.nobody")
}

func (a *app) showReceipt(g circle.GrantInfo, asked time.Time, info circle.WithdrawalInfo, nodeErr error) {
	if a.json {
		line := map[string]any{
			"grant": g.ID, "grantee": g.Grantee, "asked": asked, "confirmed": info.Confirmed(),
			"lockOne": nil, "lockTwo": nil, "receipt": info.Receipt, "statement": info.Statement,
		}
		if !info.LockOne.IsZero() {
			line["lockOne"] = info.LockOne
		}
		if info.Confirmed() {
			line["lockTwo"] = info.LockTwo
		}
		a.line(line)
		return
	}
	a.say("receipt.head", "Grantee", g.Grantee, "Things", sharedText(g), "Grant", g.ID)
	switch {
	case !info.LockOne.IsZero():
		a.say("receipt.lock-one", "At", a.exactly(info.LockOne))
	case nodeErr != nil:
		a.say("receipt.no-lock-one-why", "Why", nodeErr.Error())
	default:
		a.say("receipt.no-lock-one")
	}
	if info.Confirmed() {
		a.say("receipt.lock-two", "At", a.exactly(info.LockTwo))
	} else {
		a.say("receipt.unconfirmed", "Until", a.when(g.ValidUntil))
	}
	a.say("receipt.kept")
}

// exactly is a time to the millisecond: receipts are compared.
func (a *app) exactly(t time.Time) string {
	return t.In(a.zone).Format("15:04:05.000, Mon 2 Jan 2006")
}

func sharedText(g circle.GrantInfo) string {
	text := ""
	for _, s := range g.Shared {
		name := s.Source.Thing + "/" + s.Source.Name
		if s.Source.Thing == "" {
			name = s.Title + "/" + s.Name
		}
		if text != "" {
			text += ", "
		}
		text += name
	}
	return text
}
