package main

import (
	"github.com/spf13/cobra"

	"primum/circle"
	"primum/client"
	"primum/grant"
	"primum/ledger"
)

// ledgerPromisesCommand shows what nodes promised this client.
func ledgerPromisesCommand(a *app) *cobra.Command {
	return a.command("promises", "ledger-promises", cobra.NoArgs, func(cmd *cobra.Command, _ []string) (err error) {
		o, err := a.synced(cmd.Context(), cmd)
		if err != nil {
			return err
		}
		defer o.close(&err)
		for range 2 { // the promise, and then its proof
			o.CheckPledges(cmd.Context())
		}
		broken := 0
		all := o.Pledges()
		for _, p := range all {
			a.showPledge(p, aboutOf(o.Owner.Given(), p.About))
			if p.Finding != "" {
				broken++
			}
		}
		switch {
		case broken > 0:
			return a.said(exitFailed, "promises.some")
		case len(all) == 0:
			a.say("promises.none")
		}
		return nil
	})
}

// aboutOf names a grant as people know it; anything else by its id.
func aboutOf(grants []circle.GrantInfo, id string) string {
	for _, g := range grants {
		if g.ID == id {
			return sharedText(g) + "  " + g.Grantee
		}
	}
	return id
}

func (a *app) showPledge(p client.Pledge, about string) {
	if a.json {
		a.line(p)
		return
	}
	event := p.Event // a right has its own name
	if a.words.Has("state." + event) {
		event = a.state(grant.State(event))
	}
	switch {
	case p.Finding != "":
		a.say("promises.broken", "Event", event, "About", about, "Node", p.Node, "Why", a.words.Get("noticed."+p.Finding))
	case p.Proof != "":
		r, _ := ledger.ParseReceipt([]byte(p.Proof)) // verified when it came
		a.say("promises.proved", "Event", event, "About", about, "Node", p.Node, "Index", r.Index)
	case p.By.IsZero():
		a.say("promises.unheard", "Event", event, "About", about, "Node", p.Node)
	default:
		a.say("promises.waits", "Event", event, "About", about, "Node", p.Node, "By", a.when(p.By))
	}
}
