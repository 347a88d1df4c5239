package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"primum/circle"
	"primum/identity"
	"primum/internal/durable"
	"primum/internal/wire"
	"primum/ledger"
)

// SeenState is how far a day of the access log is proved.
type SeenState string

// States of a day.
const (
	SeenOpen     SeenState = "open"     // it is not over: more may come
	SeenWaiting  SeenState = "waiting"  // its root is promised for the log's next tick
	SeenProved   SeenState = "proved"   // its root stands in the node's log
	SeenUnlogged SeenState = "unlogged" // the node promised nothing; only this client remembers the root
	SeenBroken   SeenState = "broken"   // see Why
)

// Reasons why a day is broken.
const (
	SeenRows    = "rows"    // the rows don't give the root
	SeenChanged = "changed" // the root was another one before
	SeenFewer   = "fewer"   // a row was told before and is gone or smaller
	SeenGone    = "gone"    // the day was told before
	SeenKey     = "key"     // the node's log has another key than before
	SeenProof   = "proof"   // the proof does not hold
	SeenPromise = "promise" // the promise does not hold
	SeenLate    = "late"    // the promised tick is over, and there is no proof
)

// SeenReport is what the own node delivered to whom, judged.
type SeenReport struct {
	At   time.Time // what was delivered before is in
	Log  *ledger.Log
	Days []SeenDay // the newest first
}

// SeenDay is one day. Of a day that is gone only Day, State and Why are set.
type SeenDay struct {
	wire.SeenDay
	State SeenState
	Why   string // of a broken day
	// Index and Size are where the leaf of a proved day stands, in a tree of how
	// many; Witnesses are the names under the tree's head, which nobody checked
	// here.
	Index, Size uint64
	Witnesses   []string
}

const (
	seenFile = "seen.json"
	seenDays = 400 // are remembered, as long as a node keeps them
)

// seenMemory is what a client remembers of what it was told.
type seenMemory struct {
	Key  string              `json:"key,omitempty"` // of the node's log
	Days map[string]seenKept `json:"days"`
}

// seenKept is a day as it was told last: the root of a closed one, else what
// each row had.
type seenKept struct {
	Root []byte               `json:"root,omitempty"`
	Rows map[string][2]uint64 `json:"rows,omitempty"` // deliveries and actions
}

// WhoSaw asks the own node what it delivered to whom on days (1 to 31) up to last
// ("2026-11-23"; empty: today), and judges the answer: by the day's roots, by
// the node's log, and by what was told before. Days are of UTC.
func (c *Client) WhoSaw(ctx context.Context, last string, days int) (SeenReport, error) {
	told, info, err := c.askSeen(ctx, last, days)
	if err != nil {
		return SeenReport{}, err
	}
	c.seenMu.Lock()
	defer c.seenMu.Unlock()
	known, err := c.readSeen()
	if err != nil {
		return SeenReport{}, err
	}
	r := SeenReport{At: told.At, Days: []SeenDay{}}
	j := seenJudge{now: c.o.Calls.Clock.Now(), known: known, keys: info.Keys}
	if info.Ledger != nil {
		r.Log = &info.Ledger.Commitments
		j.log = r.Log
	}
	for _, d := range told.Days {
		r.Days = append(r.Days, j.judge(d))
	}
	r.Days = append(r.Days, j.gone(told, last, days)...)
	slices.SortFunc(r.Days, func(a, b SeenDay) int { return strings.Compare(b.Day, a.Day) })
	return r, errors.Join(c.writeSeen(j.known), c.passSeen(ctx, r.Days))
}

func (c *Client) askSeen(ctx context.Context, last string, days int) (s wire.Seen, info wire.NodeInfo, err error) {
	if info, err = c.Home.Info(ctx); err != nil {
		return s, info, fmt.Errorf("ask who saw what: %w", err)
	}
	s, err = c.Home.Seen(ctx, last, days)
	if err != nil {
		return s, info, fmt.Errorf("ask who saw what: %w", err)
	}
	return s, info, nil
}

func (c *Client) readSeen() (m seenMemory, err error) {
	b, err := durable.ReadFile(filepath.Join(c.o.Dir, seenFile))
	if err == nil {
		err = json.Unmarshal(b, &m)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return m, fmt.Errorf("read what was seen before: %w", err)
	}
	if m.Days == nil {
		m.Days = map[string]seenKept{}
	}
	return m, nil
}

func (c *Client) writeSeen(m seenMemory) error {
	for len(m.Days) > seenDays {
		oldest := ""
		for day := range m.Days {
			if oldest == "" || day < oldest {
				oldest = day
			}
		}
		delete(m.Days, oldest)
	}
	b, err := json.Marshal(m)
	if err == nil {
		err = durable.WriteFile(filepath.Join(c.o.Dir, seenFile), b)
	}
	if err != nil {
		return fmt.Errorf("keep what was seen: %w", err)
	}
	return nil
}

// seenJudge compares what a node tells with what can be proved. What it finds
// broken it does not remember: it stays broken.
type seenJudge struct {
	now   time.Time // by the own clock: a node can't put its promises off
	known seenMemory
	log   *ledger.Log
	keys  []wire.NodeKey
}

func (j *seenJudge) judge(d wire.SeenDay) SeenDay {
	out := SeenDay{SeenDay: d}
	if out.Why = j.changed(d); out.Why == "" {
		j.prove(&out)
	}
	if out.Why != "" {
		out.State = SeenBroken
		return out
	}
	j.remember(d)
	return out
}

// changed compares with what was told before.
func (j *seenJudge) changed(d wire.SeenDay) string {
	before, told := j.known.Days[d.Day]
	switch {
	case d.Closed() && d.CheckRoot() != nil:
		return SeenRows
	case told && before.Root != nil && string(before.Root) != string(d.Root):
		return SeenChanged
	}
	now := rowsOf(d)
	for row, was := range before.Rows {
		if n, ok := now[row]; !ok || n[0] < was[0] || n[1] < was[1] {
			return SeenFewer
		}
	}
	return ""
}

func rowsOf(d wire.SeenDay) map[string][2]uint64 {
	rows := make(map[string][2]uint64, len(d.Rows))
	for _, r := range d.Rows {
		rows[r.Grant+" "+r.Client] = [2]uint64{r.Deliveries, r.Actions}
	}
	return rows
}

// prove says how far a day is proved, or why it is broken.
func (j *seenJudge) prove(d *SeenDay) {
	switch {
	case !d.Closed():
		d.State = SeenOpen
	case j.log == nil && j.known.Key == "", j.log != nil && d.Promise == "" && d.Proof == "":
		d.State = SeenUnlogged
	case j.log == nil || j.known.Key != "" && j.known.Key != j.log.Key:
		d.Why = SeenKey
	case d.Proof != "":
		var c ledger.Checkpoint
		var err error
		if d.Index, c, err = d.Prove(*j.log); err != nil {
			d.Why = SeenProof
			return
		}
		d.State, d.Size, d.Witnesses = SeenProved, c.Size, c.Others
		j.known.Key = j.log.Key
	default:
		d.State, d.Why = SeenWaiting, j.waits(d.SeenDay)
	}
}

// waits judges the promise of a day that is not in the log yet.
func (j *seenJudge) waits(d wire.SeenDay) string {
	p, kid, err := ledger.PeekPromise(d.Promise)
	if err != nil {
		return SeenPromise
	}
	id, err := identity.ParseKeyID(kid)
	if err != nil {
		return SeenPromise
	}
	i := slices.IndexFunc(j.keys, func(k wire.NodeKey) bool { return k.ID == id.NodeKey })
	if i < 0 {
		return SeenPromise
	}
	leaf := wire.SeenLeaf(d.Secret, d.Day, d.Root)
	switch p, err = ledger.ReadPromise(d.Promise, j.keys[i].X); {
	case err != nil, p.Origin != j.log.Origin, string(p.Leaf) != string(leaf[:]):
		return SeenPromise
	case p.Overdue(j.now):
		return SeenLate
	}
	return ""
}

func (j *seenJudge) remember(d wire.SeenDay) {
	if d.Closed() {
		j.known.Days[d.Day] = seenKept{Root: d.Root}
		return
	}
	j.known.Days[d.Day] = seenKept{Rows: rowsOf(d)}
}

// gone lists the days that were asked for and told before, and are not told now.
func (j *seenJudge) gone(told wire.Seen, last string, days int) (all []SeenDay) {
	to, err := time.Parse(wire.SeenDayForm, last)
	if err != nil {
		to = j.now.UTC()
	}
	oldest := j.now.Add(-seenDays * 24 * time.Hour).Format(wire.SeenDayForm)
	for i := range days {
		day := to.AddDate(0, 0, -i).Format(wire.SeenDayForm)
		_, known := j.known.Days[day]
		if known && day > oldest && !slices.ContainsFunc(told.Days, func(d wire.SeenDay) bool { return d.Day == day }) {
			all = append(all, SeenDay{SeenDay: wire.SeenDay{Day: day}, State: SeenBroken, Why: SeenGone})
		}
	}
	return all
}

// SeenGrants are the own grants that days are about, with what only the owner
// knows of them.
func (c *Client) SeenGrants(days []SeenDay) []wire.SeenGrant {
	all := []wire.SeenGrant{}
	for _, g := range c.Owner.Given() {
		clients := map[string]string{}
		rows := 0
		for _, d := range days {
			for _, r := range d.Rows {
				if r.Grant == g.ID {
					rows++
					clients[r.Client] = c.clientName(g.Grantee, r.Client)
				}
			}
		}
		if rows > 0 {
			all = append(all, c.seenGrant(g, clients))
		}
	}
	return all
}

func (c *Client) seenGrant(g circle.GrantInfo, clients map[string]string) wire.SeenGrant {
	out := wire.SeenGrant{ID: g.ID, Grantee: g.Grantee, Clients: clients, Shared: []string{}, From: g.ValidFrom, Until: g.ValidUntil}
	if t, err := Terms(g.Terms); err == nil {
		out.Name, out.Purpose = t.Grantee.Name, t.Process.Purpose.Label
		if out.Purpose == "" {
			out.Purpose = t.Process.Purpose.Class
		}
	}
	for _, s := range g.Shared {
		out.Shared = append(out.Shared, s.Source.Thing+"/"+s.Source.Name+": "+s.Precision.Words())
	}
	return out
}

// clientName is the name of a client in its account's identity document, empty
// where that is not known (any more).
func (c *Client) clientName(account, id string) string {
	v, ok := c.Directory.Known(account)
	if !ok {
		return ""
	}
	for _, one := range v.Clients() {
		if wire.SeenClient(one.Key) == id {
			return one.Name
		}
	}
	return ""
}

// SeenFile is what the person takes away of a report.
func (c *Client) SeenFile(r SeenReport) wire.SeenFile {
	f := wire.SeenFile{
		Format: wire.SeenFormat, Account: c.Address(), Node: c.Home.Authority, Log: r.Log, Made: c.o.Calls.Clock.Now().UTC(),
		Grants: c.SeenGrants(r.Days), Days: []wire.SeenDay{},
	}
	for _, d := range r.Days {
		if len(d.Rows) > 0 {
			f.Days = append(f.Days, d.SeenDay)
		}
	}
	return f
}
