package main

import (
	"strings"

	"github.com/spf13/cobra"
)

// helpTemplate is what -h prints below a command's text; the headings are put in by
// speakUsage.
const helpTemplate = `HEAD_USAGE{{if .Runnable}}
  {{.UseLine}}{{end}}{{if .HasAvailableSubCommands}}
  {{.CommandPath}} [command]{{end}}{{if .HasExample}}

HEAD_EXAMPLES
{{.Example}}{{end}}{{if .HasAvailableSubCommands}}

HEAD_COMMANDS{{range .Commands}}{{if (or .IsAvailableCommand (eq .Name "help"))}}
  {{rpad .Name .NamePadding}} {{.Short}}{{end}}{{end}}{{end}}{{if .HasAvailableLocalFlags}}

HEAD_FLAGS
{{.LocalFlags.FlagUsages | trimTrailingWhitespaces}}{{end}}{{if .HasAvailableInheritedFlags}}

HEAD_GLOBAL
{{.InheritedFlags.FlagUsages | trimTrailingWhitespaces}}{{end}}
`

// speakUsage makes cobra's own texts speak the language of the catalogue.
func (a *app) speakUsage(root *cobra.Command) {
	w := a.words
	root.SetUsageTemplate(strings.NewReplacer(
		"HEAD_USAGE", w.Get("usage.usage"), "HEAD_EXAMPLES", w.Get("usage.examples"),
		"HEAD_COMMANDS", w.Get("usage.commands"), "HEAD_FLAGS", w.Get("usage.flags"), "HEAD_GLOBAL", w.Get("usage.global"),
	).Replace(helpTemplate))
	root.PersistentFlags().BoolP("help", "h", false, w.Get("flag.help"))
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	for _, c := range root.Commands() {
		switch c.Name() {
		case "help":
			c.Short = w.Get("cmd.help.short")
		case "completion":
			c.Short = w.Get("cmd.completion.short")
		}
	}
}
