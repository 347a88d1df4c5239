package main

import (
	"github.com/spf13/cobra"

	"primum/internal/node"
	"primum/internal/wire"
)

// factNamingCommand publishes who gets which name, in the operator's words.
func factNamingCommand(a *app) *cobra.Command {
	var at nodeDirFlags
	var language, review string
	var builtIn bool
	c := a.command("naming-policy [FILE…]", "fact-add-naming", cobra.ArbitraryArgs, func(cmd *cobra.Command, args []string) error {
		if builtIn != (len(args) == 0) {
			return a.said(exitUsage, "fact.naming.files")
		}
		if err := a.dayText(review); err != nil {
			return err
		}
		texts, err := a.factTexts(args, language)
		if err != nil {
			return a.factSaid(err)
		}
		dir, err := at.dir(a)
		if err != nil {
			return err
		}
		sha, version, added, err := node.AddNamingPolicy(cmd.Context(), dir, texts, review, a.clock.Now())
		switch {
		case err != nil:
			return a.nodeSaid(err, dir, "")
		case a.json:
			a.line(map[string]any{"version": version, "sha256": sha, "ref": wire.FactPath(sha), "added": added})
		case !added:
			a.say("fact.same", "Hash", sha)
		default:
			a.say("fact.naming.added", "Version", version, "Place", wire.NamingPolicyPath, "Path", wire.FactPath(sha))
		}
		return nil
	})
	c.Flags().BoolVar(&builtIn, "built-in", false, a.words.Get("flag.naming-builtin"))
	c.Flags().StringVar(&language, "language", "en", a.words.Get("flag.fact-language"))
	c.Flags().StringVar(&review, "review", "", a.words.Get("flag.fact-review"))
	at.add(a, c)
	return c
}
