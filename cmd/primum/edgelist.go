package main

import (
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"primum/internal/edge"
)

func edgeThingsCommand(a *app) *cobra.Command {
	var dir string
	c := a.command("things", "edge-things", cobra.NoArgs, func(cmd *cobra.Command, _ []string) error {
		o, err := edge.NewControl(a.edgeDir(dir)).Overview(cmd.Context())
		if err != nil {
			return err
		}
		if a.json {
			a.line(o)
			return nil
		}
		a.showOverview(o)
		return nil
	})
	c.Flags().StringVar(&dir, "dir", "", a.words.Get("flag.edge-state"))
	return c
}

func (a *app) showOverview(o edge.Overview) {
	if o.Owner != "" {
		a.say("edge.owner", "Owner", o.Owner)
	} else {
		a.say("edge.unclaimed")
	}
	if b := o.Broker; b != nil && b.Connected {
		a.say("edge.broker-up", "Broker", b.Broker)
	} else if b != nil {
		a.say("edge.broker-down", "Broker", b.Broker, "Why", b.Problem)
	}
	for _, t := range o.Things {
		a.showStatus(t)
	}
	if len(o.Things) == 0 {
		a.say("edge.none")
	}
	if o.Waiting > 0 || o.Dropped > 0 {
		a.say("edge.buffer", "Waiting", o.Waiting, "Dropped", o.Dropped)
	}
	for _, p := range o.Problems {
		a.say("edge.problem", "What", p)
	}
}

func (a *app) showStatus(t edge.Status) {
	a.say("edge.thing", "Name", pad(t.Name, 24), "Affordances", strings.Join(t.Affordances, " "),
		"Values", strconv.FormatUint(t.Values, 10), "Gone", t.Gone)
	if t.Refused > 0 {
		a.say("edge.refused", "Refused", t.Refused, "Why", t.Problem)
	}
	for _, u := range t.Unmapped {
		a.say("edge.unmapped", "What", u)
	}
	for _, d := range t.Changed {
		a.say("edge.changed", "What", d)
	}
	if len(t.Changed) > 0 {
		a.say("edge.accept", "Name", t.Name)
	}
}

func edgeAcceptCommand(a *app) *cobra.Command {
	var dir string
	c := a.command("accept THING", "edge-accept", cobra.ExactArgs(1), func(cmd *cobra.Command, args []string) error {
		if err := edge.NewControl(a.edgeDir(dir)).Accept(cmd.Context(), args[0]); err != nil {
			return err
		}
		a.say("edge.accepted", "Name", args[0])
		return nil
	})
	c.Flags().StringVar(&dir, "dir", "", a.words.Get("flag.edge-state"))
	return c
}

func edgeHistoryCommand(a *app) *cobra.Command {
	var dir string
	c := a.command("history THING on|off", "edge-history", cobra.ExactArgs(2), func(cmd *cobra.Command, args []string) error {
		if args[1] != "on" && args[1] != "off" {
			return a.said(exitUsage, "edge.history-which")
		}
		if err := edge.NewControl(a.edgeDir(dir)).SetHistory(cmd.Context(), args[0], args[1] == "on"); err != nil {
			return err
		}
		a.say("edge.history-"+args[1], "Name", args[0])
		return nil
	})
	c.Flags().StringVar(&dir, "dir", "", a.words.Get("flag.edge-state"))
	return c
}
