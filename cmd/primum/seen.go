package main

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"primum/circle"
	"primum/client"
	"primum/client/monitor"
	"primum/internal/durable"
	"primum/internal/wire"
	"primum/ledger"
)

// seenFlags are what a person wants to know of who saw what.
type seenFlags struct {
	day, since, export, check string
	prove                     bool
}

func seenCommand(a *app) *cobra.Command {
	var f seenFlags
	c := a.command("seen [THING|WHO]", "seen", cobra.MaximumNArgs(1), func(cmd *cobra.Command, args []string) error {
		if f.check != "" {
			return a.checkSeen(cmd.Context(), f.check)
		}
		last, days, err := f.span(a)
		if err != nil {
			return usage(err)
		}
		return a.seen(cmd, f, last, days, append(args, "")[0])
	})
	c.Flags().StringVar(&f.day, "day", "", a.words.Get("flag.seen-day"))
	c.Flags().StringVar(&f.since, "since", "", a.words.Get("flag.seen-since"))
	c.Flags().BoolVar(&f.prove, "prove", false, a.words.Get("flag.seen-prove"))
	c.Flags().StringVar(&f.export, "export", "", a.words.Get("flag.seen-export"))
	c.Flags().StringVar(&f.check, "check", "", a.words.Get("flag.seen-check"))
	c.MarkFlagsMutuallyExclusive("day", "since", "check")
	c.ValidArgsFunction = a.completeGiven
	return c
}

// span is the last day wanted and how many up to it; all days are of UTC.
func (f seenFlags) span(a *app) (last time.Time, days int, err error) {
	today := a.clock.Now().UTC().Truncate(24 * time.Hour)
	read := func(text string) (time.Time, error) {
		day, err := time.Parse(wire.SeenDayForm, text)
		if err != nil || day.After(today) {
			return day, errors.New(a.words.Get("saw.day", "Text", text, "Today", today.Format(wire.SeenDayForm)))
		}
		return day, nil
	}
	switch {
	case f.day != "":
		last, err = read(f.day)
		return last, 1, err
	case f.since != "":
		first, err := read(f.since)
		return today, min(1+int(today.Sub(first)/(24*time.Hour)), maxSeenDays), err
	}
	return today, 7, nil
}

// maxSeenDays is for how long a node keeps days.
const maxSeenDays = 400

// seen asks, judges, shows, and keeps what was wanted.
func (a *app) seen(cmd *cobra.Command, f seenFlags, last time.Time, days int, who string) (err error) {
	o, err := a.synced(cmd.Context(), cmd)
	if err != nil {
		return err
	}
	defer o.close(&err)
	report, err := a.whoSaw(cmd.Context(), o, last, days)
	if err != nil {
		return err
	}
	grants := seenGrants(o.Owner.Given(), who)
	if who != "" && len(grants) == 0 {
		return a.said(exitUsage, "saw.unknown", "Who", who)
	}
	broken := 0
	for _, d := range report.Days {
		if d.State == client.SeenBroken {
			broken++
		}
		a.showDay(cmd.Context(), o, d, grants, f.prove)
	}
	if len(report.Days) == 0 {
		a.say("saw.none", "N", days)
	}
	if f.export != "" {
		if err := a.exportSeen(o.SeenFile(report), f.export); err != nil {
			return err
		}
	}
	a.say("saw.limits")
	if broken > 0 {
		return a.said(exitFailed, "saw.broken", "N", broken)
	}
	return nil
}

// whoSaw asks in pieces of as many days as a node tells at once.
func (a *app) whoSaw(ctx context.Context, o *opened, last time.Time, days int) (all client.SeenReport, err error) {
	for days > 0 {
		n := min(days, wire.MaxSeenDays)
		r, err := o.WhoSaw(ctx, last.Format(wire.SeenDayForm), n)
		if err != nil {
			return all, err
		}
		all.At, all.Log, all.Days = r.At, r.Log, append(all.Days, r.Days...)
		last, days = last.AddDate(0, 0, -n), days-n
	}
	return all, nil
}

// seenGrants are the grants that a word on the command line means, by id: those
// of an account or its name, or of a thing; all for none.
func seenGrants(given []circle.GrantInfo, who string) map[string]circle.GrantInfo {
	out := map[string]circle.GrantInfo{}
	for _, g := range given {
		if who == "" || matchesSeen(g, strings.ToLower(who)) {
			out[g.ID] = g
		}
	}
	return out
}

func matchesSeen(g circle.GrantInfo, who string) bool {
	if user, _, _ := strings.Cut(g.Grantee, "@"); g.Grantee == who || user == who || strings.HasPrefix(g.ID, who) && len(who) >= 8 {
		return true
	}
	for _, s := range g.Shared {
		if s.Source.Thing == who || s.Source.Thing+"/"+s.Source.Name == who {
			return true
		}
	}
	return false
}

// showDay shows the rows of a day that are of grants; without a choice also
// those of grants that this client does not know.
func (a *app) showDay(ctx context.Context, o *opened, d client.SeenDay, grants map[string]circle.GrantInfo, prove bool) {
	names := map[string]string{}
	for _, g := range o.SeenGrants([]client.SeenDay{d}) {
		for id, name := range g.Clients {
			names[g.ID+id] = name
		}
	}
	known := seenGrants(o.Owner.Given(), "")
	if a.json && len(d.Rows) == 0 {
		a.line(map[string]any{"day": d.Day, "state": d.State, "why": d.Why})
	}
	a.say("saw.day-line", "Day", d.Day, "State", a.words.Get("saw.state."+string(d.State)))
	if d.State == client.SeenBroken {
		a.say("saw.why", "Why", a.words.Get("saw.why."+d.Why))
	}
	for _, r := range d.Rows {
		g, chosen := grants[r.Grant]
		if _, mine := known[r.Grant]; !chosen && (mine || len(grants) != len(known)) {
			continue
		}
		a.showSeenRow(d, r, g, names[r.Grant+r.Client])
	}
	if prove && d.Closed() {
		a.proveDay(ctx, o.Home.Authority, d)
	}
}

func (a *app) showSeenRow(d client.SeenDay, r wire.SeenRow, g circle.GrantInfo, device string) {
	who, what, purpose := g.Grantee, sharedText(g), ""
	if t, err := client.Terms(g.Terms); err == nil {
		purpose = purposeText(t.Process.Purpose)
	}
	if a.json {
		a.line(map[string]any{
			"day": d.Day, "state": d.State, "why": d.Why, "grant": r.Grant, "who": who, "device": device, "client": r.Client,
			"deliveries": r.Deliveries, "bytes": r.Bytes, "actions": r.Actions, "first": r.First, "last": r.Last, "things": what, "purpose": purpose,
		})
		return
	}
	if who == "" {
		who, what = a.words.Get("saw.strange", "Grant", r.Grant), "–"
	}
	if device == "" {
		device = a.words.Get("saw.device")
	}
	a.say("saw.row", "Who", who, "Device", device, "Got", a.words.Get("saw.got", "N", int64(r.Deliveries)), "Sent", a.words.Get("saw.sent", "N", int64(r.Actions)),
		"From", seenClock(r.First), "To", seenClock(r.Last))
	a.say("saw.what", "Things", what, "Fine", a.fineText(g), "Why", purpose)
}

// seenClock is the time of a minute, in UTC as the days are.
func seenClock(minute string) string {
	t, err := time.Parse(wire.SeenMinuteForm, minute)
	if err != nil {
		return "–"
	}
	return t.Format("15:04")
}

// proveDay shows what a closed day's seal is, and where it stands, with the
// cosignatures of witnesses that verify.
func (a *app) proveDay(ctx context.Context, node string, d client.SeenDay) {
	root := hex.EncodeToString(d.Root)
	if d.State != client.SeenProved {
		a.seenLine(map[string]any{"day": d.Day, "root": root, "due": d.Due}, "saw.root", "Root", root)
		return
	}
	p, err := a.checkDay(ctx, d.SeenDay)
	if err != nil {
		a.seenLine(map[string]any{"day": d.Day, "root": root, "error": err.Error()}, "saw.unchecked", "Root", root, "What", err.Error())
		return
	}
	names := []string{}
	for _, w := range p.Checkpoint.Cosigned {
		names = append(names, w.Name)
	}
	id := "saw.proof"
	if len(names) == 0 {
		id = "saw.proof-alone"
	}
	a.seenLine(map[string]any{
		"day": d.Day, "root": root, "log": p.Log.Origin, "index": p.Receipt.Index, "size": p.Checkpoint.Size, "witnesses": names,
	}, id, "Root", root, "Node", node, "Index", p.Receipt.Index+1, "Size", p.Checkpoint.Size, "Names", strings.Join(names, ", "), "N", len(names))
}

func (a *app) seenLine(v map[string]any, id string, pairs ...any) {
	if a.json {
		a.line(v)
		return
	}
	a.say(id, pairs...)
}

// checkDay checks a day against its node's log and the witnesses of it.
func (a *app) checkDay(ctx context.Context, d wire.SeenDay) (monitor.Proof, error) {
	if err := d.CheckRoot(); err != nil {
		return monitor.Proof{}, err
	}
	leaf := wire.SeenLeaf(d.Secret, d.Day, d.Root)
	return a.monitor().Check(ctx, []byte(d.Proof), leaf[:])
}

func (a *app) exportSeen(f wire.SeenFile, file string) error {
	b, err := json.MarshalIndent(f, "", "  ")
	if err == nil {
		err = durable.WriteFile(file, append(b, '\n'))
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", file, err)
	}
	a.seenLine(map[string]any{"export": file, "days": len(f.Days)}, "saw.exported", "File", file, "N", len(f.Days))
	return nil
}

// checkSeen checks a file that somebody took away, on any machine.
func (a *app) checkSeen(ctx context.Context, file string) error {
	r, err := os.Open(file)
	if err != nil {
		return usage(err)
	}
	defer func() { _ = r.Close() }()
	b, err := io.ReadAll(io.LimitReader(r, wire.MaxSeenFile+1))
	if err != nil {
		return err
	}
	f, err := wire.ReadSeenFile(b)
	if err != nil {
		return err
	}
	bad := 0
	for _, d := range f.Days {
		if !a.checkFiled(ctx, f, d) {
			bad++
		}
	}
	if bad > 0 {
		return a.said(exitFailed, "saw.broken", "N", bad)
	}
	return nil
}

// checkFiled says of one day of a file how far it is proved. The log must be of
// the node that the file names.
func (a *app) checkFiled(ctx context.Context, f wire.SeenFile, d wire.SeenDay) bool {
	state, what := client.SeenOpen, ""
	switch {
	case d.Closed() && d.Proof == "":
		state = client.SeenWaiting
		if err := d.CheckRoot(); err != nil {
			state, what = client.SeenBroken, err.Error()
		}
	case d.Closed():
		state = client.SeenProved
		p, err := a.checkDay(ctx, d)
		if err == nil && p.Log.Origin != ledger.CommitmentsOrigin(f.Node) {
			err = fmt.Errorf("the proof is of %s", p.Log.Origin)
		}
		if err != nil {
			state, what = client.SeenBroken, err.Error()
		}
	}
	a.seenLine(map[string]any{"day": d.Day, "state": state, "why": what}, "saw.filed", "Day", d.Day, "State", a.words.Get("saw.state."+string(state)), "What", what)
	return state != client.SeenBroken
}
