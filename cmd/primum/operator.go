package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"primum/internal/node"
	"primum/internal/operator"
	"primum/internal/store"
)

func operatorCommand(a *app) *cobra.Command {
	return a.group("operator", "operator", operatorAddCommand(a), operatorListCommand(a), operatorRemoveCommand(a),
		operatorTokenCommand(a), operatorCasesCommand(a), operatorAnswerCommand(a), operatorUsageCommand(a))
}

// nodeDirFlags are how a node on this machine is named.
type nodeDirFlags struct{ domain, data string }

func (f *nodeDirFlags) add(a *app, c *cobra.Command) {
	c.Flags().StringVar(&f.domain, "domain", "", a.words.Get("flag.domain"))
	c.Flags().StringVar(&f.data, "data", "", a.words.Get("flag.data"))
}

// dir is the node's data: as said, of the domain, or of the only node here.
func (f *nodeDirFlags) dir(a *app) (string, error) {
	nodes := filepath.Join(a.home, "nodes")
	switch {
	case f.data != "":
		return f.data, nil
	case f.domain != "":
		return filepath.Join(nodes, fileName(f.domain)), nil
	}
	found, err := os.ReadDir(nodes)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	if len(found) != 1 {
		return "", a.said(exitUsage, "operator.cli.which")
	}
	return filepath.Join(nodes, found[0].Name()), nil
}

// nodeSaid says in words what an operator command failed at.
func (a *app) nodeSaid(err error, dir, name string) error {
	switch {
	case errors.Is(err, operator.ErrName):
		return a.said(exitUsage, "operator.cli.name")
	case errors.Is(err, store.ErrNotFound):
		return a.said(exitFailed, "operator.cli.unknown", "Name", name)
	case errors.Is(err, fs.ErrNotExist):
		return a.said(exitFailed, "serve.nodata", "Data", dir)
	}
	return err
}

func operatorAddCommand(a *app) *cobra.Command {
	var at nodeDirFlags
	var role string
	c := a.command("add NAME", "operator-add", cobra.ExactArgs(1), func(cmd *cobra.Command, args []string) error {
		dir, err := at.dir(a)
		if err != nil {
			return err
		}
		url, until, err := node.AddOperator(cmd.Context(), dir, args[0], operator.Role(role), a.clock.Now())
		if err != nil {
			return a.nodeSaid(err, dir, args[0])
		}
		if a.json {
			a.line(map[string]any{"name": args[0], "role": role, "url": url, "until": until})
			return nil
		}
		a.say("operator.cli.added", "Name", args[0], "Role", a.words.Get("operator.role."+role), "URL", url, "Until", a.when(until))
		return nil
	})
	c.Flags().StringVar(&role, "role", string(operator.Auditor), a.words.Get("flag.role"))
	_ = c.RegisterFlagCompletionFunc("role", fixed(string(operator.Auditor), string(operator.Publisher), string(operator.Admin)))
	at.add(a, c)
	return c
}

func operatorListCommand(a *app) *cobra.Command {
	var at nodeDirFlags
	c := a.command("list", "operator-list", cobra.NoArgs, func(cmd *cobra.Command, _ []string) error {
		dir, err := at.dir(a)
		if err != nil {
			return err
		}
		all, err := node.Operators(cmd.Context(), dir)
		if err != nil {
			return a.nodeSaid(err, dir, "")
		}
		for _, o := range all {
			if a.json {
				a.line(map[string]any{"name": o.Name, "role": o.Role, "added": o.Added, "passkeys": o.Keys})
				continue
			}
			a.say("operator.cli.line", "Name", o.Name, "Role", a.words.Get("operator.role."+o.Role), "Added", a.when(o.Added),
				"Keys", a.words.Get("operator.operators.keys", "N", o.Keys))
		}
		if len(all) == 0 && !a.json {
			a.say("operator.cli.none")
		}
		return nil
	})
	at.add(a, c)
	return c
}

func operatorRemoveCommand(a *app) *cobra.Command {
	var at nodeDirFlags
	c := a.command("remove NAME", "operator-remove", cobra.ExactArgs(1), func(cmd *cobra.Command, args []string) error {
		dir, err := at.dir(a)
		if err != nil {
			return err
		}
		if err := node.RemoveOperator(cmd.Context(), dir, args[0], a.clock.Now()); err != nil {
			return a.nodeSaid(err, dir, args[0])
		}
		a.removed(args[0], "operator.cli.removed", "Name", args[0])
		return nil
	})
	at.add(a, c)
	return c
}
