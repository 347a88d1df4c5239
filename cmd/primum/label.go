package main

import (
	"net/http"
	"net/url"

	"github.com/spf13/cobra"

	"primum/client/link"
	"primum/internal/wire"
)

func labelCommand(a *app) *cobra.Command {
	return a.group("label", "label", labelAddCommand(a), labelListCommand(a), labelRemoveCommand(a), labelHushCommand(a))
}

// ownNode asks the own node, signed by this client.
func (a *app) ownNode(cmd *cobra.Command, method, path string, in, out any) (err error) {
	o, err := a.open(cmd.Context(), cmd)
	if err != nil {
		return err
	}
	defer o.close(&err)
	return o.Home.JSON(cmd.Context(), o.Home.By, method, link.BaseURL(o.Home.Authority)+path, in, out)
}

func labelAddCommand(a *app) *cobra.Command {
	return a.command("add NAME", "label-add", cobra.ExactArgs(1), func(cmd *cobra.Command, args []string) error {
		var l wire.Label
		if err := a.ownNode(cmd, http.MethodPut, wire.LabelsPath, wire.NewLabel{Name: args[0]}, &l); err != nil {
			return err
		}
		a.showLabel(l)
		return nil
	})
}

func (a *app) showLabel(l wire.Label) {
	if a.json {
		a.line(l)
		return
	}
	a.say("label.line", "Label", l.Label, "Name", l.Name, "DID", l.DID, "Made", a.when(l.Made))
}

func labelListCommand(a *app) *cobra.Command {
	return a.command("list", "label-list", cobra.NoArgs, func(cmd *cobra.Command, _ []string) error {
		var all wire.Labels
		if err := a.ownNode(cmd, http.MethodGet, wire.LabelsPath, nil, &all); err != nil {
			return err
		}
		for _, l := range all.Labels {
			a.showLabel(l)
		}
		if len(all.Labels) == 0 {
			a.say("label.none")
		}
		return nil
	})
}

func labelRemoveCommand(a *app) *cobra.Command {
	c := a.command("remove LABEL", "label-remove", cobra.ExactArgs(1), func(cmd *cobra.Command, args []string) error {
		if err := a.ownNode(cmd, http.MethodDelete, wire.LabelsPath+"/"+url.PathEscape(args[0]), nil, nil); err != nil {
			return err
		}
		a.removed(args[0], "label.removed", "Label", args[0])
		return nil
	})
	c.ValidArgsFunction = a.completeLabels()
	return c
}

// labelHushCommand is for an operator who was asked not to answer for a thing.
func labelHushCommand(a *app) *cobra.Command {
	var f publisherFlags
	var undo bool
	c := a.command("hush NAME", "label-hush", cobra.ExactArgs(1), func(cmd *cobra.Command, args []string) error {
		p, err := a.publisher(&f)
		if err != nil {
			return err
		}
		method, said := http.MethodPut, "label.hushed"
		if undo {
			method, said = http.MethodDelete, "label.unhushed"
		}
		resp, err := p.Do(cmd.Context(), method, wire.OptOutPath+"?id="+url.QueryEscape(args[0]), "", nil)
		if err != nil {
			return err
		}
		_ = resp.Body.Close() // it is empty
		if a.json {
			a.line(map[string]any{"name": args[0], "hushed": !undo})
			return nil
		}
		a.say(said)
		return nil
	})
	c.Flags().BoolVar(&undo, "undo", false, a.words.Get("flag.hush-undo"))
	f.add(a, c)
	return c
}
