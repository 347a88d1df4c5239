package main

import (
	"strings"

	"github.com/spf13/cobra"
)

// command makes a command whose help comes from the catalogue: id+".short",
// ".long" and ".example" under "cmd.".
func (a *app) command(use, id string, args cobra.PositionalArgs, do func(*cobra.Command, []string) error) *cobra.Command {
	c := &cobra.Command{
		Use:     use,
		Short:   a.words.Get("cmd." + id + ".short"),
		Long:    a.words.Get("cmd." + id + ".long"),
		Example: indent(a.words.Get("cmd." + id + ".example")),
		Args:    a.counting(args),
		RunE: func(c *cobra.Command, args []string) error {
			a.running = true
			return do(c, args)
		},
	}
	c.Flags().SortFlags = false
	return c
}

// counting says in the language of the catalogue how a command is used that got
// too few or too many arguments. What a group does not know it says itself.
func (a *app) counting(args cobra.PositionalArgs) cobra.PositionalArgs {
	return func(c *cobra.Command, got []string) error {
		err := args(c, got)
		if err == nil || c.HasSubCommands() {
			return err
		}
		return a.said(exitUsage, "error.args", "Usage", strings.TrimSuffix(c.UseLine(), " [flags]"))
	}
}

// group makes a command that only holds others.
func (a *app) group(use, id string, subs ...*cobra.Command) *cobra.Command {
	c := a.command(use, id, cobra.NoArgs, func(c *cobra.Command, _ []string) error { return c.Help() })
	c.AddCommand(subs...)
	return c
}

func indent(s string) string {
	return "  " + strings.ReplaceAll(strings.TrimSpace(s), "\n", "\n  ")
}
