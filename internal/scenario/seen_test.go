package scenario

import (
	"database/sql"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"primum/client"
	"primum/internal/edge"
	"primum/internal/edge/mqtt"
	"primum/internal/engine"
	"primum/internal/node"
	"primum/internal/webtest"
	"primum/internal/wire"
)

// seenHouse is an owner whose meter a friend of another node sees, every
// minute.
type seenHouse struct {
	*world
	cfg           node.Config
	run           *nodeRun
	home          *broker
	edge          *edge.Edge
	owner, friend *client.Client
	grant         string
	values        <-chan client.Value
	minutes       int
}

func newSeenHouse(t *testing.T) *seenHouse {
	t.Helper()
	w := newWorld(t)
	h := &seenHouse{world: w, cfg: node.Config{
		Authority: "h.localhost", Listen: "127.0.0.1:0", DataDir: filepath.Join(t.TempDir(), "h"), Clock: w.clock,
		LedgerEvery: node.Duration(10 * time.Minute),
	}}
	h.run = runNode(t, h.cfg)
	h.cfg.Authority = h.run.node.Authority()
	h.cfg.Listen = h.run.node.Addr()
	h.home = startBroker(t)
	announceOwn(t, h.home)
	h.owner = w.person(t, h.run.node, "owner", "person", "")
	h.friend = w.person(t, w.s, "friend", "person", "")
	h.edge = w.runEdge(t, edge.Config{Broker: &mqtt.Options{URL: h.home.URL()}, Settle: time.Millisecond})
	w.settle(t, "find the things", func() bool { return hasThings(h.edge, false) })
	claim(t, h.owner, h.edge)
	w.settle(t, "describe water", func() bool { _, err := h.owner.Find("water/flow"); return err == nil })
	h.grant = w.give(t, h.owner, h.friend.Address(), "", time.Minute, readOps, "water/flow")
	h.values, _ = watch(t, h.friend, h.grant)
	return h
}

// minute lets a minute pass, and its value arrive at the friend.
func (h *seenHouse) minute(t *testing.T) {
	t.Helper()
	h.toNextMinute()
	h.speak(t, h.home, h.edge, 1, func(int) float64 { h.minutes++; return float64(h.minutes) })
	h.toNextMinute()
	for next(t, h.values).Value == nil { // a window without a measurement
	}
}

// day is what the owner is told of a day. A node that has just written does not
// write again for who asks.
func (h *seenHouse) day(t *testing.T, day string) client.SeenDay {
	t.Helper()
	h.clock.Advance(time.Second)
	r, err := h.owner.WhoSaw(t.Context(), day, 1)
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Days) != 1 {
		t.Fatalf("%s: told %+v", day, r.Days)
	}
	return r.Days[0]
}

// becomes waits until a day has a state.
func (h *seenHouse) becomes(t *testing.T, day string, state client.SeenState) client.SeenDay {
	t.Helper()
	var d client.SeenDay
	h.minutesUntil(t, day+" is "+string(state), func() bool {
		d = h.day(t, day)
		return d.State == state
	})
	return d
}

// tamper changes the node's database while the node is stopped, as somebody who
// runs it can.
func (h *seenHouse) tamper(t *testing.T, query string) {
	t.Helper()
	h.run.stop(t)
	db, err := sql.Open("sqlite", filepath.Join(h.cfg.DataDir, "store", "state.db"))
	if err != nil {
		t.Fatal(err)
	}
	if r, err := db.ExecContext(t.Context(), query); err != nil {
		t.Fatal(err)
	} else if n, _ := r.RowsAffected(); n == 0 {
		t.Fatalf("%s changes nothing", query)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	h.run = runNode(t, h.cfg)
}

// TestWhoSawWhat: a friend gets values; the owner sees it at once, sees it
// proved after midnight and the log's tick, and finds out whatever the node's
// operator changes then. Nobody else is told anything.
func TestWhoSawWhat(t *testing.T) {
	t.Parallel()
	h := newSeenHouse(t)
	for range 3 {
		h.minute(t)
	}
	day := h.clock.Now().Format(wire.SeenDayForm)
	d := h.day(t, day)
	if d.State != client.SeenOpen || len(d.Rows) != 1 || d.Rows[0].Grant != h.grant || d.Rows[0].Deliveries < 3 {
		t.Fatalf("the owner is told %+v", d)
	}
	if early := h.clock.Now().Add(-2 * time.Minute).Format(wire.SeenMinuteForm); d.Rows[0].Last < early {
		t.Errorf("the last minute is %s, now it is %s", d.Rows[0].Last, h.clock.Now())
	}
	grants := h.owner.SeenGrants([]client.SeenDay{d})
	if len(grants) != 1 || grants[0].Grantee != h.friend.Address() || grants[0].Clients[d.Rows[0].Client] != h.friend.ClientName() {
		t.Errorf("the owner's client says %+v", grants)
	}
	told, err := h.friend.WhoSaw(t.Context(), day, 7)
	if err != nil || len(told.Days) != 0 {
		t.Errorf("the friend is told %+v, %v", told.Days, err)
	}
	h.closeDay(t, day)
}

func (h *seenHouse) closeDay(t *testing.T, day string) {
	t.Helper()
	h.clock.Advance(10 * time.Hour)
	d := h.becomes(t, day, client.SeenProved)
	if d.Size == 0 || d.CheckRoot() != nil {
		t.Errorf("proved as %+v", d)
	}
	h.tamper(t, `UPDATE seen SET deliveries = deliveries - 1`)
	if d := h.becomes(t, day, client.SeenBroken); d.Why != client.SeenRows {
		t.Errorf("a changed row: %s", d.Why)
	}
	h.tamper(t, `UPDATE seen SET deliveries = deliveries + 1`)
	h.becomes(t, day, client.SeenProved)
	h.tamper(t, `UPDATE seen_days SET secret = NULL, root = NULL`) // to be closed anew
	h.minutesUntil(t, "the new seal is found out", func() bool {
		d := h.day(t, day)
		return d.State == client.SeenBroken && d.Why == client.SeenChanged
	})
	h.tamper(t, `DELETE FROM seen_days`)
	if d := h.becomes(t, day, client.SeenBroken); d.Why != client.SeenGone {
		t.Errorf("a day that is gone: %s", d.Why)
	}
}

// TestSeenFileProvesItself: what the owner took away can be checked by anybody
// who asks the node's log for nothing but its key.
func TestSeenFileProvesItself(t *testing.T) {
	t.Parallel()
	h := newSeenHouse(t)
	h.minute(t)
	day := h.clock.Now().Format(wire.SeenDayForm)
	h.day(t, day)
	h.clock.Advance(10 * time.Hour)
	h.becomes(t, day, client.SeenProved)
	r, err := h.owner.WhoSaw(t.Context(), "", 7)
	if err != nil {
		t.Fatal(err)
	}
	f := h.owner.SeenFile(r)
	i := slices.IndexFunc(f.Days, func(d wire.SeenDay) bool { return d.Day == day })
	if i < 0 || f.Log == nil || len(f.Grants) != 1 {
		t.Fatalf("the file has %+v", f)
	}
	if _, _, err := f.Days[i].Prove(*f.Log); err != nil {
		t.Error(err)
	}
	f.Days[i].Rows[0].Deliveries++
	if _, _, err := f.Days[i].Prove(*f.Log); err == nil {
		t.Error("a changed file proves itself")
	}
}

// ownerSees: an owner's engine tells who got what of a grant, and writes it down.
func ownerSees(t *testing.T, w *world, owner *portal, grantID string) {
	t.Helper()
	w.clock.Advance(time.Second)
	seen := call[engine.Seen](t, owner, "seen", engine.SeenParams{})
	if len(seen.Days) != 1 || seen.Days[0].State != "open" || len(seen.Days[0].Rows) == 0 {
		t.Fatalf("seen: %+v", seen)
	}
	if row := seen.Days[0].Rows[0]; row.Grant != grantID || row.Deliveries < 5 || row.Name == "" {
		t.Errorf("seen: %+v", row)
	}
	file := call[engine.Export](t, owner, "seen.export", engine.SeenParams{Days: 31})
	if f, err := wire.ReadSeenFile([]byte(file.Content)); err != nil || len(f.Days) != 1 || len(f.Grants) != 1 {
		t.Errorf("taken along: %+v, %v", f, err)
	}
}

// whoSaw: the page has a dot for who got something, and what stands behind it.
func (p *pages) whoSaw(t *testing.T, ada *webtest.Tab, who string) {
	t.Helper()
	ada.Open(p.w.h.BaseURL() + "/my#/seen")
	ada.Click("@dot")
	ada.WaitText("@seen-detail", who)
	ada.WaitVisible("@seen-row")
	ada.WaitVisible("@chain-open")
	ada.Shot("real-seen", webtest.Light, webtest.Phone390)
}
