package circle

import (
	"encoding/json"
	"testing"
	"time"

	"primum/grant"
)

func TestPagesAreReadAsTheyWereWritten(t *testing.T) {
	t.Parallel()
	page := inner{Op: grant.OpRead, ID: "1", Name: "power", Values: []instant{
		newInstant(worldStart, json.RawMessage("812")), newInstant(worldStart.Add(time.Minute), nil),
	}, Next: worldStart.Add(time.Hour)}
	items, err := parseInner(encodeInner(page))
	check(t, err)
	r := items[0].Values[0]
	if !r.At.Equal(worldStart) || string(r.Value) != "812" || items[0].Values[1].Value != nil {
		t.Errorf("read %+v", items)
	}
}
