package main

import (
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

func versionCommand(a *app) *cobra.Command {
	return a.command("version", "version", cobra.NoArgs, func(*cobra.Command, []string) error {
		if a.json {
			a.line(map[string]string{"version": a.version, "go": runtime.Version(), "revision": revision()})
			return nil
		}
		a.say("version.line", "Version", a.version, "Go", runtime.Version(), "Revision", revision())
		return nil
	})
}

// revision is the commit the program was built from, if it was.
func revision() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return s.Value
		}
	}
	return ""
}
