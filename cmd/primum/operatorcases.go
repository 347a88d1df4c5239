package main

import (
	"errors"

	"github.com/spf13/cobra"

	"primum/internal/node"
	"primum/internal/store"
)

func operatorCasesCommand(a *app) *cobra.Command {
	var at nodeDirFlags
	c := a.command("cases", "operator-cases", cobra.NoArgs, func(cmd *cobra.Command, _ []string) error {
		dir, err := at.dir(a)
		if err != nil {
			return err
		}
		all, err := node.Cases(cmd.Context(), dir)
		if err != nil {
			return a.nodeSaid(err, dir, "")
		}
		for _, c := range all {
			a.showCase(c)
		}
		if len(all) == 0 && !a.json {
			a.say("operator.case.none")
		}
		return nil
	})
	at.add(a, c)
	return c
}

func operatorAnswerCommand(a *app) *cobra.Command {
	var at nodeDirFlags
	c := a.command("answer CASE TEXT", "operator-answer", cobra.ExactArgs(2), func(cmd *cobra.Command, args []string) error {
		dir, err := at.dir(a)
		if err != nil {
			return err
		}
		text, err := a.textOf(args[1])
		if err != nil {
			return err
		}
		err = node.Answer(cmd.Context(), dir, args[0], text, a.clock.Now())
		if errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrConflict) {
			return a.said(exitFailed, "operator.case.unknown", "Case", args[0])
		}
		if err != nil {
			return a.nodeSaid(err, dir, args[0])
		}
		a.say("operator.case.answered", "Case", args[0])
		return nil
	})
	at.add(a, c)
	return c
}
