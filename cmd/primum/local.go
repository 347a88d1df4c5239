package main

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"primum/client/nethttp"
	"primum/internal/local"
)

func localCommand(a *app) *cobra.Command {
	var keep string
	c := a.command("local", "local", cobra.NoArgs, func(cmd *cobra.Command, _ []string) error {
		return local.Run(cmd.Context(), local.Options{
			Keep: keep, Out: a.out, Program: program(), Version: a.version,
			// Everything is on this machine, the edge's door too.
			Transport: nethttp.New(nethttp.Options{LAN: true}),
		})
	})
	c.Flags().StringVar(&keep, "keep", "", a.words.get("flag.keep"))
	c.AddCommand(a.command("bytes", "local-bytes", cobra.NoArgs, func(cmd *cobra.Command, _ []string) error {
		return local.Bytes(cmd.Context(), local.Options{Out: a.out, Transport: a.transport}, 3)
	}))
	return c
}

// program is how this program was called, for commands to copy.
func program() string {
	name := os.Args[0]
	if !strings.ContainsRune(name, filepath.Separator) {
		return name
	}
	wd, err := os.Getwd()
	if err != nil {
		return name
	}
	full, err := filepath.Abs(name)
	if err == nil && filepath.Dir(full) == wd {
		return "./" + filepath.Base(full)
	}
	return name
}
