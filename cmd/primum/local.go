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
		o := a.localOptions()
		o.Keep = keep
		return local.Run(cmd.Context(), o)
	})
	c.Flags().StringVar(&keep, "keep", "", a.words.Get("flag.keep"))
	c.AddCommand(localBytesCommand(a))
	return c
}

func (a *app) localOptions() local.Options {
	return local.Options{
		Out: a.out, Words: a.words, Program: program(), Version: a.version,
		// Everything is on this machine, the edge's door too.
		Transport: nethttp.New(nethttp.Options{LAN: true}),
	}
}

func localBytesCommand(a *app) *cobra.Command {
	values := 3
	c := a.command("bytes", "local-bytes", cobra.NoArgs, func(cmd *cobra.Command, _ []string) error {
		return local.Bytes(cmd.Context(), a.localOptions(), values)
	})
	c.Flags().IntVar(&values, "count", values, a.words.Get("flag.count"))
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
