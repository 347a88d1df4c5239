package circle

import (
	"encoding/json"
	"testing"
	"time"

	"primum/circle/internal/core"
	"primum/grant"
)

func TestPagesAreReadAsTheyWereWritten(t *testing.T) {
	t.Parallel()
	page := core.Inner{Op: grant.OpRead, ID: "1", Name: "power", Values: []core.Instant{
		core.NewInstant(worldStart, json.RawMessage("812")), core.NewInstant(worldStart.Add(time.Minute), nil),
	}, Next: worldStart.Add(time.Hour)}
	items, err := core.ParseInner(core.EncodeInner(page))
	check(t, err)
	r := items[0].Values[0]
	if !r.At.Equal(worldStart) || string(r.Value) != "812" || items[0].Values[1].Value != nil {
		t.Errorf("read %+v", items)
	}
}
