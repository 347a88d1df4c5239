package main

import (
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"primum/identity"
	"primum/internal/certs"
	"primum/internal/node"
	"primum/internal/setup"
)

const (
	caWait      = 10 * time.Second
	recordsWait = 5 * time.Second // between looks for the records
	certWait    = 2 * time.Minute
	// packaged is where root sets a node up: the service of the package reads
	// it there.
	packagedConfig = "/etc/primum/primum.jsonc"
	packagedData   = "/var/lib/primum"
)

// quick is one run of quickstart.
type quick struct {
	cfg       node.Config
	file      string
	addresses []string
	wait      bool
	dns       string
}

func quickstartCommand(a *app) *cobra.Command {
	q := quick{cfg: node.Config{Invite: true, ACME: &node.ACME{}}}
	c := a.command("quickstart DOMAIN", "quickstart", cobra.ExactArgs(1), func(cmd *cobra.Command, args []string) error {
		domain, err := a.zoneToSetUp(args[0])
		if err != nil {
			return err
		}
		q.cfg.Authority = domain
		return a.quickstart(cmd.Context(), q)
	})
	fl := c.Flags()
	fl.StringSliceVar(&q.addresses, "address", nil, a.words.Get("flag.address"))
	fl.StringVar(&q.cfg.ACME.Email, "email", "", a.words.Get("flag.email"))
	fl.BoolVar(&q.cfg.ACME.Agreed, "agree", false, a.words.Get("flag.agree"))
	fl.BoolVar(&q.wait, "wait", false, a.words.Get("flag.wait"))
	fl.StringVar(&q.cfg.ACME.CA, "ca", certs.LetsEncrypt, a.words.Get("flag.ca"))
	fl.StringVar(&q.file, "config", "", a.words.Get("flag.config-to"))
	fl.StringVar(&q.cfg.DataDir, "data", "", a.words.Get("flag.data"))
	fl.StringVar(&q.cfg.Listen, "listen", ":443", a.words.Get("flag.listen-tls"))
	fl.StringVar(&q.cfg.ACME.HTTP, "http", ":80", a.words.Get("flag.http"))
	fl.StringVar(&q.cfg.Contact, "contact", "", a.words.Get("flag.contact"))
	fl.StringVar(&q.dns, "dns", "", a.words.Get("flag.dns"))
	return c
}

// zoneToSetUp reads the domain of a node to set up, and says what to give instead.
func (a *app) zoneToSetUp(s string) (string, error) {
	domain, err := setup.ParseZone(s)
	var apex *setup.ApexError
	switch {
	case errors.As(err, &apex):
		return "", a.said(exitUsage, "quickstart.apex", "Domain", apex.Domain, "Suggest", apex.Suggest)
	case errors.Is(err, setup.ErrLocal):
		return "", a.said(exitUsage, "quickstart.local", "Domain", s)
	case err != nil:
		return "", a.said(exitUsage, "setup.domain", "Domain", s)
	}
	return domain, nil
}

// domain reads the domain of a node.
func (a *app) domain(s string) (string, error) {
	domain, err := identity.ParseAuthority(strings.TrimSuffix(s, "."))
	if err != nil {
		return "", a.said(exitUsage, "setup.domain", "Domain", s)
	}
	return domain, nil
}

func (a *app) quickstart(ctx context.Context, q quick) error {
	a.places(&q)
	if !strings.HasSuffix(q.file, ".jsonc") {
		return a.said(exitUsage, "quickstart.jsonc")
	}
	plan, err := a.plan(ctx, &q)
	if err != nil {
		return err
	}
	records := plan.Records()
	cfg, placed, err := setup.Write(a.words, q.file, q.cfg, records, a.clock.Now())
	if errors.Is(err, setup.ErrOther) {
		return a.said(exitFailed, "quickstart.other", "Config", q.file)
	}
	if err != nil {
		return err
	}
	if err := handOver(placed); err != nil {
		return err
	}
	a.printRecords(plan, placed, records)
	live, err := a.awaited(ctx, q, records)
	if err != nil || !live {
		return err
	}
	if err := a.certificate(ctx, cfg); err != nil {
		return err
	}
	start, invite := "primum serve --config "+placed.Config, "primum serve --config "+placed.Config+" --new-invite"
	if placed.Config == packagedConfig {
		// Root would leave files that the service can't write.
		start, invite = "systemctl enable --now primum", "sudo -u "+setup.ServiceUser+" "+invite
	}
	a.say("quickstart.next", "Start", start, "Domain", plan.Domain, "Invite", invite)
	return handOver(placed)
}

// handOver gives the packaged service what is in its place. Whoever says
// another place has another way to start the node.
func handOver(placed setup.Placed) error {
	if placed.Config != packagedConfig {
		return nil
	}
	return setup.HandOver(placed.Data)
}

// places are where things go that nobody said where to: root's are where the
// packaged service finds them.
func (a *app) places(q *quick) {
	name := fileName(q.cfg.Authority)
	config, data := filepath.Join(a.home, "nodes", name+".jsonc"), filepath.Join(a.home, "nodes", name)
	if os.Geteuid() == 0 && a.env("PRIMUM_HOME") == "" {
		config, data = packagedConfig, packagedData
	}
	if q.file == "" {
		q.file = config
	}
	if q.cfg.DataDir == "" {
		q.cfg.DataDir = data
	}
	// A service starts elsewhere.
	for _, path := range []*string{&q.file, &q.cfg.DataDir} {
		if abs, err := filepath.Abs(*path); err == nil {
			*path = abs
		}
	}
}

// plan asks the certificate authority, and its operator for a yes to the
// terms, and decides the addresses.
func (a *app) plan(ctx context.Context, q *quick) (plan setup.Plan, err error) {
	plan.Domain = q.cfg.Authority
	if kept, err := node.LoadConfig(q.file); err == nil && kept.ACME != nil {
		q.cfg.ACME.CA, q.cfg.ACME.Agreed = kept.ACME.CA, kept.ACME.Agreed
	}
	if plan.Addresses, err = setup.ParseAddresses(q.addresses); err != nil {
		return plan, usage(err)
	}
	if len(q.addresses) == 0 {
		if plan.Addresses, err = setup.OwnAddresses(); err != nil {
			return plan, err
		}
	}
	if len(plan.Addresses) == 0 {
		return plan, a.said(exitUsage, "quickstart.noaddress")
	}
	authority, err := certs.Ask(ctx, &http.Client{Timeout: caWait}, q.cfg.ACME.CA)
	if errors.Is(err, certs.ErrAddress) {
		return plan, a.said(exitUsage, "quickstart.plainca", "CA", q.cfg.ACME.CA)
	}
	if err != nil {
		return plan, a.said(exitUnreachable, "quickstart.noca", "CA", q.cfg.ACME.CA, "What", err.Error())
	}
	plan.CAA = authority.CAA
	return plan, a.agree(q.cfg.ACME, authority)
}

func (a *app) agree(c *node.ACME, authority certs.Authority) error {
	if authority.Account {
		return a.said(exitFailed, "quickstart.account", "CA", c.CA)
	}
	terms := authority.Terms
	if terms == "" {
		terms = a.words.Get("quickstart.unnamed")
	}
	if !c.Agreed && !a.inTTY {
		return a.said(exitUsage, "quickstart.noterms", "CA", c.CA, "Terms", terms)
	}
	if err := a.confirm(c.Agreed, "quickstart.terms", "CA", c.CA, "Terms", terms); err != nil {
		return err
	}
	c.Agreed = true
	return nil
}

func (a *app) printRecords(plan setup.Plan, placed setup.Placed, records []setup.Record) {
	id := "quickstart.written"
	if placed.Kept {
		id = "quickstart.kept"
	}
	a.say(id, "Config", placed.Config, "Data", placed.Data)
	_, above, _ := strings.Cut(plan.Domain, ".")
	a.say("quickstart.records", "Above", above, "Zone", placed.Zone)
	inside := insideOf(plan)
	if !a.json {
		_, _ = a.out.Write([]byte(calm(setup.Zone(records))))
		if len(inside) > 0 {
			a.say("quickstart.inside", "Have", strings.Join(inside, ", "))
		}
		return
	}
	a.line(struct {
		setup.Placed
		Inside []string `json:"inside,omitempty"` // addresses that strangers don't reach
	}{placed, inside})
	for _, r := range records {
		a.line(r)
	}
}

// insideOf are the addresses that lead strangers nowhere. They may be meant: a
// node for one network only.
func insideOf(plan setup.Plan) (out []string) {
	for _, addr := range plan.Addresses {
		if !setup.Public(addr) {
			out = append(out, addr.String())
		}
	}
	return out
}

// awaited tells whether the records are there, and waits for them if asked to.
func (a *app) awaited(ctx context.Context, q quick, records []setup.Record) (live bool, err error) {
	var missing *setup.Record
	var silent error // why nobody could be asked
	look := func(ctx context.Context) error {
		for {
			missing, silent = setup.RecordsLive(ctx, q.cfg.Authority, q.dns, records)
			if silent == nil && missing == nil || !q.wait {
				return nil
			}
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(recordsWait):
			}
		}
	}
	if err := a.progress(ctx, "quickstart.waiting", look); err != nil {
		return false, err
	}
	if silent != nil {
		a.say("quickstart.silent", "Domain", q.cfg.Authority, "What", silent.Error())
	}
	if missing != nil {
		a.say("quickstart.notlive", "Record", missing.String())
	}
	live = missing == nil && silent == nil
	if a.json {
		a.line(map[string]any{"live": live, "missing": missing})
	}
	return live, nil
}

// certificate gets it now, so that the node starts with one.
func (a *app) certificate(ctx context.Context, cfg node.Config) error {
	c, _, err := cfg.Certs()
	if err != nil {
		return err
	}
	c.Log = a.log()
	k, err := certs.New(c)
	if err != nil {
		return err
	}
	defer k.Close()
	var until time.Time
	err = a.progress(ctx, "quickstart.getting", func(ctx context.Context) (err error) {
		ctx, cancel := context.WithTimeout(ctx, certWait)
		defer cancel()
		until, err = k.Obtain(ctx)
		return err
	})
	if err != nil {
		return a.said(exitFailed, "quickstart.nocertificate", "What", err.Error(), "Domain", cfg.Authority)
	}
	if a.json {
		a.line(map[string]any{"certificate": c.Domain, "until": until})
	}
	a.say("quickstart.certificate", "Until", until.In(a.zone).Format(time.DateOnly))
	return nil
}
