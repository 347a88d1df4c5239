// Command primum is everything of Primum in one program: a node, an edge, and
// the tool with which a person gives and takes back.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

// version is set by the linker.
var version = "dev"

// verbs is the program: one row per command, one file per group of commands.
func verbs() []func(*app) *cobra.Command {
	return []func(*app) *cobra.Command{
		localCommand, serveCommand, operatorCommand, edgeCommand, // local.go, serve.go, operator.go, edge.go
		quickstartCommand, linksetCommand, directoryCommand, // quickstart.go, linkset.go, directory.go
		factCommand,                               // fact.go
		meCommand,                                 // me.go
		claimCommand, thingsCommand, thingCommand, // things.go
		shareCommand, linksCommand, withdrawCommand, // share.go, links.go, withdraw.go
		requestCommand, requestsCommand, // request.go
		giveCommand, refuseCommand, // give.go
		serviceCommand, connectCommand, // service.go
		grantsCommand, seenCommand, // grants.go, seen.go
		watchCommand, sendCommand, receiveCommand, // watch.go, send.go, receive.go
		backupCommand, restoreCommand, // backup.go
		rightsCommand,            // rights.go
		appCommand, checkCommand, // webapp.go, check.go
		nameCommand, resolveCommand, labelCommand, // name.go, resolve.go, label.go
		openCommand,                  // openvalues.go
		ledgerCommand,                // ledger.go
		oathCommand,                  // oath.go
		benchCommand, versionCommand, // bench.go, version.go
	}
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, realSurroundings(), os.Args[1:])
	stop()
	os.Exit(code)
}

// run executes one command line and returns the exit code.
func run(ctx context.Context, s surroundings, args []string) int {
	return runShared(ctx, s, args, nil)
}

// runShared is run with an identity that is at work already, or nil.
func runShared(ctx context.Context, s surroundings, args []string, shared *opened) int {
	a, err := newApp(s)
	if err != nil {
		_, _ = s.err.Write([]byte(err.Error() + "\n"))
		return exitFailed
	}
	a.args, a.shared = args, shared
	root := rootCommand(a)
	root.SetArgs(args)
	if cmd, err := root.ExecuteContextC(ctx); err != nil {
		return a.fail(cmd, err)
	}
	return exitDone
}

func rootCommand(a *app) *cobra.Command {
	root := &cobra.Command{
		Use:           "primum",
		Short:         a.words.Get("root.short"),
		Long:          a.words.Get("root.long"),
		Version:       a.version,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.NoArgs,
		RunE:          func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	root.SetIn(a.in)
	root.SetOut(a.out)
	root.SetErr(a.errOut)
	f := root.PersistentFlags()
	f.StringVar(&a.as, "as", "", a.words.Get("flag.as"))
	f.BoolVar(&a.json, "json", false, a.words.Get("flag.json"))
	f.BoolVar(&a.verbose, "verbose", false, a.words.Get("flag.verbose"))
	_ = root.RegisterFlagCompletionFunc("as", a.completeAddresses)
	for _, verb := range verbs() {
		root.AddCommand(verb(a))
	}
	a.speakUsage(root)
	return root
}
