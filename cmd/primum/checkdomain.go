package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"primum/identity"
	"primum/internal/setup"
)

// outside is how a domain is looked at.
type outside struct {
	dns, records string
	connect      []string
	private      bool
}

func (o *outside) flags(a *app, c *cobra.Command) {
	fl := c.Flags()
	fl.StringVar(&o.dns, "dns", "", a.words.Get("flag.dns"))
	fl.StringVar(&o.records, "records", "", a.words.Get("flag.records"))
	fl.StringSliceVar(&o.connect, "connect", nil, a.words.Get("flag.connect"))
	fl.BoolVar(&o.private, "private", false, a.words.Get("flag.private"))
}

// checkDomain looks at a domain from outside, as its visitors do.
func (a *app) checkDomain(ctx context.Context, text string, o outside) error {
	domain, err := a.domain(text)
	if err != nil {
		return err
	}
	if identity.IsLoopback(domain) {
		return a.said(exitUsage, "setup.local", "Domain", domain)
	}
	ports, err := a.ports(o.connect)
	if err != nil {
		return err
	}
	records, err := a.printed(domain, o.records)
	if err != nil {
		return err
	}
	check := setup.Check{
		Domain: domain, DNS: o.dns, Ports: ports, Records: records, Private: o.private, Clock: a.clock, Agent: "primum/" + a.version,
	}
	good := check.Run(ctx, a.looked)
	if err := ctx.Err(); err != nil {
		return err
	}
	if a.json {
		a.line(map[string]any{"domain": domain, "good": good})
	}
	if !good {
		return a.said(exitFailed, "setup.red", "Domain", domain)
	}
	a.say("setup.green", "Domain", domain)
	return nil
}

// ports reads PORT=HOST:PORT.
func (a *app) ports(connect []string) (map[uint16]string, error) {
	out := map[uint16]string{}
	for _, text := range connect {
		from, to, _ := strings.Cut(text, "=")
		port, err := strconv.ParseUint(from, 10, 16)
		if _, _, wrong := net.SplitHostPort(to); err != nil || wrong != nil {
			return nil, a.said(exitUsage, "setup.connect", "What", text)
		}
		out[uint16(port)] = to
	}
	return out, nil
}

// printed are the records that quickstart printed for a domain; none if it ran
// on another machine.
func (a *app) printed(domain, file string) ([]setup.Record, error) {
	if file != "" {
		return setup.ReadRecords(file, domain)
	}
	for _, config := range []string{filepath.Join(a.home, "nodes", fileName(domain)+".jsonc"), packagedConfig} {
		records, err := setup.ReadRecords(setup.ZoneFile(config, domain), domain)
		if !errors.Is(err, fs.ErrNotExist) {
			return records, err
		}
	}
	return nil, nil
}

// looked prints one finding, and what to do about a red one.
func (a *app) looked(f setup.Finding) {
	text, mend := a.words.Get(f.ID, f.Pairs...), ""
	if f.Mend != "" {
		mend = a.words.Get(f.Mend, f.Pairs...)
	}
	if a.json {
		a.line(map[string]any{"good": f.Good, "id": f.ID, "text": text, "mend": mend})
		return
	}
	a.tick(f.Good, text)
	for line := range strings.Lines(mend) {
		_, _ = fmt.Fprintln(a.out, "  → "+calm(strings.TrimRight(line, "\n")))
	}
}
