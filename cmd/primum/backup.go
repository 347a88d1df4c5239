package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"primum/internal/edge"
	"primum/internal/node"
)

func backupCommand(a *app) *cobra.Command {
	var nodeDir, edgeDir string
	c := a.command("backup TO", "backup", cobra.ExactArgs(1), func(cmd *cobra.Command, args []string) error {
		if nodeDir != "" {
			r, err := node.Backup(cmd.Context(), nodeDir, args[0], a.clock.Now())
			return a.report(r.Lines(a.words), err)
		}
		return a.backupEdge(edgeDir, args[0])
	})
	whichOf(a, c, &nodeDir, &edgeDir)
	return c
}

func whichOf(a *app, c *cobra.Command, nodeDir, edgeDir *string) {
	c.Flags().StringVar(nodeDir, "node", "", a.words.Get("flag.node-dir"))
	c.Flags().StringVar(edgeDir, "edge", "", a.words.Get("flag.edge-dir"))
	c.MarkFlagsMutuallyExclusive("node", "edge")
	c.MarkFlagsOneRequired("node", "edge")
}

func (a *app) report(lines []string, err error) error {
	for _, l := range lines {
		if a.json {
			a.line(map[string]string{"report": l})
			continue
		}
		_, _ = fmt.Fprintln(a.out, l)
	}
	return err
}

// backupEdge writes a file; the edge may run.
func (a *app) backupEdge(dir, to string) (err error) {
	f, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("make backup: %w", err)
	}
	defer func() {
		if err = errors.Join(err, f.Close()); err != nil {
			_ = os.Remove(to)
		}
	}()
	if err := edge.Backup(dir, f); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return fmt.Errorf("make backup: %w", err)
	}
	return a.report([]string{a.words.Get("backup.edge", "File", to)}, nil)
}

func restoreCommand(a *app) *cobra.Command {
	var nodeDir, edgeDir, ledger string
	var anew bool
	c := a.command("restore FROM", "restore", cobra.ExactArgs(1), func(cmd *cobra.Command, args []string) error {
		if nodeDir != "" {
			r, err := node.Restore(cmd.Context(), node.Restoration{
				Backup: args[0], DataDir: nodeDir, Ledger: ledger, NewLedger: anew, Now: a.clock.Now(),
			})
			if err != nil {
				return err
			}
			return a.report(r.Lines(a.words), nil)
		}
		f, err := os.Open(args[0])
		if err != nil {
			return fmt.Errorf("read backup: %w", err)
		}
		defer func() { _ = f.Close() }()
		if err := edge.Restore(edgeDir, f); err != nil {
			return err
		}
		return a.report([]string{a.words.Get("restore.edge", "Dir", edgeDir)}, nil)
	})
	whichOf(a, c, &nodeDir, &edgeDir)
	c.Flags().StringVar(&ledger, "ledger", "", a.words.Get("flag.restore-ledger"))
	c.Flags().BoolVar(&anew, "new-ledger", false, a.words.Get("flag.new-ledger"))
	c.MarkFlagsMutuallyExclusive("ledger", "edge")
	c.MarkFlagsMutuallyExclusive("new-ledger", "edge")
	return c
}
