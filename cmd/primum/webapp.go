package main

import (
	"context"
	"errors"
	"os/exec"
	"runtime"
	"syscall"

	"github.com/spf13/cobra"

	webapp "primum/internal/app"
)

func appCommand(a *app) *cobra.Command {
	var port int
	var noOpen bool
	c := a.command("app", "app", cobra.NoArgs, func(cmd *cobra.Command, _ []string) error {
		return a.webApp(cmd.Context(), port, noOpen)
	})
	c.Flags().IntVar(&port, "port", webapp.DefaultPort, a.words.Get("flag.app-port"))
	c.Flags().BoolVar(&noOpen, "no-open", false, a.words.Get("flag.no-open"))
	return c
}

// webApp serves the portal on this machine until Ctrl-C.
func (a *app) webApp(ctx context.Context, port int, noOpen bool) error {
	if port < -1 || port > 65535 {
		return a.said(exitUsage, "app.port")
	}
	p, err := webapp.Open(ctx, webapp.Options{Port: port, Version: a.version, Clock: a.clock, Log: a.serverLog(), Own: ownHosts(a.env)})
	if errors.Is(err, syscall.EADDRINUSE) {
		return a.said(exitFailed, "app.busy", "Port", port)
	}
	if err != nil {
		return err
	}
	if a.json {
		a.line(map[string]string{"url": p.URL()})
	}
	a.say("app.started", "URL", p.URL())
	if a.inTTY && a.outTTY && !noOpen && !a.json {
		a.say("app.enter")
		go a.openOnEnter(ctx, p.URL())
	}
	return p.Serve(ctx)
}

// openOnEnter opens the browser when the person says so.
func (a *app) openOnEnter(ctx context.Context, url string) {
	if _, err := a.readLine(); err != nil || ctx.Err() != nil {
		return
	}
	if err := browse(ctx, url); err != nil {
		a.hint("app.nobrowser", "URL", url)
	}
}

// browse asks the system to show an address of our own making.
func browse(ctx context.Context, url string) error {
	switch runtime.GOOS {
	case "darwin":
		return exec.CommandContext(ctx, "open", url).Run()
	case "windows":
		return exec.CommandContext(ctx, "rundll32", "url.dll,FileProtocolHandler", url).Run()
	}
	return exec.CommandContext(ctx, "xdg-open", url).Run()
}
