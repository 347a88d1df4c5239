package scenario

import (
	"context"
	"encoding/json"
	"os"
	"sync"
	"time"

	"primum/circle"
	"primum/client"
	"primum/client/nethttp"
	"primum/internal/clock"
	"primum/internal/edge"
	"primum/internal/edge/simulated"
	"primum/internal/node"
)

// nodeRole is a node as a process of its own. It says "ready" with its address
// once it listens; started again, it listens at the same one.
type nodeRole struct {
	Authority   string
	Dir         string
	LedgerEvery node.Duration
}

type nodeReady struct {
	Authority string
}

func playNode(config []byte) error {
	var c nodeRole
	if err := json.Unmarshal(config, &c); err != nil {
		return err
	}
	cfg := node.Config{Authority: c.Authority, Listen: "127.0.0.1:0", DataDir: c.Dir, LedgerEvery: c.LedgerEvery}
	if known, err := os.ReadFile(c.Dir + ".listen"); err == nil {
		cfg.Listen = string(known)
	}
	n, err := node.Open(context.Background(), cfg)
	if err != nil {
		return err
	}
	if err := os.WriteFile(c.Dir+".listen", []byte(n.Addr()), 0o600); err != nil {
		return err
	}
	say("ready", nodeReady{Authority: n.Authority()})
	return n.Serve(context.Background())
}

// plan is the instant at which a process is to be killed: with its At-th
// message after the start.
type plan struct {
	At    int
	Stage stage
}

type stage int

const (
	// unsent: the message is sealed, and nothing of it has left.
	unsent stage = iota
	// unheard: it has left, and no answer is looked at any more.
	unheard
	// running: it has left, and everything goes on until the kill.
	running
	stages
)

// planned is a tap that says everything, and "now" at the planned instant.
func planned(p plan) *tap {
	var mu sync.Mutex
	n, deaf := 0, false
	return &tap{
		Transport: nethttp.New(nethttp.Options{}),
		cross:     func(c crossing) { say("crossing", c) },
		before: func() {
			mu.Lock()
			n++
			now := n == p.At
			mu.Unlock()
			if now && p.Stage == unsent {
				say("now", p)
				select {} // the kill comes here
			}
		},
		after: func() {
			mu.Lock()
			now := n == p.At && p.Stage != unsent && !deaf
			deaf = deaf || now && p.Stage == unheard
			mu.Unlock()
			if now {
				say("now", p)
			}
		},
		read: func() {
			mu.Lock()
			blocked := deaf
			mu.Unlock()
			if blocked {
				select {}
			}
		},
	}
}

// edgeRole is an edge with the simulated house as a process of its own.
type edgeRole struct {
	Dir  string
	Plan plan
	Seed uint64 // of the simulated values
}

type edgeReady struct {
	ClaimURL, Code string
}

func playEdge(config []byte) error {
	var c edgeRole
	if err := json.Unmarshal(config, &c); err != nil {
		return err
	}
	calls := client.Calls{Transport: planned(c.Plan)}
	e, err := edge.Open(edge.Config{
		Dir: c.Dir, Listen: "127.0.0.1:0", Zigbee2MQTT: edge.Off, HomeAssistant: edge.Off, Settle: time.Millisecond,
		Simulated: simulated.New(clock.Real(), 10*time.Millisecond, c.Seed),
		Drive: func(ctx context.Context, a *circle.Anchor, take func(circle.Event) error) error {
			return client.RunAnchor(ctx, a, client.AnchorOptions{Calls: calls, Take: func(e circle.Event) error {
				if e.Kind == circle.EventStopped || e.Kind == circle.EventProblem {
					say("trouble", e)
				}
				return take(e)
			}})
		},
	})
	if err != nil {
		return err
	}
	go func() {
		<-e.Ready()
		code, err := e.NewCode()
		if err == nil {
			say("ready", edgeReady{e.ClaimURL(), code})
		}
	}()
	return e.Run(context.Background())
}

// clientRole is a grantee's client as a process of its own: it watches a grant
// and sends one command after the other.
type clientRole struct {
	Hand    hand
	Grant   string
	Command string // path of what is commanded
	First   int    // the first command's value; they count up
	Plan    plan
}

func playClient(config []byte) error {
	var c clientRole
	if err := json.Unmarshal(config, &c); err != nil {
		return err
	}
	o, err := c.Hand.options(client.Calls{Transport: planned(c.Plan)})
	if err != nil {
		return err
	}
	ctx := context.Background()
	cl, err := client.Open(ctx, o)
	if err != nil {
		return err
	}
	say("ready", struct{}{})
	go func() {
		for n := c.First; ; n++ {
			target, err := cl.Find(c.Command)
			if err != nil {
				say("trouble", err.Error())
				return
			}
			b, _ := json.Marshal(n)
			if _, err := cl.Send(ctx, target, b, patience); err != nil {
				say("refused", err.Error())
				continue
			}
			say("answered", n)
		}
	}()
	for v := range cl.Watch(ctx, c.Grant) {
		say("value", v)
	}
	return nil
}
