package main

import (
	"context"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"primum/circle"
	"primum/client"
	"primum/internal/edge"
	"primum/internal/edge/mqtt"
	"primum/internal/edge/simulated"
	"primum/thing"
)

type edgeFlags struct {
	config       edge.Config
	broker       mqtt.Options
	passwordFile string
	simulate     bool
	open         string   // service to publish in
	openThings   []string // what is published
	openTo       publisherFlags
}

// edgeListen is the door of an edge that nobody told another: this machine
// only.
const edgeListen = "127.0.0.1:8410"

func edgeCommand(a *app) *cobra.Command {
	var f edgeFlags
	c := a.command("edge", "edge", cobra.NoArgs, func(cmd *cobra.Command, _ []string) error {
		return a.edge(cmd, f)
	})
	fl := c.Flags()
	fl.StringVar(&f.broker.URL, "broker", "", a.words.Get("flag.broker"))
	fl.StringVar(&f.broker.Username, "broker-user", "", a.words.Get("flag.broker-user"))
	fl.StringVar(&f.passwordFile, "broker-password-file", "", a.words.Get("flag.broker-password-file"))
	fl.StringVar(&f.broker.CAFile, "ca", "", a.words.Get("flag.broker-ca"))
	fl.StringVar(&f.broker.CertFile, "cert", "", a.words.Get("flag.broker-cert"))
	fl.StringVar(&f.broker.KeyFile, "key", "", a.words.Get("flag.broker-key"))
	fl.StringVar(&f.config.BrokerName, "broker-name", "", a.words.Get("flag.broker-name"))
	fl.StringVar(&f.config.Dir, "dir", "", a.words.Get("flag.edge-state"))
	fl.StringVar(&f.config.Listen, "listen", edgeListen, a.words.Get("flag.edge-listen"))
	fl.StringVar(&f.config.Advertise, "advertise", "", a.words.Get("flag.advertise"))
	fl.StringVar(&f.config.Zigbee2MQTT, "zigbee2mqtt", "", a.words.Get("flag.zigbee2mqtt"))
	fl.StringVar(&f.config.HomeAssistant, "homeassistant", "", a.words.Get("flag.homeassistant"))
	fl.StringVar(&f.config.Statestream, "statestream", "", a.words.Get("flag.statestream"))
	fl.BoolVar(&f.simulate, "simulate", false, a.words.Get("flag.simulate"))
	fl.StringVar(&f.open, "open", "", a.words.Get("flag.edge-open"))
	fl.StringSliceVar(&f.openThings, "open-things", nil, a.words.Get("flag.edge-open-things"))
	f.openTo.add(a, c)
	c.MarkFlagsRequiredTogether("open", "open-things")
	c.AddCommand(edgeThingsCommand(a), edgeAcceptCommand(a), edgeHistoryCommand(a))
	return c
}

func (a *app) edge(cmd *cobra.Command, f edgeFlags) error {
	cfg, err := a.edgeConfig(f)
	if err != nil {
		return err
	}
	e, err := edge.Open(cfg)
	if err != nil {
		return err
	}
	defer func() { _ = e.Close() }()
	a.say("edge.started", "Dir", cfg.Dir)
	if cfg.Listen == edgeListen {
		a.hint("edge.here", "Listen", "0.0.0.0:8410")
	}
	if a.inTTY {
		go a.freshCodes(e)
	}
	if err := e.Run(cmd.Context()); err != nil {
		return err
	}
	a.say("edge.stopped")
	return nil
}

// freshCodes shows a new claim code at every Enter. It ends with the input, or
// with the process.
func (a *app) freshCodes(e *edge.Edge) {
	for {
		if _, err := a.readLine(); err != nil {
			return
		}
		e.ShowClaim()
	}
}

func (a *app) edgeConfig(f edgeFlags) (edge.Config, error) {
	cfg := f.config
	switch {
	case f.broker.URL != "":
		password, err := readSecret(f.passwordFile)
		if err != nil {
			return cfg, err
		}
		f.broker.Password, f.broker.Clock, f.broker.Log = string(password), a.clock, a.serverLog()
		cfg.Broker = &f.broker
	case !f.simulate:
		return cfg, a.said(exitUsage, "edge.broker")
	}
	if f.simulate {
		cfg.Simulated = simulated.New(a.clock, 0, 1)
	}
	if f.open != "" {
		var err error
		if cfg.Open, err = a.openFeed(f); err != nil {
			return cfg, err
		}
	}
	cfg.Dir = a.edgeDir(cfg.Dir)
	cfg.Clock, cfg.Log, cfg.Terminal, cfg.Words = a.clock, a.serverLog(), a.errOut, a.words
	cfg.Drive = func(ctx context.Context, anchor *circle.Anchor, take func(circle.Event) error) error {
		calls := client.Calls{Transport: a.transport, Clock: a.clock, Rand: a.rand, Log: a.serverLog()}
		return client.RunAnchor(ctx, anchor, client.AnchorOptions{Calls: calls, Take: take, Link: a.edgeLink})
	}
	return cfg, nil
}

// openFeed is what an edge publishes openly: only what was named, and it says so.
func (a *app) openFeed(f edgeFlags) (*edge.OpenFeed, error) {
	if err := thing.CheckName(f.open); err != nil {
		return nil, usage(err)
	}
	feed := &edge.OpenFeed{Service: f.open}
	for _, s := range f.openThings {
		n, err := thing.ParseName(s)
		if err != nil {
			return nil, usage(err)
		}
		feed.Things = append(feed.Things, n)
	}
	to, err := a.publisher(&f.openTo)
	if err != nil {
		return nil, err
	}
	feed.Do = to.Do
	a.say("openly.feeds", "Things", strings.Join(f.openThings, ", "), "URL", to.Base+openPath("", f.open, ""))
	return feed, nil
}

// edgeDir is where an edge's state is when nobody said otherwise.
func (a *app) edgeDir(dir string) string {
	if dir == "" {
		return filepath.Join(a.home, "edge")
	}
	return dir
}

// edgeLink says when the edge's node comes and goes.
func (a *app) edgeLink(authority string, err error) {
	if err == nil {
		a.hint("edge.up", "Node", authority)
		return
	}
	a.serverLog().Warn("node not reached; values wait on disk", "node", authority, "why", err)
}
