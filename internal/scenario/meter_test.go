package scenario

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"primum/identity"
	usage "primum/internal/meter"
	"primum/internal/node"
	"primum/internal/wire"
)

// TestOrganisationsAreMeteredAndPersonsAreNot: a friend and an organisation of
// one domain get the same values from another domain's node. It counts what the
// organisation got, and of the friend nothing; the operator exports it.
func TestOrganisationsAreMeteredAndPersonsAreNot(t *testing.T) {
	t.Parallel()
	h := newSeenHouse(t)
	const minutes = 6
	for range minutes { // the friend alone
		h.minute(t)
	}
	begun := h.clock.Now()
	adviser := h.person(t, h.s, "adviser", identity.Organisation, "Energy advice")
	id := h.give(t, h.owner, adviser.Address(), "", time.Minute, readOps, "water/flow")
	values, _ := watch(t, adviser, id)
	h.minute(t)
	for next(t, values).Value == nil {
	}
	deliveries := uint64(0)
	for _, row := range h.day(t, h.clock.Now().Format(wire.SeenDayForm)).Rows {
		if row.Grant == id {
			deliveries += row.Deliveries
		}
	}
	h.run.stop(t)
	var b bytes.Buffer
	if err := node.WriteUsageEvents(t.Context(), h.cfg.DataDir, begun.Add(-time.Hour), begun.Add(24*time.Hour), &b); err != nil {
		t.Fatal(err)
	}
	sums := map[string]uint64{}
	for _, line := range strings.Split(strings.TrimSpace(b.String()), "\n") {
		var e usage.Event
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatal(err)
		}
		if e.Subject != h.s.Authority() || e.Source != identity.BaseURL(h.cfg.Authority) || e.Data.To.Sub(e.Data.From) != time.Hour {
			t.Errorf("event %s", line)
		}
		if strings.Contains(line, "adviser") || strings.Contains(line, "friend") {
			t.Errorf("an event names an account: %s", line)
		}
		sums[e.Data.Meter] += e.Data.N
	}
	// What the meter counts is more by the handshakes of joining, and less than
	// the friend's minutes on top of that.
	if n := sums["delivered"]; deliveries == 0 || n < deliveries || n >= deliveries+minutes {
		t.Errorf("%d messages are metered, the owner sees %d deliveries", n, deliveries)
	}
	if sums["requests"] == 0 || sums["delivered-bytes"] < 256*sums["delivered"] {
		t.Errorf("the sums are %v", sums)
	}
}
