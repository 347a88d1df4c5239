package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"slices"
	"sync"
	"time"

	"primum/circle"
	"primum/internal/durable"
	"primum/internal/wire"
)

// Reasons of the events by which a client says what it noticed in passing, in
// its daily work (circle.EventProblem): clauses O03–O08 of the oath, seen by real
// people. The clause stands behind each.
const (
	NoticedFiner   = "finer-than-given"   // O05: a value off the grant's grid of time or rounding
	NoticedOther   = "not-given"          // O05: a value of something that the terms don't share
	NoticedLate    = "after-the-end"      // O03: a value of after the grant's end
	NoticedAfterNo = "delivered-after-no" // O04: the node says itself that it delivered after it locked
	NoticedReader  = "unknown-reader"     // O06: delivered to a client that is none of the grantee's
	NoticedReused  = "identifier-reused"  // O08: two grants name a thing alike
)

// clauseOf is the clause that a reason is about.
func clauseOf(reason string) string {
	switch reason {
	case NoticedFiner, NoticedOther:
		return "O05"
	case NoticedLate:
		return "O03"
	case NoticedAfterNo:
		return "O04"
	case NoticedReader:
		return "O06"
	}
	return "O08"
}

// Noticed is something that a client noticed in passing.
type Noticed struct {
	Clause string    `json:"clause"` // "O05"
	Reason string    `json:"reason"`
	Grant  string    `json:"grant"`
	Text   string    `json:"text"`  // in English; programs have words of their own by Reason
	First  time.Time `json:"first"` // when it was noticed
	Last   time.Time `json:"last"`
	Times  int       `json:"times"`
}

// NoticedFile is where a client keeps what it noticed.
const NoticedFile = "noticed.json"

const (
	maxNoticed = 200 // kept; the oldest go first
	// minutes is how exact the node's own list is, which tells whole minutes.
	minutes = 2 * time.Minute
	// newDocument is how long a node may take to learn of a changed identity
	// document.
	newDocument = time.Hour
)

// passing is what a client notices while it works. Safe for concurrent use.
type passing struct {
	file  string
	now   func() time.Time
	given func() []circle.GrantInfo // received ones, as the actor knows them
	tell  func(n Noticed)           // of each for the first time

	mu     sync.Mutex
	all    []Noticed
	grants map[string]circle.GrantInfo // received ones that values came of; emptied when one is joined
}

func (p *passing) open() error {
	b, err := durable.ReadFile(p.file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = json.Unmarshal(b, &p.all)
	}
	if err != nil {
		return fmt.Errorf("read what was noticed: %w", err)
	}
	return nil
}

// note keeps a finding, and tells of it when it is the first of its kind about a
// grant.
func (p *passing) note(reason, grant, text string) error {
	p.mu.Lock()
	now := p.now().UTC()
	i := slices.IndexFunc(p.all, func(n Noticed) bool { return n.Reason == reason && n.Grant == grant })
	if i >= 0 {
		p.all[i].Last, p.all[i].Times = now, p.all[i].Times+1
		p.mu.Unlock()
		return nil // the count is kept with the next new one; it is no news
	}
	n := Noticed{Clause: clauseOf(reason), Reason: reason, Grant: grant, Text: text, First: now, Last: now, Times: 1}
	p.all = append(p.all, n)
	p.all = p.all[max(0, len(p.all)-maxNoticed):]
	b, err := json.Marshal(p.all)
	if err == nil {
		err = durable.WriteFile(p.file, b)
	}
	p.mu.Unlock()
	if err != nil {
		return fmt.Errorf("keep what was noticed: %w", err)
	}
	p.tell(n)
	return nil
}

// grant is a received grant by its id.
func (p *passing) grant(id string) (circle.GrantInfo, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, ok := p.grants[id]; !ok {
		p.grants = make(map[string]circle.GrantInfo)
		for _, g := range p.given() {
			p.grants[g.ID] = g
		}
	}
	g, ok := p.grants[id]
	return g, ok
}

// value looks at a value that came under a grant.
func (p *passing) value(e circle.Event) error {
	g, ok := p.grant(e.Grant)
	if !ok || e.Op != "observeproperty" {
		return nil
	}
	i := slices.IndexFunc(g.Shared, func(s circle.SharedName) bool {
		return s.Name == e.Name && (e.Thing == "" || s.Thing == e.Thing)
	})
	switch at := e.ValueAt; {
	case i < 0:
		return p.note(NoticedOther, g.ID, "a value of "+e.Name+" came, which the terms do not share")
	case !g.ValidUntil.IsZero() && at.After(g.ValidUntil.Add(g.Shared[i].Precision.Every.D())):
		return p.note(NoticedLate, g.ID, "a value of "+at.UTC().Format(time.RFC3339)+" came, after the grant's end")
	case !fits(e, g.Shared[i].Precision):
		return p.note(NoticedFiner, g.ID, "a value of "+e.Name+" came finer than the terms say")
	}
	return nil
}

// fits tells whether a value is on the grid of its precision.
func fits(e circle.Event, p circle.Precision) bool {
	if every := p.Every.D(); every > 0 && e.ValueAt.UnixNano()%int64(every) != 0 {
		return false
	}
	var v float64
	if p.Round <= 0 || json.Unmarshal(e.Value, &v) != nil {
		return true
	}
	steps := v / p.Round
	return math.Abs(steps-math.Round(steps)) <= 1e-6*max(1, math.Abs(steps))
}

// joined compares the names of things in all grants that run: no two circles
// name a thing alike.
func (p *passing) joined() error {
	p.mu.Lock()
	clear(p.grants)
	p.mu.Unlock()
	names := make(map[string]string)
	for _, g := range p.given() {
		for _, s := range g.Shared {
			if other := names[s.Thing]; s.Thing != "" && other != "" && other != g.ID {
				return p.note(NoticedReused, g.ID, "two grants name a thing alike")
			}
			names[s.Thing] = g.ID
		}
	}
	return nil
}

// Noticed is what this client noticed in passing, oldest first.
func (c *Client) Noticed() []Noticed {
	c.passing.mu.Lock()
	defer c.passing.mu.Unlock()
	return slices.Clone(c.passing.all)
}

// notice tells people what was noticed.
func (c *Client) notice(n Noticed) {
	if err := c.Owner.Finding(circle.ID{}, n.Grant, n.Reason, n.Text); err != nil {
		c.o.Calls.Log.Error("finding not told", "finding", n.Reason, "why", err)
	}
}

// passSeen looks at what the own node says of its deliveries: none is after it
// locked, and none to a client that is none of the grantee's.
func (c *Client) passSeen(ctx context.Context, days []SeenDay) error {
	given := make(map[string]circle.GrantInfo)
	for _, g := range c.Owner.Given() {
		given[g.ID] = g
	}
	for _, d := range days {
		for _, row := range d.Rows {
			g, ok := given[row.Grant]
			if !ok {
				continue
			}
			if err := c.passRow(ctx, g, row); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *Client) passRow(ctx context.Context, g circle.GrantInfo, row wire.SeenRow) error {
	last, err := time.Parse(wire.SeenMinuteForm, row.Last)
	if err != nil || row.Deliveries == 0 {
		return nil // the day's root is about such rows
	}
	if w := g.Withdrawal; w != nil && !w.LockOne.IsZero() && last.After(w.LockOne.Add(minutes)) {
		text := fmt.Sprintf("the node delivered at %s and had locked at %s", row.Last, w.LockOne.UTC().Format(time.RFC3339))
		if err := c.passing.note(NoticedAfterNo, g.ID, text); err != nil {
			return err
		}
	}
	if c.clientName(g.Grantee, row.Client) != "" {
		return nil
	}
	v, err := c.Directory.Lookup(ctx, g.Grantee)
	if err != nil || c.clientName(g.Grantee, row.Client) != "" || !last.After(v.Issued().Add(newDocument)) {
		return nil // it may be one that was dropped since
	}
	return c.passing.note(NoticedReader, g.ID, "the node delivered to a client that "+g.Grantee+" does not have")
}
