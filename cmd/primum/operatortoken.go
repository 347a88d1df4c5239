package main

import (
	"errors"

	"github.com/spf13/cobra"

	"primum/internal/node"
	"primum/internal/operator"
	"primum/internal/store"
)

func operatorTokenCommand(a *app) *cobra.Command {
	return a.group("token", "operator-token", tokenAddCommand(a), tokenListCommand(a), tokenRemoveCommand(a))
}

// tokenSaid says in words what a command about tokens failed at.
func (a *app) tokenSaid(err error, dir, name string) error {
	switch {
	case errors.Is(err, operator.ErrName):
		return a.said(exitUsage, "operator.token.name")
	case errors.Is(err, store.ErrNotFound):
		return a.said(exitFailed, "operator.token.unknown", "Name", name)
	}
	return a.nodeSaid(err, dir, name)
}

func tokenAddCommand(a *app) *cobra.Command {
	var at nodeDirFlags
	c := a.command("add NAME", "operator-token-add", cobra.ExactArgs(1), func(cmd *cobra.Command, args []string) error {
		dir, err := at.dir(a)
		if err != nil {
			return err
		}
		token, err := node.AddToken(cmd.Context(), dir, args[0], a.clock.Now())
		if err != nil {
			return a.tokenSaid(err, dir, args[0])
		}
		if a.json {
			a.line(map[string]any{"name": args[0], "token": token})
			return nil
		}
		a.say("operator.token.added", "Name", args[0], "Token", token)
		return nil
	})
	at.add(a, c)
	return c
}

func tokenListCommand(a *app) *cobra.Command {
	var at nodeDirFlags
	c := a.command("list", "operator-token-list", cobra.NoArgs, func(cmd *cobra.Command, _ []string) error {
		dir, err := at.dir(a)
		if err != nil {
			return err
		}
		all, err := node.Tokens(cmd.Context(), dir)
		if err != nil {
			return a.tokenSaid(err, dir, "")
		}
		for _, k := range all {
			if a.json {
				a.line(map[string]any{"name": k.Name, "added": k.Added})
				continue
			}
			a.say("operator.token.line", "Name", k.Name, "Added", a.when(k.Added))
		}
		if len(all) == 0 && !a.json {
			a.say("operator.token.none")
		}
		return nil
	})
	at.add(a, c)
	return c
}

func tokenRemoveCommand(a *app) *cobra.Command {
	var at nodeDirFlags
	c := a.command("remove NAME", "operator-token-remove", cobra.ExactArgs(1), func(cmd *cobra.Command, args []string) error {
		dir, err := at.dir(a)
		if err != nil {
			return err
		}
		if err := node.RemoveToken(cmd.Context(), dir, args[0], a.clock.Now()); err != nil {
			return a.tokenSaid(err, dir, args[0])
		}
		a.removed(args[0], "operator.token.removed", "Name", args[0])
		return nil
	})
	c.ValidArgsFunction = a.completeTokens(&at)
	at.add(a, c)
	return c
}
